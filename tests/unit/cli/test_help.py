"""The installed command: what it offers, that it explains itself, and that it does so quickly."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from mlflow_oidc_auth.cli import main
from mlflow_oidc_auth.settings import settings_page

PROMISED = [
    "apply", "audit", "check", "db", "demo", "explain", "export", "grants", "groups", "import", "openapi", "operations",
    "requests", "service-accounts", "settings", "tokens", "unmanaged", "users",
]  # fmt: skip


def every_command(group: click.Group = main, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from every_command(command, (*path, name))
        else:
            yield (*path, name)


def test_every_promised_command_is_there() -> None:
    assert set(PROMISED) <= set(main.commands)


@pytest.mark.parametrize("path", list(every_command()), ids=" ".join)
def test_every_command_and_option_explains_itself(path: tuple[str, ...]) -> None:
    command: click.Command = main
    for name in path:
        assert isinstance(command, click.Group)
        command = command.commands[name]
    assert command.help
    for option in command.params:
        assert not isinstance(option, click.Option) or option.help, option.name
    assert CliRunner().invoke(main, [*path, "--help"]).exit_code == 0


def test_the_installed_command_says_its_version() -> None:
    command = Path(sys.executable).with_name("mlflow-oidc-auth")
    said = subprocess.run([command, "--version"], capture_output=True, text=True, check=True).stdout
    assert "mlflow-oidc-auth" in said


def test_help_needs_nothing_heavy() -> None:
    code = (
        "import sys; from mlflow_oidc_auth.cli import main; main(['--help'], standalone_mode=False); "
        "print(sorted({'mlflow', 'sqlalchemy', 'alembic', 'pydantic', 'flask', 'requests'} & sys.modules.keys()))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.splitlines()[-1] == "[]"


def test_the_settings_are_printed_as_they_are_documented() -> None:
    assert CliRunner().invoke(main, ["settings"]).stdout == settings_page()


def test_what_the_installed_mlflow_serves_is_compared_with_the_table() -> None:
    command = Path(sys.executable).with_name("mlflow-oidc-auth")
    done = subprocess.run([command, "operations"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("MLflow ")
    assert "operations" in done.stdout
