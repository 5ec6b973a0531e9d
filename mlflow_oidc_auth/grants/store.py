"""Grants on one resource or pattern: given, taken away, handed over, and read.

What it owns: every change of a grant that a person asks for. (A resource's first grants are written by
the create itself: `bridge/ownership.py`.) A change is one transaction with its audit record, and the rules
are asked inside it, about what the database says at that moment; what it wrote before they refuse is rolled back.

SECURITY: changes of one resource's grants run one after the other (:func:`take_turns`), and the giver's
level is read once it is their turn: of two managers who remove each other at once, the second is told that
they no longer manage it. All of it runs on one connection: a second one, asked for under the lock, could be
waited for by everybody who waits for the lock.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from mlflow_oidc_auth import audit
from mlflow_oidc_auth.database.tables import DEFAULT_WORKSPACE, experiment_grants, named_grants, users
from mlflow_oidc_auth.errors import NotFound
from mlflow_oidc_auth.grants.handover import move
from mlflow_oidc_auth.grants.managers import managed
from mlflow_oidc_auth.grants.rows import last_moment, level_of, live, read, remove, run_alone, take_turns, target, write
from mlflow_oidc_auth.grants.rules import (
    NOUNS,
    Giver,
    may_end,
    may_give,
    may_give_pattern,
    may_hand_over,
    may_receive,
    may_share,
    may_take_away,
)
from mlflow_oidc_auth.grants.values import (
    Found,
    GivenBy,
    Grant,
    Grantee,
    Held,
    Matching,
    Named,
    On,
    Pattern,
    Shareable,
)
from mlflow_oidc_auth.permissions.resolver import Asking
from mlflow_oidc_auth.permissions.verdicts import demand
from mlflow_oidc_auth.vocabulary import Kind, Level, Resource, Rung

__all__ = [
    "Found",
    "GivenBy",
    "Grant",
    "GrantStore",
    "Grantee",
    "Held",
    "Matching",
    "Named",
    "On",
    "Pattern",
    "Shareable",
    "take_turns",
]


class GrantStore:
    """Reads and changes grants with our own engine, on the primary.

    Args:
        engine: ours.
        default: the level where no grant speaks; a giver may have theirs from it.
    """

    def __init__(self, engine: sa.Engine, default: Level = Level.NO_PERMISSIONS) -> None:
        self._engine = engine
        self._default = default

    def give(
        self, on: On, to: Grantee, level: Level, *, by: GivenBy, now: datetime, until: datetime | None = None
    ) -> Grant:
        """Make `level` what the grantee's own grant on it says; a grant that says so already stays.

        Whoever calls has made sure that the resource is there. On a pattern only admins give.

        Raises:
            BadRequest: the grantee is disabled, or `until` has passed.
            Forbidden: the rules refuse; nothing was changed.
            NotFound: the grantee is gone.
        """
        with self._engine.begin() as connection:
            return self.give_within(connection, on, to, level, by=by, now=now, until=until)

    def give_within(
        self,
        connection: sa.Connection,
        on: On,
        to: Grantee,
        level: Level,
        *,
        by: GivenBy,
        now: datetime,
        until: datetime | None = None,
    ) -> Grant:
        """:meth:`give` within the caller's transaction, which must end where this refuses."""
        wanted, place = Grant(level, by.username, now, until), target(on)
        giver = self._turn(connection, on, by, now)
        demand(may_end(until, now))
        demand(may_receive(level, is_active=_is_active(connection, to)))
        present = read(connection, place, to)
        if present is not None and present.told() == wanted.told():
            return present
        if isinstance(on, Pattern):
            written = write(connection, place, to, wanted)
        else:
            at_end = self._level_at_end(connection, on, giver, by, present, wanted)
            before = managed(connection, on.resource, now)
            written = write(connection, place, to, wanted)
            after = managed(connection, on.resource, now)
            held = None if present is None else present.level
            demand(may_give(giver, level, kind=on.kind, present=held, at_end=at_end, before=before, after=after))
        note(connection, "grant.give", on, to, by, now, present, wanted)
        return written

    def take_away(self, on: On, of: Grantee, *, by: GivenBy, now: datetime) -> None:
        """Remove the grantee's own grant on it.

        Raises:
            Forbidden: the rules refuse; nothing was changed.
            NotFound: there is no such grant.
        """
        place = target(on)
        with self._engine.begin() as connection:
            giver = self._turn(connection, on, by, now)
            present = read(connection, place, of)
            if present is None:
                raise NotFound(_none_to_take(on, of))
            if isinstance(on, Pattern):
                remove(connection, place, of)
            else:
                at_end = self._level_at_end(connection, on, giver, by, present)
                before = managed(connection, on.resource, now)
                remove(connection, place, of)
                after = managed(connection, on.resource, now)
                held = present.level
                demand(may_take_away(giver, kind=on.kind, present=held, at_end=at_end, before=before, after=after))
            note(connection, "grant.take_away", on, of, by, now, present, None)

    def hand_over(self, from_id: int, to_id: int, *, by: GivenBy, now: datetime) -> int:
        """Let one user have all that another manages by grants of their own, on patterns too; how many grants.

        The taker gets MANAGE, and what they have is never lowered; the giver's grants go. Ones that have ended
        stay where they are.

        Raises:
            BadRequest: both are the same user, or the taker is disabled.
            Forbidden: by somebody who is no admin.
            NotFound: one of the two is gone.
        """
        with self._engine.begin() as connection:
            run_alone(connection)
            giver, taker = _user(connection, from_id), _user(connection, to_id)
            demand(may_hand_over(by.is_admin, same=from_id == to_id, taker_is_active=taker.is_active))
            moved = move(connection, from_id, to_id, by.username, now)
            count = sum(len(of_table) for of_table in moved.values())
            if count:
                audit.record(
                    connection,
                    by=by.username,
                    act="grant.hand_over",
                    subject=f"user {giver.username} to user {taker.username}",
                    now=now,
                    after={"grants": count, **moved},
                )
            return count

    def read(self, on: Resource | Pattern, of: Grantee) -> Grant | None:
        """The grantee's own grant on it, one past its end too; `None` if there is none."""
        with self._engine.connect() as connection:
            return read(connection, on, of)

    def owned_and_shared(
        self, user_id: int, group_ids: Collection[int], offset: int, size: int, now: datetime
    ) -> tuple[list[Held], int]:
        """One page of what somebody can at least read by grants on it, and how many there are in all.

        The highest level first, then experiments by number, then names. The person's own grant beats those
        of their groups, so one that says NO_PERMISSIONS leaves the resource out.
        """
        parts = [_held(kind, user_id, group_ids, now) for kind in (Kind.EXPERIMENT, Kind.REGISTERED_MODEL)]
        held = sa.union_all(*parts).subquery()
        readable = sa.select(held).where(held.c.level >= int(Level.READ))
        order = (held.c.level.desc(), held.c.experiment_id.is_(None), held.c.experiment_id, held.c.name)
        with self._engine.connect() as connection:
            total = connection.execute(sa.select(sa.func.count()).select_from(readable.subquery())).scalar_one()
            rows = connection.execute(readable.order_by(*order).offset(offset).limit(size))
            return [_to_held(row) for row in rows], total

    def _turn(self, connection: sa.Connection, on: On, by: GivenBy, now: datetime) -> Giver:
        """Wait for one's turn; then who gives.

        Raises:
            Forbidden: the giver does not manage it; whether the grantee has a grant is not told.
        """
        take_turns(connection, target(on))
        if isinstance(on, Pattern):
            giver = Giver(Level.NO_PERMISSIONS, by.is_admin)
            demand(may_give_pattern(giver))
        else:
            giver = Giver(Level.MANAGE if by.is_admin else self._level(connection, on, by, now), by.is_admin)
            demand(may_share(giver, on.kind))
        return giver

    def _level_at_end(
        self, connection: sa.Connection, on: Shareable, giver: Giver, by: GivenBy, *grants: Grant | None
    ) -> Level:
        """What the giver has at the last moment of these grants, as grants stand now."""
        if giver.is_admin:
            return giver.level
        last = max(last_moment(grant.expires_at) for grant in grants if grant is not None)
        return self._level(connection, on, by, last)

    def _level(self, connection: sa.Connection, on: Shareable, by: GivenBy, now: datetime) -> Level:
        """The giver's level at this moment, by the expression that every check uses."""
        return level_of(connection, on, Asking.of(by.user_id, by.group_ids, self._default, now))


def _user(connection: sa.Connection, user_id: int) -> sa.Row[str, bool]:
    row = connection.execute(sa.select(users.c.username, users.c.is_active).where(users.c.id == user_id)).one_or_none()
    if row is None:
        raise NotFound("There is no such user; nothing was handed over.")
    return row


def _is_active(connection: sa.Connection, to: Grantee) -> bool:
    """Whether a user could use what they are given; groups have nothing to log in with.

    Raises:
        NotFound: the user is gone.
    """
    if to.is_group:
        return True
    found = connection.execute(sa.select(users.c.is_active).where(users.c.id == to.id)).scalar_one_or_none()
    if found is None:
        raise NotFound(f"The {to} is gone; nothing was given.")
    return bool(found)


def _none_to_take(on: On, of: Grantee) -> str:
    if isinstance(on, Pattern):
        return f"No grant to take away: {of} has none on this pattern."
    return (
        f"No grant of their own to take away: {of} has none on this {NOUNS[on.kind]}. "
        "What comes from a group, a pattern or the default is changed there."
    )


def note(
    connection: sa.Connection,
    act: str,
    on: On,
    grantee: Grantee,
    by: GivenBy,
    now: datetime,
    before: Grant | None,
    after: Grant | None,
) -> None:
    """Write a change of one grant down, within its transaction."""
    audit.record(
        connection,
        by=by.username,
        act=act,
        subject=f"{_called(on)} for {grantee}",
        now=now,
        before=None if before is None else before.told(),
        after=None if after is None else after.told(),
    )


def _called(on: On) -> str:
    """As the audit tells it."""
    if isinstance(on, Pattern):
        return f"{'registered model' if on.kind.named else 'experiment'} pattern {audit.quoted(str(on))}"
    key = audit.quoted(on.resource.key) if on.kind.named else str(on.resource.experiment_id)
    return f"{NOUNS[on.kind]} {key}"


def _held(kind: Kind, user_id: int, group_ids: Collection[int], now: datetime) -> sa.Select[Any]:
    """Each resource of a kind that somebody has grants on: its own level, else the highest of the groups'."""
    grants = named_grants if kind.named else experiment_grants
    mine = grants.c.user_id == user_id
    ours = grants.c.group_id.in_(sorted(group_ids))
    own = sa.func.max(sa.case((mine, grants.c.level)))
    key = grants.c.name if kind.named else grants.c.experiment_id
    return (
        sa.select(
            (sa.cast(sa.null(), sa.Integer) if kind.named else key).label("experiment_id"),
            (key if kind.named else sa.cast(sa.null(), sa.String)).label("name"),
            sa.func.coalesce(own, sa.func.max(grants.c.level)).label("level"),
            sa.case((own.is_(None), Rung.GROUP.value), else_=Rung.USER.value).label("rung"),
        )
        .where(sa.or_(mine, ours), live(grants, now))
        .where(*([named_grants.c.workspace == DEFAULT_WORKSPACE] if kind.named else []))
        .group_by(key)
    )


def _to_held(row: sa.Row[Any]) -> Held:
    if row.experiment_id is not None:
        resource = Resource(Kind.EXPERIMENT, str(row.experiment_id))
    else:
        resource = Resource(Kind.REGISTERED_MODEL, row.name)
    return Held(resource, Level(row.level), Rung(row.rung))
