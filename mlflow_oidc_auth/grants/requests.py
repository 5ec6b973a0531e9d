"""Somebody asks for access, by name, to what they may not see; whoever manages it decides.

What it owns: the table of access requests. A request that leads to nothing is kept like one that leads somewhere,
and so is one that was declined: to the person who asked, each is "not granted so far", until it ends. A request
ends after :data:`LASTS`.

SECURITY: nothing that reaches the asker may tell whether a hidden resource exists: not the answer, not the limits
(a declined request still counts as open), not which requests are one (they are told apart by what was written, never
by what it leads to). Who may decide is the expression that every check uses, in the statement that finds the request.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from mlflow_oidc_auth import audit
from mlflow_oidc_auth.database.tables import NAME_LENGTH, Instant, access_requests, memberships
from mlflow_oidc_auth.database.turns import one_at_a_time
from mlflow_oidc_auth.errors import BadRequest, NotFound
from mlflow_oidc_auth.grants.request_rows import (
    LASTS,
    LONGEST_REASON,
    MOST_A_DAY,
    MOST_OPEN,
    UNANSWERED,
    Asked,
    Deciding,
    Resources,
    ToDecide,
    as_asked,
    as_to_decide,
    keep,
    open_requests,
    refuse_too_many,
    unanswered,
    withdraw,
)
from mlflow_oidc_auth.grants.rows import last_moment, level_of, take_turns
from mlflow_oidc_auth.grants.rules import NOUNS, may_end
from mlflow_oidc_auth.grants.store import GivenBy, Grantee, GrantStore, Shareable
from mlflow_oidc_auth.permissions.resolver import Asking, pattern_kind
from mlflow_oidc_auth.permissions.verdicts import demand
from mlflow_oidc_auth.vocabulary import Kind, Level

__all__ = [
    "LASTS",
    "LONGEST_REASON",
    "MOST_A_DAY",
    "MOST_OPEN",
    "Asked",
    "Deciding",
    "RequestStore",
    "ToDecide",
    "reason_wrong",
]


class RequestStore:
    """Asks, tells and decides with our own engine, on the primary.

    Args:
        engine: ours.
        default: the level where no grant speaks.
        grants: gives what is granted, by its own rules.
        resources: finds what is asked for.
    """

    def __init__(self, engine: sa.Engine, default: Level, grants: GrantStore, resources: Resources) -> None:
        self._engine = engine
        self._default = default
        self._grants = grants
        self._resources = resources

    def ask(self, me: Deciding, kind: Kind, text: str, level: Level, *, reason: str = "", now: datetime) -> Asked:
        """Ask for a level on what is called so, by id or name, there or not. Asking again begins anew.

        Raises:
            BadRequest: nothing can be called so, the level is none to ask for, the reason is longer than
                :data:`LONGEST_REASON`, or the asker has it already.
            TooManyRequests: more than :data:`MOST_A_DAY` within a day, or :data:`MOST_OPEN` open ones.
        """
        _refuse_unaskable(text, level)
        if too_long := reason_wrong(reason):
            raise BadRequest(too_long)
        found = self._resources.called(kind, text)
        with self._engine.begin() as connection:
            one_at_a_time(connection, _lock(me.user_id))
            if me.is_admin or (found is not None and self._level(connection, me, found, now) >= level):
                raise BadRequest(f"You have {level.name} on this already; there is nothing to ask for.")
            this = (access_requests.c.kind == pattern_kind(kind), access_requests.c.asked_for == text)
            refuse_too_many(connection, me.user_id, sa.and_(*this), now)
            withdraw(connection, unanswered(me.user_id, now), *this)
            row = keep(connection, me.user_id, kind, text, found, level, reason, now)
            _note(connection, "request.ask", me, _subject(kind, text, me.username), now, {"level": level.name})
            return as_asked(row)

    def of_user(self, user_id: int, now: datetime, offset: int, size: int) -> tuple[list[Asked], int]:
        """One page of what somebody asked for, the newest first, and how many there are in all."""
        row = access_requests.c
        mine = sa.select(access_requests).where(
            row.user_id == user_id, row.asked_at > now - LASTS, row.state.in_((*UNANSWERED, "granted"))
        )
        order = (row.asked_at.desc(), row.id.desc())
        with self._engine.connect() as connection:
            total = connection.execute(sa.select(sa.func.count()).select_from(mine.subquery())).scalar_one()
            return [
                as_asked(found) for found in connection.execute(mine.order_by(*order).offset(offset).limit(size))
            ], total

    def to_decide(self, me: Deciding, now: datetime, offset: int, size: int) -> tuple[list[ToDecide], int]:
        """One page of the open requests on what somebody manages, the oldest first, and how many there are in all."""
        found = open_requests(me, self._resources, self._default, now).subquery()
        page = sa.select(found).order_by(found.c.asked_at, found.c.id).offset(offset).limit(size)
        with self._engine.connect() as connection:
            total = connection.execute(sa.select(sa.func.count()).select_from(found)).scalar_one()
            return [as_to_decide(row) for row in connection.execute(page)], total

    def count_to_decide(self, me: Deciding, now: datetime) -> int:
        """How many open requests there are on what somebody manages."""
        with self._engine.connect() as connection:
            found = sa.select(sa.func.count()).select_from(
                open_requests(me, self._resources, self._default, now).subquery()
            )
            return int(connection.execute(found).scalar_one())

    def grant(
        self,
        request_id: int,
        *,
        by: Deciding,
        now: datetime,
        level: Level | None = None,
        until: datetime | None = None,
    ) -> ToDecide:
        """Give what is asked for, or another level; who has it by now anyway, for as long, is given nothing.

        Raises:
            BadRequest: the level is none to grant, or `until` has passed.
            Forbidden: the rules refuse the grant; the request stays open.
            NotFound: there is no such request, or it is not theirs to decide.
        """
        with self._decision(request_id, "granted", by, now) as (connection, asked):
            given = asked.level if level is None else level
            _refuse_unaskable(asked.on.resource.key, given)
            demand(may_end(until, now))
            if self._lacks(connection, asked, given, until, now):
                giver = GivenBy(by.username, by.is_admin, by.user_id, by.group_ids)
                to = Grantee(asked.user_id, asked.username)
                self._grants.give_within(connection, asked.on, to, given, by=giver, now=now, until=until)
            after = {"level": given.name, "expires_at": None if until is None else until.isoformat()}
            _note(connection, "request.grant", by, _subject_of(asked), now, after, {"level": asked.level.name})
        return asked

    def decline(self, request_id: int, *, by: Deciding, now: datetime) -> ToDecide:
        """Decide that it is not given. The asker is not told (see the top of this file).

        Raises:
            NotFound: there is no such request, or it is not theirs to decide.
        """
        with self._decision(request_id, "declined", by, now) as (connection, asked):
            _note(connection, "request.decline", by, _subject_of(asked), now, None, {"level": asked.level.name})
        return asked

    def withdraw(self, request_id: int, *, by: Deciding, now: datetime) -> None:
        """Take back what one asked for.

        Raises:
            NotFound: one asked for no such thing, or it was granted or has ended.
        """
        with self._engine.begin() as connection:
            rows = withdraw(connection, unanswered(by.user_id, now), access_requests.c.id == request_id)
            if not rows:
                raise NotFound("You have no open request with this number.")
            subject = _subject(Kind(rows[0].kind), rows[0].asked_for, by.username)
            _note(connection, "request.withdraw", by, subject, now, None, {"level": Level(rows[0].level).name})

    @contextmanager
    def _decision(
        self, request_id: int, state: str, by: Deciding, now: datetime
    ) -> Iterator[tuple[sa.Connection, ToDecide]]:
        """A transaction in which it is one's turn to decide a request, which is over at its end."""
        with self._engine.connect() as connection:
            first = self._one(connection, request_id, by, now)
        with self._engine.begin() as connection:
            take_turns(connection, first.on.resource)
            asked = self._one(connection, request_id, by, now)
            yield connection, asked
            # Last: deleting a user holds the user first and then their requests, as giving and this do.
            row = access_requests.c
            decided = {"state": state, "decided_by": by.username, "decided_at": now}
            this = (row.id == request_id, row.state == "open", row.asked_at == asked.asked_at)
            if not connection.execute(access_requests.update().where(*this).values(decided)).rowcount:
                raise _not_theirs()

    def _one(self, connection: sa.Connection, request_id: int, by: Deciding, now: datetime) -> ToDecide:
        found = open_requests(by, self._resources, self._default, now).subquery()
        row = connection.execute(sa.select(found).where(found.c.id == request_id)).one_or_none()
        if row is None:
            raise _not_theirs()
        return as_to_decide(row)

    def _level(self, connection: sa.Connection, me: Deciding, on: Shareable, now: datetime) -> Level:
        return level_of(connection, on, Asking.of(me.user_id, me.group_ids, self._default, now))

    def _lacks(
        self, connection: sa.Connection, asked: ToDecide, given: Level, until: datetime | None, now: datetime
    ) -> bool:
        """Whether the asker has less than is given, now or before it ends. A higher level of theirs stays as it is."""
        present = self._level_of(connection, asked.user_id, asked.on, now)
        if present != given:
            return present < given
        return self._level_of(connection, asked.user_id, asked.on, last_moment(until)) < given

    def _level_of(self, connection: sa.Connection, user_id: int, on: Shareable, now: datetime) -> Level:
        """The level of somebody who is not here: their groups are read as well."""
        groups = sa.select(memberships.c.group_id).where(memberships.c.user_id == user_id)
        asking = Asking(
            sa.literal(user_id), groups.scalar_subquery(), sa.literal(now, Instant), sa.literal(int(self._default))
        )
        return level_of(connection, on, asking)


def reason_wrong(reason: str) -> str:
    """What is wrong with why somebody asks, as a sentence; empty if nothing is."""
    if len(reason) > LONGEST_REASON:
        return f"Say it in at most {LONGEST_REASON} characters."
    return ""


def _refuse_unaskable(text: str, level: Level) -> None:
    if len(text) > NAME_LENGTH:
        raise BadRequest(f"Nothing has a name of more than {NAME_LENGTH} characters.")
    if level is Level.NO_PERMISSIONS:
        raise BadRequest("NO_PERMISSIONS cannot be asked for; choose READ, USE, EDIT or MANAGE.")


def _not_theirs() -> NotFound:
    return NotFound("There is no such open request on anything you manage. It may have been decided or withdrawn.")


def _lock(user_id: int) -> int:
    digest = hashlib.blake2b(f"oidc-auth requests of {user_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


def _subject(kind: Kind, text: str, username: str) -> str:
    noun = "registered model or prompt" if kind.named else NOUNS[kind]
    return f"{noun} {audit.quoted(text)} for user {username}"


def _subject_of(asked: ToDecide) -> str:
    return _subject(asked.kind, asked.on.resource.key, asked.username)


def _note(
    connection: sa.Connection,
    act: str,
    by: Deciding,
    subject: str,
    now: datetime,
    after: dict[str, Any] | None,
    before: dict[str, Any] | None = None,
) -> None:
    audit.record(connection, by=by.username, act=act, subject=subject, now=now, before=before, after=after)
