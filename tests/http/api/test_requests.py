"""Access requests as JSON: asked by name, the same answer whether it is there or not, decided by who manages it."""

from __future__ import annotations

from typing import Any

import pytest

from mlflow_oidc_auth.grants.requests import LONGEST_REASON, MOST_A_DAY
from mlflow_oidc_auth.vocabulary import Level
from tests.http.api.site import EVERY_KIND, EXPERIMENT, MISSING, MODEL, Made, Person, Site, email

REQUESTS = "2.0/mlflow/access-requests"
every_kind = pytest.mark.parametrize("made", EVERY_KIND, ids=lambda made: str(made.kind))


def ask(by: Person, made: Made, level: str = "READ", **more: str) -> tuple[int, Any]:
    body = {"resource_type": str(made.kind), "name": made.key, "permission": level, **more}
    answer = by.post(REQUESTS, body)
    told: Any = answer.json
    return answer.status_code, told.get("access_request", told)


def listed(by: Person, **query: str) -> list[dict[str, Any]]:
    answer = by.get(REQUESTS, **query)
    told: Any = answer.json
    assert answer.status_code == 200, told
    requests: list[dict[str, Any]] = told["access_requests"]
    return requests


def decide(by: Person, do: str, number: int, **body: Any) -> int:
    return by.post(f"{REQUESTS}/{number}/{do}", body).status_code


@every_kind
def test_asked_seen_by_the_owner_and_granted(alice: Person, carol: Person, made: Made) -> None:
    status, asked = ask(carol, made, "EDIT", reason="for the forecast")
    assert (status, asked["state"], asked["resource_id"]) == (200, "open", None)
    [open_] = listed(alice, to_decide="true")
    assert (open_["id"], open_["username"], open_["permission"]) == (asked["id"], email("carol"), "EDIT")
    assert (open_["resource_id"], open_["reason"]) == (made.key, "for the forecast")
    assert decide(alice, "grant", asked["id"], permission="READ", expires_at="2026-12-31") == 200
    assert alice.level_of("carol", made) == "READ"
    [mine] = listed(carol)
    assert (mine["state"], mine["granted_by"]) == ("granted", email("alice"))
    assert listed(alice, to_decide="true") == []


@every_kind
def test_the_answer_is_the_same_whether_there_is_such_a_thing(carol: Person, made: Made) -> None:
    (status, there), (also, absent) = ask(carol, made), ask(carol, Made(made.kind, MISSING[made.kind]))
    assert status == also == 200
    same = {"id", "asked_for"}
    assert {name: value for name, value in there.items() if name not in same} == {
        name: value for name, value in absent.items() if name not in same
    }
    mine = listed(carol)
    assert {one["state"] for one in mine} == {"open"}
    assert {one["resource_id"] for one in mine} == {None}


def test_what_was_declined_stays_open_to_who_asked(alice: Person, carol: Person) -> None:
    _, asked = ask(carol, EXPERIMENT)
    assert decide(alice, "decline", asked["id"]) == 200
    assert [one["state"] for one in listed(carol)] == ["open"]
    assert listed(alice, to_decide="true") == []
    assert alice.level_of("carol", EXPERIMENT) == "NO_PERMISSIONS"


@pytest.mark.parametrize("do", ["grant", "decline"])
def test_who_does_not_manage_it_decides_nothing(site: Site, bob: Person, carol: Person, do: str) -> None:
    site.grant(MODEL, Level.MANAGE, user="bob")  # of something else
    site.grant(EXPERIMENT, Level.EDIT, user="bob")
    _, asked = ask(carol, EXPERIMENT)
    for person in (bob, carol):
        assert listed(person, to_decide="true") == []
        refused = person.post(f"{REQUESTS}/{asked['id']}/{do}", {})
        nothing = person.post(f"{REQUESTS}/4711/{do}", {})
        assert (refused.status_code, refused.json) == (nothing.status_code, nothing.json)
        assert refused.status_code == 404
    assert [one["state"] for one in listed(carol)] == ["open"]


def test_only_who_asked_withdraws(alice: Person, carol: Person) -> None:
    _, asked = ask(carol, EXPERIMENT)
    assert decide(alice, "withdraw", asked["id"]) == 404
    assert decide(carol, "withdraw", asked["id"]) == 200
    assert listed(carol) == listed(alice, to_decide="true") == []
    assert decide(carol, "withdraw", asked["id"]) == 404


def test_asking_is_limited(carol: Person) -> None:
    for number in range(MOST_A_DAY):
        assert ask(carol, Made(MODEL.kind, f"model {number}"))[0] == 200
    status, told = ask(carol, Made(MODEL.kind, "one more"))
    assert status == 429
    assert "tomorrow" in told["message"]


def test_what_one_has_is_not_asked_for(alice: Person) -> None:
    assert ask(alice, EXPERIMENT, "READ")[0] == 400
    assert ask(alice, EXPERIMENT, "NO_PERMISSIONS")[0] == 400


def test_a_reason_is_as_long_as_it_may_be_and_no_longer(carol: Person) -> None:
    status, refused = ask(carol, EXPERIMENT, reason="x" * (LONGEST_REASON + 1))
    assert (status, refused["message"]) == (400, f"'reason' is longer than {LONGEST_REASON} characters.")
    status, asked = ask(carol, EXPERIMENT, reason="x" * LONGEST_REASON)
    assert (status, len(asked["reason"])) == (200, LONGEST_REASON)


def test_a_request_is_paged(carol: Person) -> None:
    for number in range(5):
        ask(carol, Made(MODEL.kind, f"model {number}"))
    seen: list[str] = []
    token = ""
    for _ in range(3):
        told: Any = carol.get(REQUESTS, max_results="2", **({"page_token": token} if token else {})).json
        seen += [one["asked_for"] for one in told["access_requests"]]
        token = told["next_page_token"]
    assert sorted(seen) == [f"model {number}" for number in range(5)]
    assert token == ""
