"""Databases for tests: SQLite files, and one throw-away PostgreSQL cluster a session.

Each test gets a database of its own, copied from one that was migrated once.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Literal

import sqlalchemy as sa

from mlflow_oidc_auth.database.engine import build_engine
from mlflow_oidc_auth.database.migrate import migrate

Backend = Literal["sqlite", "postgresql"]
BACKENDS: tuple[Backend, ...] = ("sqlite", "postgresql")


class PostgresMissing(Exception):
    """There is no PostgreSQL server program on this machine."""


class Databases:
    """Hands out databases; :meth:`close` removes them all."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="oidc-auth-db-"))
        self._postgres: _Postgres | None = None
        self._templates: dict[Backend, str] = {}
        self._mlflow_templates: dict[Backend, str] = {}
        self._full_templates: dict[Backend, str] = {}
        self._count = 0

    def empty(self, backend: Backend) -> str:
        """The address of a new, empty database.

        Raises:
            PostgresMissing: there is no PostgreSQL here.
        """
        name = self._name()
        if backend == "sqlite":
            return f"sqlite:///{self._folder / name}.db"
        return self._cluster().create(name)

    def migrated(self, backend: Backend) -> str:
        """The address of a new database with our tables.

        Raises:
            PostgresMissing: there is no PostgreSQL here.
        """
        if backend not in self._templates:
            self._templates[backend] = self.empty(backend)
            engine = build_engine(self._templates[backend])
            migrate(engine)
            engine.dispose()
        return self._copy(backend, self._templates[backend])

    def of_mlflow(self, backend: Backend) -> str:
        """The address of a new database with MLflow's tables and none of ours, as before a first start.

        Raises:
            PostgresMissing: there is no PostgreSQL here.
        """
        if backend not in self._mlflow_templates:
            self._mlflow_templates[backend] = self.empty(backend)
            _migrate_mlflow(self._mlflow_templates[backend])
        return self._copy(backend, self._mlflow_templates[backend])

    def with_mlflow(self, backend: Backend) -> str:
        """The address of a new database with MLflow's tables and ours beside.

        Raises:
            PostgresMissing: there is no PostgreSQL here.
        """
        if backend not in self._full_templates:
            self._full_templates[backend] = self.of_mlflow(backend)
            engine = build_engine(self._full_templates[backend])
            migrate(engine)
            engine.dispose()
        return self._copy(backend, self._full_templates[backend])

    def postgres_log(self) -> str:
        """What the cluster logged; each line begins with `<database>:`."""
        return self._cluster().log()

    def stop_postgres(self) -> None:
        """Pull the plug on the cluster; its databases stay, with all that was committed."""
        self._cluster().write_out()
        self._cluster().halt()

    def start_postgres(self) -> None:
        """Plug it in again."""
        self._cluster().start()

    def close(self) -> None:
        """Stop the cluster and remove every file."""
        if self._postgres is not None:
            self._postgres.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _copy(self, backend: Backend, template: str) -> str:
        name = self._name()
        if backend == "sqlite":
            shutil.copyfile(str(sa.make_url(template).database), self._folder / f"{name}.db")
            return f"sqlite:///{self._folder / name}.db"
        return self._cluster().create(name, template=str(sa.make_url(template).database))

    def _name(self) -> str:
        self._count += 1
        return f"test_{self._count}"

    def _cluster(self) -> _Postgres:
        if self._postgres is None:
            self._postgres = _Postgres()
        return self._postgres


class _Postgres:
    """One cluster in a temporary folder, on a free loopback port, without fsync."""

    def __init__(self) -> None:
        self._programs = _programs()
        self._folder = Path(tempfile.mkdtemp(prefix="oidc-auth-pg-"))
        self._port = _free_port()
        if os.geteuid() == 0:
            # PostgreSQL refuses to run as root.
            owner = pwd.getpwnam("postgres")
            os.chown(self._folder, owner.pw_uid, owner.pw_gid)
        where, who = ("-D", str(self._data)), ("-U", "postgres", "--auth=trust")
        self._run("initdb", *where, *who, "--no-sync", "-E", "UTF8", "--locale=C")
        self.start()
        self._admin = sa.create_engine(self._url("postgres"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def start(self) -> None:
        """Start on the cluster's own port."""
        options = (
            f"-c listen_addresses=127.0.0.1 -p {self._port} -k {self._folder} -c fsync=off -c full_page_writes=off "
            "-c synchronous_commit=off -c max_connections=200 -c shared_buffers=64MB -c log_line_prefix=%d:"
        )
        log = str(self._folder / "log")
        self._run("pg_ctl", "-D", str(self._data), "-l", log, "-w", "-o", options, "start")

    def create(self, name: str, template: str = "template1") -> str:
        """A new database, and its address."""
        with self._admin.connect() as connection:
            connection.exec_driver_sql(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self._url(name)

    def stop(self) -> None:
        """Stop for good, and remove every file; it may be halted already."""
        if (self._data / "postmaster.pid").exists():
            self.halt()
        shutil.rmtree(self._folder, ignore_errors=True)

    def write_out(self) -> None:
        """Write what was committed to its files: without synchronous_commit the latest of it is in memory only."""
        with self._admin.connect() as connection:
            connection.exec_driver_sql("CHECKPOINT")

    def halt(self) -> None:
        """Stop without waiting for whoever is still connected."""
        self._run("pg_ctl", "-D", str(self._data), "-m", "immediate", "-w", "stop")

    def log(self) -> str:
        """What it logged."""
        return (self._folder / "log").read_text(errors="replace")

    def _url(self, name: str) -> str:
        return f"postgresql+psycopg://postgres@127.0.0.1:{self._port}/{name}"

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), *arguments]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        if os.geteuid() == 0:
            subprocess.run(command, check=True, cwd=self._folder, user="postgres", group="postgres", **quiet)
        else:
            subprocess.run(command, check=True, cwd=self._folder, **quiet)


def _migrate_mlflow(url: str) -> None:
    """MLflow's own tables, as its first start on an empty database makes them."""
    from mlflow.store.db.utils import _initialize_tables

    engine = sa.create_engine(url)
    _initialize_tables(engine)
    engine.dispose()


def _programs() -> Path:
    """The folder of the newest PostgreSQL server's programs."""
    on_path = shutil.which("initdb")
    if on_path is not None:
        return Path(on_path).resolve().parent
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not installed:
        raise PostgresMissing("initdb not found")
    return installed[-1].parent


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
