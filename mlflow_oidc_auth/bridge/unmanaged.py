"""Which experiments, models and prompts nobody manages.

Nobody: no active user has MANAGE by a grant of their own on it, by one of their groups', or by a pattern. Admins
could do it all, and the default level is everybody's: neither makes somebody the one to ask. The default
experiment (id 0) belongs to nobody and is left out.

One statement, and quick with 100,000 experiments: most have an active user with MANAGE of their own, and leave by
one join. For each that is left, whoever may have MANAGE in another way is judged by the expression that every
check uses, until the first who has it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from mlflow_oidc_auth.bridge import resources as r
from mlflow_oidc_auth.bridge.found import experiment_rows, named_rows
from mlflow_oidc_auth.bridge.managing import MANAGER, At, grants_on, manages, patterns_on, says_manage
from mlflow_oidc_auth.database.tables import experiment_grants, memberships, named_grants, users
from mlflow_oidc_auth.permissions.resolver import pattern_kind
from mlflow_oidc_auth.vocabulary import Kind


def unmanaged(now: datetime) -> sa.CompoundSelect[Any]:
    """Their rows, as `bridge/found.py` shapes them."""
    return sa.union_all(_of(Kind.EXPERIMENT), _of(Kind.REGISTERED_MODEL)).params(asking_now=now)


def _of(kind: Kind) -> sa.Select[Any]:
    left = _without_owner(kind)
    at = At.row_of(kind, left, "name" if kind.named else "experiment_id", "name")
    ways = (_by_group(at), _by_own_pattern(at), _by_group_pattern(at))
    return sa.select(left).where(*(way.limit(1).scalar_subquery().is_(None) for way in ways))


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
    owned = sa.exists().where(*on_it, *says_manage(grants), owner.c.id == grants.c.user_id, owner.c.is_active)
    # Kept apart, or PostgreSQL would look for other managers before it leaves out what has an owner.
    return rows.where(sa.not_(owned)).cte(f"unowned_{pattern_kind(kind)}").prefix_with("MATERIALIZED")


def _by_group(at: At) -> sa.Select[Any]:
    """The grants that let a member of a group manage it."""
    grants, which = grants_on(at)
    return sa.select(grants.c.id).where(*which, _a_member_manages(grants, at))


def _by_own_pattern(at: At) -> sa.Select[Any]:
    """The patterns that let a user manage it."""
    (grants, which), manager = patterns_on(at), users.alias(MANAGER)
    patterns = sa.select(grants.c.id).join_from(grants, manager, manager.c.id == grants.c.user_id)
    return patterns.where(*which, *manages(manager, at))


def _by_group_pattern(at: At) -> sa.Select[Any]:
    """The patterns that let a member of a group manage it."""
    grants, which = patterns_on(at)
    return sa.select(grants.c.id).where(*which, _a_member_manages(grants, at))


def _a_member_manages(grants: sa.FromClause, at: At) -> sa.ColumnElement[bool]:
    """Whether the group that has the grant has a member who manages it: no more are looked at than up to the first.

    A query of its own, not a join: SQLite would go through all members before it looked at the pattern.
    """
    member, manager = memberships.alias(), users.alias(MANAGER)
    of_group = sa.select(manager.c.id).join_from(member, manager, manager.c.id == member.c.user_id)
    first = of_group.where(member.c.group_id == grants.c.group_id, *manages(manager, at)).limit(1)
    return first.scalar_subquery().is_not(None)
