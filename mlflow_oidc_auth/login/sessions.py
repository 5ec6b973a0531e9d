"""Browser sessions: a row in SQL for each, found by the digest of the cookie's random value.

A session ends when it is idle too long, when it is old however busy it is, when its person logs out
here or at the provider, and when an admin ends it or disables the person. Every request reads the row,
so what is ended is dead on the next request, on every worker.

SECURITY: the cookie's value is never stored and never logged. The id_token is stored encrypted with a
key derived from SECRET_KEY, for one use: the hint that logout sends to the provider. A service account has
no session, ever; and none is opened for who is disabled in the same moment, to work once they are enabled.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from mlflow_oidc_auth import audit
from mlflow_oidc_auth.accounts.users import DISABLED, IDENTITY_COLUMNS, identity_from
from mlflow_oidc_auth.database.tables import BIGGEST_ID, memberships, seen_logout_tokens, sessions, users
from mlflow_oidc_auth.database.turns import write_first
from mlflow_oidc_auth.errors import Forbidden, NotFound
from mlflow_oidc_auth.login.logout_token import LogoutNotice
from mlflow_oidc_auth.login.secrets import digest, new_secret, well_formed
from mlflow_oidc_auth.vocabulary import Credential, CredentialKind, Identity

logger = logging.getLogger(__name__)

PROGRAM = "This is the account of a program, and nobody logs in as one: programs use an access key."

MOST_COOKIES = 4
"""Of our name, in one request: each is looked up."""

_TOUCH_EVERY = timedelta(minutes=1)
_USER_AGENT_LENGTH = 256


@dataclass(frozen=True, slots=True)
class SessionRefused:
    """The cookie proves nothing. Falsy; `cause` is for the log: the answer never tells it."""

    cause: str

    def __bool__(self) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class EndedSession:
    """A session that was there until now; `id_token` is the hint for the provider, if it can still be read."""

    username: str
    id_token: str | None

    def __repr__(self) -> str:
        return f"EndedSession(username={self.username!r})"


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One session as its person or an admin sees it."""

    id: int
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    user_agent: str


class SessionStore:
    """All sessions of all people.

    Args:
        secret_key: SECRET_KEY; with another one, stored hints cannot be read and sessions live on.
        idle: how long a session lives without a request.
        absolute: how long it lives at most.
    """

    def __init__(self, engine: sa.Engine, secret_key: str, idle: timedelta, absolute: timedelta) -> None:
        self._engine = engine
        self._seal = Fernet(_derived_key(secret_key))
        self._idle = idle
        self._absolute = absolute

    @property
    def absolute(self) -> timedelta:
        """How long a session lives at most, and so its cookie."""
        return self._absolute

    def open(self, user_id: int, *, provider_sid: str | None, id_token: str, user_agent: str, now: datetime) -> str:
        """A new session for somebody who just logged in; sessions that are over are swept out.

        Returns:
            The cookie's value, which is stored nowhere.

        Raises:
            Forbidden: it is a service account, or they were disabled or deleted a moment ago.
        """
        cookie = new_secret()
        with self._engine.begin() as connection:
            _hold_who_may_log_in(connection, user_id)
            connection.execute(sessions.delete().where(self._over(now)))
            connection.execute(
                sessions.insert().values(
                    digest=digest(cookie),
                    user_id=user_id,
                    created_at=now,
                    last_seen_at=now,
                    expires_at=now + self._absolute,
                    provider_sid=provider_sid,
                    sealed_id_token=self._seal.encrypt(id_token.encode()).decode(),
                    user_agent="".join(c for c in user_agent if c.isprintable())[:_USER_AGENT_LENGTH],
                )
            )
        return cookie

    def identify(self, cookie: str, now: datetime) -> Identity | SessionRefused:
        """Who holds this cookie: one statement, and at most once a minute a second one that notes the visit."""
        if not well_formed(cookie):
            return SessionRefused("malformed")
        with self._engine.connect() as connection:
            rows = connection.execute(_IDENTIFY, {"cookie_digest": digest(cookie)}).all()
        if not rows:
            return SessionRefused("unknown")
        first = rows[0]
        if first.expires_at <= now:
            return SessionRefused("expired")
        if first.last_seen_at + self._idle <= now:
            return SessionRefused("idle")
        if not first.is_active:
            return SessionRefused("disabled")
        if first.last_seen_at + _TOUCH_EVERY <= now:
            self._touch(first.session_id, now)
        return identity_from(rows, Credential(CredentialKind.SESSION, first.session_id, first.expires_at))

    def identify_one_of(self, cookies: Collection[str], now: datetime) -> Identity | SessionRefused:
        """Who holds these cookies of our name: browsers send those of another path or host of the domain along.

        One that proves nothing (left over from another path, or planted) is passed over.

        SECURITY: cookies of two people prove neither: another host of the domain can plant one.
        """
        if len(cookies) > MOST_COOKIES:
            return SessionRefused("malformed: too many session cookies")
        found = [self.identify(cookie, now) for cookie in dict.fromkeys(cookies)]
        proven = [each for each in found if isinstance(each, Identity)]
        if len({identity.user_id for identity in proven}) > 1:
            return SessionRefused("session cookies of two people")
        return proven[0] if proven else found[0] if found else SessionRefused("absent")

    def end(self, user_id: int, session_id: int, *, by: str, now: datetime) -> None:
        """End one session of this user.

        Raises:
            NotFound: the user has no such session, or it has ended already.
        """
        whose = sa.and_(sessions.c.user_id == user_id, sessions.c.id == session_id)
        if session_id > BIGGEST_ID or not self._end_audited(whose, by, now):
            raise NotFound("There is no such session; it may have ended already.")

    def end_by_cookie(self, cookie: str) -> EndedSession | None:
        """End the session of this cookie, even one that is idle or old; `None` if there is none."""
        if not well_formed(cookie):
            return None
        username = sa.select(users.c.username).where(users.c.id == sessions.c.user_id).scalar_subquery()
        statement = sessions.delete().where(sessions.c.digest == digest(cookie))
        with self._engine.begin() as connection:
            row = connection.execute(statement.returning(sessions.c.sealed_id_token, username)).one_or_none()
        return None if row is None else EndedSession(row[1] or "", self._unseal(row[0]))

    def heed(self, notice: LogoutNotice, now: datetime) -> int | None:
        """Do what a verified logout token asks, once, in one transaction.

        Returns:
            How many sessions ended; `None` if this token was heeded before.
        """
        with self._engine.begin() as connection:
            connection.execute(seen_logout_tokens.delete().where(seen_logout_tokens.c.expires_at <= now))
            seen = {"jti_digest": notice.jti_digest, "expires_at": notice.remember_until}
            try:
                with connection.begin_nested():
                    connection.execute(seen_logout_tokens.insert().values(seen))
            except sa.exc.IntegrityError:
                return None
            named = _named_by_provider(notice.issuer, notice.sid, notice.subject)
            return connection.execute(sessions.delete().where(named)).rowcount

    def end_all(self, user_id: int, *, by: str, now: datetime, but: int | None = None) -> int:
        """End every session of somebody.

        Args:
            but: the id of one that stays.

        Returns:
            How many there were.
        """
        return self._end_audited(sa.and_(sessions.c.user_id == user_id, sessions.c.id.is_distinct_from(but)), by, now)

    def listing(self, user_id: int, now: datetime) -> list[SessionRow]:
        """The live sessions of somebody, the one seen last first."""
        statement = (
            sa.select(
                sessions.c.id,
                sessions.c.created_at,
                sessions.c.last_seen_at,
                sessions.c.expires_at,
                sessions.c.user_agent,
            )
            .where(sessions.c.user_id == user_id, sa.not_(self._over(now)))
            .order_by(sessions.c.last_seen_at.desc(), sessions.c.id.desc())
        )
        with self._engine.connect() as connection:
            return [SessionRow(**row._mapping) for row in connection.execute(statement)]

    def _over(self, now: datetime) -> sa.ColumnElement[bool]:
        return sa.or_(sessions.c.expires_at <= now, sessions.c.last_seen_at <= now - self._idle)

    def _end_audited(self, condition: sa.ColumnElement[bool], by: str, now: datetime) -> int:
        """End sessions that somebody chose, here or on an admin's page, and write it down."""
        username = sa.select(users.c.username).where(users.c.id == sessions.c.user_id).scalar_subquery()
        statement = sessions.delete().where(condition).returning(sessions.c.id, username)
        with self._engine.begin() as connection:
            ended = connection.execute(statement).all()
            for session_id, whose in sorted(ended):
                subject = f"session {session_id} of {whose}"
                audit.record(connection, by=by, act="session.end", subject=subject, now=now)
            return len(ended)

    def _touch(self, session_id: int, now: datetime) -> None:
        """Note the visit. A database too busy to note it must not cost the visitor the page."""
        late = now - _TOUCH_EVERY
        statement = sessions.update().where(sessions.c.id == session_id, sessions.c.last_seen_at <= late)
        try:
            with self._engine.begin() as connection:
                connection.execute(statement.values(last_seen_at=now))
        except sa.exc.OperationalError:
            logger.warning("A session's visit was not noted: the database is busy", extra={"session": session_id})

    def _unseal(self, sealed: str | None) -> str | None:
        try:
            return None if sealed is None else self._seal.decrypt(sealed.encode()).decode()
        except InvalidToken:
            logger.info("A session's logout hint cannot be read: SECRET_KEY was changed since its login")
            return None


_IDENTIFY = (
    sa.select(
        sessions.c.id.label("session_id"),
        sessions.c.last_seen_at,
        sessions.c.expires_at,
        *IDENTITY_COLUMNS,
    )
    .select_from(sessions.join(users).outerjoin(memberships, memberships.c.user_id == users.c.id))
    .where(sessions.c.digest == sa.bindparam("cookie_digest"))
)


def _hold_who_may_log_in(connection: sa.Connection, user_id: int) -> None:
    """Whoever disables or deletes the user waits until the transaction ends, and then finds its session."""
    write_first(connection)
    user = sa.select(users.c.username, users.c.is_active, users.c.is_service_account).where(users.c.id == user_id)
    row = connection.execute(user.with_for_update(read=True, key_share=True)).one_or_none()
    if row is None or not row.is_active:
        raise Forbidden(DISABLED, detail=f"user {user_id} was disabled or deleted a moment ago")
    if row.is_service_account:
        raise Forbidden(PROGRAM, detail=f"{row.username} is a service account")


def _named_by_provider(issuer: str, sid: str | None, sub: str | None) -> sa.ColumnElement[bool]:
    """The sessions that a logout token means (OpenID Connect Back-Channel Logout 1.0, section 2.7).

    SECURITY: only those of the issuer's own people, and where both are named both must fit.
    """
    theirs = sa.select(users.c.id).where(users.c.issuer == issuer)
    if sub is not None:
        theirs = theirs.where(users.c.subject == sub)
    condition = sessions.c.user_id.in_(theirs)
    if sid is not None:
        return sa.and_(condition, sessions.c.provider_sid == sid)
    return condition if sub is not None else sa.false()


def _derived_key(secret_key: str) -> bytes:
    """WIRE: RFC 5869 with SHA-256; the label keeps this key apart from any other made of SECRET_KEY."""
    kdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"mlflow-oidc-auth session id_token v1")
    return base64.urlsafe_b64encode(kdf.derive(secret_key.encode()))
