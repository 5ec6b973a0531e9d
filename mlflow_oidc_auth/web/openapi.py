"""The OpenAPI document of our JSON, made of what serves it: the handlers' signatures and the operations table.

Nothing is described twice, so the document cannot say anything else than the server does: what a request holds is
what `json_body.py` reads, what is answered is what `json_api.py` writes, and who may is what the gate asks of.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import flask
from pydantic import BaseModel, ConfigDict
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from mlflow_oidc_auth.operations.requirements import Admin, AdminInBrowser, Entry, InBrowser, Public, Requirement
from mlflow_oidc_auth.web.json_api import JsonRoute, Told, add_json_route

PATH = "2.0/mlflow/openapi.json"

_ROOT = "/api/"
_SCHEMAS = "#/components/schemas/"
_VARIABLE = re.compile(r"<(?:(?P<converter>\w+)(?:\([^)]*\))?:)?(?P<name>\w+)>")
_ABOUT = (
    "Users, groups, grants, access keys and sessions of an MLflow server with mlflow-oidc-auth. "
    "Each operation is served below `/api/` for programs and, the same, below `/ajax-api/` for pages."
)
_KEY_HELP = (
    "The username is the login name (an e-mail address or a service account's name), the password an access key."
)
_ANY: tuple[dict[str, list[str]], ...] = ({"accessKey": []}, {"accessKeyAlone": []}, {"browserSession": []})
_REFUSALS = {
    "400": ("BadRequest", "The request cannot be understood; nothing was changed."),
    "401": ("Unauthenticated", "No credential, or one that does not hold."),
    "403": ("Forbidden", "Not permitted; the message says what is missing and whom to ask."),
    "404": ("NotFound", "No such thing among what may be seen."),
    "503": ("Unavailable", "The database does not answer; asking again later may help."),
}


class Document(Told):
    """An OpenAPI document."""

    model_config = ConfigDict(frozen=True, extra="allow")

    openapi: str
    paths: dict[str, Any]


def openapi_api(*, entries: Iterable[Entry], prefix: str, cookie_name: str) -> flask.Blueprint:
    """The blueprint that serves the document; register it under the static prefix, after all others or before."""
    ours = _OpenApi(tuple(entries), prefix, cookie_name)
    blueprint = flask.Blueprint("oidc_auth_openapi", __name__)
    add_json_route(blueprint, "GET", PATH, ours.tell)
    return blueprint


class _OpenApi:
    def __init__(self, entries: tuple[Entry, ...], prefix: str, cookie_name: str) -> None:
        self._entries, self._prefix, self._cookie_name = entries, prefix, cookie_name

    def tell(self) -> Document:
        """Describe this API in an OpenAPI document."""
        return self._document

    @cached_property
    def _document(self) -> Document:
        """Made at the first request, when all routes are there."""
        routes = routes_of(flask.current_app)
        return Document(**document(routes, self._entries, self._prefix, self._cookie_name))


def routes_of(app: flask.Flask) -> list[JsonRoute]:
    """The JSON operations that an application serves."""
    served = {id(view): view for view in app.view_functions.values()}.values()
    routes: list[JsonRoute] = [view.json_route for view in served if hasattr(view, "json_route")]
    return sorted(routes, key=lambda route: (route.path, route.method))


def document(routes: Sequence[JsonRoute], entries: Iterable[Entry], prefix: str, cookie_name: str) -> dict[str, Any]:
    """The OpenAPI 3.1 document of these routes.

    Args:
        entries: what each operation needs.
        prefix: the static prefix, empty or `/path`.
        cookie_name: of the session cookie.

    Raises:
        KeyError: a route has no entry.
    """
    needs = {(entry.method, entry.path): entry.requirement for entry in entries}
    schemas = _Schemas(routes)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        described = _operation(route, needs[route.method, _ROOT + route.path], schemas)
        paths.setdefault(_ROOT + _VARIABLE.sub(r"{\g<name>}", route.path), {})[route.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {"title": "mlflow-oidc-auth", "version": "1", "description": _ABOUT},
        "servers": [{"url": prefix or "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "responses": {name: _refusal(words) for name, words in _REFUSALS.values()},
            "securitySchemes": {
                "accessKey": {"type": "http", "scheme": "basic", "description": _KEY_HELP},
                "accessKeyAlone": {"type": "http", "scheme": "bearer", "description": "An access key."},
                "browserSession": {"type": "apiKey", "in": "cookie", "name": cookie_name},
            },
        },
    }


class _Schemas:
    """The JSON schemas of all that is sent and answered; each model has one, by its name."""

    def __init__(self, routes: Iterable[JsonRoute]) -> None:
        wanted: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {}
        for route in routes:
            wanted |= {(model, "validation"): None for model in (route.body, route.query) if model is not None}
            wanted |= {(model, "serialization"): None for model in (route.answer,) if model is not None}
        self._refs, made = models_json_schema(list(wanted), ref_template=_SCHEMAS + "{model}")
        self._all: dict[str, Any] = {"Error": _ERROR, **made.get("$defs", {})}
        self._queries = {self._name(route.query, "validation") for route in routes if route.query is not None}

    @property
    def components(self) -> dict[str, Any]:
        """All but the queries, which are told parameter by parameter."""
        return {name: self._all[name] for name in sorted(self._all) if name not in self._queries}

    def ref(self, model: type[BaseModel], mode: JsonSchemaMode) -> dict[str, Any]:
        """The reference to a model's schema."""
        return dict(self._refs[model, mode])

    def parameters(self, query: type[BaseModel]) -> Iterator[dict[str, Any]]:
        """The parameters of a query."""
        schema = self._all[self._name(query, "validation")]
        for name, described in schema.get("properties", {}).items():
            required = name in schema.get("required", ())
            yield {"name": name, "in": "query", "required": required, "schema": described}

    def _name(self, model: type[BaseModel], mode: JsonSchemaMode) -> str:
        return str(self._refs[model, mode]["$ref"]).removeprefix(_SCHEMAS)


def _operation(route: JsonRoute, needs: Requirement, schemas: _Schemas) -> dict[str, Any]:
    parameters = [*_from_path(route.path), *(schemas.parameters(route.query) if route.query else ())]
    described: dict[str, Any] = {
        "operationId": "_".join(re.findall(r"\w+", f"{route.method.lower()} {_VARIABLE.sub('by_', route.path)}")),
        "summary": route.summary,
        "description": _who(needs),
        "security": list(_security(needs)),
        "responses": {"200": _answer(route, schemas), **_refusals(needs)},
    }
    if parameters:
        described["parameters"] = parameters
    if route.body is not None:
        content = {"application/json": {"schema": schemas.ref(route.body, "validation")}}
        described["requestBody"] = {"required": True, "content": content}
    return described


def _from_path(path: str) -> Iterator[dict[str, Any]]:
    for found in _VARIABLE.finditer(path):
        kind = {"type": "integer", "minimum": 0} if found["converter"] == "int" else {"type": "string", "minLength": 1}
        yield {"name": found["name"], "in": "path", "required": True, "schema": kind}


def _answer(route: JsonRoute, schemas: _Schemas) -> dict[str, Any]:
    if route.answer is None:
        return {"description": "A line of JSON for each record.", "content": {route.media_type: {"schema": {}}}}
    words = " ".join((route.answer.__doc__ or "").partition("\n\n")[0].split())
    content = {route.media_type: {"schema": schemas.ref(route.answer, "serialization")}}
    return {"description": words, "content": content}


def _who(needs: Requirement) -> str:
    match needs:
        case Public():
            return "For everybody, without a credential."
        case InBrowser():
            return "For who is logged in with a browser; an access key cannot do this."
        case Admin():
            return "For admins."
        case AdminInBrowser():
            return "For admins who are logged in with a browser; an access key cannot do this."
        case _:
            return "For who is logged in or has an access key; the answer tells what is theirs to know."


def _security(needs: Requirement) -> tuple[Mapping[str, list[str]], ...]:
    match needs:
        case Public():
            return ()
        case InBrowser() | AdminInBrowser():
            return ({"browserSession": []},)
        case _:
            return _ANY


def _refusals(needs: Requirement) -> dict[str, Any]:
    open_to_all = isinstance(needs, Public)
    refusals = {status: name for status, (name, _) in _REFUSALS.items() if not open_to_all or status == "503"}
    return {status: {"$ref": f"#/components/responses/{name}"} for status, name in refusals.items()}


def _refusal(words: str) -> dict[str, Any]:
    return {"description": words, "content": {"application/json": {"schema": {"$ref": f"{_SCHEMAS}Error"}}}}


_ERROR = {
    "type": "object",
    "description": "Why a request was refused, in MLflow's shape.",
    "properties": {
        "error_code": {"type": "string", "minLength": 1},
        "message": {"type": "string", "minLength": 1},
    },
    "required": ["error_code", "message"],
    "additionalProperties": False,
}
