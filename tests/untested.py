"""Says at the very end which promises went untested; in CI (`CI=true`) that fails the run.

A skipped test on somebody's machine is a missing program, said out loud. In CI it would be a green
run that tested less than it says.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import pytest

MARK = "PROMISE UNTESTED:"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One loud line a promise, just before pytest's own last line."""
    reasons = sorted(set(_reasons(terminalreporter.stats.get("skipped", ()))))
    for reason in reasons:
        terminalreporter.write_line(f"{MARK} {reason}", red=True, bold=True)
    if reasons and _in_ci():
        terminalreporter.write_line("CI tests everything or fails: install what the lines above miss.", red=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI what went untested has failed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and reporter.stats.get("skipped") and _in_ci() and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _in_ci() -> bool:
    return os.environ.get("CI", "").lower() in ("1", "true", "yes")


def _reasons(skipped: Iterable[pytest.TestReport]) -> Iterable[str]:
    for report in skipped:
        where = report.longrepr
        text = where[2] if isinstance(where, tuple) else str(where)
        yield text.removeprefix("Skipped: ").removeprefix(MARK).strip()
