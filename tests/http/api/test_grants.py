"""Grants as JSON: to users and groups, on resources and patterns, with end dates; listed, and tried before given."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from mlflow_oidc_auth.vocabulary import Kind, Level
from tests.http.api.site import (
    EVERY_KIND,
    EXPERIMENT,
    GET,
    GRANT,
    GRANTS,
    MISSING,
    MODEL,
    NOW,
    PREVIEW,
    PROMPT,
    REVOKE,
    Made,
    Person,
    Site,
    email,
)
from tests.stores import statements

every_kind = pytest.mark.parametrize("made", EVERY_KIND, ids=lambda made: str(made.kind))


def give(by: Person, on: dict[str, str], to: dict[str, Any], level: str = "READ", **more: Any) -> tuple[int, Any]:
    answer = by.ask("POST", GRANTS, on | to | {"permission": level} | more)
    return answer.status_code, answer.json


def take(by: Person, on: dict[str, str], of: dict[str, Any]) -> tuple[int, Any]:
    answer = by.ask("DELETE", GRANTS, on | of)
    return answer.status_code, answer.json


def user(name: str) -> dict[str, Any]:
    return {"username": email(name)}


def pattern(kind: Kind, text: str) -> dict[str, str]:
    return {"resource_type": str(kind), "pattern": text}


NAMES = {EXPERIMENT: "team-a sales", MODEL: "forecast", PROMPT: "greeting"}


# --- Given, told, taken away ----------------------------------------------------------------------------------


@every_kind
def test_a_grant_is_told_as_it_stands(alice: Person, made: Made) -> None:
    status, told = give(alice, made.fields, user("bob"), "EDIT", expires_at="2026-06-30")
    assert status == 200
    assert told["grant"].pop("id") >= 0
    assert told["grant"] == {
        "resource_type": str(made.kind),
        "resource_id": made.key,
        "pattern": None,
        "name": NAMES[made],
        "username": email("bob"),
        "group": None,
        "group_id": None,
        "permission": "EDIT",
        "granted_by": email("alice"),
        "granted_at": "2026-06-01T12:00:00+00:00",
        "expires_at": "2026-06-30T23:59:59+00:00",
    }
    assert take(alice, made.fields, user("bob")) == (200, {})
    assert take(alice, made.fields, user("bob"))[0] == 404


@every_kind
def test_a_group_is_named_by_name_or_id(site: Site, alice: Person, bob: Person, made: Made) -> None:
    by_name, by_id = {"group": "/readers"}, {"group_id": site.group_id("/readers")}
    status, told = give(alice, made.fields, by_name, "EDIT")
    assert (status, told["grant"]["group"], told["grant"]["group_id"]) == (200, "/readers", by_id["group_id"])
    assert told["grant"]["username"] is None
    assert bob.level_of("bob", made) == "EDIT"
    assert give(alice, made.fields, by_id, "READ")[1]["grant"]["id"] == told["grant"]["id"]
    assert bob.level_of("bob", made) == "READ"
    assert take(alice, made.fields, by_name) == (200, {})
    assert bob.level_of("bob", made) == "refused"


@pytest.mark.parametrize("kind", list(Kind))
def test_an_admin_gives_on_a_pattern(root: Person, bob: Person, kind: Kind) -> None:
    made = next(one for one in EVERY_KIND if one.kind is kind)
    text = f"{NAMES[made][:4]}*"
    status, told = give(root, pattern(kind, text), user("bob"), "USE")
    stored = "experiment" if kind is Kind.EXPERIMENT else "registered_model"
    assert status == 200
    grant = told["grant"]
    assert (grant["pattern"], grant["name"], grant["resource_id"], grant["resource_type"]) == (text, text, None, stored)
    assert bob.level_of("bob", made) == "USE"
    assert take(root, pattern(kind, text), user("bob")) == (200, {})
    assert bob.level_of("bob", made) == "refused"


def test_an_end_date_is_the_last_second_of_that_day(site: Site, alice: Person) -> None:
    today = f"{NOW:%Y-%m-%d}"
    assert give(alice, EXPERIMENT.fields, user("bob"), expires_at=today)[0] == 200
    status, told = give(alice, EXPERIMENT.fields, user("carol"), expires_at=f"{NOW - timedelta(days=1):%Y-%m-%d}")
    assert status == 400
    assert "The day on which it is to end is over" in told["message"]
    assert give(alice, EXPERIMENT.fields, user("bob"))[1]["grant"]["expires_at"] is None


@pytest.mark.parametrize("who", ["alice", "carol"])
def test_patterns_are_for_admins_whether_or_not_the_grantee_is_there(site: Site, who: str) -> None:
    before = site.everything()
    answers = [give(site.person(who), pattern(Kind.EXPERIMENT, "t*"), to) for to in (user("bob"), user("nobody"))]
    assert answers[0] == answers[1]
    assert answers[0][0] == 403
    assert take(site.person(who), pattern(Kind.EXPERIMENT, "t*"), user("bob"))[0] == 403
    assert site.everything() == before


# --- What is hidden --------------------------------------------------------------------------------------------


@every_kind
@pytest.mark.parametrize(
    "to", [{"username": email("bob")}, {"username": email("nobody")}, {"group": "/readers"}, {"group": "?"}]
)
def test_hidden_and_missing_resources_get_the_same_answer_whoever_it_is_about(
    site: Site, carol: Person, made: Made, to: dict[str, Any]
) -> None:
    hidden, missing = made.fields, Made(made.kind, MISSING[made.kind]).fields
    for one, other in (
        (give(carol, hidden, to), give(carol, missing, to)),
        (take(carol, hidden, to), take(carol, missing, to)),
    ):
        assert one == other
        assert one[0] == 403
        assert "or there is no such" in one[1]["message"]
    listed = [carol.get(GRANTS, **fields) for fields in (hidden, missing)]
    assert [answer.status_code for answer in listed] == [403, 403]
    assert listed[0].json == listed[1].json


@every_kind
def test_hidden_and_missing_resources_cost_the_same_statements(site: Site, carol: Person, made: Made) -> None:
    """Else the time of a refusal would tell them apart."""
    hidden, missing = made.fields, Made(made.kind, MISSING[made.kind]).fields
    for method, path, fields in (
        ("GET", GRANTS, {}),
        ("POST", GRANTS, user("bob") | {"permission": "READ"}),
        ("DELETE", GRANTS, user("bob")),
        ("GET", GET, user("carol")),
        ("GET", GET, user("bob")),
        ("POST", GRANT, user("bob") | {"permission": "READ"}),
        ("POST", REVOKE, user("bob")),
        ("GET", "2.0/mlflow/explain", user("carol")),
        ("GET", "2.0/mlflow/explain", user("bob")),
    ):
        cost = []
        for on in (hidden, missing):
            with statements(site.engine) as seen:
                assert carol.ask(method, path, on | fields).status_code == 403
            cost.append([*seen])
        assert len(cost[0]) == len(cost[1]) > 0, (method, path, cost)


@pytest.mark.parametrize("to", [{"group": "no such group"}, {"group_id": 4711}, {"group_id": 10**12}])
def test_a_group_that_is_not_there_is_told_to_who_manages_it(site: Site, to: dict[str, Any]) -> None:
    for who in ("alice", "root"):
        status, told = give(site.person(who), EXPERIMENT.fields, to)
        assert (status, told["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
        assert "no such group" in told["message"]


# --- Lists ------------------------------------------------------------------------------------------------------


def listed(by: Person, **query: Any) -> list[tuple[str, str, str]]:
    answer = by.get(GRANTS, **query)
    assert answer.status_code == 200, answer.json
    assert answer.json is not None
    assert answer.json["next_page_token"] == ""
    return [
        (grant["username"] or grant["group"], grant["pattern"] or grant["resource_id"], grant["permission"])
        for grant in answer.json["grants"]
    ]


def test_on_a_resource_every_grant_that_reaches_it_is_listed_for_who_manages_it(
    site: Site, alice: Person, bob: Person, root: Person
) -> None:
    site.grant(EXPERIMENT, Level.READ, group="/readers")
    site.grant(EXPERIMENT, Level.NO_PERMISSIONS, user="carol")
    site.grant(EXPERIMENT, Level.MANAGE, user="dave", until=NOW)
    site.grant_pattern(Kind.EXPERIMENT, "team-a", Level.USE, user="bob")
    site.grant_pattern(Kind.EXPERIMENT, "team-b", Level.USE, user="bob")
    site.grant_pattern(Kind.REGISTERED_MODEL, "", Level.USE, user="bob")
    expected = [
        (email("alice"), "7", "MANAGE"),
        (email("bob"), "team-a*", "USE"),
        (email("carol"), "7", "NO_PERMISSIONS"),
        ("/readers", "7", "READ"),
    ]
    assert listed(alice, **EXPERIMENT.fields) == listed(root, **EXPERIMENT.fields) == expected
    assert bob.get(GRANTS, **EXPERIMENT.fields).status_code == 403


def test_ones_own_and_ones_groups_are_listed_without_what_is_hidden(site: Site, bob: Person, root: Person) -> None:
    site.grant(EXPERIMENT, Level.READ, group="/readers")
    site.grant(MODEL, Level.EDIT, user="bob")
    site.grant(PROMPT, Level.READ, group="/readers")
    site.grant(PROMPT, Level.NO_PERMISSIONS, user="bob")
    site.grant_pattern(Kind.EXPERIMENT, "secret", Level.NO_PERMISSIONS, user="bob")
    site.grant_pattern(Kind.EXPERIMENT, "team", Level.USE, group="/readers")
    own = [(email("bob"), "forecast", "EDIT"), ("/readers", "7", "READ"), ("/readers", "team*", "USE")]
    assert listed(bob) == listed(bob, username=email("bob")) == own
    assert listed(bob, group_id=site.group_id("/readers")) == own[1:]
    assert len(listed(root, username=email("bob"))) == 6
    assert len(listed(root, group_id=site.group_id("/readers"))) == 3
    assert len(listed(root)) == 9


def test_what_a_no_of_ones_own_hid_until_a_date_is_listed_after_it(site: Site, bob: Person) -> None:
    site.grant(EXPERIMENT, Level.READ, group="/readers")
    site.grant(EXPERIMENT, Level.NO_PERMISSIONS, user="bob", until=NOW)
    assert listed(bob) == [("/readers", "7", "READ")]


def test_other_peoples_and_other_groups_are_for_admins(site: Site, carol: Person, root: Person) -> None:
    for query in ({"username": email("bob")}, {"username": email("nobody")}):
        assert carol.get(GRANTS, **query).status_code == 403
    others = [carol.get(GRANTS, group_id=id_) for id_ in (site.group_id("/readers"), 4711)]
    assert [answer.status_code for answer in others] == [403, 403]
    assert others[0].json == others[1].json
    assert root.get(GRANTS, group_id=4711).status_code == root.get(GRANTS, username=email("nobody")).status_code == 404


def test_a_grant_on_what_is_gone_has_no_name(site: Site, root: Person) -> None:
    site.grant(Made(Kind.EXPERIMENT, "4711"), Level.READ, user="bob")
    (grant,) = root.get(GRANTS, username=email("bob")).json["grants"]  # type: ignore[index]
    assert (grant["resource_id"], grant["name"]) == ("4711", None)


def test_pages_hold_all_there_is_once(site: Site, root: Person) -> None:
    for number in range(20, 45):
        site.grant(Made(Kind.EXPERIMENT, str(number)), Level.READ, user="bob")
    found, token, pages = [], "", 0
    while True:
        answer = root.get(GRANTS, max_results=7, page_token=token).json
        assert answer is not None
        found += [grant["id"] for grant in answer["grants"]]
        pages, token = pages + 1, answer["next_page_token"]
        if not token:
            break
        assert len(answer["grants"]) == 7
    assert len(found) == len(set(found)) == 28
    assert pages == 4


# --- Before it is given ---------------------------------------------------------------------------------------


def test_a_preview_tells_how_much_it_opens_and_to_how_many(site: Site, root: Person, bob: Person) -> None:
    everybody = pattern(Kind.EXPERIMENT, "*") | {"group": "/prokube users"}
    assert root.get(PREVIEW, **everybody).json == {
        "experiments": 2,
        "registered_models": 0,
        "prompts": 0,
        "people": 2,
        "examples": ["Default", "team-a sales"],
    }
    of_bob = root.get(PREVIEW, **pattern(Kind.PROMPT, "*"), **user("bob")).json
    assert of_bob == {
        "experiments": 0,
        "registered_models": 1,
        "prompts": 1,
        "people": 1,
        "examples": ["forecast", "greeting"],
    }
    assert root.get(PREVIEW, **pattern(Kind.PROMPT, "*"), **user("dave")).json["people"] == 0  # type: ignore[index]


# --- What makes no sense ----------------------------------------------------------------------------------------

BOB = {"username": email("bob"), "permission": "READ"}
NONSENSE: dict[str, tuple[dict[str, Any], str]] = {
    "on nothing": ({"resource_type": "experiment", **BOB}, "either resource_id or pattern"),
    "on both": ({**EXPERIMENT.fields, "pattern": "t*", **BOB}, "either resource_id or pattern"),
    "to nobody": ({**EXPERIMENT.fields, "permission": "READ"}, "one of username, group and group_id"),
    "to two": ({**EXPERIMENT.fields, **BOB, "group": "/readers"}, "one of username, group and group_id"),
    "a star": ({"resource_type": "prompt", "resource_id": "*", **BOB}, "'*' stands for many"),
    "no number": ({"resource_type": "experiment", "resource_id": "7_0", **BOB}, "whole number"),
    "no pattern": ({"resource_type": "experiment", "pattern": "team", **BOB}, "'pattern' must end in '*'"),
    "two stars": ({"resource_type": "experiment", "pattern": "t*m*", **BOB}, "one '*' only"),
    "no kind": ({"resource_type": "run", "resource_id": "7", **BOB}, "experiment, registered_model, prompt"),
    "no level": ({**EXPERIMENT.fields, "username": "b", "permission": "OWN"}, "choose one of NO_PERMISSIONS, READ"),
    "no date": ({**EXPERIMENT.fields, **BOB, "expires_at": "soon"}, "'expires_at' is not a date"),
    "a moment": ({**EXPERIMENT.fields, **BOB, "expires_at": "2027-01-31T00:00:00Z"}, "'expires_at' is not a date"),
    "a number as date": ({**EXPERIMENT.fields, **BOB, "expires_at": 20270131}, "'expires_at' must be text"),
    "a field too many": ({**EXPERIMENT.fields, **BOB, "expires": "2027-01-31"}, "does not know the field 'expires'"),
    "a negative group": ({**EXPERIMENT.fields, "group_id": -1, "permission": "READ"}, "whole number"),
}


@pytest.mark.parametrize("sent", NONSENSE)
def test_what_makes_no_sense_is_refused_with_the_field_and_changes_nothing(
    site: Site, alice: Person, root: Person, sent: str
) -> None:
    before, (fields, sentence) = site.everything(), NONSENSE[sent]
    for person in (alice, root):
        answer = person.ask("POST", GRANTS, fields)
        assert (answer.status_code, answer.json["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
        assert sentence in answer.json["message"]
    assert site.everything() == before


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"resource_type": "experiment"}, "resource_type and resource_id together"),
        ({"resource_id": "7"}, "resource_type and resource_id together"),
        ({**EXPERIMENT.fields, "username": email("bob")}, "send one of them"),
        ({"max_results": "0"}, "from 1 to 1000"),
        ({"max_results": "1001"}, "from 1 to 1000"),
        ({"max_results": "ten"}, "whole number"),
        ({"page_token": "%%"}, "no page token"),
        ({"page_token": "MTA"}, "no page token"),
        ({"page_token": "LTE="}, "no page token"),
        ({"group_id": "/readers"}, "whole number"),
    ],
)
def test_a_list_of_what_makes_no_sense_is_refused(root: Person, query: dict[str, str], sentence: str) -> None:
    answer = root.get(GRANTS, **query)
    assert answer.status_code == 400
    assert sentence in answer.json["message"]  # type: ignore[index]


def test_who_can_see_it_is_told_by_name_whom_to_ask(site: Site) -> None:
    bob, body = site.person("bob"), {**EXPERIMENT.fields, "username": email("carol"), "permission": "READ"}
    hidden = bob.post(GRANTS, body).json["message"]  # type: ignore[index]
    assert "Alice" not in hidden
    assert email("alice") not in hidden
    site.grant(EXPERIMENT, Level.READ, user="bob")
    told = bob.post(GRANTS, body).json["message"]  # type: ignore[index]
    assert "You need MANAGE on this experiment to say who may use it, and have READ. Ask " in told
    assert "alice" in told.lower()
