"""All that somebody manages goes to somebody else: nothing is lost, nothing lowered, in a few statements."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from mlflow_oidc_auth.database.tables import audit_records, experiment_grants, named_grants
from mlflow_oidc_auth.errors import BadRequest, Forbidden, NotFound
from mlflow_oidc_auth.grants.rows import take_turns, write
from mlflow_oidc_auth.grants.store import GivenBy, Grant, Grantee, GrantStore, Pattern
from mlflow_oidc_auth.vocabulary import Kind, Level
from tests.stores import statements
from tests.unit.grants.test_races import at_once
from tests.unit.grants.world import EVERY_KIND, EXPERIMENT, MODEL, NOW, OTHER, PROMPT, World

ADMIN = GivenBy("root@example.test", is_admin=True)
SOON, LATER = NOW + timedelta(days=1), NOW + timedelta(days=9)
ENDED = NOW - timedelta(days=1)


def hand_over(world: World, store: GrantStore, giver: str = "alice", taker: str = "bob", by: GivenBy = ADMIN) -> int:
    return store.hand_over(world.to(giver).id, world.to(taker).id, by=by, now=NOW)


def test_the_taker_manages_all_that_the_giver_managed_and_the_giver_nothing(world: World, store: GrantStore) -> None:
    world.given_pattern(Kind.EXPERIMENT, "team-", Level.MANAGE, world.to("alice"))
    world.given_pattern(Kind.REGISTERED_MODEL, "", Level.MANAGE, world.to("alice"), SOON)
    assert hand_over(world, store) == 6
    everything = [*(on.resource for on in (*EVERY_KIND, OTHER)), Pattern(Kind.EXPERIMENT, "team-")]
    for on in everything:
        assert store.read(on, world.to("bob")) == Grant(Level.MANAGE, ADMIN.username, NOW, None)
    assert store.read(Pattern(Kind.PROMPT, ""), world.to("bob")) == Grant(Level.MANAGE, ADMIN.username, NOW, SOON)
    for on in (*everything, Pattern(Kind.PROMPT, "")):
        assert store.read(on, world.to("alice")) is None


def test_what_is_less_than_manage_and_what_has_ended_stays(world: World, store: GrantStore) -> None:
    world.given(EXPERIMENT, Level.EDIT, world.to("carol"))
    world.given(OTHER, Level.MANAGE, world.to("carol"), ENDED)
    world.given(MODEL, Level.MANAGE, world.readers)
    assert hand_over(world, store, "carol") == 0
    assert store.read(EXPERIMENT.resource, world.to("carol")) == Grant(Level.EDIT, "system", NOW, None)
    assert store.read(OTHER.resource, world.to("carol")) is not None
    assert store.read(MODEL.resource, world.readers) is not None
    assert world.acts() == []


@pytest.mark.parametrize(
    ("level", "until", "giver_until", "becomes_until"),
    [
        pytest.param(Level.READ, None, None, None, id="less, for ever"),
        pytest.param(Level.EDIT, SOON, None, None, id="less, and ends"),
        pytest.param(Level.EDIT, None, SOON, None, id="less, and lasts longer"),
        pytest.param(Level.EDIT, ENDED, SOON, SOON, id="less, and has ended"),
        pytest.param(Level.NO_PERMISSIONS, None, None, None, id="kept out"),
        pytest.param(Level.NO_PERMISSIONS, None, SOON, SOON, id="kept out, and given until a date"),
        pytest.param(Level.MANAGE, SOON, None, None, id="as much, and ends"),
        pytest.param(Level.MANAGE, SOON, LATER, LATER, id="as much, and ends sooner"),
        pytest.param(Level.MANAGE, ENDED, LATER, LATER, id="as much, and has ended"),
    ],
)
def test_what_the_taker_has_becomes_manage_and_lasts_as_long_as_the_longer_one(
    world: World,
    store: GrantStore,
    level: Level,
    until: datetime | None,
    giver_until: datetime | None,
    becomes_until: datetime | None,
) -> None:
    for on in (EXPERIMENT, MODEL):
        world.given(on, level, world.to("carol"), until)
        world.given(on, Level.MANAGE, world.to("bob"), giver_until)
    assert hand_over(world, store, "bob", "carol") == 2
    for on in (EXPERIMENT, MODEL):
        assert store.read(on.resource, world.to("carol")) == Grant(Level.MANAGE, ADMIN.username, NOW, becomes_until)
        assert store.read(on.resource, world.to("bob")) is None


@pytest.mark.parametrize("until", [None, LATER])
def test_a_manage_that_lasts_as_long_is_left_as_it_is(world: World, store: GrantStore, until: datetime | None) -> None:
    world.given(EXPERIMENT, Level.MANAGE, world.to("carol"), until)
    world.given(EXPERIMENT, Level.MANAGE, world.to("bob"), SOON)
    assert hand_over(world, store, "bob", "carol") == 1
    assert store.read(EXPERIMENT.resource, world.to("carol")) == Grant(Level.MANAGE, "system", NOW, until)


def test_one_record_tells_how_many_and_which(world: World, store: GrantStore) -> None:
    world.given_pattern(Kind.EXPERIMENT, "team-", Level.MANAGE, world.to("alice"))
    world.given(MODEL, Level.MANAGE, world.to("bob"))
    hand_over(world, store)
    (record,) = world.acts()
    assert record[:4] == (
        ADMIN.username,
        "grant.hand_over",
        "user alice@example.test to user bob@example.test",
        None,
    )
    assert record[4] == {
        "grants": 5,
        "experiments": [7, 8],
        "names": ["forecast", "greeting"],
        "patterns": ["experiment team-*"],
    }


def test_who_may_not_and_to_whom_it_may_not(world: World, store: GrantStore) -> None:
    world.disable("dave")
    with pytest.raises(Forbidden, match="Only MLflow admins"):
        hand_over(world, store, by=world.by("alice"))
    with pytest.raises(BadRequest, match="somebody else"):
        hand_over(world, store, "alice", "alice")
    with pytest.raises(BadRequest, match="disabled"):
        hand_over(world, store, "alice", "dave")
    for giver, taker in ((world.to("alice").id, 4711), (4711, world.to("alice").id)):
        with pytest.raises(NotFound, match="no such user"):
            store.hand_over(giver, taker, by=ADMIN, now=NOW)
    assert world.acts() == []
    assert store.read(EXPERIMENT.resource, world.to("alice")) is not None


def test_what_a_disabled_user_managed_can_be_handed_over(world: World, store: GrantStore) -> None:
    world.disable("alice")
    assert hand_over(world, store) == 4
    assert world.managers(EXPERIMENT) == ["bob@example.test"]


def test_ten_thousand_grants_go_in_a_few_statements(world: World, store: GrantStore, engine: sa.Engine) -> None:
    alice, bob = world.to("alice"), world.to("bob")
    _fill(engine, alice, range(1000, 6000))
    _fill(engine, bob, range(1000, 2000), Level.READ)
    with statements(engine) as seen:
        started = time.perf_counter()
        assert hand_over(world, store) == 10_004
        took = time.perf_counter() - started
    assert len(seen) < 20, seen
    assert took < 20, f"{took:.1f} s"
    with engine.connect() as connection:
        for table in (experiment_grants, named_grants):
            rows = sa.select(table.c.user_id, table.c.level, sa.func.count()).group_by(table.c.user_id, table.c.level)
            assert [tuple(row) for row in connection.execute(rows)] == [(bob.id, 40, 5002)]
        assert connection.execute(sa.select(audit_records.c.after["grants"])).scalars().all()[-1] == 10_004


def test_who_gives_at_that_moment_is_waited_for_and_the_taker_manages_it_all_the_same(
    world: World, store: GrantStore, engine: sa.Engine
) -> None:
    """The taker's grant is written and not yet there for others to see."""
    outcomes: list[list[str]] = []
    read = Grant(Level.READ, "alice@example.test", NOW, None)
    with engine.begin() as connection:
        take_turns(connection, EXPERIMENT.resource)
        write(connection, EXPERIMENT.resource, world.to("bob"), read)
        handing = threading.Thread(target=lambda: outcomes.append(at_once(lambda: hand_over(world, store))))
        handing.start()
        handing.join(0.5)
        assert outcomes == [], "the hand-over waits"
    handing.join(60)
    assert outcomes == [["done"]]
    assert store.read(EXPERIMENT.resource, world.to("bob")) == Grant(Level.MANAGE, ADMIN.username, NOW, None)


def test_two_hand_overs_and_a_grant_at_once_leave_one_grant_each(world: World, store: GrantStore) -> None:
    root = GivenBy("root@example.test", is_admin=True)
    outcomes = at_once(
        lambda: hand_over(world, store, "alice", "bob"),
        lambda: hand_over(world, store, "alice", "carol"),
        lambda: store.give(EXPERIMENT, world.to("bob"), Level.READ, by=root, now=NOW),
        lambda: store.give(MODEL, world.to("carol"), Level.READ, by=root, now=NOW),
    )
    assert outcomes == ["done"] * 4
    assert [store.read(on.resource, world.to("alice")) for on in (*EVERY_KIND, OTHER)] == [None] * 4
    assert [len(world.managers(on)) for on in (PROMPT, OTHER)] == [1, 1]


def _fill(engine: sa.Engine, to: Grantee, numbers: range, level: Level = Level.MANAGE) -> None:
    said: dict[str, Any] = {"user_id": to.id, "level": int(level), "granted_by": "t", "granted_at": NOW}
    with engine.begin() as connection:
        connection.execute(experiment_grants.insert(), [{"experiment_id": number, **said} for number in numbers])
        connection.execute(named_grants.insert(), [{"name": f"n{number}", **said} for number in numbers])
