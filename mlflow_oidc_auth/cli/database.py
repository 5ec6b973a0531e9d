"""MLflow's database, opened for one command: as the shell, and only with tables of this release in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from mlflow_oidc_auth import context
from mlflow_oidc_auth.errors import StartRefused

if TYPE_CHECKING:
    import sqlalchemy as sa

SHELL = "shell"
"""Who the audit says it was."""

ENVIRONMENT = ("MLFLOW_BACKEND_STORE_URI", "_MLFLOW_SERVER_FILE_STORE")

_Function = TypeVar("_Function", bound=Callable[..., object])


def database_option(function: _Function) -> _Function:
    """`--backend-store-uri`, as `mlflow server` spells it."""
    return click.option(
        "--backend-store-uri",
        "uri",
        envvar=ENVIRONMENT,
        show_envvar=True,  # also in the error of whoever gives neither
        required=True,
        metavar="URI",
        help=f"MLflow's database, as its server is given it. By default what {ENVIRONMENT[0]} says.",
    )(function)


@contextmanager
def opened(uri: str | None, *, migrated: bool = True) -> Iterator[sa.Engine]:
    """Our engine on this database, while the block runs; the audit knows the shell by it.

    Args:
        migrated: refuse a database whose tables are not those of this release.

    Raises:
        StartRefused: the database cannot be used, with what to do.
    """
    import sqlalchemy as sa

    from mlflow_oidc_auth.database.engine import refuse_unserved

    url = refuse_unserved(uri)
    if migrated and is_absent(url):
        raise StartRefused(f"There is no database at {url}; give --backend-store-uri as MLflow's server has it.")
    engine = _engine(url)
    try:
        with context.viewing(context.System(SHELL)):
            if migrated:
                _refuse_other_schema(engine)
            yield engine
    except sa.exc.DBAPIError as error:
        raise StartRefused(f"The database refused: {_first_line(error.orig)}.") from None
    finally:
        engine.dispose()


def is_absent(url: sa.URL) -> bool:
    """Whether this is an SQLite database that nobody made yet: looking into it would make an empty one."""
    path = url.database or ""
    return url.get_backend_name() == "sqlite" and not path.startswith("file:") and not Path(path).is_file()


def _engine(url: sa.URL) -> sa.Engine:
    from mlflow_oidc_auth.database.engine import build_engine

    try:
        return build_engine(url)
    except ImportError as error:
        raise StartRefused(
            f"The database's driver is not installed ({error.name}); for PostgreSQL install mlflow-oidc-auth[postgres]."
        ) from None


def _refuse_other_schema(engine: sa.Engine) -> None:
    from mlflow_oidc_auth.database.migrate import head, present

    with engine.connect() as connection:
        version = present(connection)
    if version != head():
        found = "no permission tables yet" if version is None else f"permission tables of schema {version}"
        raise StartRefused(
            f"This database has {found}, and this release needs schema {head()}. Run 'mlflow-oidc-auth db upgrade', "
            "or start the server once."
        )


def _first_line(error: BaseException | None) -> str:
    """What the database said, without the statement and its values."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
