"""Two who change the same resource's grants at once: one after the other, each by what the other left."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest
import sqlalchemy as sa

from mlflow_oidc_auth.database.tables import experiment_grants
from mlflow_oidc_auth.errors import Forbidden
from mlflow_oidc_auth.grants.store import GrantStore, Shareable, take_turns
from mlflow_oidc_auth.vocabulary import Level
from tests.unit.grants.world import EVERY_KIND, EXPERIMENT, NOW, OTHER, World

every_kind = pytest.mark.parametrize("on", EVERY_KIND, ids=lambda on: str(on.resource.kind))


def at_once(*changes: Callable[[], Any]) -> list[str]:
    """Start them together; what became of each: `done`, or the name of its error."""
    outcomes = ["never ended"] * len(changes)
    start = threading.Barrier(len(changes))

    def run(index: int, change: Callable[[], Any]) -> None:
        start.wait()
        try:
            change()
        except Exception as error:
            outcomes[index] = type(error).__name__
        else:
            outcomes[index] = "done"

    threads = [threading.Thread(target=run, args=item, daemon=True) for item in enumerate(changes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return outcomes


@contextmanager
def slow_writes(engine: sa.Engine) -> Iterator[None]:
    """Widen the gap: after each write of a grant, wait a moment before what follows."""

    def wait(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith(("DELETE FROM oidc_auth_", "INSERT INTO oidc_auth_")):
            threading.Event().wait(0.05)

    sa.event.listen(engine, "after_cursor_execute", wait)
    try:
        yield
    finally:
        sa.event.remove(engine, "after_cursor_execute", wait)


@every_kind
def test_two_managers_who_remove_each_other_leave_one(
    world: World, store: GrantStore, engine: sa.Engine, on: Shareable
) -> None:
    world.given(on, Level.MANAGE, world.to("bob"))
    alice, bob = world.by("alice"), world.by("bob")
    with slow_writes(engine):
        outcomes = at_once(
            lambda: store.take_away(on, world.to("bob"), by=alice, now=NOW),
            lambda: store.take_away(on, world.to("alice"), by=bob, now=NOW),
        )
    assert sorted(outcomes) == ["Forbidden", "done"]
    assert len(world.managers(on)) == 1


@every_kind
def test_two_managers_who_both_go_leave_one(world: World, store: GrantStore, engine: sa.Engine, on: Shareable) -> None:
    world.given(on, Level.MANAGE, world.to("bob"))
    alice, bob = world.by("alice"), world.by("bob")
    with slow_writes(engine):
        outcomes = at_once(
            lambda: store.take_away(on, world.to("alice"), by=alice, now=NOW),
            lambda: store.give(on, world.to("bob"), Level.READ, by=bob, now=NOW),
        )
    assert sorted(outcomes) == ["Forbidden", "done"]
    assert len(world.managers(on)) == 1


def test_many_who_give_the_same_person_at_once_leave_one_grant(world: World, store: GrantStore) -> None:
    alice, bob = world.by("alice"), world.to("bob")
    levels = [Level.READ, Level.USE, Level.EDIT, Level.MANAGE] * 2
    outcomes = at_once(
        *(lambda level=level: store.give(EXPERIMENT, bob, level, by=alice, now=NOW) for level in levels)  # type: ignore[misc]
    )
    assert outcomes == ["done"] * len(levels)
    acts = world.acts()
    for earlier, later in pairwise(acts):
        assert later[3] == earlier[4], "each began where the one before it ended"


def test_somebody_whose_manage_is_taken_meanwhile_gives_nothing(
    world: World, store: GrantStore, engine: sa.Engine
) -> None:
    """bob asks while alice holds the turn; when it is his, he manages nothing any more."""
    world.given(EXPERIMENT, Level.MANAGE, world.to("bob"))
    bob, holding = world.by("bob"), threading.Event()
    outcomes: list[list[str]] = []
    with engine.begin() as connection:
        take_turns(connection, EXPERIMENT.resource)
        asking = threading.Thread(
            target=lambda: outcomes.append(
                at_once(lambda: store.give(EXPERIMENT, world.to("carol"), Level.EDIT, by=bob, now=NOW))
            )
        )
        asking.start()
        holding.wait(0.5)
        assert outcomes == [], "he waits for his turn"
        connection.execute(experiment_grants.delete().where(experiment_grants.c.user_id == bob.user_id))
    asking.join(60)
    assert outcomes == [[Forbidden.__name__]]
    assert store.read(EXPERIMENT.resource, world.to("carol")) is None


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)  # SQLite has one writer at a time
def test_other_resources_wait_for_nobody(world: World, store: GrantStore, engine: sa.Engine) -> None:
    alice = world.by("alice")
    with engine.begin() as connection:
        take_turns(connection, EXPERIMENT.resource)
        assert at_once(lambda: store.give(OTHER, world.to("bob"), Level.READ, by=alice, now=NOW)) == ["done"]
