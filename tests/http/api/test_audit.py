"""The audit as JSON: what was done is found by who, what, whom and when; page by page, or as lines."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.http.api.site import EXPERIMENT, GRANT, MODEL, REVOKE, Person, email

AUDIT = "2.0/mlflow/audit"


@pytest.fixture(autouse=True)
def changes(alice: Person, root: Person) -> None:
    """alice gives and takes away, root gives."""
    on = {"username": email("bob"), **EXPERIMENT.fields}
    assert alice.post(GRANT, on | {"permission": "READ"}).status_code == 200
    assert alice.post(GRANT, on | {"permission": "EDIT"}).status_code == 200
    assert alice.post(REVOKE, on).status_code == 200
    more = {"username": email("carol"), **MODEL.fields, "permission": "READ"}
    assert root.post(GRANT, more).status_code == 200


def records(person: Person, **query: str) -> list[dict[str, Any]]:
    answer = person.get(AUDIT, **query)
    told: Any = answer.json
    assert answer.status_code == 200, told
    found: list[dict[str, Any]] = told["records"]
    return found


def test_a_record_tells_who_whom_when_from_where_and_what_was_before(root: Person) -> None:
    newest, *_ = records(root, by=email("alice"))
    assert newest["act"] == "grant.take_away"
    assert newest["subject"] == f"experiment 7 for user {email('bob')}"
    assert newest["credential"] == "token 1"
    assert newest["address"] == "127.0.0.1"
    assert newest["at"] == "2026-06-01T12:00:00+00:00"
    assert newest["before"]["level"] == "EDIT"
    assert newest["after"] is None


FILTERS = {
    "by": ({"by": email("root"), "act": "grant"}, ["grant.give"]),
    "act": ({"act": "grant.take_away"}, ["grant.take_away"]),
    "noun": ({"act": "grant"}, ["grant.give", "grant.take_away", "grant.give", "grant.give"]),
    "subject": ({"subject": "FORECAST", "act": "grant"}, ["grant.give"]),
    "credential": ({"credential": "session"}, []),
    "that day": ({"act": "grant.take_away", "since": "2026-06-01", "until": "2026-06-01"}, ["grant.take_away"]),
    "the day after": ({"since": "2026-06-02"}, []),
    "the last day there is": ({"act": "grant.take_away", "until": "9999-12-31"}, ["grant.take_away"]),
    "the day before": ({"until": "2026-05-31"}, []),
}


@pytest.mark.parametrize("what", FILTERS)
def test_records_are_found(root: Person, what: str) -> None:
    query, acts = FILTERS[what]
    assert [record["act"] for record in records(root, **query)] == acts


def test_pages_follow_each_other_and_the_lines_hold_all_of_them(root: Person) -> None:
    seen: list[int] = []
    token = ""
    while True:
        told: Any = root.get(AUDIT, max_results="2", **({"page_token": token} if token else {})).json
        seen += [record["id"] for record in told["records"]]
        token = told["next_page_token"]
        if not token:
            break
    assert seen == sorted(set(seen), reverse=True)
    lines = root.get(f"{AUDIT}/export")
    assert lines.mimetype == "application/jsonl"
    assert lines.headers["Cache-Control"] == "no-store"
    assert [json.loads(line)["id"] for line in lines.text.splitlines()] == sorted(seen)
    assert [json.loads(line)["act"] for line in root.get(f"{AUDIT}/export", act="grant").text.splitlines()] == [
        "grant.give",
        "grant.give",
        "grant.take_away",
        "grant.give",
    ]


@pytest.mark.parametrize(
    "query",
    [{"since": "tomorrow"}, {"until": "2026-02-31"}, {"page_token": "x"}, {"page_token": "2147483648"}],
    ids=str,
)
def test_what_cannot_be_meant_is_refused(root: Person, query: dict[str, str]) -> None:
    answer = root.get(AUDIT, **query)
    assert answer.status_code == 400
    assert next(iter(query)) in str(answer.json)
