"""Grants on one resource: given, taken away, and read.

What it owns: every change of an exact grant that a person asks for. (A resource's first grant is written by
the create itself: `bridge/ownership.py`.) A change is one transaction with its audit record, and the rules
are asked inside it, about what the database says at that moment; what it wrote before they refuse is rolled back.

SECURITY: changes of one resource's grants run one after the other (:func:`take_turns`), and the giver's
level is read once it is their turn: of two managers who remove each other at once, the second is told that
they no longer manage it. All of it runs on one connection: a second one, asked for under the lock, could be
waited for by everybody who waits for the lock.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from mlflow_oidc_auth import audit
from mlflow_oidc_auth.database.tables import DEFAULT_WORKSPACE, experiment_grants, memberships, named_grants, users
from mlflow_oidc_auth.database.turns import one_at_a_time
from mlflow_oidc_auth.errors import NotFound
from mlflow_oidc_auth.grants.rules import NOUNS, Giver, Managed, may_give, may_share, may_take_away
from mlflow_oidc_auth.permissions.resolver import Asking, code, decode
from mlflow_oidc_auth.permissions.verdicts import demand
from mlflow_oidc_auth.vocabulary import Kind, Level, Resource, Rung

_Condition = sa.ColumnElement[bool]


@dataclass(frozen=True, slots=True)
class Shareable:
    """A resource that is there, and the name that patterns match."""

    resource: Resource
    name: str


@dataclass(frozen=True, slots=True)
class Named:
    """What a resource is called and which kind it is: grants alone do not tell a model from a prompt.

    `deleted`: it is in MLflow's bin, where no page of MLflow shows it.
    """

    kind: Kind
    name: str
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Grantee:
    """To whom a grant is given: the id and name of a user, or of a group or team."""

    id: int
    name: str
    is_group: bool = False

    def __str__(self) -> str:
        return f"{'group' if self.is_group else 'user'} {self.name}"


@dataclass(frozen=True, slots=True)
class GivenBy:
    """Who changes a grant. An admin may do it without being a user here (the shell, with the database alone)."""

    username: str
    is_admin: bool
    user_id: int = 0
    group_ids: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Grant:
    """What one grant says, by whom and until when (`None`: without an end)."""

    level: Level
    granted_by: str
    granted_at: datetime
    expires_at: datetime | None

    def told(self) -> dict[str, str | None]:
        """As the audit tells it: what was given, to which date."""
        return {"level": self.level.name, "expires_at": self.expires_at.isoformat() if self.expires_at else None}


@dataclass(frozen=True, slots=True)
class ManagedBy:
    """An active user with MANAGE on a resource, by a grant of their own (`USER`) or a group's (`GROUP`)."""

    user_id: int
    username: str
    rung: Rung


@dataclass(frozen=True, slots=True)
class Held:
    """A resource that somebody owns or was given, the winning level, and whose grant it is (`USER` or `GROUP`).

    A model and a prompt share one name space: the kind of both is `REGISTERED_MODEL` here.
    """

    resource: Resource
    level: Level
    rung: Rung


class GrantStore:
    """Reads and changes exact grants with our own engine, on the primary.

    Args:
        engine: ours.
        default: the level where no grant speaks; a giver may have theirs from it.
    """

    def __init__(self, engine: sa.Engine, default: Level = Level.NO_PERMISSIONS) -> None:
        self._engine = engine
        self._default = default

    def give(
        self, on: Shareable, to: Grantee, level: Level, *, by: GivenBy, now: datetime, until: datetime | None = None
    ) -> Grant:
        """Make `level` what the grantee's own grant on the resource says; a grant that says so already stays.

        Whoever calls has made sure that the resource is there.

        Raises:
            Forbidden: the rules refuse; nothing was changed.
            NotFound: the grantee is gone.
        """
        wanted = Grant(level, by.username, now, until)
        with self._engine.begin() as connection:
            giver, present = self._turn(connection, on, to, by, now)
            if present is not None and present.told() == wanted.told():
                return present
            before = _managed(connection, on.resource, now)
            _write(connection, on.resource, to, wanted)
            after = _managed(connection, on.resource, now)
            held = None if present is None else present.level
            demand(may_give(giver, level, kind=on.resource.kind, present=held, before=before, after=after))
            _note(connection, "grant.give", on.resource, to, by, now, present, wanted)
            return wanted

    def take_away(self, on: Shareable, of: Grantee, *, by: GivenBy, now: datetime) -> None:
        """Remove the grantee's own grant on the resource.

        Raises:
            Forbidden: the rules refuse; nothing was changed.
            NotFound: there is no such grant.
        """
        kind = on.resource.kind
        with self._engine.begin() as connection:
            giver, present = self._turn(connection, on, of, by, now)
            if present is None:
                raise NotFound(
                    f"No grant of their own to take away: {of} has none on this {NOUNS[kind]}. "
                    "What comes from a group, a pattern or the default is changed there."
                )
            before = _managed(connection, on.resource, now)
            grants, on_it = _grants_on(on.resource)
            connection.execute(grants.delete().where(*on_it, _whose(grants, of)))
            after = _managed(connection, on.resource, now)
            demand(may_take_away(giver, kind=kind, present=present.level, before=before, after=after))
            _note(connection, "grant.take_away", on.resource, of, by, now, present, None)

    def read(self, resource: Resource, of: Grantee) -> Grant | None:
        """The grantee's own grant on a resource, one past its end too; `None` if there is none."""
        with self._engine.connect() as connection:
            return _read(connection, resource, of)

    def managers_of(self, resource: Resource, now: datetime) -> list[ManagedBy]:
        """The active users whose MANAGE on the resource comes from grants on it alone, by username."""
        with self._engine.connect() as connection:
            rows = connection.execute(_managers(resource, _live(resource, now)).order_by(users.c.username))
            return [ManagedBy(row.id, row.username, Rung.USER if row.own else Rung.GROUP) for row in rows]

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

    def _turn(
        self, connection: sa.Connection, on: Shareable, grantee: Grantee, by: GivenBy, now: datetime
    ) -> tuple[Giver, Grant | None]:
        """Wait for one's turn; then who gives, and what the grantee has.

        Raises:
            Forbidden: the giver does not manage the resource; whether the grantee has a grant is not told.
        """
        take_turns(connection, on.resource)
        giver = Giver(Level.MANAGE if by.is_admin else self._level(connection, on, by, now), by.is_admin)
        demand(may_share(giver, on.resource.kind))
        return giver, _read(connection, on.resource, grantee)

    def _level(self, connection: sa.Connection, on: Shareable, by: GivenBy, now: datetime) -> Level:
        """The giver's level at this moment, by the expression that every check uses."""
        resource = on.resource
        key = sa.literal(resource.key if resource.kind.named else resource.experiment_id)
        asking = Asking.of(by.user_id, by.group_ids, self._default, now)
        number = connection.execute(sa.select(code(resource.kind, key, sa.literal(on.name), asking))).scalar_one()
        return decode(number)[0]


def take_turns(connection: sa.Connection, resource: Resource) -> None:
    """Hold everybody else who would change this resource's grants until the transaction ends."""
    space = "experiment" if resource.kind is Kind.EXPERIMENT else "name"
    key = str(resource.experiment_id) if resource.kind is Kind.EXPERIMENT else resource.key
    digest = hashlib.blake2b(f"oidc-auth grants {space} {key}".encode(), digest_size=8).digest()
    one_at_a_time(connection, int.from_bytes(digest, signed=True))


def _grants_on(resource: Resource) -> tuple[sa.Table, list[_Condition]]:
    """The table that holds grants on this resource, and which of its rows do."""
    if resource.kind.named:
        return named_grants, [named_grants.c.workspace == DEFAULT_WORKSPACE, named_grants.c.name == resource.key]
    return experiment_grants, [experiment_grants.c.experiment_id == resource.experiment_id]


def _whose(grants: sa.Table, grantee: Grantee) -> _Condition:
    return (grants.c.group_id if grantee.is_group else grants.c.user_id) == grantee.id


def _read(connection: sa.Connection, resource: Resource, of: Grantee) -> Grant | None:
    grants, on_it = _grants_on(resource)
    columns = (grants.c.level, grants.c.granted_by, grants.c.granted_at, grants.c.expires_at)
    row = connection.execute(sa.select(*columns).where(*on_it, _whose(grants, of))).one_or_none()
    return None if row is None else Grant(Level(row.level), row.granted_by, row.granted_at, row.expires_at)


def _write(connection: sa.Connection, resource: Resource, to: Grantee, grant: Grant) -> None:
    """Insert or replace, in one statement: the create of the resource may write its first grant meanwhile.

    Raises:
        NotFound: the grantee is gone.
    """
    grants, _ = _grants_on(resource)
    of_resource: dict[str, Any] = (
        {"workspace": DEFAULT_WORKSPACE, "name": resource.key}
        if resource.kind.named
        else {"experiment_id": resource.experiment_id}
    )
    grantee = "group_id" if to.is_group else "user_id"
    said = {
        "level": int(grant.level),
        "granted_by": grant.granted_by,
        "granted_at": grant.granted_at,
        "expires_at": grant.expires_at,
    }
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(grants).values({grantee: to.id, **of_resource, **said})
    try:
        connection.execute(statement.on_conflict_do_update(index_elements=[grantee, *of_resource], set_=said))
    except sa.exc.IntegrityError:
        raise NotFound(f"The {to} is gone; nothing was given.") from None


def _note(
    connection: sa.Connection,
    act: str,
    resource: Resource,
    grantee: Grantee,
    by: GivenBy,
    now: datetime,
    before: Grant | None,
    after: Grant | None,
) -> None:
    key = str(resource.experiment_id) if resource.kind is Kind.EXPERIMENT else f"'{resource.key}'"
    audit.record(
        connection,
        by=by.username,
        act=act,
        subject=f"{NOUNS[resource.kind]} {key} for {grantee}",
        now=now,
        before=None if before is None else before.told(),
        after=None if after is None else after.told(),
    )


def _live(resource: Resource, now: datetime) -> _Condition:
    grants, _ = _grants_on(resource)
    return sa.or_(grants.c.expires_at.is_(None), grants.c.expires_at > now)


def _managed(connection: sa.Connection, resource: Resource, now: datetime) -> Managed:
    """Whether somebody manages the resource: at this moment, and once every end date has passed."""
    grants, _ = _grants_on(resource)
    lasting = grants.c.expires_at.is_(None)
    now_, later = (_managers(resource, which).exists() for which in (_live(resource, now), lasting))
    row = connection.execute(sa.select(now_.label("now"), later.label("lasting"))).one()
    return Managed(bool(row.now), bool(row.lasting))


def _managers(resource: Resource, which: _Condition) -> sa.Select[Any]:
    """The active users whose winning grant on the resource, among `which` of its grants, is MANAGE."""
    grants, on_it = _grants_on(resource)
    own = sa.select(grants.c.user_id, grants.c.level).where(*on_it, which, grants.c.user_id.is_not(None)).subquery()
    by_group = (
        sa.select(memberships.c.user_id, sa.func.max(grants.c.level).label("level"))
        .join_from(grants, memberships, memberships.c.group_id == grants.c.group_id)
        .where(*on_it, which)
        .group_by(memberships.c.user_id)
        .subquery()
    )
    return (
        sa.select(users.c.id, users.c.username, own.c.user_id.label("own"))
        .join_from(users, own, own.c.user_id == users.c.id, isouter=True)
        .join(by_group, by_group.c.user_id == users.c.id, isouter=True)
        .where(users.c.is_active, sa.func.coalesce(own.c.level, by_group.c.level) == int(Level.MANAGE))
    )


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
        .where(sa.or_(mine, ours), sa.or_(grants.c.expires_at.is_(None), grants.c.expires_at > now))
        .where(*([named_grants.c.workspace == DEFAULT_WORKSPACE] if kind.named else []))
        .group_by(key)
    )


def _to_held(row: sa.Row[Any]) -> Held:
    if row.experiment_id is not None:
        resource = Resource(Kind.EXPERIMENT, str(row.experiment_id))
    else:
        resource = Resource(Kind.REGISTERED_MODEL, row.name)
    return Held(resource, Level(row.level), Rung(row.rung))
