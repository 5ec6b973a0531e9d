"""The gate's second half, on MLflow's Flask application: it settles what only the parsed request tells.

It also gives our refusals their form there, makes sure that the request Flask serves is the one the gate
judged, tells MLflow who asks, and puts our menu on MLflow's start page.

SECURITY: :meth:`FlaskSide._before` runs before every other hook and refuses each request that no passage
covers, so that Flask started some other way, without the ASGI side, serves nothing.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import flask
import flask.typing
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from mlflow_oidc_auth import context
from mlflow_oidc_auth.bridge.answers import Answers
from mlflow_oidc_auth.bridge.messages import FlaskReading, StrictJSONProvider, message_classes
from mlflow_oidc_auth.bridge.passage import Passage, running
from mlflow_oidc_auth.bridge.routes import FLASK
from mlflow_oidc_auth.bridge.tripwire import StoppedStatement
from mlflow_oidc_auth.database.engine import NO_ANSWER, unavailable
from mlflow_oidc_auth.errors import BadRequest, Forbidden, Refusal
from mlflow_oidc_auth.gate import Gate, creates
from mlflow_oidc_auth.permissions.verdicts import demand

_logger = logging.getLogger(__name__)

_CLASH = "RESOURCE_ALREADY_EXISTS"
# `(sqlite3.IntegrityError) ...`, `(psycopg.errors.DataError) ...`, `[SQL: ...`
_OF_THE_DATABASE = re.compile(r"(?:Error: )?\((?:sqlite3|psycopg\w*)\.[\w.]+\)|\[SQL:")
_READING = "_oidc_auth_reading"


class FlaskSide:
    """What stands before and behind MLflow's Flask handlers.

    Args:
        gate: settles what is unsettled.
        answers: makes answers of refusals.
        menu: HTML for the head of MLflow's start page; empty for none.
    """

    def __init__(
        self,
        gate: Gate,
        answers: Answers,
        menu: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._gate = gate
        self._answers = answers
        self._menu = menu
        self._clock = clock

    def attach(self, app: flask.Flask) -> None:
        """Put it around the handlers of MLflow's application."""
        app.json = StrictJSONProvider(app)
        app.before_request_funcs.setdefault(None, []).insert(0, self._before)
        app.after_request(self._after)
        app.register_error_handler(Refusal, self._refuse)
        app.register_error_handler(StoppedStatement, self._stop)
        for no_answer in NO_ANSWER:
            app.register_error_handler(no_answer, self._store_fails)
        app.register_error_handler(Exception, self._fails)

    # --- before the handler ----------------------------------------------------------------------

    def _before(self) -> None:
        passage = _passage()
        if passage.identity is not None:
            flask.g.mlflow_authenticated_user = passage.identity.username
        reading = FlaskReading(flask.request, _message_class(passage))
        setattr(flask.g, _READING, reading)
        if not passage.settled:
            self._settle(passage, reading)
        reading.check()

    def _settle(self, passage: Passage, reading: FlaskReading) -> None:
        identity, entry = passage.identity, passage.routed.entry
        assert identity is not None, "what has no identity is settled already"
        assert entry is not None, "what has no entry is settled already"
        demand(self._gate.settle(identity, entry, reading, self._clock()))
        passage.settled = True
        context.enter(passage.view())

    # --- after it --------------------------------------------------------------------------------

    def _after(self, response: flask.Response) -> flask.Response:
        passage = running.get()
        if passage is None:
            return response
        passage.cookies = tuple(response.headers.getlist("Set-Cookie"))
        response.headers.remove("Set-Cookie")
        if passage.identity is None:
            return response
        if response.status_code >= 400 and response.is_json:
            _leave_sql_out(response)
        if flask.request.endpoint == "serve" and response.mimetype == "text/html" and self._menu:
            return _with_menu(response, self._menu)
        return self._retell_clash(passage, passage.identity, response)

    def _retell_clash(self, passage: Passage, identity: Any, response: flask.Response) -> flask.Response:
        """SECURITY: somebody took the name after the verdict; MLflow would tell a stranger that it is there."""
        entry = passage.routed.entry
        if response.status_code != 400 or entry is None or not creates(entry.requirement):
            return response
        if not response.is_json or _told(response).get("error_code") != _CLASH:
            return response
        verdict = self._gate.name_clash(identity, entry, getattr(flask.g, _READING), self._clock())
        return response if verdict else self._refuse(Forbidden(verdict.sentence, detail=verdict.detail))

    # --- errors ----------------------------------------------------------------------------------

    def _refuse(self, refusal: Refusal) -> flask.Response:
        passage = running.get()
        if passage is None:
            return flask.Response(json.dumps(refusal.body()), refusal.status, mimetype="application/json")
        answer: Response = self._answers.to(refusal, passage.caller)
        return flask.Response(answer.get_data(), answer.status_code, dict(answer.headers))

    def _stop(self, error: StoppedStatement) -> flask.Response:
        return self._refuse(Refusal("The server stopped this request. Tell an MLflow admin.", detail=str(error)))

    def _store_fails(self, error: Exception) -> flask.Response:
        return self._refuse(unavailable(error))

    def _fails(self, error: Exception) -> flask.typing.ResponseReturnValue:
        if isinstance(error, HTTPException):
            return error
        _logger.exception("%s %s failed", flask.request.method, flask.request.path)
        return self._refuse(
            Refusal("The server failed to answer this request. Tell an MLflow admin.", detail=type(error).__name__)
        )


def _passage() -> Passage:
    """The running request's passage, which must be of the very request that Flask serves.

    Raises:
        Forbidden: there is none.
        BadRequest: it is another request's.
    """
    passage = running.get()
    if passage is None:
        raise Forbidden("This server is only served behind its gate.", detail="no passage: not started by create_app")
    if flask.request.path != passage.caller.path:
        raise BadRequest("The address of this request is not well formed.", detail="Flask reads another path")
    rule = flask.request.url_rule
    if passage.routed.by != FLASK or rule is None or rule.rule != passage.routed.rule:
        raise BadRequest("The address of this request is not well formed.", detail="Flask takes another route")
    return passage


def _message_class(passage: Passage) -> Any:
    method = "GET" if flask.request.method == "HEAD" else flask.request.method
    return message_classes().get((passage.routed.rule, method))


def _told(response: flask.Response) -> dict[str, Any]:
    """The JSON object in an answer of MLflow's; empty if there is none."""
    try:
        body = json.loads(response.get_data())
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _leave_sql_out(response: flask.Response) -> None:
    """SECURITY: MLflow puts statements, their parameters and the database's own words into its messages."""
    body = _told(response)
    message = str(body.get("message", ""))
    if found := _OF_THE_DATABASE.search(message):
        shown = message[: found.start()].rstrip(" .:") or "The database does not take this"
        response.set_data(json.dumps({**body, "message": f"{shown}."}))


def _with_menu(response: flask.Response, menu: str) -> flask.Response:
    """MLflow's start page with our menu. What the browser kept of it no longer fits, so it asks each time."""
    response.direct_passthrough = False
    page = response.get_data(as_text=True)
    response.set_data(page.replace("</head>", f"{menu}</head>", 1))
    for stale in ("ETag", "Last-Modified", "Expires"):
        response.headers.pop(stale, None)
    response.headers["Cache-Control"] = "no-cache, private"
    return response
