"""Served against listed: pure set comparison."""

from __future__ import annotations

import pytest

from mlflow_oidc_auth.operations.coverage import Served, compare, graphql_served, release
from mlflow_oidc_auth.operations.requirements import Admin, Deny, Entry, Probe, SignedIn

GET = Entry("GET", "/thing", SignedIn())
LATER = Entry("POST", "/thing", Admin(), since="3.18.0")


def served(*keys: tuple[str, str]) -> list[Served]:
    """What a server routes."""
    return [Served(method, path, "flask") for method, path in keys]


def test_served_and_listed_is_exact() -> None:
    found = compare(served(("GET", "/thing")), [GET], version="3.17.2")
    assert found.exact
    assert found.complete
    assert found.both == (("GET", "/thing"),)


def test_served_and_not_listed_is_named() -> None:
    found = compare(served(("GET", "/thing"), ("DELETE", "/thing")), [GET], version="3.17.2")
    assert not found.complete
    assert [item.key for item in found.unlisted] == [("DELETE", "/thing")]


@pytest.mark.parametrize("method", ["WEBSOCKET", "MOUNT", "UNKNOWN"])
def test_what_is_no_plain_route_is_never_listed(method: str) -> None:
    found = compare(served(("GET", "/thing"), (method, "/thing")), [GET], version="3.17.2")
    assert [item.method for item in found.unlisted] == [method]


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
def test_what_frameworks_answer_themselves_needs_no_entry(method: str) -> None:
    assert compare(served(("GET", "/thing"), (method, "/thing")), [GET], version="3.17.2").exact


def test_listed_and_not_served_is_complete_but_not_exact() -> None:
    found = compare([], [GET], version="3.17.2")
    assert found.complete
    assert not found.exact
    assert found.not_served == (("GET", "/thing"),)


@pytest.mark.parametrize(
    ("version", "missing"),
    [("3.17.2", []), ("3.18.0", [LATER]), ("3.18.0.dev0", [LATER]), ("4.0", [LATER])],
    ids=["before", "from then on", "its development version", "later"],
)
def test_an_entry_is_expected_from_its_version_on(version: str, missing: list[Entry]) -> None:
    found = compare(served(("GET", "/thing")), [GET, LATER], version=version)
    assert found.not_served == tuple((entry.method, entry.path) for entry in missing)


def test_an_operation_of_a_later_version_is_listed_already() -> None:
    # A version may serve something early; it has its entry then.
    assert compare(served(("GET", "/thing"), ("POST", "/thing")), [GET, LATER], version="3.17.2").complete


def test_two_entries_for_one_operation_are_found() -> None:
    found = compare(served(("GET", "/thing")), [GET, GET], version="3.17.2")
    assert not found.complete
    assert found.listed_twice == (("GET", "/thing"),)


@pytest.mark.parametrize("needs", [Deny("No."), Probe("says OK")], ids=["denied", "a probe"])
def test_what_the_gate_itself_answers_of_ours_needs_no_route(needs: Deny | Probe) -> None:
    answered = Entry("POST", "/signup", needs, ours=True)
    assert compare(served(("GET", "/thing")), [GET, answered], version="3.17.2").exact


def test_a_graphql_field_is_an_operation() -> None:
    assert {item.key for item in graphql_served(["Query.a"])} == {("GRAPHQL", "Query.a")}


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("3.17.2", (3, 17, 2)), ("3.18.0.dev0", (3, 18, 0)), ("3.18.0rc1", (3, 18, 0)), ("4", (4,)), ("", ())],
)
def test_versions_compare_by_their_numbers(text: str, numbers: tuple[int, ...]) -> None:
    assert release(text) == numbers
