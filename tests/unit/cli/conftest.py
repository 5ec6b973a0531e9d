"""A shell on a database of MLflow's with our tables, and the people in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from mlflow_oidc_auth.accounts.users import UserStore
from mlflow_oidc_auth.cli import main
from mlflow_oidc_auth.database.engine import build_engine
from mlflow_oidc_auth.database.tables import audit_records
from mlflow_oidc_auth.login.claims import Profile
from mlflow_oidc_auth.tokens.store import TokenStore
from tests.databases import Backend, Databases, PostgresMissing

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
ALICE, BOB, CAROL, ROOT = (f"{name}@example.test" for name in ("alice", "bob", "carol", "root"))


class Shell:
    """Runs our command on one database."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = build_engine(url)
        self.users = UserStore(self.engine)
        self.tokens = TokenStore(self.engine)

    def run(self, *words: str, **environment: str | None) -> Result:
        """The command with these words."""
        return CliRunner().invoke(main, words, env={"MLFLOW_BACKEND_STORE_URI": self.url, **environment})

    def says(self, *words: str) -> str:
        """What the command prints; it must succeed."""
        result = self.run(*words)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *words: str) -> list[dict[str, Any]]:
        """What the command prints as JSON."""
        rows: list[dict[str, Any]] = json.loads(self.says(*words, "--json"))
        return rows

    def field(self, *words: str) -> dict[str, Any]:
        """The one thing that the command prints as JSON."""
        fields: dict[str, Any] = json.loads(self.says(*words, "--json"))
        return fields

    def refuses(self, *words: str, code: int = 1) -> str:
        """What the command says on stderr; it must not succeed, and print nothing else."""
        result = self.run(*words)
        assert result.exit_code == code, result.output
        assert result.stdout == ""
        return result.stderr

    def login(self, name: str, *groups: str, admin: bool = False) -> int:
        """Somebody's login; their user id."""
        address, shown = f"{name}@example.test", name.capitalize()
        profile = Profile("https://id.example.test", f"{name}-sub", address, shown, frozenset(groups), admin)
        return self.users.record_login(profile, NOW).id

    def audited(self, act: str) -> list[tuple[str, str, str]]:
        """Who did this by what credential, and to what."""
        columns = (audit_records.c.by, audit_records.c.credential, audit_records.c.subject)
        statement = sa.select(*columns).where(audit_records.c.act == act).order_by(audit_records.c.id)
        with self.engine.connect() as connection:
            return [(row[0], row[1], row[2]) for row in connection.execute(statement)]


@pytest.fixture
def shell(databases: Databases, backend: Backend) -> Iterator[Shell]:
    """A shell on a fresh database."""
    try:
        url = databases.with_mlflow(backend)
    except PostgresMissing as missing:
        pytest.skip(f"PROMISE UNTESTED: the same commands on PostgreSQL as on SQLite ({missing})")
    opened = Shell(url)
    yield opened
    opened.engine.dispose()


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
