"""The demo's MLflow server, with the plugin, as a child process that never outlives the demo."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import requests

from mlflow_oidc_auth.demo.people import ADMINS_GROUP, USERS_GROUP
from mlflow_oidc_auth.errors import StartRefused
from mlflow_oidc_auth.settings.table import TABLE
from mlflow_oidc_auth.settings.upstream import UPSTREAM

PREFIX = "/mlflow"
_READY_SECONDS = 120.0
_STOP_SECONDS = 10.0


class TrackingServer:
    """`mlflow server --app-name oidc-auth` on SQLite, with one worker.

    Args:
        folder: where database, artifacts and log go.
        login: the settings that say where people log in.
    """

    def __init__(self, folder: Path, host: str, port: int, login: Mapping[str, str]) -> None:
        self.folder = folder.resolve()
        self.log = self.folder / "mlflow.log"
        self.database = f"sqlite:///{self.folder / 'mlflow.db'}"
        self.base = f"http://{host}:{port}{PREFIX}"
        self._command = _command(self.folder, self.database, host, port)
        self._environment = _environment(login)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until it serves.

        Raises:
            StartRefused: it ended, or is not ready in time.
        """
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the command is ours
                self._command,
                env=self._environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches the demo, which then ends this in order
            )
        until = time.monotonic() + _READY_SECONDS
        while not self._is_ready():
            self.require_running()
            if time.monotonic() > until:
                raise StartRefused(f"MLflow is not ready after {_READY_SECONDS:.0f} s.\n{self._end_of_log()}")
            time.sleep(0.1)

    def require_running(self) -> None:
        """Raises:
        StartRefused: it ended by itself.
        """
        if self._process is None or self._process.poll() is not None:
            raise StartRefused(f"MLflow ended by itself.\n{self._end_of_log()}")

    def stop(self) -> None:
        """End it and all that it started: ask the whole group, then insist."""
        if self._process is None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_SECONDS)

    def _is_ready(self) -> bool:
        try:
            return requests.get(f"{self.base}/health/ready", timeout=5).ok
        except requests.RequestException:
            return False

    def _end_of_log(self) -> str:
        return f"The end of its log:\n{self.log.read_text(errors='replace')[-3000:]}"


def _command(folder: Path, database: str, host: str, port: int) -> list[str]:
    server = [sys.executable, "-m", "mlflow", "server", "--app-name", "oidc-auth"]
    server += ["--host", host, "--port", str(port), "--workers", "1", "--static-prefix", PREFIX]
    server += ["--backend-store-uri", database]
    return [*server, "--artifacts-destination", str(folder / "artifacts")]


def _environment(login: Mapping[str, str]) -> dict[str, str]:
    """This process's, without settings that somebody made for another server; nothing is sent to anybody."""
    names = {*TABLE, *(setting.name for setting in UPSTREAM)}
    ours = names | {f"{name}_FILE" for name in names}
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in ours and not name.startswith(("OIDC_", "MLFLOW_", "_MLFLOW_"))
    }
    return inherited | {
        "PYTHONUNBUFFERED": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "OIDC_GROUP_NAME": USERS_GROUP,
        "OIDC_ADMIN_GROUP_NAME": ADMINS_GROUP,
        **login,
    }
