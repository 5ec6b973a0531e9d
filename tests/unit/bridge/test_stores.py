"""Which stores are refused, each with a sentence that says what to do; and that ours open before the first request."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from mlflow.environment_variables import MLFLOW_ENABLE_WORKSPACES
from mlflow.server import constants, handlers

from mlflow_oidc_auth.bridge import stores
from mlflow_oidc_auth.bridge.stores import build_stores, refuse_unserved_stores
from mlflow_oidc_auth.errors import StartRefused
from tests.databases import Backend, Databases
from tests.stores import Stores

SQLITE = "sqlite:////data/mlflow.db"
POSTGRES = "postgresql://mlflow:secret@db/mlflow"

SERVED = {
    "SQLite": {stores.BACKEND_STORE: SQLITE},
    "PostgreSQL": {stores.BACKEND_STORE: POSTGRES},
    "PostgreSQL with a driver": {stores.BACKEND_STORE: "postgresql+psycopg://mlflow@db/mlflow"},
    "the registry in the same database": {stores.BACKEND_STORE: SQLITE, stores.REGISTRY_STORE: SQLITE},
    "the registry in the same database by another driver": {
        stores.BACKEND_STORE: POSTGRES,
        stores.REGISTRY_STORE: POSTGRES.replace("postgresql:", "postgresql+psycopg:"),
    },
    "the registry in the same file by another path": {
        stores.BACKEND_STORE: SQLITE,
        stores.REGISTRY_STORE: "sqlite:////data/../data/mlflow.db",
    },
    "workspaces off": {stores.BACKEND_STORE: SQLITE, stores.WORKSPACES: "false"},
}

REFUSED = {
    "nothing": ({}, "--backend-store-uri"),
    "a file store": ({stores.BACKEND_STORE: "./mlruns"}, "--backend-store-uri"),
    "a file address": ({stores.BACKEND_STORE: "file:///data/mlruns"}, "--backend-store-uri"),
    "MySQL": ({stores.BACKEND_STORE: "mysql+pymysql://u:p@db/mlflow"}, "mysql, which is not served"),
    "SQLite in memory": ({stores.BACKEND_STORE: "sqlite://"}, "in memory"),
    "the registry elsewhere": (
        {stores.BACKEND_STORE: SQLITE, stores.REGISTRY_STORE: "sqlite:////data/registry.db"},
        "Leave out --registry-store-uri",
    ),
    "the registry in another database of one server": (
        {stores.BACKEND_STORE: POSTGRES, stores.REGISTRY_STORE: "postgresql://mlflow:secret@db/registry"},
        "Leave out --registry-store-uri",
    ),
    "the registry in files": (
        {stores.BACKEND_STORE: SQLITE, stores.REGISTRY_STORE: "./mlruns"},
        "Leave out --registry-store-uri",
    ),
    "a read replica": ({stores.BACKEND_STORE: POSTGRES, stores.READ_REPLICA: POSTGRES}, "--read-replica-backend-store"),
    "artifacts only": ({stores.BACKEND_STORE: SQLITE, stores.ARTIFACTS_ONLY: "true"}, "--artifacts-only"),
    "workspaces": ({stores.BACKEND_STORE: SQLITE, stores.WORKSPACES: "true"}, "--enable-workspaces"),
    "workspaces, spelled otherwise": ({stores.BACKEND_STORE: SQLITE, stores.WORKSPACES: "TRUE"}, "--enable-workspaces"),
}


@pytest.mark.parametrize("what", SERVED)
def test_one_database_is_served(what: str) -> None:
    environ = SERVED[what]
    assert refuse_unserved_stores(environ) == sa.make_url(environ[stores.BACKEND_STORE])


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_hold_permissions_is_refused_with_what_to_do(what: str) -> None:
    environ, advice = REFUSED[what]
    with pytest.raises(StartRefused) as refused:
        refuse_unserved_stores(environ)
    assert len(refused.value.sentences) == 1
    assert advice in refused.value.sentences[0]
    assert "secret" not in str(refused.value)


def test_everything_that_is_wrong_is_said_at_once() -> None:
    environ = {
        stores.BACKEND_STORE: "./mlruns",
        stores.READ_REPLICA: POSTGRES,
        stores.ARTIFACTS_ONLY: "true",
        stores.WORKSPACES: "1",
    }
    with pytest.raises(StartRefused) as refused:
        refuse_unserved_stores(environ)
    assert len(refused.value.sentences) == 4


def test_the_names_are_mlflows() -> None:
    assert stores.BACKEND_STORE == constants.BACKEND_STORE_URI_ENV_VAR
    assert stores.REGISTRY_STORE == constants.REGISTRY_STORE_URI_ENV_VAR
    assert stores.READ_REPLICA == constants.READ_REPLICA_BACKEND_STORE_URI_ENV_VAR
    assert stores.ARTIFACTS_ONLY == constants.ARTIFACTS_ONLY_ENV_VAR
    assert MLFLOW_ENABLE_WORKSPACES.name == stores.WORKSPACES


@pytest.fixture
def worker(databases: Databases, backend: Backend, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A worker of `mlflow server` on an empty database, before its stores are open; the address."""
    url = databases.empty(backend)
    monkeypatch.setenv(stores.BACKEND_STORE, url)
    monkeypatch.setenv(constants.ARTIFACT_ROOT_ENV_VAR, "mlflow-artifacts:/")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for store in ("_tracking_store", "_model_registry_store", "_job_store"):
        monkeypatch.setattr(handlers, store, None)
    yield url
    for store in ("_tracking_store", "_model_registry_store", "_job_store"):
        opened = getattr(handlers, store)
        if opened is not None:
            opened.engine.dispose()


def test_the_stores_are_open_before_the_first_request(worker: str) -> None:
    build_stores()
    for store in (handlers._tracking_store, handlers._model_registry_store, handlers._job_store):
        assert store is not None
    assert handlers._get_tracking_store() is handlers._tracking_store
    assert handlers._tracking_store.get_experiment("0").name == "Default"


def test_they_are_opened_as_the_server_itself(worker: str, stores: Stores) -> None:
    """The row filter is attached, and nobody asks: only the server itself may make tables and experiment 0."""
    build_stores()
    assert handlers._tracking_store is not None
    with stores.system():
        assert handlers._tracking_store.get_experiment("0").name == "Default"


def test_connections_from_before_the_row_filter_are_not_kept(worker: str) -> None:
    build_stores()
    for store in (handlers._tracking_store, handlers._model_registry_store, handlers._job_store):
        assert store is not None
        assert store.engine.pool.checkedin() == 0


def test_a_database_of_another_mlflow_stops_the_start(
    worker: str, databases: Databases, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = databases.of_mlflow(backend)
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = 'from_the_future'"))
    engine.dispose()
    monkeypatch.setenv(stores.BACKEND_STORE, url)
    with pytest.raises(StartRefused, match="MLflow cannot open its stores"):
        build_stores()


def test_the_first_request_of_somebody_who_sees_nothing_makes_nothing(stores: Stores) -> None:
    """Opened lazily under an identity that cannot see experiment 0, MLflow would insert it again."""
    with stores.filtered(stores.alice):
        assert stores.tracking.search_experiments() == []
    assert stores.scalar("SELECT count(*) FROM experiments") == 1
