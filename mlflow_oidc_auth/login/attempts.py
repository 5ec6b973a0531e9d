"""Logins under way: what must be the same when the provider sends the browser back.

A row per attempt, found by the digest of its `state`, bound by another digest to a cookie of the browser
that started it, gone at its first use, dead after ten minutes.

SECURITY: one statement takes the row and removes it, so two callbacks cannot both win; the browser's
digest is part of the condition, so somebody else's browser can neither use an attempt nor use it up.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from mlflow_oidc_auth.database.tables import login_attempts
from mlflow_oidc_auth.login.secrets import digest, new_secret, well_formed

LIFETIME = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class LoginAttempt:
    """What a callback is checked against, and where the person wanted to go."""

    nonce: str
    code_verifier: str
    return_to: str

    def __repr__(self) -> str:
        return f"LoginAttempt(return_to={self.return_to!r})"


@dataclass(frozen=True, slots=True)
class AttemptRefused:
    """There is no such attempt for this browser (any more). Falsy; `cause` is for the log."""

    cause: str

    def __bool__(self) -> bool:
        return False


class LoginAttempts:
    """The attempts of all browsers."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def begin(self, browser: str, return_to: str, now: datetime) -> tuple[str, LoginAttempt]:
        """Write a new attempt down; attempts that nobody came back for are swept out.

        Args:
            browser: the secret in the browser's cookie.
            return_to: where to go after the login; checked by the caller.

        Returns:
            The `state` to send, and the attempt.
        """
        state, attempt = new_secret(), LoginAttempt(new_secret(), new_secret(), return_to)
        with self._engine.begin() as connection:
            connection.execute(login_attempts.delete().where(login_attempts.c.expires_at <= now))
            connection.execute(
                login_attempts.insert().values(
                    state_digest=digest(state),
                    browser_digest=digest(browser),
                    nonce=attempt.nonce,
                    code_verifier=attempt.code_verifier,
                    return_to=return_to,
                    expires_at=now + LIFETIME,
                )
            )
        return state, attempt

    def take(self, state: str | None, browser: str | None, now: datetime) -> LoginAttempt | AttemptRefused:
        """The attempt with this state, if this browser began it; it is gone afterwards."""
        if state is None or not well_formed(state):
            return AttemptRefused("no state, or none of ours")
        if browser is None or not well_formed(browser):
            return AttemptRefused("no cookie of a login attempt")
        with self._engine.begin() as connection:
            row = connection.execute(_take(state, browser)).one_or_none()
        if row is None:
            return AttemptRefused("unknown, used before, or another browser's")
        if row.expires_at <= now:
            return AttemptRefused("expired")
        return LoginAttempt(row.nonce, row.code_verifier, row.return_to)


def _take(state: str, browser: str) -> sa.sql.dml.ReturningDelete[tuple[str, str, str, datetime]]:
    mine = login_attempts.c.state_digest == digest(state), login_attempts.c.browser_digest == digest(browser)
    return (
        login_attempts.delete()
        .where(*mine)
        .returning(
            login_attempts.c.nonce,
            login_attempts.c.code_verifier,
            login_attempts.c.return_to,
            login_attempts.c.expires_at,
        )
    )
