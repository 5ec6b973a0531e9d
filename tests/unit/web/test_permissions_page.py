"""The Permissions page over HTTP, on every database: what it shows, to whom, and what bad input does (nothing)."""

from __future__ import annotations

import html
import logging
import re
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from mlflow_oidc_auth.accounts.users import User
from mlflow_oidc_auth.database.tables import groups, memberships, named_grants
from mlflow_oidc_auth.pages.lists import PAGE_SIZE
from mlflow_oidc_auth.vocabulary import Kind, Level
from mlflow_oidc_auth.web.moments import minute
from tests.browser.pages_site import PagesSite
from tests.settings import SESSION, settings

KEY = re.compile(r'value="(mlfpat_[0-9A-Za-z_]+)"')


@pytest.fixture
def site(engine: sa.Engine) -> PagesSite:
    """The pages under /mlflow."""
    return PagesSite(engine)


@pytest.fixture
def alice(site: PagesSite) -> User:
    """She owns what the tests make hers."""
    return site.person("alice")


@pytest.fixture
def client(site: PagesSite, alice: User) -> FlaskClient:
    """Alice's browser."""
    return browser_of(site, alice)


def browser_of(site: PagesSite, user: User) -> FlaskClient:
    """Somebody's browser, logged in."""
    client = site.app.test_client()
    client.set_cookie(SESSION, site.session(user), path="/mlflow")
    return client


def text_of(answer: TestResponse) -> str:
    """What a person reads."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", answer.text))).replace(" ,", ",")


def create(client: FlaskClient, **form: str) -> TestResponse:
    """Send the form for a new key."""
    return client.post("/mlflow/permissions/keys", data=form)


def test_the_page_tells_who_i_am_and_what_i_belong_to(site: PagesSite) -> None:
    root = site.person("root", groups=("/prokube admins", "/prokube users"), is_admin=True)
    with site.engine.begin() as connection:
        team = connection.execute(
            groups.insert().values(source="team", name="vision", created_at=site.now()).returning(groups.c.id)
        ).scalar_one()
        connection.execute(memberships.insert().values(user_id=root.id, group_id=team))
    page = text_of(browser_of(site, root).get("/mlflow/permissions"))
    for told in (
        "Root Example",
        "root@example.test",
        "you see and manage everything",
        "/prokube admins",
        "vision team",
    ):
        assert told in page


def test_a_person_with_nothing_is_told_so(client: FlaskClient) -> None:
    page = text_of(client.get("/mlflow/permissions"))
    assert "Nothing shared with you yet; what you make is private." in page
    assert "You have no key yet" in page
    assert "Admin No" in page


@pytest.mark.parametrize("lifetime", ["7", "30", "90", "365"])
def test_a_key_lives_as_long_as_was_chosen(site: PagesSite, alice: User, client: FlaskClient, lifetime: str) -> None:
    answer = create(client, lifetime=lifetime, expires_at="")
    assert answer.status_code == 200
    assert len(KEY.findall(answer.text)) == 1
    (row,) = site.tokens.active_of(alice.id, site.now())
    assert row.expires_at.date() == (site.now() + timedelta(days=int(lifetime))).date()
    assert row.created_by == alice.username


def test_an_answer_with_a_key_is_never_kept_and_the_key_is_nowhere_else(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        answer = create(client, lifetime="7")
    (key,) = KEY.findall(answer.text)
    assert answer.headers["Cache-Control"] == "no-store"
    assert key not in str(answer.headers)
    assert key.split("_")[2] not in caplog.text
    title = re.search("<title>(.*)</title>", answer.text)
    assert title is not None
    assert "mlfpat" not in title[1]
    assert key not in client.get("/mlflow/permissions").text


BAD = {
    "nothing": {},
    "no date": {"lifetime": "date"},
    "another number of days": {"lifetime": "8"},
    "a number too high": {"lifetime": "3650"},
    "a word": {"lifetime": "for ever"},
    "a NUL": {"lifetime": "date", "expires_at": "2026-01-01\0"},
    "a date long ago": {"lifetime": "date", "expires_at": "2020-01-01"},
    "a date too far ahead": {"lifetime": "date", "expires_at": "2999-01-01"},
    "no such date": {"lifetime": "date", "expires_at": "2027-02-30"},
    "a date in words": {"expires_at": "tomorrow"},
    "markup": {"lifetime": "date", "expires_at": '"><script>alert(1)</script>'},
}


@pytest.mark.parametrize("form", BAD.values(), ids=BAD.keys())
def test_bad_input_is_told_at_the_field_and_changes_nothing(
    site: PagesSite, alice: User, client: FlaskClient, form: dict[str, str]
) -> None:
    old, _ = site.tokens.create(alice.id, site.now() + timedelta(days=9), by="alice", now=site.now())
    answer = create(client, **form)
    assert answer.status_code == 400
    assert re.search(r'class="wrong" id="(lifetime|date)-wrong" role="alert">[A-Z]', answer.text)
    assert "<script>alert" not in answer.text
    assert [row.public_id for row in site.tokens.active_of(alice.id, site.now())] == [old.public_id]


@pytest.mark.parametrize(
    ("data", "status"),
    [("lifetime=7&lifetime=30", 400), ("lifetime=" + "7" * 20_000, 413)],
    ids=["a field twice", "a huge form"],
)
def test_a_form_that_no_page_of_ours_sends_is_refused(client: FlaskClient, data: str, status: int) -> None:
    answer = client.post("/mlflow/permissions/keys", data=data, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == status


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "multipart/form-data; boundary=x", ""])
def test_what_is_no_form_makes_no_key(site: PagesSite, alice: User, client: FlaskClient, content_type: str) -> None:
    answer = client.post("/mlflow/permissions/keys", data=b'{"lifetime": "7"}', content_type=content_type)
    assert answer.status_code == 400
    assert site.tokens.active_of(alice.id, site.now()) == []


def test_a_setting_limits_how_long_a_key_lives(engine: sa.Engine) -> None:
    site = PagesSite(engine, settings(max_token_days=60))
    client = browser_of(site, site.person("alice"))
    page = client.get("/mlflow/permissions").text
    assert re.findall(r'name="lifetime" value="(\w+)"', page) == ["7", "30", "60", "date"]
    assert f'max="{(datetime.now(UTC) + timedelta(days=60)).date()}"' in page
    assert create(client, lifetime="90").status_code == 400
    assert create(client, lifetime="60").status_code == 200


def test_a_new_key_replaces_the_old_one_and_the_page_says_so_before(
    site: PagesSite, alice: User, client: FlaskClient
) -> None:
    assert "replaces" not in client.get("/mlflow/permissions").text
    create(client, lifetime="7")
    assert "A new key replaces yours at once" in text_of(client.get("/mlflow/permissions"))
    create(client, lifetime="30")
    assert len(site.tokens.active_of(alice.id, site.now())) == 1


def test_where_several_keys_are_allowed_each_is_listed_by_its_name(engine: sa.Engine) -> None:
    site = PagesSite(engine, settings(max_tokens_per_user=2))
    client = browser_of(site, site.person("alice"))
    assert "You have 0 of 2 keys." in text_of(client.get("/mlflow/permissions"))
    assert "Your new access key: laptop" in text_of(create(client, lifetime="7", name=" laptop "))
    create(client, lifetime="30", name="nightly training")
    page = client.get("/mlflow/permissions")
    assert page.text.count('<button type="submit" class="danger">Revoke access key') == 2
    assert [re.sub(r" \w{12} .*", "", row) for row in rows(page)] == ["nightly training", "laptop"]
    assert "You have 2 of 2 keys: revoke one, or give the name of the one that is to be replaced." in text_of(page)
    assert "A new key with the name of one you have replaces that one at once" in text_of(page)


@pytest.mark.parametrize(
    ("name", "says"),
    [("", "Give the access key a name"), ("x" * 65, "longer than 64 characters"), ("third", "may have 2")],
    ids=["none", "too long", "one too many"],
)
def test_what_is_wrong_with_a_name_is_told_at_its_field_and_ends_no_key(
    engine: sa.Engine, name: str, says: str
) -> None:
    site = PagesSite(engine, settings(max_tokens_per_user=2))
    alice = site.person("alice")
    client = browser_of(site, alice)
    for standing in ("first", "second"):
        create(client, lifetime="7", name=standing)
    answer = create(client, lifetime="30", name=name)
    assert answer.status_code == 400
    told = re.search(r'class="wrong" id="name-wrong" role="alert">([^<]+)<', answer.text)
    assert told is not None
    assert says in told[1]
    assert f'name="name" value="{name}"' in answer.text
    assert 'value="30" required checked' in answer.text
    assert sorted(row.name for row in site.tokens.active_of(alice.id, site.now())) == ["first", "second"]


@pytest.mark.parametrize("limit", [1, 2])
def test_where_a_replaced_key_lives_on_the_page_says_until_when(engine: sa.Engine, limit: int) -> None:
    site = PagesSite(engine, settings(max_tokens_per_user=limit, replaced_token_hours=24))
    alice = site.person("alice")
    client = browser_of(site, alice)
    create(client, lifetime="30", name="ci")
    (old,) = site.tokens.active_of(alice.id, site.now())
    before = text_of(client.get("/mlflow/permissions"))
    assert "it works on for 24 hours, until" in before
    assert "at once" not in before.split("ends after")[1]
    create(client, lifetime="30", name="ci")
    after = text_of(client.get("/mlflow/permissions"))
    assert re.search(r"(replaced, |The key you replaced, never used, )ends in (23 hours|1 day)", after)
    assert "Your access key ends" not in after  # no warning of what was meant to end
    client.post("/mlflow/permissions/keys/revoke", data={"key": old.public_id})
    assert len(site.tokens.active_of(alice.id, site.now())) == 1


def test_a_key_that_ends_before_the_overlap_is_said_to_end_then(engine: sa.Engine) -> None:
    site = PagesSite(engine, settings(replaced_token_hours=168))
    alice = site.person("alice")
    ends = site.now() + timedelta(days=2)
    site.tokens.create(alice.id, ends, by=alice.username, now=site.now())
    page = text_of(browser_of(site, alice).get("/mlflow/permissions"))
    assert f"it works on for 168 hours, until {minute(ends)} at the latest" in page


@pytest.mark.parametrize(("days", "warned"), [(13, True), (15, False)], ids=["13 days", "15 days"])
def test_a_key_that_ends_soon_is_warned_of(
    site: PagesSite, alice: User, client: FlaskClient, days: int, warned: bool
) -> None:
    site.tokens.create(alice.id, site.now() + timedelta(days=days, hours=1), by="alice", now=site.now())
    assert (f"Your access key ends in {days} days" in text_of(client.get("/mlflow/permissions"))) is warned


def test_revoking_ends_the_key_that_was_seen_and_no_other(site: PagesSite, alice: User, client: FlaskClient) -> None:
    create(client, lifetime="7")
    (seen,) = re.findall(r'name="key" value="(\w+)"', client.get("/mlflow/permissions").text)
    create(client, lifetime="30")  # in another window
    answer = client.post("/mlflow/permissions/keys/revoke", data={"key": seen})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/mlflow/permissions?notice=gone")
    (row,) = site.tokens.active_of(alice.id, site.now())
    answer = client.post("/mlflow/permissions/keys/revoke", data={"key": row.public_id})
    assert answer.headers["Location"] == "/mlflow/permissions?notice=revoked"
    assert site.tokens.active_of(alice.id, site.now()) == []
    assert "Your access key is revoked" in client.get(answer.headers["Location"]).text


@pytest.mark.parametrize("data", [{}, {"key": ""}, {"key": "nonsense"}, {"key": "a" * 5000}, {"key": "\0"}])
def test_revoking_nonsense_changes_nothing(
    site: PagesSite, alice: User, client: FlaskClient, data: dict[str, str]
) -> None:
    create(client, lifetime="7")
    answer = client.post("/mlflow/permissions/keys/revoke", data=data)
    assert answer.headers["Location"] == "/mlflow/permissions?notice=gone"
    assert len(site.tokens.active_of(alice.id, site.now())) == 1


def test_nobody_revokes_the_key_of_somebody_else(site: PagesSite, alice: User, client: FlaskClient) -> None:
    create(client, lifetime="7")
    (row,) = site.tokens.active_of(alice.id, site.now())
    mallory = browser_of(site, site.person("mallory"))
    mallory.post("/mlflow/permissions/keys/revoke", data={"key": row.public_id})
    assert len(site.tokens.active_of(alice.id, site.now())) == 1
    assert row.public_id not in mallory.get("/mlflow/permissions").text


def test_whose_session_is_over_makes_no_key_and_is_led_to_the_login(site: PagesSite, alice: User) -> None:
    answer = create(site.app.test_client(), lifetime="7")
    assert answer.status_code == 401
    assert 'href="/mlflow/login"' in answer.text
    assert site.tokens.active_of(alice.id, site.now()) == []


@pytest.mark.parametrize("path", ["keys", "keys/revoke"])
def test_the_address_of_a_form_leads_back_to_the_page(client: FlaskClient, path: str) -> None:
    answer = client.get(f"/mlflow/permissions/{path}")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/mlflow/permissions")


def rows(answer: TestResponse) -> list[str]:
    """The lines of the list."""
    return [
        re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", row)).strip()
        for row in re.findall("<tr>.*?</tr>", answer.text, re.DOTALL)
    ][1:]


def test_the_list_tells_names_kinds_levels_and_through_whom(site: PagesSite, alice: User, client: FlaskClient) -> None:
    site.owns(alice, Kind.EXPERIMENT, "7", Level.MANAGE, "<b>seven")
    site.owns(alice, Kind.PROMPT, "greeting", Level.EDIT)
    site.owns(alice, Kind.EXPERIMENT, "8", Level.READ)
    site.makes(Kind.EXPERIMENT, "8", "binned", deleted=True)
    site.owns(alice, Kind.EXPERIMENT, "9", Level.NO_PERMISSIONS, "kept out")
    site.owns(alice, Kind.EXPERIMENT, "10", Level.READ)
    site.purges("10")
    with site.engine.begin() as connection:
        (group,) = connection.execute(sa.select(memberships.c.group_id)).scalars()
        values = {"group_id": group, "name": "shared model", "level": int(Level.READ)}
        connection.execute(named_grants.insert().values(values | {"granted_by": "test", "granted_at": site.now()}))
    site.makes(Kind.REGISTERED_MODEL, "shared model")
    answer = client.get("/mlflow/permissions")
    assert rows(answer) == [
        "&lt;b&gt;seven Experiment MANAGE You Share &lt;b&gt;seven",
        "greeting Prompt EDIT You",
        "binned deleted Experiment READ You",
        "10 deleted Experiment READ You",
        "shared model Model READ Your group",
    ]
    assert re.findall(r'href="(/mlflow/#[^"]*)"', answer.text) == [
        "/mlflow/#/experiments/7",
        "/mlflow/#/prompts/greeting",
        "/mlflow/#/models/shared%20model",
    ]


def test_the_list_is_paged_by_the_server(site: PagesSite, alice: User, client: FlaskClient) -> None:
    for number in range(1, PAGE_SIZE + 3):
        site.owns(alice, Kind.EXPERIMENT, str(number))
    assert len(rows(client.get("/mlflow/permissions"))) == PAGE_SIZE
    assert [row.split()[0] for row in rows(client.get("/mlflow/permissions?page=2"))] == ["51", "52"]
    beyond = text_of(client.get("/mlflow/permissions?page=999999"))
    assert "There is no page 999999. Go to page 2, the last one" in beyond


@pytest.mark.parametrize("page", ["0", "-1", "x", "1.5", "", "9999999", "99999999999999999999", "٣", "1%00"])
def test_a_page_that_cannot_be_is_refused(client: FlaskClient, page: str) -> None:
    assert client.get(f"/mlflow/permissions?page={page}").status_code == 400


def test_an_admin_is_told_that_the_list_is_not_all(site: PagesSite) -> None:
    page = browser_of(site, site.person("root", is_admin=True)).get("/mlflow/permissions")
    assert "You are an admin and can open everything." in page.text


def test_the_default_level_is_told_where_there_is_one(engine: sa.Engine) -> None:
    site = PagesSite(engine, settings(default_mlflow_permission=Level.READ))
    page = browser_of(site, site.person("alice")).get("/mlflow/permissions")
    assert "Everybody on this server has READ on whatever is not listed here" in page.text


@pytest.mark.parametrize(
    ("configured", "address"),
    [
        (None, "http://localhost/mlflow"),
        ("https://ml.example.test/mlflow/callback", "https://ml.example.test/mlflow"),
    ],
    ids=["as asked", "as configured"],
)
def test_the_address_to_copy_is_how_clients_reach_us(engine: sa.Engine, configured: str | None, address: str) -> None:
    site = PagesSite(engine, settings(oidc_redirect_uri=configured))
    answer = create(browser_of(site, site.person("alice")), lifetime="7")
    assert answer.text.count(f"{address}&#34;") + answer.text.count(f"{address}&#39;") == 4
