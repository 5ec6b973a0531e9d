"""Why, what nobody manages, and what was done: from the shell."""

from __future__ import annotations

import json

from tests.unit.cli.conftest import ALICE, BOB, Shell


def test_why_is_told_with_what_decides(home: Shell) -> None:
    home.says("grants", "give", "--group", "prokube users", "--experiment", "7", "--level", "EDIT")
    home.says("grants", "give", "--user", BOB, "--experiment", "7", "--level", "READ")
    said = home.says("explain", "--user", BOB, "--experiment", "7")
    assert said.startswith(f"{BOB} has READ on experiment 7 'demand'.\n")
    (decides,) = [line for line in said.splitlines() if line.startswith(">")]
    told = json.loads(home.says("explain", "--user", BOB, "--experiment", "7", "--json"))
    assert (told["username"], told["permission"], told["decided_by"]) == (BOB, "READ", "user")
    (step,) = [step for step in told["steps"] if step["decides"]]
    assert step["sentence"] in decides
    (group,) = [step for step in told["steps"] if step["rung"] == "group"]
    assert [(grant["group"], grant["permission"]) for grant in group["grants"]] == [("/prokube users", "EDIT")]


def test_the_default_is_the_servers(home: Shell) -> None:
    words = ("explain", "--user", BOB, "--model", "taxi", "--json")
    assert json.loads(home.says(*words))["permission"] == "NO_PERMISSIONS"
    said = home.run(*words, DEFAULT_MLFLOW_PERMISSION="READ")
    assert json.loads(said.stdout)["permission"] == "READ"


def test_what_is_asked_about_must_be_there(home: Shell) -> None:
    assert "There is no experiment 8" in home.refuses("explain", "--user", BOB, "--experiment", "8")
    assert "There is no user nobody@" in home.refuses("explain", "--user", "nobody@example.test", "--experiment", "7")
    home.refuses("explain", "--user", BOB, code=2)


def test_what_nobody_manages_is_listed(home: Shell) -> None:
    assert [row["name"] for row in home.json("unmanaged")] == ["demand", "greeting", "taxi"]
    home.says("grants", "give", "--user", ALICE, "--experiment", "7", "--level", "MANAGE")
    home.says("grants", "give", "--group", "prokube users", "--model", "taxi", "--level", "MANAGE")
    (row,) = home.json("unmanaged")
    assert (row["kind"], row["on"], row["in_the_bin"]) == ("prompt", "greeting", False)


def test_what_was_done_is_listed_the_newest_first_and_streamed_the_oldest_first(home: Shell) -> None:
    for level in ("READ", "EDIT"):
        home.says("grants", "give", "--user", BOB, "--experiment", "7", "--level", level)
    home.says("users", "disable", BOB)
    head, *lines = home.says("audit", "--by", "shell").splitlines()
    assert head.split() == ["AT", "BY", "CREDENTIAL", "ACT", "SUBJECT", "BEFORE", "AFTER"]
    assert [line.split()[4] for line in lines] == ["user.disable", "grant.give", "grant.give"]
    assert len(home.says("audit", "--by", "shell", "--last", "1").splitlines()) == 2
    streamed = [json.loads(line) for line in home.says("audit", "--act", "grant", "--jsonl").splitlines()]
    assert [record["after"]["level"] for record in streamed] == ["READ", "EDIT"]
    assert streamed[1]["before"]["level"] == "READ"
    assert home.says("audit", "--jsonl", "--until", "2020-01-31") == ""
    assert home.says("audit", "--jsonl", "--since", "2020-01-31", "--subject", "BOB@", "--act", "user.disable")
