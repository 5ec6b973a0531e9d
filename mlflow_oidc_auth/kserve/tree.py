"""What is to be fetched: the files below a place, as the artifact proxy lists them, each name checked.

SECURITY: a listing is what a server says; a name that is not a plain one (`..`, a slash, a control character, one that
is there twice) would write somewhere else, and stops everything before a byte is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from mlflow_oidc_auth.kserve.failures import Failure, Status
from mlflow_oidc_auth.kserve.places import Place
from mlflow_oidc_auth.kserve.server import Missing
from mlflow_oidc_auth.kserve.uri import is_plain

MOST_FILES = 100_000
_DEEPEST = 64
_LONGEST_NAME = 255

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class File:
    """One file: where it is at the server, where it goes below the destination, and its size in bytes if told."""

    source: Path
    target: Path
    size: int | None


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    is_folder: bool
    size: int | None


class Lists(Protocol):
    """The server (`server.py`)."""

    def listing(self, folder: Path) -> Any:
        """What is listed below a folder."""


Each = Callable[[Callable[[Path], list[_Entry]], Iterable[Path]], Iterator[list[_Entry]]]
"""Runs a function for each of several folders, in order: `map`, or that of a pool of threads."""


def files(server: Lists, places: Iterable[Place], each: Each) -> tuple[Place, list[File]]:
    """The first place that holds something, and all files there.

    Raises:
        Failure: none of them does, or a listing is not to be trusted.
    """
    looked = []
    for place in places:
        if found := _below(server, place, each):
            return place, found
        looked.append(("/".join(place.path) and f"'{'/'.join(place.path)}' in {place.what}") or place.what)
    raise Failure(Status.NOT_FOUND, f"There is nothing to fetch: {', nor '.join(looked)} is there, or holds a file.")


def _below(server: Lists, place: Place, each: Each) -> list[File]:
    """All files below a place; of a path that is a file, that file alone."""
    top = (*place.folder, *place.path)
    if place.path:
        beside = {entry.name: entry for entry in _listed(server, top[:-1])}
        entry = beside.get(place.path[-1])
        if entry is None:
            return []
        if not entry.is_folder:
            return [File(top, (entry.name,), entry.size)]
    return _walk(server, top, each)


def _walk(server: Lists, top: Path, each: Each) -> list[File]:
    found: list[File] = []
    level = [top]
    while level:
        deeper = []
        for folder, entries in zip(level, each(lambda folder: _listed(server, folder), level), strict=True):
            for entry in entries:
                source = (*folder, entry.name)
                if entry.is_folder:
                    deeper.append(source)
                else:
                    found.append(File(source, source[len(top) :], entry.size))
        if len(found) + len(deeper) > MOST_FILES or (deeper and len(deeper[0]) - len(top) > _DEEPEST):
            raise Failure(Status.INTEGRITY, f"More than {MOST_FILES} files, or {_DEEPEST} folders deep: not fetched.")
        level = deeper
    return found


def _listed(server: Lists, folder: Path) -> list[_Entry]:
    """What is in a folder; nothing, if it is not there.

    Raises:
        Failure: the listing is not to be trusted.
    """
    try:
        told = server.listing(folder)
        entries = [_entry(one) for one in told.get("files", [])]
    except Missing:
        return []
    except (AttributeError, KeyError, TypeError, ValueError):
        raise Failure(
            Status.INTEGRITY, f"The server lists something under {'/'.join(folder)} that is no name."
        ) from None
    if len({entry.name for entry in entries}) != len(entries):
        raise Failure(Status.INTEGRITY, f"The server lists a name twice under {'/'.join(folder)}.")
    return entries


def _entry(told: Any) -> _Entry:
    name, size = told["path"], told.get("file_size")
    if not isinstance(name, str) or not is_plain(name) or len(name.encode()) > _LONGEST_NAME:
        raise ValueError("a name that is none")
    if size is not None and (isinstance(size, bool) or int(size) < 0):
        raise ValueError("a size that is none")
    return _Entry(name, bool(told.get("is_dir")), None if size is None else int(size))
