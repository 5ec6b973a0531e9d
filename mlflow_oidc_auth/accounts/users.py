"""Users: people as the provider knows them, and service accounts.

A person is keyed by the provider's (issuer, subject) and by nothing else. The username is how they log
in and how others name them: their e-mail, in lower case.

SECURITY: what must never happen here: a username moves from one subject to another because a login
says so (whoever can choose their e-mail at the provider would become somebody else); a login makes a
disabled user active; a user is disabled while a session or token of theirs lives on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import sqlalchemy as sa

from mlflow_oidc_auth import audit
from mlflow_oidc_auth.accounts.groups import provider_groups, replace_provider_groups
from mlflow_oidc_auth.database.tables import memberships, sessions, tokens, users
from mlflow_oidc_auth.errors import Forbidden, NotFound
from mlflow_oidc_auth.vocabulary import Credential, Identity

AnyRow = sa.Row[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class User:
    """One user or service account."""

    id: int
    username: str
    display_name: str
    is_admin: bool
    is_active: bool
    is_service_account: bool
    created_at: datetime
    last_login_at: datetime | None


class LoginProfile(Protocol):
    """What a login says about a person (`login/claims.py` makes it from the provider's claims)."""

    @property
    def issuer(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def username(self) -> str: ...
    @property
    def display_name(self) -> str: ...
    @property
    def groups(self) -> frozenset[str]: ...
    @property
    def is_admin(self) -> bool: ...


_COLUMNS = (
    users.c.id,
    users.c.username,
    users.c.display_name,
    users.c.is_admin,
    users.c.is_active,
    users.c.is_service_account,
    users.c.created_at,
    users.c.last_login_at,
)

# What a statement that identifies somebody selects, from `users` and (outer joined) `memberships`: one
# row for each membership, and one row for somebody who has none. Labels keep clear of the credential's columns.
IDENTITY_COLUMNS = (
    users.c.id.label("user_id"),
    users.c.username,
    users.c.display_name,
    users.c.is_admin,
    users.c.is_active,
    users.c.is_service_account,
    users.c.last_login_at,
    memberships.c.group_id,
)

TAKEN = (
    "Your e-mail address belongs to another account on this MLflow server, so you cannot be logged in with it. "
    "Ask an MLflow admin to rename or remove the other account."
)
DISABLED = "Your account on this MLflow server is disabled. Ask an MLflow admin to enable it."


def login_name(text: str) -> str:
    """The one spelling of a username: e-mails differ in case between people and providers."""
    return text.lower()


def identity_from(rows: Sequence[AnyRow], credential: Credential) -> Identity:
    """The identity in the rows of one statement that selected :data:`IDENTITY_COLUMNS`; at least one row."""
    first = rows[0]
    return Identity(
        user_id=first.user_id,
        username=first.username,
        display_name=first.display_name,
        is_admin=first.is_admin,
        is_service_account=first.is_service_account,
        group_ids=frozenset(row.group_id for row in rows if row.group_id is not None),
        credential=credential,
    )


class UserStore:
    """The users table, and what a login or an admin changes in it."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def by_username(self, username: str) -> User | None:
        """The user with this login name, in whatever case it is spelled."""
        return self._one(users.c.username == login_name(username))

    def by_id(self, user_id: int) -> User | None:
        """The user with this id."""
        return self._one(users.c.id == user_id)

    def page(self, search: str, offset: int, size: int) -> tuple[list[User], int]:
        """Users whose username or display name holds `search`, by username, and how many there are in all."""
        wanted = _holding(search)
        with self._engine.connect() as connection:
            count = connection.execute(sa.select(sa.func.count()).select_from(users).where(wanted)).scalar_one()
            rows = connection.execute(
                sa.select(*_COLUMNS).where(wanted).order_by(users.c.username).offset(offset).limit(size)
            )
            return [_user(row) for row in rows], count

    def every(self) -> list[User]:
        """All users and service accounts, by username."""
        return self._many(sa.true())

    def in_groups_of(self, user_id: int) -> list[User]:
        """This user, and every active one who shares a group or team with them, by username."""
        theirs = sa.select(memberships.c.group_id).where(memberships.c.user_id == user_id)
        others = sa.select(memberships.c.user_id).where(memberships.c.group_id.in_(theirs))
        return self._many(sa.or_(users.c.id == user_id, sa.and_(users.c.is_active, users.c.id.in_(others))))

    def record_login(self, profile: LoginProfile, now: datetime) -> User:
        """Write down what a login says, and give the user it is for.

        The user is made at the first login; their groups are replaced and admin follows the group at every one.

        Raises:
            Forbidden: another account has this e-mail, or the user is disabled. Nothing was changed.
        """
        try:
            return self._record_login(profile, now)
        except sa.exc.IntegrityError:
            # Somebody made the same row a moment ago: this person in another tab, or one with this e-mail.
            return self._record_login(profile, now)

    def shut_out(self, issuer: str, subject: str, groups: frozenset[str], now: datetime) -> None:
        """Somebody is in no allowed group any more: what earlier logins gave them goes.

        Sessions end, admin and groups are what the provider says now. Tokens stay, and so does the account:
        both are for admins to take away.
        """
        with self._engine.begin() as connection:
            row = connection.execute(_locked(users.c.issuer == issuer, users.c.subject == subject)).one_or_none()
            if row is None:
                return
            connection.execute(sessions.delete().where(sessions.c.user_id == row.id))
            before = _standing(connection, row)
            connection.execute(users.update().where(users.c.id == row.id).values(is_admin=False))
            replace_provider_groups(connection, row.id, groups, now)
            _audit_change(connection, row.username, before, row.username, False, groups, now)

    def disable(self, user_id: int, now: datetime, by: str = "system") -> None:
        """Nobody gets in as this user any more: sessions end and tokens are revoked in the same transaction.

        Raises:
            NotFound: there is no such user.
        """
        with self._engine.begin() as connection:
            username = self._set_active(connection, user_id, False)
            connection.execute(sessions.delete().where(sessions.c.user_id == user_id))
            connection.execute(
                tokens.update().where(tokens.c.user_id == user_id, tokens.c.revoked_at.is_(None)).values(revoked_at=now)
            )
            audit.record(connection, by=by, act="user.disable", subject=username, now=now)

    def enable(self, user_id: int, now: datetime, by: str = "system") -> None:
        """This user may log in again. Tokens that were revoked stay so.

        Raises:
            NotFound: there is no such user.
        """
        with self._engine.begin() as connection:
            username = self._set_active(connection, user_id, True)
            audit.record(connection, by=by, act="user.enable", subject=username, now=now)

    def delete(self, user_id: int, now: datetime, by: str = "system") -> None:
        """Remove this user with their sessions, tokens, memberships and grants.

        Raises:
            NotFound: there is no such user.
        """
        with self._engine.begin() as connection:
            gone = connection.execute(users.delete().where(users.c.id == user_id).returning(users.c.username))
            audit.record(connection, by=by, act="user.delete", subject=_there(gone.scalar()), now=now)

    def _one(self, condition: sa.ColumnElement[bool]) -> User | None:
        with self._engine.connect() as connection:
            row = connection.execute(sa.select(*_COLUMNS).where(condition)).one_or_none()
            return None if row is None else _user(row)

    def _many(self, condition: sa.ColumnElement[bool]) -> list[User]:
        with self._engine.connect() as connection:
            rows = connection.execute(sa.select(*_COLUMNS).where(condition).order_by(users.c.username))
            return [_user(row) for row in rows]

    def _set_active(self, connection: sa.Connection, user_id: int, active: bool) -> str:
        changed = connection.execute(
            users.update().where(users.c.id == user_id).values(is_active=active).returning(users.c.username)
        )
        return _there(changed.scalar())

    def _record_login(self, profile: LoginProfile, now: datetime) -> User:
        with self._engine.begin() as connection:
            known = connection.execute(
                _locked(users.c.issuer == profile.issuer, users.c.subject == profile.subject)
            ).one_or_none()
            if known is not None and not known.is_active:
                raise Forbidden(DISABLED, detail=f"{known.username} is disabled")
            _refuse_taken(connection, profile)
            user_id = _create(connection, profile, now) if known is None else _update(connection, known, profile, now)
            replace_provider_groups(connection, user_id, profile.groups, now)
            return _user(connection.execute(sa.select(*_COLUMNS).where(users.c.id == user_id)).one())


def _user(row: AnyRow) -> User:
    return User(**row._mapping)


def _there(username: str | None) -> str:
    if username is None:
        raise NotFound("There is no such user.")
    return username


def _holding(search: str) -> sa.ColumnElement[bool]:
    """Plain "contains", without LIKE: `%` and `_` mean themselves, and case means the same on every database."""
    if not search:
        return sa.true()
    needle = login_name(search)
    folded = sa.func.lower(users.c.display_name)
    return sa.or_(
        sa.func.replace(users.c.username, needle, "") != users.c.username,
        sa.func.replace(folded, needle, "") != folded,
    )


def _locked(*conditions: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """One user, held until the transaction ends (SQLite has one writer at a time and ignores the clause)."""
    return sa.select(*_COLUMNS).where(*conditions).with_for_update()


def _refuse_taken(connection: sa.Connection, profile: LoginProfile) -> None:
    """SECURITY: an e-mail stays with the subject that had it first; a provider may let people choose theirs.

    Whose it is tells the subject, not whether a moment ago there was such a user: this person may be logging in
    for the first time in another tab.
    """
    whose = sa.select(users.c.id, users.c.issuer, users.c.subject).where(users.c.username == profile.username)
    holder = connection.execute(whose).one_or_none()
    if holder is not None and (holder.issuer, holder.subject) != (profile.issuer, profile.subject):
        raise Forbidden(TAKEN, detail=f"the login name {profile.username} is another account's (user {holder.id})")


def _create(connection: sa.Connection, profile: LoginProfile, now: datetime) -> int:
    user_id: int = connection.execute(
        users.insert()
        .values(
            username=profile.username,
            display_name=profile.display_name,
            issuer=profile.issuer,
            subject=profile.subject,
            is_admin=profile.is_admin,
            created_at=now,
            last_login_at=now,
        )
        .returning(users.c.id)
    ).scalar_one()
    after = {"is_admin": profile.is_admin, "groups": sorted(profile.groups)}
    audit.record(connection, by=profile.username, act="user.create", subject=profile.username, now=now, after=after)
    return user_id


def _update(connection: sa.Connection, known: AnyRow, profile: LoginProfile, now: datetime) -> int:
    before = _standing(connection, known)
    connection.execute(
        users.update()
        .where(users.c.id == known.id)
        .values(
            username=profile.username,
            display_name=profile.display_name,
            is_admin=profile.is_admin,
            last_login_at=now,
        )
    )
    _audit_change(connection, known.username, before, profile.username, profile.is_admin, profile.groups, now)
    return int(known.id)


def _standing(connection: sa.Connection, row: AnyRow) -> dict[str, Any]:
    """What of a user a login can change, and the audit tells."""
    groups = sorted(provider_groups(connection, row.id))
    return {"username": row.username, "is_admin": row.is_admin, "groups": groups}


def _audit_change(
    connection: sa.Connection,
    subject: str,
    before: dict[str, Any],
    username: str,
    is_admin: bool,
    groups: frozenset[str],
    now: datetime,
) -> None:
    after = {"username": username, "is_admin": is_admin, "groups": sorted(groups)}
    if after != before:
        audit.record(connection, by="provider", act="user.update", subject=subject, now=now, before=before, after=after)
