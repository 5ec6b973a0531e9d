"""What all tests share: databases, a real Keycloak for those that log in, real MLflow servers with the plugin."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from mlflow_oidc_auth.database.engine import build_engine
from tests import figures as kept
from tests.databases import BACKENDS, Backend, Databases, PostgresMissing
from tests.people import People
from tests.provider import Keycloak, KeycloakMissing
from tests.server import MlflowServer, Servers


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """Hands out throw-away databases."""
    every = Databases()
    yield every
    every.close()


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Each database we serve, in turn."""
    chosen: Backend = request.param
    return chosen


@pytest.fixture
def engine(databases: Databases, backend: Backend) -> Iterator[sa.Engine]:
    """Our engine on a fresh database with our tables."""
    try:
        url = databases.migrated(backend)
    except PostgresMissing as missing:
        pytest.skip(f"PROMISE UNTESTED: the same behaviour on PostgreSQL as on SQLite ({missing})")
    built = build_engine(url)
    yield built
    built.dispose()


@pytest.fixture(scope="session")
def keycloak() -> Iterator[Keycloak]:
    """A running Keycloak; whoever changes something in it changes it back."""
    try:
        running = Keycloak()
    except KeycloakMissing as missing:
        pytest.skip(f"PROMISE UNTESTED: login and logout with a real Keycloak ({missing})")
    with running:
        yield running


@pytest.fixture(scope="session")
def servers(keycloak: Keycloak, databases: Databases) -> Iterator[Servers]:
    """Starts real MLflow servers with the plugin."""
    every = Servers(keycloak, databases)
    yield every
    every.close()


@pytest.fixture(scope="session")
def server(servers: Servers) -> MlflowServer:
    """The server that most tests share: SQLite, one worker, under `/mlflow`."""
    return servers.start()


@pytest.fixture(scope="session")
def people(server: MlflowServer, keycloak: Keycloak) -> People:
    """Everybody, on the shared server."""
    return People(server, keycloak)


@pytest.fixture(scope="session")
def figures() -> kept.Figures:
    """Where tests put what they counted."""
    return kept.Figures()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Begin without the figures of the last run; a worker process leaves them to the first."""
    if not hasattr(session.config, "workerinput"):
        kept.forget()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what was counted."""
    if lines := kept.lines():
        terminalreporter.section("figures")
        for line in lines:
            terminalreporter.write_line(line)
