"""Whatever is wrong with the provider's answers: no session, a clear page, the right status, nothing leaked."""

from __future__ import annotations

import dataclasses
import logging
import time
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa

from tests.login.site import SESSION, Browser, Settings, Site
from tests.provider_faults import ABSENT, CLIENT_SECRET, FaultyProvider

NOW = int(time.time())
LATER = 24 * 3600  # the moments below are far enough from now for a slow machine


@dataclass(frozen=True)
class Fault:
    """Something wrong with the way back from the provider."""

    faults: dict[str, Any] = field(default_factory=dict)
    logged: str = ""
    status: int = 400


def claim(logged: str, **claims: Any) -> Fault:
    return Fault({"claims": claims}, logged)


FAULTS = {
    # Whose token it is, and for whom.
    "issuer of another provider": claim("iss", iss="https://evil.example.test"),
    "no issuer": claim("iss", iss=ABSENT),
    "another audience": claim("aud", aud="other", azp=ABSENT),
    "another audience though azp is ours": claim("aud", aud="other"),
    "several other audiences though azp is ours": claim("aud", aud=["one", "two"]),
    "ours among several audiences, without azp": claim("azp", aud=["mlflow", "two"], azp=ABSENT),
    "ours among several audiences, azp another": claim("azp", aud=["mlflow", "two"], azp="two"),
    "azp another": claim("azp", azp="other"),
    "no audience": claim("aud", aud=ABSENT),
    "audience is a number": claim("aud", aud=7),
    "no subject": claim("sub", sub=ABSENT),
    "empty subject": claim("sub", sub=""),
    "subject is a number": claim("sub", sub=7),
    "subject is too long": claim("sub", sub="s" * 256),
    # Which login it is for.
    "no nonce": claim("nonce", nonce=ABSENT),
    "another nonce": claim("nonce", nonce="another"),
    "nonce is null": claim("nonce", nonce=None),
    "hash of another access token": claim("at_hash", at_hash="AAAAAAAAAAAAAAAAAAAAAA"),
    # When.
    "expired 90 seconds ago": claim("expired", exp=NOW - 90, iat=NOW - 300),
    "never expires": claim("exp", exp=ABSENT),
    "expires at no number": claim("exp", exp="tomorrow"),
    "expires at NaN": claim("exp", exp=float("nan")),
    "expires at true": claim("exp", exp=True),
    "issued tomorrow": claim("iat", iat=NOW + LATER, exp=NOW + 2 * LATER),
    "not valid before tomorrow": claim("nbf", nbf=NOW + LATER),
    "not issued at any time": claim("iat", iat=ABSENT),
    # How it is signed.
    "signed with a stranger's key": Fault({"signer": "stranger"}, "bad_signature"),
    "not signed at all": Fault({"signer": "none"}, "unsupported_algorithm"),
    "signed with the client secret": Fault({"signer": "hs256 with the client secret"}, "unsupported_algorithm"),
    "signed with the public key as a secret": Fault({"signer": "hs256 with the public key"}, "unsupported_algorithm"),
    "signed with an algorithm that was not announced": Fault({"header": {"alg": "RS512"}}, "unsupported_algorithm"),
    "key that nobody lists": Fault({"header": {"kid": "unknown"}}, "key that the provider does not list"),
    "typed as a logout token": Fault({"header": {"typ": "logout+jwt"}}, "another type"),
    "typed as a logout token, spelled in full": Fault({"header": {"typ": "application/logout+jwt"}}, "another type"),
    "typed as an access token": Fault({"header": {"typ": "at+jwt"}}, "another type"),
    "critical header that nobody knows": Fault({"header": {"crit": ["x"], "x": 1}}, "not accepted"),
    # What the token endpoint says.
    "no id_token": Fault({"token": {"id_token": ABSENT}}, "no id_token"),
    "id_token is null": Fault({"token": {"id_token": None}}, "no id_token"),
    "id_token is an object": Fault({"token": {"id_token": {"sub": "alice-sub"}}}, "no id_token"),
    "id_token is no token": Fault({"token": {"id_token": "ceci n'est pas"}}, "id_token"),
    "code is not taken": Fault({"status": {"/token": 400}, "body": {"/token": '{"error": "invalid_grant"}'}}, "code"),
    "client is not known": Fault(
        {"status": {"/token": 401}, "body": {"/token": '{"error": "invalid_client"}'}}, "invalid_client", 503
    ),
    "token endpoint fails": Fault({"status": {"/token": 500}}, "token endpoint", 503),
    "token endpoint redirects": Fault({"status": {"/token": 302}}, "token endpoint", 503),
    "token endpoint answers HTML": Fault({"body": {"/token": "<h1>hello</h1>"}}, "token endpoint", 503),
    "token endpoint answers a list": Fault({"body": {"/token": "[]"}}, "token endpoint", 503),
    "token endpoint is too slow": Fault({"slow": {"/token": 3.0}}, "token endpoint", 503),
    # What the key set says.
    "key set fails": Fault({"status": {"/jwks": 500}}, "/jwks", 503),
    "key set is no JSON": Fault({"body": {"/jwks": "nothing"}}, "/jwks", 503),
    "key set is empty": Fault({"keys": []}, "no usable key", 503),
    "key set holds rubbish": Fault({"keys": [{"kty": "RSA"}, "x", {"kty": "??"}]}, "no usable key", 503),
    "key set holds a secret": Fault(
        {"signer": "hs256 with the client secret", "keys": [{"kty": "oct", "k": "eA", "kid": "first"}]},
        "no usable key",
        503,
    ),
    # What the browser brings back.
    "callback names another issuer": Fault({"callback": {"iss": "https://evil.example.test"}}, "iss"),
    "callback names no issuer": Fault({"callback": {"iss": ABSENT}}, "iss"),
    "callback with another state": Fault({"callback": {"state": "A" * 43}}, "login attempt"),
    "callback without a state": Fault({"callback": {"state": ABSENT}}, "login attempt"),
    "callback with a state that is none": Fault({"callback": {"state": "\u00e9"}}, "login attempt"),
    "callback without a code": Fault({"callback": {"code": ABSENT}}, "neither a code"),
    "callback with another code": Fault({"callback": {"code": "0" * 32}}, "does not take the code"),
    "provider denies": Fault({"callback": {"code": ABSENT, "error": "access_denied"}}, "access_denied"),
    "provider has an outage": Fault(
        {"callback": {"code": ABSENT, "error": "temporarily_unavailable"}}, "temporarily_unavailable", 503
    ),
    "provider answers an error nobody knows": Fault(
        {"callback": {"code": ABSENT, "error": "<script>alert(1)</script>"}}, "malformed"
    ),
    "provider denies, and names another issuer": Fault(
        {"callback": {"code": ABSENT, "error": "access_denied", "iss": "https://evil.example.test"}}, "iss"
    ),
}


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)  # nothing of it reaches the database
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_on_the_way_back_opens_no_session(
    fault: Fault, site: Site, browser: Browser, provider: FaultyProvider, caplog: pytest.LogCaptureFixture
) -> None:
    provider.faults = dataclasses.replace(provider.faults, **fault.faults)
    with caplog.at_level(logging.INFO):
        answer = browser.login(wanted="/mlflow/#/experiments/7")
    assert answer.status_code == fault.status
    assert "Login did not succeed" in answer.text
    assert 'href="/mlflow/login?' in answer.text  # try again
    assert "<script>" not in answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert browser.cookie(SESSION) is None
    assert site.open_sessions() == 0
    assert browser.who() == "nobody (malformed)"
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("mlflow_oidc_auth")]
    assert any(fault.logged in line for line in ours), ours
    assert not any(CLIENT_SECRET in line or "eyJ" in line for line in ours)
    assert provider.asked("/elsewhere") == 0


def test_without_a_fault_the_same_login_opens_a_session(site: Site, browser: Browser) -> None:
    answer = browser.login(wanted="/mlflow/#/experiments/7")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/mlflow/#/experiments/7")
    assert browser.who().startswith("alice@example.test")
    assert site.open_sessions() == 1


@pytest.mark.parametrize("seconds", [50, -50], ids=["expired a moment ago", "issued in a moment"])
def test_clocks_may_differ_by_less_than_a_minute(browser: Browser, provider: FaultyProvider, seconds: int) -> None:
    now = int(time.time())
    provider.faults.claims = {"exp": now - seconds + (0 if seconds > 0 else 300), "iat": now - seconds - 1}
    assert browser.login().status_code == 303


METADATA = {
    "another issuer": {"metadata": {"issuer": "https://evil.example.test"}},
    "an issuer with a slash more": {"metadata": {"issuer": "SAME/"}},
    "no issuer": {"metadata": {"issuer": ABSENT}},
    "no token endpoint": {"metadata": {"token_endpoint": ABSENT}},
    "no key set": {"metadata": {"jwks_uri": ""}},
    "an authorization endpoint that is no address": {"metadata": {"authorization_endpoint": "javascript:alert(1)"}},
    "an authorization endpoint that is a script": {
        "metadata": {"authorization_endpoint": "javascript://id.example.test/%0aalert(1)"}
    },
    "only symmetric signatures": {"metadata": {"id_token_signing_alg_values_supported": ["HS256", "none"]}},
    "an error": {"status": {"/.well-known/openid-configuration": 500}},
    "a redirect": {"status": {"/.well-known/openid-configuration": 302}},
    "no JSON": {"body": {"/.well-known/openid-configuration": "<html>"}},
    "a list": {"body": {"/.well-known/openid-configuration": "[]"}},
    "nothing in time": {"slow": {"/.well-known/openid-configuration": 3.0}},
}


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@pytest.mark.parametrize("faults", METADATA.values(), ids=METADATA.keys())
def test_metadata_that_cannot_be_used_gives_a_503_page(
    faults: dict[str, Any], site: Site, browser: Browser, provider: FaultyProvider
) -> None:
    if faults.get("metadata", {}).get("issuer") == "SAME/":
        faults = {"metadata": {"issuer": f"{provider.issuer}/"}}
    provider.faults = dataclasses.replace(provider.faults, **faults)
    answer = browser.get("/mlflow/login/start")
    assert answer.status_code == 503
    assert "login service does not answer" in answer.text
    assert provider.asked("/elsewhere") == 0
    assert browser.get("/mlflow/login").status_code == 200


def test_a_configured_issuer_must_be_the_one_that_is_discovered(
    engine: sa.Engine, settings: Settings, provider: FaultyProvider
) -> None:
    other = Site(engine, settings.but(oidc_issuer="https://other.example.test")).browser()
    assert other.get("/mlflow/login/start").status_code == 503
    same = Site(engine, settings.but(oidc_issuer=provider.issuer)).browser()
    assert same.login().status_code == 303


def test_a_provider_that_is_down_is_asked_again_when_it_is_back(
    site: Site, browser: Browser, provider: FaultyProvider
) -> None:
    provider.faults.status = {"/.well-known/openid-configuration": 500}
    assert [browser.get("/mlflow/login/start").status_code for _ in range(5)] == [503] * 5
    assert provider.asked("/.well-known/openid-configuration") == 1  # a crowd does not hammer it
    provider.reset()
    time.sleep(2.1)
    assert browser.login().status_code == 303


def test_a_provider_that_goes_down_later_is_still_known(browser: Browser, provider: FaultyProvider) -> None:
    browser.start()
    provider.faults.status = {"/.well-known/openid-configuration": 500}
    assert browser.login().status_code == 303


def test_a_new_key_is_fetched_when_a_token_names_it(
    site: Site, browser: Browser, provider: FaultyProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert browser.login().status_code == 303
    provider.rotate("second")
    monkeypatch.setattr("mlflow_oidc_auth.login.keys._REFETCH_SECONDS", 0.0)
    assert site.browser().login().status_code == 303
    assert provider.asked("/jwks") == 2


def test_invented_key_ids_do_not_make_us_hammer_the_provider(site: Site, provider: FaultyProvider) -> None:
    for number in range(5):
        provider.faults.header = {"kid": f"invented-{number}"}
        assert site.browser().login().status_code == 400
    assert provider.asked("/jwks") == 1


def test_a_token_without_a_key_id_is_checked_with_the_only_signing_key(
    browser: Browser, provider: FaultyProvider
) -> None:
    provider.faults.header = {"kid": ABSENT}
    assert browser.login().status_code == 303


def test_a_provider_that_announces_no_issuer_in_callbacks_may_leave_it_out(
    browser: Browser, provider: FaultyProvider
) -> None:
    provider.faults.metadata = {"authorization_response_iss_parameter_supported": ABSENT}
    provider.faults.callback = {"iss": ABSENT}
    assert browser.login().status_code == 303


def test_a_provider_that_announces_no_issuer_in_callbacks_may_not_name_another(
    browser: Browser, provider: FaultyProvider
) -> None:
    provider.faults.metadata = {"authorization_response_iss_parameter_supported": ABSENT}
    provider.faults.callback = {"iss": "https://evil.example.test"}
    assert browser.login().status_code == 400


@pytest.mark.parametrize("name", ["code", "state", "iss"])
def test_a_callback_with_a_parameter_twice_is_refused(site: Site, browser: Browser, name: str) -> None:
    callback = browser.to_callback()
    answer = browser.follow(f"{callback}&{name}=another")
    assert answer.status_code == 400
    assert site.open_sessions() == 0
