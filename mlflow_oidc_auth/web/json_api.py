"""Our JSON operations: their two addresses, what each takes, what it answers, and who asks.

A handler says all of it in its signature: a parameter that is a :class:`~.json_body.Body` is read from the JSON
body, one that is a :class:`~.json_body.Query` from the query, the others from the path; what it returns is a
:class:`Told`. The OpenAPI document (`web/openapi.py`) is made of the same signatures.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, get_type_hints

import flask
from pydantic import BaseModel, ConfigDict, PlainSerializer, WithJsonSchema

from mlflow_oidc_auth import context
from mlflow_oidc_auth.errors import Unauthenticated
from mlflow_oidc_auth.vocabulary import Identity
from mlflow_oidc_auth.web.json_body import Body, Query, read_body, read_query
from mlflow_oidc_auth.web.moments import iso

Handler = Callable[..., Any]

Moment = Annotated[
    datetime,
    PlainSerializer(iso, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""WIRE: a moment as our JSON tells it, `2026-05-03T14:05:00+00:00`."""


class Told(BaseModel):
    """A JSON object that we answer with."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Nothing(Told):
    """Done, and nothing to tell."""


@dataclass(frozen=True, slots=True)
class JsonRoute:
    """One JSON operation, as its handler's signature declares it.

    Attributes:
        path: Flask's rule below `/api/`.
        answer: `None` for a handler that writes its answer itself, in lines of `media_type`.
    """

    method: str
    path: str
    summary: str
    body: type[Body] | None
    query: type[Query] | None
    answer: type[Told] | None
    media_type: str = "application/json"

    @classmethod
    def of(cls, method: str, path: str, handler: Handler, media_type: str = "application/json") -> JsonRoute:
        """The route that serves `handler`."""
        types = [type_ for type_ in get_type_hints(handler).items() if isinstance(type_[1], type)]
        taken = [type_ for name, type_ in types if name != "return"]
        answers = [type_ for name, type_ in types if name == "return" and issubclass(type_, Told)]
        return cls(
            method,
            path,
            inspect.cleandoc(handler.__doc__ or "").partition("\n\n")[0].replace("\n", " "),
            next((type_ for type_ in taken if issubclass(type_, Body)), None),
            next((type_ for type_ in taken if issubclass(type_, Query)), None),
            answers[0] if answers else None,
            media_type,
        )


def add_json_route(
    blueprint: flask.Blueprint, method: str, path: str, handler: Handler, *, media_type: str = "application/json"
) -> None:
    """Serve one operation at `/api/<path>` for programs and at `/ajax-api/<path>` for browsers.

    Args:
        media_type: of an answer that is no JSON object.
    """
    view = _view(JsonRoute.of(method, path, handler, media_type), handler)
    for root in ("api", "ajax-api"):
        endpoint = f"{root}-{method}-{path}".replace("/", "-").replace(".", "-")
        blueprint.add_url_rule(f"/{root}/{path}", endpoint, view, methods=[method])


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


def _view(route: JsonRoute, handler: Handler) -> Callable[..., flask.Response]:
    """What Flask calls: the request is read, then the handler asked, then its answer written."""

    @functools.wraps(handler)
    def view(**from_path: Any) -> flask.Response:
        sent: list[Body | Query] = []
        if route.body is not None:
            sent.append(read_body(route.body))
        if route.query is not None:
            sent.append(read_query(route.query))
        told = handler(*sent, **from_path)
        return json_answer(told.model_dump(mode="json")) if isinstance(told, Told) else told

    view.json_route = route  # type: ignore[attr-defined]
    return view
