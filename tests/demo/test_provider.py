"""The demo's login service logs people in to our own login pages, and to nobody else's."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

import pytest
import requests
import sqlalchemy as sa
from pydantic import SecretStr

from mlflow_oidc_auth.demo.issuing import Client
from mlflow_oidc_auth.demo.people import ALICE
from mlflow_oidc_auth.demo.provider import DemoProvider
from mlflow_oidc_auth.errors import StartRefused
from tests.databases import Backend
from tests.login.site import PREFIX, Settings, Site
from tests.provider import free_port

SECRET = "the secret of the demo's client"


@dataclasses.dataclass(frozen=True)
class Place:
    """Our login pages, their address, and the login service before them."""

    site: Site
    base: str
    provider: DemoProvider


@pytest.fixture
def backend() -> Backend:
    """The demo keeps its data in SQLite."""
    return "sqlite"


@pytest.fixture
def place(engine: sa.Engine) -> Iterator[Place]:
    port = free_port()
    client = Client("demo", SECRET, (f"http://127.0.0.1:{port}{PREFIX}", f"http://localhost:{port}{PREFIX}"))
    with DemoProvider("127.0.0.1", 0, client) as provider:
        settings = Settings(
            oidc_discovery_url=provider.discovery_url,
            oidc_client_id=client.client_id,
            oidc_client_secret=SecretStr(SECRET),
            oidc_provider_display_name="the demo login service",
        )
        site = Site(engine, settings)
        with site.served(port) as base:
            yield Place(site, base, provider)


@pytest.fixture
def browser() -> requests.Session:
    return requests.Session()


def log_in(browser: requests.Session, place: Place, **form: str) -> requests.Response:
    """Press the button of our login page, then fill in the demo's form."""
    page = browser.get(f"{place.base}/login/start", timeout=10)
    action = re.search(r'action="([^"]+)"', page.text)
    assert action is not None, page.text
    return browser.post(f"{place.provider.issuer}{action.group(1).replace('&amp;', '&')}", data=form, timeout=10)


@pytest.mark.parametrize(("person", "is_admin"), [("alice", False), ("bob", False), ("root", True)])
def test_one_click_on_a_name_logs_in(place: Place, browser: requests.Session, person: str, is_admin: bool) -> None:
    page = log_in(browser, place, person=person)
    assert page.text.startswith(f"{person}@example.test admin={is_admin} groups=1")


def test_a_name_with_its_password_logs_in_and_another_password_does_not(
    place: Place, browser: requests.Session
) -> None:
    refused = log_in(browser, place, username="alice", password="bob-pw")
    assert refused.status_code == 401
    assert "Wrong name or password" in refused.text
    assert place.site.open_sessions() == 0
    assert log_in(browser, place, username="alice", password="alice-pw").text.startswith("alice@example.test")


def test_whoever_is_logged_in_at_the_login_service_is_not_asked_again(place: Place, browser: requests.Session) -> None:
    log_in(browser, place, person="bob")
    browser.cookies.clear(domain="127.0.0.1", path=PREFIX)
    assert browser.get(f"{place.base}/login/start", timeout=10).text.startswith("bob@example.test")


def test_logging_out_of_mlflow_ends_the_session_at_the_login_service_too(
    place: Place, browser: requests.Session
) -> None:
    log_in(browser, place, person="bob")
    page = browser.get(f"{place.base}/logout", timeout=10)
    assert page.url == f"{place.base}/login?logged_out=1"
    assert place.site.open_sessions() == 0
    assert "Who are you today?" in browser.get(f"{place.base}/login/start", timeout=10).text


def test_ending_a_session_at_the_login_service_ends_it_in_mlflow(place: Place, browser: requests.Session) -> None:
    log_in(browser, place, person="alice")
    page = browser.get(place.provider.issuer, timeout=10).text
    sid = re.search(r'name="sid" value="([^"]+)"', page)
    assert sid is not None, page
    browser.post(f"{place.provider.issuer}/sessions/end", data={"sid": sid.group(1)}, timeout=10)
    assert place.site.open_sessions() == 0
    assert browser.get(f"{place.base}/", timeout=10).text.startswith("nobody")


@dataclasses.dataclass(frozen=True)
class Asked:
    """One request for a code, right unless a test changes it."""

    client_id: str = "demo"
    scope: str = "openid"
    code_challenge: str = "LSb5JlPSmmyWpbT46Tkr_nFXU_qzGuFjcHrVPZHIN6w"
    code_challenge_method: str = "S256"
    response_type: str = "code"
    redirect_uri: str = ""

    def send(self, place: Place) -> requests.Response:
        query = dataclasses.asdict(self) | {"redirect_uri": self.redirect_uri or f"{place.base}/callback"}
        address = f"{place.provider.issuer}/authorize"
        return requests.post(address, params=query, data={"person": "alice"}, allow_redirects=False, timeout=10)


def test_a_request_as_it_should_be_gets_a_code(place: Place) -> None:
    answer = Asked().send(place)
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith(f"{place.base}/callback?code=")


@pytest.mark.parametrize(
    "asked",
    [
        Asked(client_id="other"),
        Asked(redirect_uri="http://elsewhere.example.test/mlflow/callback"),
    ],
    ids=["another client", "another address"],
)
def test_a_request_for_somebody_else_gets_no_redirect(place: Place, asked: Asked) -> None:
    assert asked.send(place).status_code == 400


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        (Asked(code_challenge_method="plain"), "invalid_request"),
        (Asked(code_challenge=""), "invalid_request"),
        (Asked(scope="email"), "invalid_scope"),
        (Asked(response_type="token"), "unsupported_response_type"),
    ],
    ids=["plain PKCE", "no PKCE", "no openid scope", "implicit flow"],
)
def test_a_request_that_is_weaker_than_ours_gets_no_code(place: Place, asked: Asked, error: str) -> None:
    assert f"error={error}" in asked.send(place).headers["Location"]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, 200),
        ({"code_verifier": "wrong"}, 400),
        ({"redirect_uri": "http://127.0.0.1:1/callback"}, 400),
        ({"client_secret": "wrong"}, 401),
    ],
    ids=["right", "another verifier", "another address", "another secret"],
)
def test_a_code_is_good_once_and_for_who_asked_for_it(place: Place, change: dict[str, str], status: int) -> None:
    sent_to = Asked(code_challenge="E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM").send(place).headers["Location"]
    form = {
        "grant_type": "authorization_code",
        "client_id": "demo",
        "client_secret": SECRET,
        "redirect_uri": f"{place.base}/callback",
        "code": sent_to.split("code=")[1].split("&")[0],
        "code_verifier": "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",  # RFC 7636, appendix B
    }
    token = f"{place.provider.issuer}/token"
    first = requests.post(token, data=form | change, timeout=10)
    assert first.status_code == status
    if status == 200:
        bearer = {"Authorization": f"Bearer {first.json()['access_token']}"}
        told = requests.get(f"{place.provider.issuer}/userinfo", headers=bearer, timeout=10)
        assert told.json() == ALICE.claims
        assert requests.post(token, data=form, timeout=10).status_code == 400


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7", "mlflow.example.test", "::"])
def test_it_listens_to_this_machine_only(host: str) -> None:
    with pytest.raises(StartRefused, match=r"listens on 127\.0\.0\.1 only"):
        DemoProvider(host, 0, Client("demo", SECRET, ("http://127.0.0.1:1",)))


def test_a_web_page_elsewhere_cannot_reach_it(place: Place) -> None:
    by_name = requests.get(place.provider.issuer, headers={"Host": "rebound.example.test"}, timeout=10)
    assert by_name.status_code == 403
    form = {"Sec-Fetch-Site": "cross-site"}
    by_form = requests.post(f"{place.provider.issuer}/sessions/end", data={"sid": "x"}, headers=form, timeout=10)
    assert by_form.status_code == 403


def test_its_keys_are_made_fresh_at_each_start() -> None:
    client = Client("demo", SECRET, ("http://127.0.0.1:1",))
    kids = set()
    for _ in range(2):
        with DemoProvider("127.0.0.1", 0, client) as provider:
            kids.add(requests.get(f"{provider.issuer}/keys", timeout=10).json()["keys"][0]["kid"])
    assert len(kids) == 2
