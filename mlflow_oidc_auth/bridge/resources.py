"""MLflow's mapped classes, and whose each is.

Every class that MLflow maps is listed here once, with its path to a resource or as having none. A class
that is not listed stops the start: a new table must not be readable because nobody thought of it.

The SQL below joins MLflow's tables as Core aliases named `vis_*`, so that it is not filtered itself and
the row filter's tripwire can tell our look-ups from MLflow's reads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, assert_never

import sqlalchemy as sa
from mlflow.store.model_registry.dbmodels import models as _registry_models  # noqa: F401 - maps its classes
from mlflow.store.tracking.dbmodels.models import Base

from mlflow_oidc_auth.errors import StartRefused

tables = Base.metadata.tables
experiments = tables["experiments"]
runs = tables["runs"]
trace_info = tables["trace_info"]
assessments = tables["assessments"]
registered_models = tables["registered_models"]
registered_model_tags = tables["registered_model_tags"]
model_versions = tables["model_versions"]
logged_models = tables["logged_models"]
entity_associations = tables["entity_associations"]


@dataclass(frozen=True, slots=True)
class Experiment:
    """The row is an experiment."""


@dataclass(frozen=True, slots=True)
class OfExperiment:
    """The row carries its experiment's id."""


@dataclass(frozen=True, slots=True)
class Through:
    """The row follows another row: `column` names it in `parent`, by `parent_column`."""

    column: str
    parent: str
    parent_column: str


@dataclass(frozen=True, slots=True)
class OfName:
    """The row carries the (workspace, name) of a registered model or prompt."""


@dataclass(frozen=True, slots=True)
class OfDataset:
    """The row belongs to an evaluation dataset, which asks for all of its experiments."""


@dataclass(frozen=True, slots=True)
class OfInput:
    """The row links to a run by one of two untyped ids."""


@dataclass(frozen=True, slots=True)
class OfInputTag:
    """The row describes a link to a run."""


@dataclass(frozen=True, slots=True)
class OfAssociation:
    """The row links two things by untyped ids; the one that leads to an experiment decides."""


@dataclass(frozen=True, slots=True)
class Nowhere:
    """No resource: only admins' operations reach these rows, so nobody else sees any."""


Owner = Experiment | OfExperiment | Through | OfName | OfDataset | OfInput | OfInputTag | OfAssociation | Nowhere

_OF_RUN = Through("run_uuid", "runs", "run_uuid")
_OF_TRACE = Through("request_id", "trace_info", "request_id")
_OF_QUEUE = Through("queue_id", "review_queues", "queue_id")

# Tables, not classes: workspace-aware subclasses map the same ones.
OWNERS: dict[str, Owner] = {
    "experiments": Experiment(),
    "experiment_tags": OfExperiment(),
    "runs": OfExperiment(),
    "tags": _OF_RUN,
    "params": _OF_RUN,
    "metrics": _OF_RUN,
    "latest_metrics": _OF_RUN,
    "datasets": OfExperiment(),
    "inputs": OfInput(),
    "input_tags": OfInputTag(),
    "trace_info": OfExperiment(),
    "trace_tags": _OF_TRACE,
    "trace_request_metadata": _OF_TRACE,
    "trace_metrics": _OF_TRACE,
    "spans": OfExperiment(),
    "span_metrics": Through("trace_id", "trace_info", "request_id"),
    "assessments": Through("trace_id", "trace_info", "request_id"),
    "logged_models": OfExperiment(),
    "logged_model_metrics": OfExperiment(),
    "logged_model_params": OfExperiment(),
    "logged_model_tags": OfExperiment(),
    "scorers": OfExperiment(),
    "scorer_versions": Through("scorer_id", "scorers", "scorer_id"),
    "online_scoring_configs": OfExperiment(),
    "issues": OfExperiment(),
    "issue_categories": Through("issue_id", "issues", "issue_id"),
    "label_schemas": OfExperiment(),
    "review_queues": OfExperiment(),
    "review_queue_items": _OF_QUEUE,
    "review_queue_label_schemas": _OF_QUEUE,
    "review_queue_users": _OF_QUEUE,
    "sql_assessment_daily_rollups": OfExperiment(),
    "sql_span_cost_daily_rollups": OfExperiment(),
    "sql_trace_metric_daily_rollups": OfExperiment(),
    "sql_trace_rollup_rebuild_queue": OfExperiment(),
    "evaluation_datasets": OfDataset(),
    "evaluation_dataset_records": OfDataset(),
    "evaluation_dataset_tags": OfDataset(),
    "entity_associations": OfAssociation(),
    "registered_models": OfName(),
    "registered_model_tags": OfName(),
    "registered_model_aliases": OfName(),
    "model_versions": OfName(),
    "model_version_tags": OfName(),
    "budget_policies": Nowhere(),
    "endpoints": Nowhere(),
    "endpoint_bindings": Nowhere(),
    "endpoint_model_mappings": Nowhere(),
    "endpoint_tags": Nowhere(),
    "guardrails": Nowhere(),
    "guardrail_configs": Nowhere(),
    "model_definitions": Nowhere(),
    "secrets": Nowhere(),
    "jobs": Nowhere(),
    "job_locks": Nowhere(),
    "scheduler_leases": Nowhere(),
    "mcp_access_endpoints": Nowhere(),
    "mcp_servers": Nowhere(),
    "mcp_server_aliases": Nowhere(),
    "mcp_server_tags": Nowhere(),
    "mcp_server_versions": Nowhere(),
    "mcp_server_version_tags": Nowhere(),
    "skills": Nowhere(),
    "skill_aliases": Nowhere(),
    "skill_tags": Nowhere(),
    "skill_versions": Nowhere(),
    "skill_version_tags": Nowhere(),
    "webhooks": Nowhere(),
    "webhook_events": Nowhere(),
    "workspaces": Nowhere(),
}


def mapped() -> dict[str, type]:
    """Each table that MLflow maps, with its class.

    Raises:
        StartRefused: this MLflow maps a class that is not listed.
    """
    classes = [mapper.class_ for mapper in Base.registry.mappers]
    unlisted = sorted({cls.__table__.name for cls in classes} - OWNERS.keys())
    if unlisted:
        raise StartRefused(
            f"This MLflow has tables that mlflow-oidc-auth does not know: {', '.join(unlisted)}. "
            "Install a release of mlflow-oidc-auth that names this MLflow version in its changelog."
        )
    return {cls.__table__.name: cls for cls in classes}


class ExperimentVisible(Protocol):
    """Whether an experiment may be read: by a column with its id and, where that is at hand, one with its name."""

    def __call__(self, experiment_id: Any, name: Any = None, /) -> sa.ColumnElement[bool]: ...


NameVisible = Callable[[sa.ColumnElement[Any], sa.ColumnElement[Any]], sa.ColumnElement[bool]]
"""Whether the model or prompt of this (workspace, name) may be read."""


def visible_row(
    columns: Any, owner: Owner, of_experiment: ExperimentVisible, of_name: NameVisible
) -> sa.ColumnElement[bool]:
    """Whether a row may be read, in terms of what its owner says."""
    match owner:
        case Experiment():
            return of_experiment(columns["experiment_id"], columns["name"])
        case OfExperiment():
            return of_experiment(columns["experiment_id"])
        case OfName():
            return of_name(columns["workspace"], columns["name"])
        case Through(column, parent, parent_column):
            above = tables[parent].alias(f"vis_{parent}")
            reach = visible_row(above.c, OWNERS[parent], of_experiment, of_name)
            return sa.exists().where(above.c[parent_column] == columns[column], reach).correlate_except(above)
        case OfDataset():
            return _all_experiments_of_dataset(columns["dataset_id"], of_experiment)
        case OfInput():
            return _run_visible(of_experiment, columns["source_id"], columns["destination_id"])
        case OfInputTag():
            link = tables["inputs"].alias("vis_inputs")
            linked = _run_visible(of_experiment, link.c.source_id, link.c.destination_id)
            return sa.exists().where(link.c.input_uuid == columns["input_uuid"], linked).correlate_except(link)
        case OfAssociation():
            return _association_visible(columns, of_experiment)
        case Nowhere():
            # Not sa.false(), which would swallow what it is combined with.
            return sa.literal_column("0") == sa.literal_column("1")
        case _:
            assert_never(owner)


def _run_visible(of_experiment: ExperimentVisible, *ids: Any) -> sa.ColumnElement[bool]:
    run = runs.alias("vis_runs")
    return sa.exists().where(run.c.run_uuid.in_(ids), of_experiment(run.c.experiment_id)).correlate_except(run)


def linked_experiment(association: Any) -> sa.ColumnElement[Any]:
    """The experiment id at the end of an association, as a number; NULL where it ends elsewhere.

    SECURITY: MLflow stores the text that somebody sent. PostgreSQL would stop every search of datasets at one
    that is no number; SQLite would make a number of it.
    """
    end = association["destination_id"]
    is_id = sa.and_(association["destination_type"] == "experiment", end.regexp_match("^[0-9]{1,18}$"))
    return sa.case((is_id, sa.cast(end, sa.BigInteger)))


def _all_experiments_of_dataset(dataset_id: Any, of_experiment: ExperimentVisible) -> sa.ColumnElement[bool]:
    def linked(reach: Callable[[Any], sa.ColumnElement[bool]]) -> sa.ColumnElement[bool]:
        link = entity_associations.alias("vis_entity_associations")
        return (
            sa.exists()
            .where(
                link.c.source_type == "evaluation_dataset",
                link.c.source_id == dataset_id,
                link.c.destination_type == "experiment",
                reach(linked_experiment(link.c)),
            )
            .correlate_except(link)
        )

    def reached(experiment_id: Any) -> sa.ColumnElement[bool]:
        return _linked_visible(of_experiment, experiment_id)

    return sa.and_(linked(reached), sa.not_(linked(lambda experiment_id: sa.not_(reached(experiment_id)))))


def _linked_visible(of_experiment: ExperimentVisible, experiment_id: Any) -> sa.ColumnElement[bool]:
    """Whether there is an experiment at the end of a link, which no foreign key keeps, and it may be read."""
    row = experiments.alias("vis_linked")
    return (
        sa.exists()
        .where(row.c.experiment_id == experiment_id, of_experiment(row.c.experiment_id, row.c.name))
        .correlate_except(row)
    )


def _association_visible(columns: Any, of_experiment: ExperimentVisible) -> sa.ColumnElement[bool]:
    trace = trace_info.alias("vis_trace_info")
    from_trace = (
        sa.exists()
        .where(trace.c.request_id == columns["source_id"], of_experiment(trace.c.experiment_id))
        .correlate_except(trace)
    )
    return sa.case(
        (columns["destination_type"] == "experiment", _linked_visible(of_experiment, linked_experiment(columns))),
        (columns["source_type"] == "trace", from_trace),
        (columns["source_type"] == "run", _run_visible(of_experiment, columns["source_id"])),
        else_=sa.false(),
    )
