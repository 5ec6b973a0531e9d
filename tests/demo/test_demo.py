"""`mlflow-oidc-auth demo`, as a newcomer uses it: start, copy the block, look with a browser, press Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from tests.provider import free_port

DEMO = Path(sys.executable).parent / "mlflow-oidc-auth"
UP_WITHIN_SECONDS = 30.0  # on a machine that does nothing else
LOOKING = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@dataclass
class RunningDemo:
    """A demo that is up, and what it printed."""

    process: subprocess.Popen[str]
    text: str
    seconds: float

    def address(self, of: str) -> str:
        """One of the printed addresses."""
        found = re.search(rf"^  {of} +(http://\S+)$", self.text, re.MULTILINE)
        assert found is not None, self.text
        return found.group(1)

    @property
    def block(self) -> str:
        """What the page says to copy."""
        start = self.text.index("export MLFLOW_TRACKING_URI")
        return self.text[start : self.text.index("\nPY\n", start) + len("\nPY\n")]

    @property
    def log(self) -> Path:
        """Where the server's log is."""
        return Path(self.text.split("Log of the server: ")[1].split("\n")[0])

    def browser(self, person: str) -> requests.Session:
        """Somebody's browser, logged in by one click."""
        browser = requests.Session()
        form = browser.get(f"{self.address('MLflow')}login/start", timeout=20)
        browser.post(form.url, data={"person": person}, timeout=20).raise_for_status()
        return browser

    def experiments(self, person: str) -> set[str]:
        """What somebody sees in MLflow's list."""
        address = f"{self.address('MLflow')}ajax-api/2.0/mlflow/experiments/search"
        headers = {"Sec-Fetch-Site": "same-origin"}
        answer = self.browser(person).post(address, json={"max_results": 100}, headers=headers, timeout=20)
        answer.raise_for_status()
        return {experiment["name"] for experiment in answer.json().get("experiments", [])}


@contextlib.contextmanager
def demo(*arguments: str) -> Iterator[RunningDemo]:
    """The command, until its page is printed; ended by Ctrl-C."""
    began = time.monotonic()
    process = subprocess.Popen(
        [str(DEMO), "demo", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    guard = threading.Timer(120, process.kill)
    guard.start()
    try:
        text = ""
        for line in process.stdout:
            text += line
            if "Ctrl-C stops everything" in line:
                break
        guard.cancel()
        assert "Ctrl-C stops everything" in text, text
        yield RunningDemo(process, text, time.monotonic() - began)
    finally:
        guard.cancel()
        stopped(process)


def stopped(process: subprocess.Popen[str]) -> int:
    """Press Ctrl-C; the exit status."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    return process.wait(150)


def processes_that_mention(text: str) -> list[str]:
    """Command lines of running processes."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if text in line:
                found.append(line)
    return found


@pytest.fixture(scope="module")
def running() -> Iterator[RunningDemo]:
    """One demo for the tests that only look."""
    with demo("--port", str(free_port())) as started:
        yield started


def test_it_is_up_in_half_a_minute_and_says_what_it_is(running: RunningDemo) -> None:
    crowded = os.getloadavg()[0] > (os.cpu_count() or 1)
    assert running.seconds < (3 if crowded else 1) * UP_WITHIN_SECONDS
    assert "NOT FOR PRODUCTION" in running.text
    for person in ("alice", "bob", "root"):
        assert f"{person}@example.test" in running.text
        assert f"{person}-pw" in running.text
    page = requests.get(running.address("MLflow"), headers=LOOKING, timeout=20)
    assert "Log in with the demo login service" in page.text
    assert requests.get(running.address("Login service"), timeout=20).ok


def test_the_printed_block_works_and_only_alice_and_the_admin_see_what_it_made(
    running: RunningDemo, tmp_path: Path
) -> None:
    clean = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    shell = ["bash", "-eu", "-c", running.block]
    done = subprocess.run(shell, env=clean, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    name = "first steps of alice"
    assert name in running.experiments("alice")
    assert name not in running.experiments("bob")
    assert name in running.experiments("root")


def test_the_printed_database_is_the_one_of_our_commands(running: RunningDemo, tmp_path: Path) -> None:
    database = re.search(r"^  export (MLFLOW_BACKEND_STORE_URI=\S+)$", running.text, re.MULTILINE)
    assert database is not None
    assert f"{DEMO} grants list" in running.text
    clean = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)} | dict([database.group(1).split("=", 1)])
    told = subprocess.run([DEMO, "users", "list"], env=clean, capture_output=True, text=True, check=True, timeout=60)
    assert "alice@example.test" in told.stdout


def test_everything_listens_on_loopback_only(running: RunningDemo) -> None:
    for whose in ("MLflow", "Login service"):
        port = int(running.address(whose).rsplit(":", 1)[1].split("/")[0])
        with socket.socket() as probe, contextlib.suppress(OSError):
            # Only what listens on every address would take this one too.
            assert probe.connect_ex(("127.0.0.2", port)) != 0


def test_the_log_holds_no_secret(running: RunningDemo) -> None:
    key = re.search(r"mlfpat_\w+", running.text)
    assert key is not None
    assert key.group() not in running.log.read_text()
    assert "client_secret" not in running.log.read_text()


def test_when_it_ends_nothing_is_left() -> None:
    port = free_port()
    with demo("--port", str(port)) as started:
        assert processes_that_mention(f"--port {port}")
        assert stopped(started.process) == 0
        assert processes_that_mention(f"--port {port}") == []
        assert not started.log.parent.exists()


def test_a_port_that_is_taken_is_said_and_data_can_be_kept(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with demo("--port", str(port), "--keep", str(tmp_path / "kept")) as started:
            assert f"Port {port} is taken." in started.text
            assert f":{port}/" not in started.address("MLflow")
            started.process.terminate()
            assert started.process.wait(150) == 0
    assert (tmp_path / "kept" / "mlflow.db").is_file()
    assert processes_that_mention(str(tmp_path)) == []


@pytest.mark.parametrize("arguments", [("--host", "0.0.0.0"), ("--host", "192.0.2.1")], ids=["everybody", "a network"])
def test_it_refuses_to_be_reached_from_elsewhere(arguments: tuple[str, ...]) -> None:
    done = subprocess.run([str(DEMO), "demo", *arguments], capture_output=True, text=True, check=False, timeout=150)
    assert done.returncode == 1
    assert "listens on 127.0.0.1 only" in done.stderr


def test_a_keycloak_that_does_not_answer_is_a_sentence() -> None:
    client = {"OIDC_CLIENT_ID": "mlflow", "OIDC_CLIENT_SECRET": "a secret"}
    address = f"http://127.0.0.1:{free_port()}/realms/none"
    done = subprocess.run(
        [str(DEMO), "demo", "--port", str(free_port()), "--keycloak-url", address],
        capture_output=True, text=True, check=False, timeout=150, env=os.environ | client,
    )  # fmt: skip
    assert done.returncode == 1
    assert f"No realm answers at {address}" in done.stderr
    assert "Traceback" not in done.stderr
