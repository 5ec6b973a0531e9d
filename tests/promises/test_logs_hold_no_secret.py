"""Promise: no key, cookie, code, password or setting that is secret is ever written to the log, at any level."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import requests
import sqlalchemy as sa

from tests.databases import PostgresMissing
from tests.people import OUR_PAGE, SESSION_COOKIE, TIMEOUT, People
from tests.promises.wire import Wire, basic, bearer
from tests.provider import KeycloakBrowser
from tests.server import Servers

DATABASE_PASSWORD = "the-database-password"
BODY_SECRET = "what-somebody-wrote-into-a-body"


@pytest.fixture(scope="module")
def talkative(servers: Servers) -> Iterator[People]:
    """Everybody, on a server that logs all it can, with a password in its database's address."""
    try:
        url = sa.make_url(servers.databases.of_mlflow("postgresql")).set(password=DATABASE_PASSWORD)
        database = url.render_as_string(hide_password=False)
    except PostgresMissing:
        database = servers.databases.of_mlflow("sqlite")
    environment = {"LOG_LEVEL": "DEBUG", "MLFLOW_LOGGING_LEVEL": "DEBUG"}
    server = servers.start(database=database, environment=environment)
    server.secrets.add(DATABASE_PASSWORD)
    yield People(server, servers.keycloak)
    servers.stop(server)


def test_a_life_full_of_secrets_leaves_none_in_the_log(talkative: People) -> None:
    people, url, wire = talkative, talkative.server.url, Wire(talkative.server)
    prefix, alice = people.server.static_prefix, people.alice
    secrets: set[str] = {BODY_SECRET, "alice-pw", "wrong-password-at-keycloak"}

    browser = KeycloakBrowser()
    page = browser.login(f"{url}/login/start", "alice", "alice-pw")
    for answer in (*page.history, page):
        secrets.update(re.findall(r"[?&](?:code|state|session_state|nonce|code_challenge)=([^&#]+)", answer.url))
        secrets.update(re.findall(r"[?&](?:code|state|nonce)=([^&#]+)", answer.headers.get("Location", "")))
    secrets.update(value for name, value in browser.cookies.items() if name.startswith(SESSION_COOKIE))

    old, key = alice.new_key(), alice.new_key()
    secrets |= {old, key, old.split("_")[2], key.split("_")[2]}
    path = f"{prefix}/api/2.0/mlflow/experiments/search?max_results=1"
    for headers in (
        basic(alice.email, old),
        basic(alice.email, f"{key}x"),
        basic("nobody", key),
        bearer(old),
        bearer("a-bearer-of-another-make-" + "x" * 40),
        {"Authorization": f"Basic {key}"},
        {"Authorization": f"Weird {key}"},
        {"Cookie": f"{SESSION_COOKIE}={'b' * 43}"},
        {"Cookie": f"{SESSION_COOKIE}={key}"},
    ):
        assert wire.ask("GET", path, headers).status == 401
    secrets |= {"a-bearer-of-another-make-" + "x" * 40, "b" * 43}
    # In the address, where keys do not belong but where people put them.
    wire.ask("GET", f"{prefix}/version?key={key}", basic(alice.email, key))
    wire.ask("GET", f"{prefix}/callback?code=a-code-nobody-gave&state=a-state-nobody-gave", {})
    secrets |= {"a-code-nobody-gave", "a-state-nobody-gave"}
    # Bodies that fail, in all the ways a body can.
    for body in (
        f'{{"name": "{BODY_SECRET}"',
        f'{{"nme": ["{BODY_SECRET}"]}}',
        f'{{"experiment_id": "7", "value": "{BODY_SECRET}"}}',
    ):
        headers = {**basic(alice.email, key), "Content-Type": "application/json"}
        wire.ask("POST", f"{prefix}/api/2.0/mlflow/experiments/create", headers, body.encode())
        wire.ask("POST", f"{prefix}/api/2.0/mlflow/experiments/set-experiment-tag", headers, body.encode())
    form = {"logout_token": "eyJhbGciOiJSUzI1NiJ9.a-logout-token.x"}
    requests.post(f"{url}/backchannel-logout", data=form, timeout=TIMEOUT)
    secrets.add("a-logout-token")
    revoked = browser.delete(
        f"{url}/ajax-api/2.0/mlflow/users/current/tokens/{key.split('_')[1]}", headers=OUR_PAGE, timeout=TIMEOUT
    )
    assert revoked.status_code == 200
    browser.get(f"{url}/logout", timeout=TIMEOUT)
    people.keycloak.log_out("alice")

    log = people.server.log()
    assert "401" in log, "the log holds nothing: this test proves nothing"
    leaked = people.server.leaked(secrets)
    assert leaked == [], [line[:300] for line in log.splitlines() if any(secret in line for secret in leaked)]
    assert people.server.tracebacks() == []
