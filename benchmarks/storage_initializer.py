"""How long the storage initializer takes for a big model, beside curl with as many connections, and its memory.

    python -m benchmarks.storage_initializer            2 GB in 200 files, on a real server with the plugin

Each is run three times in turn, and the quickest counts; compare the ratio, not the seconds.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

from mlflow_oidc_auth.kserve.main import AT_ONCE
from tests.databases import Databases
from tests.people import People, Person
from tests.provider import Keycloak
from tests.server import MlflowServer, Servers, base_environment

FILES = 200
SIZE = 10 * 1024 * 1024
ROUNDS = 3


def main() -> None:
    """Print the figures."""
    databases, keycloak = Databases(), Keycloak()
    with keycloak:
        servers = Servers(keycloak, databases)
        try:
            server = servers.start()
            compare(server, People(server, keycloak).alice)
        finally:
            servers.close()
            databases.close()


def compare(server: MlflowServer, alice: Person, files: int = FILES, size: int = SIZE) -> tuple[float, int]:
    """Fetch with both, and give the ratio of their times and the initializer's memory in kB."""
    run, paths = big_run(server, alice, files, size)
    folder = Path(tempfile.mkdtemp(prefix="storage-initializer-"))
    ours, curls, memory = [], [], 0
    try:
        for number in range(ROUNDS):
            seconds, used = initialize(alice, run, folder / f"ours-{number}")
            ours.append(seconds)
            memory = max(memory, used)
            curls.append(curl(server, alice, paths, folder / f"curl-{number}"))
            shutil.rmtree(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    ratio, total = min(ours) / min(curls), files * size / 1e9
    print(
        f"{total:.1f} GB in {files} files: {min(ours):.1f} s, curl {min(curls):.1f} s, ratio {ratio:.2f}, {memory} kB"
    )
    return ratio, memory


def big_run(server: MlflowServer, alice: Person, files: int, size: int) -> tuple[str, list[str]]:
    """A run of alice's with a folder of big files, put straight into the artifact store."""
    name = f"big-{time.time_ns()}"
    experiment = alice.must("POST", "2.0/mlflow/experiments/create", json={"name": name})["experiment_id"]
    body = {"experiment_id": experiment}
    run: str = alice.must("POST", "2.0/mlflow/runs/create", json=body)["run"]["info"]["run_id"]
    place = f"{experiment}/{run}/artifacts/big"
    folder = Path(server.artifacts) / place
    folder.mkdir(parents=True)
    for number in range(files):
        (folder / f"part-{number:04}").write_bytes(os.urandom(size))
    return run, [f"{place}/part-{number:04}" for number in range(files)]


def initialize(alice: Person, run: str, dest: Path) -> tuple[float, int]:
    """Fetch with the initializer: seconds, and the most memory it had in kB."""
    command = [sys.executable, "-m", "mlflow_oidc_auth.kserve", f"mlflow://runs/{run}/big", str(dest)]
    environment = {**base_environment(alice.server.folder), **alice.environment()}
    begun = time.monotonic()
    process, memory = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL), 0
    while process.poll() is None:
        memory = max(memory, _most_memory(process.pid))
        time.sleep(0.02)
    assert process.returncode == 0
    return time.monotonic() - begun, memory


def _most_memory(pid: int) -> int:
    """In kB, so far. (What `wait4` tells begins with the memory of whoever started the process.)"""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) if found else 0


def curl(server: MlflowServer, alice: Person, paths: list[str], dest: Path) -> float:
    """Fetch with curl, as many files at once: seconds."""
    dest.mkdir(parents=True)
    root = f"{server.url}/api/2.0/mlflow-artifacts/artifacts"
    lines = [f'url = "{root}/{quote(path)}"\noutput = "{dest / Path(path).name}"' for path in paths]
    lines.append(f'user = "{alice.email}:{alice.key()}"')
    begun = time.monotonic()
    command = ["curl", "--no-progress-meter", "--fail", "--parallel", "--parallel-max", str(AT_ONCE), "--config", "-"]
    subprocess.run(command, input="\n".join(lines), text=True, check=True)
    return time.monotonic() - begun


if __name__ == "__main__":
    main()
