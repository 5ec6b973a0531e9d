"""Log out here and at the provider, and from there."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa

from mlflow_oidc_auth.database.tables import sessions as sessions_table
from tests.login.site import SESSION, Browser, Settings, Site
from tests.provider_faults import ABSENT, LOGOUT_EVENT, FaultyProvider


def test_logout_ends_the_session_here_and_goes_to_the_provider(
    site: Site, browser: Browser, provider: FaultyProvider
) -> None:
    browser.login()
    stolen = str(browser.cookie(SESSION))
    answer = browser.post("/mlflow/logout", Sec_Fetch_Site="same-origin")
    assert answer.status_code == 303
    address = urlsplit(answer.headers["Location"])
    query = {name: values[0] for name, values in parse_qs(address.query).items()}
    assert f"{address.scheme}://{address.netloc}{address.path}" == f"{provider.issuer}/logout"
    assert query["id_token_hint"].count(".") == 2
    assert query["client_id"] == "mlflow"
    assert query["post_logout_redirect_uri"] == "http://mlflow.example.test/mlflow/login?logged_out=1"
    assert browser.cookie(SESSION) is None
    assert site.open_sessions() == 0
    thief = site.browser()
    thief.set_cookie(SESSION, stolen)
    assert thief.who() == "nobody (unknown)"


def test_logout_ends_this_session_only(site: Site, browser: Browser) -> None:
    other = site.browser()
    browser.login()
    other.login()
    browser.get("/mlflow/logout")
    assert browser.who() == "nobody (malformed)"
    assert other.who().startswith("alice@example.test")


ASKED_BY_A_PERSON: dict[str, dict[str, str]] = {
    "a link on our page": {"Sec_Fetch_Site": "same-origin", "Sec_Fetch_Dest": "document"},
    "the address bar": {"Sec_Fetch_Site": "none", "Sec_Fetch_Dest": "document"},
    "a browser that does not tell": {},
}
ASKED_BY_SOMETHING_ELSE = {
    "a link on another site": {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Dest": "document"},
    "a link on a neighbour": {"Sec_Fetch_Site": "same-site", "Sec_Fetch_Dest": "document"},
    "a picture on another site": {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Dest": "image"},
    "a picture on our page": {"Sec_Fetch_Site": "same-origin", "Sec_Fetch_Dest": "image"},
    "a guess of the browser": {"Sec_Fetch_Site": "none", "Sec_Purpose": "prefetch;prerender"},
}


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("headers", ASKED_BY_A_PERSON.values(), ids=ASKED_BY_A_PERSON.keys())
def test_a_person_is_logged_out(site: Site, browser: Browser, headers: dict[str, str], method: str) -> None:
    browser.login()
    assert getattr(browser, method)("/mlflow/logout", **headers).status_code == 303
    assert site.open_sessions() == 0


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("headers", ASKED_BY_SOMETHING_ELSE.values(), ids=ASKED_BY_SOMETHING_ELSE.keys())
def test_anything_else_gets_a_page_that_asks(
    site: Site, browser: Browser, headers: dict[str, str], method: str
) -> None:
    browser.login()
    page = getattr(browser, method)("/mlflow/logout", **headers)
    assert page.status_code == 200
    assert '<form method="post" action="/mlflow/logout">' in page.text
    assert "Set-Cookie" not in page.headers
    assert browser.who().startswith("alice@example.test")


def test_looking_logs_nobody_out(site: Site, browser: Browser) -> None:
    browser.login()
    browser.client.head("/mlflow/logout", base_url=browser.host)
    assert site.open_sessions() == 1


def test_logout_works_while_the_provider_is_down(
    engine: sa.Engine, settings: Settings, site: Site, browser: Browser, provider: FaultyProvider
) -> None:
    browser.login()
    restarted = Site(engine, settings)
    late = restarted.browser()
    late.set_cookie(SESSION, str(browser.cookie(SESSION)))
    provider.faults.status = {"/.well-known/openid-configuration": 500}
    answer = late.get("/mlflow/logout")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/mlflow/login?logged_out=1")
    assert restarted.open_sessions() == 0


def test_logout_without_a_place_at_the_provider_ends_on_our_page(site: Site, provider: FaultyProvider) -> None:
    provider.faults.metadata = {"end_session_endpoint": ABSENT}
    browser = site.browser()
    browser.login()
    assert browser.get("/mlflow/logout").headers["Location"] == "/mlflow/login?logged_out=1"


def test_the_hint_is_stored_encrypted(site: Site, browser: Browser) -> None:
    browser.login()
    with site.engine.connect() as connection:
        sealed = connection.execute(sa.select(sessions_table.c.sealed_id_token)).scalar_one()
    assert sealed
    assert "eyJ" not in sealed


# Back-channel.


def _send(site: Site, token: str | None, **form: str) -> Any:
    data = form if token is None else {"logout_token": token} | form
    return site.browser().post("/mlflow/backchannel-logout", data=data)


def test_the_provider_ends_a_session(site: Site, browser: Browser, provider: FaultyProvider) -> None:
    browser.login()
    answer = _send(site, provider.logout_token())
    assert (answer.status_code, answer.data, answer.headers["Cache-Control"]) == (200, b"", "no-store")
    assert browser.who() == "nobody (unknown)"


def test_the_provider_ends_only_the_session_it_names(site: Site, browser: Browser, provider: FaultyProvider) -> None:
    browser.login()
    provider.person["sid"] = "another session of the same person"
    other = site.browser()
    other.login()
    assert _send(site, provider.logout_token({"sid": "another session of the same person"})).status_code == 200
    assert browser.who().startswith("alice@example.test")
    assert other.who() == "nobody (unknown)"


def test_a_subject_alone_ends_all_sessions_of_that_person(
    site: Site, browser: Browser, provider: FaultyProvider
) -> None:
    browser.login()
    site.browser().login()
    provider.person = {**provider.person, "sub": "bob-sub", "email": "bob@example.test"}
    bob = site.browser()
    bob.login()
    assert _send(site, provider.logout_token({"sub": "alice-sub", "sid": ABSENT})).status_code == 200
    assert site.open_sessions() == 1
    assert bob.who().startswith("bob@example.test")


def test_a_session_alone_is_enough(site: Site, browser: Browser, provider: FaultyProvider) -> None:
    browser.login()
    assert _send(site, provider.logout_token({"sub": ABSENT})).status_code == 200
    assert site.open_sessions() == 0


def test_session_and_subject_must_belong_together(site: Site, browser: Browser, provider: FaultyProvider) -> None:
    browser.login()
    assert _send(site, provider.logout_token({"sub": "bob-sub"})).status_code == 200
    assert browser.who().startswith("alice@example.test")


NOW = int(time.time())
LATER = 24 * 3600

BAD_TOKENS: dict[str, dict[str, Any]] = {
    "nonce": {"claims": {"nonce": "x"}},
    "nonce that is null": {"claims": {"nonce": None}},
    "no events": {"claims": {"events": ABSENT}},
    "another event": {"claims": {"events": {"http://schemas.example.test/other": {}}}},
    "event that is no object": {"claims": {"events": {LOGOUT_EVENT: True}}},
    "events as a list": {"claims": {"events": [LOGOUT_EVENT]}},
    "neither session nor subject": {"claims": {"sid": ABSENT, "sub": ABSENT}},
    "empty subject alone": {"claims": {"sid": ABSENT, "sub": ""}},
    "session that is null": {"claims": {"sid": None}},
    "session that is empty": {"claims": {"sid": ""}},
    "session that is a list": {"claims": {"sid": ["faulty-session-of-this-login"]}},
    "another issuer": {"claims": {"iss": "https://evil.example.test"}},
    "another audience": {"claims": {"aud": "other"}},
    "no audience": {"claims": {"aud": ABSENT}},
    "expired": {"claims": {"exp": NOW - 90}},
    "never expires": {"claims": {"exp": ABSENT}},
    "issued tomorrow": {"claims": {"iat": NOW + LATER, "exp": NOW + 2 * LATER}},
    "issued yesterday": {"claims": {"iat": NOW - LATER, "exp": NOW + LATER}},
    "no time of issue": {"claims": {"iat": ABSENT}},
    "no jti": {"claims": {"jti": ABSENT}},
    "empty jti": {"claims": {"jti": ""}},
    "jti that is a number": {"claims": {"jti": 7}},
    "typed as an id_token": {"header": {"typ": "JWT"}},
    "not typed": {"header": {"typ": ABSENT}},
    "key that nobody lists": {"header": {"kid": "unknown"}},
    "signed by a stranger": {"signer": "stranger"},
    "not signed": {"signer": "none"},
    "signed with the client secret": {"signer": "hs256 with the client secret"},
    "key set fails": {"status": {"/jwks": 500}},
}


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@pytest.mark.parametrize("wrong", BAD_TOKENS.values(), ids=BAD_TOKENS.keys())
def test_a_bad_logout_token_ends_nothing(
    engine: sa.Engine, settings: Settings, site: Site, browser: Browser, provider: FaultyProvider, wrong: dict[str, Any]
) -> None:
    browser.login()
    for name, value in wrong.items():
        setattr(provider.faults, name, value)
    answer = _send(Site(engine, settings), provider.logout_token())
    assert answer.status_code == 400
    assert answer.json == {"error": "invalid_request", "error_description": "The logout token was refused."}
    assert answer.headers["Cache-Control"] == "no-store"
    assert browser.who().startswith("alice@example.test")


@pytest.mark.parametrize("token", [None, "", "x", "a.b.c", "e30.e30.", "\u00e9.\u00e9.\u00e9", "A" * 300_000])
def test_what_is_no_token_ends_nothing_and_asks_the_provider_nothing(
    site: Site, browser: Browser, provider: FaultyProvider, token: str | None
) -> None:
    answer = _send(site, token)
    assert answer.status_code == 400
    assert answer.json is not None
    assert provider.log == []


def test_an_id_token_is_no_logout_token(site: Site, browser: Browser, provider: FaultyProvider) -> None:
    browser.login()
    provider.faults.claims = {"events": {LOGOUT_EVENT: {}}}
    assert _send(site, provider.id_token(None, "x")).status_code == 400
    assert site.open_sessions() == 1


def test_a_logout_token_is_heeded_once(site: Site, browser: Browser, provider: FaultyProvider) -> None:
    browser.login()
    token = provider.logout_token()
    assert _send(site, token).status_code == 200
    browser.login()
    assert _send(site, token).status_code == 400
    assert browser.who().startswith("alice@example.test")


def test_a_logout_token_is_remembered_as_long_as_it_would_be_taken(
    engine: sa.Engine, settings: Settings, provider: FaultyProvider
) -> None:
    at = [datetime.now(UTC)]
    site = Site(engine, settings, clock=lambda: at[0])
    token = provider.logout_token({"exp": int(time.time()) + LATER, "iat": int(time.time()) + 50})
    assert _send(site, token).status_code == 200
    for minutes in range(1, 15):
        at[0] = datetime.now(UTC) + timedelta(minutes=minutes)
        _send(site, provider.logout_token())  # sweeps
        assert _send(site, token).status_code == 400, minutes


def test_two_logout_tokens_at_once_are_both_heeded(site: Site, browser: Browser, provider: FaultyProvider) -> None:
    browser.login()
    assert _send(site, provider.logout_token()).status_code == 200
    assert _send(site, provider.logout_token()).status_code == 200


def test_two_tokens_in_one_form_are_refused(site: Site, browser: Browser, provider: FaultyProvider) -> None:
    browser.login()
    twice: Any = {"logout_token": [provider.logout_token(), provider.logout_token()]}
    assert _send(site, None, **twice).status_code == 400
    assert site.open_sessions() == 1
