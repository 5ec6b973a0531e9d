"""All that somebody manages by grants of their own goes to somebody else, in a few statements however much it is.

What the taker has is never lowered: where they hold a grant already it becomes MANAGE, and lasts as long as the
one of the two that lasts longer. (A grant that keeps the taker out says nothing about how long.)
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from mlflow_oidc_auth.database.tables import experiment_grants, named_grants, pattern_grants
from mlflow_oidc_auth.grants.rows import Condition, live
from mlflow_oidc_auth.vocabulary import Level

_KEYS: dict[sa.Table, tuple[str, ...]] = {
    experiment_grants: ("experiment_id",),
    named_grants: ("workspace", "name"),
    pattern_grants: ("kind", "workspace", "prefix"),
}

Moved = dict[str, list[Any]]
"""What changed hands: ids of experiments, names, and patterns."""


def move(connection: sa.Connection, from_id: int, to_id: int, by: str, now: datetime) -> Moved:
    """Move them, within the caller's transaction, in which no other grant changes (`rows.run_alone`)."""
    moved = {table: _move(connection, table, from_id, to_id, by, now) for table in _KEYS}
    return {
        "experiments": sorted(row.experiment_id for row in moved[experiment_grants]),
        "names": sorted(row.name for row in moved[named_grants]),
        "patterns": sorted(f"{row.kind} {row.prefix}*" for row in moved[pattern_grants]),
    }


def _move(
    connection: sa.Connection, table: sa.Table, from_id: int, to_id: int, by: str, now: datetime
) -> list[sa.Row[Any]]:
    """Raise what the taker has, drop what the giver had there, and let the taker have the rest."""
    theirs = table.alias("theirs")
    same = [table.c[column] == theirs.c[column] for column in _KEYS[table]]
    key = [table.c[column] for column in _KEYS[table]]
    said = {"granted_by": by, "granted_at": now}
    both_of_taker = [table.c.user_id == to_id, *same, *_managed_by(theirs, from_id, now)]
    connection.execute(
        table.update().where(*both_of_taker, _lower(table, theirs, now)).values(_raised(table, theirs, now) | said)
    )
    both_of_giver = sa.exists().where(theirs.c.user_id == to_id, *same)
    giver = _managed_by(table, from_id, now)
    raised = connection.execute(table.delete().where(*giver, both_of_giver).returning(*key)).all()
    rest = connection.execute(table.update().where(*giver).values(user_id=to_id, **said).returning(*key)).all()
    return [*raised, *rest]


def _managed_by(grants: sa.FromClause, user_id: int, now: datetime) -> list[Condition]:
    return [grants.c.user_id == user_id, grants.c.level == int(Level.MANAGE), live(grants, now)]


def _lower(taker: sa.Table, giver: sa.FromClause, now: datetime) -> Condition:
    """Whether the taker's grant says less than it is to say: a lower level, or one that ends earlier."""
    ends = giver.c.expires_at
    lasts = sa.or_(taker.c.expires_at.is_(None), sa.and_(ends.is_not(None), taker.c.expires_at >= ends))
    return sa.not_(sa.and_(taker.c.level == int(Level.MANAGE), live(taker, now), lasts))


def _raised(taker: sa.Table, giver: sa.FromClause, now: datetime) -> dict[str, Any]:
    holds = sa.and_(taker.c.level > int(Level.NO_PERMISSIONS), live(taker, now))
    lasts = sa.or_(taker.c.expires_at.is_(None), taker.c.expires_at > giver.c.expires_at)
    ends = sa.case((sa.and_(holds, lasts), taker.c.expires_at), else_=giver.c.expires_at)
    return {"level": int(Level.MANAGE), "expires_at": ends}
