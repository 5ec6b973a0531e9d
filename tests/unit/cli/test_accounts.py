"""Users, groups and access keys from the shell."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.unit.cli.conftest import NOW, Shell


@pytest.fixture
def alice(shell: Shell) -> int:
    return shell.login("alice", "/prokube users", "/prokube users/team a")


@pytest.fixture
def root(shell: Shell) -> int:
    return shell.login("root", "/prokube admins", admin=True)


def make_key(shell: Shell, user_id: int, by: str) -> str:
    now = datetime.now(UTC)
    _, row = shell.tokens.create(user_id, now + timedelta(days=30), by=by, now=now)
    return row.public_id


def test_users_are_listed_in_aligned_columns(shell: Shell, alice: int, root: int) -> None:
    head, first, second = shell.says("users", "list").splitlines()
    assert head.split() == ["USERNAME", "NAME", "KIND", "ADMIN", "ACTIVE", "LAST", "LOGIN"]
    assert first.split() == ["alice@example.test", "Alice", "person", "no", "yes", "2026-06-01", "12:00"]
    assert second.split() == ["root@example.test", "Root", "person", "yes", "yes", "2026-06-01", "12:00"]
    assert first.index("Alice") == second.index("Root") == head.index("NAME", 8)


def test_users_are_listed_as_json(shell: Shell, alice: int) -> None:
    (row,) = shell.json("users", "list")
    assert row == {
        "username": "alice@example.test",
        "name": "Alice",
        "kind": "person",
        "admin": False,
        "active": True,
        "last_login": NOW.isoformat(),
    }


def test_users_are_searched_by_what_their_name_holds(shell: Shell, alice: int, root: int) -> None:
    assert [row["username"] for row in shell.json("users", "list", "--search", "OO")] == ["root@example.test"]
    assert shell.json("users", "list", "--search", "%") == []


def test_disabling_a_user_ends_their_key_and_is_written_down(shell: Shell, alice: int) -> None:
    make_key(shell, alice, "alice@example.test")
    assert "alice@example.test is disabled" in shell.says("users", "disable", "Alice@Example.test")
    assert shell.tokens.active_of(alice, datetime.now(UTC)) == []
    assert [row["active"] for row in shell.json("users", "list")] == [False]
    assert shell.audited("user.disable") == [("shell", "shell", "alice@example.test")]


def test_enabling_a_user_lets_them_in_again_without_their_old_key(shell: Shell, alice: int) -> None:
    make_key(shell, alice, "alice@example.test")
    shell.says("users", "disable", "alice@example.test")
    assert "may log in again" in shell.says("users", "enable", "alice@example.test")
    assert [row["active"] for row in shell.json("users", "list")] == [True]
    assert shell.json("tokens", "list") == []
    assert shell.audited("user.enable") == [("shell", "shell", "alice@example.test")]


@pytest.mark.parametrize("words", ["users disable", "users enable", "tokens list --user", "tokens revoke --user"])
def test_a_user_who_is_not_there_is_a_sentence_and_exit_code_1(shell: Shell, words: str) -> None:
    assert "There is no user nobody@example.test" in shell.refuses(*words.split(), "nobody@example.test")


def test_groups_are_listed(shell: Shell, alice: int, root: int) -> None:
    listed = [(row["name"], row["source"]) for row in shell.json("groups", "list")]
    assert listed == [(name, "provider") for name in ("/prokube admins", "/prokube users", "/prokube users/team a")]
    assert "/prokube users/team a  provider" in shell.says("groups", "list")


def test_keys_are_listed_without_their_secret(shell: Shell, alice: int, root: int) -> None:
    ids = {"alice@example.test": make_key(shell, alice, "alice@example.test")}
    ids["root@example.test"] = make_key(shell, root, "root@example.test")
    assert {row["user"]: row["id"] for row in shell.json("tokens", "list")} == ids
    (row,) = shell.json("tokens", "list", "--user", "ALICE@example.test")
    assert set(row) == {"user", "id", "name", "created", "by", "expires", "last_used"}
    assert (row["id"], row["by"], row["last_used"]) == (ids["alice@example.test"], "alice@example.test", None)
    assert "mlfpat_" not in shell.says("tokens", "list")


def test_revoking_ends_all_keys_of_one_user(shell: Shell, alice: int, root: int) -> None:
    public_id = make_key(shell, alice, "alice@example.test")
    make_key(shell, root, "root@example.test")
    assert shell.says("tokens", "revoke", "--user", "alice@example.test").startswith("1 access key")
    assert [row["user"] for row in shell.json("tokens", "list")] == ["root@example.test"]
    ((by, credential, subject),) = shell.audited("token.revoke")
    assert (by, credential) == ("shell", "shell")
    assert public_id in subject
    assert shell.says("tokens", "revoke", "--user", "alice@example.test").startswith("0 access key")
