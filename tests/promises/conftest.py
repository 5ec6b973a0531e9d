"""What the promises share: servers of several makes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.databases import Backend, PostgresMissing
from tests.people import People
from tests.server import MlflowServer, Servers


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
