"""Every command line in the documentation and in sentences of the program is one that exists."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from mlflow_oidc_auth.cli import main

ROOT = Path(__file__).resolve().parents[2]
FILES = [
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/**/*.md"),
    *ROOT.glob("examples/**/*.md"),
    *ROOT.glob("mlflow_oidc_auth/**/*.py"),
    ROOT / "Makefile",
    ROOT / "docker-compose.yml",
]
COMMAND_LINE = re.compile(r"\bmlflow-oidc-auth((?: [a-z][a-z-]*(?![\w./:]))+)((?: (?:--[a-z-]+|[A-Z]+))*)")


def written() -> list[tuple[str, str, str]]:
    """Where, which command, which options: only what begins with one of our commands is a command line."""
    return [
        (str(path.relative_to(ROOT)), words.strip(), options.strip())
        for path in FILES
        if path.is_file()
        for words, options in COMMAND_LINE.findall(path.read_text())
        if words.split()[0] in main.commands
    ]


@pytest.mark.parametrize(("place", "words", "options"), written())
def test_a_command_line_that_is_written_down_exists(place: str, words: str, options: str) -> None:
    command: click.Command = main
    for word in words.split():
        if not isinstance(command, click.Group):
            break
        assert word in command.commands, f"{place}: mlflow-oidc-auth {words}"
        command = command.commands[word]
    known = {name for option in command.params for name in option.opts}
    for option in re.findall(r"--[a-z-]+", options):
        assert option in known, f"{place}: mlflow-oidc-auth {words} {option}"


def test_command_lines_are_found_at_all() -> None:
    assert ("docs/settings.md", "check", "") in written()
