"""Which experiments, models and prompts nobody manages.

Nobody: no active user has MANAGE by a grant of their own on it, by one of their groups', or by a pattern. Admins
could do it all, and the default level is everybody's: neither makes somebody the one to ask. The default
experiment (id 0) belongs to nobody and is left out.

One statement, and quick with 100,000 experiments: most have an active user with MANAGE of their own, and leave by
one join. For each that is left, whoever may have MANAGE in another way is judged by the expression that every
check uses, until the first who has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from mlflow_oidc_auth.bridge import resources as r
from mlflow_oidc_auth.bridge.found import experiment_rows, named_rows
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

_NOW = sa.bindparam("asking_now", type_=Instant)
_MANAGER = "manager"
"""The alias of a user who may be one."""


def unmanaged(now: datetime) -> sa.CompoundSelect[Any]:
    """Their rows, as `bridge/found.py` shapes them."""
    return sa.union_all(_of(Kind.EXPERIMENT), _of(Kind.REGISTERED_MODEL)).params(asking_now=now)


def _of(kind: Kind) -> sa.Select[Any]:
    left = _without_owner(kind)
    key, name = (_text_of(left, column) for column in ("name" if kind.named else "experiment_id", "name"))
    at = _At(kind, key, name)
    ways = (_by_group(at), _by_own_pattern(at), _by_group_pattern(at))
    return sa.select(left).where(*(way.limit(1).scalar_subquery().is_(None) for way in ways))


@dataclass(frozen=True, slots=True)
class _At:
    """The row that managers are looked for."""

    kind: Kind
    key: sa.ColumnElement[Any]
    name: sa.ColumnElement[Any]


def _text_of(rows: sa.CTE, column: str) -> sa.ColumnElement[Any]:
    """A column as text: SQLAlchemy would take a name two queries further in for one more table."""
    return sa.literal_column(f"{rows.name}.{column}", rows.c[column].type)


def _without_owner(kind: Kind) -> sa.CTE:
    """Those on which no active user has MANAGE by a grant of their own: a grant of one's own always decides."""
    grants, owner = (named_grants if kind.named else experiment_grants).alias(), users.alias()
    if kind.named:
        row = r.registered_models.alias("vis_registered_models")
        rows, on_it = named_rows(row), [grants.c.workspace == row.c.workspace, grants.c.name == row.c.name]
    else:
        row = r.experiments.alias("vis_experiments")
        rows = experiment_rows(row).where(row.c.experiment_id != 0)
        on_it = [grants.c.experiment_id == row.c.experiment_id]
    owned = sa.exists().where(*on_it, *_says_manage(grants), owner.c.id == grants.c.user_id, owner.c.is_active)
    # Kept apart, or PostgreSQL would look for other managers before it leaves out what has an owner.
    return rows.where(sa.not_(owned)).cte(f"unowned_{pattern_kind(kind)}").prefix_with("MATERIALIZED")


def _says_manage(grants: sa.FromClause) -> list[sa.ColumnElement[bool]]:
    return [
        grants.c.level == int(Level.MANAGE),
        sa.or_(grants.c.expires_at.is_(None), grants.c.expires_at > _NOW),
    ]


def _by_group(at: _At) -> sa.Select[Any]:
    """The grants that let a member of a group manage it."""
    grants = (named_grants if at.kind.named else experiment_grants).alias()
    on_it = (
        [grants.c.workspace == DEFAULT_WORKSPACE, grants.c.name == at.key]
        if at.kind.named
        else [grants.c.experiment_id == at.key]
    )
    return sa.select(grants.c.id).where(*on_it, *_says_manage(grants), _a_member_manages(grants, at))


def _by_own_pattern(at: _At) -> sa.Select[Any]:
    """The patterns that let a user manage it."""
    grants, manager = pattern_grants.alias(), users.alias(_MANAGER)
    patterns = sa.select(grants.c.id).join_from(grants, manager, manager.c.id == grants.c.user_id)
    return patterns.where(*_covers(grants, at), *_says_manage(grants), *_manages(manager, at))


def _by_group_pattern(at: _At) -> sa.Select[Any]:
    """The patterns that let a member of a group manage it."""
    grants = pattern_grants.alias()
    return sa.select(grants.c.id).where(*_covers(grants, at), *_says_manage(grants), _a_member_manages(grants, at))


def _covers(grants: sa.FromClause, at: _At) -> list[sa.ColumnElement[bool]]:
    return [
        grants.c.kind == pattern_kind(at.kind),
        grants.c.workspace == DEFAULT_WORKSPACE,
        sa.func.substr(at.name, 1, sa.func.length(grants.c.prefix)) == grants.c.prefix,
    ]


def _a_member_manages(grants: sa.FromClause, at: _At) -> sa.ColumnElement[bool]:
    """Whether the group that has the grant has a member who manages it: no more are looked at than up to the first.

    A query of its own, not a join: SQLite would go through all members before it looked at the pattern.
    """
    member, manager = memberships.alias(), users.alias(_MANAGER)
    of_group = sa.select(manager.c.id).join_from(member, manager, manager.c.id == member.c.user_id)
    first = of_group.where(member.c.group_id == grants.c.group_id, *_manages(manager, at)).limit(1)
    return first.scalar_subquery().is_not(None)


def _manages(manager: sa.FromClause, at: _At) -> list[sa.ColumnElement[bool]]:
    """Whether a user is active, and their level is MANAGE."""
    manager_id = sa.literal_column(f"{_MANAGER}.id", sa.Integer)
    member = memberships.alias()
    asking = Asking(
        manager_id,
        sa.select(member.c.group_id).where(member.c.user_id == manager_id).scalar_subquery(),
        _NOW,
        sa.literal(int(Level.NO_PERMISSIONS)),
    )
    return [manager.c.is_active, code(at.kind, at.key, at.name, asking) >= MANAGED]
