"""Browser sessions as JSON: one's own, listed and ended; anybody's for an admin.

SECURITY: one's own are for browser sessions alone (`InBrowser` in `operations/ours.py`): whoever holds a key must not
throw its person out of their browser. An admin's key ends those of others (to offboard somebody is a script's work),
never the admin's own. What is ended is dead on the next request.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import flask

from mlflow_oidc_auth.accounts.users import User, UserStore
from mlflow_oidc_auth.accounts.web import user_called
from mlflow_oidc_auth.errors import Forbidden
from mlflow_oidc_auth.login.browsers import browser_words
from mlflow_oidc_auth.login.sessions import SessionRow, SessionStore
from mlflow_oidc_auth.vocabulary import CredentialKind
from mlflow_oidc_auth.web.json_api import Moment, Nothing, Told, add_json_route, asker

_OWN = "2.0/mlflow/users/current/sessions"
_OF_USER = "2.0/mlflow/users/<username>/sessions"


class SessionTold(Told):
    """A browser session. `current`: it is the one that asks."""

    id: int
    browser: str
    created_at: Moment
    last_seen_at: Moment
    expires_at: Moment
    current: bool


class SessionsTold(Told):
    """The sessions of one person, the one seen last first."""

    sessions: list[SessionTold]


class EndedTold(Told):
    """How many sessions ended."""

    ended: int


def sessions_api(*, sessions: SessionStore, users: UserStore, clock: Callable[[], datetime]) -> flask.Blueprint:
    """The blueprint; register it under the static prefix."""
    ours = _SessionsApi(sessions, users, clock)
    blueprint = flask.Blueprint("oidc_auth_sessions", __name__)
    add_json_route(blueprint, "GET", _OWN, ours.own)
    add_json_route(blueprint, "DELETE", _OWN, ours.end_others)
    add_json_route(blueprint, "DELETE", f"{_OWN}/<int:session_id>", ours.end_own)
    add_json_route(blueprint, "GET", _OF_USER, ours.of_user)
    add_json_route(blueprint, "DELETE", _OF_USER, ours.end_all)
    add_json_route(blueprint, "DELETE", f"{_OF_USER}/<int:session_id>", ours.end_one)
    return blueprint


@dataclass(frozen=True, slots=True)
class _SessionsApi:
    sessions: SessionStore
    users: UserStore
    clock: Callable[[], datetime]

    def own(self) -> SessionsTold:
        """List the asker's browser sessions."""
        return self._listed(asker().user_id)

    def end_own(self, session_id: int) -> Nothing:
        """End one of the asker's browser sessions."""
        me = asker()
        self.sessions.end(me.user_id, session_id, by=me.username, now=self.clock())
        return Nothing()

    def end_others(self) -> EndedTold:
        """End all of the asker's browser sessions but the one that asks."""
        me = asker()
        ended = self.sessions.end_all(me.user_id, by=me.username, now=self.clock(), but=current_session())
        return EndedTold(ended=ended)

    def of_user(self, username: str) -> SessionsTold:
        """List the browser sessions of a user."""
        return self._listed(user_called(self.users, username).id)

    def end_one(self, username: str, session_id: int) -> Nothing:
        """End one browser session of a user."""
        user = self._to_end(username)
        self.sessions.end(user.id, session_id, by=asker().username, now=self.clock())
        return Nothing()

    def end_all(self, username: str) -> EndedTold:
        """End all browser sessions of a user."""
        user = self._to_end(username)
        return EndedTold(ended=self.sessions.end_all(user.id, by=asker().username, now=self.clock()))

    def _to_end(self, username: str) -> User:
        """The user called so.

        Raises:
            Forbidden: it is whose key asks.
        """
        user = user_called(self.users, username)
        if user.id == asker().user_id and current_session() is None:
            raise Forbidden("An access key cannot end the browser sessions of its own person. Log in to do that.")
        return user

    def _listed(self, user_id: int) -> SessionsTold:
        current = current_session()
        return SessionsTold(sessions=[_told(row, current) for row in self.sessions.listing(user_id, self.clock())])


def current_session() -> int | None:
    """The id of the session that asks; `None` if a key asks."""
    credential = asker().credential
    return credential.id if credential.kind is CredentialKind.SESSION else None


def _told(row: SessionRow, current: int | None) -> SessionTold:
    return SessionTold(
        id=row.id,
        browser=browser_words(row.user_agent),
        created_at=row.created_at,
        last_seen_at=row.last_seen_at,
        expires_at=row.expires_at,
        current=row.id == current,
    )
