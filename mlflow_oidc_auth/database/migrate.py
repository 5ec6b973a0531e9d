"""Bring our tables to the newest schema, under a lock: four workers start at once.

Our history is in `migrations/` (shipped in the wheel as `mlflow_oidc_auth/_migrations`) with its own
version table; MLflow's history is never touched.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from mlflow_oidc_auth.database.tables import VERSION_TABLE
from mlflow_oidc_auth.database.turns import one_at_a_time
from mlflow_oidc_auth.errors import StartRefused

_LOCK_KEY = 0x6D6C6F69  # "mloi": one advisory lock for all who migrate this database


def migrations_folder() -> Path:
    """Where the history is: in the installed package, else beside it in a checkout.

    Raises:
        StartRefused: the installation is incomplete.
    """
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "_migrations", package.parent / "migrations"):
        if (folder / "env.py").is_file():
            return folder
    raise StartRefused("The package holds no database migrations; install mlflow-oidc-auth again.")


def _config(connection: sa.Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def head() -> str:
    """The newest schema version this release knows."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def present(connection: sa.Connection) -> str | None:
    """The schema version of this database; `None` before the first migration."""
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    return context.get_current_revision()


def migrate(engine: sa.Engine) -> None:
    """Upgrade our tables to :func:`head`. Safe to call from many processes at once.

    Raises:
        StartRefused: the database was migrated by a newer release.
    """
    with engine.connect() as connection, connection.begin():
        one_at_a_time(connection, _LOCK_KEY)
        version = present(connection)
        refuse_newer(version)
        if version != head():
            command.upgrade(_config(connection), "head")


def refuse_newer(version: str | None) -> None:
    """Whether this release can work with a database of this schema, or bring it to its own.

    Raises:
        StartRefused: the database was migrated by a newer release.
    """
    if version is not None and version not in _known():
        raise StartRefused(
            f"This database has permission tables of a newer release (version {version}; this release knows "
            f"{head()}). Install that release again, or restore a backup made before it."
        )


def _known() -> set[str]:
    return {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
