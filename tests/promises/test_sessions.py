"""Promise: a session ends where it is ended, here or at Keycloak, and a page of another site can do nothing with it."""

from __future__ import annotations

import html
import re
import time
from datetime import UTC, datetime, timedelta

import pytest
import requests

from mlflow_oidc_auth.database.tables import sessions
from tests.people import SESSION_COOKIE, TIMEOUT, TOKENS, People
from tests.promises.wire import Wire, bearer
from tests.provider import Keycloak, KeycloakBrowser, LoginRefused
from tests.server import Servers

WHO = "ajax-api/2.0/mlflow/users/current"


def who(people: People, browser: requests.Session) -> str | int:
    """As whom a browser is logged in, or the status."""
    answer = browser.get(f"{people.server.url}/{WHO}", timeout=TIMEOUT)
    return str(answer.json()["user"]["username"]) if answer.ok else answer.status_code


@pytest.fixture
def heard(people: People, servers: Servers) -> People:
    """The shared server, which Keycloak tells of logouts."""
    servers.told_of_logouts(people.server)
    return people


@pytest.fixture(autouse=True)
def alone_at_keycloak(keycloak: Keycloak, people: People) -> None:
    """Sessions that other tests left at Keycloak end first, and so here."""
    for name in ("bob", "mallory"):
        keycloak.log_out(name)
    people.bob.__dict__.pop("browser", None)


def test_the_way_in_leads_to_the_address_first_asked_for(people: People) -> None:
    browser = KeycloakBrowser()
    browser.headers.update({"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "User-Agent": "Mozilla/5.0"})
    page = browser.get(f"{people.server.url}/get-artifact?run_id=x&path=a%20b", timeout=TIMEOUT)
    assert page.url.startswith(f"{people.server.url}/login?next=")
    assert "Log in with Keycloak" in page.text
    form = re.search(r'<form[^>]*action="([^"]*/login/start)"(.*?)</form>', page.text, re.DOTALL)
    assert form is not None, page.text
    wanted = re.search(r'name="next"[^>]*value="([^"]*)"', form[2])
    assert wanted is not None, page.text
    query = {"next": html.unescape(wanted[1])}
    start = requests.Request("GET", f"{people.server.host}{form[1]}", params=query).prepare().url
    assert start is not None
    landed = browser.login(start, "bob", "bob-pw")
    assert landed.url == f"{people.server.url}/get-artifact?run_id=x&path=a%20b"


def test_the_flow_uses_pkce_state_and_nonce(people: People) -> None:
    answer = requests.get(f"{people.server.url}/login/start", allow_redirects=False, timeout=TIMEOUT)
    query = dict(requests.compat.urlparse(answer.headers["Location"])._asdict())["query"]
    sent = dict(part.split("=", 1) for part in query.split("&"))
    assert sent["response_type"] == "code"
    assert sent["code_challenge_method"] == "S256"
    assert len(sent["code_challenge"]) == 43
    assert len(sent["state"]) >= 43
    assert len(sent["nonce"]) >= 43


def test_who_is_in_no_allowed_group_gets_a_clear_page_and_no_session(people: People) -> None:
    browser = KeycloakBrowser()
    page = browser.login(f"{people.server.url}/login/start", "mallory", "mallory-pw")
    assert page.status_code == 403
    assert "prokube users" in page.text
    assert "prokube admins" in page.text
    assert SESSION_COOKIE not in browser.cookies
    assert who(people, browser) == 401


def test_the_cookie_is_for_us_alone(people: People) -> None:
    browser = KeycloakBrowser()
    page = browser.login(f"{people.server.url}/login/start", "bob", "bob-pw")
    [callback] = [answer for answer in page.history if "/callback?" in answer.url]
    cookies = callback.raw.headers.getlist("Set-Cookie")
    [session] = [cookie for cookie in cookies if cookie.startswith(f"{SESSION_COOKIE}=")]
    attributes = {part.strip().split("=")[0].lower(): part.strip() for part in session.split(";")[1:]}
    assert attributes["path"] == f"Path={people.server.static_prefix}"
    assert "httponly" in attributes
    assert attributes["samesite"] == "SameSite=Lax"
    assert "secure" not in attributes, "this server is plain http"
    assert "domain" not in attributes
    assert len(session.split(";")[0].split("=", 1)[1]) >= 43, "fewer than 256 bits"
    [attempt] = [cookie for cookie in cookies if cookie.startswith(f"{SESSION_COOKIE}_login=")]
    assert "Max-Age=0" in attempt, "the attempt's cookie stays"


def test_a_login_gives_a_new_session(people: People) -> None:
    browser = KeycloakBrowser()
    browser.login(f"{people.server.url}/login/start", "bob", "bob-pw")
    first = browser.cookies[SESSION_COOKIE]
    browser.get(f"{people.server.url}/login/start", timeout=TIMEOUT)
    second = browser.cookies[SESSION_COOKIE]
    assert first != second
    assert who(people, browser) == people.bob.email
    old = requests.get(f"{people.server.url}/{WHO}", cookies={SESSION_COOKIE: first}, timeout=TIMEOUT)
    assert old.status_code == 401


def test_logout_here_ends_the_session_here_and_at_keycloak(heard: People, keycloak: Keycloak) -> None:
    browser = heard.bob.new_browser()
    cookie = browser.cookies[SESSION_COOKIE]
    assert who(heard, browser) == heard.bob.email
    page = browser.get(f"{heard.server.url}/logout", timeout=TIMEOUT)
    assert "You are logged out" in page.text
    assert keycloak.sessions("bob") == []
    stolen = requests.get(f"{heard.server.url}/{WHO}", cookies={SESSION_COOKIE: cookie}, timeout=TIMEOUT)
    assert stolen.status_code == 401
    assert "kc-form-login" in browser.get(f"{heard.server.url}/login/start", timeout=TIMEOUT).text


def test_keycloak_ends_a_session_from_its_side(heard: People, keycloak: Keycloak) -> None:
    browser = heard.bob.new_browser()
    assert who(heard, browser) == heard.bob.email
    keycloak.log_out("bob")
    assert who(heard, browser) == 401


def test_keycloak_ends_one_session_of_two(heard: People, keycloak: Keycloak) -> None:
    first = heard.bob.new_browser()
    [sid] = keycloak.sessions("bob")
    second = heard.bob.new_browser()
    keycloak.end_session(sid)
    assert who(heard, first) == 401
    assert who(heard, second) == heard.bob.email


def test_ending_a_session_leaves_the_access_key(heard: People, keycloak: Keycloak) -> None:
    heard.bob.key()
    keycloak.log_out("bob")
    assert heard.bob.api("GET", "2.0/mlflow/users/current").status_code == 200


def test_groups_change_at_the_next_login_and_reach_the_key_too(people: People, keycloak: Keycloak) -> None:
    bob = people.bob
    bob.key()
    assert bob.must("GET", "2.0/mlflow/users/current")["user"]["is_admin"] is False
    keycloak.add_to_group("bob", "/prokube admins")
    try:
        assert bob.must("GET", "2.0/mlflow/users/current")["user"]["is_admin"] is False
        bob.new_browser()
        assert bob.must("GET", "2.0/mlflow/users/current")["user"]["is_admin"] is True
    finally:
        keycloak.remove_from_group("bob", "/prokube admins")
    bob.new_browser()
    assert bob.must("GET", "2.0/mlflow/users/current")["user"]["is_admin"] is False


def test_who_left_every_allowed_group_loses_the_sessions_at_the_next_login(people: People, keycloak: Keycloak) -> None:
    """The key stays, for an admin to take away; it reaches what is granted to its person alone."""
    carol = people.carol
    carol.key()
    browser = carol.new_browser()
    keycloak.remove_from_group("carol", "/prokube users")
    try:
        page = KeycloakBrowser().login(f"{people.server.url}/login/start", "carol", "carol-pw")
        assert page.status_code == 403
        assert who(people, browser) == 401
        assert carol.must("GET", "2.0/mlflow/users/current")["user"]["is_admin"] is False
    finally:
        keycloak.add_to_group("carol", "/prokube users")
    carol.__dict__.pop("browser", None)


def test_who_is_disabled_at_keycloak_cannot_log_in(people: People, keycloak: Keycloak) -> None:
    keycloak.set_enabled("mallory", False)
    try:
        with pytest.raises(LoginRefused, match="disabled"):
            KeycloakBrowser().login(f"{people.server.url}/login/start", "mallory", "mallory-pw")
    finally:
        keycloak.set_enabled("mallory", True)


def test_who_is_disabled_here_loses_session_and_key_and_gets_no_new_session(people: People) -> None:
    dave = people.dave
    assert who(people, dave.browser) == 401
    assert dave.api("GET", "2.0/mlflow/users/current").status_code == 401
    page = KeycloakBrowser().login(f"{people.server.url}/login/start", "dave", "dave-pw")
    assert page.status_code == 403
    assert "disabled" in page.text


@pytest.mark.parametrize("column", ["expires_at", "last_seen_at"], ids=["too-old", "idle"])
def test_a_session_ends_by_itself(people: People, column: str) -> None:
    browser = people.bob.new_browser()
    assert who(people, browser) == people.bob.email
    with people.server.engine.begin() as connection:
        newest = connection.execute(sessions.select().order_by(sessions.c.id.desc())).first()
        assert newest is not None
        past = datetime.now(UTC) - (timedelta(seconds=1) if column == "expires_at" else timedelta(hours=1, seconds=1))
        connection.execute(sessions.update().where(sessions.c.id == newest.id).values({column: past}))
    assert who(people, browser) == 401


# Writes by cookie, from a page of ours or of another site.

EXPERIMENT = "ajax-api/2.0/mlflow/experiments/create"
FROM_ELSEWHERE = {
    "no-header-at-all": {},
    "another-site": {"Sec-Fetch-Site": "cross-site"},
    "another-host-of-the-site": {"Sec-Fetch-Site": "same-site"},
    "typed-in": {"Sec-Fetch-Site": "none"},
    "another-origin": {"Origin": "https://evil.example"},
    "null-origin": {"Origin": "null"},
    "another-port": {"Origin": "http://127.0.0.1:1"},
    "our-origin-in-a-name": {"Origin": "{origin}.evil.example"},
    "our-origin-but-cross-site": {"Origin": "{origin}", "Sec-Fetch-Site": "cross-site"},
    "a-referer-of-ours": {"Referer": "{origin}/mlflow/"},
}


@pytest.mark.parametrize("case", FROM_ELSEWHERE)
@pytest.mark.parametrize("path", [EXPERIMENT, TOKENS, "permissions/keys", "api/2.0/mlflow/experiments/create"])
def test_a_write_that_another_site_sends_is_refused(people: People, case: str, path: str) -> None:
    headers = {name: value.format(origin=people.server.host) for name, value in FROM_ELSEWHERE[case].items()}
    address = f"{people.server.url}/{path}"
    name = f"forged-{case}-{time.monotonic_ns()}"
    body = {"name": name, "expires_at": (datetime.now(UTC) + timedelta(days=7)).date().isoformat()}
    if path == "permissions/keys":
        answer = people.alice.browser.post(address, data=body, headers=headers, timeout=TIMEOUT)
    else:
        answer = people.alice.browser.post(address, json=body, headers=headers, timeout=TIMEOUT)
    assert answer.status_code == 403, f"{answer.status_code} {answer.text[:300]}"
    search = {"filter": f"name = '{name}'", "max_results": 1}
    assert people.root.must("POST", "2.0/mlflow/experiments/search", json=search).get("experiments", []) == []


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "same-origin"}, {"Origin": "{origin}"}], ids=["fetch", "origin"]
)
def test_the_control_a_write_of_our_own_page_passes(people: People, headers: dict[str, str]) -> None:
    sent = {name: value.format(origin=people.server.host) for name, value in headers.items()}
    body = {"name": f"ours-{time.monotonic_ns()}"}
    answer = people.alice.browser.post(f"{people.server.url}/{EXPERIMENT}", json=body, headers=sent, timeout=TIMEOUT)
    assert answer.status_code == 200, answer.text


def test_a_key_needs_no_such_header(people: People) -> None:
    body = {"name": f"program-{time.monotonic_ns()}"}
    assert people.bob.api("POST", "2.0/mlflow/experiments/create", json=body).status_code == 200


def test_a_header_beside_a_cookie_decides_alone(people: People) -> None:
    """A good cookie does not mend a bad key, and a good key is not undone by a bad cookie."""
    path = f"{people.server.static_prefix}/{WHO}"
    people.bob.key()
    cookie = {"Cookie": f"{SESSION_COOKIE}={people.bob.browser.cookies[SESSION_COOKIE]}"}
    wire = Wire(people.server)
    assert wire.ask("GET", path, {**cookie, **bearer("nonsense")}).status == 401
    assert wire.ask("GET", path, {"Cookie": f"{SESSION_COOKIE}=nonsense", **bearer(people.bob.key())}).status == 200
    both = wire.ask("GET", path, {**cookie, **bearer(people.carol.key())})
    assert people.carol.email in both.text
    assert people.bob.email not in both.text
