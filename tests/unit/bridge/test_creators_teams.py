"""CREATOR_TEAM_PERMISSION: the teams of whoever makes something get a level on it in the same transaction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import sqlalchemy as sa

from mlflow_oidc_auth.database.tables import audit_records, groups
from mlflow_oidc_auth.vocabulary import Identity, Level
from tests.stores import NOW, Stores, statements


@pytest.fixture
def bob(stores: Stores) -> Iterator[Identity]:
    """He is in two teams and a group of the login service; teams get READ."""
    stores.ownership._team_level = Level.READ
    with stores.engine.begin() as connection:
        row = groups.insert().values(source="provider", name="/everybody", created_at=NOW).returning(groups.c.id)
        everybody = connection.execute(row).scalar_one()
    return replace(stores.bob, group_ids=frozenset({stores.team, stores.make_group("second"), everybody}))


def grants_on(stores: Stores, key: str | int) -> set[tuple[str | int, int]]:
    return {(whose, level) for whose, level, _ in stores.grants_on(key)}


def test_each_team_gets_the_level_and_groups_of_the_login_service_get_nothing(stores: Stores, bob: Identity) -> None:
    with stores.decided(bob):
        number = int(stores.tracking.create_experiment("e"))
        stores.registry.create_registered_model("m")
    second = stores.scalar("SELECT id FROM oidc_auth_groups WHERE name = 'second'")
    expected = {("bob@example.test", 40), (stores.team, 10), (second, 10)}
    assert grants_on(stores, number) == grants_on(stores, "m") == expected


def test_the_audit_of_the_create_names_the_teams(stores: Stores, bob: Identity) -> None:
    with stores.decided(bob):
        stores.tracking.create_experiment("e")
        stores.registry.create_registered_model("m")
    with stores.engine.connect() as connection:
        told = connection.execute(sa.select(audit_records.c.act, audit_records.c.after)).all()
    after = {"level": "READ", "teams": ["second", "team"]}
    assert told == [("experiment.create", after), ("registered_model.create", after)]


def test_a_create_that_fails_leaves_no_grant_of_a_team(stores: Stores, bob: Identity) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("killed")

    sa.event.listen(stores.tracking.engine, "commit", fail)
    try:
        with stores.decided(bob), pytest.raises(Exception, match="killed"):
            stores.tracking.create_experiment("e")
    finally:
        sa.event.remove(stores.tracking.engine, "commit", fail)
    assert stores.scalar("SELECT count(*) FROM oidc_auth_experiment_grants") == 0


@pytest.mark.parametrize("level", [Level.NO_PERMISSIONS, Level.MANAGE])
def test_without_the_setting_or_a_team_the_creator_alone_owns_it(stores: Stores, bob: Identity, level: Level) -> None:
    stores.ownership._team_level = level
    who = bob if level is Level.NO_PERMISSIONS else replace(bob, group_ids=frozenset())
    with stores.decided(who):
        number = int(stores.tracking.create_experiment("e"))
    assert grants_on(stores, number) == {("bob@example.test", 40)}


def test_without_the_setting_no_statement_is_added(stores: Stores) -> None:
    with stores.decided(stores.bob), statements(stores.tracking.engine) as seen:
        stores.tracking.create_experiment("e")
    assert not [sql for sql in seen if "oidc_auth_groups" in sql]
