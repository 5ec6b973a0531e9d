"""Access requests as rows of their table, told to who asked and to who decides (`requests.py` says the rules)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import sqlalchemy as sa

from mlflow_oidc_auth.database.tables import access_requests, users
from mlflow_oidc_auth.errors import TooManyRequests
from mlflow_oidc_auth.grants.values import Shareable
from mlflow_oidc_auth.permissions.resolver import MANAGED, Asking, code, pattern_kind
from mlflow_oidc_auth.vocabulary import Kind, Level, Resource

LASTS = timedelta(days=30)
MOST_A_DAY = 20
MOST_OPEN = 50
LONGEST_REASON = 1000

UNANSWERED = ("open", "declined")
"""What the asker is told of as open."""


class Deciding(Protocol):
    """Who asks or decides (an `Identity` is one)."""

    @property
    def user_id(self) -> int: ...
    @property
    def username(self) -> str: ...
    @property
    def is_admin(self) -> bool: ...
    @property
    def group_ids(self) -> frozenset[int]: ...


class Resources(Protocol):
    """What MLflow knows of its resources (`bridge/lookups.py`)."""

    def called(self, kind: Kind, text: str) -> Shareable | None:
        """The resource that somebody means by its id or name."""

    def rows_of(self, kind: Kind) -> sa.Select[Any]:
        """All of a kind: `kind`, `experiment_id`, `name`, `deleted`."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as the person who asked is told it. `kind` is `REGISTERED_MODEL` for models and prompts alike.

    `granted_by` is empty until it is granted.
    """

    id: int
    kind: Kind
    asked_for: str
    level: Level
    reason: str
    asked_at: datetime
    ends_at: datetime
    granted_by: str
    granted_at: datetime | None


@dataclass(frozen=True, slots=True)
class ToDecide:
    """An open request on a resource, as who manages it is told it. `kind` tells a prompt from a model."""

    id: int
    user_id: int
    username: str
    display_name: str
    on: Shareable
    kind: Kind
    level: Level
    reason: str
    asked_at: datetime
    ends_at: datetime


def open_requests(me: Deciding, resources: Resources, default: Level, now: datetime) -> sa.CompoundSelect[Any]:
    """The open requests of others on what somebody manages."""
    asking = Asking.of(me.user_id, me.group_ids, default, now)
    return sa.union_all(
        *(_open_of(kind, me, resources, asking, now) for kind in (Kind.EXPERIMENT, Kind.REGISTERED_MODEL))
    )


def _open_of(kind: Kind, me: Deciding, resources: Resources, asking: Asking, now: datetime) -> sa.Select[Any]:
    asked, there = access_requests.alias(), resources.rows_of(kind).subquery()
    same = asked.c.name == there.c.name if kind.named else asked.c.experiment_id == there.c.experiment_id
    key = there.c.name if kind.named else there.c.experiment_id
    columns = (asked.c[name] for name in ("id", "level", "reason", "asked_at", "user_id"))
    found = (
        sa.select(*columns, there.c.kind, there.c.experiment_id, there.c.name, users.c.username, users.c.display_name)
        .join_from(asked, there, same)
        .join(users, users.c.id == asked.c.user_id)
        .where(asked.c.kind == pattern_kind(kind), asked.c.state == "open", asked.c.asked_at > now - LASTS)
        .where(users.c.is_active, asked.c.user_id != me.user_id)
    )
    return found if me.is_admin else found.where(code(kind, key, there.c.name, asking) >= MANAGED)


def refuse_too_many(connection: sa.Connection, user_id: int, this: sa.ColumnElement[bool], now: datetime) -> None:
    """Count what somebody asked for, `this` request as well where it is asked again."""
    row = access_requests.c
    today = sa.func.count().filter(row.asked_at > now - timedelta(days=1))
    others = sa.func.count().filter(row.state.in_(UNANSWERED), row.asked_at > now - LASTS, sa.not_(this))
    asked, still_open = connection.execute(sa.select(today, others).where(row.user_id == user_id)).one()
    if asked >= MOST_A_DAY:
        raise TooManyRequests(f"You asked {MOST_A_DAY} times within a day; that is the most. Ask again tomorrow.")
    if still_open >= MOST_OPEN:
        raise TooManyRequests(
            f"You have {MOST_OPEN} open requests; that is the most. Withdraw one that you do not need any more."
        )


def unanswered(user_id: int, now: datetime) -> sa.ColumnElement[bool]:
    """What is open as far as this asker is told."""
    row = access_requests.c
    return sa.and_(row.user_id == user_id, row.state.in_(UNANSWERED), row.asked_at > now - LASTS)


def withdraw(connection: sa.Connection, *which: sa.ColumnElement[bool]) -> list[sa.Row[Any]]:
    """Take back these, and give them as they were but for that."""
    return list(
        connection.execute(
            access_requests.update().where(*which).values(state="withdrawn").returning(*access_requests.c)
        ).all()
    )


def keep(
    connection: sa.Connection,
    user_id: int,
    kind: Kind,
    text: str,
    found: Shareable | None,
    level: Level,
    reason: str,
    now: datetime,
) -> sa.Row[Any]:
    """Write down an open request, and what it leads to."""
    led_to: dict[str, Any] = {}
    if found is not None:
        resource = found.resource
        led_to = {"name": resource.key} if kind.named else {"experiment_id": resource.experiment_id}
    values = {"user_id": user_id, "kind": pattern_kind(kind), "asked_for": text, "level": int(level), "reason": reason}
    statement = access_requests.insert().values(values | led_to | {"asked_at": now, "state": "open"})
    return connection.execute(statement.returning(*access_requests.c)).one()


def as_asked(row: sa.Row[Any]) -> Asked:
    """A row as who asked is told it."""
    granted = row.state == "granted"
    return Asked(
        id=row.id,
        kind=Kind(row.kind),
        asked_for=row.asked_for,
        level=Level(row.level),
        reason=row.reason,
        asked_at=row.asked_at,
        ends_at=row.asked_at + LASTS,
        granted_by=row.decided_by if granted else "",
        granted_at=row.decided_at if granted else None,
    )


def as_to_decide(row: sa.Row[Any]) -> ToDecide:
    """A row of :func:`open_requests` as who decides is told it."""
    kind = Kind(row.kind)
    resource = Resource(kind, row.name if kind.named else str(row.experiment_id))
    return ToDecide(
        id=row.id,
        user_id=row.user_id,
        username=row.username,
        display_name=row.display_name,
        on=Shareable(resource, row.name),
        kind=kind,
        level=Level(row.level),
        reason=row.reason,
        asked_at=row.asked_at,
        ends_at=row.asked_at + LASTS,
    )
