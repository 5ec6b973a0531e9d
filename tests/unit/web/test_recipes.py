"""What people copy works where they paste it, whatever their e-mail holds."""

from __future__ import annotations

import configparser
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from mlflow_oidc_auth.web.recipes import recipes

ADDRESS = "https://mlflow.example.test/mlflow"
KEY = "mlfpat_000000000000_secret_000000"
NAMES = {
    "plain": "alice@example.test",
    "a quote": "o'neil@example.test",
    "two quotes": 'a"b\\c@example.test',
    "a percent sign": "100%(a)s@example.test",
    "a dollar sign": "$(whoami)`id`$HOME@example.test",
    "letters of the world": "zoë+テスト@example.test",
}
VARIABLES = ("MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")
TELL = f"import json, os; print(json.dumps([os.environ.get(name) for name in {VARIABLES!r}]))"


def recipe(name: str, username: str) -> str:
    """One text."""
    return next(one.text for one in recipes(ADDRESS, username, KEY) if one.name == name)


def run(script: str, home: Path, *program: str) -> str:
    """Run a script as a shell or Python does that starts with nothing."""
    environment = {"HOME": str(home), "PATH": f"{home}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}
    command = [*(program or ("sh", "-eu")), "-c", script]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=60).stdout


@pytest.mark.parametrize("username", NAMES.values(), ids=NAMES.keys())
def test_the_shell_block_sets_the_three_variables(tmp_path: Path, username: str) -> None:
    told = run(f"{recipe('shell', username)}{sys.executable} -c '{TELL.replace(chr(39), chr(34))}'", tmp_path)
    assert json.loads(told) == [ADDRESS, username, KEY]


@pytest.mark.parametrize("username", NAMES.values(), ids=NAMES.keys())
def test_the_python_block_sets_the_three_variables(tmp_path: Path, username: str) -> None:
    settings, use = recipe("python", username).split("\nimport mlflow\n")
    assert json.loads(run(f"{settings}\n{TELL}", tmp_path, sys.executable)) == [ADDRESS, username, KEY]
    assert use == "print(mlflow.search_experiments(max_results=5))\n"


@pytest.mark.parametrize("username", NAMES.values(), ids=NAMES.keys())
def test_the_credentials_file_is_read_as_mlflow_reads_it_and_is_private(tmp_path: Path, username: str) -> None:
    told = run(f'umask 022\n{recipe("file", username)}printf %s "$MLFLOW_TRACKING_URI"', tmp_path)
    assert told == ADDRESS
    path = tmp_path / ".mlflow" / "credentials"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    config = configparser.ConfigParser()
    config.read(path, encoding="utf-8")
    assert config["mlflow"]["mlflow_tracking_username"] == username
    assert config["mlflow"]["mlflow_tracking_password"] == KEY


@pytest.mark.parametrize("username", NAMES.values(), ids=NAMES.keys())
def test_the_kubernetes_block_hands_the_three_values_to_kubectl(tmp_path: Path, username: str) -> None:
    kubectl = tmp_path / "kubectl"
    tell = f"exec {sys.executable} -c 'import json, sys; print(json.dumps(sys.argv[1:]))' \"$@\""
    kubectl.write_text(f'#!/bin/sh\n[ "$1" = create ] && {tell}\nexec cat\n')
    kubectl.chmod(0o755)
    arguments = json.loads(run(recipe("kubernetes", username), tmp_path))
    assert arguments[:4] == ["create", "secret", "generic", "mlflow-credentials"]
    values = dict(one.removeprefix("--from-literal=").split("=", 1) for one in arguments if "literal" in one)
    assert [values[name] for name in VARIABLES] == [ADDRESS, username, KEY]
