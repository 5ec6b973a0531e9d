"""Teams and service accounts from the shell."""

from __future__ import annotations

import pytest

from tests.unit.cli.conftest import ALICE, BOB, Shell


@pytest.fixture(autouse=True)
def people(shell: Shell) -> None:
    """alice and bob logged in once."""
    for name in ("alice", "bob"):
        shell.login(name, "/prokube users")


def test_a_team_is_made_filled_changed_and_deleted(shell: Shell) -> None:
    assert "groups add" in shell.says("groups", "make", "vision", "--description", "sees")
    shell.says("groups", "add", "vision", "--user", BOB)
    assert [row["username"] for row in shell.json("groups", "members", "vision")] == [BOB]
    [team] = shell.json("groups", "list", "--search", "vis")
    assert team == {"name": "vision", "source": "team", "members": 1, "description": "sees"}
    shell.says("groups", "change", "vision", "--name", "seeing")
    [team] = shell.json("groups", "list", "--search", "see")
    assert (team["name"], team["description"]) == ("seeing", "sees")
    shell.says("groups", "remove", "seeing", "--user", BOB)
    assert shell.json("groups", "members", "seeing") == []
    shell.says("groups", "delete", "seeing", "--yes")
    assert shell.json("groups", "list", "--search", "see") == []
    assert [by for by, *_ in shell.audited("group.create")] == ["shell"]


def test_a_group_of_the_login_service_is_known_before_its_people_come_and_is_filled_there(shell: Shell) -> None:
    shell.says("groups", "make", "/data science", "--provider")
    assert [row["source"] for row in shell.json("groups", "list", "--search", "science")] == ["provider"]
    assert "login service" in shell.refuses("groups", "add", "/data science", "--user", BOB)
    assert "login service" in shell.refuses("groups", "remove", "/prokube users", "--user", BOB)
    assert "login service" in shell.refuses("groups", "delete", "/prokube users", "--yes")


@pytest.mark.parametrize("name", ["", "/slash", "/prokube users", " blank "])
def test_what_no_team_is_called_is_refused(shell: Shell, name: str) -> None:
    assert shell.refuses("groups", "make", name)


def test_a_service_account_is_made_with_a_key_changed_stopped_and_deleted(shell: Shell) -> None:
    made = ("service-accounts", "create", "robot", "--owner", ALICE, "--purpose", "nightly training")
    assert "tokens create" in shell.says(*made)
    assert "already" in shell.refuses(*made)
    [robot] = shell.json("service-accounts", "list")
    assert robot == {"username": "robot", "owner": ALICE, "purpose": "nightly training", "active": True}
    shell.says("service-accounts", "change", "robot", "--owner", BOB)
    assert [row["owner"] for row in shell.json("service-accounts", "list")] == [BOB]
    shell.says("service-accounts", "disable", "robot")
    assert [row["active"] for row in shell.json("service-accounts", "list")] == [False]
    shell.says("service-accounts", "delete", "robot", "--yes")
    assert shell.json("service-accounts", "list") == []


@pytest.mark.parametrize("name", ["R", "robot@example.test", "current", "a b"])
def test_what_no_service_account_is_called_is_refused(shell: Shell, name: str) -> None:
    assert shell.refuses("service-accounts", "create", name, "--owner", ALICE, "--purpose", "x")


def test_a_person_is_no_service_account(shell: Shell) -> None:
    assert shell.refuses("service-accounts", "delete", ALICE, "--yes")
    assert [row["username"] for row in shell.json("users", "list")] == [ALICE, BOB]
