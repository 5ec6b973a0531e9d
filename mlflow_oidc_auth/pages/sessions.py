"""The page of one's browser sessions: where one is logged in, and how to end that.

The gate lets in browser sessions only (`InBrowser`), and form posts that come from our own pages only.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import flask
from werkzeug.wrappers import Response

from mlflow_oidc_auth.errors import NotFound
from mlflow_oidc_auth.login.browsers import browser_words
from mlflow_oidc_auth.login.sessions import SessionRow
from mlflow_oidc_auth.login.sessions_web import current_session
from mlflow_oidc_auth.pages.lists import go, notice, row_id
from mlflow_oidc_auth.pages.parts import Parts
from mlflow_oidc_auth.web.forms import form_fields
from mlflow_oidc_auth.web.json_api import asker
from mlflow_oidc_auth.web.moments import ago, ahead

_NOTICES = {
    "ended": "The session is ended: whoever uses that browser has to log in again.",
    "others": "All other sessions are ended.",
    "gone": "That session had ended before.",
}


def sessions_pages(parts: Parts) -> flask.Blueprint:
    """The blueprint; register it under the static prefix."""
    ours = _SessionsPages(parts)
    blueprint = flask.Blueprint("oidc_auth_sessions_pages", __name__)
    blueprint.add_url_rule("/permissions/sessions", "sessions", ours.sessions, methods=["GET"])
    blueprint.add_url_rule("/permissions/sessions/end", "end", ours.end, methods=["POST"])
    blueprint.add_url_rule("/permissions/sessions/end-others", "end_others", ours.end_others, methods=["POST"])
    for path in ("end", "end-others"):  # somebody opens a form's address again, from the address bar
        blueprint.add_url_rule(f"/permissions/sessions/{path}", f"back_from_{path}", ours.back, methods=["GET"])
    return blueprint


class _SessionsPages:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._home = f"{parts.prefix}/permissions/sessions"

    def sessions(self) -> Response:
        """The page, as it stands."""
        now, current = self._parts.clock(), current_session()
        rows = self._parts.sessions.listing(asker().user_id, now)
        return self._parts.pages.render(
            "permissions/sessions.html",
            here="sessions",
            notice=notice(_NOTICES),
            sessions=[_shown(row, current, now) for row in rows],
        )

    def back(self) -> Response:
        """To the page."""
        return go(self._home)

    def end(self) -> Response:
        """End the session that the form names, if it is one's own."""
        me = asker()
        try:
            session_id = row_id(form_fields("session")["session"])
            self._parts.sessions.end(me.user_id, session_id, by=me.username, now=self._parts.clock())
        except NotFound:
            return go(self._home, "gone")
        return go(self._home, "ended")

    def end_others(self) -> Response:
        """End all of one's sessions but this one."""
        me = asker()
        self._parts.sessions.end_all(me.user_id, by=me.username, now=self._parts.clock(), but=current_session())
        return go(self._home, "others")


def _shown(row: SessionRow, current: int | None, now: datetime) -> dict[str, Any]:
    """A session as the page tells it."""
    return {
        "id": row.id,
        "browser": browser_words(row.user_agent),
        "agent": row.user_agent,
        "current": row.id == current,
        "created_at": row.created_at,
        "last_seen_at": row.last_seen_at,
        "seen": ago(row.last_seen_at, now),
        "expires_at": row.expires_at,
        "ends": ahead(row.expires_at, now),
    }
