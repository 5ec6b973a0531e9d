"""The Requests page over HTTP, on every database: asking by name, what one is told of it, and deciding."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from mlflow_oidc_auth.accounts.users import User
from mlflow_oidc_auth.database.tables import access_requests
from mlflow_oidc_auth.grants.requests import LONGEST_REASON, MOST_A_DAY
from mlflow_oidc_auth.grants.store import GivenBy, Grantee, Shareable
from mlflow_oidc_auth.pages.requests import ROWS
from mlflow_oidc_auth.vocabulary import Kind, Level, Resource
from tests.browser.pages_site import PagesSite
from tests.stores import statements
from tests.unit.web.test_permissions_page import browser_of, text_of

ADDRESS = "/mlflow/permissions/requests"
NAME = "team-a sales"
SENT = "Sent, if there is such a thing: its owner and the admins see it."


@pytest.fixture
def site(engine: sa.Engine) -> PagesSite:
    """alice owns one of each kind; bob and carol have nothing."""
    site = PagesSite(engine)
    alice = site.person("alice")
    site.owns(alice, Kind.EXPERIMENT, "7", name=NAME)
    site.owns(alice, Kind.REGISTERED_MODEL, "forecast")
    site.owns(alice, Kind.PROMPT, "greeting")
    for name in ("bob", "carol"):
        site.person(name)
    site.person("root", is_admin=True)
    return site


def user(site: PagesSite, name: str) -> User:
    """Somebody who logged in."""
    found = site.users.by_username(f"{name}@example.test")
    assert found is not None
    return found


def at(site: PagesSite, name: str) -> FlaskClient:
    """Somebody's browser."""
    return browser_of(site, user(site, name))


def ask(client: FlaskClient, name: str = NAME, permission: str = "READ", **more: str) -> TestResponse:
    """Send the form that asks."""
    form = {"do": "ask", "resource_type": "experiment", "name": name, "permission": permission}
    return client.post(ADDRESS, data=form | more)


def decide(client: FlaskClient, do: str, request: str, permission: str = "READ", **more: str) -> TestResponse:
    """Press one of the buttons of a request."""
    return client.post(ADDRESS, data={"do": do, "request": request, "permission": permission} | more)


def to_decide(client: FlaskClient) -> list[str]:
    """The numbers of the requests that one is shown to decide."""
    found = re.search(r'aria-labelledby="to-decide">\s*<h2.*?</section>', client.get(ADDRESS).text, re.DOTALL)
    return re.findall(r'name="request" value="(\d+)"', found[0]) if found else []


def of_mine(client: FlaskClient) -> str:
    """What the page tells of one's own requests."""
    return text_of(client.get(ADDRESS)).partition("What you asked for")[2].strip()


def level(site: PagesSite, name: str, kind: Kind = Kind.EXPERIMENT, key: str = "7") -> Level | None:
    """What somebody's own grant says."""
    grant = site.grants.read(Resource(kind, key), Grantee(user(site, name).id, name))
    return None if grant is None else grant.level


NAMES = {
    "an experiment by name": ("experiment", NAME),
    "an experiment by id": ("experiment", "7"),
    "an experiment that is not there": ("experiment", "no such"),
    "an id that is not there": ("experiment", "4711"),
    "an id that no database holds": ("experiment", "9" * 200),
    "a model": ("registered_model", "forecast"),
    "a model that is not there": ("registered_model", "no such"),
    "a prompt": ("registered_model", "greeting"),
    "markup": ("registered_model", "<script>alert(1)</script>"),
    "a NUL": ("registered_model", "fore\0cast"),
    "a wildcard": ("experiment", "%"),
}


@pytest.mark.parametrize(("kind", "name"), NAMES.values(), ids=NAMES.keys())
def test_the_answer_is_the_same_whether_there_is_such_a_thing(site: PagesSite, kind: str, name: str) -> None:
    client = at(site, "bob")
    answer = ask(client, name, resource_type=kind)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{ADDRESS}?notice=sent")
    page = client.get(answer.headers["Location"])
    assert SENT in text_of(page)
    assert "<script>alert" not in page.text
    assert re.search(r"READ \d+ \w+ \d+ Open until \d+ \w+ \d+ Withdraw", of_mine(client))


def test_the_form_is_filled_from_the_address_that_led_here(site: PagesSite) -> None:
    page = at(site, "bob").get(f"{ADDRESS}?resource_type=prompt&name=a%22b&permission=EDIT").text
    assert 'name="name" value="a&#34;b"' in page
    assert '<option value="registered_model" selected>' in page
    assert '<option value="EDIT" selected>' in page
    for query in ("resource_type=run&name=%00&permission=ALL", f"name={'a' * 5000}", "resource_type=experiment&x=1"):
        assert at(site, "bob").get(f"{ADDRESS}?{query}").status_code == 200


BAD = {
    "no name": ({"name": " "}, "name", "Say what you want to open"),
    "no kind": ({"resource_type": "run"}, "resource_type", "Choose what it is."),
    "no level": ({"permission": "ALL"}, "permission", "Choose a level."),
    "to be kept out": ({"permission": "NO_PERMISSIONS"}, "permission", "NO_PERMISSIONS cannot be asked for"),
    "a name too long": ({"name": "a" * 257}, "name", "Nothing has a name of more than 256 characters."),
    "a reason too long": ({"reason": "a" * (LONGEST_REASON + 1)}, "reason", "Say it in at most 1000 characters."),
}


@pytest.mark.parametrize(("form", "field", "sentence"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_told_at_the_field_and_nothing_is_kept(
    site: PagesSite, form: dict[str, str], field: str, sentence: str
) -> None:
    client = at(site, "bob")
    answer = client.post(
        f"{ADDRESS}?notice=sent",
        data={"do": "ask", "resource_type": "experiment", "name": NAME, "permission": "READ", **form},
    )
    assert answer.status_code == 400
    assert re.search(rf'id="{field}-wrong" role="alert">{sentence}', answer.text)
    assert SENT not in answer.text  # what was told of the form before
    assert "Nothing." in of_mine(client)


def test_who_has_it_already_is_told_so(site: PagesSite) -> None:
    answer = ask(at(site, "alice"), permission="MANAGE")
    assert answer.status_code == 400
    assert "You have MANAGE on this already" in answer.text


def test_nobody_asks_without_end(site: PagesSite) -> None:
    client = at(site, "bob")
    for _ in range(MOST_A_DAY):
        assert ask(client).status_code == 303
    answer = ask(client)
    assert answer.status_code == 429
    assert re.search(r'id="name-wrong" role="alert">You asked 20 times within a day', answer.text)
    assert ask(at(site, "carol")).status_code == 303


def test_a_request_is_withdrawn(site: PagesSite) -> None:
    client = at(site, "bob")
    ask(client)
    (number,) = to_decide(at(site, "alice"))
    assert decide(at(site, "carol"), "withdraw", number).headers["Location"] == f"{ADDRESS}?notice=gone"
    assert to_decide(at(site, "alice")) == [number]
    assert decide(client, "withdraw", number).headers["Location"] == f"{ADDRESS}?notice=withdrawn"
    assert to_decide(at(site, "alice")) == []
    assert "Nothing." in of_mine(client)


def test_who_manages_it_and_the_admins_see_who_asks_what_and_why(site: PagesSite) -> None:
    ask(at(site, "bob"), permission="EDIT", reason="<b>The review</b>\nis on Friday.")
    ask(at(site, "bob"), "no such")
    ask(at(site, "bob"), "greeting", resource_type="registered_model")
    for name in ("alice", "root"):
        page = at(site, name).get(ADDRESS)
        told = text_of(page)
        assert "Bob Example bob@example.test asks for EDIT on team-a sales experiment" in told
        assert "<b>The review</b> is on Friday." in told
        assert "<b>The review" not in page.text
        assert "asks for READ on greeting prompt" in told
        assert "no such" not in told
        assert '<span class="count">2<span class="unseen"> to decide</span></span>' in page.text
    for name in ("bob", "carol"):
        page = at(site, name).get(ADDRESS)
        assert "For you to decide" not in page.text
        assert 'class="count"' not in page.text


@pytest.mark.parametrize("by", ["alice", "root"])
def test_one_press_grants_what_was_asked_for_or_another_level(site: PagesSite, by: str) -> None:
    ask(at(site, "bob"), permission="EDIT")
    ask(at(site, "carol"), "forecast", "MANAGE", resource_type="registered_model")
    first, second = to_decide(at(site, by))
    assert decide(at(site, by), "grant", first, "EDIT").headers["Location"] == f"{ADDRESS}?notice=granted"
    decide(at(site, by), "grant", second, "READ", expires_at="2999-01-31")
    assert level(site, "bob") is Level.EDIT
    assert level(site, "carol", Kind.REGISTERED_MODEL, "forecast") is Level.READ
    found = site.grants.read(Resource(Kind.REGISTERED_MODEL, "forecast"), Grantee(user(site, "carol").id, ""))
    assert found is not None
    assert found.expires_at == datetime(2999, 1, 31, 23, 59, 59, tzinfo=UTC)
    assert to_decide(at(site, by)) == []
    assert f"Granted by {by}@example.test on" in of_mine(at(site, "bob"))
    assert decide(at(site, by), "grant", first).headers["Location"] == f"{ADDRESS}?notice=gone"


def test_a_declined_request_is_gone_for_who_decides_and_open_for_who_asked(site: PagesSite) -> None:
    ask(at(site, "bob"))
    before = of_mine(at(site, "bob"))
    (number,) = to_decide(at(site, "alice"))
    assert decide(at(site, "alice"), "decline", number).headers["Location"] == f"{ADDRESS}?notice=declined"
    assert to_decide(at(site, "alice")) == to_decide(at(site, "root")) == []
    assert of_mine(at(site, "bob")) == before
    assert level(site, "bob") is None


@pytest.mark.parametrize("who", ["bob", "carol"])
@pytest.mark.parametrize("do", ["grant", "decline"])
def test_who_does_not_manage_it_decides_nothing(site: PagesSite, who: str, do: str) -> None:
    ask(at(site, "bob"))
    share = Shareable(Resource(Kind.EXPERIMENT, "7"), NAME)
    by = GivenBy("alice@example.test", False, user(site, "alice").id)
    site.grants.give(share, Grantee(user(site, "carol").id, "carol"), Level.EDIT, by=by, now=site.now())
    (number,) = to_decide(at(site, "alice"))
    assert decide(at(site, who), do, number).headers["Location"] == f"{ADDRESS}?notice=gone"
    assert level(site, "bob") is None
    assert to_decide(at(site, "alice")) == [number]


WRONG_TERMS = {
    "no level": ({"permission": ""}, "Choose a level."),
    "to be kept out": ({"permission": "NO_PERMISSIONS"}, "NO_PERMISSIONS cannot be asked for"),
    "a day that is over": ({"expires_at": "2020-01-01"}, "The last day is in the past"),
    "no date": ({"expires_at": "soon"}, "The last day is not a date"),
}


@pytest.mark.parametrize(("form", "sentence"), WRONG_TERMS.values(), ids=WRONG_TERMS.keys())
def test_terms_that_cannot_be_are_told_in_the_row(site: PagesSite, form: dict[str, str], sentence: str) -> None:
    ask(at(site, "bob"))
    (number,) = to_decide(at(site, "alice"))
    answer = decide(at(site, "alice"), "grant", number, **form)
    assert answer.status_code == 400
    assert re.search(rf'id="decide-{number}-wrong" role="alert">{sentence}', answer.text)
    assert level(site, "bob") is None


@pytest.mark.parametrize("number", ["", "x", "-1", "0", "٣", "9" * 30, "1\0", "4711"])
@pytest.mark.parametrize("do", ["grant", "decline", "withdraw"])
def test_a_request_that_is_not_there_changes_nothing(site: PagesSite, do: str, number: str) -> None:
    ask(at(site, "bob"))
    answer = decide(at(site, "alice"), do, number)
    assert answer.headers["Location"] == f"{ADDRESS}?notice=gone"
    assert len(to_decide(at(site, "alice"))) == 1


def test_the_lists_are_paged_and_cost_few_statements(site: PagesSite) -> None:
    rows = [
        {
            "user_id": site.person(f"somebody{number}").id if of == "others" else user(site, "alice").id,
            "kind": "experiment",
            "asked_for": "7" if of == "others" else f"number {number}",
            "experiment_id": 7 if of == "others" else None,
        }
        for number in range(60)
        for of in ("others", "mine")
    ]
    said = {"level": int(Level.READ), "reason": "", "asked_at": site.now(), "state": "open"}
    with site.engine.begin() as connection:
        connection.execute(access_requests.insert(), [row | said for row in rows])
    client = at(site, "alice")
    with statements(site.engine) as seen:
        page = client.get(ADDRESS)
    assert len(seen) < 10, seen
    assert len(page.data) < 60_000
    assert len(to_decide(client)) == ROWS
    assert text_of(page).count("Page 1 of 3 (60 in all)") == 2
    second = client.get(f"{ADDRESS}?page=2&mine=2")
    assert text_of(second).count("Page 2 of 3 (60 in all)") == 2
    assert text_of(client.get(f"{ADDRESS}?page=9&mine=9")).count("There is no page 9.") == 2
