"""A promise that went untested is said out loud, and fails CI."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SKIPPED = 'import pytest\ndef test_a(): pass\ndef test_b(): pytest.skip("PROMISE UNTESTED: bread is fresh (no nose)")\n'


@pytest.mark.parametrize(
    ("tests", "ci", "status"),
    [
        ("def test_a(): pass\n", "true", 0),
        (SKIPPED, "", 0),
        (SKIPPED, "true", 1),
        ("def test_a(): assert False\n", "", 1),
    ],
    ids=["all tested in CI", "skipped on a desk", "skipped in CI", "failed on a desk"],
)
def test_what_is_skipped_is_said_last_and_fails_ci(tmp_path: Path, tests: str, ci: str, status: int) -> None:
    (tmp_path / "test_some.py").write_text(tests)
    command = [sys.executable, "-m", "pytest", "-p", "tests.untested", "-p", "no:cacheprovider", "-q", str(tmp_path)]
    environment = os.environ | {"CI": ci, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout
    *_, loud, last = ["", *done.stdout.splitlines()]
    assert ("passed" in last) or ("failed" in last)
    if tests == SKIPPED:
        wanted = "CI tests everything or fails" if ci else "PROMISE UNTESTED: bread is fresh (no nose)"
        assert wanted in loud
