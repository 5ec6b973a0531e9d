"""The level an identity has on every resource that a request names, in one statement.

Each kind of id leads to its experiment (or name) by one SELECT here; the level beside it is the same
expression that the row filter and "why?" use (`permissions/resolver.code`). An id that leads nowhere has
no row, and so no level: to the gate a resource that does not exist and one that is hidden are the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from mlflow_oidc_auth.bridge import resources as r
from mlflow_oidc_auth.bridge.artifact_paths import ArtifactPath, parse_artifact_path, within
from mlflow_oidc_auth.bridge.sources import must_lie_inside, named_by
from mlflow_oidc_auth.database.tables import DEFAULT_WORKSPACE
from mlflow_oidc_auth.errors import BadRequest
from mlflow_oidc_auth.gate import Named, Source
from mlflow_oidc_auth.operations.targets import IdKind
from mlflow_oidc_auth.permissions.resolver import READABLE, Asking, code, decode
from mlflow_oidc_auth.vocabulary import Identity, Kind, Level, Resource, Rung

MOST_IDS = 5000
"""A request that names more resources than this is refused: each is judged."""

Levels = dict[tuple[IdKind, str], Level]

_BIGGEST_ID = 2**31 - 1  # experiment ids are 32-bit; anything larger leads nowhere

# From an id to the row that holds its experiment: (table, id column). Most tables carry the experiment's id.
_HOLDERS: dict[IdKind, tuple[str, str]] = {
    IdKind.RUN: ("runs", "run_uuid"),
    IdKind.TRACE: ("trace_info", "request_id"),
    IdKind.LOGGED_MODEL: ("logged_models", "model_id"),
    IdKind.ISSUE: ("issues", "issue_id"),
    IdKind.LABEL_SCHEMA: ("label_schemas", "schema_id"),
    IdKind.REVIEW_QUEUE: ("review_queues", "queue_id"),
}


class Judge:
    """Reads levels with our own engine, on the primary.

    Args:
        engine: ours.
        default: the level where no grant speaks.
    """

    def __init__(self, engine: sa.Engine, default: Level) -> None:
        self._engine = engine
        self._default = default

    def levels(self, identity: Identity, named: Named, now: datetime) -> Levels:
        """The level on each id that leads to a resource; ids that lead nowhere are absent.

        Raises:
            BadRequest: more than :data:`MOST_IDS` ids.
        """
        if sum(len(ids) for ids in named.values()) > MOST_IDS:
            raise BadRequest(f"This request names more than {MOST_IDS} resources; send it in parts.")
        asking = Asking.of(identity.user_id, identity.group_ids, self._default, now)
        parts = [part for kind, ids in named.items() for part in _selects(kind, ids, asking)]
        if not parts:
            return {}
        levels: Levels = {}
        with self._engine.connect() as connection:
            for kind, id_, number in connection.execute(sa.union_all(*parts)):
                if number is not None:
                    levels[IdKind(kind), id_] = decode(number)[0]
        return _with_all_spellings(levels, named)

    def level_on(
        self, user_id: int, group_ids: Iterable[int], resource: Resource, now: datetime
    ) -> tuple[Level, Rung] | None:
        """The level a user has on one resource and the rung that gave it; `None` if there is no such resource."""
        asking = Asking.of(user_id, group_ids, self._default, now)
        kind = IdKind.NAME if resource.kind.named else IdKind.EXPERIMENT
        parts = _selects(kind, frozenset({resource.key}), asking)
        if not parts:
            return None
        with self._engine.connect() as connection:
            row = connection.execute(sa.union_all(*parts)).first()
        return None if row is None else decode(row[2])

    def name_taken(self, identity: Identity, kind: Kind, name: str, now: datetime) -> Level | None:
        """The level on the resource that has this name, soft-deleted ones too; `None` if the name is free."""
        asking = Asking.of(identity.user_id, identity.group_ids, self._default, now)
        if kind.named:
            row = r.registered_models.alias("vis_registered_models")
            number = code(kind, row.c.name, row.c.name, asking, row.c.workspace)
        else:
            row = r.experiments.alias("vis_experiments")
            number = code(kind, row.c.experiment_id, row.c.name, asking)
        with self._engine.connect() as connection:
            found = connection.execute(
                sa.select(number).where(row.c.name == name, row.c.workspace == DEFAULT_WORKSPACE)
            ).scalar_one_or_none()
        return None if found is None else decode(found)[0]

    def source_named(self, source: Source) -> Named | None:
        """The resources a source is read from; `None` if it leads to none."""
        return named_by(source)

    def source_inside(self, source: Source) -> bool:
        """Whether a source lies in the artifacts of the run or logged model that it names."""
        if not must_lie_inside(source):
            return True
        return any(within(source.uri, root) for root in self._artifact_roots(source.run_id, source.model_id))

    def _artifact_roots(self, run_id: str, model_id: str) -> list[str]:
        run, model = r.runs.alias("vis_runs"), r.logged_models.alias("vis_logged_models")
        parts = sa.union_all(
            sa.select(run.c.artifact_uri).where(run.c.run_uuid == run_id),
            sa.select(model.c.artifact_location).where(model.c.model_id == model_id),
        )
        with self._engine.connect() as connection:
            return [root for (root,) in connection.execute(parts) if root]


def _selects(kind: IdKind, ids: frozenset[str], asking: Asking) -> list[sa.Select[Any]]:
    """For each id: what it is, itself, and the code of its level."""
    match kind:
        case IdKind.EXPERIMENT:
            numbers = {number for id_ in ids if (number := experiment_number(id_)) is not None}
            return [_of_experiments(numbers, asking)] if numbers else []
        case IdKind.NAME:
            return [_of_names(ids, asking)]
        case IdKind.DATASET:
            return [_of_datasets(ids, asking)]
        case IdKind.ARTIFACT_PATH:
            return [_of_artifact(path, asking) for id_ in ids if (path := parse_artifact_path(id_)) is not None]
        case _:
            return [_of_held(kind, ids, asking)]


def experiment_number(id_: str) -> int | None:
    """The experiment that MLflow takes this id for: `1`, `01`, ` 1` and `+1` are one; `None` if it is no number."""
    try:
        number = int(id_)
    except ValueError:
        return None
    return number if 0 <= number <= _BIGGEST_ID else None


def _with_all_spellings(levels: Levels, named: Named) -> Levels:
    """Give the level of experiment 1 to `01` too, as the request spelled it."""
    for id_ in named.get(IdKind.EXPERIMENT, ()):
        number = experiment_number(id_)
        if number is not None and (IdKind.EXPERIMENT, str(number)) in levels:
            levels[IdKind.EXPERIMENT, id_] = levels[IdKind.EXPERIMENT, str(number)]
    return levels


def _experiment_code(experiment: Any, asking: Asking) -> Any:
    return code(Kind.EXPERIMENT, experiment.c.experiment_id, experiment.c.name, asking)


def _of_experiments(numbers: set[int], asking: Asking) -> sa.Select[Any]:
    row = r.experiments.alias("vis_experiments")
    return sa.select(
        sa.literal(str(IdKind.EXPERIMENT)), sa.cast(row.c.experiment_id, sa.String), _experiment_code(row, asking)
    ).where(row.c.experiment_id.in_(numbers))


def _of_names(names: frozenset[str], asking: Asking) -> sa.Select[Any]:
    row = r.registered_models.alias("vis_registered_models")
    number = code(Kind.REGISTERED_MODEL, row.c.name, row.c.name, asking, row.c.workspace)
    return sa.select(sa.literal(str(IdKind.NAME)), row.c.name, number).where(
        row.c.name.in_(names), row.c.workspace == DEFAULT_WORKSPACE
    )


def _of_held(kind: IdKind, ids: frozenset[str], asking: Asking) -> sa.Select[Any]:
    table, column = _HOLDERS[kind]
    holder = r.tables[table].alias(f"vis_{table}")
    row = r.experiments.alias("vis_experiments")
    return (
        sa.select(sa.literal(str(kind)), holder.c[column], _experiment_code(row, asking))
        .join_from(holder, row, row.c.experiment_id == holder.c.experiment_id)
        .where(holder.c[column].in_(ids))
    )


def _of_datasets(ids: frozenset[str], asking: Asking) -> sa.Select[Any]:
    """The lowest level over all experiments of a dataset; a link to an experiment that is gone counts as none."""
    link = r.entity_associations.alias("vis_entity_associations")
    row = r.experiments.alias("vis_experiments")
    return (
        sa.select(
            sa.literal(str(IdKind.DATASET)),
            link.c.source_id,
            sa.func.min(sa.func.coalesce(_experiment_code(row, asking), Rung.DEFAULT.value)),
        )
        .join_from(link, row, row.c.experiment_id == r.linked_experiment(link.c), isouter=True)
        .where(
            link.c.source_type == "evaluation_dataset",
            link.c.destination_type == "experiment",
            link.c.source_id.in_(ids),
        )
        .group_by(link.c.source_id)
    )


def _of_artifact(path: ArtifactPath, asking: Asking) -> sa.Select[Any]:
    """The level on the experiment the path lies in; else READ, where a readable model version is made of it."""
    row = r.experiments.alias("vis_experiments")
    of_experiment = (
        sa.select(_experiment_code(row, asking)).where(row.c.experiment_id == path.experiment_id).scalar_subquery()
    )
    version = r.model_versions.alias("vis_model_versions")
    of_version = (
        sa.select(sa.func.max(code(Kind.REGISTERED_MODEL, version.c.name, version.c.name, asking, version.c.workspace)))
        .where(
            sa.or_(version.c.storage_location.in_(path.version_roots), version.c.source.in_(path.version_roots)),
            version.c.current_stage != "Deleted_Internal",
        )
        .scalar_subquery()
    )
    number = sa.case(
        (of_experiment >= READABLE, of_experiment),
        (of_version >= READABLE, READABLE),
        else_=sa.func.coalesce(of_experiment, Rung.DEFAULT.value),
    )
    return sa.select(sa.literal(str(IdKind.ARTIFACT_PATH)), sa.literal(path.text), number)
