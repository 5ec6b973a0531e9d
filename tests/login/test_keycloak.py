"""The login pages with a real Keycloak, from the button to the logout that comes from there."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from mlflow_oidc_auth.database.tables import sessions as sessions_table
from tests.login.site import SESSION, Settings, Site
from tests.provider import CLIENT_SECRET, PEOPLE, Keycloak, KeycloakBrowser, LoginRefused


@pytest.fixture
def site(engine: sa.Engine, keycloak: Keycloak) -> Site:
    """Our pages, registered with Keycloak as a server would be."""
    return Site(
        engine,
        Settings(
            oidc_discovery_url=keycloak.discovery_url,
            oidc_client_secret=SecretStr(CLIENT_SECRET),
            oidc_http_timeout_seconds=10.0,
        ),
    )


@pytest.fixture
def base(site: Site, keycloak: Keycloak) -> Iterator[str]:
    """The address of our pages, which Keycloak knows."""
    with site.served() as address:
        keycloak.register(address)
        for person in PEOPLE:
            keycloak.log_out(person)
        yield address


def _login(base: str, person: str, wanted: str = "/mlflow/") -> tuple[KeycloakBrowser, str]:
    browser = KeycloakBrowser()
    page = browser.login(f"{base}/login/start?next={wanted}", person, f"{person}-pw")
    return browser, page.text


def _who(browser: KeycloakBrowser, base: str) -> str:
    return browser.get(f"{base}/", timeout=10).text


def test_a_person_logs_in_and_lands_where_they_wanted(base: str) -> None:
    _, page = _login(base, "alice", "/mlflow/some/page")
    assert page == "alice@example.test admin=False groups=1 at=some/page"


def test_who_is_in_the_admins_group_is_an_admin(base: str) -> None:
    assert _login(base, "root")[1] == "root@example.test admin=True groups=1 at="


def test_who_is_in_no_allowed_group_gets_a_page_and_no_session(base: str, site: Site) -> None:
    browser, page = _login(base, "mallory")
    assert "You may not use this MLflow server" in page
    assert "<li>prokube users</li>" in page
    assert "<li>prokube admins</li>" in page
    assert SESSION not in browser.cookies
    assert site.open_sessions() == 0


def test_a_wrong_password_gets_nobody_in(base: str, site: Site) -> None:
    with pytest.raises(LoginRefused, match="Invalid username or password"):
        KeycloakBrowser().login(f"{base}/login/start", "alice", "wrong")
    assert site.open_sessions() == 0


def test_who_stops_at_keycloak_can_try_again(base: str) -> None:
    """Keycloak answers `prompt=none` without its own session as it does any refusal: on our callback."""
    browser = KeycloakBrowser()
    start = browser.get(f"{base}/login/start", allow_redirects=False, timeout=10)
    page = browser.get(f"{start.headers['Location']}&prompt=none", timeout=10)
    assert page.status_code == 400
    assert "Try again" in page.text


def test_logout_ends_the_session_at_keycloak_too(base: str, site: Site, keycloak: Keycloak) -> None:
    browser, _ = _login(base, "alice")
    assert len(keycloak.sessions("alice")) == 1
    page = browser.get(f"{base}/logout", timeout=10)
    assert page.url == f"{base}/login?logged_out=1"
    assert "You are logged out." in page.text
    assert keycloak.sessions("alice") == []
    assert site.open_sessions() == 0
    again = browser.get(f"{base}/login/start", timeout=10)
    assert "kc-form-login" in again.text  # the password is asked for


def test_keycloak_ends_a_session_from_its_side(base: str, site: Site, keycloak: Keycloak) -> None:
    alice, _ = _login(base, "alice")
    bob, _ = _login(base, "bob")
    [sid] = keycloak.sessions("alice")
    keycloak.end_session(sid)
    assert _who(alice, base) == "nobody (unknown)"
    assert _who(bob, base).startswith("bob@example.test")
    keycloak.log_out("bob")
    assert _who(bob, base) == "nobody (unknown)"


def test_a_login_works_after_keycloak_rotated_its_keys(
    base: str, keycloak: Keycloak, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _login(base, "alice")[1].startswith("alice@example.test")
    monkeypatch.setattr("mlflow_oidc_auth.login.keys._REFETCH_SECONDS", 0.0)
    added = keycloak.rotate_keys()
    try:
        browser, page = _login(base, "bob")
        assert page.startswith("bob@example.test")
        keycloak.log_out("bob")  # signed with the new key as well
        assert _who(browser, base) == "nobody (unknown)"
    finally:
        keycloak.remove_keys(added)


def test_who_is_disabled_at_keycloak_cannot_log_in(base: str, site: Site, keycloak: Keycloak) -> None:
    keycloak.set_enabled("dave", False)
    try:
        with pytest.raises(LoginRefused, match="disabled"):
            _login(base, "dave")
    finally:
        keycloak.set_enabled("dave", True)
    assert site.open_sessions() == 0


def test_groups_are_what_keycloak_says_at_each_login(base: str, site: Site, keycloak: Keycloak) -> None:
    assert "groups=1" in _login(base, "carol")[1]
    keycloak.add_to_group("carol", "/prokube users/team a")
    try:
        assert "admin=False groups=2" in _login(base, "carol")[1]
    finally:
        keycloak.remove_from_group("carol", "/prokube users/team a")
    keycloak.add_to_group("carol", "/prokube admins")
    try:
        assert "admin=True groups=2" in _login(base, "carol")[1]
    finally:
        keycloak.remove_from_group("carol", "/prokube admins")
    browser, page = _login(base, "carol")
    assert "admin=False groups=1" in page
    keycloak.remove_from_group("carol", "/prokube users")
    try:
        assert "You may not use this MLflow server" in _login(base, "carol")[1]
        assert _who(browser, base) == "nobody (unknown)"
    finally:
        keycloak.add_to_group("carol", "/prokube users")


def test_the_session_remembers_the_sid_that_keycloak_will_name(base: str, site: Site, keycloak: Keycloak) -> None:
    _login(base, "alice")
    with site.engine.connect() as connection:
        stored = connection.execute(sa.select(sessions_table.c.provider_sid)).scalars().all()
    assert set(stored) <= set(keycloak.sessions("alice"))
    assert stored


def test_a_callback_is_not_taken_twice_nor_by_another_browser(base: str, site: Site) -> None:
    browser = KeycloakBrowser()
    browser.login(f"{base}/login/start", "alice", "alice-pw")
    start = browser.get(f"{base}/login/start", allow_redirects=False, timeout=10)
    callback = browser.get(start.headers["Location"], allow_redirects=False, timeout=10).headers["Location"]
    assert re.search(r"[?&]iss=http", callback)
    assert KeycloakBrowser().get(callback, timeout=10).status_code == 400
    assert browser.get(callback, timeout=10).status_code == 200
    assert browser.get(callback, timeout=10).status_code == 400


def test_a_login_is_quick(base: str) -> None:
    began = time.monotonic()
    _login(base, "alice")
    assert time.monotonic() - began < 10
