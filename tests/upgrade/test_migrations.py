"""Our tables come into being once, whole, as `tables.py` draws them, and never harm what is there already."""

from __future__ import annotations

import ast
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from mlflow_oidc_auth.database.engine import build_engine
from mlflow_oidc_auth.database.migrate import head, migrate, migrations_folder, present
from mlflow_oidc_auth.database.tables import VERSION_TABLE, metadata
from mlflow_oidc_auth.errors import StartRefused

AT_ONCE = 4

MIGRATE = """
import sys, time
from mlflow_oidc_auth.database.engine import build_engine
from mlflow_oidc_auth.database.migrate import migrate
engine = build_engine(sys.argv[1])
time.sleep(max(0.0, float(sys.argv[2]) - time.time()))
migrate(engine)
"""


@contextmanager
def opened(database: str) -> Iterator[sa.Engine]:
    engine = build_engine(database)
    yield engine
    engine.dispose()


def test_workers_that_start_at_once_migrate_once(empty_database: str) -> None:
    start = str(time.time() + 3)
    command = [sys.executable, "-c", MIGRATE, empty_database, start]
    workers = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(AT_ONCE)]
    ended = [(worker.communicate(timeout=120)[1], worker.returncode) for worker in workers]
    assert ended == [("", 0)] * AT_ONCE
    with opened(empty_database) as engine, engine.connect() as connection:
        assert present(connection) == head()


def test_the_migrated_schema_is_the_one_in_tables(empty_database: str) -> None:
    with opened(empty_database) as engine:
        migrate(engine)
        with engine.connect() as connection:
            options = {"version_table": VERSION_TABLE, "compare_type": True}
            assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []
            migrated = drawn(connection)
        with engine.begin() as connection:
            metadata.drop_all(connection)
            metadata.create_all(connection)
        with engine.connect() as connection:
            assert migrated == drawn(connection)


def drawn(connection: sa.Connection) -> dict[str, Any]:
    """Everything that the database knows of our tables, with all names."""
    look = sa.inspect(connection)
    return {
        table: {
            "columns": [column | {"type": repr(column["type"])} for column in look.get_columns(table)],
            "primary key": look.get_pk_constraint(table),
            "foreign keys": sorted(look.get_foreign_keys(table), key=str),
            "unique": sorted(look.get_unique_constraints(table), key=str),
            "checks": sorted(look.get_check_constraints(table), key=str),
            "indexes": sorted(look.get_indexes(table), key=str),
        }
        for table in metadata.tables
    }


def test_a_database_of_a_newer_release_is_refused_and_left_alone(empty_database: str) -> None:
    with opened(empty_database) as engine:
        migrate(engine)
        with engine.begin() as connection:
            connection.execute(sa.text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
        with pytest.raises(StartRefused, match="newer release"):
            migrate(engine)
        with engine.connect() as connection:
            assert present(connection) == "9999"


def test_a_migration_that_is_cut_off_leaves_nothing_behind(empty_database: str) -> None:
    class PlugPulled(Exception):
        pass

    def pull_the_plug(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "CREATE TABLE oidc_auth_sessions" in statement:
            raise PlugPulled

    with opened(empty_database) as engine:
        sa.event.listen(engine, "before_cursor_execute", pull_the_plug)
        with pytest.raises(PlugPulled):
            migrate(engine)
        assert [name for name in sa.inspect(engine).get_table_names() if name.startswith("oidc_auth_")] == []
        sa.event.remove(engine, "before_cursor_execute", pull_the_plug)
        migrate(engine)
        assert set(metadata.tables) <= set(sa.inspect(engine).get_table_names())


def test_migrating_again_changes_nothing(empty_database: str) -> None:
    with opened(empty_database) as engine:
        migrate(engine)
        statements: list[str] = []
        sa.event.listen(engine, "before_cursor_execute", lambda _c, _cursor, text, *_: statements.append(text))
        migrate(engine)
        assert [text for text in statements if text.startswith(("CREATE", "ALTER", "DROP", "INSERT", "UPDATE"))] == []


def test_mlflow_upgrades_its_own_tables_as_if_ours_were_not_there(mlflow_database: str) -> None:
    with opened(mlflow_database) as engine:
        with engine.connect() as connection:
            before = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one()
        migrate(engine)
        mlflow = [sys.executable, "-m", "mlflow", "db", "upgrade", mlflow_database]
        done = subprocess.run(mlflow, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr[-2000:]
        with engine.connect() as connection:
            assert connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one() == before
            assert present(connection) == head()
        assert set(metadata.tables) <= set(sa.inspect(engine).get_table_names())


def scripts() -> list[Path]:
    return sorted((migrations_folder() / "versions").glob("*.py"))


def test_migrations_spell_tables_out_and_import_nothing_of_ours() -> None:
    """Else a later change of `tables.py` would change what an old migration makes."""
    for script in scripts():
        imported = [node for node in ast.walk(ast.parse(script.read_text())) if isinstance(node, ast.ImportFrom)]
        assert [node.module for node in imported if (node.module or "").startswith("mlflow")] == [], script.name


def test_migrations_are_numbered_in_the_order_they_run() -> None:
    assert scripts(), "no migrations"
    below = "None"
    for number, script in enumerate(scripts(), start=1):
        text = script.read_text()
        assert script.name.startswith(f"{number:04}_")
        assert f'revision = "{number:04}"' in text
        assert f"down_revision = {below}" in text
        below = f'"{number:04}"'


def test_there_is_no_way_down() -> None:
    """A downgrade would drop grants; docs/adr/0006 says what to do instead."""
    for script in scripts():
        functions = [node for node in ast.parse(script.read_text()).body if isinstance(node, ast.FunctionDef)]
        assert "downgrade" not in {function.name for function in functions}, script.name
