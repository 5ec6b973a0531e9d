"""Who manages a resource: told in a refusal to somebody who can see it, so that they know whom to ask."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from mlflow_oidc_auth.bridge import resources as r
from mlflow_oidc_auth.database.tables import (
    DEFAULT_WORKSPACE,
    Instant,
    experiment_grants,
    memberships,
    named_grants,
    pattern_grants,
    users,
)
from mlflow_oidc_auth.permissions.resolver import MANAGED, Asking, code, pattern_kind
from mlflow_oidc_auth.vocabulary import Kind, Level

MOST_NAMED = 3

MANAGER = "manager"
"""The alias of a user who may be one."""

_NOW = sa.bindparam("asking_now", type_=Instant)


@dataclass(frozen=True, slots=True)
class At:
    """The row that managers are looked for: its experiment id or name, and the name that patterns match."""

    kind: Kind
    key: sa.ColumnElement[Any]
    name: sa.ColumnElement[Any]

    @classmethod
    def row_of(cls, kind: Kind, rows: sa.CTE, key: str, name: str) -> At:
        """A row of `rows`, by the names of two columns.

        They are told as text: SQLAlchemy would take a column two queries further in for one more table.
        """
        columns = (sa.literal_column(f"{rows.name}.{column}", rows.c[column].type) for column in (key, name))
        return cls(kind, *columns)


def managers_of(kind: Kind, rows: sa.Select[Any], now: datetime) -> sa.Select[Any]:
    """The display names and usernames of the first few active users who manage it, by username.

    Args:
        rows: selects the one row, as `key` and `name`.
    """
    held, manager = rows.cte("held"), users.alias(MANAGER)
    at = At.row_of(kind, held, "key", "name")
    return (
        sa.select(manager.c.display_name, manager.c.username)
        .join_from(held, manager, manager.c.id.in_(_holders(at, held)))
        .where(*manages(manager, at))
        .order_by(manager.c.username)
        .limit(MOST_NAMED)
        .params(asking_now=now)
    )


def grants_on(at: At) -> tuple[sa.FromClause, list[sa.ColumnElement[bool]]]:
    """The grants on the row itself that say MANAGE: the table, and which of its rows."""
    grants = (named_grants if at.kind.named else experiment_grants).alias()
    on_it = (
        [grants.c.workspace == DEFAULT_WORKSPACE, grants.c.name == at.key]
        if at.kind.named
        else [grants.c.experiment_id == at.key]
    )
    return grants, [*on_it, *says_manage(grants)]


def patterns_on(at: At) -> tuple[sa.FromClause, list[sa.ColumnElement[bool]]]:
    """The grants on patterns that cover the row and say MANAGE: the table, and which of its rows."""
    grants = pattern_grants.alias()
    covers = [
        grants.c.kind == pattern_kind(at.kind),
        grants.c.workspace == DEFAULT_WORKSPACE,
        sa.func.substr(at.name, 1, sa.func.length(grants.c.prefix)) == grants.c.prefix,
    ]
    return grants, [*covers, *says_manage(grants)]


def says_manage(grants: sa.FromClause) -> list[sa.ColumnElement[bool]]:
    """Which grants say MANAGE and have not ended."""
    return [
        grants.c.level == int(Level.MANAGE),
        sa.or_(grants.c.expires_at.is_(None), grants.c.expires_at > _NOW),
    ]


def manages(manager: sa.FromClause, at: At) -> list[sa.ColumnElement[bool]]:
    """Whether a user, by the alias :data:`MANAGER`, is active, and their level there is MANAGE by some grant."""
    manager_id = sa.literal_column(f"{MANAGER}.id", sa.Integer)
    member = memberships.alias()
    asking = Asking(
        manager_id,
        sa.select(member.c.group_id).where(member.c.user_id == manager_id).scalar_subquery(),
        _NOW,
        sa.literal(int(Level.NO_PERMISSIONS)),
    )
    return [manager.c.is_active, code(at.kind, at.key, at.name, asking) >= MANAGED]


def experiment_row(number: int) -> sa.Select[Any]:
    """The experiment with this id, for :func:`managers_of`."""
    row = r.experiments.alias("vis_experiments")
    return _experiment(row).where(row.c.experiment_id == number)


def experiment_holding(holder: Any, column: str, id_: str) -> sa.Select[Any]:
    """The experiment that holds the row of another of MLflow's tables, for :func:`managers_of`."""
    row = r.experiments.alias("vis_experiments")
    held = _experiment(row).join(holder, holder.c.experiment_id == row.c.experiment_id)
    return held.where(holder.c[column] == id_)


def named_row(name: str) -> sa.Select[Any]:
    """The model or prompt with this name, for :func:`managers_of`."""
    row = r.registered_models.alias("vis_registered_models")
    here = (row.c.workspace == DEFAULT_WORKSPACE, row.c.name == name)
    return sa.select(row.c.name.label("key"), row.c.name.label("name")).where(*here)


def _experiment(row: Any) -> sa.Select[Any]:
    return sa.select(row.c.experiment_id.label("key"), row.c.name.label("name")).select_from(row)


def _holders(at: At, held: sa.CTE) -> sa.CompoundSelect[Any]:
    """Everybody who has a grant there that says MANAGE, by themselves or by a group; another may decide."""
    parts = []
    for grants, which in (grants_on(at), patterns_on(at)):
        member = memberships.alias()
        own = sa.select(grants.c.user_id).where(grants.c.user_id.is_not(None), *which)
        by_group = sa.select(member.c.user_id).join_from(grants, member, member.c.group_id == grants.c.group_id)
        parts += [own.select_from(held), by_group.where(*which).select_from(held)]
    return sa.union(*parts)
