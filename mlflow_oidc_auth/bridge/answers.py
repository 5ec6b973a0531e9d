"""The form of a refusal: JSON in MLflow's shape for programs, a page or the way to the login for people.

SECURITY: a program never gets a redirect; it would take the login page for an answer. A browser's own calls
get no `WWW-Authenticate`, which would open its password window over MLflow's page.
"""

from __future__ import annotations

import json
import logging
from typing import Any, Protocol
from urllib.parse import urlencode

from starlette.types import Send
from werkzeug.wrappers import Response

from mlflow_oidc_auth.bridge.caller import Caller
from mlflow_oidc_auth.errors import Refusal, Unauthenticated, Unavailable

_logger = logging.getLogger(__name__)

CHALLENGE = 'Basic realm="MLflow", charset="UTF-8"'


class ErrorPages(Protocol):
    """What renders an error as a page (`web/page.py`)."""

    def error(self, refusal: Refusal) -> Response:
        """The page that tells a person of this refusal."""


class Answers:
    """Makes answers of refusals.

    Args:
        pages: renders error pages.
        prefix: the static prefix, empty or `/path`.
    """

    def __init__(self, pages: ErrorPages, prefix: str) -> None:
        self._pages = pages
        self._login = f"{prefix}/login"

    def to(self, refusal: Refusal, caller: Caller) -> Response:
        """The answer to one caller; what it was for is logged here, once."""
        _log(refusal, caller)
        if caller.opens_a_page:
            return self._for_a_person(refusal, caller)
        return _json(refusal, caller)

    def _for_a_person(self, refusal: Refusal, caller: Caller) -> Response:
        if isinstance(refusal, Unauthenticated) and not caller.writes:
            headers = {"Location": f"{self._login}?{urlencode({'next': caller.here})}", "Cache-Control": "no-store"}
            return Response(status=302, headers=headers)
        return self._pages.error(refusal)


async def send_response(response: Response, send: Send, *, head: bool) -> None:
    """Send a whole response over ASGI; the answer to a HEAD has no body."""
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
    body = b"" if head else response.get_data()
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _json(refusal: Refusal, caller: Caller) -> Response:
    response = Response(json.dumps(refusal.body()), status=refusal.status, mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    if isinstance(refusal, Unauthenticated) and not caller.is_browser:
        response.headers["WWW-Authenticate"] = CHALLENGE
    if isinstance(refusal, Unavailable):
        response.headers["Retry-After"] = "5"
    return response


def _log(refusal: Refusal, caller: Caller) -> None:
    """The cause, which the answer never tells. The path may hold names; a query may hold anything, and stays out."""
    fields: dict[str, Any] = {
        "status": refusal.status,
        "method": caller.method,
        "path": caller.path,
        "address": caller.address,
        "cause": refusal.detail or refusal.error_code,
    }
    level = logging.ERROR if refusal.status >= 500 else logging.INFO
    shown = "".join(char if char.isprintable() else "?" for char in caller.path[:200])
    _logger.log(level, "%d %s %s: %s", refusal.status, caller.method, shown, fields["cause"], extra=fields)
