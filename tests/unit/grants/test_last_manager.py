"""What removing a grant would leave, told before it is removed, is what its removal leaves: random grants."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
import sqlalchemy as sa

from mlflow_oidc_auth.database.tables import experiment_grants, named_grants
from mlflow_oidc_auth.grants.last_manager import LastManager
from mlflow_oidc_auth.grants.managers import managed
from mlflow_oidc_auth.grants.rows import remove
from mlflow_oidc_auth.grants.store import Shareable
from mlflow_oidc_auth.vocabulary import Level
from tests.unit.grants.world import EXPERIMENT, MODEL, NOW, World

ENDS = (None, None, NOW + timedelta(days=1), NOW)


@pytest.mark.parametrize("on", [EXPERIMENT, MODEL], ids=lambda on: on.kind)
def test_what_is_told_is_what_comes(world: World, on: Shareable) -> None:
    teams = [world.readers, world.group("writers", "carol", "dave"), world.group("empty"), world.group("both", "bob")]
    world.disable("dave")
    everybody = [*(world.to(name) for name in ("alice", "bob", "carol", "dave")), *teams]
    lost = 0
    for seed in range(40):
        chance = random.Random(seed)
        holders = chance.sample(everybody, chance.randint(1, 4))
        forget(world.engine)
        for holder in holders:
            world.given(on, chance.choice((*Level, Level.MANAGE, Level.MANAGE)), holder, chance.choice(ENDS))
        told = LastManager(world.engine).outlook(on.resource, holders, NOW)
        for holder in holders:
            with world.engine.connect() as connection:
                assert managed(connection, on.resource, NOW) == told.present
                remove(connection, on.resource, holder)
                assert managed(connection, on.resource, NOW) == told.without[holder], (seed, holder)
                connection.rollback()
            lost += told.present.lost_by(told.without[holder])
    assert lost > 10


def test_nobody_is_asked_about_nothing(world: World) -> None:
    assert LastManager(world.engine).outlook(EXPERIMENT.resource, [], NOW).without == {}


def forget(engine: sa.Engine) -> None:
    """Let the database hold no grants."""
    with engine.begin() as connection:
        for table in (experiment_grants, named_grants):
            connection.execute(table.delete())
