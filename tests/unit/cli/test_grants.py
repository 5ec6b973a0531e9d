"""Grants from the shell: the same rules and the same audit as everywhere else."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from mlflow_oidc_auth.database.tables import pattern_grants
from mlflow_oidc_auth.vocabulary import Level
from tests.unit.cli.conftest import NOW, Shell

ALICE, BOB = "alice@example.test", "bob@example.test"


@pytest.fixture
def home(shell: Shell) -> Shell:
    """alice and bob; experiment 7, the model `taxi` and the prompt `greeting`."""
    shell.login("alice", "/prokube users")
    shell.login("bob", "/prokube users", "/prokube users/team a")
    with shell.engine.begin() as connection:
        connection.execute(
            sa.text("INSERT INTO experiments (experiment_id, name, workspace) VALUES (7, 'demand', 'default')")
        )
        for name in ("taxi", "greeting"):
            connection.execute(
                sa.text("INSERT INTO registered_models (name, workspace) VALUES (:name, 'default')"), {"name": name}
            )
        connection.execute(
            sa.text(
                "INSERT INTO registered_model_tags (workspace, name, key, value) "
                "VALUES ('default', 'greeting', 'mlflow.prompt.is_prompt', 'true')"
            )
        )
    return shell


RESOURCES = {
    "experiment": ("--experiment", "7", "experiment", "demand"),
    "model": ("--model", "taxi", "registered model", "taxi"),
    "prompt": ("--prompt", "greeting", "prompt", "greeting"),
}


@pytest.mark.parametrize(("option", "key", "noun", "name"), RESOURCES.values(), ids=RESOURCES)
def test_what_is_given_is_listed_and_can_be_taken_away(
    home: Shell, option: str, key: str, noun: str, name: str
) -> None:
    on = (option, key)
    said = home.says("grants", "give", "--user", "BOB@example.test", *on, "--level", "READ", "--until", "2030-01-31")
    assert said.startswith(f"The user {BOB} has READ on {noun} ")
    assert "2030-01-31" in said
    (row,) = home.json("grants", "list", *on)
    assert (row["to"], row["kind"], row["on"], row["name"]) == (f"user {BOB}", noun, key, name)
    assert (row["level"], row["by"], row["until"]) == ("READ", "shell", "2030-01-31T23:59:59+00:00")

    assert home.says("grants", "take-away", "--user", BOB, *on).startswith(f"The user {BOB} has no grant")
    assert home.json("grants", "list", *on) == []
    assert [(by, credential) for by, credential, _ in home.audited("grant.give")] == [("shell", "shell")]
    assert len(home.audited("grant.take_away")) == 1


def test_a_group_is_found_as_settings_spell_it(home: Shell) -> None:
    assert "The group /prokube users has EDIT" in home.says(
        "grants", "give", "--group", "prokube users", "--experiment", "7", "--level", "EDIT"
    )
    (row,) = home.json("grants", "list", "--group", "/prokube users")
    assert (row["to"], row["level"], row["until"]) == ("group /prokube users", "EDIT", None)


def test_a_nested_group_is_spelled_in_full(home: Shell) -> None:
    words = ("--experiment", "7", "--level", "READ")
    assert "There is no group team a" in home.refuses("grants", "give", "--group", "team a", *words)
    home.says("grants", "give", "--group", "/prokube users/team a", *words)


def test_giving_again_replaces(home: Shell) -> None:
    for level in ("MANAGE", "NO_PERMISSIONS"):
        home.says("grants", "give", "--user", ALICE, "--model", "taxi", "--level", level)
    assert [row["level"] for row in home.json("grants", "list", "--user", ALICE)] == ["NO_PERMISSIONS"]


def test_the_shell_may_remove_the_last_manager(home: Shell) -> None:
    home.says("grants", "give", "--user", ALICE, "--experiment", "7", "--level", "MANAGE")
    home.says("grants", "take-away", "--user", ALICE, "--experiment", "7")
    assert home.json("grants", "list") == []


def test_the_list_is_narrowed_by_holder_and_resource_together(home: Shell) -> None:
    for user, option, key in ((ALICE, "--experiment", "7"), (ALICE, "--model", "taxi"), (BOB, "--model", "taxi")):
        home.says("grants", "give", "--user", user, option, key, "--level", "READ")
    assert len(home.json("grants", "list")) == 3
    assert [row["kind"] for row in home.json("grants", "list", "--user", ALICE)] == ["experiment", "registered model"]
    (row,) = home.json("grants", "list", "--user", ALICE, "--model", "taxi")
    assert (row["to"], row["on"]) == (f"user {ALICE}", "taxi")


def test_patterns_and_what_is_gone_are_listed_too(home: Shell) -> None:
    home.says("grants", "give", "--user", ALICE, "--model", "taxi", "--level", "READ")
    bob = home.users.by_username(BOB)
    assert bob is not None
    pattern = {"kind": "experiment", "workspace": "default", "prefix": "team-", "user_id": bob.id}
    said = {"level": int(Level.USE), "granted_by": "root@example.test", "granted_at": NOW}
    with home.engine.begin() as connection:
        connection.execute(pattern_grants.insert().values(**pattern, **said))
        connection.execute(sa.text("DELETE FROM registered_models WHERE name = 'taxi'"))
    lines = home.says("grants", "list").splitlines()
    assert lines[0].split() == ["TO", "KIND", "ON", "NAME", "LEVEL", "BY", "SINCE", "UNTIL"]
    assert lines[1].split()[:7] == ["user", ALICE, "registered", "model", "taxi", "-", "READ"]
    assert lines[2].split()[:7] == ["user", BOB, "experiment", "pattern", "team-*", "-", "USE"]


def test_a_name_cannot_steer_the_terminal(home: Shell) -> None:
    with home.engine.begin() as connection:
        connection.execute(
            sa.text("UPDATE experiments SET name = :name WHERE experiment_id = 7"), {"name": "a\x1b[2Jb\nc"}
        )
    home.says("grants", "give", "--user", ALICE, "--experiment", "7", "--level", "READ")
    listed = home.says("grants", "list")
    assert "\x1b" not in listed
    assert r"a\x1b[2Jb\nc" in listed
    assert home.json("grants", "list")[0]["name"] == "a\x1b[2Jb\nc"


ABSENT = {
    "experiment": ("--experiment", "8", "There is no experiment 8"),
    "no number": ("--experiment", "demand", "There is no experiment demand"),
    "model": ("--model", "taxis", "There is no registered model taxis"),
    "prompt": ("--prompt", "taxi", "There is no prompt taxi"),
}


@pytest.mark.parametrize(("option", "key", "told"), ABSENT.values(), ids=ABSENT)
def test_what_is_not_there_cannot_be_shared(home: Shell, option: str, key: str, told: str) -> None:
    for words in (("give", "--user", ALICE, "--level", "READ"), ("take-away", "--user", ALICE), ("list",)):
        assert told in home.refuses("grants", *words, option, key)
    assert home.audited("grant.give") == []


def test_a_grant_that_is_not_there_cannot_be_taken_away(home: Shell) -> None:
    assert "No grant of their own" in home.refuses("grants", "take-away", "--user", ALICE, "--experiment", "7")


MISUSED = {
    "no resource": ("give", "--user", ALICE, "--level", "READ"),
    "two resources": ("give", "--user", ALICE, "--level", "READ", "--model", "taxi", "--experiment", "7"),
    "nobody": ("give", "--level", "READ", "--model", "taxi"),
    "user and group": ("give", "--user", ALICE, "--group", "g", "--level", "READ", "--model", "taxi"),
    "no level": ("give", "--user", ALICE, "--model", "taxi"),
    "another level": ("give", "--user", ALICE, "--model", "taxi", "--level", "OWNER"),
    "a day that is over": ("give", "--user", ALICE, "--model", "taxi", "--level", "READ", "--until", "2020-01-31"),
    "no date": ("give", "--user", ALICE, "--model", "taxi", "--level", "READ", "--until", "soon"),
    "take away from nobody": ("take-away", "--model", "taxi"),
    "take away nothing": ("take-away", "--user", ALICE),
    "list two resources": ("list", "--model", "taxi", "--prompt", "greeting"),
}


@pytest.mark.parametrize("words", MISUSED.values(), ids=MISUSED)
def test_a_command_line_that_makes_no_sense_is_exit_code_2_and_changes_nothing(
    home: Shell, words: tuple[str, ...]
) -> None:
    assert "Error: " in home.refuses("grants", *words, code=2)
    assert home.json("grants", "list") == []
