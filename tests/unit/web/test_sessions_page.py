"""The page and JSON of browser sessions, on every database: where somebody is logged in, and how to end that."""

from __future__ import annotations

import html
import re

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from mlflow_oidc_auth.accounts.users import User
from mlflow_oidc_auth.operations.ours import OURS
from mlflow_oidc_auth.operations.requirements import Admin, AdminInBrowser, InBrowser
from tests.browser.pages_site import PagesSite
from tests.settings import SESSION

PAGE = "/mlflow/permissions/sessions"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
CHROME = "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"


@pytest.fixture
def site(engine: sa.Engine) -> PagesSite:
    """The pages under /mlflow."""
    return PagesSite(engine)


@pytest.fixture
def alice(site: PagesSite) -> User:
    """Logged in with two browsers."""
    return site.person("alice")


@pytest.fixture
def here(site: PagesSite, alice: User) -> FlaskClient:
    """The browser that asks."""
    return browser(site, alice, FIREFOX)


@pytest.fixture
def there(site: PagesSite, alice: User) -> FlaskClient:
    """Alice's other browser."""
    return browser(site, alice, CHROME)


def browser(site: PagesSite, user: User, user_agent: str) -> FlaskClient:
    """Somebody's browser, logged in."""
    cookie = site.sessions.open(user.id, provider_sid=None, id_token="", user_agent=user_agent, now=site.now())
    client = site.app.test_client()
    client.set_cookie(SESSION, cookie, path="/mlflow")
    return client


def is_in(client: FlaskClient) -> bool:
    """Whether this browser is logged in."""
    return client.get(PAGE).status_code == 200


def ids(site: PagesSite, user: User) -> list[int]:
    """Somebody's sessions, the oldest first."""
    return sorted(row.id for row in site.sessions.listing(user.id, site.now()))


def text_of(page: str) -> str:
    """What a person reads."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page)))


# --- the page --------------------------------------------------------------------------------------------


def test_the_page_tells_each_browser_and_which_one_asks(here: FlaskClient, there: FlaskClient) -> None:
    page = text_of(here.get(PAGE).text)
    assert "Firefox on Linux this one" in page
    assert "Chrome on Windows this one" not in page
    assert "Chrome on Windows" in page
    assert "Chrome on Windows this one" in text_of(there.get(PAGE).text)


def test_who_is_logged_in_once_has_nothing_else_to_end(here: FlaskClient) -> None:
    page = here.get(PAGE).text
    assert "End all other sessions" not in page
    assert "/permissions/sessions/end" not in page
    assert 'href="/mlflow/logout"' in page


def test_one_session_is_ended(site: PagesSite, alice: User, here: FlaskClient, there: FlaskClient) -> None:
    answer = here.post(f"{PAGE}/end", data={"session": str(ids(site, alice)[1])})
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{PAGE}?notice=ended")
    assert "The session is ended" in here.get(answer.headers["Location"]).text
    assert not is_in(there)


def test_all_others_are_ended_and_this_one_stays(
    site: PagesSite, alice: User, here: FlaskClient, there: FlaskClient
) -> None:
    bob = browser(site, site.person("bob"), CHROME)
    assert here.post(f"{PAGE}/end-others").headers["Location"] == f"{PAGE}?notice=others"
    assert [is_in(client) for client in (here, there, bob)] == [True, False, True]


@pytest.mark.parametrize("session", ["", "x", "-1", "0", "4711", "9" * 400, "\0", "٣"])
def test_ending_what_is_not_there_ends_nothing(here: FlaskClient, there: FlaskClient, session: str) -> None:
    assert here.post(f"{PAGE}/end", data={"session": session}).headers["Location"] == f"{PAGE}?notice=gone"
    assert is_in(there)


def test_nobody_ends_the_session_of_somebody_else(site: PagesSite, alice: User, here: FlaskClient) -> None:
    mallory = browser(site, site.person("mallory"), CHROME)
    mallory.post(f"{PAGE}/end", data={"session": str(ids(site, alice)[0])})
    assert is_in(here)


@pytest.mark.parametrize("path", ["end", "end-others"])
def test_the_address_of_a_form_leads_back_to_the_page(here: FlaskClient, there: FlaskClient, path: str) -> None:
    answer = here.get(f"{PAGE}/{path}")
    assert (answer.status_code, answer.headers["Location"]) == (303, PAGE)
    assert is_in(there)


def test_what_a_browser_calls_itself_is_text_and_no_markup(site: PagesSite, alice: User, here: FlaskClient) -> None:
    browser(site, alice, '"><script>alert(1)</script>')
    assert "<script>alert" not in here.get(PAGE).text


# --- JSON ------------------------------------------------------------------------------------------------


@pytest.fixture(params=["api", "ajax-api"])
def users(request: pytest.FixtureRequest) -> str:
    """Each of the two addresses."""
    return f"/mlflow/{request.param}/2.0/mlflow/users"


def test_ones_own_sessions_are_listed(here: FlaskClient, there: FlaskClient, users: str) -> None:
    answer = here.get(f"{users}/current/sessions")
    assert answer.headers["Cache-Control"] == "no-store"
    told = answer.get_json()["sessions"]
    assert {(one["browser"], one["current"]) for one in told} == {
        ("Firefox on Linux", True),
        ("Chrome on Windows", False),
    }
    assert set(told[0]) == {"id", "browser", "created_at", "last_seen_at", "expires_at", "current"}


def test_ones_own_sessions_are_ended_one_or_all_others(
    site: PagesSite, alice: User, here: FlaskClient, there: FlaskClient, users: str
) -> None:
    third = browser(site, alice, CHROME)
    assert here.delete(f"{users}/current/sessions/{ids(site, alice)[1]}").get_json() == {}
    assert [is_in(client) for client in (here, there, third)] == [True, False, True]
    assert here.delete(f"{users}/current/sessions").get_json() == {"ended": 1}
    assert [is_in(client) for client in (here, there, third)] == [True, False, False]


def test_an_admin_sees_and_ends_the_sessions_of_anybody(
    site: PagesSite, alice: User, here: FlaskClient, there: FlaskClient, users: str
) -> None:
    root = browser(site, site.person("root", is_admin=True), FIREFOX)
    of_alice = f"{users}/alice@example.test/sessions"
    assert [one["current"] for one in root.get(of_alice).get_json()["sessions"]] == [False, False]
    first = ids(site, alice)[0]
    assert root.delete(f"{of_alice}/{first}").get_json() == {}
    assert [is_in(client) for client in (here, there, root)] == [False, True, True]
    assert root.delete(of_alice).get_json() == {"ended": 1}
    assert [is_in(client) for client in (there, root)] == [False, True]


@pytest.mark.parametrize("session", ["0", "4711", "9" * 400])
def test_a_session_that_is_not_there_is_not_found(here: FlaskClient, users: str, session: str) -> None:
    answer = here.delete(f"{users}/current/sessions/{session}")
    assert (answer.status_code, answer.get_json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")


def test_a_session_of_another_is_not_found_under_ones_own_name(
    site: PagesSite, alice: User, here: FlaskClient, users: str
) -> None:
    bob = site.person("bob")
    browser(site, bob, CHROME)
    assert here.delete(f"{users}/current/sessions/{ids(site, bob)[0]}").status_code == 404
    root = browser(site, site.person("root", is_admin=True), FIREFOX)
    assert root.delete(f"{users}/alice@example.test/sessions/{ids(site, bob)[0]}").status_code == 404
    assert len(ids(site, bob)) == 1


def test_no_key_ends_its_persons_sessions_and_those_of_others_are_for_admins() -> None:
    about = {(entry.method, entry.path): entry.requirement for entry in OURS if "/sessions" in entry.path}
    assert len(about) == 21
    of_others = {"<username>": Admin(), "<int:user_id>": AdminInBrowser()}
    for (method, path), needs in about.items():
        wanted = next((one for part, one in of_others.items() if part in path), InBrowser())
        assert needs == wanted, f"{method} {path}"
