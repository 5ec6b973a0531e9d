"""What is shipped works without the checkout: the wheel holds all it needs, and migrates an empty database."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import sqlalchemy as sa

from mlflow_oidc_auth.database.engine import build_engine
from mlflow_oidc_auth.database.migrate import head, present
from mlflow_oidc_auth.database.tables import metadata
from tests.alone import ROOT
from tests.databases import Backend, Databases, PostgresMissing
from tests.package.conftest import Installed

PACKAGE = ROOT / "mlflow_oidc_auth"


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_the_migrations(wheel: Path) -> None:
    history = {
        f"mlflow_oidc_auth/_migrations/versions/{path.name}" for path in (ROOT / "migrations/versions").glob("*.py")
    }
    assert history
    assert history | {"mlflow_oidc_auth/_migrations/env.py"} <= names(wheel)


def test_the_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    """Templates, style, scripts and the mark that it is typed, beside the code."""
    files = {path.relative_to(ROOT).as_posix() for path in PACKAGE.rglob("*") if path.is_file()}
    expected = {name for name in files if "__pycache__" not in name}
    assert expected <= names(wheel)


def test_the_wheel_holds_nothing_else(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in names(wheel)}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"mlflow_oidc_auth"}
    assert [name for name in names(wheel) if name.endswith((".pyc", ".db", ".lock"))] == []


def test_what_is_tested_here_is_the_wheel(installed: Installed) -> None:
    where = installed.run("python", "-c", "import mlflow_oidc_auth; print(mlflow_oidc_auth.__file__)")
    assert where.stdout.startswith(str(installed.packages)), where.stdout + where.stderr


def test_the_installed_wheel_migrates_an_empty_database(
    installed: Installed, databases: Databases, backend: Backend
) -> None:
    try:
        database = databases.empty(backend)
    except PostgresMissing as missing:
        pytest.skip(f"PROMISE UNTESTED: the wheel migrates an empty PostgreSQL database ({missing})")
    done = installed.run("mlflow-oidc-auth", "db", "upgrade", "--backend-store-uri", database)
    assert done.returncode == 0, done.stderr
    engine = build_engine(database)
    with engine.connect() as connection:
        assert present(connection) == head()
    assert set(metadata.tables) <= set(sa.inspect(engine).get_table_names())
    engine.dispose()


def test_the_console_command_runs(installed: Installed) -> None:
    done = installed.run("mlflow-oidc-auth", "--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] in done.stdout


@pytest.mark.parametrize(
    ("group", "kind"), [("mlflow.app", "function"), ("mlflow.app.client", "type")], ids=["server", "client"]
)
def test_mlflow_finds_what_it_looks_for(installed: Installed, group: str, kind: str) -> None:
    """A plain function: MLflow calls nothing else as a factory."""
    code = (
        "from importlib.metadata import entry_points; "
        f"found = entry_points(group='{group}', name='oidc-auth'); "
        "print(len(found), *(type(entry.load()).__name__ for entry in found))"
    )
    done = installed.run("python", "-c", code)
    assert done.stdout.split() == ["1", kind], done.stderr


COMES_WITH = {
    "anyio": "starlette",
    "fastapi": "mlflow",
    "google": "mlflow",  # protobuf
    "graphql": "mlflow",  # graphene
    "opentelemetry": "mlflow",
    "jinja2": "flask",
    "passlib": "libpass",
    "pydantic-core": "pydantic",
    "starlette": "mlflow",
    "uvicorn": "mlflow",
    "werkzeug": "flask",
    "yaml": "pyyaml",
}


def test_what_the_package_imports_it_declares() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    lines = [*project["dependencies"], *extras["kserve"], *extras["kfp"]]
    declared = {re.split(r"[<>=\[]", line)[0].lower() for line in lines}
    imported = {top for path in PACKAGE.rglob("*.py") for top in imports_of(path)}
    foreign = imported - set(sys.stdlib_module_names) - {"mlflow_oidc_auth", "__future__"}
    assert {top for top in foreign if top.lower().replace("_", "-") not in declared | set(COMES_WITH)} == set()


def imports_of(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.split(".")[0])
    return found
