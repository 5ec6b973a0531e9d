"""Which database a command works on, and what it refuses to touch."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from mlflow_oidc_auth.cli import main
from mlflow_oidc_auth.database.engine import build_engine
from mlflow_oidc_auth.database.migrate import head, present
from tests.databases import Backend, Databases, PostgresMissing
from tests.unit.cli.conftest import Shell

NOWHERE = {"MLFLOW_BACKEND_STORE_URI": None, "_MLFLOW_SERVER_FILE_STORE": None}


def run(*words: str, **environment: str | None) -> Result:
    return CliRunner().invoke(main, words, env={**NOWHERE, **environment})


@pytest.fixture
def empty(databases: Databases, backend: Backend) -> str:
    try:
        return databases.empty(backend)
    except PostgresMissing as missing:
        pytest.skip(f"PROMISE UNTESTED: the same commands on PostgreSQL as on SQLite ({missing})")


def test_upgrade_makes_the_tables_once_and_again_does_nothing(empty: str) -> None:
    for _ in range(2):
        result = run("db", "upgrade", "--backend-store-uri", empty)
        assert (result.exit_code, result.stdout) == (0, f"The permission tables are at schema {head()}.\n")
    engine = build_engine(empty)
    with engine.connect() as connection:
        assert present(connection) == head()
    engine.dispose()
    assert run("users", "list", "--json", "--backend-store-uri", empty).stdout == "[]\n"


def test_a_database_without_our_tables_is_refused_and_stays_as_it_is(databases: Databases, backend: Backend) -> None:
    url = databases.of_mlflow(backend)
    result = run("users", "list", "--backend-store-uri", url)
    assert result.exit_code == 1
    assert "no permission tables yet" in result.stderr
    assert "db upgrade" in result.stderr
    engine = build_engine(url)
    assert not [name for name in sa.inspect(engine).get_table_names() if name.startswith("oidc_auth")]
    engine.dispose()


@pytest.mark.parametrize("words", [["users", "list"], ["db", "upgrade"]], ids=["users", "upgrade"])
def test_a_database_of_a_newer_release_is_refused(shell: Shell, words: list[str]) -> None:
    with shell.engine.begin() as connection:
        connection.execute(sa.text("UPDATE oidc_auth_alembic_version SET version_num = '9999'"))
    assert "9999" in shell.refuses(*words)


@pytest.mark.parametrize("variable", list(NOWHERE))
def test_the_address_comes_from_where_mlflow_has_it(shell: Shell, variable: str) -> None:
    assert run("users", "list", "--json", **{variable: shell.url}).stdout == "[]\n"


def test_without_an_address_the_command_makes_no_sense() -> None:
    result = run("users", "list")
    assert result.exit_code == 2
    assert "--backend-store-uri" in result.stderr


def test_a_misspelled_path_makes_no_database(tmp_path: Path) -> None:
    result = run("users", "list", "--backend-store-uri", f"sqlite:///{tmp_path}/mlfow.db")
    assert result.exit_code == 1
    assert "There is no database" in result.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("address", ["mysql://u:s3cret@h/d", "/mlruns", "sqlite://", "s3cret"])
def test_a_database_that_is_not_served_is_a_sentence_without_its_password(address: str) -> None:
    result = run("users", "list", "--backend-store-uri", address)
    assert result.exit_code == 1
    assert "Start with --backend-store-uri" in result.stderr
    assert "s3cret" not in result.output


def test_a_database_that_does_not_answer_is_a_sentence_without_its_password() -> None:
    result = run("users", "list", "--backend-store-uri", "postgresql+psycopg://u:s3cret@127.0.0.1:9/d")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: The database refused: ")
    assert "s3cret" not in result.output


def test_a_file_that_is_no_database_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    path.write_text("no database " * 100)
    result = run("users", "list", "--backend-store-uri", f"sqlite:///{path}")
    assert (result.exit_code, result.stderr) == (1, "Error: The database refused: file is not a database.\n")
