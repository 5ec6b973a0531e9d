"""What people give, change and take away by the store is what every list, check and "why?" finds afterwards.

Random lives of grants on MLflow's real stores, against the rules in plain Python (`oracle.py`): users, groups and
teams, patterns, NO_PERMISSIONS and end dates. 200 lives, or as many as ORACLE_EXAMPLES says.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlflow_oidc_auth.accounts.users import UserStore
from mlflow_oidc_auth.bridge.lookups import ResourceLookup
from mlflow_oidc_auth.database.tables import groups, memberships
from mlflow_oidc_auth.errors import NotFound
from mlflow_oidc_auth.grants.listing import GrantListing, ListedGrant
from mlflow_oidc_auth.grants.store import GivenBy, Grantee, GrantStore, On, Pattern, Shareable
from mlflow_oidc_auth.permissions.explain import Explainer
from mlflow_oidc_auth.vocabulary import Identity, Kind, Level, Resource, Rung
from tests.databases import Backend, Databases, PostgresMissing
from tests.stores import NOW, Stores
from tests.unit.permissions.oracle import Asker, Grants, Said, To, level_of
from tests.unit.permissions.test_one_answer import (
    EXAMPLES,
    MOMENTS,
    NAMES,
    Expected,
    World,
    by_the_rules,
    check_lists,
    check_the_gate,
)

ROOT = GivenBy("root@example.test", is_admin=True)
PREFIXES = ("", "t", "team", "teama-", "TeamA", "te_m", "D")


@dataclass(frozen=True)
class Act:
    """Something is given, or taken away where `said` is `None`: on an experiment, a name, or, with `kind`, a prefix."""

    to: To
    on: int | str
    kind: Kind | None
    said: Said | None

    @property
    def of(self) -> Grantee:
        """As the store names them."""
        return Grantee(self.to.id, "somebody", self.to.is_group)


@dataclass(frozen=True)
class Life:
    """What is done, one after the other; the default, the asker's groups, and a name to ask for."""

    acts: list[Act]
    default: Level
    group_ids: frozenset[int]
    name: str


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest, databases: Databases) -> Iterator[World]:
    backend: Backend = request.param
    try:
        stores = Stores(databases.with_mlflow(backend))
    except PostgresMissing as missing:
        pytest.skip(f"PROMISE UNTESTED: the same permissions on PostgreSQL as on SQLite ({missing})")
    made = World(stores)
    with stores.engine.begin() as connection:  # one of the three is the login service's
        connection.execute(groups.update().where(groups.c.id == made.groups[1]).values(source="provider"))
    yield made
    stores.close()


def lives(world: World) -> st.SearchStrategy[Life]:
    """Few places, so that much is changed and taken away again."""
    to, numbers, names = st.sampled_from(world.grantees()), sorted(world.experiments)[:4], NAMES[:4]
    levels = st.sampled_from([*Level, Level.MANAGE, Level.MANAGE])  # so that there is somebody to manage it
    said = st.none() | st.builds(Said, levels, st.sampled_from(MOMENTS))
    kinds = st.sampled_from([Kind.EXPERIMENT, Kind.REGISTERED_MODEL])
    acts = (
        st.builds(Act, to, st.sampled_from(numbers), st.none(), said)
        | st.builds(Act, to, st.sampled_from(names), st.none(), said)
        | st.builds(Act, to, st.sampled_from(PREFIXES), kinds, said)
    )
    group_ids = st.frozensets(st.sampled_from(world.groups))
    return st.builds(Life, st.lists(acts, max_size=12), st.sampled_from(Level), group_ids, st.sampled_from(names))


def test_what_the_store_left_is_listed_checked_and_explained_alike(world: World) -> None:
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(lives(world))
    def check(life: Life) -> None:
        grants = left_by(life)
        identity = live_through(world, life)
        expected = by_the_rules(world, grants, life.group_ids)
        check_lists(world, identity, expected)
        check_the_gate(world, identity, expected)
        check_reasons(world, identity, expected, life)
        check_the_listing(world, grants, life.name)
        check_what_nobody_manages(world, grants, life.group_ids)

    check()


def left_by(life: Life) -> Grants:
    """What is granted in the end."""
    grants = Grants({}, {}, {}, life.default)
    for act in life.acts:
        held: dict[Any, Said] = grants.on_experiments if isinstance(act.on, int) else grants.on_names  # type: ignore[assignment]
        key: Any = (act.to, act.on)
        if act.kind is not None:
            held, key = grants.on_patterns, (act.to, act.kind, act.on)  # type: ignore[assignment]
        held.pop(key, None)
        if act.said is not None:
            held[key] = act.said
    return grants


def live_through(world: World, life: Life) -> Identity:
    """Let the store do all of it, and give who asks."""
    identity = world.become(Grants({}, {}, {}, life.default), life.group_ids)
    with world.stores.engine.begin() as connection:
        connection.execute(memberships.delete().where(memberships.c.user_id == identity.user_id))
        for id_ in life.group_ids:
            connection.execute(memberships.insert().values(user_id=identity.user_id, group_id=id_))
    store = GrantStore(world.stores.engine, life.default)
    for act in life.acts:
        on = _on(world, act)
        if act.said is not None:
            until = act.said.until
            given_at = NOW if until is None or until > NOW else until - timedelta(seconds=1)
            store.give(on, act.of, act.said.level, by=ROOT, now=given_at, until=until)
        else:
            with suppress(NotFound):  # there is none
                store.take_away(on, act.of, by=ROOT, now=NOW)
    return identity


def _on(world: World, act: Act) -> On:
    if act.kind is not None:
        return Pattern.parse(act.kind, f"{act.on}*")
    if isinstance(act.on, int):
        return Shareable(Resource(Kind.EXPERIMENT, str(act.on)), world.experiments[act.on])
    return Shareable(Resource(Kind.REGISTERED_MODEL, act.on), act.on)


def check_reasons(world: World, identity: Identity, expected: Expected, life: Life) -> None:
    """ "Why?" tells the level that every check finds, and the grant that gave it first."""
    explainer = Explainer(world.stores.engine, life.default)
    user = UserStore(world.stores.engine).by_id(identity.user_id)
    assert user is not None
    for of in (0, world.number(life.name), life.name):
        kind, called = (Kind.EXPERIMENT, world.experiments[of]) if isinstance(of, int) else (Kind.REGISTERED_MODEL, of)
        told = explainer.explain(user, identity.group_ids, Resource(kind, str(of)), called, NOW)
        assert (told.level, told.rung) == expected[of]
        (deciding,) = (step for step in told.steps if step.decides)
        assert deciding.rung is told.rung
        if told.rung is not Rung.DEFAULT:
            assert (deciding.grants[0].level, deciding.grants[0].ended) == (told.level, False)


def check_the_listing(world: World, grants: Grants, name: str) -> None:
    """Told on a resource are the grants and the patterns that somebody gave, that cover it and have not ended."""
    listing, number = GrantListing(world.stores.engine), world.number(name)
    for kind, key in ((Kind.EXPERIMENT, number), (Kind.REGISTERED_MODEL, name)):
        exact: dict[Any, Said] = dict(grants.on_experiments if kind is Kind.EXPERIMENT else grants.on_names)  # type: ignore[arg-type]
        expected: dict[tuple[To, str], Said] = {(to, str(key)): said for (to, on), said in exact.items() if on == key}
        for (to, of_kind, prefix), said in grants.on_patterns.items():
            if of_kind is kind and name.startswith(prefix):
                expected[to, f"{prefix}*"] = said
        found = listing.find(NOW, resource=Resource(kind, str(key)), name=name)
        assert {_whose(one): Said(one.level, one.expires_at) for one in found} == {
            of: said for of, said in expected.items() if said.until is None or said.until > NOW
        }


def _whose(one: ListedGrant) -> tuple[To, str]:
    return To(one.group_id is not None, one.group_id or one.user_id or 0), one.on


def check_what_nobody_manages(world: World, grants: Grants, group_ids: frozenset[int]) -> None:
    """The asker and the other are all who hold anything; the default is nobody's."""
    askers = (Asker(world.asker.user_id, group_ids), Asker(world.other.user_id, world.other.group_ids))
    given = replace(grants, default=Level.NO_PERMISSIONS)
    rows: list[tuple[Kind, int | str, str]] = [(Kind.REGISTERED_MODEL, name, name) for name in NAMES]
    rows += [(Kind.EXPERIMENT, number, name) for number, name in world.experiments.items() if number]
    nobodys = {
        (kind, str(key))
        for kind, key, name in rows
        if all(level_of(asker, kind, key, name, given, NOW)[0] < Level.MANAGE for asker in askers)
    }
    found, total = ResourceLookup(world.stores.engine).without_manager(0, 1000, NOW)
    assert {(one.resource.kind, one.resource.key) for one in found} == nobodys
    assert total == len(nobodys)
