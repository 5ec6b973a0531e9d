"""Access keys in SQL: made, recognised, revoked.

A user has at most so many active keys (one, unless a setting says otherwise): making one replaces the only one, or
the one of its name, in the same transaction (`tokens/rules.py`). What is replaced is revoked, or lives on for some
hours where a setting says so. Every request reads the row, so a key that is revoked, or whose user is disabled, is
dead on the next request, on every worker.

SECURITY: changes to one user's keys run one after the other (:func:`_turn`): two that are made at once cannot
both stay. What is stored is a salted hash (`tokens/format.py`); no secret is in a row, a log or the audit.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from mlflow_oidc_auth import audit
from mlflow_oidc_auth.accounts.users import IDENTITY_COLUMNS, AnyRow, identity_from, login_name
from mlflow_oidc_auth.database.tables import memberships, tokens, users
from mlflow_oidc_auth.database.turns import write_first
from mlflow_oidc_auth.errors import BadRequest, Forbidden, NotFound
from mlflow_oidc_auth.tokens.format import (
    ParsedToken,
    PlainToken,
    TokenDigest,
    hash_secret,
    is_public_id,
    new_token,
    verify,
)
from mlflow_oidc_auth.tokens.rules import name_wrong, replaced_by
from mlflow_oidc_auth.vocabulary import Credential, CredentialKind, Identity
from mlflow_oidc_auth.web.moments import iso

logger = logging.getLogger(__name__)

_NOTE_EVERY = timedelta(minutes=1)
_SQLITE_WAIT_MS = 100
_NO_SUCH_KEY = "There is no active access key with this id."


class Cause(StrEnum):
    """Why a key that is spelled right proves nothing."""

    UNKNOWN = "unknown"
    WRONG_SECRET = "wrong secret"  # noqa: S105 - a cause, not a secret
    WRONG_USERNAME = "the key of another username"
    REVOKED = "revoked"
    EXPIRED = "expired"
    DISABLED = "disabled"
    LOGIN_TOO_OLD = "login too old"


@dataclass(frozen=True, slots=True)
class TokenRefused:
    """The key proves nothing. Falsy; `cause` is for the log: the answer never tells it.

    `token_id` is the row, as the audit names it ("token 12"); `None` where there is none.
    """

    cause: Cause
    token_id: int | None = None

    def __bool__(self) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One key as its user or an admin sees it. `public_id` is what people and the API call it.

    `replaced_at`: since then a newer key stands in its place, and it ends early.
    """

    id: int
    public_id: str
    user_id: int
    created_at: datetime
    created_by: str
    expires_at: datetime
    last_used_at: datetime | None
    name: str = ""
    replaced_at: datetime | None = None


class TokenStore:
    """All access keys of all users.

    Args:
        engine: ours.
        max_per_user: how many active keys a user may have.
        max_login_age: how long after a person's last login their keys hold; `None` for no bound. Service
            accounts do not log in and are exempt.
        overlap: how long a key that was replaced lives on.
    """

    def __init__(
        self,
        engine: sa.Engine,
        max_per_user: int = 1,
        max_login_age: timedelta | None = None,
        overlap: timedelta = timedelta(0),
    ) -> None:
        self._engine = engine
        self._max_per_user = max_per_user
        self._max_login_age = max_login_age
        self._overlap = overlap

    def create(
        self, user_id: int, expires_at: datetime, *, by: str, now: datetime, name: str = ""
    ) -> tuple[PlainToken, TokenRow]:
        """Make a key, in the place of the one that `tokens/rules.py` says.

        Args:
            expires_at: as `tokens/rules.py` allows it.
            by: who makes it: the user, or an admin.
            name: what it is for; required where a user may have several.

        Returns:
            The key in plain, which is stored nowhere, and its row.

        Raises:
            NotFound: there is no such user.
            Forbidden: the user is disabled.
            BadRequest: the name is missing or cannot be one, or there are as many keys as there may be.
        """
        if wrong := name_wrong(name, self._max_per_user):
            raise BadRequest(wrong)
        token = new_token()
        digest = hash_secret(token)
        with self._engine.begin() as connection:
            user = _turn(connection, user_id)
            if not user.is_active:
                raise Forbidden("This account is disabled, so no access key can be made for it.")
            self._make_room(connection, user, name, by, now)
            return token, _insert(connection, user, token, digest, expires_at, name, by, now)

    def identify(self, parsed: ParsedToken, now: datetime, username: str | None = None) -> Identity | TokenRefused:
        """Whose key this is: one statement, and at most once a minute a second one that notes its use.

        Args:
            username: whose it is said to be, in whatever case; `None` if nothing is said.

        Raises:
            sqlalchemy.exc.DBAPIError: the database does not answer.
        """
        with self._engine.connect() as connection:
            rows = connection.execute(_IDENTIFY, {"public_id": parsed.public_id}).all()
            found = self._judge(rows, parsed, now, username)
            if found and _note_is_due(rows[0], now):
                connection.rollback()  # ends the read: the note is a transaction of its own
                _note_use(connection, rows[0].token_id, now)
            return found

    def active_of(self, user_id: int, now: datetime) -> list[TokenRow]:
        """The keys of a user that work, the newest first."""
        with self._engine.connect() as connection:
            return [_row(row) for row in connection.execute(_active(user_id, now))]

    def active(self, now: datetime) -> list[TokenRow]:
        """The keys of everybody that work, each user's newest first."""
        statement = (
            sa.select(*_COLUMNS)
            .join_from(tokens, users)
            .where(tokens.c.revoked_at.is_(None), tokens.c.expires_at > now)
            .order_by(users.c.username, tokens.c.created_at.desc(), tokens.c.id.desc())
        )
        with self._engine.connect() as connection:
            return [_row(row) for row in connection.execute(statement)]

    def revoke(self, user_id: int, public_id: str, by: str, now: datetime) -> None:
        """End one active key of this user.

        Raises:
            NotFound: the user has no such key, or it has ended already.
        """
        if not is_public_id(public_id):
            raise NotFound(_NO_SUCH_KEY)
        with self._engine.begin() as connection:
            username = _turn(connection, user_id).username
            rows = connection.execute(_active(user_id, now).where(tokens.c.public_id == public_id)).all()
            if not rows:
                raise NotFound(_NO_SUCH_KEY)
            _revoke(connection, username, [_row(row) for row in rows], by, now)

    def revoke_all(self, user_id: int, by: str, now: datetime) -> int:
        """End every active key of this user.

        Returns:
            How many there were.

        Raises:
            NotFound: there is no such user.
        """
        with self._engine.begin() as connection:
            username = _turn(connection, user_id).username
            keys = [_row(row) for row in connection.execute(_active(user_id, now))]
            _revoke(connection, username, keys, by, now)
            return len(keys)

    def _make_room(self, connection: sa.Connection, user: AnyRow, name: str, by: str, now: datetime) -> None:
        """End what a new key of this name replaces, now or after the overlap; what it replaced earlier ends now."""
        keys = [_row(row) for row in connection.execute(_active(user.id, now))]
        replaced = replaced_by(name, keys, self._max_per_user)
        if isinstance(replaced, str):
            raise BadRequest(replaced)
        if not self._overlap:
            _revoke(connection, user.username, replaced, by, now)
            return
        if replaced:
            earlier = [key for key in keys if key.replaced_at and (self._max_per_user == 1 or key.name == name)]
            _revoke(connection, user.username, earlier, by, now)
        for key in replaced:
            _replace(connection, user.username, key, min(key.expires_at, now + self._overlap), by, now)

    def _judge(
        self, rows: Sequence[AnyRow], parsed: ParsedToken, now: datetime, username: str | None
    ) -> Identity | TokenRefused:
        """SECURITY: the secret first. Who does not have it learns nothing, not even by the time it takes."""
        first = rows[0] if rows else None
        proven = verify(parsed, None if first is None else TokenDigest(first.digest))
        if first is None:
            return TokenRefused(Cause.UNKNOWN)
        cause = self._cause(first, now, username) if proven else Cause.WRONG_SECRET
        if cause is not None:
            return TokenRefused(cause, first.token_id)
        return identity_from(rows, Credential(CredentialKind.TOKEN, first.token_id, first.expires_at))

    def _cause(self, row: AnyRow, now: datetime, username: str | None) -> Cause | None:
        """What stands against a key whose secret is right."""
        if username is not None and login_name(username) != row.username:
            return Cause.WRONG_USERNAME
        if row.revoked_at is not None:
            return Cause.REVOKED
        if row.expires_at <= now:
            return Cause.EXPIRED
        if not row.is_active:
            return Cause.DISABLED
        if not row.is_service_account and self._login_too_old(row.last_login_at, now):
            return Cause.LOGIN_TOO_OLD
        return None

    def _login_too_old(self, last_login_at: datetime | None, now: datetime) -> bool:
        """Group changes reach us at a login only: without a bound, a key keeps the groups of a login long ago."""
        if self._max_login_age is None:
            return False
        return last_login_at is None or last_login_at + self._max_login_age <= now


_COLUMNS = (
    tokens.c.id,
    tokens.c.public_id,
    tokens.c.user_id,
    tokens.c.created_at,
    tokens.c.created_by,
    tokens.c.expires_at,
    tokens.c.last_used_at,
    tokens.c.name,
    tokens.c.replaced_at,
)

_IDENTIFY = (
    sa.select(
        tokens.c.id.label("token_id"),
        tokens.c.digest,
        tokens.c.expires_at,
        tokens.c.last_used_at,
        tokens.c.revoked_at,
        *IDENTITY_COLUMNS,
    )
    .select_from(tokens.join(users).outerjoin(memberships, memberships.c.user_id == users.c.id))
    .where(tokens.c.public_id == sa.bindparam("public_id"))
)


def _row(row: AnyRow) -> TokenRow:
    return TokenRow(**row._mapping)


def _active(user_id: int, now: datetime) -> sa.Select[Any]:
    """The keys of a user that work, the newest first."""
    return (
        sa.select(*_COLUMNS)
        .where(tokens.c.user_id == user_id, tokens.c.revoked_at.is_(None), tokens.c.expires_at > now)
        .order_by(tokens.c.created_at.desc(), tokens.c.id.desc())
    )


def _turn(connection: sa.Connection, user_id: int) -> AnyRow:
    """Hold everybody else who would change this user or their keys until the transaction ends.

    Whoever disables or deletes the user waits too, and then finds the key that was made meanwhile.

    Raises:
        NotFound: there is no such user.
    """
    write_first(connection)
    user = sa.select(users.c.id, users.c.username, users.c.is_active).where(users.c.id == user_id)
    row = connection.execute(user.with_for_update(key_share=True)).one_or_none()
    if row is None:
        raise NotFound("There is no such user.")
    return row


def _insert(
    connection: sa.Connection,
    user: AnyRow,
    token: PlainToken,
    digest: TokenDigest,
    expires_at: datetime,
    name: str,
    by: str,
    now: datetime,
) -> TokenRow:
    values = {
        "public_id": token.public_id,
        "user_id": user.id,
        "digest": digest,
        "created_at": now,
        "created_by": by,
        "expires_at": expires_at,
        "name": name,
    }
    row = _row(connection.execute(tokens.insert().values(values).returning(*_COLUMNS)).one())
    after = {"expires_at": iso(expires_at)} | ({"name": name} if name else {})
    audit.record(connection, by=by, act="token.create", subject=_named(row, user.username), now=now, after=after)
    return row


def _revoke(connection: sa.Connection, username: str, keys: Sequence[TokenRow], by: str, now: datetime) -> None:
    for key in keys:
        connection.execute(tokens.update().where(tokens.c.id == key.id).values(revoked_at=now))
        audit.record(connection, by=by, act="token.revoke", subject=_named(key, username), now=now)


def _replace(connection: sa.Connection, username: str, key: TokenRow, until: datetime, by: str, now: datetime) -> None:
    """Let a key live on for a while beside the one that stands in its place."""
    connection.execute(tokens.update().where(tokens.c.id == key.id).values(replaced_at=now, expires_at=until))
    before, after = {"expires_at": iso(key.expires_at)}, {"expires_at": iso(until)}
    subject = _named(key, username)
    audit.record(connection, by=by, act="token.replace", subject=subject, now=now, before=before, after=after)


def _named(row: TokenRow, username: str) -> str:
    """As the audit tells it."""
    return f"access key {row.public_id} of {username}"


def _note_is_due(row: AnyRow, now: datetime) -> bool:
    return row.last_used_at is None or bool(row.last_used_at + _NOTE_EVERY <= now)


def _note_use(connection: sa.Connection, token_id: int, now: datetime) -> None:
    """Write down when a key was last used. A database that is too busy, or cannot, must not cost the request.

    Of many requests at once one writes; the others do not wait for it.
    """
    stale = sa.or_(tokens.c.last_used_at.is_(None), tokens.c.last_used_at <= now - _NOTE_EVERY)
    due = sa.select(tokens.c.id).where(tokens.c.id == token_id, stale).with_for_update(skip_locked=True)
    try:
        with _without_patience(connection), connection.begin():
            connection.execute(tokens.update().where(tokens.c.id.in_(due)).values(last_used_at=now))
    except sa.exc.DBAPIError as error:
        logger.warning(
            "The use of an access key was not noted: the database is busy",
            extra={"token": token_id, "error": type(error.orig).__name__},
        )


@contextmanager
def _without_patience(connection: sa.Connection) -> Iterator[None]:
    """SQLite would wait 20 s for another writer (`database/engine.py`); a note is not worth that."""
    if connection.dialect.name != "sqlite":
        yield
        return
    driver: Any = connection.connection.driver_connection
    (usual,) = driver.execute("PRAGMA busy_timeout").fetchone()
    driver.execute(f"PRAGMA busy_timeout = {_SQLITE_WAIT_MS}")
    try:
        yield
    finally:
        driver.execute(f"PRAGMA busy_timeout = {usual}")
