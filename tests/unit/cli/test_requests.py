"""Requests for access, decided in the shell."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mlflow_oidc_auth.bridge.lookups import ResourceLookup
from mlflow_oidc_auth.grants.requests import RequestStore
from mlflow_oidc_auth.grants.store import GivenBy, GrantStore
from mlflow_oidc_auth.vocabulary import Kind, Level
from tests.unit.cli.conftest import ALICE, BOB, Shell


@pytest.fixture
def asked(home: Shell) -> str:
    """bob asks for experiment 7, which alice manages; the number of his request."""
    home.says("grants", "give", "--user", ALICE, "--experiment", "7", "--level", "MANAGE")
    bob = home.users.by_username(BOB)
    assert bob is not None
    none = Level.NO_PERMISSIONS
    store = RequestStore(home.engine, none, GrantStore(home.engine, none), ResourceLookup(home.engine))
    me = GivenBy(BOB, False, bob.id)
    return str(store.ask(me, Kind.EXPERIMENT, "demand", Level.READ, reason="to learn", now=datetime.now(UTC)).id)


def test_a_request_is_listed_and_granted_until_a_day(home: Shell, asked: str) -> None:
    (row,) = home.json("requests", "list")
    assert (str(row["id"]), row["user"], row["kind"], row["on"]) == (asked, BOB, "experiment", "7")
    assert (row["name"], row["level"], row["reason"]) == ("demand", "READ", "to learn")
    said = home.says("requests", "grant", asked, "--until", "2030-01-31")
    assert said == f"{BOB} has READ on experiment 7 'demand'.\n"
    (grant,) = home.json("grants", "list", "--user", BOB)
    assert (grant["level"], grant["by"], grant["until"]) == ("READ", "shell", "2030-01-31T23:59:59+00:00")
    assert home.json("requests", "list") == []
    assert "no such open request" in home.refuses("requests", "grant", asked)


def test_another_level_can_be_given_by_who_manages_it(home: Shell, asked: str) -> None:
    assert len(home.json("requests", "list", "--as", ALICE)) == 1
    home.says("requests", "grant", asked, "--level", "EDIT", "--as", ALICE)
    (grant,) = home.json("grants", "list", "--user", BOB)
    assert (grant["level"], grant["by"]) == ("EDIT", ALICE)


def test_who_does_not_manage_it_decides_nothing(home: Shell, asked: str) -> None:
    home.login("carol", "/prokube users")
    carol = ("--as", "carol@example.test")
    assert home.json("requests", "list", *carol) == []
    for act in ("grant", "decline"):
        assert "no such open request" in home.refuses("requests", act, asked, *carol)
    assert len(home.json("requests", "list")) == 1


def test_a_request_is_declined(home: Shell, asked: str) -> None:
    assert home.says("requests", "decline", asked).startswith(f"The request of {BOB} for experiment 7 'demand'")
    assert home.json("requests", "list") == []
    assert home.json("grants", "list", "--user", BOB) == []
    assert len(home.audited("request.decline")) == 1
