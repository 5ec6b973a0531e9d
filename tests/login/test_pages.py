"""The login page, where it leads, and the cookies it leaves."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa

from mlflow_oidc_auth.accounts.users import LoginProfile, User, UserStore
from tests.login.site import ATTEMPT, SESSION, Browser, Settings, Site
from tests.provider_faults import FaultyProvider

ELSEWHERE = {
    "another site": "https://evil.example.test/",
    "another site without a scheme": "//evil.example.test/",
    "another site behind three slashes": "///evil.example.test/",
    "another site behind a backslash": "/\\evil.example.test/",
    "a backslash under the prefix": "/mlflow/\\..\\..\\evil",
    "a script": "javascript:alert(1)",
    "a relative path": "mlflow/",
    "outside the prefix": "/other/",
    "a longer name than the prefix": "/mlflowx/",
    "up and out": "/mlflow/../other",
    "up and out, escaped": "/mlflow/%2e%2E/other",
    "a line break": "/mlflow/\r\nSet-Cookie: a=b",
    "a tab between the slashes": "/\t/evil.example.test",
    "a NUL": "/mlflow/\x00",
    "a space": "/mlflow/ x",
    "too long": f"/mlflow/{'a' * 3000}",
    "the logout": "/mlflow/logout",
    "the login": "/mlflow/login?next=/mlflow/login",
    "nothing": "",
}


@pytest.mark.parametrize("wanted", ELSEWHERE.values(), ids=ELSEWHERE.keys())
def test_a_login_never_leads_elsewhere(site: Site, browser: Browser, wanted: str) -> None:
    assert browser.login(wanted).headers["Location"] == "/mlflow/"
    answer = browser.client.get("/mlflow/login", base_url=browser.host, query_string={"next": wanted})
    assert answer.headers["Location"] == "/mlflow/"  # logged in by now: straight on


@pytest.mark.parametrize(
    "wanted", ["/mlflow", "/mlflow/", "/mlflow/#/experiments/1?a=b", "/mlflow/permissions?x=//y", "/mlflow/a%20b"]
)
def test_a_login_leads_where_somebody_wanted_to_go(browser: Browser, wanted: str) -> None:
    assert browser.login(wanted).headers["Location"] == wanted


def test_the_login_page_has_one_button_that_keeps_the_way(browser: Browser) -> None:
    page = browser.get("/mlflow/login?next=/mlflow/%23/models/%22x")
    assert page.status_code == 200
    assert "Log in with Keycloak</button>" in page.text
    assert 'action="/mlflow/login/start"' in page.text
    assert 'value="/mlflow/#/models/&#34;x"' in page.text
    assert page.headers["Cache-Control"] == "no-store"


def test_chromium_may_follow_the_button_to_the_provider(browser: Browser, provider: FaultyProvider) -> None:
    policy = browser.get("/mlflow/login").headers["Content-Security-Policy"]
    origin = provider.issuer.removesuffix("/realms/faulty")
    assert f"form-action 'self' https: {origin};" in policy
    assert policy.startswith("default-src 'none';")


@pytest.mark.parametrize("prefix", ["", "/mlflow", "/deep/er"], ids=["no prefix", "prefix", "prefix of two parts"])
def test_everything_stays_under_the_prefix(
    engine: sa.Engine, settings: Settings, provider: FaultyProvider, prefix: str
) -> None:
    site = Site(engine, settings, prefix=prefix)
    browser = site.browser()
    callback = browser.to_callback(f"{prefix}/#/x")
    assert callback.startswith(f"http://mlflow.example.test{prefix}/callback?")
    answer = browser.follow(callback)
    assert answer.headers["Location"] == f"{prefix}/#/x"
    set_cookie = next(line for line in answer.headers.getlist("Set-Cookie") if line.startswith(f"{SESSION}="))
    assert f"Path={prefix or '/'}" in set_cookie.split("; ")
    assert browser.who().startswith("alice@example.test")
    assert browser.get(f"{prefix}/logout").status_code == 303
    assert browser.cookie(SESSION) is None


def _cookie_line(answer: Any, name: str) -> list[str]:
    lines: list[str] = answer.headers.getlist("Set-Cookie")
    return next(line for line in lines if line.startswith(f"{name}=")).split("; ")


@pytest.mark.parametrize(
    ("scheme", "redirect_uri", "secure"),
    [
        ("http", None, False),
        ("https", None, True),
        ("http", "https://mlflow.example.test/mlflow/callback", True),
    ],
    ids=["http", "https", "https in front, http here"],
)
def test_cookies_are_out_of_reach(
    engine: sa.Engine,
    settings: Settings,
    provider: FaultyProvider,
    scheme: str,
    redirect_uri: str | None,
    secure: bool,
) -> None:
    site = Site(engine, settings.but(oidc_redirect_uri=redirect_uri))
    browser = Browser(site, f"{scheme}://mlflow.example.test")
    start = browser.get("/mlflow/login/start")
    for line in (_cookie_line(start, ATTEMPT),):
        assert {"HttpOnly", "SameSite=Lax", "Path=/mlflow", "Max-Age=600"} <= set(line)
        assert ("Secure" in line) is secure
    query = parse_qs(urlsplit(start.headers["Location"]).query)
    assert query["redirect_uri"] == [redirect_uri or f"{scheme}://mlflow.example.test/mlflow/callback"]
    browser.host = f"{'https' if secure else 'http'}://mlflow.example.test"  # a Secure cookie needs https to come back
    answer = browser.login()
    line = _cookie_line(answer, SESSION)
    assert {"HttpOnly", "SameSite=Lax", "Path=/mlflow", f"Max-Age={12 * 3600}"} <= set(line)
    assert ("Secure" in line) is secure


def test_the_redirect_goes_on_by_itself_where_configured(
    engine: sa.Engine, settings: Settings, provider: FaultyProvider
) -> None:
    browser = Site(engine, settings.but(automatic_login_redirect=True)).browser()
    answer = browser.get("/mlflow/login?next=/mlflow/%23/x")
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/mlflow/login/start?next=/mlflow/%23/x"
    after_logout = browser.get("/mlflow/login?logged_out=1")
    assert after_logout.status_code == 200
    assert "You are logged out." in after_logout.text


def test_a_failed_login_does_not_start_again_by_itself(
    engine: sa.Engine, settings: Settings, provider: FaultyProvider
) -> None:
    browser = Site(engine, settings.but(automatic_login_redirect=True)).browser()
    provider.faults.claims = {"nonce": "another"}
    page = browser.login()
    retry = page.text.split('href="')[1].split('"')[0].replace("&amp;", "&")
    assert browser.get(retry).status_code == 200


def test_a_login_gets_a_new_session_and_ends_the_old_one(site: Site, browser: Browser) -> None:
    browser.login()
    first = browser.cookie(SESSION)
    browser.login()
    second = browser.cookie(SESSION)
    assert first != second
    assert site.open_sessions() == 1
    thief = site.browser()
    thief.set_cookie(SESSION, str(first))
    assert thief.who() == "nobody (unknown)"


def test_a_session_id_that_somebody_planted_is_never_taken_over(site: Site, browser: Browser) -> None:
    browser.set_cookie(SESSION, "A" * 43)
    browser.login()
    assert browser.cookie(SESSION) != "A" * 43
    planter = site.browser()
    planter.set_cookie(SESSION, "A" * 43)
    assert planter.who() == "nobody (unknown)"


def test_somebody_disabled_gets_a_page_and_no_session(site: Site, browser: Browser) -> None:
    browser.login()
    alice = site.users.by_username("alice@example.test")
    assert alice is not None
    site.users.disable(alice.id, site.clock())
    assert browser.who() == "nobody (unknown)"
    answer = browser.login()
    assert answer.status_code == 403
    assert "is disabled" in answer.text
    assert site.open_sessions() == 0


def test_somebody_disabled_between_the_two_steps_of_a_login_gets_the_same_page(
    site: Site, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_login = UserStore.record_login

    def and_disabled(users: UserStore, profile: LoginProfile, now: datetime) -> User:
        user = record_login(users, profile, now)
        users.disable(user.id, now)
        return user

    monkeypatch.setattr(UserStore, "record_login", and_disabled)
    answer = browser.login()
    assert (answer.status_code, "is disabled" in answer.text) == (403, True)
    assert site.open_sessions() == 0


def test_an_email_of_somebody_else_gets_a_page_and_no_session(
    site: Site, browser: Browser, provider: FaultyProvider
) -> None:
    browser.login()
    stranger = site.browser()
    provider.person |= {"sub": "stranger-sub", "email": "ALICE@example.test"}
    answer = stranger.login()
    assert answer.status_code == 403
    assert "belongs to another account" in answer.text
    assert stranger.cookie(SESSION) is None
    assert site.open_sessions() == 1


def test_who_fell_out_of_the_groups_loses_what_earlier_logins_gave(
    site: Site, browser: Browser, provider: FaultyProvider
) -> None:
    provider.person["groups"] = ["/prokube admins"]
    browser.login()
    assert "admin=True" in browser.who()
    provider.person["groups"] = ["/other"]
    assert site.browser().login().status_code == 403
    assert browser.who() == "nobody (unknown)"
    alice = site.users.by_username("alice@example.test")
    assert alice is not None
    assert not alice.is_admin


def test_names_from_the_provider_are_shown_as_text(
    engine: sa.Engine, settings: Settings, provider: FaultyProvider
) -> None:
    site = Site(engine, settings.but(oidc_provider_display_name="<b>", oidc_group_name=("<script>",)))
    browser = site.browser()
    assert "<b>" not in browser.get("/mlflow/login").text
    assert "&lt;script&gt;" in browser.login().text


def test_a_session_that_somebody_planted_ends_at_the_next_login(site: Site, browser: Browser) -> None:
    other = site.browser()
    other.login()
    planted = other.cookie()
    assert planted is not None
    browser.client.set_cookie(SESSION, planted, domain="mlflow.example.test", path="/")
    browser.login()
    assert site.open_sessions() == 1
