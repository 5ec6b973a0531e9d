"""What a live server serves: every Flask rule, every native FastAPI route, every mount and websocket.

SECURITY: what this walker does not see, coverage cannot miss. Whatever it does not understand it
therefore lists as `UNKNOWN`, which no entry of the table can match, instead of passing over it.
"""

from __future__ import annotations

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
    return frozenset(Served(item.method, _without(prefix, item.path), item.by) for item in found)


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
    if getattr(mount.app, "app", None) is flask_app and not path:
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


def _without(prefix: str, path: str) -> str:
    return path[len(prefix) :] if prefix and path.startswith(f"{prefix}/") else path
