"""A request for access follows the name it led to, and never reaches whoever makes another thing of that name."""

from __future__ import annotations

from mlflow_oidc_auth.bridge.lookups import ResourceLookup
from mlflow_oidc_auth.bridge.resources import registered_models
from mlflow_oidc_auth.grants.requests import RequestStore
from mlflow_oidc_auth.grants.store import GrantStore
from mlflow_oidc_auth.vocabulary import Identity, Kind, Level
from tests.stores import NOW, Stores


def requests(stores: Stores) -> RequestStore:
    """The store of requests beside MLflow's."""
    default = Level.NO_PERMISSIONS
    return RequestStore(stores.engine, default, GrantStore(stores.engine, default), ResourceLookup(stores.engine))


def asked(stores: Stores, kind: Kind, name: str) -> None:
    """alice makes it, and carol asks for it."""
    with stores.decided(stores.alice):
        if kind is Kind.EXPERIMENT:
            stores.tracking.create_experiment(name)
        else:
            stores.registry.create_registered_model(name)
    requests(stores).ask(stores.carol, kind, name, Level.READ, now=NOW)


def to_decide(stores: Stores, identity: Identity) -> list[str]:
    """On what somebody is to decide."""
    return [one.on.name for one in requests(stores).to_decide(identity, NOW, 0, 10)[0]]


def told(stores: Stores) -> list[str]:
    """What carol is told of."""
    return [one.asked_for for one in requests(stores).of_user(stores.carol.user_id, NOW, 0, 10)[0]]


def test_a_request_follows_a_rename(stores: Stores) -> None:
    asked(stores, Kind.REGISTERED_MODEL, "old")
    with stores.decided(stores.alice):
        stores.registry.rename_registered_model("old", "new")
    assert to_decide(stores, stores.alice) == ["new"]
    assert told(stores) == ["old"]


def test_an_experiments_request_stays_with_it_under_a_new_name(stores: Stores) -> None:
    asked(stores, Kind.EXPERIMENT, "old")
    number = str(stores.scalar("SELECT experiment_id FROM experiments WHERE name = 'old'"))
    with stores.decided(stores.alice):
        stores.tracking.rename_experiment(number, "new")
    assert to_decide(stores, stores.alice) == ["new"]


def test_who_makes_another_thing_of_that_name_is_not_asked_for_it(stores: Stores) -> None:
    asked(stores, Kind.REGISTERED_MODEL, "a-name")
    with stores.decided(stores.alice):
        stores.registry.delete_registered_model("a-name")
    with stores.decided(stores.bob):
        stores.registry.create_registered_model("a-name")
    assert to_decide(stores, stores.bob) == to_decide(stores, stores.root) == []
    assert told(stores) == ["a-name"]


def test_nor_after_a_process_without_us_deleted_it(stores: Stores) -> None:
    asked(stores, Kind.REGISTERED_MODEL, "a-name")
    with stores.another_process() as connection:
        connection.execute(registered_models.delete().where(registered_models.c.name == "a-name"))
    with stores.decided(stores.bob):
        stores.registry.create_registered_model("a-name")
    assert to_decide(stores, stores.bob) == []


def test_nor_who_renames_onto_it(stores: Stores) -> None:
    asked(stores, Kind.REGISTERED_MODEL, "a-name")
    with stores.another_process() as connection:
        connection.execute(registered_models.delete().where(registered_models.c.name == "a-name"))
    with stores.decided(stores.bob):
        stores.registry.create_registered_model("another")
        stores.registry.rename_registered_model("another", "a-name")
    assert to_decide(stores, stores.bob) == []
