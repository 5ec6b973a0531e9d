"""Grants from the shell: the same rules and the same audit as everywhere else."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from mlflow_oidc_auth.database.tables import pattern_grants
from mlflow_oidc_auth.vocabulary import Level
from tests.unit.cli.conftest import ALICE, BOB, NOW, Shell

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

    assert home.says("grants", "take-away", "--user", BOB, *on).startswith(f"The grant of the user {BOB} on ")
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


def test_a_pattern_is_given_previewed_listed_and_taken_away(home: Shell) -> None:
    words = ("--pattern", "dem*", "--kind", "experiment")
    told = home.field("grants", "preview", "--group", "prokube users", *words)
    assert told == {"experiments": 1, "registered_models": 0, "prompts": 0, "people": 2, "examples": "demand"}
    said = home.says("grants", "give", "--group", "prokube users", *words, "--level", "READ", "--until", "2030-01-31")
    assert said == ("The group /prokube users has READ on experiments dem* until the end of 2030-01-31 (UTC).\n")
    (row,) = home.json("grants", "list", "--experiment", "7")
    assert (row["kind"], row["on"], row["level"]) == ("experiment pattern", "dem*", "READ")
    home.says("grants", "take-away", "--group", "prokube users", *words)
    assert home.json("grants", "list") == []


def test_a_pattern_of_models_covers_prompts(home: Shell) -> None:
    told = home.field("grants", "preview", "--user", BOB, "--pattern", "*", "--kind", "prompt")
    assert told == {
        "experiments": 0, "registered_models": 1, "prompts": 1, "people": 1, "examples": "greeting, taxi",
    }  # fmt: skip


def test_what_the_shell_may_a_user_may_not(home: Shell) -> None:
    give = ("grants", "give", "--user", BOB, "--experiment", "7", "--level", "READ")
    assert "You need MANAGE on this experiment" in home.refuses(*give, "--as", ALICE)
    assert home.json("grants", "list") == []
    home.says("grants", "give", "--user", ALICE, "--experiment", "7", "--level", "MANAGE")
    home.says(*give, "--as", ALICE)
    given = [(by, credential) for by, credential, _ in home.audited("grant.give")]
    assert given == [("shell", "shell"), (ALICE, "shell")]
    last = ("grants", "take-away", "--user", ALICE, "--experiment", "7", "--as", ALICE)
    assert "without anybody who manages it" in home.refuses(*last)
    assert "Only MLflow admins" in home.refuses(
        *give[:4], "--pattern", "*", "--kind", "model", *give[6:], "--as", ALICE
    )


def test_the_default_counts_for_who_gives(home: Shell) -> None:
    give = ("grants", "give", "--user", BOB, "--experiment", "7", "--level", "READ", "--as", ALICE)
    home.refuses(*give)
    assert home.run(*give, DEFAULT_MLFLOW_PERMISSION="MANAGE").exit_code == 0


def test_who_is_disabled_may_nothing(home: Shell) -> None:
    home.says("grants", "give", "--user", ALICE, "--experiment", "7", "--level", "MANAGE")
    home.says("users", "disable", ALICE)
    give = ("grants", "give", "--user", BOB, "--experiment", "7", "--level", "READ", "--as", ALICE)
    assert "is disabled and may do nothing" in home.refuses(*give)


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
    "a pattern without its kind": ("give", "--user", ALICE, "--pattern", "a*", "--level", "READ"),
    "a pattern without a star": ("give", "--user", ALICE, "--pattern", "a", "--kind", "model", "--level", "READ"),
    "a pattern and a resource": (
        "give",
        "--user",
        ALICE,
        "--pattern",
        "a*",
        "--kind",
        "model",
        "--model",
        "taxi",
        "--level",
        "READ",
    ),
    "preview nothing": ("preview", "--user", ALICE),
    "list two resources": ("list", "--model", "taxi", "--prompt", "greeting"),
}


@pytest.mark.parametrize("words", MISUSED.values(), ids=MISUSED)
def test_a_command_line_that_makes_no_sense_is_exit_code_2_and_changes_nothing(
    home: Shell, words: tuple[str, ...]
) -> None:
    assert "Error: " in home.refuses("grants", *words, code=2)
    assert home.json("grants", "list") == []
