"""Why as JSON: who is told, what decides and what lost; and what nobody learns from it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from mlflow_oidc_auth.vocabulary import Kind, Level
from tests.http.api.site import EVERY_KIND, EXPERIMENT, MISSING, NOW, Made, Person, Site, email

EXPLAIN = "2.0/mlflow/explain"
every_kind = pytest.mark.parametrize("made", EVERY_KIND, ids=lambda made: str(made.kind))


def why(by: Person, of: str, made: Made) -> tuple[int, Any]:
    answer = by.get(EXPLAIN, username=email(of), **made.fields)
    told: Any = answer.json
    return answer.status_code, told.get("explanation", told)


@every_kind
def test_the_owner_is_told_why_somebody_else_can(site: Site, alice: Person, made: Made) -> None:
    site.grant(made, Level.READ, group="/readers")
    site.grant_pattern(made.kind, "", Level.EDIT, user="bob")
    status, told = why(alice, "bob", made)
    assert status == 200
    assert (told["permission"], told["decided_by"]) == ("READ", "group")
    assert told["username"] == email("bob")
    assert "/readers" in told["sentence"]
    steps = {step["rung"]: step for step in told["steps"]}
    assert list(steps) == ["admin", "user", "group", "user_pattern", "group_pattern", "default"]
    assert [step["rung"] for step in told["steps"] if step["decides"]] == ["group"]
    [lost] = steps["user_pattern"]["grants"]
    assert (lost["pattern"], lost["permission"], lost["ended"]) == ("*", "EDIT", False)


def test_a_grant_that_has_ended_is_told_as_ended(site: Site, alice: Person) -> None:
    site.grant(EXPERIMENT, Level.READ, user="bob", until=NOW - timedelta(days=1))
    _, told = why(alice, "bob", EXPERIMENT)
    assert (told["permission"], told["decided_by"]) == ("NO_PERMISSIONS", "default")
    assert "ended" in told["sentence"]
    [step] = [step for step in told["steps"] if step["rung"] == "user"]
    assert [grant["ended"] for grant in step["grants"]] == [True]


@every_kind
def test_oneself_on_what_one_can_read(site: Site, bob: Person, made: Made) -> None:
    site.grant(made, Level.READ, user="bob")
    assert why(bob, "bob", made)[0] == 200
    assert why(bob, "alice", made)[0] == 403


@every_kind
def test_a_hidden_resource_and_a_missing_one_are_told_alike(carol: Person, made: Made) -> None:
    missing = Made(made.kind, MISSING[made.kind])
    for of in ("carol", "alice", "nobody"):
        hidden, absent = why(carol, of, made), why(carol, of, missing)
        assert hidden == absent
        assert hidden[0] == 403
        assert set(hidden[1]) == {"error_code", "message"}


def test_an_admin_is_told_of_anybody_and_of_what_is_missing(root: Person) -> None:
    assert why(root, "carol", EXPERIMENT)[0] == 200
    assert why(root, "root", EXPERIMENT)[1]["decided_by"] == "admin"
    assert why(root, "carol", Made(Kind.EXPERIMENT, "4711"))[0] == 404
    assert why(root, "nobody", EXPERIMENT)[0] == 404


@every_kind
def test_it_is_what_the_check_finds(site: Site, alice: Person, made: Made) -> None:
    site.grant(made, Level.EDIT, group="/readers")
    site.grant(made, Level.NO_PERMISSIONS, user="carol")
    for name in ("alice", "bob", "carol", "dave", "mallory"):
        assert why(alice, name, made)[1]["permission"] == alice.level_of(name, made)
