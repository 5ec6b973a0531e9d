"""Every way to ask "may they?" gives one answer: lists, look-ups by name, the gate's check, "why?", both forms of SQL.

Random worlds on MLflow's real stores, against the rules in plain Python (`oracle.py`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException

from mlflow_oidc_auth.bridge.lookups import ResourceLookup
from mlflow_oidc_auth.database.tables import experiment_grants, named_grants, pattern_grants
from mlflow_oidc_auth.operations.targets import IdKind
from mlflow_oidc_auth.permissions import resolver
from mlflow_oidc_auth.permissions.explain import Explainer
from mlflow_oidc_auth.vocabulary import Identity, Kind, Level, Resource, Rung
from tests.databases import Backend, Databases, PostgresMissing
from tests.stores import NOW, Stores
from tests.unit.permissions.oracle import Asker, Grants, Said, To, level_of

EXAMPLES = int(os.environ.get("ORACLE_EXAMPLES", "200"))

MOMENTS = (None, None, NOW, NOW - timedelta(seconds=1), NOW + timedelta(seconds=1))
"""When grants end; most never do."""

NAMES = (
    "teama-x",
    "teama_x",
    "teamaXx",
    "TeamA-x",
    "TEAMA-x",
    "team%a",
    "team*a",
    "te_m",
    "te%",
    "t",
    "%",
    "_",
    "*",
    "ünï-1",
    "Ünï-1",
)
PREFIXES = (
    "",
    "t",
    "te",
    "te_",
    "te%",
    "team",
    "team%",
    "team*",
    "teama-",
    "teama_",
    "T",
    "TEAM",
    "%",
    "_",
    "*",
    "ü",
    "Def",
)

DEFAULT_EXPERIMENT = {0: "Default"}


class World:
    """One database for all examples: resources stay, grants change."""

    def __init__(self, stores: Stores) -> None:
        self.stores = stores
        self.groups = (stores.team, stores.make_group("second"), stores.make_group("third"))
        self.asker, self.other = stores.bob, stores.carol
        with stores.system():
            made = {int(stores.tracking.create_experiment(name)): name for name in NAMES}
            self.experiments = {**DEFAULT_EXPERIMENT, **made}
            self.runs = {
                stores.tracking.create_run(str(number), "x", 0, [], "r").info.run_id: number
                for number in self.experiments
            }
            for name in NAMES:
                stores.registry.create_registered_model(name)

    def number(self, name: str) -> int:
        """The experiment called so."""
        return next(number for number, called in self.experiments.items() if called == name)

    def grantees(self) -> list[To]:
        people = [To(False, self.asker.user_id), To(False, self.other.user_id)]
        return people + [To(True, id_) for id_ in self.groups]

    def become(self, grants: Grants, group_ids: frozenset[int]) -> Identity:
        """Let the database hold these grants, and give who asks."""
        self.stores.resolver.default = self.stores.judge._default = grants.default
        with self.stores.engine.begin() as connection:
            rows: dict[sa.Table, list[dict[str, Any]]] = {
                experiment_grants: [
                    {"experiment_id": number, **_row(to, said)} for (to, number), said in grants.on_experiments.items()
                ],
                named_grants: [{"name": name, **_row(to, said)} for (to, name), said in grants.on_names.items()],
                pattern_grants: [
                    {"kind": str(kind), "prefix": prefix, **_row(to, said)}
                    for (to, kind, prefix), said in grants.on_patterns.items()
                ],
            }
            for table, of_table in rows.items():
                connection.execute(table.delete())
                if of_table:
                    connection.execute(table.insert(), of_table)
        return replace(self.asker, group_ids=group_ids)

    # --- the ways to ask ---------------------------------------------------------------------------

    def experiments_listed(self) -> set[int]:
        return {int(found.experiment_id) for found in _pages(self.stores.tracking.search_experiments)}

    def experiments_by_run(self) -> set[int]:
        ids = [str(number) for number in self.experiments]
        return {self.runs[run.info.run_id] for run in self.stores.tracking.search_runs(ids, "", ViewType.ALL)}

    def names_listed(self) -> set[str]:
        return {found.name for found in _pages(self.stores.registry.search_registered_models)}

    def shows_experiment_called(self, name: str) -> bool:
        return self.stores.tracking.get_experiment_by_name(name) is not None

    def shows_model_called(self, name: str) -> bool:
        try:
            self.stores.registry.get_registered_model(name)
        except MlflowException as missing:
            if missing.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return False
        return True


def _row(to: To, said: Said) -> dict[str, Any]:
    whose = {"group_id": to.id if to.is_group else None, "user_id": None if to.is_group else to.id}
    return {**whose, "level": int(said.level), "granted_by": "t", "granted_at": NOW, "expires_at": said.until}


def _pages(search: Callable[..., Any], size: int = 9) -> list[Any]:
    found, token = [], None
    while True:
        page = search(max_results=size, page_token=token)
        assert len(page) == size or not page.token, "a page came back half empty"
        found += page
        token = page.token
        if not token:
            return found


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest, databases: Databases) -> Iterator[World]:
    backend: Backend = request.param
    try:
        stores = Stores(databases.with_mlflow(backend))
    except PostgresMissing as missing:
        pytest.skip(f"PROMISE UNTESTED: the same permissions on PostgreSQL as on SQLite ({missing})")
    yield World(stores)
    stores.close()


def worlds(world: World) -> st.SearchStrategy[tuple[Grants, frozenset[int], str]]:
    to = st.sampled_from(world.grantees())
    said = st.builds(Said, st.sampled_from(Level), st.sampled_from(MOMENTS))
    grants = st.builds(
        Grants,
        st.dictionaries(st.tuples(to, st.sampled_from(sorted(world.experiments))), said, max_size=12),
        st.dictionaries(st.tuples(to, st.sampled_from(NAMES)), said, max_size=12),
        st.dictionaries(
            st.tuples(to, st.sampled_from([Kind.EXPERIMENT, Kind.REGISTERED_MODEL]), st.sampled_from(PREFIXES)),
            said,
            max_size=12,
        ),
        st.sampled_from(Level),
    )
    return st.tuples(grants, st.frozensets(st.sampled_from(world.groups)), st.sampled_from(NAMES))


def test_lists_look_ups_checks_and_reasons_agree_with_the_rules(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(worlds(world))
    def check(drawn: tuple[Grants, frozenset[int], str]) -> None:
        grants, group_ids, some_name = drawn
        identity = world.become(grants, group_ids)
        expected = by_the_rules(world, grants, group_ids)
        check_lists(world, identity, expected)
        _check_look_ups(world, identity, expected, some_name)
        check_the_gate(world, identity, expected)
        _check_why(world, identity, expected, some_name, grants.default)
        _check_sights(world, identity, expected)
        _check_what_may_be_shared(world, identity, expected, grants.default)
        with monkeypatch.context() as patched:
            patched.setattr(resolver, "FEW_GRANTS", -1)  # everybody has too many to name
            check_lists(world, identity, expected)

    check()


Expected = dict[int | str, tuple[Level, Rung]]


def by_the_rules(world: World, grants: Grants, group_ids: frozenset[int]) -> Expected:
    asker = Asker(world.asker.user_id, group_ids)
    of_experiments = {
        number: level_of(asker, Kind.EXPERIMENT, number, name, grants, NOW)
        for number, name in world.experiments.items()
    }
    of_names = {name: level_of(asker, Kind.REGISTERED_MODEL, name, name, grants, NOW) for name in NAMES}
    return {**of_experiments, **of_names}


def _readable(expected: Expected) -> set[int | str]:
    return {of for of, (level, _) in expected.items() if level >= Level.READ}


def check_lists(world: World, identity: Identity, expected: Expected) -> None:
    readable = _readable(expected)
    numbers = {of for of in readable if isinstance(of, int)}
    for ask, answer in (
        (world.experiments_listed, numbers),
        (world.experiments_by_run, numbers),
        (world.names_listed, readable - numbers),
    ):
        with world.stores.filtered(identity):
            assert ask() == answer, ask.__name__


def _check_look_ups(world: World, identity: Identity, expected: Expected, name: str) -> None:
    judge, readable, number = world.stores.judge, _readable(expected), world.number(name)
    with world.stores.filtered(identity):
        assert world.shows_experiment_called(name) == (number in readable)
        assert world.shows_model_called(name) == (name in readable)
    assert judge.name_taken(identity, Kind.EXPERIMENT, name, NOW) == expected[number][0]
    assert judge.name_taken(identity, Kind.PROMPT, name, NOW) == expected[name][0]
    for of in (0, number, name):
        resource = Resource(Kind.EXPERIMENT if isinstance(of, int) else Kind.REGISTERED_MODEL, str(of))
        assert judge.level_on(identity.user_id, identity.group_ids, resource, NOW) == expected[of]


def check_the_gate(world: World, identity: Identity, expected: Expected) -> None:
    named = {
        IdKind.EXPERIMENT: frozenset(str(number) for number in world.experiments),
        IdKind.RUN: frozenset(world.runs),
        IdKind.NAME: frozenset(NAMES),
    }
    assert world.stores.judge.levels(identity, named, NOW) == {
        **{(IdKind.EXPERIMENT, str(number)): expected[number][0] for number in world.experiments},
        **{(IdKind.RUN, run_id): expected[number][0] for run_id, number in world.runs.items()},
        **{(IdKind.NAME, name): expected[name][0] for name in NAMES},
    }


def _check_why(world: World, identity: Identity, expected: Expected, name: str, default: Level) -> None:
    """What "why?" tells, which also works out from the grants themselves what decides."""
    explainer, asked = Explainer(world.stores.engine, default), _Asked(identity.user_id)
    for of in (0, world.number(name), name):
        resource = Resource(Kind.EXPERIMENT if isinstance(of, int) else Kind.REGISTERED_MODEL, str(of))
        called = world.experiments[of] if isinstance(of, int) else of
        told = explainer.explain(asked, identity.group_ids, resource, called, NOW)
        assert (told.level, told.rung) == expected[of]


def _check_what_may_be_shared(world: World, identity: Identity, expected: Expected, default: Level) -> None:
    """What the Sharing page lists."""
    lookup, size = ResourceLookup(world.stores.engine), len(expected)
    found, total = lookup.managed_by(identity, default, "", 0, size, NOW)
    listed = {one.resource.key if one.kind.named else one.resource.experiment_id for one in found}
    assert listed == {of for of, (level, _) in expected.items() if level >= Level.MANAGE}
    assert total == len(found)


@dataclass(frozen=True)
class _Asked:
    """Of whom it is asked."""

    id: int
    username: str = "bob"
    is_admin: bool = False
    is_active: bool = True


def _check_sights(world: World, identity: Identity, expected: Expected) -> None:
    for kind, names in ((Kind.EXPERIMENT, world.experiments), (Kind.REGISTERED_MODEL, {name: name for name in NAMES})):
        sight = world.stores.resolver.sight(identity, kind, NOW)
        assert sight is not None
        assert {key for key, name in names.items() if sight.shows(key, name)} == _readable(expected) & set(names)
