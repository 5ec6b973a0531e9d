"""Lint is a test: what is not clean does not pass."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BESIDE_PYTHON = Path(sys.executable).parent

COMMANDS = {
    "ruff check": [sys.executable, "-m", "ruff", "check", "."],
    "ruff format": [sys.executable, "-m", "ruff", "format", "--check", "."],
    "mypy --strict": [sys.executable, "-m", "mypy"],
    "import-linter": [str(BESIDE_PYTHON / "lint-imports"), "--no-cache"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_tree_is_clean(name: str) -> None:
    done = subprocess.run(COMMANDS[name], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{name}:\n{done.stdout}{done.stderr}"


def test_locked_versions_carry_hashes_and_no_address() -> None:
    """Whoever installs says from where; the lock only says what, byte for byte."""
    text = (ROOT / "requirements.lock").read_text()
    assert "://" not in text
    entries = text.replace("\\\n", " ").splitlines()
    assert len(entries) > 100
    assert [entry for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == []
