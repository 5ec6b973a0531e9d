"""Promise: by our own JSON too, who has nothing sees nothing of others and changes nothing, whatever ids they send.

alice has an experiment, a model, teams, service accounts, a key and a session, and requests to decide; carol asks
every operation about them, by key at `/api/` and by session at `/ajax-api/`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy as sa

from mlflow_oidc_auth.database.tables import users
from mlflow_oidc_auth.operations.requirements import Admin, AdminInBrowser, Entry, InBrowser
from tests.figures import Figures
from tests.people import People, Person
from tests.promises.asks import Ask, family, filled
from tests.promises.belongings import Ids
from tests.promises.our_asks import (
    OUR_ASKS,
    OUR_JSON,
    PUBLIC,
    make_ours,
    nothing_of_ours,
    ours_in_order,
    secrets_of_ours,
    shape,
)
from tests.promises.snapshot import accounts, snapshot
from tests.promises.test_a_stranger_sees_nothing import Walk

DOCUMENT = Path(__file__).parents[2] / "docs" / "openapi.json"
OF_ADMINS = Admin | AdminInBrowser
BY_SESSION = InBrowser | AdminInBrowser
Sets = dict[str, dict[str, str]]


def send(person: Person, ask: Ask) -> requests.Response:
    """By session at the address for pages, by key at the other."""
    if ask.path.startswith("/ajax-api/"):
        return person.ajax(ask.method, ask.path.removeprefix("/ajax-api/"), **ask.arguments())
    return person.ask(ask.method, ask.path, **ask.arguments())


def way(entry: Entry) -> str:
    """Which set of ids an address is asked with."""
    return "ajax" if entry.path.startswith("/ajax-api/") else "api"


def of_admins(entry: Entry) -> bool:
    return isinstance(entry.requirement, OF_ADMINS)


@pytest.fixture(scope="module")
def made() -> dict[str, Sets]:
    """What there is on each server, by the server's address."""
    return {}


@pytest.fixture
def ours(either_database: People, made: dict[str, Sets]) -> Sets:
    """What there is on this server: a set for each walk and address."""
    url = either_database.server.url
    if url not in made:
        names = ("api", "ajax", "root-api", "root-ajax")
        made[url] = {name: make_ours(either_database, f"ours-{name}") for name in names}
    return made[url]


def test_each_operation_of_the_document_is_asked_here() -> None:
    """A new one must be put into the walk, or this fails."""
    described = json.loads(DOCUMENT.read_text())["paths"].items()
    documented = {(method.upper(), shape(path)) for path, methods in described for method in methods}
    assert {(ask.method, shape(ask.path)) for ask in OUR_ASKS} == documented - {("GET", PUBLIC)}
    assert {(entry.method, shape(family(entry.path))) for entry in OUR_JSON} == documented - {("GET", PUBLIC)}


def test_a_stranger_asks_for_everything_and_sees_and_changes_nothing(
    either_database: People, ours: Sets, figures: Figures
) -> None:
    people, carol = either_database, either_database.carol
    assert carol.browser
    carol.key()
    before = snapshot(people.server), accounts(people.server, carol.email)
    result = Walk()
    for entry, template in ours_in_order():
        ask = filled(template, ours[way(entry)], carol.name)
        answer = send(carol, ask)
        result.take(entry, ask, answer, secrets_of_ours(*ours.values()))
        if of_admins(entry) or (isinstance(entry.requirement, InBrowser) and way(entry) == "api"):
            assert answer.status_code == 403, f"{entry}: {answer.status_code} {answer.text[:200]}"
    after = snapshot(people.server), accounts(people.server, carol.email)
    assert result.seen == []
    assert result.failed == []
    assert before[1] == after[1], "the stranger changed an account, a key or a session of somebody else"
    assert before[0] - after[0] == Counter(), "the stranger changed something"
    own = own_rows(people, carol)
    assert [found for found in after[0] - before[0] if not any(own_row.search(f"{found}") for own_row in own)] == []
    served = sum(1 for answer in result.answers.values() if answer.ok)
    figures.note(
        f"our JSON asked by a stranger ({people.server.database.split(':')[0]})",
        f"{result.asked} requests with somebody's ids, {served} answered 2xx, 0 of them with anything of theirs",
    )


def own_rows(people: People, person: Person) -> list[re.Pattern[str]]:
    """What somebody may leave: the audit of their own acts, and their own requests for access."""
    with people.server.engine.connect() as connection:
        found = sa.select(users.c.id).where(users.c.username == person.email)
        number = connection.execute(found).scalar_one()
    return [
        re.compile(rf"^\('oidc_auth_audit_records', .*{re.escape(person.email)}"),
        re.compile(rf"^\('oidc_auth_access_requests', [\"']\(\d+, {number}, "),
    ]


def test_what_is_hidden_and_what_is_missing_are_answered_alike(either_database: People, ours: Sets) -> None:
    absent, different = nothing_of_ours("absent"), []
    for entry, template in ours_in_order():
        hidden = ours[way(entry)]
        first, second = filled(template, hidden, "carol-1"), filled(template, absent, "carol-1")
        if not names_something(template):
            continue
        one, other = send(either_database.carol, first), send(either_database.carol, second)
        if (one.status_code, neutral(one, hidden)) != (other.status_code, neutral(other, absent)):
            different.append(
                f"{entry.method} {entry.path}: hidden {one.status_code} {one.text[:200]} / "
                f"missing {other.status_code} {other.text[:200]}"
            )
    assert different == []


def names_something(template: Ask) -> bool:
    return any(re.search(r"{(?!suffix|who})\w+}", text) for text in template.texts())


def neutral(answer: requests.Response, ids: Ids) -> Any:
    """The answer with a name for each text that was sent, without the number and moments of what was just made."""

    def plain(value: Any) -> Any:
        match value:
            case dict():
                return {key: plain(item) for key, item in value.items() if key not in ("id", "asked_at", "ends_at")}
            case list():
                return [plain(item) for item in value]
            case str():
                for name, text in sorted(ids.items(), key=lambda one: len(one[1]), reverse=True):
                    value = re.sub(rf"(?<![\w-]){re.escape(text)}(?![\w-])", f"<{name}>", value)
                return value.replace("<wanted>", "<experiment_name>").replace("<whose>", "<owner>")
            case _:
                return value

    return plain(answer.json())


@pytest.mark.parametrize("who", ["root", "alice"])
def test_the_control_all_of_it_works_for_who_may(either_database: People, ours: Sets, who: str) -> None:
    """Comes last: it deletes what it walks over, and alice ends her sessions after root ended one of them."""
    person: Person = getattr(either_database, who)
    own = {"whose": ours["api"]["robot"]} if who == "root" else {"wanted": "nobody-has-this", "key": key_of(person)}
    wrong = []
    for entry, template in ours_in_order():
        if of_admins(entry) != (who == "root"):
            continue
        ids = {**ours[f"root-{way(entry)}" if who == "root" else way(entry)], **own}
        answer = send(person, filled(template, ids, f"{who}-{way(entry)}"))
        expected = 403 if isinstance(entry.requirement, BY_SESSION) and way(entry) == "api" else 200
        if answer.status_code != expected:
            wrong.append(f"{entry.method} {entry.path}: {answer.status_code} {answer.text[:200]}")
    assert wrong == []


def key_of(person: Person) -> str:
    """The public id of somebody's key."""
    return person.key().split("_")[1]
