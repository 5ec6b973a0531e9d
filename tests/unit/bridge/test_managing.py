"""Whom to ask: who manages what an id leads to, however it leads there and by whatever grant."""

from __future__ import annotations

import pytest

from mlflow_oidc_auth.database.tables import users
from mlflow_oidc_auth.operations.targets import IdKind
from mlflow_oidc_auth.vocabulary import Identity, Kind, Level
from tests.stores import NOW, Stores, statements


@pytest.fixture
def ids(stores: Stores) -> dict[IdKind, str]:
    """What alice made, by the kind of its id."""
    with stores.decided(stores.alice):
        experiment = stores.tracking.create_experiment("team-a sales")
        run = stores.tracking.create_run(experiment, "x", 0, [], "r").info.run_id
        model = stores.tracking.create_logged_model(experiment, "m").model_id
        stores.registry.create_registered_model("forecast")
    return {IdKind.EXPERIMENT: experiment, IdKind.RUN: run, IdKind.LOGGED_MODEL: model, IdKind.NAME: "forecast"}


def forget(stores: Stores, identity: Identity) -> None:
    with stores.engine.begin() as connection:
        connection.execute(users.update().where(users.c.id == identity.user_id).values(is_active=False))


KINDS = [IdKind.EXPERIMENT, IdKind.RUN, IdKind.LOGGED_MODEL, IdKind.NAME]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_the_owner_is_told_in_one_statement(stores: Stores, ids: dict[IdKind, str], kind: IdKind) -> None:
    with statements(stores.engine) as seen:
        assert stores.judge.managers(kind, ids[kind], NOW) == ("alice@example.test",)
    assert len(seen) == 1


def test_a_display_name_goes_before_a_login_name(stores: Stores, ids: dict[IdKind, str]) -> None:
    with stores.engine.begin() as connection:
        alice = users.c.id == stores.alice.user_id
        connection.execute(users.update().where(alice).values(display_name="Alice Example"))
    assert stores.judge.managers(IdKind.RUN, ids[IdKind.RUN], NOW) == ("Alice Example",)


@pytest.mark.parametrize("kind", [IdKind.EXPERIMENT, IdKind.NAME], ids=str)
@pytest.mark.parametrize("way", ["a grant", "a group", "a pattern", "a group's pattern"])
def test_who_manages_it_in_whatever_way_is_told(stores: Stores, ids: dict[IdKind, str], kind: IdKind, way: str) -> None:
    forget(stores, stores.alice)
    of, key = (Kind.REGISTERED_MODEL, "forecast") if kind is IdKind.NAME else (Kind.EXPERIMENT, ids[kind])
    match way:
        case "a grant":
            stores.grant(stores.bob, of, key, Level.MANAGE)
        case "a group":
            stores.grant(stores.team, of, key, Level.MANAGE)
        case "a pattern":
            stores.grant_pattern(stores.bob, of, "", Level.MANAGE)
        case "a group's pattern":
            stores.grant_pattern(stores.team, of, "", Level.MANAGE)
    both = ("bob@example.test", "carol@example.test") if "group" in way else ("bob@example.test",)
    assert stores.judge.managers(kind, ids[kind], NOW) == both


def test_whose_own_grant_says_less_and_whose_has_ended_are_not_told(stores: Stores, ids: dict[IdKind, str]) -> None:
    key = ids[IdKind.EXPERIMENT]
    stores.grant(stores.team, Kind.EXPERIMENT, key, Level.MANAGE)
    stores.grant(stores.bob, Kind.EXPERIMENT, key, Level.EDIT)
    stores.grant(stores.root, Kind.EXPERIMENT, key, Level.MANAGE, NOW)
    assert stores.judge.managers(IdKind.EXPERIMENT, key, NOW) == ("alice@example.test", "carol@example.test")


def test_three_are_told_at_most(stores: Stores, ids: dict[IdKind, str]) -> None:
    for number in range(5):
        somebody = stores.make_user(f"m{number}")
        stores.grant(somebody, Kind.REGISTERED_MODEL, "forecast", Level.MANAGE)
    assert stores.judge.managers(IdKind.NAME, "forecast", NOW) == (
        "alice@example.test",
        "m0@example.test",
        "m1@example.test",
    )


@pytest.mark.parametrize("kind", [kind for kind in IdKind if kind not in KINDS], ids=str)
def test_an_id_that_leads_nowhere_names_nobody(stores: Stores, ids: dict[IdKind, str], kind: IdKind) -> None:
    assert stores.judge.managers(kind, "7" * 12, NOW) == ()


def test_the_default_level_makes_nobody_a_manager(stores: Stores, ids: dict[IdKind, str]) -> None:
    stores.judge._default = Level.MANAGE
    assert stores.judge.managers(IdKind.RUN, ids[IdKind.RUN], NOW) == ("alice@example.test",)
