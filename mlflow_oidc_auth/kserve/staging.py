"""Where files grow until they are whole: a folder inside the destination, from which they are moved when all are there.

A file appears at the destination under its own name only when all of them are complete; the manifest comes last. So:

- a manifest that fits: everything is there, and nothing is done;
- no manifest: what was fetched before is used again, and the rest is fetched;
- killed between two moves: the next run finds the list of what is complete, and moves the rest.

SECURITY: nothing is written outside the destination, and nothing there that is not ours is replaced.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlflow_oidc_auth.kserve.failures import Failure, Status
from mlflow_oidc_auth.kserve.tree import File

MANIFEST = ".mlflow-manifest.json"
STAGING = ".mlflow-staging"
_COMPLETE = "complete.json"
_PLACE = "place.json"
_OURS = (MANIFEST, STAGING)


class Staging:
    """The destination of one source.

    Args:
        destination: the folder that holds the files in the end; made if it is not there.
        source: the address, as it was given.
    """

    def __init__(self, destination: Path, source: str) -> None:
        self.destination, self.source = destination, source
        self._folder = destination / STAGING
        self._files, self._notes = self._folder / "files", self._folder / "notes"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep others out that fetch to the same destination.

        Raises:
            Failure: another one is at work there, or it cannot be written to.
        """
        self._files.mkdir(parents=True, exist_ok=True)
        with (self._folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise Failure(Status.CONFIGURATION, f"Another download to {self.destination} is at work.") from None
            try:
                yield
            finally:
                self._leave_nothing_empty()

    def _leave_nothing_empty(self) -> None:
        if not any(path.is_file() for path in self._files.rglob("*")):
            shutil.rmtree(self._folder, ignore_errors=True)

    def is_done(self) -> bool:
        """Whether everything is there already.

        Raises:
            Failure: something else was fetched to this destination before.
        """
        told = _read(self.destination / MANIFEST)
        if told is None:
            return False
        if told.get("source") != self.source:
            raise Failure(
                Status.CONFIGURATION,
                f"{self.destination} holds {str(told.get('source'))[:200]} already. Use another folder, or empty it.",
            )
        return all(_has(self.destination / name, size) for name, size in _sizes(told))

    def complete(self) -> bool:
        """Whether an earlier run fetched everything, and was stopped while it moved it."""
        told = _read(self._folder / _COMPLETE)
        if told is None or told.get("source") != self.source:
            return False
        return all(_has(self._files / name, size) or _has(self.destination / name, size) for name, size in _sizes(told))

    def begin(self, place: Sequence[str]) -> None:
        """What an earlier run fetched is used again, unless it came from another place: `latest` may have moved on."""
        told = {"source": self.source, "place": list(place)}
        if _read(self._folder / _PLACE) != told:
            for folder in (self._files, self._notes):
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir(parents=True)
            _write(self._folder / _PLACE, told)

    def note_of(self, file: File) -> Path:
        """Where it is noted which content of the server's a file is made of."""
        return self._notes / hashlib.sha256("/".join(file.target).encode()).hexdigest()

    def path_of(self, file: File) -> Path:
        """Where a file grows; its folder is there."""
        path = self._files.joinpath(*file.target)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def staged(self) -> int:
        """Bytes that an earlier run fetched."""
        return sum(path.stat().st_size for path in self._files.rglob("*") if path.is_file())

    def refuse_strangers(self, files: Sequence[File]) -> None:
        """Nothing at the destination is replaced that was not fetched by us.

        Raises:
            Failure: something is there under a name that a file needs.
        """
        for name in sorted({file.target[0] for file in files}):
            if name in _OURS:
                raise Failure(Status.INTEGRITY, f"A file is called {name}, as ours are; it cannot be fetched.")
            if os.path.lexists(self.destination / name):
                raise Failure(Status.CONFIGURATION, f"{self.destination} holds '{name}' already; empty it first.")

    def finish(self, files: Sequence[File], what: str) -> None:
        """All files are complete: move them to their names, then say so in the manifest."""
        sizes = {"/".join(file.target): self._files.joinpath(*file.target).stat().st_size for file in files}
        _write(self._folder / _COMPLETE, {"source": self.source, "what": what, "files": sizes})
        self.move()

    def move(self) -> None:
        """Move what is complete; what was moved before stays."""
        told = _read(self._folder / _COMPLETE) or {}
        for path in sorted(self._files.iterdir()):
            path.rename(self.destination / path.name)
        _write(self.destination / MANIFEST, told)
        shutil.rmtree(self._folder, ignore_errors=True)


def _sizes(told: dict[str, Any]) -> list[tuple[str, int]]:
    files = told.get("files")
    return [(str(name), int(size)) for name, size in files.items()] if isinstance(files, dict) else [("", -1)]


def _has(path: Path, size: int) -> bool:
    try:
        return path.is_file() and path.stat().st_size == size
    except OSError:
        return False


def _read(path: Path) -> dict[str, Any] | None:
    """A file of ours; one that is not readable as such is as good as none."""
    try:
        told = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return told if isinstance(told, dict) else None


def _write(path: Path, told: dict[str, Any]) -> None:
    """Whole or not at all."""
    new = path.with_name(f"{path.name}.new")
    with new.open("w") as file:
        json.dump(told, file, indent=1, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())
    new.rename(path)
