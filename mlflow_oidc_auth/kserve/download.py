"""Fetches files, several at once: each tried again where it broke off, and measured when it is there.

A file goes on where it stopped if the server answers ranges and the content is the same (`If-Range` with the ETag of
the first answer, RFC 9110 section 13.1.5); else it begins again.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from mlflow_oidc_auth.kserve.failures import Failure, Status
from mlflow_oidc_auth.kserve.server import PAUSE, TRIES, Broken, Missing
from mlflow_oidc_auth.kserve.staging import Staging
from mlflow_oidc_auth.kserve.tree import File

PIECE = 128 * 1024
TELL_EVERY = 10.0
"""Seconds between two lines of progress."""

_WRONG_SIZE_TRIES = 2
_DONE = "done"  # what the note of a file says that is whole
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


class Opens(Protocol):
    """The server (`server.py`)."""

    def open(self, path: tuple[str, ...], headers: dict[str, str]) -> Any:
        """The bytes of one artifact, once, as a context."""


@dataclass
class Progress:
    """How far it is, told by many threads. `total` is in bytes; `None` if a size is not known."""

    files: int
    total: int | None
    done_files: int = 0
    done_bytes: int = 0
    began: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, size: int) -> None:
        """So many bytes more; fewer, where a file begins again."""
        with self._lock:
            self.done_bytes += size

    def finished(self) -> None:
        """One file more."""
        with self._lock:
            self.done_files += 1

    def line(self) -> str:
        """120 of 200 files, 1.2 GB of 2.0 GB, 85.0 MB/s, 9 s left"""
        seconds = max(time.monotonic() - self.began, 0.001)
        speed = self.done_bytes / seconds
        told = f"{self.done_files} of {self.files} files, {size_words(self.done_bytes)}"
        if self.total is None:
            return f"{told}, {size_words(int(speed))}/s"
        left = f", {(self.total - self.done_bytes) / speed:.0f} s left" if 0 < self.done_bytes < self.total else ""
        return f"{told} of {size_words(self.total)}, {size_words(int(speed))}/s{left}"


def fetch_all(
    server: Opens, staging: Staging, files: Iterable[File], pool: ThreadPoolExecutor, tell: Callable[[str], None]
) -> Progress:
    """Fetch every file into the staging folder, and tell how far it is.

    Raises:
        Failure: one of them cannot be had; the others are stopped.
    """
    every = sorted(files, key=lambda file: -(file.size or 0))  # the big ones first, so that none is left at the end
    sizes = [file.size for file in every]
    progress = Progress(len(every), None if None in sizes else sum(size or 0 for size in sizes))
    stop = threading.Event()
    waiting: set[Future[None]] = {pool.submit(fetch, server, staging, file, progress, stop) for file in every}
    try:
        while waiting:
            done, waiting = wait(waiting, TELL_EVERY, FIRST_EXCEPTION)
            for future in done:
                future.result()
            if waiting:
                tell(progress.line())
    finally:
        stop.set()
        for future in waiting:
            future.cancel()
    return progress


def fetch(server: Opens, staging: Staging, file: File, progress: Progress, stop: threading.Event) -> None:
    """Fetch one file, unless an earlier run did.

    Raises:
        Failure: it cannot be had whole.
    """
    path, note = staging.path_of(file), staging.note_of(file)
    wrong = broken = 0
    while not stop.is_set():
        try:
            if _is_whole(path, note, file) or _try(server, path, note, file, progress):
                return progress.finished()
            wrong += 1
        except Broken as error:
            broken += 1
            if broken >= TRIES:
                raise _failure(
                    Status.NETWORK, file, f"broke off {broken} times ({error}). Run it again to go on"
                ) from None
            stop.wait(min(PAUSE * 2**broken, 10))
        except Missing:
            raise _failure(Status.NOT_FOUND, file, "is listed, and is not there") from None
        if wrong >= _WRONG_SIZE_TRIES:
            raise _failure(Status.INTEGRITY, file, f"has another size than the server said ({file.size} bytes)")
    return None


def _is_whole(path: Path, note: Path, file: File) -> bool:
    """Whether an earlier run fetched all of it: its note says so, which is written last."""
    try:
        whole = note.read_text() == _DONE and (file.size is None or path.stat().st_size == file.size)
    except OSError:
        return False
    return whole


def _try(server: Opens, path: Path, note: Path, file: File, progress: Progress) -> bool:
    """Ask once for what is missing; whether the file has the right size then. A wrong one is begun again."""
    have, tag = _begun(path, note)
    headers = {"Range": f"bytes={have}-", "If-Range": tag} if have else {}
    with server.open(file.source, headers) as answer:
        start, size = _from(answer, have)
        if size is not None and file.size is not None and size != file.size:
            return _begin_again(path, note)
        note.write_text(_strong_tag(answer))
        with path.open("r+b" if path.exists() else "wb") as out:
            out.truncate(start)
            out.seek(start)
            progress.add(0 if start else -have)
            for piece in answer.stream(PIECE):
                out.write(piece)
                progress.add(len(piece))
    if path.stat().st_size != (size if file.size is None else file.size) and (size, file.size) != (None, None):
        return _begin_again(path, note)
    note.write_text(_DONE)
    return True


def _begun(path: Path, note: Path) -> tuple[int, str]:
    """How many bytes are there, and of which content; nothing without a tag that tells."""
    try:
        tag = note.read_text()
        return (path.stat().st_size, tag) if tag and tag != _DONE else (0, "")
    except OSError:
        return 0, ""


def _from(answer: Any, have: int) -> tuple[int, int | None]:
    """Where the answer's bytes begin, and how long the whole file is, if it says so."""
    if answer.status == 206:
        told = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if told is None or int(told[1]) != have:
            raise Broken("another range than was asked for")
        return have, int(told[2]) if told[2] != "*" else None
    if answer.status == 416:
        raise Broken("no such range")
    length = answer.headers.get("Content-Length", "")
    return 0, int(length) if length.isdigit() else None


def _strong_tag(answer: Any) -> str:
    tag = str(answer.headers.get("ETag", ""))
    return tag if tag.startswith('"') else ""


def _begin_again(path: Path, note: Path) -> bool:
    note.unlink(missing_ok=True)
    path.unlink(missing_ok=True)
    return False


def _failure(status: Status, file: File, why: str) -> Failure:
    return Failure(status, f"The file {'/'.join(file.target)} {why}.")


def free_space(folder: Path) -> int:
    """Bytes that can be written there."""
    told = os.statvfs(folder)
    return told.f_bavail * told.f_frsize


def size_words(size: int) -> str:
    """1.2 GB"""
    amount = float(size)
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1000
    raise AssertionError(size)
