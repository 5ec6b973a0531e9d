"""The Sharing pages over HTTP, on every database: what they show, to whom, what they change."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import quote_plus

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from mlflow_oidc_auth.accounts.users import User
from mlflow_oidc_auth.database.tables import audit_records, experiment_grants, groups, memberships, pattern_grants
from mlflow_oidc_auth.grants.listing import ListedGrant
from mlflow_oidc_auth.vocabulary import Kind, Level, Resource
from tests.browser.pages_site import PagesSite
from tests.settings import settings
from tests.stores import statements
from tests.unit.web.test_permissions_page import browser_of, text_of

USERS, READERS = "/prokube users", "/readers"
EXPERIMENT = Resource(Kind.EXPERIMENT, "7")
ADDRESS = "/mlflow/permissions/sharing"
QUERY = "resource_type=experiment&resource_id=7"


@pytest.fixture
def site(engine: sa.Engine) -> PagesSite:
    """alice owns experiment 7; bob shares a group with her, and is in one more."""
    site = PagesSite(engine)
    site.owns(site.person("alice", groups=(USERS,)), Kind.EXPERIMENT, "7", name="team-a sales")
    site.person("bob", groups=(USERS, READERS))
    site.person("carol", groups=("/guests",))
    site.person("root", groups=("/prokube admins",), is_admin=True)
    return site


def user(site: PagesSite, name: str) -> User:
    """Somebody who logged in."""
    found = site.users.by_username(f"{name}@example.test")
    assert found is not None
    return found


def at(site: PagesSite, name: str) -> FlaskClient:
    """Somebody's browser."""
    return browser_of(site, user(site, name))


def send(client: FlaskClient, query: str = QUERY, **form: str) -> TestResponse:
    """Send one of the forms of the share page."""
    return client.post(f"{ADDRESS}?{query}", data=form)


def share(client: FlaskClient, to: str, permission: str = "READ", **more: str) -> TestResponse:
    """Send the form that gives access."""
    return send(client, to=to, permission=permission, **more)


def on_it(site: PagesSite) -> dict[str, ListedGrant]:
    """The grants on experiment 7, by who holds them."""
    return {grant.to: grant for grant in site.parts.listing.find(site.now(), resource=EXPERIMENT)}


def team(site: PagesSite, name: str, *members: str) -> int:
    """A team that admins made."""
    with site.engine.begin() as connection:
        made = groups.insert().values(source="team", name=name, created_at=site.now()).returning(groups.c.id)
        id_: int = connection.execute(made).scalar_one()
        for member in members:
            connection.execute(memberships.insert().values(group_id=id_, user_id=user(site, member).id))
    return id_


def pattern(site: PagesSite, prefix: str, level: Level, **whose: int) -> None:
    """A grant on a pattern."""
    said = {"level": int(level), "granted_by": "root@example.test", "granted_at": site.now()}
    with site.engine.begin() as connection:
        connection.execute(pattern_grants.insert().values(kind="experiment", prefix=prefix, **said, **whose))


def lines(answer: TestResponse, section: str) -> list[str]:
    """What stands in one section of the list, without what one could choose."""
    found = re.search(rf'<ul class="access[^"]*" aria-labelledby="{section}">(.*?)</ul>', answer.text, re.DOTALL)
    if found is None:
        return []
    plain = re.sub(r"<select.*?</select>|<details.*?</details>", "", found[1], flags=re.DOTALL)
    return [re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", line)).strip() for line in plain.split("</li>")][:-1]


# --- Who sees what ---------------------------------------------------------------------------------------------


def test_what_one_made_is_told_to_be_only_ones_own(site: PagesSite) -> None:
    page = at(site, "alice").get(f"{ADDRESS}?{QUERY}")
    assert page.status_code == 200
    assert "Share team-a sales" in text_of(page)
    assert "Experiment 7" in text_of(page)
    assert "Only you and the admins can open it." in text_of(page)
    assert 'href="/mlflow/#/experiments/7"' in page.text


def test_who_manages_until_a_date_is_told_what_that_means(site: PagesSite) -> None:
    hint = "Your own MANAGE on this experiment ends some day"
    assert hint not in text_of(at(site, "alice").get(f"{ADDRESS}?{QUERY}"))
    assert hint not in text_of(at(site, "root").get(f"{ADDRESS}?{QUERY}"))
    with site.engine.begin() as connection:
        ends = {"expires_at": site.now() + timedelta(days=9)}
        connection.execute(experiment_grants.update().where(experiment_grants.c.experiment_id == 7).values(ends))
    page = at(site, "alice").get(f"{ADDRESS}?{QUERY}")
    assert hint in text_of(page)


def test_access_is_listed_by_where_it_comes_from(site: PagesSite) -> None:
    bob, vision = user(site, "bob").id, team(site, "vision", "bob", "carol")
    share(at(site, "alice"), "bob@example.test", expires_at="2999-01-31")
    share(at(site, "alice"), "vision", "EDIT")
    pattern(site, "team-a", Level.USE, group_id=vision)
    pattern(site, "", Level.READ, user_id=bob)
    pattern(site, "team-b", Level.MANAGE, user_id=bob)  # covers something else
    page = at(site, "alice").get(f"{ADDRESS}?{QUERY}")
    today = f"{site.now().day} {site.now():%B %Y}"
    assert lines(page, "direct") == [
        f"alice@example.test Alice Example, you until Change alice@example.test last manager Given by test on {today}",
        f"bob@example.test Bob Example until Change bob@example.test Given by you on {today} , until 31 January 2999",
    ]
    assert lines(page, "by-group") == [f"vision team, 2 people until Change vision Given by you on {today}"]
    assert lines(page, "by-pattern") == [
        f"bob@example.test Bob Example READ can see and download Through * . Given by root@example.test on {today}",
        f"vision team, 2 people USE can also use Through team-a* . Given by root@example.test on {today}",
    ]
    assert "MLflow admins see and manage everything." in text_of(page)
    assert "root@example.test," not in page.text  # admins are named to admins
    assert "Only you and the admins" not in text_of(page)


def test_an_admin_is_led_to_where_access_comes_from(site: PagesSite) -> None:
    bob, vision = user(site, "bob").id, team(site, "vision", "bob")
    share(at(site, "alice"), "vision")
    pattern(site, "team-a", Level.USE, group_id=vision)
    pattern(site, "", Level.READ, user_id=bob)
    page = at(site, "root").get(f"{ADDRESS}?{QUERY}").text
    for path in (f"groups/{vision}", f"people/{bob}", f"people/{user(site, 'root').id}"):
        assert f'href="/mlflow/permissions/{path}"' in page


@pytest.mark.parametrize(("default", "told"), [(Level.READ, True), (Level.NO_PERMISSIONS, False)])
def test_what_everybody_has_is_told(engine: sa.Engine, default: Level, told: bool) -> None:
    site = PagesSite(engine, settings(default_mlflow_permission=default))
    site.owns(site.person("alice"), Kind.EXPERIMENT, "7")
    page = text_of(at(site, "alice").get(f"{ADDRESS}?{QUERY}"))
    assert ("READ can see and download for everybody on this server" in page) is told
    assert ("Only you and the admins can open it." in page) is not told


HIDDEN = {
    "an experiment": ("experiment", "7", "4711"),
    "a model": ("registered_model", "forecast", "no such model"),
    "a prompt": ("prompt", "greeting", "no such prompt"),
}


@pytest.mark.parametrize(("kind", "hidden", "missing"), HIDDEN.values(), ids=HIDDEN.keys())
def test_hidden_and_missing_are_refused_alike_with_a_way_out(
    site: PagesSite, kind: str, hidden: str, missing: str
) -> None:
    alice = user(site, "alice")
    site.owns(alice, Kind.REGISTERED_MODEL, "forecast")
    site.owns(alice, Kind.PROMPT, "greeting")
    carol = at(site, "carol")
    for ask in (carol.get, carol.post):
        asked = {key: ask(f"{ADDRESS}?resource_type={kind}&resource_id={key}") for key in (hidden, missing)}
        answers = list(asked.values())
        pages = [page.text.replace(f'name={quote_plus(key)}"', 'name=KEY"') for key, page in asked.items()]
        assert [page.status_code for page in answers] == [403, 403]
        assert pages[0] == pages[1]
        assert "You need MANAGE" in pages[0]
        assert f"/mlflow/permissions/requests?resource_type={kind}&amp;name=KEY" in pages[0]


@pytest.mark.parametrize("level", [Level.READ, Level.USE, Level.EDIT], ids=lambda level: level.name)
def test_who_does_not_manage_it_sees_nobody(site: PagesSite, level: Level) -> None:
    share(at(site, "alice"), "bob@example.test", level.name)
    page = at(site, "bob").get(f"{ADDRESS}?{QUERY}")
    assert page.status_code == 403
    assert "alice" not in page.text


def test_an_admin_is_told_what_is_not_there(site: PagesSite) -> None:
    page = at(site, "root").get(f"{ADDRESS}?resource_type=experiment&resource_id=4711")
    assert page.status_code == 404
    assert "There is no such experiment." in page.text


def test_a_prompt_asked_for_as_a_model_is_told_as_a_prompt_and_a_model_is_no_prompt(site: PagesSite) -> None:
    alice = user(site, "alice")
    site.owns(alice, Kind.PROMPT, "greeting")
    site.owns(alice, Kind.REGISTERED_MODEL, "forecast")
    client = at(site, "alice")
    assert 'href="/mlflow/#/prompts/greeting"' in client.get(
        f"{ADDRESS}?resource_type=registered_model&resource_id=greeting"
    ).text  # fmt: skip
    assert client.get(f"{ADDRESS}?resource_type=prompt&resource_id=forecast").status_code == 403


BAD_ADDRESSES = {
    "no kind": "resource_id=7",
    "no id": "resource_type=experiment",
    "another kind": "resource_type=run&resource_id=7",
    "no number": "resource_type=experiment&resource_id=seven",
    "another digit": "resource_type=experiment&resource_id=%D9%A3",
    "a NUL": "resource_type=registered_model&resource_id=a%00b",
    "half a character": "resource_type=registered_model&resource_id=%ED%A0%80%00",
    "a name too long": f"resource_type=prompt&resource_id={'a' * 257}",
    "no page": f"{QUERY}&page=0",
}


@pytest.mark.parametrize("query", BAD_ADDRESSES.values(), ids=BAD_ADDRESSES.keys())
def test_an_address_that_names_nothing_is_refused(site: PagesSite, query: str) -> None:
    assert at(site, "alice").get(f"{ADDRESS}?{query}").status_code == 400


@pytest.mark.parametrize("key", ["07", "0000007"])
def test_an_experiment_is_found_by_its_number_however_it_is_written(site: PagesSite, key: str) -> None:
    assert at(site, "alice").get(f"{ADDRESS}?resource_type=experiment&resource_id={key}").status_code == 200


@pytest.mark.parametrize("key", ["9" * 200, "2147483648"])
def test_a_number_that_no_database_holds_is_an_experiment_that_is_not_there(site: PagesSite, key: str) -> None:
    assert at(site, "alice").get(f"{ADDRESS}?resource_type=experiment&resource_id={key}").status_code == 403


# --- What one manages ------------------------------------------------------------------------------------------


def managed(client: FlaskClient, query: str = "") -> list[str]:
    """The names in the list."""
    return re.findall(r'<th scope="row"><a class="name"[^>]*>(.*?)</a>', client.get(f"{ADDRESS}{query}").text)


def test_the_list_holds_what_one_manages_by_whatever_way(site: PagesSite) -> None:
    bob, readers = user(site, "bob"), site.parts.groups.by_name(READERS)
    assert readers is not None
    for number, name in ((8, "by own grant"), (9, "by group"), (10, "pat-own"), (11, "only EDIT"), (12, "kept out")):
        site.makes(Kind.EXPERIMENT, str(number), name)
    site.owns(bob, Kind.EXPERIMENT, "8", name="by own grant")
    site.owns(bob, Kind.EXPERIMENT, "11", Level.EDIT, name="only EDIT")
    site.owns(bob, Kind.REGISTERED_MODEL, "a model")
    site.owns(bob, Kind.PROMPT, "a prompt")
    root = at(site, "root")
    for number in (9, 11, 12):
        send(root, f"resource_type=experiment&resource_id={number}", to=READERS, permission="MANAGE")
    send(root, "resource_type=experiment&resource_id=12", to="bob@example.test", permission="NO_PERMISSIONS")
    assert managed(at(site, "bob")) == ["a model", "a prompt", "by group", "by own grant"]
    pattern(site, "pat-", Level.MANAGE, group_id=readers.id)
    assert managed(at(site, "bob")) == ["a model", "a prompt", "by group", "by own grant", "pat-own"]
    assert managed(at(site, "bob"), "?search=MODEL") == ["a model"]
    assert managed(at(site, "bob"), "?search=9") == ["by group"]
    assert managed(at(site, "carol")) == []
    assert len(managed(root)) == 8


def test_the_list_is_paged_by_the_server(site: PagesSite) -> None:
    alice = user(site, "alice")
    for number in range(100, 155):
        site.owns(alice, Kind.EXPERIMENT, str(number), name=f"number {number}")
    client = at(site, "alice")
    assert len(managed(client)) == 50
    assert len(managed(client, "?page=2&search=number")) == 5
    assert "Page 2 of 2 (55 in all)" in text_of(client.get(f"{ADDRESS}?page=2&search=number"))
    assert "There is no page 9." in text_of(client.get(f"{ADDRESS}?page=9"))


def test_who_manages_nothing_is_told_so(site: PagesSite) -> None:
    assert "You manage nothing yet." in text_of(at(site, "carol").get(ADDRESS))
    assert "Nothing that you manage is called so." in text_of(at(site, "carol").get(f"{ADDRESS}?search=team"))


@pytest.mark.parametrize("search", ["%00", "%ED%A0%80", "%25", "_", "%27%3B--", "a" * 5000])
def test_whatever_is_searched_for_the_list_answers(site: PagesSite, search: str) -> None:
    answer = at(site, "alice").get(f"{ADDRESS}?search={search}")
    assert answer.status_code in (200, 400)
    assert "team-a sales" not in answer.text


# --- Giving ----------------------------------------------------------------------------------------------------


WHOM = {
    "a person": ("bob@example.test", "bob@example.test"),
    "a person in capitals": (" BOB@Example.test ", "bob@example.test"),
    "a group": (READERS, READERS),
    "a group without its slash": ("readers", READERS),
    "a team": ("vision", "vision"),
}


@pytest.mark.parametrize(("typed", "to"), WHOM.values(), ids=WHOM.keys())
def test_the_one_field_takes_a_person_a_group_or_a_team(site: PagesSite, typed: str, to: str) -> None:
    team(site, "vision")
    answer = share(at(site, "alice"), typed, "EDIT", expires_at="2999-01-31")
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"{ADDRESS}?notice=shared&{QUERY}"
    assert "Shared." in at(site, "alice").get(answer.headers["Location"]).text
    grant = on_it(site)[to]
    assert (grant.level, grant.granted_by) == (Level.EDIT, "alice@example.test")
    assert grant.expires_at == datetime(2999, 1, 31, 23, 59, 59, tzinfo=UTC)


def test_a_group_and_a_team_of_one_name_are_told_apart(site: PagesSite) -> None:
    vision = team(site, READERS)
    client = at(site, "alice")
    page = share(client, READERS, "EDIT")
    assert page.status_code == 400
    assert "There is a group and a team called &#39;/readers&#39;. Choose which you mean." in page.text
    assert re.findall(r'name="which" value="(\w+)"', page.text) == ["group", "team"]
    assert 'value="EDIT" selected' in page.text  # what was chosen is kept
    assert list(on_it(site)) == ["alice@example.test"]
    assert share(client, READERS, "EDIT", which="team").status_code == 303
    assert on_it(site)[READERS].group_id == vision


WRONG_WHOM = {
    "nobody": ("nobody@example.test", "There is no person, no group and no team called"),
    "part of a name": ("bob", "There is no person, no group and no team called"),
    "another case of a group": ("/READERS", "There is no person"),
    "nothing": ("  ", "Say with whom"),
    "a NUL": ("bob@example.test\0", "There is no person"),
    "too long": ("a" * 300, "Say with whom"),
    "markup": ("<script>alert(1)</script>", "There is no person"),
    "a pattern": ("*", "There is no person"),
    "who is disabled": ("dave@example.test", "This user is disabled"),
}


@pytest.mark.parametrize(("typed", "sentence"), WRONG_WHOM.values(), ids=WRONG_WHOM.keys())
def test_whom_it_cannot_be_is_told_at_the_field(site: PagesSite, typed: str, sentence: str) -> None:
    site.users.disable(site.person("dave").id, site.now(), by="root@example.test")
    before = on_it(site)
    page = share(at(site, "alice"), typed)
    assert page.status_code == 400
    (told,) = re.findall(r'id="to-wrong" role="alert">(.*?)</p>', page.text)
    assert told.startswith(sentence)
    assert 'aria-describedby="to-hint to-wrong"' in page.text
    assert "<script>alert" not in page.text
    assert on_it(site) == before


WRONG_TERMS = {
    "no level": ({"permission": ""}, "permission", "Choose a level."),
    "a level in words": ({"permission": "can see"}, "permission", "Choose a level."),
    "no date": ({"expires_at": "tomorrow"}, "expires_at", "The last day is not a date"),
    "no such date": ({"expires_at": "2999-02-30"}, "expires_at", "The last day is not a date"),
    "a day that is over": ({"expires_at": "2020-01-01"}, "expires_at", "The last day is in the past"),
}


@pytest.mark.parametrize(("form", "field", "sentence"), WRONG_TERMS.values(), ids=WRONG_TERMS.keys())
def test_terms_that_cannot_be_are_told_at_their_field(
    site: PagesSite, form: dict[str, str], field: str, sentence: str
) -> None:
    page = share(at(site, "alice"), **{"to": "bob@example.test", **form})
    assert page.status_code == 400
    assert re.search(rf'id="{field}-wrong" role="alert">{sentence}', page.text)
    assert 'value="bob@example.test"' in page.text
    changed = send(
        at(site, "alice"), do="change", of=f"user-{user(site, 'alice').id}", **{"permission": "READ", **form}
    )
    assert changed.status_code == 400
    assert re.search(rf'role="alert">{sentence}', changed.text)
    assert list(on_it(site)) == ["alice@example.test"]


# --- Changing and removing -------------------------------------------------------------------------------------


def of(site: PagesSite, name: str) -> str:
    """How the row's forms name somebody who has access."""
    grant = on_it(site)[name]
    return f"user-{grant.user_id}" if grant.user_id else f"group-{grant.group_id}"


@pytest.mark.parametrize("to", ["bob@example.test", READERS])
def test_a_row_is_changed_in_place_and_removed(site: PagesSite, to: str) -> None:
    client = at(site, "alice")
    share(client, to, expires_at="2999-01-31")
    answer = send(client, do="change", of=of(site, to), permission="MANAGE", expires_at="2998-01-31")
    assert answer.headers["Location"].startswith(f"{ADDRESS}?notice=changed")
    assert on_it(site)[to].level is Level.MANAGE
    assert str(on_it(site)[to].expires_at).startswith("2998-01-31 23:59:59")
    answer = send(client, do="remove", of=of(site, to))
    assert answer.headers["Location"].startswith(f"{ADDRESS}?notice=removed")
    assert to not in on_it(site)
    with site.engine.connect() as connection:
        acts = connection.execute(sa.select(audit_records.c.act).order_by(audit_records.c.id)).scalars().all()
    assert acts[-3:] == ["grant.give", "grant.give", "grant.take_away"]


def test_an_end_that_is_no_end_of_a_day_is_kept_when_only_the_level_changes(site: PagesSite) -> None:
    client = at(site, "alice")
    share(client, "bob@example.test")
    ends = (site.now() + timedelta(days=3)).replace(hour=5, minute=6, second=7, microsecond=0)
    grants = sa.table("oidc_auth_experiment_grants", sa.column("user_id"), sa.column("expires_at"))
    with site.engine.begin() as connection:
        this = grants.c.user_id == user(site, "bob").id
        connection.execute(sa.update(grants).where(this).values(expires_at=ends.replace(tzinfo=None)))
    before = on_it(site)["bob@example.test"].expires_at
    assert before is not None
    send(client, do="change", of=of(site, "bob@example.test"), permission="EDIT", expires_at=before.date().isoformat())
    assert (on_it(site)["bob@example.test"].level, on_it(site)["bob@example.test"].expires_at) == (Level.EDIT, before)


def test_the_last_manager_is_told_before_and_refused_after(site: PagesSite) -> None:
    client = at(site, "alice")
    me = of(site, "alice@example.test")
    page = client.get(f"{ADDRESS}?{QUERY}").text
    assert "without anybody who manages it" in page
    assert 'value="remove"' not in page
    for form in ({"do": "remove"}, {"do": "change", "permission": "READ"}, {"do": "change", "permission": "MANAGE",
                 "expires_at": "2999-01-01"}):  # fmt: skip
        answer = send(client, of=me, **form)
        assert answer.status_code == 400
        assert re.search(rf'id="{me}-wrong" role="alert">This would leave the experiment', answer.text)
    assert share(client, "alice@example.test", "READ").status_code == 400
    assert on_it(site)["alice@example.test"].level is Level.MANAGE


LAST = {
    "no other": ([], True),
    "a manager beside": ([("bob@example.test", "MANAGE", "")], False),
    "one who only edits": ([("bob@example.test", "EDIT", "")], True),
    "a manager until a date": ([("bob@example.test", "MANAGE", "2999-01-01")], True),
    "a group with somebody in it": ([(READERS, "MANAGE", "")], False),
    "a team without anybody": ([("empty", "MANAGE", "")], True),
    "a group whose only member is kept out": (
        [(READERS, "MANAGE", ""), ("bob@example.test", "NO_PERMISSIONS", "")],
        True,
    ),
}


@pytest.mark.parametrize(("others", "last"), LAST.values(), ids=LAST.keys())
def test_the_warning_is_there_exactly_where_the_rules_refuse(
    site: PagesSite, others: list[tuple[str, str, str]], last: bool
) -> None:
    team(site, "empty")
    client = at(site, "alice")
    for to, permission, ends in others:
        assert share(client, to, permission, expires_at=ends).status_code == 303
    (line,) = (one for one in lines(client.get(f"{ADDRESS}?{QUERY}"), "direct") if one.startswith("alice"))
    assert ("last manager" in line) is last
    refused = send(client, do="remove", of=of(site, "alice@example.test")).status_code == 400
    assert refused is last


def test_an_admin_is_warned_of_the_last_manager_and_may(site: PagesSite) -> None:
    client = at(site, "root")
    page = client.get(f"{ADDRESS}?{QUERY}").text
    assert "Nobody but the admins would manage this experiment any more." in page
    assert send(client, do="remove", of=of(site, "alice@example.test")).status_code == 303
    assert on_it(site) == {}
    assert "Only the admins can open it." in text_of(client.get(f"{ADDRESS}?{QUERY}"))


def test_who_gives_up_managing_it_is_led_to_the_list(site: PagesSite) -> None:
    client = at(site, "alice")
    share(client, "bob@example.test", "MANAGE")
    answer = send(client, do="remove", of=of(site, "alice@example.test"))
    assert answer.headers["Location"] == f"{ADDRESS}?notice=left"
    assert "You do not manage it any more." in text_of(client.get(answer.headers["Location"]))


NOBODYS = [
    "",
    "user-",
    "user-999999",
    "group-1",
    "user-x",
    "user-٣",
    "user-1\0",
    "person-1",
    "user-" + "9" * 20,
    "user--1",
]


@pytest.mark.parametrize("holder", NOBODYS)
@pytest.mark.parametrize("do", ["change", "remove"])
def test_a_row_that_is_not_there_changes_nothing(site: PagesSite, do: str, holder: str) -> None:
    before = on_it(site)
    answer = send(at(site, "alice"), do=do, of=holder, permission="READ")
    assert answer.headers["Location"] == f"{ADDRESS}?notice=gone&{QUERY}"
    assert on_it(site) == before


def test_a_pattern_is_not_changed_by_the_page_of_one_resource(site: PagesSite) -> None:
    bob = user(site, "bob").id
    pattern(site, "team-a", Level.READ, user_id=bob)
    answer = send(at(site, "alice"), do="remove", of=f"user-{bob}")
    assert "notice=gone" in answer.headers["Location"]
    assert "team-a*" in at(site, "alice").get(f"{ADDRESS}?{QUERY}").text


def test_a_field_twice_and_a_huge_form_are_refused(site: PagesSite) -> None:
    client = at(site, "alice")
    form = "application/x-www-form-urlencoded"
    assert client.post(f"{ADDRESS}?{QUERY}", data="to=a&to=b", content_type=form).status_code == 400
    assert client.post(f"{ADDRESS}?{QUERY}", data="to=" + "a" * 20_000, content_type=form).status_code == 413


# --- What is offered, and how much it costs --------------------------------------------------------------------


def offered(client: FlaskClient, text: str) -> list[str]:
    """Whom the field offers for what was typed."""
    answer = client.get(f"{ADDRESS}/suggestions", query_string={"text": text})
    assert answer.json is not None
    return [one["name"] for one in answer.json["suggestions"]]


def test_names_are_offered_only_of_whom_one_may_know(site: PagesSite) -> None:
    team(site, "vision", "carol")
    assert offered(at(site, "alice"), "") == [USERS, "alice@example.test", "bob@example.test"]
    assert offered(at(site, "alice"), "BOB") == ["bob@example.test"]
    assert offered(at(site, "alice"), "vision") == offered(at(site, "alice"), "carol") == []
    assert offered(at(site, "carol"), "vis") == ["vision"]
    assert offered(at(site, "root"), "carol") == ["carol@example.test"]
    assert offered(at(site, "root"), "vis") == ["vision"]
    for text in ("%", "_", "\0", "a" * 5000):
        assert offered(at(site, "root"), text) == []
    page = at(site, "alice").get(f"{ADDRESS}?{QUERY}").text
    assert re.findall(r'<option value="([^"]*@[^"]*|/[^"]*)">', page) == offered(at(site, "alice"), "")


def test_no_more_names_are_offered_than_fifty(site: PagesSite) -> None:
    for number in range(60):
        site.person(f"somebody{number}")
    assert len(offered(at(site, "root"), "somebody")) == 50


@pytest.mark.parametrize("name", ["alice", "root"])
def test_the_page_of_much_shared_is_paged_small_and_costs_few_statements(site: PagesSite, name: str) -> None:
    rows = [{"experiment_id": 7, "user_id": site.person(f"somebody{number}").id} for number in range(230)]
    said = {"level": int(Level.MANAGE), "granted_by": "alice@example.test", "granted_at": site.now()}
    said["expires_at"] = site.now() + timedelta(days=9)
    with site.engine.begin() as connection:
        connection.execute(experiment_grants.insert(), [row | said for row in rows])
    client = at(site, name)
    told: list[str] = []
    files = sum(
        len(client.get(f"/mlflow/permissions/static/{name}").data)
        for name in ("pages.css", "pages.js", "copy.js", "sharing.js")
    )
    for page in range(1, 7):
        with statements(site.engine) as seen:
            answer = client.get(f"{ADDRESS}?{QUERY}&page={page}")
        assert answer.status_code == 200
        assert len(seen) < 10, seen
        assert len(answer.data) + files < 100_000
        told += re.findall(r'name="of" value="(user-\d+)"', answer.text)
    assert len(set(told)) == 231
    assert ("last manager" in text_of(client.get(f"{ADDRESS}?{QUERY}&page=1"))) is True
    with statements(site.engine) as seen:
        client.get(ADDRESS)
    assert len(seen) < 10, seen
