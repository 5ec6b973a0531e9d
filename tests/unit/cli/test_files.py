"""Permissions as files: what is exported can be applied, all of it or nothing, and a second time changes nothing."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from mlflow_oidc_auth.database.tables import audit_records
from mlflow_oidc_auth.files.writing import csv_line
from tests.unit.cli.conftest import ALICE, BOB, Shell

FILE = """\
teams:
- name: forecasters
  description: forecasts
  members: [alice@example.test, robot]
service_accounts:
- username: robot
  owner: alice@example.test
  purpose: nightly training
grants:
- user: bob@example.test
  experiment: demand
  id: 7
  level: READ
  until: 2030-01-31
- group: /prokube users
  model: taxi
  level: EDIT
- team: forecasters
  models: fore-*
  level: MANAGE
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "grants.yaml"
    path.write_text(FILE)
    return path


def audited(shell: Shell) -> int:
    with shell.engine.connect() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(audit_records)).scalar_one())


def test_what_is_applied_is_exported_and_applied_again_changes_nothing(home: Shell, file: Path) -> None:
    said = home.says("apply", str(file)).splitlines()
    assert said == [
        f"+ make service account robot, owner {ALICE}, for: nightly training",
        "+ make team forecasters",
        f"+ add {ALICE} to team forecasters",
        "+ add robot to team forecasters",
        f"+ give user {BOB} READ until 2030-01-31 on experiment 7 'demand'",
        "+ give group /prokube users EDIT on registered model 'taxi'",
        "+ give team forecasters MANAGE on registered models fore-*",
        "7 change(s) made.",
    ]
    before = audited(home)
    assert home.says("apply", str(file)) == "Nothing to change.\n"
    exported = home.says("export")
    assert exported == FILE.replace("[alice@example.test, robot]", "\n  - alice@example.test\n  - robot").replace(
        "members: \n", "members:\n"
    )
    file.write_text(exported)
    assert home.says("apply", str(file), "--prune") == "Nothing to change.\n"
    assert audited(home) == before
    assert [by for by, *_ in home.audited("grant.give")] == ["shell"] * 3


def test_a_dry_run_changes_nothing(home: Shell, file: Path) -> None:
    before = audited(home)
    assert "7 change(s), none made" in home.says("apply", str(file), "--dry-run")
    assert audited(home) == before
    assert home.json("grants", "list") == []


def test_what_differs_is_changed_and_what_the_file_lacks_goes_only_when_pruned(home: Shell, file: Path) -> None:
    home.says("apply", str(file))
    home.says("grants", "give", "--user", ALICE, "--prompt", "greeting", "--level", "MANAGE")
    file.write_text("grants:\n- user: bob@example.test\n  id: 7\n  level: USE\n")
    said = home.says("apply", str(file)).splitlines()
    assert said[0] == f"~ change user {BOB} from READ until 2030-01-31 to USE on experiment 7 'demand'"
    assert "3 more stand in the database alone" in said[-1]
    assert len(home.json("grants", "list")) == 4
    pruned = home.says("apply", str(file), "--prune").splitlines()
    assert f"- take away from user {ALICE} MANAGE on prompt 'greeting'" in pruned
    (row,) = home.json("grants", "list")
    assert (row["to"], row["level"], row["until"]) == (f"user {BOB}", "USE", None)
    assert [row["name"] for row in home.json("groups", "list") if row["source"] == "team"] == ["forecasters"]


def test_a_team_that_the_file_lacks_is_deleted_when_pruned_but_never_a_service_account(home: Shell, file: Path) -> None:
    home.says("apply", str(file))
    file.write_text("teams: []\nservice_accounts: []\ngrants: []\n")
    assert "- delete team forecasters" in home.says("apply", str(file), "--prune")
    assert home.json("grants", "list") == []
    assert [row["username"] for row in home.json("service-accounts", "list")] == ["robot"]


WRONG = """\
teams:
- name: forecasters
  members: [nobody@example.test]
grants:
- user: nobody@example.test
  experiment: demand
  level: READ
- user: bob@example.test
  id: 8
  level: READ
- user: bob@example.test
  experiment: other
  id: 7
  level: READ
- group: no such group
  model: taxi
  level: OWNER
- team: no such team
  prompt: taxi
  level: READ
  until: 2020-01-31
- user: bob@example.test
  model: taxi
  level: READ
  until: soon
- user: bob@example.test
  model: taxi
  level: USE
  colour: red
- level: READ
- user: bob@example.test
  models: a*b
  level: READ
"""


def test_all_that_is_wrong_is_said_at_once_with_its_lines(home: Shell, file: Path) -> None:
    file.write_text(WRONG)
    before = audited(home)
    said = home.refuses("apply", str(file))
    told: dict[int, str] = {}
    for line in said.splitlines()[1:]:
        number = int(line.split(":")[1])
        told[number] = told.get(number, "") + line.split(":", 2)[2]
    for line, sentence in {
        3: "no user nobody@example.test",
        5: "no user nobody@example.test",
        8: "no experiment 8",
        11: "Experiment 7 is called 'demand', not 'other'",
        15: "no group no such group",
        17: "'OWNER' is no level",
        18: "no team no such team",
        21: "is over",
        25: "is not a date",
        29: "no field 'colour'",
        30: "A grant is on one thing",
        32: "must end in '*'",
    }.items():
        assert sentence in told[line], (line, said)
    assert audited(home) == before


BROKEN = {
    "no YAML": ("grants: [", "This is no YAML"),
    "empty": ("", "The file is empty"),
    "a list": ("- a", "must have the fields teams, service_accounts, grants"),
    "another part": ("users: []", "has no field 'users'"),
    "twice": ("grants: []\ngrants: []", "is there twice"),
    "not UTF-8": (b"\xff\xfe", "not UTF-8"),
    "the same grant twice": (
        "grants:\n" + "- {user: bob@example.test, id: 7, level: READ}\n" * 2,
        "has a grant on the same in line 2",
    ),
    "an account without an owner": ("service_accounts: [{username: robot}]", "needs an 'owner'"),
    "a person as an account": (
        "service_accounts: [{username: bob@example.test, owner: alice@example.test}]",
        "is a person",
    ),
}


@pytest.mark.parametrize(("text", "sentence"), BROKEN.values(), ids=BROKEN)
def test_a_file_that_cannot_be_applied_changes_nothing(
    home: Shell, file: Path, text: str | bytes, sentence: str
) -> None:
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    before = audited(home)
    assert sentence in home.refuses("apply", str(file))
    assert audited(home) == before


def test_who_is_disabled_is_given_nothing_and_keeps_what_they_have(home: Shell, file: Path) -> None:
    home.says("apply", str(file))
    for name in (ALICE, BOB):
        home.says("users", "disable", name)
    assert home.says("apply", str(file)) == "Nothing to change.\n"
    file.write_text(FILE.replace("READ", "USE").replace("forecasters", "others"))
    said = home.refuses("apply", str(file))
    assert f"4: {ALICE} is disabled" in said
    assert "10: This user is disabled, and could not use it." in said


KILLED = """
import os, signal, sys
import sqlalchemy as sa
from mlflow_oidc_auth.cli import main

written = []

@sa.event.listens_for(sa.Engine, "after_cursor_execute")
def count(connection, cursor, statement, *rest):
    if statement.startswith("INSERT INTO oidc_auth_audit_records"):
        written.append(statement)
    if len(written) == 6:
        print("killed", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

main(["apply", sys.argv[1], "--backend-store-uri", sys.argv[2]])
"""


def test_a_killed_apply_leaves_nothing(home: Shell, file: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(file), home.url], capture_output=True, text=True)
    assert done.returncode == -9, done.stderr
    assert done.stdout == "killed\n"
    assert home.json("grants", "list") == []
    assert home.json("service-accounts", "list") == []
    assert [row for row in home.json("groups", "list") if row["source"] == "team"] == []
    assert home.says("apply", str(file)).endswith("7 change(s) made.\n")


def test_import_is_apply_and_reads_standard_input(home: Shell) -> None:
    from click.testing import CliRunner

    from mlflow_oidc_auth.cli import main

    done = CliRunner().invoke(main, ["import", "-", "--backend-store-uri", home.url], input=FILE)
    assert done.exit_code == 0, done.output
    assert len(home.json("grants", "list")) == 3


def test_names_survive_and_start_no_formula(home: Shell, file: Path) -> None:
    with home.engine.begin() as connection:
        odd = "=cmd|'!A0': no\n# é\x1b"
        connection.execute(sa.text("UPDATE experiments SET name = :name WHERE experiment_id = 7"), {"name": odd})
    home.says("grants", "give", "--user", BOB, "--experiment", "7", "--level", "READ")
    file.write_text(home.says("export"))
    assert "\x1b" not in file.read_text()
    assert home.says("apply", str(file), "--prune") == "Nothing to change.\n"
    head, row = csv.reader(io.StringIO(home.says("export", "--format", "csv")))
    assert head == ["to", "name", "kind", "id", "resource", "level", "until"]
    assert row == ["user", BOB, "experiment", "7", "'=cmd|'!A0': no # é ", "READ", ""]


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@x", "\t=1", "\n=1", "\r=1", "＝1", "＠x", "\x1b]0;x\x07"])
def test_no_cell_is_a_formula_or_moves_a_terminal(name: str) -> None:
    line = csv_line([name, "plain"])
    assert line.count("\n") == 1
    assert line.rstrip("\n").isprintable()
    [[cell, plain]] = csv.reader(io.StringIO(line))
    assert cell[0] in "' "
    assert plain == "plain"


def test_what_everybody_may_do_is_told_row_by_row(home: Shell, file: Path) -> None:
    home.login("root", "/prokube admins", admin=True)
    home.says("apply", str(file))
    home.says("grants", "give", "--user", ALICE, "--model", "taxi", "--level", "NO_PERMISSIONS")
    head, *rows = csv.reader(io.StringIO(home.says("export", "--effective", "--format", "csv")))
    assert head == ["user", "kind", "id", "name", "level", "by"]
    root = "root@example.test"
    assert [row for row in rows if row[3] != "Default"] == [
        [BOB, "experiment", "7", "demand", "READ", "own grant"],
        [root, "experiment", "7", "demand", "MANAGE", "admin"],
        [root, "prompt", "", "greeting", "MANAGE", "admin"],
        [BOB, "registered model", "", "taxi", "EDIT", "group"],
        [root, "registered model", "", "taxi", "MANAGE", "admin"],
    ]
    home.says("users", "disable", BOB)
    assert BOB not in home.says("export", "--effective")


def test_the_default_counts_in_what_everybody_may_do(home: Shell) -> None:
    assert home.says("export", "--effective", "--format", "csv").splitlines() == ["user,kind,id,name,level,by"]
    said = home.run("export", "--effective", "--format", "csv", DEFAULT_MLFLOW_PERMISSION="READ").stdout
    assert f"{ALICE},experiment,7,demand,READ,default" in said.splitlines()
