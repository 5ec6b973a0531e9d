"""Which operation a request asks for, as the routers that will serve it see it.

The native FastAPI routes come first, in the routers' own order and by their own regular expressions; what
none of them takes falls to Flask, whose own map is asked. The entry is then looked up by the spelling of
the very rule that will run, so gate and router cannot read one path in two ways.

SECURITY: what no rule serves, what Flask would answer with a redirect, and a path with a control character
(a line break ends Starlette's expressions early) is `None`: there is nothing at this address. So is a method
in small letters, which Flask would read in capitals.

HEAD counts as the GET it repeats. OPTIONS is answered by MLflow's CORS settings when a browser asks before
a call from another site (a preflight, which never carries a credential); any other OPTIONS is unlisted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import mlflow
from fastapi import FastAPI
from flask import Flask
from starlette._utils import get_route_path
from starlette.routing import Match, Mount
from starlette.types import Scope
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from mlflow_oidc_auth.bridge.routes import FASTAPI, FLASK, graphql_fields, is_flask_mount, served, without_prefix
from mlflow_oidc_auth.errors import StartRefused
from mlflow_oidc_auth.operations.coverage import Served, compare, graphql_served
from mlflow_oidc_auth.operations.graphql import ENTRIES as GRAPHQL_ENTRIES
from mlflow_oidc_auth.operations.requirements import Deny, Entry, Probe, Public

PREFLIGHT = Entry("OPTIONS", "*", Public("a browser asks which other sites may call; MLflow's CORS settings answer"))

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Routed:
    """The rule that serves a request.

    Attributes:
        entry: what the operation needs; `None` if it is not listed.
        path_values: the variable parts of the path, as text.
        by: `flask`, `fastapi`, `cors` for a preflight, or `gate` for what the gate itself answers.
        rule: as the router spells it, with the static prefix.
    """

    entry: Entry | None
    path_values: Mapping[str, str]
    by: str
    rule: str


class LiveRoutes:
    """Asks the live routers. Built once per process, when all routes are there.

    Args:
        fastapi_app: MLflow's FastAPI application, with Flask mounted last.
        flask_app: the Flask application in it.
        static_prefix: empty or `/path`.
        entries: the operations table.

    Raises:
        StartRefused: Flask is not where requests end up that no native route takes.
        ValueError: an operation has two entries.
    """

    def __init__(self, fastapi_app: FastAPI, flask_app: Flask, static_prefix: str, entries: Iterable[Entry]) -> None:
        listed = tuple(entries)
        self._entries = {(entry.method, entry.path): entry for entry in listed}
        if len(self._entries) != len(listed):
            raise ValueError("an operation is listed twice")
        self._prefix = static_prefix.rstrip("/")
        self._native = tuple(_before_flask(fastapi_app, flask_app))
        self._by_method: dict[str, tuple[_Native, ...]] = {}
        self._flask = flask_app.url_map.bind("localhost", subdomain=flask_app.url_map.default_subdomain or "")
        live = served(fastapi_app, flask_app, self._prefix) | graphql_served(graphql_fields())
        self._unlisted = compare(live, (*listed, *GRAPHQL_ENTRIES), version=mlflow.__version__).unlisted

    def find(self, scope: Scope) -> Routed | None:
        """What serves the request of an ASGI scope; `None` if nothing does."""
        path, method = get_route_path(scope), scope["method"]
        if not path.startswith("/") or path.startswith("//") or _CONTROL.search(path) or not method.isupper():
            return None
        served = self._find_native(path, method, scope) or _preflight(scope) or self._find_flask(path, method)
        if served is not None and not (served.by == FLASK and served.path_values):
            return served
        # `users/update-admin`, which is denied, is not the user of that name: a path that is listed as it stands goes
        # before a rule that would take a part of it for a name.
        return self._find_answered(path, method) or served

    def unlisted(self) -> tuple[Served, ...]:
        """What is served and has no entry."""
        return self._unlisted

    def _find_native(self, path: str, method: str, scope: Scope) -> Routed | None:
        routes = self._by_method.get(method)
        if routes is None:
            routes = tuple(route for route in self._native if route.may_take(method))
            self._by_method[method] = routes
        for route in routes:
            values = route.match(path, scope)
            if values is not None:
                return Routed(self._entry(method, route.path), values, FASTAPI, route.path)
        return None

    def _find_flask(self, path: str, method: str) -> Routed | None:
        try:
            rule, values = self._flask.match(path, method=method, return_rule=True, websocket=False)
        except (HTTPException, RequestRedirect):
            return None
        found = {name: str(value) for name, value in values.items()}
        return Routed(self._entry(method, rule.rule), found, FLASK, rule.rule)

    def _find_answered(self, path: str, method: str) -> Routed | None:
        """What the gate itself answers: probes, and where a denied idea lives here."""
        entry = self._entry(method, path)
        answered = entry is not None and isinstance(entry.requirement, Deny | Probe)
        return Routed(entry, {}, "gate", path) if answered else None

    def _entry(self, method: str, rule: str) -> Entry | None:
        return self._entries.get(("GET" if method == "HEAD" else method, without_prefix(self._prefix, rule)))


def _preflight(scope: Scope) -> Routed | None:
    """What MLflow's CORS settings answer. Should they be off, Flask's side refuses what is not routed to it."""
    if scope["method"] != "OPTIONS":
        return None
    names = {name.lower() for name, _ in scope["headers"]}
    return Routed(PREFLIGHT, {}, "cors", "*") if {b"origin", b"access-control-request-method"} <= names else None


@dataclass(frozen=True, slots=True)
class _Native:
    """One native route. Without `regex` it is something else than a plain route, and is asked itself."""

    route: Any
    path: str
    methods: frozenset[str] | None
    regex: re.Pattern[str] | None
    convertors: Mapping[str, Any]

    @classmethod
    def of(cls, route: Any) -> _Native:
        path, methods = str(getattr(route, "path", "") or repr(route)), getattr(route, "methods", None)
        if not methods or not hasattr(route, "path_regex"):
            return cls(route, path, None, None, {})
        return cls(route, path, frozenset(methods), route.path_regex, route.param_convertors)

    def may_take(self, method: str) -> bool:
        return self.methods is None or method in self.methods

    def match(self, path: str, scope: Scope) -> dict[str, str] | None:
        """The variable parts of a path it takes; `None` if it takes it not."""
        if self.regex is None:
            full = self.route.matches({**scope})[0] is Match.FULL
            return {} if full else None
        found = self.regex.match(path)
        if found is None:
            return None
        return {name: str(self.convertors[name].convert(value)) for name, value in found.groupdict().items()}


def _before_flask(fastapi_app: FastAPI, flask_app: Flask) -> Iterator[_Native]:
    """The native routes, in the order in which a request meets them.

    Flask takes every path that is left, so a route behind it is never met, and neither is one that has the
    path but not the method.
    """
    for route in _leaves(fastapi_app.router.routes):
        if isinstance(route, Mount) and is_flask_mount(route, flask_app):
            return
        yield _Native.of(route)
    raise StartRefused(
        f"MLflow {mlflow.__version__} serves its Flask part in a way that is not known here. "
        "Install a version of MLflow that this package supports."
    )


def _leaves(routes: Iterable[Any]) -> Iterator[Any]:
    """Routes in order, with those of included routers in their place."""
    for route in routes:
        if callable(inner := getattr(route, "effective_candidates", None)):
            yield from _leaves(inner())
        else:
            yield getattr(route, "starlette_route", None) or route
