"""How many grants there are, for lists of them and for what is said before somebody is deleted."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from mlflow_oidc_auth.database.tables import pattern_grants
from mlflow_oidc_auth.grants.rows import TABLES, Condition, live
from mlflow_oidc_auth.vocabulary import Level


class GrantCounts:
    """Counts grants that have not ended, on our own engine."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def of_user(self, user_id: int, now: datetime) -> tuple[int, int]:
        """How many grants of their own somebody has, and how many of those are MANAGE on one resource."""
        return self._count("user_id", user_id, now)

    def of_group(self, group_id: int, now: datetime) -> int:
        """How many grants a group or team has."""
        return self._count("group_id", group_id, now)[0]

    def _count(self, column: str, id_: int, now: datetime) -> tuple[int, int]:
        parts = [_part(table, table.c[column] == id_, now) for table in TABLES]
        every = sa.union_all(*parts).subquery()
        with self._engine.connect() as connection:
            row = connection.execute(sa.select(sa.func.sum(every.c.grants), sa.func.sum(every.c.manages))).one()
        return int(row[0] or 0), int(row[1] or 0)


def _part(table: sa.Table, theirs: Condition, now: datetime) -> sa.Select[tuple[int, int]]:
    on_one = sa.false() if table is pattern_grants else table.c.level == int(Level.MANAGE)
    manages = sa.func.coalesce(sa.func.sum(sa.case((on_one, 1), else_=0)), 0)
    return sa.select(sa.func.count().label("grants"), manages.label("manages")).where(theirs, live(table, now))
