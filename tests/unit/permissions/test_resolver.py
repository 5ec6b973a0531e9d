"""What a person may see, read in one statement as long as it can be named."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from mlflow_oidc_auth.database.tables import experiment_grants
from mlflow_oidc_auth.permissions.resolver import FEW_GRANTS, Sight, decode
from mlflow_oidc_auth.vocabulary import Identity, Kind, Level, Rung
from tests.stores import NOW, Stores, statements


def give(stores: Stores, identity: Identity, ids: range) -> None:
    said = {"user_id": identity.user_id, "level": int(Level.READ), "granted_by": "t", "granted_at": NOW}
    with stores.engine.begin() as connection:
        connection.execute(experiment_grants.insert(), [{"experiment_id": id_, **said} for id_ in ids])


def test_a_thousand_grants_are_named_and_one_more_is_not(stores: Stores) -> None:
    give(stores, stores.alice, range(1, FEW_GRANTS + 1))
    sight = stores.resolver.sight(stores.alice, Kind.EXPERIMENT, NOW)
    assert sight is not None
    assert sight.shown == frozenset(range(1, FEW_GRANTS + 1))
    give(stores, stores.alice, range(FEW_GRANTS + 1, FEW_GRANTS + 2))
    assert stores.resolver.sight(stores.alice, Kind.EXPERIMENT, NOW) is None
    assert stores.resolver.sight(stores.alice, Kind.REGISTERED_MODEL, NOW) is not None


def test_a_persons_and_their_groups_grants_count_together(stores: Stores) -> None:
    give(stores, stores.bob, range(1, FEW_GRANTS + 1))
    assert stores.resolver.sight(stores.bob, Kind.EXPERIMENT, NOW) is not None
    stores.grant(stores.team, Kind.EXPERIMENT, 1, Level.READ)
    assert stores.resolver.sight(stores.bob, Kind.EXPERIMENT, NOW) is None


def test_grants_that_have_ended_are_not_read(stores: Stores) -> None:
    stores.grant(stores.alice, Kind.EXPERIMENT, 1, Level.READ, until=NOW)
    stores.grant(stores.alice, Kind.EXPERIMENT, 2, Level.READ, until=NOW + timedelta(seconds=1))
    stores.grant_pattern(stores.alice, Kind.EXPERIMENT, "old-", Level.READ, until=NOW)
    sight = stores.resolver.sight(stores.alice, Kind.EXPERIMENT, NOW)
    assert sight == Sight(frozenset({2}), frozenset(), (), default=False)


def test_a_sight_is_read_in_one_statement(stores: Stores) -> None:
    for identity in (stores.alice, stores.bob, replace(stores.bob, group_ids=frozenset())):
        with statements(stores.engine) as ran:
            stores.resolver.sight(identity, Kind.EXPERIMENT, NOW)
        assert len(ran) == 1


def test_the_longest_pattern_of_ones_own_comes_before_any_of_a_group(stores: Stores) -> None:
    stores.grant_pattern(stores.bob, Kind.EXPERIMENT, "", Level.NO_PERMISSIONS)
    stores.grant_pattern(stores.bob, Kind.EXPERIMENT, "team-", Level.READ)
    stores.grant_pattern(stores.team, Kind.EXPERIMENT, "team-secret-", Level.NO_PERMISSIONS)
    sight = stores.resolver.sight(stores.bob, Kind.EXPERIMENT, NOW)
    assert sight is not None
    assert sight.patterns == (("team-", True), ("", False), ("team-secret-", False))
    assert [sight.shows(1, name) for name in ("team-a", "team-secret-a", "other")] == [True, True, False]


@pytest.mark.parametrize("level", list(Level))
def test_one_number_tells_level_and_rung(stores: Stores, level: Level) -> None:
    stores.grant(stores.alice, Kind.EXPERIMENT, 0, level)
    with stores.engine.connect() as connection:
        stored = connection.scalar(sa.select(experiment_grants.c.level))
    assert decode(stored * 8 + Rung.USER.value) == (level, Rung.USER)
