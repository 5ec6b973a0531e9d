"""Which experiments, models and prompts somebody manages: what they may share.

The expression that every check uses decides (`permissions/resolver.code`). It is asked of few rows: MANAGE comes
from a grant on the resource itself, which an index finds, and only who has MANAGE on a pattern, or has it by
default, needs all rows looked at.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from mlflow_oidc_auth.bridge import resources as r
from mlflow_oidc_auth.bridge.found import experiment_rows, named_rows
from mlflow_oidc_auth.database.tables import DEFAULT_WORKSPACE, experiment_grants, named_grants, pattern_grants
from mlflow_oidc_auth.permissions.resolver import MANAGED, Asking, code
from mlflow_oidc_auth.vocabulary import Identity, Kind, Level

Condition = sa.ColumnElement[bool]


def managed(identity: Identity, default: Level, now: datetime, *, by_pattern: bool) -> sa.CompoundSelect[Any]:
    """Their rows, as `bridge/found.py` shapes them.

    Args:
        identity: who manages; that admins manage everything is not said here.
        default: the level where no grant speaks.
        now: grants that have ended by then do not count.
        by_pattern: whether the identity has MANAGE on a pattern (:func:`manages_by_pattern`).
    """
    asking = Asking.of(identity.user_id, identity.group_ids, default, now)
    everything = by_pattern or default >= Level.MANAGE
    return sa.union_all(*(_of(kind, asking, everything) for kind in (Kind.EXPERIMENT, Kind.REGISTERED_MODEL)))


def manages_by_pattern(identity: Identity, now: datetime) -> sa.Select[Any]:
    """Whether somebody has MANAGE on a pattern."""
    asking = Asking.of(identity.user_id, identity.group_ids, Level.NO_PERMISSIONS, now)
    return sa.select(sa.exists().where(*_says_manage(pattern_grants, asking)))


def _of(kind: Kind, asking: Asking, everything: bool) -> sa.Select[Any]:
    if kind.named:
        row, grants = r.registered_models.alias("vis_registered_models"), named_grants
        rows, key, of_grant, here = (
            named_rows(row),
            row.c.name,
            grants.c.name,
            [grants.c.workspace == DEFAULT_WORKSPACE],
        )
    else:
        row, grants = r.experiments.alias("vis_experiments"), experiment_grants
        rows, key, of_grant, here = experiment_rows(row), row.c.experiment_id, grants.c.experiment_id, []
    granted = key.in_(sa.select(of_grant).where(*here, *_says_manage(grants, asking)))
    manages = code(kind, key, row.c.name, asking) >= MANAGED
    return rows.where(manages) if everything else rows.where(granted, manages)


def _says_manage(grants: sa.Table, asking: Asking) -> list[Condition]:
    """Grants of MANAGE that reach whoever asks, and have not ended."""
    return [
        sa.or_(grants.c.user_id == asking.user_id, grants.c.group_id.in_(asking.group_ids)),
        grants.c.level == int(Level.MANAGE),
        sa.or_(grants.c.expires_at.is_(None), grants.c.expires_at > asking.now),
    ]
