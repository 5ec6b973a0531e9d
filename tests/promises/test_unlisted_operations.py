"""Promise: what the server serves and the operations table does not list is closed to everybody but admins."""

from __future__ import annotations

import base64
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.people import OUR_PAGE, TIMEOUT, People, Person
from tests.promises.injected import SECRET
from tests.server import Servers

ROUTES = {
    "flask": ("GET", "/mlflow/api/2.0/mlflow/injected"),
    "flask-post": ("POST", "/mlflow/api/2.0/mlflow/injected"),
    "flask-new-method": ("PURGE", "/mlflow/api/2.0/mlflow/experiments/get"),
    "flask-blueprint": ("GET", "/plugin/anything/below"),
    "fastapi": ("GET", "/injected-native"),
    "fastapi-with-a-part": ("POST", "/mlflow/ajax-api/3.0/injected/name"),
    "mounted-app": ("GET", "/injected-mount/"),
    "mounted-app-below": ("GET", "/injected-mount/and/below"),
    "mounted-app-post": ("POST", "/injected-mount/x"),
}


@pytest.fixture(scope="module")
def injected(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[People]:
    """Everybody, on a server with injected routes."""
    folder = tmp_path_factory.mktemp("plugin")
    info = folder / "injected_routes-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: injected-routes\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[mlflow.app]\noidc-auth-injected = tests.promises.injected:create_app\n")
    path = os.pathsep.join((str(folder), str(Path(__file__).parents[2])))
    server = servers.start(app_name="oidc-auth-injected", environment={"PYTHONPATH": path})
    yield People(server, servers.keycloak)
    servers.stop(server)


def ask(person: Person, route: str, by: str) -> requests.Response:
    """Ask for an injected route, by key or by session."""
    method, path = ROUTES[route]
    address = f"{person.server.host}{path}"
    if by == "key":
        return requests.request(method, address, auth=(person.email, person.key()), timeout=TIMEOUT)
    # The cookie is for the prefix only; here it is sent beside it too, to see that nothing rests on that.
    cookies = {cookie.name: cookie.value for cookie in person.browser.cookies if cookie.name == "mlflow_oidc_session"}
    return requests.request(method, address, cookies=cookies, headers=OUR_PAGE, timeout=TIMEOUT)  # type: ignore[arg-type]


@pytest.mark.parametrize("by", ["key", "session"])
@pytest.mark.parametrize("route", ROUTES)
def test_an_unlisted_route_is_closed_to_users(injected: People, route: str, by: str) -> None:
    answer = ask(injected.alice, route, by)
    assert answer.status_code == 403, f"{answer.status_code} {answer.text[:300]}"
    assert answer.json()["error_code"] == "PERMISSION_DENIED"
    assert SECRET not in answer.text


@pytest.mark.parametrize("route", ROUTES)
def test_an_unlisted_route_is_closed_to_strangers(injected: People, route: str) -> None:
    method, path = ROUTES[route]
    answer = requests.request(method, f"{injected.server.host}{path}", timeout=TIMEOUT)
    assert answer.status_code == 401
    assert SECRET not in answer.text


@pytest.mark.parametrize("route", [name for name in ROUTES if "mounted" not in name])
def test_the_control_an_admin_reaches_it(injected: People, route: str) -> None:
    assert SECRET in ask(injected.root, route, "key").text


@pytest.mark.parametrize("who", ["nobody", "alice", "root"])
@pytest.mark.parametrize("path", ["/injected-socket", "/mlflow/injected-socket", "/mlflow/graphql", "/"])
def test_a_websocket_is_refused_to_everybody(injected: People, who: str, path: str) -> None:
    headers = ""
    if who != "nobody":
        person: Person = getattr(injected, who)
        word = base64.b64encode(f"{person.email}:{person.key()}".encode()).decode()
        headers = f"Authorization: Basic {word}\r\n"
    with socket.create_connection(("127.0.0.1", injected.server.port), timeout=30) as connection:
        connection.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{injected.server.port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
            f"{headers}\r\n".encode()
        )
        answer = connection.recv(65536).decode("utf-8", "replace")
    assert answer.split(" ")[1] != "101", answer
    assert SECRET not in answer


def test_the_start_warns_of_each(injected: People) -> None:
    log = injected.server.log()
    for path in (
        "/api/2.0/mlflow/injected",
        "/plugin/<path:rest>",
        "/injected-native",
        "/injected-socket",
        "/injected-mount",
    ):
        assert any(path in line and "not listed" in line for line in log.splitlines()), path


def test_the_usual_operations_still_work(injected: People) -> None:
    assert injected.alice.api("GET", "2.0/mlflow/experiments/search", params={"max_results": 1}).status_code == 200
