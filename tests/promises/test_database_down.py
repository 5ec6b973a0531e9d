"""Promise: while the database is down nobody gets in, everybody is told 503, and it heals by itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.databases import Databases, PostgresMissing
from tests.people import OUR_PAGE, TIMEOUT, People
from tests.provider import Keycloak
from tests.server import Servers


@pytest.fixture(scope="module")
def plugged(keycloak: Keycloak) -> Iterator[tuple[People, Databases]]:
    """Everybody, on a server whose PostgreSQL nobody else uses."""
    own = Databases()
    servers = Servers(keycloak, own)
    try:
        server = servers.start(backend="postgresql")
    except PostgresMissing as missing:
        own.close()
        pytest.skip(f"PROMISE UNTESTED: 503 while the database is down ({missing})")
    yield People(server, keycloak), own
    servers.close()
    own.close()


def test_the_database_goes_and_comes_back(plugged: tuple[People, Databases]) -> None:
    people, databases = plugged
    alice, url = people.alice, people.server.url
    listing: dict[str, Any] = {"params": {"max_results": 1}, "auth": (alice.email, alice.key())}
    assert alice.api("GET", "2.0/mlflow/experiments/search", **listing).status_code == 200
    cookies = dict(alice.browser.cookies)
    databases.stop_postgres()
    try:
        by_key = alice.api("GET", "2.0/mlflow/experiments/search", **listing)
        assert by_key.status_code == 503, by_key.text
        assert by_key.json()["error_code"] == "TEMPORARILY_UNAVAILABLE"
        assert by_key.headers["Retry-After"]
        assert "psycopg" not in by_key.text
        assert "SELECT" not in by_key.text
        by_session = requests.get(
            f"{url}/ajax-api/2.0/mlflow/users/current", cookies=cookies, headers=OUR_PAGE, timeout=TIMEOUT
        )
        assert by_session.status_code == 503
        nobody = requests.get(f"{url}/api/2.0/mlflow/experiments/search", timeout=TIMEOUT)
        assert nobody.status_code == 401, "who shows nothing needs no database to be refused"
        page = requests.get(f"{url}/", cookies=cookies, headers={"Accept": "text/html"}, timeout=TIMEOUT)
        assert page.status_code == 503
        assert "text/html" in page.headers["Content-Type"]
        login = requests.get(f"{url}/login/start", timeout=TIMEOUT, allow_redirects=False)
        assert login.status_code == 503
        assert requests.get(f"{url}/health/ready", timeout=TIMEOUT).status_code == 503
        assert requests.get(f"{url}/health/live", timeout=TIMEOUT).status_code == 200
    finally:
        databases.start_postgres()
    until = time.monotonic() + 20
    while (healed := alice.api("GET", "2.0/mlflow/experiments/search", **listing)).status_code != 200:
        assert time.monotonic() < until, healed.text
        time.sleep(0.2)
    assert requests.get(f"{url}/health/ready", timeout=TIMEOUT).status_code == 200
    assert people.server.leaked() == []
