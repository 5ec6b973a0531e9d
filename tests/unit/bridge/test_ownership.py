"""Ownership is part of the create, on MLflow's real stores: same transaction, or nothing."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest
import sqlalchemy as sa
from mlflow.entities import ExperimentTag, RunTag, TraceInfo, TraceLocation, TraceState, ViewType
from mlflow.exceptions import MlflowException
from mlflow.store.model_registry.dbmodels.models import SqlRegisteredModel
from mlflow.store.tracking.dbmodels.models import SqlExperiment
from sqlalchemy import orm

from mlflow_oidc_auth.database.tables import audit_records, experiment_grants, named_grants, users
from mlflow_oidc_auth.vocabulary import Identity, Kind, Level
from tests.stores import Stores

ALICE, BOB = "alice@example.test", "bob@example.test"
MANAGE, READ = int(Level.MANAGE), int(Level.READ)


def create_experiment(stores: Stores, identity: Identity, name: str) -> int:
    with stores.decided(identity):
        return int(stores.tracking.create_experiment(name, tags=[ExperimentTag("a", "b")]))


def create_model(stores: Stores, identity: Identity, name: str) -> str:
    with stores.decided(identity):
        return str(stores.registry.create_registered_model(name).name)


def acts(stores: Stores) -> list[tuple[str, str]]:
    with stores.engine.connect() as connection:
        rows = connection.execute(sa.select(audit_records.c.by, audit_records.c.act).order_by(audit_records.c.id))
        return [(row.by, row.act) for row in rows]


# --- create ----------------------------------------------------------------------------------------


def test_who_creates_an_experiment_model_or_prompt_manages_it(stores: Stores) -> None:
    number = create_experiment(stores, stores.alice, "hers")
    create_model(stores, stores.alice, "model")
    with stores.decided(stores.alice):
        stores.registry.create_prompt("prompt")
    for key in (number, "model", "prompt"):
        assert stores.grants_on(key) == [(ALICE, MANAGE, ALICE)]
    assert acts(stores) == [
        (ALICE, "experiment.create"),
        (ALICE, "registered_model.create"),
        (ALICE, "registered_model.create"),
    ]


def test_what_the_server_itself_makes_has_no_owner(stores: Stores) -> None:
    with stores.system():
        number = int(stores.tracking.create_experiment("a job's"))
        stores.registry.create_registered_model("a job's")
        run = stores.tracking.create_run(str(number), "job", 0, [RunTag("mlflow.user", "job")], "r")
    assert stores.grants_on(number) == stores.grants_on("a job's") == []
    assert (run.info.user_id, run.data.tags["mlflow.user"]) == ("job", "job")


def test_nobody_else_sees_the_grant_before_the_create_is_done(stores: Stores) -> None:
    with stores.decided(stores.alice), orm.Session(stores.tracking.engine) as session:
        session.add(SqlExperiment(name="in the making", lifecycle_stage="active"))
        session.flush()
        own = sa.select(sa.func.count()).select_from(experiment_grants)
        assert session.scalar(own) == 1
        with stores.engine.connect() as another:
            assert another.scalar(own) == 0
        session.rollback()
    with stores.engine.connect() as connection:
        assert connection.scalar(own) == 0


@pytest.mark.parametrize("cls", [SqlExperiment, SqlRegisteredModel])
def test_killed_between_the_row_and_the_commit_nothing_is_left(stores: Stores, cls: Any) -> None:
    child = os.fork()
    if child == 0:  # the process that is killed; it must never come back into the test
        try:
            with stores.decided(stores.alice), orm.Session(sa.create_engine(stores.url)) as session:
                session.add(cls(name="never"))
                session.flush()
                assert session.scalar(sa.select(sa.func.count()).select_from(audit_records)) == 1
                os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    for table in (experiment_grants, named_grants, audit_records):
        with stores.engine.connect() as connection:
            assert connection.scalar(sa.select(sa.func.count()).select_from(table)) == 0
    assert stores.scalar(f"SELECT count(*) FROM {cls.__tablename__} WHERE name = 'never'") == 0
    create_model(stores, stores.alice, "never")


def test_if_the_grant_cannot_be_written_there_is_no_resource(stores: Stores) -> None:
    """The user was deleted after the request began."""
    with stores.engine.begin() as connection:
        connection.execute(users.delete().where(users.c.id == stores.carol.user_id))
    with stores.decided(stores.carol):
        with pytest.raises(MlflowException):
            stores.tracking.create_experiment("orphan")
        with pytest.raises(MlflowException):
            stores.registry.create_registered_model("orphan")
    assert stores.scalar("SELECT count(*) FROM experiments WHERE name = 'orphan'") == 0
    assert stores.scalar("SELECT count(*) FROM registered_models") == 0
    assert acts(stores) == []


def test_creating_a_name_that_is_taken_leaves_the_owners_grants_alone(stores: Stores) -> None:
    number = create_experiment(stores, stores.alice, "hers")
    create_model(stores, stores.alice, "hers")
    with pytest.raises(MlflowException, match="already exists"):
        create_experiment(stores, stores.bob, "hers")
    with pytest.raises(MlflowException, match="already exists"):
        create_model(stores, stores.bob, "hers")
    assert stores.grants_on(number) == stores.grants_on("hers") == [(ALICE, MANAGE, ALICE)]


# --- ids and names that come again -------------------------------------------------------------------


def test_an_id_is_never_given_twice(stores: Stores) -> None:
    """What a purged experiment left (artifacts, links of datasets) would be the next one's."""
    with stores.decided(stores.alice):
        given = [int(stores.tracking.create_experiment(name)) for name in ("one", "two")]
    with stores.another_process() as another_process:  # `mlflow gc` runs without this plugin
        another_process.execute(sa.text("DELETE FROM experiments WHERE experiment_id > 0"))
    with stores.decided(stores.bob):
        given.append(int(stores.tracking.create_experiment("three")))
    assert given == sorted(set(given))


def test_an_id_that_comes_again_after_gc_brings_no_old_grant(stores: Stores) -> None:
    number = create_experiment(stores, stores.alice, "hers")
    stores.grant(stores.team, Kind.EXPERIMENT, number, Level.MANAGE)
    with stores.another_process() as another_process:  # `mlflow gc` runs without this plugin
        for table in ("experiment_tags", "experiments"):
            another_process.execute(sa.text(f"DELETE FROM {table} WHERE experiment_id = {number}"))
        another_process.execute(sa.text("DELETE FROM oidc_auth_last_ids"))  # else SQLite's is not reused
        if another_process.dialect.name == "postgresql":
            sequence = "pg_get_serial_sequence('experiments', 'experiment_id')"
            another_process.execute(sa.text(f"SELECT setval({sequence}, {number}, false)"))
    assert len(stores.grants_on(number)) == 2
    assert create_experiment(stores, stores.bob, "his") == number
    assert stores.grants_on(number) == [(BOB, MANAGE, BOB)]


def test_a_name_that_comes_again_brings_no_old_grant(stores: Stores) -> None:
    create_model(stores, stores.alice, "name")
    stores.grant(stores.team, Kind.REGISTERED_MODEL, "name", Level.MANAGE)
    with stores.another_process() as another_process:
        another_process.execute(sa.text("DELETE FROM registered_models"))
    create_model(stores, stores.bob, "name")
    assert stores.grants_on("name") == [(BOB, MANAGE, BOB)]


def test_what_the_server_makes_under_an_old_name_is_nobodys(stores: Stores) -> None:
    create_model(stores, stores.alice, "name")
    with stores.another_process() as another_process:
        another_process.execute(sa.text("DELETE FROM registered_models"))
    with stores.system():
        stores.registry.create_registered_model("name")
    assert stores.grants_on("name") == []


# --- rename and delete -------------------------------------------------------------------------------


def test_a_rename_takes_the_grants_along(stores: Stores) -> None:
    create_model(stores, stores.alice, "old")
    stores.grant(stores.team, Kind.REGISTERED_MODEL, "old", Level.READ)
    stores.grant(stores.carol, Kind.REGISTERED_MODEL, "new", Level.MANAGE)  # left by a process without this plugin
    with stores.decided(stores.alice):
        stores.registry.rename_registered_model("old", "new")
    assert stores.grants_on("old") == []
    assert stores.grants_on("new") == [(ALICE, MANAGE, ALICE), (stores.team, READ, "a test")]
    assert acts(stores)[-1] == (ALICE, "registered_model.rename")


def test_a_rename_that_fails_moves_no_grant(stores: Stores) -> None:
    create_model(stores, stores.alice, "hers")
    create_model(stores, stores.bob, "his")
    with stores.decided(stores.alice), pytest.raises(MlflowException, match="already exists"):
        stores.registry.rename_registered_model("hers", "his")
    assert stores.grants_on("hers") == [(ALICE, MANAGE, ALICE)]
    assert stores.grants_on("his") == [(BOB, MANAGE, BOB)]


def test_a_new_description_touches_no_grant(stores: Stores) -> None:
    create_model(stores, stores.alice, "hers")
    with stores.decided(stores.bob):
        stores.registry.update_registered_model("hers", "better")
    assert stores.grants_on("hers") == [(ALICE, MANAGE, ALICE)]
    assert acts(stores) == [(ALICE, "registered_model.create")]


def test_an_experiment_keeps_its_grants_under_a_new_name(stores: Stores) -> None:
    number = create_experiment(stores, stores.alice, "old")
    with stores.decided(stores.alice):
        stores.tracking.rename_experiment(str(number), "new")
    assert stores.grants_on(number) == [(ALICE, MANAGE, ALICE)]


def test_a_deleted_model_leaves_no_grants(stores: Stores) -> None:
    create_model(stores, stores.alice, "hers")
    stores.grant(stores.team, Kind.REGISTERED_MODEL, "hers", Level.READ)
    with stores.decided(stores.alice):
        stores.registry.delete_registered_model("hers")
    assert stores.grants_on("hers") == []
    assert acts(stores)[-1] == (ALICE, "registered_model.delete")


def test_a_soft_deleted_experiment_keeps_its_grants_and_a_purged_one_loses_them(stores: Stores) -> None:
    number = create_experiment(stores, stores.alice, "hers")
    with stores.decided(stores.alice):
        stores.tracking.delete_experiment(str(number))
    assert stores.grants_on(number) == [(ALICE, MANAGE, ALICE)]
    with stores.filtered(stores.alice):
        assert [one.name for one in stores.tracking.search_experiments(ViewType.DELETED_ONLY)] == ["hers"]
    with stores.system():
        stores.tracking._hard_delete_experiment(str(number))
    assert stores.grants_on(number) == []


# --- the row says who made it ------------------------------------------------------------------------


def test_a_runs_user_is_who_created_it_whatever_was_sent(stores: Stores) -> None:
    number = create_experiment(stores, stores.alice, "hers")
    with stores.decided(stores.alice):
        run = stores.tracking.create_run(str(number), "mallory", 0, [RunTag("mlflow.user", "mallory")], "r")
        again = stores.tracking.get_run(run.info.run_id)
    for one in (run, again):
        assert (one.info.user_id, one.data.tags["mlflow.user"]) == (ALICE, ALICE)


def test_every_way_to_tag_a_run_says_who_did_it(stores: Stores) -> None:
    number = create_experiment(stores, stores.alice, "hers")
    forged = RunTag("mlflow.user", "mallory")
    tracking = stores.tracking

    def tag(who: Identity, write: Any) -> str:
        with stores.decided(who):
            write()
            return str(tracking.get_run(run).data.tags["mlflow.user"])

    with stores.decided(stores.alice):
        run = tracking.create_run(str(number), "", 0, [], "r").info.run_id
    assert tag(stores.alice, lambda: tracking.log_batch(run, [], [], [forged])) == ALICE
    assert tag(stores.bob, lambda: tracking.log_batch(run, [], [], [forged, RunTag("x", "y")])) == BOB
    assert tag(stores.alice, lambda: tracking.set_tag(run, forged)) == ALICE
    assert tag(stores.bob, lambda: tracking.set_tag(run, forged)) == BOB
    with stores.decided(stores.bob):
        tracking.delete_tag(run, "mlflow.user")
    assert tag(stores.alice, lambda: tracking.set_tag(run, forged)) == ALICE
    with stores.decided(stores.alice):
        assert tracking.get_run(run).data.tags["x"] == "y"


def test_a_traces_user_is_who_sent_it(stores: Stores) -> None:
    number = create_experiment(stores, stores.alice, "hers")
    forged = {"mlflow.user": "mallory", "mlflow.trace.user": "a customer"}

    def trace(id_: str) -> TraceInfo:
        place = TraceLocation.from_experiment_id(str(number))
        return TraceInfo(id_, place, 1, TraceState.OK, trace_metadata=dict(forged), tags=dict(forged))

    with stores.decided(stores.alice):
        stores.tracking.start_trace(trace("tr-1"))
        stores.tracking.start_trace(trace("tr-1"))  # again: MLflow merges
        stores.tracking.set_trace_tag("tr-1", "mlflow.user", "mallory")
        old = stores.tracking.deprecated_start_trace_v2(str(number), 1, dict(forged), dict(forged))
        stores.tracking.deprecated_end_trace_v2(old.request_id, 2, "OK", dict(forged), dict(forged))
        for id_ in ("tr-1", old.request_id):
            found = stores.tracking.get_trace_info(id_)
            assert found.tags["mlflow.user"] == found.trace_metadata["mlflow.user"] == ALICE
            assert found.trace_metadata["mlflow.trace.user"] == "a customer"


def test_a_versions_user_and_a_datasets_creator_are_who_made_them(stores: Stores) -> None:
    number = create_experiment(stores, stores.alice, "hers")
    create_model(stores, stores.alice, "model")
    with stores.decided(stores.alice):
        version = stores.registry.create_model_version("model", "runs:/x/y")
        dataset = stores.tracking.create_dataset("data", {"mlflow.user": "mallory"}, [str(number)])
    assert version.user_id == stores.scalar("SELECT user_id FROM model_versions") == ALICE
    assert dataset.created_by == ALICE
