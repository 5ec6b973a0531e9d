"""The row filter on MLflow's real stores: a stranger sees nothing through any read, the owner sees what is his.

The tests named "precaution" keep the list that came out of trying this on MLflow.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from mlflow.entities import RunTag, ViewType
from mlflow.environment_variables import MLFLOW_SQL_TRACE_ROLLUPS_ENABLED
from mlflow.exceptions import MlflowException
from mlflow.store.db.trace_rollups import run_sql_trace_rollups
from mlflow.store.tracking.dbmodels.models import (
    SqlEntityAssociation,
    SqlExperiment,
    SqlExperimentTag,
    SqlRun,
    SqlTraceInfo,
    SqlTraceMetadata,
)
from sqlalchemy import exists, orm

from mlflow_oidc_auth import context
from mlflow_oidc_auth.bridge import row_filter as row_filter_module
from mlflow_oidc_auth.bridge.judge import Judge
from mlflow_oidc_auth.bridge.resources import OWNERS, Nowhere, mapped
from mlflow_oidc_auth.bridge.tripwire import UnfilteredRead, WriteUnderFilter, marks_of, reads_of
from mlflow_oidc_auth.database.tables import experiment_grants, named_grants, pattern_grants
from mlflow_oidc_auth.operations.targets import IdKind
from mlflow_oidc_auth.permissions import resolver
from mlflow_oidc_auth.vocabulary import Kind, Level
from tests.databases import BACKENDS, Databases, PostgresMissing
from tests.stores import NOW, Stores, statements
from tests.unit.bridge.belongings import DAY, READS, Belongings, make_belongings, seen

EXPERIMENTS: Any = SqlExperiment.__table__


@pytest.fixture(scope="module", params=BACKENDS)
def world(request: pytest.FixtureRequest, databases: Databases) -> Iterator[tuple[Stores, Belongings]]:
    """One of everything, alice's, and somebody else's beside it: made once, since tests here mostly read."""
    try:
        made = Stores(databases.with_mlflow(request.param))
    except PostgresMissing as missing:
        pytest.skip(f"PROMISE UNTESTED: the same permissions on PostgreSQL as on SQLite ({missing})")
    hers = make_belongings(made, made.alice, "hers")
    make_belongings(made, made.make_user("neighbour"), "his")
    yield made, hers
    made.close()


@pytest.fixture
def stores(world: tuple[Stores, Belongings]) -> Iterator[Stores]:
    """The world; grants are put back afterwards."""
    made, _ = world
    tables = (experiment_grants, named_grants, pattern_grants)
    with made.engine.connect() as connection:
        before = {table: connection.execute(sa.select(table)).mappings().all() for table in tables}
    yield made
    made.resolver.default = Level.NO_PERMISSIONS
    with made.engine.begin() as connection:
        for table in tables:
            connection.execute(table.delete())
            if before[table]:
                connection.execute(table.insert(), [dict(row) for row in before[table]])


@pytest.fixture
def hers(world: tuple[Stores, Belongings]) -> Belongings:
    """One of everything, alice's."""
    return replace(world[1])


@contextmanager
def session(stores: Stores) -> Iterator[orm.Session]:
    with orm.Session(stores.tracking.engine) as made:
        yield made
        made.rollback()


# --- every read ------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["few grants", "many grants"])
def test_the_owner_sees_everything_and_a_stranger_nothing(
    stores: Stores, hers: Belongings, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if form == "many grants":
        monkeypatch.setattr(resolver, "FEW_GRANTS", -1)
    for name, read in READS.items():
        with stores.filtered(stores.alice):
            assert seen(read, stores, hers), f"{name}: not even the owner sees it, so the test would prove nothing"
        with stores.filtered(stores.bob):
            assert not seen(read, stores, hers), name


def test_a_neighbour_sees_only_what_is_his(stores: Stores, hers: Belongings) -> None:
    with stores.decided(stores.carol):
        number = stores.tracking.create_experiment("carol's")
    for name, read in READS.items():
        with stores.filtered(stores.carol):
            assert not seen(read, stores, hers), name
    with stores.filtered(stores.carol):
        assert [one.experiment_id for one in stores.tracking.search_experiments()] == [number]
        assert stores.tracking.search_runs([hers.experiment, number], "", ViewType.ALL) == []


def test_who_may_read_by_group_sees_everything(stores: Stores, hers: Belongings) -> None:
    stores.grant(stores.team, Kind.EXPERIMENT, hers.experiment, Level.READ)
    stores.grant(stores.team, Kind.REGISTERED_MODEL, hers.registered_model, Level.READ)
    stores.grant(stores.team, Kind.PROMPT, hers.prompt, Level.READ)
    for name, read in READS.items():
        with stores.filtered(stores.bob):
            assert seen(read, stores, hers), name


def test_patterns_show_everything_below_a_matching_name(stores: Stores, hers: Belongings) -> None:
    stores.grant_pattern(stores.bob, Kind.EXPERIMENT, "hers", Level.READ)
    stores.grant_pattern(stores.bob, Kind.REGISTERED_MODEL, "hers", Level.READ)
    for name, read in READS.items():
        with stores.filtered(stores.bob):
            assert seen(read, stores, hers), name


def test_a_denial_hides_what_a_pattern_would_show(stores: Stores, hers: Belongings) -> None:
    stores.grant_pattern(stores.bob, Kind.EXPERIMENT, "", Level.READ)
    stores.grant_pattern(stores.bob, Kind.REGISTERED_MODEL, "", Level.READ)
    stores.grant(stores.bob, Kind.EXPERIMENT, hers.experiment, Level.NO_PERMISSIONS)
    stores.grant(stores.bob, Kind.REGISTERED_MODEL, hers.registered_model, Level.NO_PERMISSIONS)
    stores.grant(stores.bob, Kind.PROMPT, hers.prompt, Level.NO_PERMISSIONS)
    for name, read in READS.items():
        with stores.filtered(stores.bob):
            assert not seen(read, stores, hers), name


def test_an_admin_reads_unfiltered(stores: Stores, hers: Belongings) -> None:
    for name, read in READS.items():
        with stores.filtered(stores.root):
            assert seen(read, stores, hers), name


def test_what_the_gate_decided_and_the_server_itself_read_unfiltered(stores: Stores, hers: Belongings) -> None:
    for name, read in READS.items():
        with stores.decided(stores.bob):
            assert seen(read, stores, hers), name
        with stores.system():
            assert seen(read, stores, hers), name


def test_without_a_view_nothing_is_seen(stores: Stores, hers: Belongings) -> None:
    assert context.view() is None
    for name, read in READS.items():
        assert not seen(read, stores, hers), name


def test_a_thread_that_lost_its_context_sees_no_rows(stores: Stores, hers: Belongings) -> None:
    found: list[Any] = []
    with stores.system():
        thread = threading.Thread(target=lambda: found.append(stores.tracking.search_experiments(ViewType.ALL)))
        thread.start()
        thread.join()
    assert found == [[]]


def test_two_kinds_of_rows_never_get_each_others_criterion(stores: Stores, hers: Belongings) -> None:
    """A shared lambda once gave models the criterion of experiments."""
    stores.grant(stores.bob, Kind.EXPERIMENT, hers.experiment, Level.READ)
    with stores.filtered(stores.bob):
        assert [one.name for one in stores.tracking.search_experiments()] == ["hers experiment"]
        assert stores.registry.search_registered_models() == []
    stores.grant(stores.carol, Kind.REGISTERED_MODEL, hers.registered_model, Level.READ)
    with stores.filtered(stores.carol):
        assert stores.tracking.search_experiments() == []
        assert [one.name for one in stores.registry.search_registered_models()] == [hers.registered_model]


def test_a_dataset_asks_for_all_of_its_experiments(stores: Stores, hers: Belongings) -> None:
    with stores.decided(stores.bob):
        other = stores.tracking.create_experiment("bob's")
    with stores.system():
        both = [hers.experiment, other]
        hers.dataset = stores.tracking.create_dataset("of two", {"color": "hers"}, both).dataset_id
        stores.tracking.upsert_dataset_records(hers.dataset, [{"inputs": {"q": "a"}}])
    stores.grant(stores.carol, Kind.EXPERIMENT, hers.experiment, Level.READ)
    stores.grant(stores.carol, Kind.EXPERIMENT, other, Level.READ)
    for name in ("all datasets", "dataset", "dataset records"):
        with stores.filtered(stores.bob):
            assert not seen(READS[name], stores, hers), name
        with stores.filtered(stores.carol):
            assert seen(READS[name], stores, hers), name


def test_a_dataset_of_an_experiment_that_is_gone_is_hidden_from_lists_and_from_checks(
    stores: Stores, hers: Belongings
) -> None:
    stores.resolver.default = Level.READ
    with stores.system():
        gone = stores.tracking.create_experiment("to be purged")
        hers.dataset = stores.tracking.create_dataset("orphan", {"color": "hers"}, [gone]).dataset_id

    def shown() -> tuple[bool, Level]:
        judge = Judge(stores.engine, Level.READ)
        level = judge.levels(stores.bob, {IdKind.DATASET: frozenset({hers.dataset})}, NOW)[IdKind.DATASET, hers.dataset]
        with stores.filtered(stores.bob):
            return bool(seen(READS["all datasets"], stores, hers)), level

    assert shown() == (True, Level.READ)
    with stores.another_process() as connection:
        connection.execute(sa.text(f"DELETE FROM experiments WHERE experiment_id = {gone}"))
    assert shown() == (False, Level.NO_PERMISSIONS)


def test_daily_summaries_of_traces_are_filtered_too(
    stores: Stores, hers: Belongings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow serves them from tables of their own, which a job fills."""
    monkeypatch.setenv(MLFLOW_SQL_TRACE_ROLLUPS_ENABLED.name, "true")
    stores.row_filter.detach()  # the job is another process, which knows nothing of us
    try:
        run_sql_trace_rollups(stores.tracking.engine, now_ms=10 * DAY)
    finally:
        stores.row_filter.attach()
    served_from = set()
    for name in ("trace counts", "span costs", "assessment counts"):
        with stores.filtered(stores.alice), statements(stores.tracking.engine) as ran:
            assert seen(READS[name], stores, hers), name
        served_from |= {table for sql in ran for table in reads_of(sql) if table.endswith("daily_rollups")}
        with stores.filtered(stores.bob):
            assert not seen(READS[name], stores, hers), name
    assert served_from >= {"sql_trace_metric_daily_rollups", "sql_span_cost_daily_rollups"}


def test_the_default_experiment_belongs_to_nobody(stores: Stores) -> None:
    def shows_it() -> bool:
        with stores.filtered(stores.alice):
            return "0" in {one.experiment_id for one in _all(stores)}

    assert not shows_it()
    stores.resolver.default = Level.MANAGE
    assert not shows_it()
    stores.grant(stores.alice, Kind.EXPERIMENT, 0, Level.READ)
    assert shows_it()


# --- the precautions -------------------------------------------------------------------------------


def test_precaution_1_the_tripwire_counts_one_mark_for_each_read_and_raises_no_false_alarm(
    stores: Stores, hers: Belongings
) -> None:
    stores.grant_pattern(stores.bob, Kind.EXPERIMENT, "h", Level.READ)
    stores.grant_pattern(stores.bob, Kind.REGISTERED_MODEL, "h", Level.READ)
    with statements(*stores.engines) as ran:
        for read in READS.values():
            with stores.filtered(stores.bob):
                seen(read, stores, hers)
    reading = [sql for sql in ran if reads_of(sql)]
    assert len(reading) > len(READS)
    for sql in reading:
        assert reads_of(sql) == marks_of(sql), sql


PAST_THE_FILTER = {
    "a Core select": lambda: sa.select(EXPERIMENTS.c.name),
    "a mapped class joined to a bare table": lambda: sa.select(SqlRun, EXPERIMENTS.c.name).join(
        EXPERIMENTS, EXPERIMENTS.c.experiment_id == SqlRun.experiment_id
    ),
    "a mapped class beside its own bare table": lambda: sa.select(
        SqlExperiment.name, EXPERIMENTS.alias("other").c.name
    ),
    "a text": lambda: sa.text("SELECT name FROM experiments"),
    "a mapped class from a text": lambda: sa.select(SqlExperiment).from_statement(sa.text("select * from experiments")),
    "a text as a table": lambda: sa.select(sa.literal_column("name")).select_from(sa.text("experiments")),
    "a bare table in an exists": lambda: sa.select(SqlRun).where(
        sa.exists().where(EXPERIMENTS.c.experiment_id == SqlRun.experiment_id)
    ),
    "a bare table in a union": lambda: sa.union_all(sa.select(SqlExperiment.name), sa.select(EXPERIMENTS.c.name)),
    "a joined eager load": lambda: sa.select(SqlExperiment).options(orm.joinedload(SqlExperiment.tags)),
    "a class of nobody's rows as a bare table": lambda: sa.select(mapped()["secrets"].__table__),
}


@pytest.mark.parametrize("what", PAST_THE_FILTER)
def test_precaution_1_what_reads_past_the_filter_is_stopped(stores: Stores, hers: Belongings, what: str) -> None:
    with stores.filtered(stores.bob), session(stores) as made, pytest.raises(UnfilteredRead):
        made.execute(PAST_THE_FILTER[what]())
    with stores.decided(stores.bob), session(stores) as made:
        made.execute(PAST_THE_FILTER[what]())


WITH_THE_FILTER = {
    "a select": lambda: sa.select(SqlExperiment.name),
    "an alias": lambda: sa.select(orm.aliased(SqlExperiment).name),
    "an alias beside its class": lambda: _two_of_a_class(),
    "an outer join": lambda: sa.select(SqlRun, SqlExperiment).join(
        SqlExperiment, SqlExperiment.experiment_id == SqlRun.experiment_id, isouter=True
    ),
    "a subquery": lambda: sa.select(sa.select(SqlExperiment).subquery().c.name),
    "a common table expression": lambda: sa.select(sa.select(SqlExperiment).cte().c.name),
    "a union with an alias": lambda: sa.union_all(
        sa.select(SqlExperiment.name), sa.select(orm.aliased(SqlExperiment).name)
    ),
    "an exists alone": lambda: sa.select(sa.literal(1)).where(exists().where(SqlExperiment.name == "hers experiment")),
    "related rows in another statement": lambda: sa.select(SqlExperiment).options(orm.selectinload(SqlExperiment.tags)),
    "table columns with a condition on the class": lambda: sa.select(*SqlTraceInfo.__table__.columns).where(
        SqlTraceInfo.experiment_id == 1
    ),
}


def _two_of_a_class() -> Any:
    other = orm.aliased(SqlExperiment)
    return sa.select(SqlExperiment.name, other.name).join(other, other.experiment_id == SqlExperiment.experiment_id)


@pytest.mark.parametrize("what", WITH_THE_FILTER)
def test_precaution_1_what_mlflow_may_write_is_filtered(stores: Stores, hers: Belongings, what: str) -> None:
    with stores.filtered(stores.bob), session(stores) as made:
        assert made.execute(WITH_THE_FILTER[what]()).all() == []
    with stores.filtered(stores.alice), session(stores) as made:
        assert made.execute(WITH_THE_FILTER[what]()).all() != []


def test_precaution_1_a_select_of_nothing_raises_no_alarm_and_hides_none(stores: Stores, hers: Belongings) -> None:
    """SQLAlchemy leaves out what stands beside a "false", and with it the mark."""
    nothing = sa.select(SqlExperiment.name).where(sa.false(), SqlExperiment.name != "")
    with stores.filtered(stores.alice), session(stores) as made:
        assert made.execute(nothing).all() == []
        assert made.execute(nothing.union_all(sa.select(SqlExperiment.name))).all() == [("hers experiment",)]
        for beside in (nothing.union_all(sa.select(EXPERIMENTS.c.name)), sa.select(EXPERIMENTS).where(sa.true())):
            with pytest.raises(UnfilteredRead):
                made.execute(beside)


def test_precaution_1_criteria_reach_a_subquery_that_sqlalchemy_does_not_take_for_the_orms(
    stores: Stores, hers: Belongings
) -> None:
    """`(a) & (b)` in an `exists()` hides its classes from SQLAlchemy; MLflow's search for a run's traces does it."""
    linked = exists().where(
        (SqlEntityAssociation.source_id == SqlTraceInfo.request_id) & (SqlEntityAssociation.source_type == "trace")
    )
    named = exists().where((SqlTraceMetadata.request_id == SqlTraceInfo.request_id) & (SqlTraceMetadata.key == "color"))
    statement = sa.select(SqlTraceInfo.request_id).where(sa.or_(linked, named))
    with stores.filtered(stores.alice), session(stores) as made, statements(stores.tracking.engine) as ran:
        assert made.scalars(statement).all() == [hers.trace]
    assert marks_of(ran[-1])["entity_associations"] == marks_of(ran[-1])["trace_request_metadata"] == 1


def test_precaution_2_parents_and_children_are_filtered_alike_so_that_an_anti_join_shows_no_more(
    stores: Stores, hers: Belongings
) -> None:
    """MLflow hides prompts from models by an anti-join on their tags."""
    stores.grant(stores.bob, Kind.REGISTERED_MODEL, hers.registered_model, Level.READ)
    stores.grant(stores.bob, Kind.PROMPT, hers.prompt, Level.READ)
    with stores.filtered(stores.bob):
        models = [one.name for one in stores.registry.search_registered_models()]
        everything = [one.name for one in stores.registry.search_prompts()]
    assert (models, everything) == ([hers.registered_model], [hers.prompt])


def test_precaution_3_a_write_under_the_filter_is_stopped_instead_of_doing_nothing(
    stores: Stores, hers: Belongings
) -> None:
    tracking, registry = stores.tracking, stores.registry
    writes = {
        "delete traces": lambda: tracking.delete_traces(hers.experiment, trace_ids=[hers.trace]),
        "delete a dataset": lambda: tracking.delete_dataset(hers.dataset),
        "set a tag": lambda: tracking.set_tag(hers.run, RunTag("a", "b")),
        "tag a trace": lambda: tracking.set_trace_tag(hers.trace, "a", "b"),
        "delete an experiment": lambda: tracking.delete_experiment(hers.experiment),
        "create an experiment": lambda: tracking.create_experiment("new"),
        "link to a run": lambda: tracking.link_traces_to_run([hers.trace], hers.second_run),
        "delete a model": lambda: registry.delete_registered_model(hers.registered_model),
        "a queue for oneself": lambda: tracking.get_or_create_user_queue(hers.experiment, user="x@example.test"),
    }
    for name, write in writes.items():
        with (
            stores.filtered(stores.alice),
            pytest.raises((MlflowException, WriteUnderFilter), match=r"write to|unfiltered read"),
        ):
            write()
        with stores.decided(stores.alice):
            assert seen(READS["dataset"], stores, hers), name
    for statement in (sa.update(SqlExperiment).values(name="x"), sa.delete(SqlRun), sa.insert(SqlExperiment)):
        with stores.filtered(stores.alice), session(stores) as made, pytest.raises(WriteUnderFilter):
            made.execute(statement)


def test_precaution_3_without_a_view_nothing_is_written(stores: Stores) -> None:
    with pytest.raises(MlflowException, match="write to experiments"):
        stores.tracking.create_experiment("nobody's")
    assert stores.scalar("SELECT count(*) FROM experiments WHERE name LIKE 'nobody%'") == 0


def test_precaution_4_importing_attaches_nothing_and_detaching_leaves_nothing(stores: Stores, hers: Belongings) -> None:
    stores.row_filter.detach()
    try:
        assert {"Default", "hers experiment", "his experiment"} <= {one.name for one in _all(stores)}
    finally:
        stores.row_filter.attach()
    assert _all(stores) == []


def _all(stores: Stores) -> list[Any]:
    return list(stores.tracking.search_experiments())


def test_precaution_5_options_are_built_once_and_do_not_grow(stores: Stores, hers: Belongings) -> None:
    def built_when_everybody_reads() -> int:
        for identity in (stores.alice, stores.bob, stores.carol):
            for name in ("experiments", "runs by tag", "traces", "datasets", "registered models", "model versions"):
                with stores.filtered(identity):
                    seen(READS[name], stores, hers)
        return int(stores.row_filter._option.cache_info().misses)

    for number in range(3):
        stores.grant_pattern(stores.bob, Kind.EXPERIMENT, f"x{number}", Level.READ)
    built = built_when_everybody_reads()
    assert built_when_everybody_reads() == built
    stores.grant_pattern(stores.bob, Kind.EXPERIMENT, "a fourth", Level.READ)
    stores.grant(stores.carol, Kind.EXPERIMENT, hers.experiment, Level.NO_PERMISSIONS)
    assert built_when_everybody_reads() == built


def test_precaution_5_who_asks_is_read_when_the_statement_runs(stores: Stores, hers: Belongings) -> None:
    statement = sa.select(SqlExperiment.name)
    with session(stores) as made:
        with stores.filtered(stores.alice):
            assert made.scalars(statement).all() == ["hers experiment"]
        with stores.filtered(stores.bob):
            assert made.scalars(statement).all() == []


def test_precaution_5_no_groups_and_no_grants_work_in_both_forms(
    stores: Stores, hers: Belongings, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = stores.make_user("nobody")
    with stores.filtered(nobody):
        assert stores.tracking.search_experiments() == []
    monkeypatch.setattr(resolver, "FEW_GRANTS", -1)
    with stores.filtered(nobody):
        assert stores.tracking.search_experiments() == []
        assert stores.registry.search_registered_models() == []


def test_precaution_6_grants_are_read_by_our_own_engine_for_each_request(stores: Stores, hers: Belongings) -> None:
    stores.grant(stores.bob, Kind.EXPERIMENT, hers.experiment, Level.READ)
    with stores.filtered(stores.bob):
        assert len(stores.tracking.search_experiments()) == 1
    with stores.engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM oidc_auth_experiment_grants"))
    with stores.filtered(stores.bob):
        assert stores.tracking.search_experiments() == []


def test_precaution_7_no_page_comes_back_half_empty(stores: Stores) -> None:
    people = {name: stores.make_user(name) for name in ("one", "another")}
    for number in range(10):
        for name, identity in people.items():
            with stores.decided(identity):
                stores.tracking.create_experiment(f"{name} {number}")
                stores.registry.create_registered_model(f"{name} {number}")
    for search in (stores.tracking.search_experiments, stores.registry.search_registered_models):
        sizes, token = [], None
        with stores.filtered(people["one"]):
            while not sizes or token:
                page = search(max_results=4, page_token=token)
                assert all(found.name.startswith("one") for found in page)
                sizes.append(len(page))
                token = page.token
        assert sizes == [4, 4, 2]


def test_precaution_8_every_mapped_class_is_listed_once() -> None:
    assert set(mapped()) <= set(OWNERS)
    assert all(isinstance(OWNERS[table], Nowhere) for table in ("secrets", "webhooks", "jobs", "workspaces"))


def test_rows_of_no_resource_are_seen_by_nobody_but_admins(stores: Stores) -> None:
    with stores.system(), session(stores) as made:
        made.execute(sa.insert(mapped()["workspaces"]).values(name="one"))
        made.commit()
    for table, cls in mapped().items():
        if isinstance(OWNERS[table], Nowhere):
            with stores.filtered(stores.alice), session(stores) as made:
                if table in JOINED_EAGERLY:
                    with pytest.raises(UnfilteredRead):
                        made.scalars(sa.select(cls)).all()
                else:
                    assert made.scalars(sa.select(cls)).all() == [], table
    with stores.filtered(stores.root), session(stores) as made:
        assert made.scalars(sa.select(mapped()["workspaces"])).all()


JOINED_EAGERLY = ("guardrails",)
"""MLflow maps them with an eager join, which no criterion reaches; only admins' operations read it."""


# --- what it costs ---------------------------------------------------------------------------------


def test_a_filtered_search_costs_one_statement_for_each_kind_it_reads(stores: Stores, hers: Belongings) -> None:
    for name, kinds in (("experiments", 1), ("runs by tag", 1), ("traces", 1), ("registered models", 1)):
        with stores.system(), statements(*stores.engines, stores.engine) as unfiltered:
            seen(READS[name], stores, hers)
        with stores.filtered(stores.alice), statements(*stores.engines, stores.engine) as filtered:
            seen(READS[name], stores, hers)
        assert len(filtered) == len(unfiltered) + kinds, name


def test_grants_are_read_once_in_a_request_however_much_it_reads(stores: Stores, hers: Belongings) -> None:
    with stores.filtered(stores.alice), statements(stores.engine) as ours:
        for read in READS.values():
            seen(read, stores, hers)
    assert len(ours) == 2


def test_postgresqls_jit_is_off_on_mlflows_connections(stores: Stores) -> None:
    if stores.engine.dialect.name != "postgresql":
        assert stores.tracking.db_type == "sqlite"
        return
    for engine in (*stores.engines, stores.engine):
        with engine.connect() as connection, stores.system():
            assert connection.exec_driver_sql("SHOW jit").scalar() == "off"


def test_many_patterns_are_left_to_the_other_form(stores: Stores, hers: Belongings) -> None:
    for number in range(row_filter_module.MANY_PATTERNS):
        stores.grant_pattern(stores.bob, Kind.EXPERIMENT, f"x{number}", Level.READ)
    with stores.filtered(stores.bob):
        assert stores.tracking.search_experiments() == []
    stores.grant_pattern(stores.bob, Kind.EXPERIMENT, "hers", Level.READ)
    with stores.filtered(stores.bob):
        assert [one.name for one in stores.tracking.search_experiments()] == ["hers experiment"]


def test_a_tag_that_is_hidden_is_not_found_through_its_experiment(stores: Stores, hers: Belongings) -> None:
    with stores.filtered(stores.bob), session(stores) as made:
        assert made.scalars(sa.select(SqlExperimentTag)).all() == []
        assert made.scalar(sa.select(sa.func.count()).select_from(SqlRun)) == 0
