"""Is everything that the server serves listed, and everything listed served? Pure set comparison.

What a live server serves is walked by `bridge/routes.py`; this module only compares. A gap never opens
anything by itself: an operation that is served but not listed is refused to everybody but admins. The
comparison is there so that somebody notices.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from mlflow_oidc_auth.operations.requirements import Deny, Entry, Probe

#: Answered by the web frameworks themselves for every path that has another method.
IGNORED_METHODS = frozenset({"HEAD", "OPTIONS"})

#: What a GraphQL field is called where operations are listed: `GRAPHQL Query.mlflowGetRun`.
GRAPHQL = "GRAPHQL"


@dataclass(frozen=True, slots=True, order=True)
class Served:
    """One operation as a live server routes it.

    `method` is an HTTP method, or `WEBSOCKET`, `MOUNT` or `UNKNOWN` for what no entry can list;
    `path` is spelled as the router spells it, without the static prefix; `by` says who routes it.
    """

    method: str
    path: str
    by: str

    @property
    def key(self) -> tuple[str, str]:
        """By what an operation is compared."""
        return self.method, self.path


@dataclass(frozen=True, slots=True)
class Coverage:
    """The outcome of a comparison; each part is sorted."""

    both: tuple[tuple[str, str], ...]
    unlisted: tuple[Served, ...]
    not_served: tuple[tuple[str, str], ...]
    listed_twice: tuple[tuple[str, str], ...]

    @property
    def complete(self) -> bool:
        """Whether nothing is served that has no entry, and no operation has two."""
        return not self.unlisted and not self.listed_twice

    @property
    def exact(self) -> bool:
        """Whether the table is also free of entries that nothing serves."""
        return self.complete and not self.not_served


def compare(served: Iterable[Served], entries: Iterable[Entry], *, version: str) -> Coverage:
    """Compare what is served with the entries that MLflow `version` (like `3.17.2`) should serve."""
    live = {item.key: item for item in sorted(served) if item.method not in IGNORED_METHODS}
    spelled = Counter((entry.method, entry.path) for entry in entries)
    expected = {(entry.method, entry.path) for entry in entries if _expected(entry, version)}
    return Coverage(
        both=tuple(sorted(live.keys() & spelled.keys())),
        unlisted=tuple(item for key, item in sorted(live.items()) if key not in spelled),
        not_served=tuple(sorted(expected - live.keys())),
        listed_twice=tuple(sorted(key for key, times in spelled.items() if times > 1)),
    )


def graphql_served(fields: Iterable[str]) -> frozenset[Served]:
    """The top-level fields of a GraphQL schema (`Query.mlflowGetRun`) as operations."""
    return frozenset(Served(GRAPHQL, field, "graphql") for field in fields)


def release(version: str) -> tuple[int, ...]:
    """The numbers of a version, to compare by: `3.18.0.dev0` counts as 3.18.0."""
    numbers: list[int] = []
    for part in version.split(".")[:3]:
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
    return tuple(numbers)


def _expected(entry: Entry, version: str) -> bool:
    """Whether this version should serve it. Probes, and what we deny of our own, need no route: the gate answers."""
    if entry.ours and isinstance(entry.requirement, Deny | Probe):
        return False
    return not entry.since or release(entry.since) <= release(version)
