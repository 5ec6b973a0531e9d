"""Ownership is part of the create.

Mapper events on MLflow's classes write the creator's MANAGE grant, follow a rename, and drop the grants of
what is purged, on the same connection and so in the same transaction: killed in between, nothing is left.

At a create, every grant that the id or name still has is wiped first: the name may have been deleted by a
process without this plugin. Requests for access to a name are treated likewise: whoever makes another thing of that
name is not asked for what went before it. Then the creator's teams get theirs, where CREATOR_TEAM_PERMISSION says
so. An experiment's id is never given twice: SQLite would reuse one after `mlflow gc`, and what the purged experiment
left (artifacts, links of datasets) would be the new one's.

Also here, since it is the same idea (the row says who made it): the user of a run or model version, the tag
`mlflow.user` of a run or trace, and the creator of a dataset are who asks, whatever the client sent.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from mlflow.store.model_registry.dbmodels.models import SqlModelVersion, SqlRegisteredModel
from mlflow.store.tracking.dbmodels.models import (
    SqlEvaluationDataset,
    SqlExperiment,
    SqlRun,
    SqlTag,
    SqlTraceMetadata,
    SqlTraceTag,
)
from sqlalchemy import event, orm
from sqlalchemy.dialects import sqlite

from mlflow_oidc_auth import audit, context
from mlflow_oidc_auth.accounts.groups import GroupSource
from mlflow_oidc_auth.bridge.resources import experiments
from mlflow_oidc_auth.database.tables import access_requests, experiment_grants, groups, last_ids, named_grants
from mlflow_oidc_auth.vocabulary import Identity, Kind, Level

USER_TAG = "mlflow.user"


class Ownership:
    """The listeners of one process.

    Args:
        now: the clock.
        team_level: what each team of a creator is given at the create; `NO_PERMISSIONS`: nothing.
    """

    def __init__(
        self, now: Callable[[], datetime] = lambda: datetime.now(UTC), team_level: Level = Level.NO_PERMISSIONS
    ) -> None:
        self._now = now
        self._team_level = team_level
        self._listeners: list[tuple[type, str, Callable[..., None]]] = [
            (SqlExperiment, "before_insert", _choose_id),
            (SqlExperiment, "after_insert", self._experiment_made),
            (SqlExperiment, "after_delete", self._experiment_gone),
            (SqlRegisteredModel, "after_insert", self._name_made),
            (SqlRegisteredModel, "after_update", self._name_changed),
            (SqlRegisteredModel, "after_delete", self._name_gone),
            # At the construction too: MLflow answers a create with the object it has not written yet.
            (SqlRun, "init", _construct_user),
            *((cls, "before_insert", _stamp_user) for cls in (SqlRun, SqlModelVersion)),
            *((cls, "init", _construct_user_tag) for cls in (SqlTag, SqlTraceTag, SqlTraceMetadata)),
            (SqlEvaluationDataset, "before_insert", _stamp_creator),
            *(
                (cls, name, _stamp_user_tag)
                for cls in (SqlTag, SqlTraceTag, SqlTraceMetadata)
                for name in ("before_insert", "before_update")
            ),
        ]

    def attach(self) -> None:
        """Listen to MLflow's classes in this process. Only `create_app` calls this."""
        for cls, name, listener in self._listeners:
            event.listen(cls, name, listener, propagate=True)

    def detach(self) -> None:
        """Undo :meth:`attach`."""
        for cls, name, listener in self._listeners:
            event.remove(cls, name, listener)

    def _experiment_made(self, _mapper: Any, connection: sa.Connection, row: Any) -> None:
        self._wipe_experiment(connection, row)
        creator = context.identity()
        if creator is not None:
            on = {"experiment_id": int(row.experiment_id)}
            teams = self._give(connection, experiment_grants, on, creator)
            subject = f"experiment {row.experiment_id} {audit.quoted(row.name)}"
            self._note(connection, creator, "experiment.create", subject, teams)

    def _experiment_gone(self, _mapper: Any, connection: sa.Connection, row: Any) -> None:
        self._wipe_experiment(connection, row)

    def _wipe_experiment(self, connection: sa.Connection, row: Any) -> None:
        connection.execute(
            experiment_grants.delete().where(experiment_grants.c.experiment_id == int(row.experiment_id))
        )

    def _name_made(self, _mapper: Any, connection: sa.Connection, row: Any) -> None:
        _wipe_name(connection, row)
        creator = context.identity()
        if creator is not None:
            teams = self._give(connection, named_grants, {"workspace": row.workspace, "name": row.name}, creator)
            subject = f"registered model or prompt {audit.quoted(row.name)}"
            self._note(connection, creator, "registered_model.create", subject, teams)

    def _name_changed(self, _mapper: Any, connection: sa.Connection, row: Any) -> None:
        """A rename takes its grants along. The event fires twice, the second time without a change."""
        history = orm.attributes.get_history(row, "name")
        if not history.has_changes() or not history.deleted:
            return
        old = history.deleted[0]
        _wipe_name(connection, row)
        connection.execute(named_grants.update().where(*_on_name(row.workspace, old)).values(name=row.name))
        connection.execute(access_requests.update().where(access_requests.c.name == old).values(name=row.name))
        renamer = context.identity()
        if renamer is not None:
            subject = f"{audit.quoted(old)} to {audit.quoted(row.name)}"
            self._note(connection, renamer, "registered_model.rename", subject)

    def _name_gone(self, _mapper: Any, connection: sa.Connection, row: Any) -> None:
        _wipe_name(connection, row)
        remover = context.identity()
        if remover is not None:
            subject = f"registered model or prompt {audit.quoted(row.name)}"
            self._note(connection, remover, "registered_model.delete", subject)

    def _give(self, connection: sa.Connection, grants: sa.Table, on: dict[str, Any], creator: Identity) -> list[str]:
        """The creator's grant, and those of their teams; the names of the teams that got one."""
        said = {"granted_by": creator.username, "granted_at": self._now()}
        manage = {"user_id": creator.user_id, "level": int(Level.MANAGE)}
        connection.execute(grants.insert().values(on | said | manage))
        teams = _teams_of(connection, creator) if self._team_level > Level.NO_PERMISSIONS else {}
        level = int(self._team_level)
        if teams:
            connection.execute(grants.insert(), [on | said | {"group_id": id_, "level": level} for id_ in teams])
        return list(teams.values())

    def _note(
        self, connection: sa.Connection, by: Identity, act: str, subject: str, teams: Collection[str] = ()
    ) -> None:
        after = {"level": self._team_level.name, "teams": [*teams]} if teams else None
        audit.record(connection, by=by.username, act=act, subject=subject, now=self._now(), after=after)


def _teams_of(connection: sa.Connection, creator: Identity) -> dict[int, str]:
    """The teams that the creator is in, by id. The login service's groups hold half a company."""
    theirs = (groups.c.source == GroupSource.TEAM, groups.c.id.in_(sorted(creator.group_ids)))
    found = connection.execute(sa.select(groups.c.id, groups.c.name).where(*theirs).order_by(groups.c.name))
    return {row.id: row.name for row in found}


def _choose_id(_mapper: Any, connection: sa.Connection, row: Any) -> None:
    """PostgreSQL's sequence never goes back; SQLite takes the highest id that is there."""
    if connection.dialect.name != "sqlite" or row.experiment_id is not None:
        return
    present = experiments.alias("vis_experiments")
    highest = sa.select(sa.func.coalesce(sa.func.max(present.c.experiment_id), 0)).scalar_subquery()
    first = sqlite.insert(last_ids).values(kind=str(Kind.EXPERIMENT), last=highest + 1)
    later = {"last": sa.func.max(last_ids.c.last, highest) + 1}
    chosen = first.on_conflict_do_update(index_elements=["kind"], set_=later).returning(last_ids.c.last)
    row.experiment_id = connection.execute(chosen).scalar_one()


def _wipe_name(connection: sa.Connection, row: Any) -> None:
    """Drop the grants on a name; requests for it stay, as far as the askers are told, and lead nowhere."""
    connection.execute(named_grants.delete().where(*_on_name(row.workspace, row.name)))
    connection.execute(access_requests.update().where(access_requests.c.name == row.name).values(name=None))


def _on_name(workspace: str, name: str) -> tuple[sa.ColumnElement[bool], ...]:
    return named_grants.c.workspace == workspace, named_grants.c.name == name


def _construct_user(_row: Any, _arguments: Any, values: dict[str, Any]) -> None:
    creator = context.identity()
    if creator is not None:
        values["user_id"] = creator.username


def _construct_user_tag(_row: Any, _arguments: Any, values: dict[str, Any]) -> None:
    creator = context.identity()
    if creator is not None and values.get("key") == USER_TAG:
        values["value"] = creator.username


def _stamp_user(_mapper: Any, _connection: sa.Connection, row: Any) -> None:
    creator = context.identity()
    if creator is not None:
        row.user_id = creator.username


def _stamp_creator(_mapper: Any, _connection: sa.Connection, row: Any) -> None:
    creator = context.identity()
    if creator is not None:
        row.created_by = row.last_updated_by = creator.username


def _stamp_user_tag(_mapper: Any, _connection: sa.Connection, row: Any) -> None:
    creator = context.identity()
    if creator is not None and row.key == USER_TAG:
        row.value = creator.username
