"""The command `mlflow-storage-initializer SRC DEST [SRC DEST ...]`, as KServe's init container calls it.

It says what it does on standard error, ends with a status of its own for each kind of failure (`failures.py`), and
puts the last line into the pod's termination message, where `kubectl describe pod` shows it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mlflow_oidc_auth.kserve.download import fetch_all, free_space, size_words
from mlflow_oidc_auth.kserve.environment import read_environment
from mlflow_oidc_auth.kserve.failures import Failure, Status
from mlflow_oidc_auth.kserve.places import find
from mlflow_oidc_auth.kserve.server import MlflowServer
from mlflow_oidc_auth.kserve.staging import Staging
from mlflow_oidc_auth.kserve.tree import File, files
from mlflow_oidc_auth.kserve.uri import FORMS, parse, shown

AT_ONCE = 8
"""Files that are fetched at the same time."""

USAGE = f"""\
usage: mlflow-storage-initializer SRC DEST [SRC DEST ...]

Fetches what SRC names from an MLflow server into the folder DEST. SRC is
{FORMS}.
The server and the credentials come from MLFLOW_TRACKING_URI, MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD
(or MLFLOW_TRACKING_TOKEN); its certificate is checked as MLFLOW_TRACKING_SERVER_CERT_PATH and
MLFLOW_TRACKING_INSECURE_TLS say."""

_TERMINATION = "/dev/termination-log"
_LONGEST_MESSAGE = 4000  # bytes; Kubernetes keeps 4096
_FULL = (errno.ENOSPC, errno.EDQUOT)

Tell = Callable[[str], None]


def main() -> None:
    """Run, and exit."""
    sys.exit(run(sys.argv[1:], os.environ))


def run(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Fetch each pair in turn; the exit status."""
    if any(argument in ("-h", "--help") for argument in arguments):
        print(USAGE)
        return Status.DONE
    try:
        last = _fetch_pairs(arguments, environ)
        status = Status.DONE
    except Failure as failure:
        last, status = failure.sentence, failure.status
    except OSError as error:
        last, status = _of_system(error)
    _tell(last)
    _leave_message(environ, last)
    return status


def _fetch_pairs(arguments: Sequence[str], environ: Mapping[str, str]) -> str:
    if not arguments or len(arguments) % 2:
        raise Failure(Status.USAGE, "Give pairs of SRC and DEST; see --help.")
    pairs = [(text, parse(text), Path(folder)) for text, folder in zip(arguments[::2], arguments[1::2], strict=True)]
    server = MlflowServer(read_environment(environ), AT_ONCE)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        told = [_fetch(server, pool, Staging(folder, text), text) for text, _, folder in pairs]
    return " ".join(told)


def _fetch(server: MlflowServer, pool: ThreadPoolExecutor, staging: Staging, text: str) -> str:
    if staging.is_done():
        return f"{shown(text)} is at {staging.destination} already; nothing was fetched."
    with staging.held():
        if staging.complete():
            staging.move()
            return f"{shown(text)} is at {staging.destination}: an earlier run had fetched it."
        place, wanted = files(server, find(server, parse(text)), pool.map)
        staging.refuse_strangers(wanted)
        staging.begin((*place.folder, *place.path))
        _refuse_too_much(wanted, staging)
        _tell(f"Fetching {place.what}: {len(wanted)} files to {staging.destination}.")
        progress = fetch_all(server, staging, wanted, pool, _tell)
        staging.finish(wanted, place.what)
    return f"{place.what}: {progress.line()}, at {staging.destination}."


def _refuse_too_much(wanted: Sequence[File], staging: Staging) -> None:
    """Better before than half way."""
    needed = sum(file.size or 0 for file in wanted) - staging.staged()
    free = free_space(staging.destination)
    if needed > free:
        raise Failure(
            Status.DISK_FULL,
            f"{staging.destination} has room for {size_words(free)}, and {size_words(needed)} are needed.",
        )


def _of_system(error: OSError) -> tuple[str, Status]:
    where = f" at {error.filename}" if error.filename else ""
    if error.errno in _FULL:
        return f"The disk is full{where}. Give the volume more room; what was fetched is used again.", Status.DISK_FULL
    return f"{os.strerror(error.errno or 0)}{where}.", Status.CONFIGURATION


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _leave_message(environ: Mapping[str, str], line: str) -> None:
    """For `kubectl describe pod`; outside a pod there is no such file."""
    path = Path(environ.get("TERMINATION_MESSAGE_PATH", _TERMINATION))
    with contextlib.suppress(OSError):
        if path.exists():
            path.write_bytes(line.encode()[:_LONGEST_MESSAGE])
