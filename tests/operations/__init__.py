"""What MLflow serves, one file a version: `both` is at /api/<path> and at /ajax-api/<path>, `one` as it stands.

The files are facts, taken from servers of these versions; 3.18.0 is here before it can be installed.
"""

from __future__ import annotations

from pathlib import Path

VERSIONS = ("3.16.1", "3.17.2", "3.18.0")

Key = tuple[str, str]


def served_by(version: str) -> frozenset[Key]:
    """Every (method, path) of one version, and every GraphQL field that runs code."""
    lines = (Path(__file__).parent / f"served-{version}.txt").read_text().splitlines()
    return frozenset(key for line in lines for key in _keys(*line.split(" ")))


def _keys(how: str, method: str, path: str) -> tuple[Key, ...]:
    return ((method, f"/api/{path}"), (method, f"/ajax-api/{path}")) if how == "both" else ((method, path),)
