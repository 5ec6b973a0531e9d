"""What our JSON operations share: their two addresses, who asks, and an answer that nobody stores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import flask

from mlflow_oidc_auth import context
from mlflow_oidc_auth.errors import Unauthenticated
from mlflow_oidc_auth.vocabulary import Identity

Handler = Callable[..., flask.Response]


def add_json_route(blueprint: flask.Blueprint, method: str, path: str, handler: Handler) -> None:
    """Serve one operation at `/api/<path>` for programs and at `/ajax-api/<path>` for browsers."""
    for root in ("api", "ajax-api"):
        endpoint = f"{root}-{method}-{path}".replace("/", "-").replace(".", "-")
        blueprint.add_url_rule(f"/{root}/{path}", endpoint, handler, methods=[method])


def json_answer(value: Mapping[str, Any]) -> flask.Response:
    """A JSON object that no cache keeps: the next person at the same browser is somebody else."""
    answer = flask.jsonify(value)
    answer.headers["Cache-Control"] = "no-store"
    return answer


def asker() -> Identity:
    """Who asks; the gate has set it before any handler runs.

    Raises:
        Unauthenticated: nobody was set, so that a handler outside the gate serves nothing.
    """
    found = context.identity()
    if found is None:
        raise Unauthenticated("Log in first.", detail="no identity: not behind the gate")
    return found
