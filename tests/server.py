"""The real `mlflow server --app-name oidc-auth` for tests: one command, in a process group of its own, on loopback.

    servers = Servers(keycloak, databases)
    server = servers.start(workers=4, static_prefix="", backend="postgresql")
    requests.get(f"{server.url}/health/ready")
    servers.close()

Each server gets a database that MLflow migrated once (copied: its migrations take seconds), an artifact folder,
and a place in Keycloak's client. What it logs is kept, and can be searched for tracebacks and secrets.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import requests
import sqlalchemy as sa

from mlflow_oidc_auth.database.engine import build_engine
from tests.databases import Backend, Databases
from tests.provider import CLIENT_SECRET, Keycloak, free_port

SECRET_KEY = "the-secret-key-of-the-servers-that-the-tests-start"
MLFLOW = Path(sys.executable).parent / "mlflow"

_READY_SECONDS = 120.0
_STOP_SECONDS = 20.0
_KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "SSL_CERT_FILE")


class ServerEnded(Exception):
    """The server ended instead of serving; the text is its log."""


class MlflowServer:
    """One server, from :meth:`start` to :meth:`stop`.

    Args:
        database: the address of MLflow's backend store.
        workers: how many worker processes.
        static_prefix: empty, or `/path`.
        environment: settings on top of what every server needs; an empty one is left out.
        arguments: further options of `mlflow server`.
        app_name: another entry point than ours.
        artifacts: where artifacts go; a folder of the server's own if not given.
    """

    def __init__(
        self,
        database: str,
        *,
        workers: int = 1,
        static_prefix: str = "/mlflow",
        environment: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
        app_name: str = "oidc-auth",
        artifacts: str | None = None,
    ) -> None:
        self.database, self.workers, self.static_prefix = database, workers, static_prefix
        self.folder = Path(tempfile.mkdtemp(prefix="oidc-auth-server-"))
        self.artifacts = artifacts or str(self.folder / "artifacts")
        self.port = free_port()
        self.secrets = {SECRET_KEY, CLIENT_SECRET}
        settings = {**base_environment(self.folder), **(environment or {})}
        self._environment = {name: value for name, value in settings.items() if value}
        self._arguments, self._app_name = tuple(arguments), app_name
        self._process: subprocess.Popen[bytes] | None = None
        self._engine: sa.Engine | None = None

    @property
    def host(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The tracking URI: host and static prefix, without a trailing slash."""
        return f"{self.host}{self.static_prefix}"

    @property
    def engine(self) -> sa.Engine:
        """Our own engine on the server's database, to look and to turn clocks back."""
        if self._engine is None:
            self._engine = build_engine(self.database)
        return self._engine

    def start(self) -> MlflowServer:
        """Start, and wait until it is ready.

        Raises:
            ServerEnded: it ended.
        """
        self._process = self.spawn()
        until = time.monotonic() + _READY_SECONDS
        while not self._is_ready():
            if self._process.poll() is not None:
                raise ServerEnded(self.log())
            if time.monotonic() > until:
                self.stop()
                raise ServerEnded(f"not ready in {_READY_SECONDS:.0f} s\n{self.log()}")
            time.sleep(0.1)
        return self

    def stop(self) -> None:
        """Ask the whole group to end, and end it if it does not. The log stays until :meth:`remove`."""
        if self._process is not None:
            end_group(self._process)
            self._process = None
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def remove(self) -> None:
        """Stop, and remove what the server left."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def command(self) -> list[str]:
        """The command line."""
        prefix = ["--static-prefix", self.static_prefix] if self.static_prefix else []
        destination = () if "--no-serve-artifacts" in self._arguments else ("--artifacts-destination", self.artifacts)
        return [
            str(MLFLOW),
            "server",
            "--app-name",
            self._app_name,
            "--backend-store-uri",
            self.database,
            *destination,
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
            "--workers",
            str(self.workers),
            *prefix,
            *self._arguments,
        ]

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start the command, in a process group of its own; whoever calls this ends it with :func:`end_group`."""
        with self._log_path.open("ab") as log:
            return subprocess.Popen(
                self.command(), env=self._environment, cwd=self.folder, stdout=log, stderr=log, start_new_session=True
            )

    def log(self) -> str:
        """All that it wrote."""
        return self._log_path.read_text(errors="replace")

    def tracebacks(self) -> list[str]:
        """Every traceback in the log, with the line before it."""
        return re.findall(r"[^\n]*\n?Traceback \(most recent call last\):(?:\n(?:[ \t].*|$))*\n[^\n]*", self.log())

    def leaked(self, more: Iterable[str] = ()) -> list[str]:
        """The secrets that the log holds."""
        text = self.log()
        return sorted(secret for secret in {*self.secrets, *more} if secret and secret in text)

    @property
    def _log_path(self) -> Path:
        return self.folder / "log"

    def _is_ready(self) -> bool:
        try:
            return requests.get(f"{self.url}/health/ready", timeout=5).status_code == requests.codes.ok
        except requests.RequestException:
            return False


class Servers:
    """Starts servers, tells Keycloak of them, and stops them all at the end."""

    def __init__(self, keycloak: Keycloak, databases: Databases) -> None:
        self.keycloak, self.databases = keycloak, databases
        self._running: list[MlflowServer] = []

    def start(
        self,
        *,
        backend: Backend = "sqlite",
        database: str | None = None,
        workers: int = 1,
        static_prefix: str = "/mlflow",
        environment: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
        app_name: str = "oidc-auth",
        artifacts: str | None = None,
    ) -> MlflowServer:
        """A new server on a database of its own; Keycloak tells this one of logouts until another starts."""
        server = MlflowServer(
            database or self.databases.of_mlflow(backend),
            workers=workers,
            static_prefix=static_prefix,
            environment={**self.keycloak.environment(), **(environment or {})},
            arguments=arguments,
            app_name=app_name,
            artifacts=artifacts,
        )
        self._running.append(server)
        self._tell_keycloak()
        return server.start()

    def told_of_logouts(self, server: MlflowServer) -> None:
        """Let Keycloak's back-channel logout go to this server."""
        self._running.remove(server)
        self._running.append(server)
        self._tell_keycloak()

    def stop(self, server: MlflowServer) -> None:
        """Stop one server and forget it."""
        self._running.remove(server)
        server.remove()

    def close(self) -> None:
        """Stop them all."""
        while self._running:
            self.stop(self._running[-1])

    def _tell_keycloak(self) -> None:
        self.keycloak.register(*(server.url for server in reversed(self._running)))


def base_environment(home: Path) -> dict[str, str]:
    """What every server is started with: nothing of ours leaks in, nothing calls out."""
    return {
        **{name: os.environ[name] for name in _KEPT if name in os.environ},
        "HOME": str(home),
        "PYTHONUNBUFFERED": "1",
        "SECRET_KEY": SECRET_KEY,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }


def run_to_its_end(server: MlflowServer, seconds: float = 60.0) -> tuple[int, str]:
    """Run a server that should refuse to start: its exit code, and all that it wrote.

    A server that is still running after `seconds` is ended; its exit code is then -1.
    """
    process = server.spawn()
    try:
        return process.wait(seconds), server.log()
    except subprocess.TimeoutExpired:
        return -1, server.log()
    finally:
        end_group(process)


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started; workers outlive a parent that is killed alone."""
    _signal_group(process, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_SECONDS)
    _signal_group(process, signal.SIGKILL)
    process.wait(_STOP_SECONDS)


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
