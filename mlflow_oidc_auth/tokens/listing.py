"""The access keys of many accounts at once, for lists of them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from mlflow_oidc_auth.database.tables import tokens


@dataclass(frozen=True, slots=True)
class KeySummary:
    """The keys of an account that work: how many, when the first of them ends, and when one was used last."""

    count: int
    ends: datetime
    used: datetime | None


class KeyListing:
    """Reads keys with our own engine, on the primary."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def of_each(self, user_ids: Collection[int], now: datetime) -> dict[int, KeySummary]:
        """The keys of each of these accounts; one without a key that works is absent."""
        statement = (
            sa.select(
                tokens.c.user_id,
                sa.func.count().label("count"),
                sa.func.min(tokens.c.expires_at, type_=tokens.c.expires_at.type).label("ends"),
                sa.func.max(tokens.c.last_used_at, type_=tokens.c.last_used_at.type).label("used"),
            )
            .where(tokens.c.user_id.in_(user_ids), tokens.c.revoked_at.is_(None), tokens.c.expires_at > now)
            .group_by(tokens.c.user_id)
        )
        with self._engine.connect() as connection:
            rows = connection.execute(statement)
            return {row.user_id: KeySummary(row._mapping["count"], row.ends, row.used) for row in rows}
