"""The gate's router against the real ones: whatever the path, both must name the same rule."""

from __future__ import annotations

import timeit
from functools import cache
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import _IncludedRouter
from flask import Flask
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mlflow.server.fastapi_app import create_fastapi_app
from starlette.middleware.wsgi import build_environ
from starlette.routing import Match, Mount, Route
from werkzeug.test import run_wsgi_app

from mlflow_oidc_auth.bridge.routing import PREFLIGHT, LiveRoutes, Routed
from mlflow_oidc_auth.errors import StartRefused
from mlflow_oidc_auth.operations.requirements import Admin, Deny, Entry, Public, SignedIn
from mlflow_oidc_auth.operations.table import TABLE
from tests.unit.bridge.test_routes import Apps, ToFlask, nothing

PREFLIGHT_HEADERS = [(b"origin", b"https://other.example"), (b"access-control-request-method", b"POST")]


def scope(path: str, method: str = "GET", root_path: str = "", headers: Any = ()) -> dict[str, Any]:
    """An ASGI scope as uvicorn makes it: the path is decoded once."""
    return {
        "type": "http",
        "method": method,
        "path": root_path + path,
        "raw_path": path.encode(),
        "root_path": root_path,
        "query_string": b"",
        "headers": list(headers),
        "http_version": "1.1",
        "scheme": "http",
        "server": ("testserver", 80),
        "client": ("192.0.2.1", 1),
    }


@cache
def mlflows() -> tuple[FastAPI, Flask, LiveRoutes]:
    """MLflow's applications, and ours beside."""
    flask_app = Flask("mlflow-routes", static_folder=None)
    from mlflow.server import app

    for rule in app.url_map.iter_rules():
        methods = (rule.methods or set()) - {"HEAD", "OPTIONS"}
        flask_app.add_url_rule(rule.rule, f"{rule.rule} {sorted(methods)}", answer_with_the_rule, methods=methods)
    fastapi_app = create_fastapi_app(flask_app)
    return fastapi_app, flask_app, LiveRoutes(fastapi_app, flask_app, "", TABLE)


def answer_with_the_rule(**values: str) -> Any:
    """What Flask serves."""
    from flask import request

    return {"rule": str(request.url_rule), "values": values}


def taken_by(path: str, method: str, root_path: str = "") -> tuple[str, str] | None:
    """Which rule the real routers choose: FastAPI's own matching in its order, and Flask's own dispatch."""
    fastapi_app, flask_app, _ = mlflows()
    asked = scope(path, method, root_path)
    for route in fastapi_app.router.routes:
        if route.matches(asked)[0] is Match.FULL:
            break
    else:
        return None
    while isinstance(route, _IncludedRouter):
        _, _, chosen, effective = route._match(asked)
        assert chosen is not None
        if effective is not None:
            return "fastapi", effective.path
        route = chosen
    assert isinstance(route, Mount)
    asked.update(route.matches(asked)[1])
    body, status, _ = run_wsgi_app(flask_app.wsgi_app, build_environ(asked, b""))
    text = b"".join(body)
    if not status.startswith("200"):
        return None
    return "flask", flask_app.json.loads(text)["rule"] if text and method not in ("HEAD", "OPTIONS") else "?"


SEGMENTS = st.one_of(
    st.sampled_from(
        [
            "1",
            "..",
            ".",
            "",
            "a",
            "%2e%2e",
            "%2f",
            "aliases",
            "versions",
            "tags",
            "endpoints",
            "search",
            "jobs",
            "@a",
            "a;b",
            "a?b",
            "a#b",
            "a b",
            "\\",
            "|",
            "é",
            "\ufffd",
            "a:generateContent",
            "*",
            "~",
            "+",
            "latest",
            "info",
        ]
    ),
    st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_characters="/"), max_size=6),
)


@st.composite
def paths(draw: st.DrawFn) -> str:
    """A path near one that is served: a rule with its variable parts filled, and perhaps bent a little."""
    rule = draw(st.sampled_from(sorted({entry.path for entry in TABLE})))
    path = ""
    for piece in rule.replace("{", "<").replace("}", ">").split("<"):
        filled, _, rest = piece.rpartition(">")
        path += ("/".join(draw(st.lists(SEGMENTS, min_size=1, max_size=3))) if filled else "") + rest
    place = draw(st.integers(0, len(path)))
    bend = draw(st.sampled_from(["", "", "", "/", "//", "x", ".", "%2f", "/../", "/aliases/", "/versions/"]))
    return path[:place] + bend + path[place:]


METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE")


@given(path=paths(), method=st.sampled_from(METHODS), root_path=st.sampled_from(["", "", "/pre"]))
@example(path="/api/3.0/mlflow/mcp-servers/a/aliases/b", method="GET", root_path="")
@example(path="/api/3.0/mlflow/mcp-servers/a/versions/1/tags/b", method="DELETE", root_path="")
@example(path="/api/3.0/mlflow/mcp-servers/endpoints", method="GET", root_path="")
@example(path="/gateway/openai/v1/mlflow/invocations", method="POST", root_path="")
@example(path="/api/2.0/mlflow-artifacts/artifacts/1/x", method="HEAD", root_path="")
@example(path="/api/2.0/mlflow//experiments/get", method="GET", root_path="")
@example(path="/ajax-api/3.0/jobs", method="POST", root_path="")
@settings(max_examples=400, deadline=None)
def test_it_finds_what_the_routers_take(path: str, method: str, root_path: str) -> None:
    found = mlflows()[2].find(scope(path, method, root_path))
    taken = taken_by(path, method, root_path)
    if found is None:
        # Only what nobody serves, and what is refused unread: two slashes in front, or a control character.
        assert taken is None or path.startswith("//") or "\x7f" in path
    elif found.by == "flask" and method in ("HEAD", "OPTIONS"):
        assert (taken or ("nobody",))[0] == "flask"
    else:
        assert (found.by, found.rule) == taken


@given(path=paths(), method=st.sampled_from(METHODS))
@settings(max_examples=200, deadline=None)
def test_what_it_finds_has_the_entry_of_that_rule(path: str, method: str) -> None:
    found = mlflows()[2].find(scope(path, method))
    if found is not None and method != "OPTIONS":
        assert found.entry is not None
        assert (found.entry.method, found.entry.path) == ("GET" if method == "HEAD" else method, found.rule)


# --- by hand ---------------------------------------------------------------------------------------


def find(path: str, method: str = "GET", **more: Any) -> Routed:
    """What serves it on MLflow's own applications."""
    return must(mlflows()[2].find(scope(path, method, **more)))


def must(found: Routed | None) -> Routed:
    """What was found."""
    assert found is not None
    return found


@pytest.mark.parametrize(
    "path",
    [
        "//api/2.0/mlflow/experiments/get",
        "///",
        "",
        "api/2.0/mlflow/experiments/get",
        "*",
        "/api/2.0/mlflow/experiments/get\n",
        "/api/2.0/mlflow/experiments/get\0",
        "/get-artifact\x7f",
        "/v1/traces\n",
        "/api/2.0/mlflow-artifacts/artifacts/1/a\nb",
        "/api/2.0/mlflow/experiments//get",
        "/api/2.0/mlflow/experiments/get/",
        "/API/2.0/mlflow/experiments/get",
        "/api/2.0/mlflow/experiments/get;x",
        "/api/2.0/mlflow/experiments/./get",
        "/nothing",
    ],
)
def test_what_no_router_serves_as_it_stands_is_nothing(path: str) -> None:
    for method in ("GET", "POST"):
        assert mlflows()[2].find(scope(path, method)) is None


@pytest.mark.parametrize("method", ["PUT", "TRACE", "CONNECT", "get", ""])
def test_a_method_that_a_path_has_not_is_nothing(method: str) -> None:
    assert mlflows()[2].find(scope("/api/2.0/mlflow/experiments/get", method)) is None


def test_the_native_route_comes_before_its_flask_twin() -> None:
    path = "/api/2.0/mlflow-artifacts/artifacts/1/a/b"
    native, twin = find(path), find(path, "DELETE")
    assert (native.by, native.path_values) == ("fastapi", {"artifact_path": "1/a/b"})
    assert (twin.by, twin.path_values) == ("flask", {"artifact_path": "1/a/b"})


def test_head_needs_what_get_needs() -> None:
    asked, head = find("/api/2.0/mlflow/runs/get"), find("/api/2.0/mlflow/runs/get", "HEAD")
    assert head.entry is asked.entry


def test_the_outer_root_path_is_not_part_of_the_path() -> None:
    assert find("/version", root_path="/pre").rule == "/version"


def test_a_preflight_is_public_and_runs_nothing_of_ours() -> None:
    found = find("/api/2.0/mlflow/runs/get", "OPTIONS", headers=PREFLIGHT_HEADERS)
    assert found == Routed(PREFLIGHT, {}, "cors", "*")
    assert isinstance(PREFLIGHT.requirement, Public)


@pytest.mark.parametrize("headers", [[], PREFLIGHT_HEADERS[:1], PREFLIGHT_HEADERS[1:]], ids=["bare", "one", "other"])
def test_options_that_is_no_preflight_is_unlisted(headers: list[tuple[bytes, bytes]]) -> None:
    found = find("/api/2.0/mlflow/runs/get", "OPTIONS", headers=headers)
    assert (found.entry, found.by) == (None, "flask")


def test_a_lookup_is_cheap() -> None:
    asked = scope("/api/2.0/mlflow/experiments/get")
    routes = mlflows()[2]
    seconds = min(timeit.repeat(lambda: routes.find(asked), number=200, repeat=5)) / 200
    assert seconds < 100e-6  # measured: 8 us on an idle core


# --- with routes that MLflow has not ---------------------------------------------------------------

LISTED = [Entry("GET", "/flask/<path:rest>", SignedIn()), Entry("POST", "/native/{name:path}", SignedIn())]


def live(apps: Apps, entries: list[Entry] = LISTED) -> LiveRoutes:
    """The router of two small applications."""
    return LiveRoutes(apps.mount().fastapi, apps.flask, apps.prefix, entries)


@pytest.mark.parametrize("prefix", ["", "/mlflow"])
def test_rules_have_their_entries_below_any_prefix(prefix: str) -> None:
    routes = live(Apps(prefix))
    native = must(routes.find(scope(f"{prefix}/native/a/b", "POST")))
    flask = must(routes.find(scope(f"{prefix}/flask/c")))
    assert (native.entry, native.rule) == (LISTED[1], f"{prefix}/native/{{name:path}}")
    assert (flask.entry, flask.rule) == (LISTED[0], f"{prefix}/flask/<path:rest>")
    assert routes.find(scope("/elsewhere/flask/c")) is None


@pytest.mark.parametrize("prefix", ["", "/mlflow"])
def test_what_is_denied_is_not_taken_for_a_name(prefix: str) -> None:
    denied = Entry("GET", "/flask/passwords", Deny("There are none here."))
    routes = live(Apps(prefix), [*LISTED, denied])
    assert must(routes.find(scope(f"{prefix}/flask/passwords"))).entry == denied
    assert must(routes.find(scope(f"{prefix}/flask/passwords/of"))).entry == LISTED[0]


def test_a_rule_without_an_entry_is_found_without_one() -> None:
    apps = Apps()
    apps.flask.add_url_rule("/new", "new", nothing)
    apps.fastapi.get("/new-too")(nothing)
    routes = live(apps)
    for path, by in (("/new", "flask"), ("/new-too", "fastapi")):
        found = routes.find(scope(path))
        assert found == Routed(None, {}, by, path)
    assert [item.path for item in routes.unlisted() if item.by != "graphql"] == ["/new", "/new-too"]


def test_what_is_mounted_beside_flask_is_found_without_an_entry() -> None:
    apps = Apps()
    apps.fastapi.mount("/flask", ToFlask(Flask("other")))
    found = must(live(apps).find(scope("/flask/a")))
    assert (found.entry, found.by) == (None, "fastapi")


def test_a_native_route_for_every_method_is_found_without_an_entry() -> None:
    class Anything:
        async def __call__(self, *_: Any) -> None: ...

    apps = Apps()
    apps.fastapi.router.routes.append(Route("/native/{name:path}", Anything()))
    found = must(live(apps).find(scope("/native/a", "PURGE")))
    assert (found.entry, found.by) == (None, "fastapi")


def test_a_native_options_route_is_no_preflight() -> None:
    apps = Apps()
    apps.fastapi.options("/native/{name:path}")(nothing)
    found = must(live(apps).find(scope("/native/a", "OPTIONS", headers=PREFLIGHT_HEADERS)))
    assert found.entry is None


def test_the_first_native_route_wins_as_in_the_router() -> None:
    apps = Apps()
    router = APIRouter()
    router.get("/things/{name:path}")(nothing)
    router.get("/things/{name:path}/parts")(nothing)
    apps.fastapi.include_router(router)
    entries = [
        *LISTED,
        Entry("GET", "/things/{name:path}", Admin()),
        Entry("GET", "/things/{name:path}/parts", Admin()),
    ]
    found = must(live(apps, entries).find(scope("/things/a/parts")))
    assert found.rule == "/things/{name:path}"


def test_numbers_in_a_path_are_those_the_handler_gets() -> None:
    apps = Apps()
    apps.flask.add_url_rule("/number/<int:id>", "number", nothing)
    apps.fastapi.get("/count/{id:int}")(nothing)
    routes = live(apps)
    for path in ("/number/007", "/count/007"):
        assert must(routes.find(scope(path))).path_values == {"id": "7"}


def test_an_operation_listed_twice_stops_the_start() -> None:
    with pytest.raises(ValueError, match="twice"):
        live(Apps(), [*LISTED, LISTED[0]])


def test_flask_served_in_some_other_way_stops_the_start() -> None:
    apps = Apps()
    with pytest.raises(StartRefused):
        LiveRoutes(apps.fastapi, apps.flask, "", LISTED)
