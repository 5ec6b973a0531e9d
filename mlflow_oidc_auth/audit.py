"""What is written down, and by whom: one row for each change, in the change's own transaction; and how it is read.

SECURITY: `before` and `after` hold names, levels, dates and ids; never a token, cookie or code. What is written
down is never changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from mlflow_oidc_auth import context
from mlflow_oidc_auth.database.tables import audit_records


def record(
    connection: sa.Connection,
    *,
    by: str,
    act: str,
    subject: str,
    now: datetime,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Write down that `by` did `act` to `subject`.

    Args:
        connection: the transaction of the change itself, so that neither is ever there alone.
        by: a username, or "system".
        act: noun and verb, such as "grant.give", "token.create".
        subject: to whom or to what, readable alone; names that people choose are :func:`quoted` in it.
        now: the moment, UTC.
        before: the old values, `None` where there was nothing.
        after: the new values, `None` where nothing is left.
    """
    credential, address = _origin()
    connection.execute(
        audit_records.insert().values(
            at=now,
            by=by,
            credential=credential,
            address=address[:64],
            act=act,
            subject=subject,
            before=dict(before) if before is not None else None,
            after=dict(after) if after is not None else None,
        )
    )


def quoted(name: str) -> str:
    """A name as subjects hold it.

    SECURITY: what stands within the quotes cannot end them, so that no name reads like another subject.
    """
    return "'" + name.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _origin() -> tuple[str, str]:
    """By which credential and from which address, as the context knows it."""
    match context.view():
        case context.Filtered(identity=identity, address=address) | context.Decided(identity=identity, address=address):
            return f"{identity.credential.kind} {identity.credential.id}", address
        case context.System(why=why):
            return why[:64], ""
        case None:
            return "", ""


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One change: who did what to whom or what, when, from where, by which credential; what was and what is.

    `credential` is such as "token 12" or "session 7", or says why the server did it by itself.
    """

    id: int
    at: datetime
    by: str
    credential: str
    address: str
    act: str
    subject: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which records are wanted: those that fit each of these, as far as it is given.

    Attributes:
        by: who did it, a username, or such as "system".
        act: an act, such as "grant.give", or all acts on a noun, such as "grant".
        subject: what the subject holds, in whatever case.
        since: this moment and later.
        until: up to the end of this second.
        credential: by which, such as "token 12", or of which kind, such as "token".
    """

    by: str = ""
    act: str = ""
    subject: str = ""
    since: datetime | None = None
    until: datetime | None = None
    credential: str = ""


class AuditLog:
    """Reads what was written down, with our own engine.

    Args:
        engine: ours.
        at_once: how many a stream reads in one statement.
    """

    def __init__(self, engine: sa.Engine, at_once: int = 1000) -> None:
        self._engine = engine
        self._at_once = at_once

    def page(self, filters: AuditFilter, before_id: int | None, size: int) -> list[AuditRecord]:
        """The newest of the records that fit, newest first.

        Args:
            filters: which are wanted.
            before_id: only those older than the record with this id; `None` for the first page.
            size: how many at most.
        """
        older = [] if before_id is None else [audit_records.c.id < before_id]
        return self._read(_fitting(filters).where(*older).order_by(audit_records.c.id.desc()).limit(size))

    def stream(self, filters: AuditFilter) -> Iterator[AuditRecord]:
        """All records that fit, oldest first, as far as they are written down when it begins.

        No connection is held between two parts: whoever reads slowly holds nobody up.
        """
        with self._engine.connect() as connection:
            last = connection.execute(sa.select(sa.func.max(audit_records.c.id))).scalar()
        seen = -1
        while last is not None and seen < last:
            part = _fitting(filters).where(audit_records.c.id > seen, audit_records.c.id <= last)
            found = self._read(part.order_by(audit_records.c.id).limit(self._at_once))
            yield from found
            seen = found[-1].id if len(found) == self._at_once else last

    def _read(self, statement: sa.Select[Any]) -> list[AuditRecord]:
        with self._engine.connect() as connection:
            return [AuditRecord(**row._mapping) for row in connection.execute(statement)]


def _fitting(filters: AuditFilter) -> sa.Select[Any]:
    records = audit_records.c
    conditions: list[sa.ColumnElement[bool]] = []
    if filters.by:
        conditions.append(records.by == filters.by.strip().lower())
    if filters.act:
        conditions.append(_is_or_begins(records.act, filters.act, "."))
    if filters.credential:
        conditions.append(_is_or_begins(records.credential, filters.credential, " "))
    if filters.subject:
        conditions.append(_holds(records.subject, filters.subject))
    if filters.since is not None:
        conditions.append(records.at >= filters.since)
    if filters.until is not None:
        conditions.append(records.at <= filters.until.replace(microsecond=999_999))  # the last day there is has no next
    return sa.select(*(records[name] for name in AuditRecord.__dataclass_fields__)).where(*conditions)


def _is_or_begins(column: sa.ColumnElement[str], text: str, separator: str) -> sa.ColumnElement[bool]:
    """Without LIKE: `_` and `%` mean themselves."""
    begin = text + separator
    return sa.or_(column == text, sa.func.substr(column, 1, len(begin)) == begin)


def _holds(column: sa.ColumnElement[str], text: str) -> sa.ColumnElement[bool]:
    """Plain "contains", without LIKE. Case is the database's: SQLite knows the letters of ASCII."""
    folded = sa.func.lower(column)
    return sa.func.replace(folded, sa.func.lower(text), "") != folded
