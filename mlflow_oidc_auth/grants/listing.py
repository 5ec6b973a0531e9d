"""Grants as they stand, one by one: who was given what on which resource or pattern.

It tells grants, not what they add up to: that is `permissions/resolver.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from mlflow_oidc_auth.database.tables import (
    BIGGEST_ID,
    experiment_grants,
    groups,
    memberships,
    named_grants,
    pattern_grants,
    users,
)
from mlflow_oidc_auth.grants.rows import TABLES, id_of, live, row_of
from mlflow_oidc_auth.grants.values import Grantee
from mlflow_oidc_auth.permissions.resolver import pattern_kind
from mlflow_oidc_auth.vocabulary import Kind, Level, Resource


@dataclass(frozen=True, slots=True)
class Holders:
    """Whose grants are wanted: those of a user, of these groups, or of all of them."""

    user_id: int | None = None
    group_ids: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class ListedGrant:
    """One grant. `kind` is `EXPERIMENT`, or `REGISTERED_MODEL` for models and prompts alike.

    `id` is a number that no other grant has. `on` is an experiment id, a name, or a pattern with its trailing
    `*`. Exactly one of `user_id` and `group_id` is set, and `to` is the name that belongs to it; `display_name` is what
    the login service calls a user.
    """

    id: int
    kind: Kind
    on: str
    is_pattern: bool
    user_id: int | None
    group_id: int | None
    to: str
    level: Level
    granted_by: str
    granted_at: datetime
    expires_at: datetime | None
    display_name: str = ""


class GrantListing:
    """Reads grants with our own engine, on the primary."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def find(
        self,
        now: datetime,
        *,
        holders: Holders | None = None,
        resource: Resource | None = None,
        name: str | None = None,
        shown_to: int | None = None,
        offset: int = 0,
        size: int | None = None,
    ) -> list[ListedGrant]:
        """The grants that have not ended: of these holders, on this resource, or all.

        Users before groups, by name; then experiments by number, and names; patterns last.

        Args:
            holders: whose; `None` for everybody's.
            resource: on what; `None` for everything, patterns too.
            name: what the resource is called: the patterns that cover it are found as well.
            shown_to: the user who is to see them: what NO_PERMISSIONS hides from this user is left out.
            offset: how many to leave out.
            size: how many at most; `None` for all.
        """
        every = (_of_experiments(resource), _of_names(resource), _of_patterns(resource, name))
        parts = [part for part in every if part]
        standing = [_standing(table, part, holders, now) for table, part in parts]
        if shown_to is not None:
            standing = [_shown(table, part, shown_to, now) for (table, _), part in zip(parts, standing, strict=True)]
        return self._read(sa.union_all(*standing).subquery(), offset, size)

    def one(self, grant_id: int, now: datetime) -> ListedGrant | None:
        """The grant that a list called `grant_id`; `None` if there is none, or it has ended."""
        row_id, place = row_of(grant_id)
        part = (_of_experiments(None), _of_names(None), _of_patterns(None, None))[place]
        if part is None or row_id > BIGGEST_ID:
            return None
        table, rows = part
        found = self._read(_standing(table, rows.where(table.c.id == row_id), None, now).subquery(), 0, 1)
        return found[0] if found else None

    def people(self, of: Grantee) -> int:
        """How many active people and service accounts a grant to this grantee reaches at this moment."""
        reached = sa.select(sa.func.count()).select_from(users).where(users.c.is_active)
        if of.is_group:
            inside = sa.select(memberships.c.user_id).where(memberships.c.group_id == of.id)
            reached = reached.where(users.c.id.in_(inside))
        else:
            reached = reached.where(users.c.id == of.id)
        with self._engine.connect() as connection:
            return connection.execute(reached).scalar_one()

    def _read(self, found: sa.Subquery, offset: int, size: int | None) -> list[ListedGrant]:
        statement = (
            sa.select(found, sa.func.coalesce(users.c.username, groups.c.name).label("to"), users.c.display_name)
            .join_from(found, users, users.c.id == found.c.user_id, isouter=True)
            .join(groups, groups.c.id == found.c.group_id, isouter=True)
            .order_by(found.c.user_id.is_(None), sa.text('"to"'), found.c.place, found.c.experiment_id, found.c.name)
            .order_by(found.c.kind, found.c.id)
            .offset(offset)
            .limit(size)
        )
        with self._engine.connect() as connection:
            return [_listed(row) for row in connection.execute(statement)]


_EXPERIMENT, _NAME, _PATTERN = range(3)

_Part = tuple[sa.Table, sa.Select[Any]]


def _columns(
    table: sa.Table, place: int, kind: Any, *, experiment_id: Any = None, name: Any = None
) -> tuple[sa.ColumnElement[Any], ...]:
    return (
        table.c.id,
        sa.literal(place).label("place"),
        sa.cast(kind, sa.String).label("kind"),
        (sa.cast(sa.null(), sa.Integer) if experiment_id is None else experiment_id).label("experiment_id"),
        (sa.cast(sa.null(), sa.String) if name is None else name).label("name"),
        table.c.user_id,
        table.c.group_id,
        table.c.level,
        table.c.granted_by,
        table.c.granted_at,
        table.c.expires_at,
    )


def _of_experiments(resource: Resource | None) -> _Part | None:
    if resource is not None and resource.kind.named:
        return None
    table = experiment_grants
    kind = sa.literal(str(Kind.EXPERIMENT))
    rows = sa.select(*_columns(table, _EXPERIMENT, kind, experiment_id=table.c.experiment_id))
    return table, rows if resource is None else rows.where(table.c.experiment_id == resource.experiment_id)


def _of_names(resource: Resource | None) -> _Part | None:
    if resource is not None and not resource.kind.named:
        return None
    table = named_grants
    rows = sa.select(*_columns(table, _NAME, sa.literal(str(Kind.REGISTERED_MODEL)), name=table.c.name))
    return table, rows if resource is None else rows.where(table.c.name == resource.key)


def _of_patterns(resource: Resource | None, name: str | None) -> _Part | None:
    if resource is not None and name is None:
        return None
    table = pattern_grants
    rows = sa.select(*_columns(table, _PATTERN, table.c.kind, name=table.c.prefix))
    if resource is None or name is None:
        return table, rows
    covers = sa.func.substr(sa.literal(name), 1, sa.func.length(table.c.prefix)) == table.c.prefix
    return table, rows.where(table.c.kind == pattern_kind(resource.kind), covers)


def _standing(table: sa.Table, rows: sa.Select[Any], holders: Holders | None, now: datetime) -> sa.Select[Any]:
    """Those of `rows` that have not ended, of these holders."""
    standing = rows.where(live(table, now))
    if holders is None:
        return standing
    theirs: list[sa.ColumnElement[bool]] = [table.c.group_id.in_(sorted(holders.group_ids))]
    if holders.user_id is not None:  # "= NULL" would become IS NULL, and that is every group's grant
        theirs.append(table.c.user_id == holders.user_id)
    return standing.where(sa.or_(*theirs))


def _shown(table: sa.Table, rows: sa.Select[Any], user_id: int, now: datetime) -> sa.Select[Any]:
    """Those of `rows` that say more than NO_PERMISSIONS, on what no such grant of the user's own hides from them."""
    shown = rows.where(table.c.level > int(Level.NO_PERMISSIONS))
    if table is pattern_grants:
        return shown
    hiding = table.alias()
    key = ("experiment_id",) if table is experiment_grants else ("workspace", "name")
    same = [hiding.c[column] == table.c[column] for column in key]
    hidden = sa.exists().where(
        *same, hiding.c.user_id == user_id, hiding.c.level == int(Level.NO_PERMISSIONS), live(hiding, now)
    )
    return shown.where(sa.not_(hidden))


def _listed(row: sa.Row[Any]) -> ListedGrant:
    is_pattern = row.place == _PATTERN
    return ListedGrant(
        id=id_of(TABLES[row.place], row.id),
        kind=Kind(row.kind),
        on=str(row.experiment_id) if row.place == _EXPERIMENT else row.name + "*" * is_pattern,
        is_pattern=is_pattern,
        user_id=row.user_id,
        group_id=row.group_id,
        to=row.to,
        level=Level(row.level),
        granted_by=row.granted_by,
        granted_at=row.granted_at,
        expires_at=row.expires_at,
        display_name=row.display_name or "",
    )
