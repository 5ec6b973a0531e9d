"""The level an identity has on every resource that a request names, in one statement.

Each kind of id leads to its experiment (or name) by one SELECT here; the level beside it is the same
expression that the row filter and "why?" use (`permissions/resolver.code`). An id that leads nowhere has
no row, and so no level: to the gate a resource that does not exist and one that is hidden are the same.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from mlflow_oidc_auth.bridge import resources as r
from mlflow_oidc_auth.bridge.artifact_paths import ArtifactPath, parse_artifact_path, within
from mlflow_oidc_auth.bridge.managing import experiment_holding, experiment_row, managers_of, named_row
from mlflow_oidc_auth.bridge.sources import must_lie_inside, named_by
from mlflow_oidc_auth.database.tables import BIGGEST_ID, DEFAULT_WORKSPACE
from mlflow_oidc_auth.errors import BadRequest
from mlflow_oidc_auth.gate import Named, Source
from mlflow_oidc_auth.operations.targets import IdKind
from mlflow_oidc_auth.permissions.resolver import ASKED, READABLE, asked, code, decode, pattern_between
from mlflow_oidc_auth.vocabulary import Identity, Kind, Level, Resource, Rung, is_plain_number
from mlflow_oidc_auth.web.strict_json import storable

MOST_IDS = 5000
"""A request that names more resources than this is refused: each is judged."""

Levels = dict[tuple[IdKind, str], Level]

_LONGEST_ID = 18  # digits

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
        wanted, values = _wanted(named)
        if not wanted:
            return {}
        values |= asked(identity.user_id, identity.group_ids, self._default, now)
        levels: Levels = {}
        with self._engine.connect() as connection:
            for kind, id_, number in connection.execute(_statement(wanted), values):
                if number is not None:
                    levels[IdKind(kind), id_] = decode(number)[0]
        return _with_all_spellings(levels, named)

    def level_on(
        self, user_id: int, group_ids: Iterable[int], resource: Resource, now: datetime
    ) -> tuple[Level, Rung] | None:
        """The level a user has on one resource and the rung that gave it; `None` if there is no such resource."""
        kind = IdKind.NAME if resource.kind.named else IdKind.EXPERIMENT
        wanted, values = _wanted({kind: frozenset({resource.key})})
        if not wanted:
            return None
        values |= asked(user_id, group_ids, self._default, now)
        with self._engine.connect() as connection:
            row = connection.execute(_statement(wanted), values).first()
        return None if row is None else decode(row[2])

    def name_taken(self, identity: Identity, kind: Kind, name: str, now: datetime) -> Level | None:
        """The level on the resource that has this name, soft-deleted ones too; `None` if the name is free."""
        if not storable(name):
            return None
        values = {"name": name, **asked(identity.user_id, identity.group_ids, self._default, now)}
        with self._engine.connect() as connection:
            found = connection.execute(_holder_of_name(kind.named), values).scalar_one_or_none()
        return None if found is None else decode(found)[0]

    def moves_between_patterns(self, kind: Kind, key: str, name: str, now: datetime) -> bool:
        """Whether a pattern covers the resource as it is called now and not as `name`, or the other way round."""
        number = None if kind.named else experiment_number(key)
        if not (storable(name) and storable(key)) or (not kind.named and number is None):
            return False  # it leads nowhere
        row = r.experiments.alias("vis_experiments")
        present = (
            sa.literal(key)
            if kind.named
            else sa.select(row.c.name).where(row.c.experiment_id == number).scalar_subquery()
        )
        with self._engine.connect() as connection:
            return bool(
                connection.execute(sa.select(pattern_between(kind, present, sa.literal(name), now))).scalar_one()
            )

    def lies_elsewhere(self, kind: IdKind, id_: str, experiment_id: str) -> bool:
        """Whether this id leads to something in another experiment than this."""
        rows = _led_to(kind, id_) if storable(id_) else None
        if rows is None:
            return False
        with self._engine.connect() as connection:
            return any(row.key != experiment_number(experiment_id) for row in connection.execute(rows))

    def managers(self, kind: IdKind, id_: str, now: datetime) -> tuple[str, ...]:
        """The names of a few who manage the experiment, model or prompt that this id leads to.

        Empty where it leads to several, or to none. SECURITY: whoever is told has been seen to read it.
        """
        rows = _led_to(kind, id_)
        if rows is None:
            return ()
        of = Kind.REGISTERED_MODEL if kind is IdKind.NAME else Kind.EXPERIMENT
        with self._engine.connect() as connection:
            found = connection.execute(managers_of(of, rows, now))
            return tuple(row.display_name or row.username for row in found)

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


def _led_to(kind: IdKind, id_: str) -> sa.Select[Any] | None:
    """The one resource that an id leads to; `None` where it may be several, or can be none."""
    number = experiment_number(id_) if kind is IdKind.EXPERIMENT else None
    if number is not None:
        return experiment_row(number)
    if kind is IdKind.NAME:
        return named_row(id_)
    if kind in _HOLDERS:
        table, column = _HOLDERS[kind]
        return experiment_holding(r.tables[table].alias(f"vis_{table}"), column, id_)
    return None


Wanted = tuple[tuple[IdKind, int], ...]
"""The kinds of ids to look for; the number tells artifact paths, which have a SELECT each, apart."""


def _wanted(named: Named) -> tuple[Wanted, dict[str, Any]]:
    """What to look for, and the parameters that hold the ids."""
    wanted: list[tuple[IdKind, int]] = []
    values: dict[str, Any] = {}
    for kind, ids in sorted(named.items()):
        if kind is IdKind.ARTIFACT_PATH:
            paths = [path for id_ in sorted(ids) if (path := _artifact_path(id_)) is not None]
            for place, path in enumerate(paths):
                wanted.append((kind, place))
                values |= _path_values(place, path)
        elif keys := _keys(kind, ids):
            wanted.append((kind, 0))
            values[_ids(kind)] = keys
    return tuple(wanted), values


def _keys(kind: IdKind, ids: frozenset[str]) -> list[Any]:
    """The ids as the database holds them; those that it cannot hold lead nowhere."""
    if kind is IdKind.EXPERIMENT:
        return sorted({number for id_ in ids if (number := experiment_number(id_)) is not None})
    return sorted(id_ for id_ in ids if storable(id_))


def _artifact_path(text: str) -> ArtifactPath | None:
    path = parse_artifact_path(text) if storable(text) else None
    return path if path is not None and path.experiment_id <= BIGGEST_ID else None


@functools.lru_cache(maxsize=256)
def _statement(wanted: Wanted) -> sa.CompoundSelect[Any]:
    """For each id: what it is, itself, and the code of its level. Building it took 2 ms."""
    return sa.union_all(*(_select(kind, place) for kind, place in wanted))


def _select(kind: IdKind, place: int) -> sa.Select[Any]:
    match kind:
        case IdKind.EXPERIMENT:
            return _of_experiments()
        case IdKind.NAME:
            return _of_names()
        case IdKind.DATASET:
            return _of_datasets()
        case IdKind.ARTIFACT_PATH:
            return _of_artifact(place)
        case IdKind.ASSESSMENT:
            return _of_assessments()
        case _:
            return _of_held(kind)


def _ids(kind: IdKind) -> str:
    return f"ids_{kind.name.lower()}"


def _given(kind: IdKind, type_: Any = sa.String) -> Any:
    """The ids of this kind that the request names."""
    return sa.bindparam(_ids(kind), type_=type_, expanding=True)


@functools.cache
def _holder_of_name(named: bool) -> sa.Select[Any]:
    if named:
        row = r.registered_models.alias("vis_registered_models")
        number = code(Kind.REGISTERED_MODEL, row.c.name, row.c.name, ASKED, row.c.workspace)
    else:
        row = r.experiments.alias("vis_experiments")
        number = _experiment_code(row)
    return sa.select(number).where(row.c.name == sa.bindparam("name"), row.c.workspace == DEFAULT_WORKSPACE)


def experiment_number(id_: str) -> int | None:
    """The experiment with this id: `1` and `01` are one; `None` if it is no number.

    SECURITY: MLflow stores some of these ids as the text that was sent.
    """
    if not is_plain_number(id_) or len(id_) > _LONGEST_ID:
        return None
    number = int(id_)
    return number if number <= BIGGEST_ID else None


def _with_all_spellings(levels: Levels, named: Named) -> Levels:
    """Give the level of experiment 1 to `01` too, as the request spelled it."""
    for id_ in named.get(IdKind.EXPERIMENT, ()):
        number = experiment_number(id_)
        if number is not None and (IdKind.EXPERIMENT, str(number)) in levels:
            levels[IdKind.EXPERIMENT, id_] = levels[IdKind.EXPERIMENT, str(number)]
    return levels


def _experiment_code(experiment: Any) -> Any:
    return code(Kind.EXPERIMENT, experiment.c.experiment_id, experiment.c.name, ASKED)


def _of_experiments() -> sa.Select[Any]:
    row = r.experiments.alias("vis_experiments")
    return sa.select(
        sa.literal(str(IdKind.EXPERIMENT)), sa.cast(row.c.experiment_id, sa.String), _experiment_code(row)
    ).where(row.c.experiment_id.in_(_given(IdKind.EXPERIMENT, sa.Integer)))


def _of_names() -> sa.Select[Any]:
    row = r.registered_models.alias("vis_registered_models")
    number = code(Kind.REGISTERED_MODEL, row.c.name, row.c.name, ASKED, row.c.workspace)
    return sa.select(sa.literal(str(IdKind.NAME)), row.c.name, number).where(
        row.c.name.in_(_given(IdKind.NAME)), row.c.workspace == DEFAULT_WORKSPACE
    )


def _of_held(kind: IdKind) -> sa.Select[Any]:
    table, column = _HOLDERS[kind]
    holder = r.tables[table].alias(f"vis_{table}")
    row = r.experiments.alias("vis_experiments")
    return (
        sa.select(sa.literal(str(kind)), holder.c[column], _experiment_code(row))
        .join_from(holder, row, row.c.experiment_id == holder.c.experiment_id)
        .where(holder.c[column].in_(_given(kind)))
    )


def _of_assessments() -> sa.Select[Any]:
    """Each has the level of its trace."""
    assessment, trace = r.assessments.alias("vis_assessments"), r.trace_info.alias("vis_trace_info")
    row = r.experiments.alias("vis_experiments")
    return (
        sa.select(sa.literal(str(IdKind.ASSESSMENT)), assessment.c.assessment_id, _experiment_code(row))
        .join_from(assessment, trace, trace.c.request_id == assessment.c.trace_id)
        .join(row, row.c.experiment_id == trace.c.experiment_id)
        .where(assessment.c.assessment_id.in_(_given(IdKind.ASSESSMENT)))
    )


def _of_datasets() -> sa.Select[Any]:
    """The lowest level over all experiments of a dataset; a link to an experiment that is gone counts as none."""
    link = r.entity_associations.alias("vis_entity_associations")
    row = r.experiments.alias("vis_experiments")
    return (
        sa.select(
            sa.literal(str(IdKind.DATASET)),
            link.c.source_id,
            sa.func.min(sa.case((row.c.experiment_id.is_(None), Rung.DEFAULT.value), else_=_experiment_code(row))),
        )
        .join_from(link, row, row.c.experiment_id == r.linked_experiment(link.c), isouter=True)
        .where(
            link.c.source_type == "evaluation_dataset",
            link.c.destination_type == "experiment",
            link.c.source_id.in_(_given(IdKind.DATASET)),
        )
        .group_by(link.c.source_id)
    )


def _path_values(place: int, path: ArtifactPath) -> dict[str, Any]:
    return {
        f"path_{place}": path.text,
        f"path_experiment_{place}": path.experiment_id,
        f"path_roots_{place}": list(path.version_roots),
    }


def _of_artifact(place: int) -> sa.Select[Any]:
    """The level on the experiment the path lies in; else READ, where a readable model version is made of it."""
    row = r.experiments.alias("vis_experiments")
    number = sa.bindparam(f"path_experiment_{place}", type_=sa.Integer)
    of_experiment = sa.select(_experiment_code(row)).where(row.c.experiment_id == number).scalar_subquery()
    version = r.model_versions.alias("vis_model_versions")
    roots = sa.bindparam(f"path_roots_{place}", type_=sa.String, expanding=True)
    of_version = (
        sa.select(sa.func.max(code(Kind.REGISTERED_MODEL, version.c.name, version.c.name, ASKED, version.c.workspace)))
        .where(
            sa.or_(version.c.storage_location.in_(roots), version.c.source.in_(roots)),
            version.c.current_stage != "Deleted_Internal",
        )
        .scalar_subquery()
    )
    found = sa.case(
        (of_experiment >= READABLE, of_experiment),
        (of_version >= READABLE, READABLE),
        else_=sa.func.coalesce(of_experiment, Rung.DEFAULT.value),
    )
    return sa.select(
        sa.literal(str(IdKind.ARTIFACT_PATH)), sa.bindparam(f"path_{place}", type_=sa.String).label("id"), found
    )
