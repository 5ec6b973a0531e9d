"""A machine on which nobody has logged in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty home; no setting of MLflow's, and none that outlives the test."""
    mlflow.set_tracking_uri(None)
    for name in [name for name in os.environ if name.startswith("MLFLOW_TRACKING_") or name == "NETRC"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NO_PROXY", "*")
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    yield folder
    mlflow.set_tracking_uri(None)


@pytest.fixture
def file(home: Path) -> Path:
    """Where MLflow's client looks."""
    return home / ".mlflow" / "credentials"
