"""What the promises share: servers of several makes, and the figures that they print at the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import Backend, PostgresMissing
from tests.people import People
from tests.server import MlflowServer, Servers

FIGURES = Path(__file__).parents[2] / "test-output" / "figures.txt"

_figures: dict[str, str] = {}


class Figures:
    """What a test counted: shown after the tests, and kept in `test-output/figures.txt`."""

    def note(self, what: str, value: object) -> None:
        """Keep one figure."""
        _figures[what] = str(value)


@pytest.fixture(scope="session")
def figures() -> Figures:
    """Where tests put what they counted."""
    return Figures()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show and keep the figures."""
    if not _figures:
        return
    lines = [f"{what}: {value}" for what, value in _figures.items()]
    terminalreporter.section("figures")
    for line in lines:
        terminalreporter.write_line(line)
    FIGURES.parent.mkdir(exist_ok=True)
    FIGURES.write_text("\n".join(lines) + "\n")


class Corners:
    """Servers that differ in what they are made of; each is started when first asked for."""

    # Each pair of (workers, prefix, database) occurs once.
    MADE_OF: dict[str, tuple[int, str, Backend]] = {
        "one-worker-prefix-sqlite": (1, "/mlflow", "sqlite"),
        "four-workers-no-prefix-sqlite": (4, "", "sqlite"),
        "four-workers-prefix-postgresql": (4, "/mlflow", "postgresql"),
        "one-worker-no-prefix-postgresql": (1, "", "postgresql"),
    }

    def __init__(self, servers: Servers, shared: People) -> None:
        self._servers = servers
        self._people = {"one-worker-prefix-sqlite": shared}

    def people(self, name: str) -> People:
        """Everybody, on the server of this make."""
        if name not in self._people:
            workers, prefix, backend = self.MADE_OF[name]
            try:
                server = self._servers.start(workers=workers, static_prefix=prefix, backend=backend)
            except PostgresMissing as missing:
                pytest.skip(f"PROMISE UNTESTED: the same promises on PostgreSQL as on SQLite ({missing})")
            self._people[name] = People(server, self._servers.keycloak)
        return self._people[name]


@pytest.fixture(scope="session")
def corners(servers: Servers, people: People) -> Corners:
    """All makes of servers."""
    return Corners(servers, people)


@pytest.fixture(params=Corners.MADE_OF)
def corner(request: pytest.FixtureRequest, corners: Corners) -> People:
    """Everybody, on each make of server in turn."""
    return corners.people(request.param)


@pytest.fixture(scope="session")
def four_workers(corners: Corners) -> People:
    """Everybody, on the server with four workers and PostgreSQL."""
    return corners.people("four-workers-prefix-postgresql")


@pytest.fixture(params=["one-worker-prefix-sqlite", "four-workers-prefix-postgresql"])
def either_database(request: pytest.FixtureRequest, corners: Corners) -> People:
    """Everybody, on SQLite and on PostgreSQL."""
    return corners.people(request.param)


@pytest.fixture
def own_server(servers: Servers) -> Iterator[MlflowServer]:
    """A server for one test: SQLite, one worker."""
    server = servers.start()
    yield server
    servers.stop(server)
