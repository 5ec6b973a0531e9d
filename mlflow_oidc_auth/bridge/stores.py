"""MLflow's stores: refused where permissions cannot be kept in them, and opened before the first request.

MLflow opens its stores lazily. The first request would then create tables and the default experiment under
the eyes of whoever asks, and an identity that cannot see experiment 0 would make MLflow insert it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import make_url

from mlflow_oidc_auth import context
from mlflow_oidc_auth.database.engine import refuse_unserved
from mlflow_oidc_auth.errors import StartRefused

# WIRE: how `mlflow server` tells its workers; a test compares them with MLflow's own names.
BACKEND_STORE = "_MLFLOW_SERVER_FILE_STORE"
REGISTRY_STORE = "_MLFLOW_SERVER_REGISTRY_STORE"
READ_REPLICA = "_MLFLOW_SERVER_READ_REPLICA_BACKEND_STORE"
ARTIFACTS_ONLY = "_MLFLOW_SERVER_ARTIFACTS_ONLY"
WORKSPACES = "MLFLOW_ENABLE_WORKSPACES"

_ON = frozenset({"true", "1"})


def refuse_unserved_stores(environ: Mapping[str, str]) -> sa.URL:
    """The address of the one database, as `mlflow server` gave it to this worker.

    Raises:
        StartRefused: MLflow was started with stores that permissions cannot be kept in; a sentence for each.
    """
    sentences = [*_unserved_modes(environ)]
    url = None
    try:
        url = refuse_unserved(environ.get(BACKEND_STORE))
    except StartRefused as refusal:
        sentences += refusal.sentences
    registry = environ.get(REGISTRY_STORE)
    if url is not None and registry and not _same_database(url, registry):
        sentences.append(
            "The registry store is another database than the backend store, so one permission table cannot hold "
            "both. Leave out --registry-store-uri, or give it the same address as --backend-store-uri."
        )
    if sentences or url is None:
        raise StartRefused(*sentences)
    return url


def build_stores() -> None:
    """Open MLflow's tracking, registry and job stores as the server itself; MLflow then migrates its own tables.

    Raises:
        StartRefused: MLflow cannot open them.
    """
    from mlflow.exceptions import MlflowException
    from mlflow.server import handlers

    with context.viewing(context.System("start")):
        try:
            stores = (
                handlers._get_tracking_store(),
                handlers._get_model_registry_store(),
                handlers._get_job_store(),
            )
        except MlflowException as error:
            raise StartRefused(f"MLflow cannot open its stores: {error.message}") from error
    for store in stores:
        # Connections made from here on are prepared by the row filter (JIT off); these were not.
        store.engine.dispose()


def _unserved_modes(environ: Mapping[str, str]) -> list[str]:
    sentences = []
    if environ.get(ARTIFACTS_ONLY):
        sentences.append(
            "A server with --artifacts-only knows no experiments, so it cannot tell whose an artifact is. "
            "Leave out --artifacts-only."
        )
    if environ.get(READ_REPLICA):
        sentences.append(
            "A read replica lags behind, so what was revoked could still be read. "
            "Leave out --read-replica-backend-store-uri."
        )
    if environ.get(WORKSPACES, "").lower() in _ON:
        sentences.append(
            "Workspaces are not served yet: permissions here know one name space. "
            f"Leave out --enable-workspaces and unset {WORKSPACES}."
        )
    return sentences


def _same_database(url: sa.URL, other: str) -> bool:
    """Whether two addresses lead to one database, by whatever driver."""
    try:
        parsed = make_url(other)
    except sa.exc.ArgumentError:
        return False
    return _place(url) == _place(parsed)


def _place(url: sa.URL) -> sa.URL:
    backend = url.get_backend_name()
    if backend == "sqlite" and url.database:
        url = url.set(database=str(Path(url.database).resolve()))
    return url.set(drivername=backend)
