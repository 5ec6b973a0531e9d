"""What removing one grant would leave: told on the share page before anybody presses the button.

The rule itself is `grants/rules.py`, and it is asked again when the change is made (`grants/store.py`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from mlflow_oidc_auth.grants.managers import managers
from mlflow_oidc_auth.grants.rows import Condition, live, table_of
from mlflow_oidc_auth.grants.rules import Managed
from mlflow_oidc_auth.grants.values import Grantee
from mlflow_oidc_auth.vocabulary import Resource

NOTHING = Managed(False, False)


@dataclass(frozen=True, slots=True)
class Outlook:
    """Who manages a resource now, and without each of some grants."""

    present: Managed
    without: dict[Grantee, Managed]


class LastManager:
    """Reads with our own engine, on the primary."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def outlook(self, resource: Resource, holders: Collection[Grantee], now: datetime) -> Outlook:
        """What is left without the grant of each of these holders, in one statement; none where there are none."""
        if not holders:
            return Outlook(NOTHING, {})
        of = list(holders)
        questions = [
            _managed(resource, sa.true(), now),
            *(_managed(resource, _not_of(resource, one), now) for one in of),
        ]
        statement = sa.union_all(
            *(sa.select(sa.literal(place).label("place"), *both) for place, both in enumerate(questions))
        )
        with self._engine.connect() as connection:
            rows = {row.place: Managed(bool(row.now), bool(row.lasting)) for row in connection.execute(statement)}
        return Outlook(rows[0], {one: rows[place] for place, one in enumerate(of, start=1)})


def _managed(resource: Resource, which: Condition, now: datetime) -> tuple[sa.Label[bool], sa.Label[bool]]:
    """As `managers.managed`, among some of the grants."""
    grants = table_of(resource)
    return (
        managers(resource, sa.and_(which, live(grants, now))).exists().label("now"),
        managers(resource, sa.and_(which, grants.c.expires_at.is_(None))).exists().label("lasting"),
    )


def _not_of(resource: Resource, one: Grantee) -> Condition:
    grants = table_of(resource)
    return (grants.c.group_id if one.is_group else grants.c.user_id).is_distinct_from(one.id)
