"""What everybody may do with everything, row by row: the expression that every check uses, for all at once.

One statement a kind, read as it comes: ten thousand people and a thousand resources are ten million rows, and none
of them is kept. Who is not listed with a resource cannot see it; who is disabled is not listed at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import sqlalchemy as sa

from mlflow_oidc_auth.database.tables import Instant, memberships, users
from mlflow_oidc_auth.permissions.resolver import MANAGED, READABLE, Asking, code, decode
from mlflow_oidc_auth.vocabulary import Kind, Level, Rung

AT_ONCE = 1000
"""How many rows are in memory."""

WORDS = {
    Rung.ADMIN: "admin",
    Rung.USER: "own grant",
    Rung.GROUP: "group",
    Rung.USER_PATTERN: "own pattern",
    Rung.GROUP_PATTERN: "group's pattern",
    Rung.DEFAULT: "default",
}
"""What decides, for people."""


class Rows(Protocol):
    """All that MLflow has (`bridge/every.py`)."""

    def rows(self, kind: Kind) -> sa.Subquery:
        """Every resource of a kind: `kind`, `experiment_id`, `name`."""


@dataclass(frozen=True, slots=True)
class Effective:
    """What one person may do with one resource, and which rung says so."""

    username: str
    kind: Kind
    id: int | None
    name: str
    level: Level
    rung: Rung


def effective(engine: sa.Engine, resources: Rows, default: Level, now: datetime) -> Iterator[Effective]:
    """Everybody's level on everything they can at least see: experiments by number, then names; on each by username.

    Args:
        default: the level where no grant speaks.
    """
    for kind in (Kind.EXPERIMENT, Kind.REGISTERED_MODEL):
        with engine.connect().execution_options(yield_per=AT_ONCE) as connection:
            for row in connection.execute(_statement(kind, resources.rows(kind), default, now, engine.dialect.name)):
                level, rung = decode(row.code)
                yield Effective(row.username, Kind(row.kind), row.experiment_id, row.name, level, rung)


def _statement(kind: Kind, every: sa.Subquery, default: Level, now: datetime, dialect: str) -> sa.Select[Any]:
    number = _code(kind, every, default, now)
    found = (
        sa.select(users.c.username, every.c.kind, every.c.experiment_id, every.c.name, number.label("code"))
        .join_from(users, every, sa.true())
        .where(users.c.is_active)
        .subquery()
    )
    # Names are MLflow's column, which compares as PostgreSQL's locale does: a file has to be the same everywhere.
    name = found.c.name.collate("C") if dialect == "postgresql" else found.c.name
    order = (found.c.experiment_id, name, found.c.username)
    return sa.select(found).where(found.c.code >= READABLE).order_by(*order)


def _code(kind: Kind, every: sa.Subquery, default: Level, now: datetime) -> sa.ColumnElement[int]:
    theirs: Any = sa.select(memberships.c.group_id).where(memberships.c.user_id == users.c.id).correlate(users)
    asking = Asking(
        user_id=users.c.id,
        group_ids=theirs,
        now=sa.literal(now, Instant),
        default=sa.literal(int(default)),
    )
    key = every.c.name if kind.named else every.c.experiment_id
    return sa.case((users.c.is_admin, MANAGED + Rung.ADMIN.value), else_=code(kind, key, every.c.name, asking))
