"""What the walker sees of two applications: everything that is routed, or it says that it does not know."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from fastapi import APIRouter, FastAPI, WebSocket
from flask import Flask
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Match, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from mlflow_oidc_auth.bridge.routes import graphql_fields, served
from mlflow_oidc_auth.operations.coverage import compare
from mlflow_oidc_auth.operations.requirements import Entry, SignedIn

LISTED = [
    Entry("GET", "/flask/<path:rest>", SignedIn()),
    Entry("POST", "/native/{name:path}", SignedIn()),
]


class ToFlask:
    """Stands in for MLflow's WSGI middleware, which keeps the Flask application as `app`."""

    def __init__(self, app: Flask) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("flask")(scope, receive, send)


def nothing() -> str:
    """An endpoint."""
    return ""


class Apps:
    """Two applications, put together as MLflow does."""

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix
        self.flask, self.fastapi = Flask("test", static_folder=None), FastAPI(openapi_url=None)
        self.flask.add_url_rule(f"{prefix}/flask/<path:rest>", "flask", nothing)
        router = APIRouter()
        router.post("/native/{name:path}")(nothing)
        self.fastapi.include_router(router, prefix=prefix)

    def mount(self) -> Apps:
        """Mount Flask, as the last step."""
        self.fastapi.mount("/", ToFlask(self.flask))
        return self

    def unlisted(self) -> list[tuple[str, str]]:
        """What is served and not listed."""
        live = served(self.fastapi, self.flask, self.prefix)
        return [item.key for item in compare(live, LISTED, version="3.17.2").unlisted]


@pytest.mark.parametrize("prefix", ["", "/mlflow"])
def test_what_is_listed_is_found_below_any_prefix(prefix: str) -> None:
    apps = Apps(prefix).mount()
    assert apps.unlisted() == []
    live = {item.key for item in served(apps.fastapi, apps.flask, prefix)}
    assert {(entry.method, entry.path) for entry in LISTED} <= live


def test_a_new_flask_rule_is_unlisted() -> None:
    apps = Apps()
    apps.flask.add_url_rule("/new", "new", nothing, methods=["GET", "PATCH"])
    assert apps.mount().unlisted() == [("GET", "/new"), ("PATCH", "/new")]


def test_a_new_method_of_a_listed_flask_rule_is_unlisted() -> None:
    apps = Apps()
    apps.flask.add_url_rule("/flask/<path:rest>", "more", nothing, methods=["DELETE"])
    assert apps.mount().unlisted() == [("DELETE", "/flask/<path:rest>")]


def test_a_flask_websocket_rule_is_unlisted() -> None:
    apps = Apps()
    apps.flask.url_map.add(apps.flask.url_rule_class("/socket", endpoint="socket", websocket=True))
    assert apps.mount().unlisted() == [("WEBSOCKET", "/socket")]


def test_a_new_native_route_is_unlisted() -> None:
    apps = Apps()
    apps.fastapi.get("/new/{name}")(nothing)
    assert apps.mount().unlisted() == [("GET", "/new/{name}")]


def test_a_route_of_a_router_in_a_router_is_unlisted() -> None:
    apps, outer, inner = Apps(), APIRouter(), APIRouter()
    inner.put("/deep")(nothing)
    outer.include_router(inner, prefix="/inner")
    apps.fastapi.include_router(outer, prefix="/outer")
    assert apps.mount().unlisted() == [("PUT", "/outer/inner/deep")]


def test_a_plain_starlette_route_is_unlisted() -> None:
    apps = Apps()
    apps.fastapi.router.routes.append(Route("/plain", nothing, methods=["GET"]))
    assert apps.mount().unlisted() == [("GET", "/plain")]


def test_a_native_websocket_is_unlisted() -> None:
    async def listen(socket: WebSocket) -> None:
        await socket.close()

    apps = Apps()
    apps.fastapi.websocket("/socket")(listen)
    assert apps.mount().unlisted() == [("WEBSOCKET", "/socket")]


def test_a_mounted_application_is_unlisted(tmp_path: Path) -> None:
    apps = Apps()
    apps.fastapi.mount("/files", StaticFiles(directory=tmp_path))
    assert apps.mount().unlisted() == [("MOUNT", "/files")]


def test_the_routes_of_a_mounted_application_are_unlisted_each() -> None:
    apps = Apps()
    apps.fastapi.mount("/sub", Starlette(routes=[Route("/a", nothing), Mount("/b", routes=[Route("/c", nothing)])]))
    assert apps.mount().unlisted() == [("GET", "/sub/a"), ("GET", "/sub/b/c")]


def test_another_flask_application_is_no_flask_rule_of_ours() -> None:
    apps = Apps()
    apps.fastapi.mount("/other", ToFlask(Flask("other")))
    assert apps.mount().unlisted() == [("MOUNT", "/other")]


def test_flask_mounted_a_second_time_is_unlisted() -> None:
    apps = Apps()
    apps.fastapi.mount("/again", ToFlask(apps.flask))
    assert apps.mount().unlisted() == [("MOUNT", "/again")]


def test_a_route_of_a_kind_that_nobody_knows_is_unlisted() -> None:
    class Odd(BaseRoute):
        def matches(self, scope: Scope) -> tuple[Match, Scope]:
            return Match.NONE, {}

    apps = Apps()
    apps.fastapi.router.routes.append(Odd())
    assert [method for method, _ in apps.mount().unlisted()] == ["UNKNOWN"]


def test_a_route_that_takes_every_method_is_unlisted() -> None:
    class Anything:
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await PlainTextResponse("")(scope, receive, send)

    apps = Apps()
    apps.fastapi.router.routes.append(Route("/any", Anything()))
    assert apps.mount().unlisted() == [("UNKNOWN", "/any")]


def test_a_native_route_without_the_prefix_stays_without_it() -> None:
    apps = Apps("/mlflow")
    apps.fastapi.get("/mlflower/{name}")(nothing)
    assert apps.mount().unlisted() == [("GET", "/mlflower/{name}")]


def test_graphql_fields_that_run_code_are_found() -> None:
    found = graphql_fields()
    assert {"Query.mlflowGetRun", "Mutation.testMutation", "MlflowRunExtension.modelVersions"} <= found
    assert not any(name.startswith(("MlflowRunInfo", "__")) for name in found)


NEW_FIELD = """
import graphene
from mlflow.server.graphql import graphql_schema_extensions as extensions
class Query(extensions.Query):
    secrets = graphene.String()
extensions.MlflowRunExtension.resolve_data = lambda self, info: None
extensions.schema = graphene.Schema(query=Query, mutation=extensions.Mutation)
from mlflow_oidc_auth.bridge.routes import graphql_fields
from mlflow_oidc_auth.operations.graphql import FIELDS
print(sorted(graphql_fields() - set(FIELDS)))
"""


def test_a_new_graphql_field_and_a_new_resolver_are_found() -> None:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", NEW_FIELD], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['MlflowRunExtension.data', 'Query.secrets']"
