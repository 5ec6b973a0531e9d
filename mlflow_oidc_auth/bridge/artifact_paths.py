"""Which experiment an artifact path lies in.

MLflow's artifact proxy serves `<experiment id>/...` below one root for all experiments. Whoever may write
elsewhere below it could write into anybody's experiment, so a path that is not of this form belongs to
no resource, and only admins reach it.

SECURITY: the path is judged as the storage will resolve it. MLflow decodes percent signs again after the
server did, so every decoded form must name the same experiment and none may hold `..`.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from mlflow_oidc_auth.vocabulary import is_plain_number

_SOURCE_DEPTH = 4
"""A version is made of something inside `<experiment>/<run>/artifacts`, never of all that a run has."""


@dataclass(frozen=True, slots=True)
class ArtifactPath:
    """A path below the proxy's root.

    Attributes:
        text: as the request spelled it.
        experiment_id: the experiment it lies in.
        version_roots: the URIs at or above it that a model version may have as its source.
    """

    text: str
    experiment_id: int
    version_roots: tuple[str, ...]


def parse_artifact_path(text: str) -> ArtifactPath | None:
    """The path, or `None` if it lies in no experiment.

    `1/abc/artifacts/model` lies in experiment 1; `01/...`, `../1`, `1/../2`, `%2e%2e/1` and the root in none.
    """
    decoded = _fully_decoded(text)
    parts = text.strip("/").split("/")
    if decoded is None or _first(decoded) != parts[0]:
        return None
    if not is_plain_number(parts[0]) or str(int(parts[0])) != parts[0] or len(parts[0]) > 10:
        return None
    return ArtifactPath(text, int(parts[0]), tuple(_roots(decoded.strip("/").split("/"))))


def stays_below(path: str) -> bool:
    """Whether a relative path leads nowhere above its folder, however often it is decoded."""
    return _fully_decoded(path) is not None


def _fully_decoded(text: str) -> str | None:
    """The path after all percent-decoding; `None` if any form could climb out of its folder."""
    for _ in range(5):
        if _climbs(text):
            return None
        decoded = unquote(text)
        if decoded == text:
            return text
        text = decoded
    return None


def _climbs(text: str) -> bool:
    return (
        any(part in ("..", ".") for part in text.split("/"))
        or "//" in text
        or text.startswith("/")
        or any(char in text for char in "\\\0?#")
        or any(ord(char) < 32 for char in text)
    )


def _first(path: str) -> str:
    return path.strip("/").split("/")[0]


def _roots(parts: list[str]) -> list[str]:
    """Everything at or above the path that can be a version's source."""
    return [f"mlflow-artifacts:/{'/'.join(parts[:depth])}" for depth in range(_SOURCE_DEPTH, len(parts) + 1)]


def lies_deep(path: str) -> bool:
    """Whether a path is deep enough for a version's source: inside `<experiment>/<run>/artifacts`."""
    return len([part for part in path.split("/") if part]) >= _SOURCE_DEPTH


def within(source: str, root: str) -> bool:
    """Whether an artifact URI is at or below another, with no way to climb out of it.

    Scheme and authority must be equal; an `mlflow-artifacts` URI without authority is this server's.
    """
    parted, below = urlsplit(source), urlsplit(root)
    if (parted.scheme.lower(), parted.netloc) != (below.scheme.lower(), below.netloc):
        return False
    if parted.query or parted.fragment or below.query or below.fragment or not below.path.strip("/"):
        return False
    path = _fully_decoded(parted.path.lstrip("/"))
    inside = _fully_decoded(below.path.lstrip("/"))
    if path is None or inside is None:
        return False
    return [*path.strip("/").split("/")][: len(inside.strip("/").split("/"))] == inside.strip("/").split("/")
