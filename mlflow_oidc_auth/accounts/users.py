"""Users: people as the provider knows them, and service accounts.

A person is keyed by the provider's (issuer, subject) and by nothing else. The username is how they log
in and how others name them: their e-mail, in lower case. What a login changes: `accounts/logins.py`.

SECURITY: what must never happen here: a user is disabled or deleted while a session or access key of theirs lives
on. Each change of one user holds their row, as whoever makes a key for them does (`tokens/store.py`): a key made
meanwhile is found and ended.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

import sqlalchemy as sa

from mlflow_oidc_auth import audit
from mlflow_oidc_auth.accounts import logins
from mlflow_oidc_auth.accounts.belongings import grants_of
from mlflow_oidc_auth.accounts.logins import DISABLED, TAKEN
from mlflow_oidc_auth.accounts.rules import may_not_be_admin, may_not_end
from mlflow_oidc_auth.accounts.search import holds, login_name
from mlflow_oidc_auth.accounts.values import USER_COLUMNS, AnyRow, LoginProfile, User, user_of
from mlflow_oidc_auth.database.tables import BIGGEST_ID, memberships, sessions, tokens, users
from mlflow_oidc_auth.database.turns import write_first
from mlflow_oidc_auth.errors import BadRequest, Forbidden, NotFound
from mlflow_oidc_auth.vocabulary import Credential, Identity

__all__ = [
    "DISABLED",
    "IDENTITY_COLUMNS",
    "TAKEN",
    "AnyRow",
    "LoginProfile",
    "User",
    "UserStore",
    "identity_from",
    "login_name",
]

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
        return self._one(users.c.id == user_id) if 0 <= user_id <= BIGGEST_ID else None

    def page(
        self,
        search: str,
        offset: int,
        size: int,
        *,
        service_accounts: bool | None = None,
        active: bool | None = None,
    ) -> tuple[list[User], int]:
        """Users whose username or display name holds `search`, by username, and how many there are in all.

        Args:
            service_accounts: only these (`True`), or only people (`False`).
            active: only those who are (`True`), or only the disabled (`False`).
        """
        wanted = [sa.or_(holds(users.c.username, search), holds(users.c.display_name, search))]
        if service_accounts is not None:
            wanted.append(users.c.is_service_account.is_(service_accounts))
        if active is not None:
            wanted.append(users.c.is_active.is_(active))
        with self._engine.connect() as connection:
            count = connection.execute(sa.select(sa.func.count()).select_from(users).where(*wanted)).scalar_one()
            found = sa.select(*USER_COLUMNS).where(*wanted).order_by(users.c.username).offset(offset).limit(size)
            return [user_of(row) for row in connection.execute(found)], count

    def every(self) -> list[User]:
        """All users and service accounts, by username."""
        return self._many(sa.true())

    def in_groups_of(self, user_id: int) -> list[User]:
        """This user, and every active one who shares a group or team with them, by username."""
        theirs = sa.select(memberships.c.group_id).where(memberships.c.user_id == user_id)
        others = sa.select(memberships.c.user_id).where(memberships.c.group_id.in_(theirs))
        return self._many(sa.or_(users.c.id == user_id, sa.and_(users.c.is_active, users.c.id.in_(others))))

    def usernames(self, ids: Collection[int]) -> dict[int, str]:
        """What the users with these ids are called; those that are gone are absent."""
        with self._engine.connect() as connection:
            named = sa.select(users.c.id, users.c.username).where(users.c.id.in_(ids))
            return {row.id: row.username for row in connection.execute(named)}

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
            logins.shut_out(connection, issuer, subject, groups, now)

    def disable(self, user_id: int, now: datetime, by: str = "system") -> None:
        """Nobody gets in as this user any more: sessions end and access keys are revoked in the same transaction.

        Raises:
            NotFound: there is no such user.
            Forbidden: it is who asks.
        """
        with self._engine.begin() as connection:
            user = _held(connection, user_id)
            _refuse(may_not_end(user.username, by, "disable"))
            connection.execute(users.update().where(users.c.id == user_id).values(is_active=False))
            connection.execute(sessions.delete().where(sessions.c.user_id == user_id))
            connection.execute(
                tokens.update().where(tokens.c.user_id == user_id, tokens.c.revoked_at.is_(None)).values(revoked_at=now)
            )
            if user.is_active:
                audit.record(connection, by=by, act="user.disable", subject=user.username, now=now)

    def enable(self, user_id: int, now: datetime, by: str = "system") -> None:
        """This user may log in again. Access keys that were revoked stay so.

        Raises:
            NotFound: there is no such user.
        """
        with self._engine.begin() as connection:
            user = _held(connection, user_id)
            if not user.is_active:
                connection.execute(users.update().where(users.c.id == user_id).values(is_active=True))
                audit.record(connection, by=by, act="user.enable", subject=user.username, now=now)

    def delete(self, user_id: int, now: datetime, by: str = "system") -> None:
        """Remove this user with their sessions, access keys, memberships and grants; the audit tells which grants.

        A service account of theirs stays, and has no owner then.

        Raises:
            NotFound: there is no such user.
            Forbidden: it is who asks.
        """
        with self._engine.begin() as connection:
            user = _held(connection, user_id)
            _refuse(may_not_end(user.username, by, "delete"))
            before = grants_of(connection, user_id=user_id) or None
            _let_go(connection, user, by, now)
            connection.execute(users.delete().where(users.c.id == user_id))
            audit.record(connection, by=by, act="user.delete", subject=user.username, now=now, before=before)

    def make_admin(self, username: str, now: datetime, by: str = "system") -> User:
        """Make somebody an admin until their next login, which follows the login service.

        For the day the login service is gone: from the shell, with the database alone.

        Raises:
            NotFound: there is no such user.
            BadRequest: it is a service account, or disabled.
        """
        found = self.by_username(username)
        if found is None:
            raise NotFound("There is no such user. Only somebody who logged in here once can be made an admin.")
        with self._engine.begin() as connection:
            user = _held(connection, found.id)
            if wrong := may_not_be_admin(user):
                raise BadRequest(wrong)
            if not user.is_admin:
                connection.execute(users.update().where(users.c.id == user.id).values(is_admin=True))
                told = {"before": {"is_admin": False}, "after": {"is_admin": True}}
                audit.record(connection, by=by, act="user.make_admin", subject=user.username, now=now, **told)
            return user_of(connection.execute(sa.select(*USER_COLUMNS).where(users.c.id == user.id)).one())

    def _record_login(self, profile: LoginProfile, now: datetime) -> User:
        with self._engine.begin() as connection:
            return logins.record_login(connection, profile, now)

    def _one(self, condition: sa.ColumnElement[bool]) -> User | None:
        with self._engine.connect() as connection:
            row = connection.execute(sa.select(*USER_COLUMNS).where(condition)).one_or_none()
            return None if row is None else user_of(row)

    def _many(self, condition: sa.ColumnElement[bool]) -> list[User]:
        with self._engine.connect() as connection:
            rows = connection.execute(sa.select(*USER_COLUMNS).where(condition).order_by(users.c.username))
            return [user_of(row) for row in rows]


def _held(connection: sa.Connection, user_id: int) -> User:
    """One user, held until the transaction ends: nobody else changes them, or makes them a key, meanwhile."""
    write_first(connection)
    row = None
    if 0 <= user_id <= BIGGEST_ID:
        row = connection.execute(sa.select(*USER_COLUMNS).where(users.c.id == user_id).with_for_update()).one_or_none()
    if row is None:
        raise NotFound("There is no such user.")
    return user_of(row)


def _refuse(sentence: str) -> None:
    if sentence:
        raise Forbidden(sentence)


def _let_go(connection: sa.Connection, owner: User, by: str, now: datetime) -> None:
    """The service accounts of somebody who leaves have no owner from now on."""
    orphaned = users.update().where(users.c.owner_id == owner.id).values(owner_id=None).returning(users.c.username)
    for username in sorted(connection.execute(orphaned).scalars()):
        audit.record(
            connection,
            by=by,
            act="service_account.change",
            subject=username,
            now=now,
            before={"owner": owner.username},
            after={"owner": None},
        )
