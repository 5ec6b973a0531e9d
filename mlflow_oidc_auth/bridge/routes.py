"""What a live server serves: every Flask rule, every native FastAPI route, every mount and websocket.

SECURITY: what this walker does not see, coverage cannot miss. Whatever it does not understand it
therefore lists as `UNKNOWN`, which no entry of the table can match, instead of passing over it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from typing import Any

from fastapi import FastAPI
from flask import Flask
from starlette.routing import Mount, WebSocketRoute

from mlflow_oidc_auth.operations.coverage import Served

FLASK = "flask"
FASTAPI = "fastapi"


def served(fastapi_app: FastAPI, flask_app: Flask, static_prefix: str = "") -> frozenset[Served]:
    """Every operation that the two apps route, without the static prefix.

    Flask is mounted into FastAPI at "/": that one mount is walked as Flask rules; any other mount is
    listed as served. HEAD and OPTIONS are listed where a router lists them; coverage ignores them.
    """
    prefix = static_prefix.rstrip("/")
    found = {*_flask(flask_app), *_native(fastapi_app.router.routes, flask_app)}
    found.update(_low_priority(fastapi_app.router))
    return frozenset(Served(item.method, without_prefix(prefix, item.path), item.by) for item in found)


def graphql_fields() -> frozenset[str]:
    """The fields of MLflow's GraphQL schema that run code of MLflow's, such as `Query.mlflowGetRun`.

    These are all that a document may start from, and of the others those with a resolver of their own.
    """
    from mlflow.server.graphql.graphql_schema_extensions import schema

    live = schema.graphql_schema
    roots = {"Query": live.query_type, "Mutation": live.mutation_type, "Subscription": live.subscription_type}
    fields = {f"{name}.{field}" for name, type_ in roots.items() if type_ for field in type_.fields}
    for name, type_ in live.type_map.items():
        if type_ not in roots.values() and not name.startswith("__"):
            fields |= {f"{name}.{field}" for field, at in getattr(type_, "fields", {}).items() if _resolves(at)}
    return frozenset(fields)


def _resolves(field: Any) -> bool:
    """Whether a field does more than to read an attribute, for which graphene makes a partial function."""
    resolver = getattr(field, "resolve", None)
    return resolver is not None and not isinstance(resolver, functools.partial)


def is_flask_mount(mount: Mount, flask_app: Flask) -> bool:
    """Whether this is the mount that takes every path to Flask."""
    return getattr(mount.app, "app", None) is flask_app and not mount.path


def without_prefix(prefix: str, path: str) -> str:
    """The path as entries spell it. MLflow's native artifact routes have no prefix, even where others do."""
    return path[len(prefix) :] if prefix and path.startswith(f"{prefix}/") else path


def _flask(app: Flask) -> Iterator[Served]:
    for rule in app.url_map.iter_rules():
        methods = {"WEBSOCKET"} if rule.websocket else rule.methods or {"UNKNOWN"}
        for method in methods:
            yield Served(method, rule.rule, FLASK)


def _native(routes: Iterable[Any], flask_app: Flask, above: str = "") -> Iterator[Served]:
    for route in routes:
        yield from _native_route(route, flask_app, above)


def _native_route(route: Any, flask_app: Flask, above: str) -> Iterator[Served]:
    # FastAPI keeps an included router as an object of its own since 0.13x; earlier versions copy its
    # routes into the including one. Its candidates are routes again, with the prefix joined in.
    if callable(candidates := getattr(route, "effective_candidates", None)):
        yield from _native(candidates(), flask_app, above)
        return
    route = getattr(route, "starlette_route", None) or route
    path = above + str(getattr(route, "path", ""))
    if isinstance(route, WebSocketRoute):
        yield Served("WEBSOCKET", path, FASTAPI)
    elif isinstance(route, Mount):
        yield from _mount(route, flask_app, path)
    elif methods := getattr(route, "methods", None):
        for method in methods:
            yield Served(str(method), path, FASTAPI)
    else:
        yield Served("UNKNOWN", path or repr(route), FASTAPI)


def _mount(mount: Mount, flask_app: Flask, path: str) -> Iterator[Served]:
    if is_flask_mount(mount, flask_app) and not path:
        return
    if mount.routes:
        yield from _native(mount.routes, flask_app, path)
    else:
        yield Served("MOUNT", path, FASTAPI)


def _low_priority(router: Any) -> Iterator[Served]:
    """Static front ends, which newer FastAPI versions route after everything else."""
    routes = router._iter_low_priority_routes() if hasattr(router, "_iter_low_priority_routes") else ()
    for route in routes:
        yield Served("MOUNT", str(getattr(route, "path", "") or repr(route)), FASTAPI)
