"""Our own engine on MLflow's backend-store database.

Identity, checks and grants are read here, on the primary and outside MLflow's sessions, so that no
cache, replica or unfinished transaction of MLflow's stands between a revocation and its effect.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import make_url

from mlflow_oidc_auth.errors import StartRefused, Unavailable

SERVED = ("sqlite", "postgresql")

NO_ANSWER = (sa.exc.DBAPIError, sa.exc.TimeoutError)
"""What SQLAlchemy raises where the database, or the pool of connections to it, does not answer."""


def unavailable(error: Exception) -> Unavailable:
    """What one of :data:`NO_ANSWER` is to who asks. SECURITY: its text holds statements and values, and stays here."""
    return Unavailable(
        "The server cannot reach its database right now. Try again in a moment.",
        detail=f"database: {type(error).__name__}",
    )


def refuse_unserved(uri: str | None) -> sa.URL:
    """The parsed database address.

    Raises:
        StartRefused: it is none that our tables can live in.
    """
    advice = "Start with --backend-store-uri postgresql://... (many users) or sqlite:///path/mlflow.db (one machine)."
    if not uri:
        raise StartRefused(f"MLflow has no database to keep permissions in. {advice}")
    try:
        url = make_url(uri)
    except sa.exc.ArgumentError as error:
        raise StartRefused(
            f"MLflow's backend store is not a database, so it cannot keep permissions. {advice}"
        ) from error
    if url.get_backend_name() not in SERVED:
        raise StartRefused(f"MLflow's backend store is {url.get_backend_name()}, which is not served. {advice}")
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        raise StartRefused(f"An SQLite database in memory is lost with each worker. {advice}")
    return url


def switch_jit_off(connection: Any, _record: Any) -> None:
    """PostgreSQL's JIT took 359 of 371 ms of one filtered search; without it the same plan took 14 ms."""
    with connection.cursor() as cursor:
        cursor.execute("SET jit = off")
    connection.commit()


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA busy_timeout = 20000")
    cursor.close()


def build_engine(url: sa.URL | str) -> sa.Engine:
    """An engine for our statements. SQLite waits up to 20 s for another writer and keeps foreign keys."""
    url = make_url(url)
    if url.get_backend_name() == "sqlite":
        engine = sa.create_engine(url)
        sa.event.listen(engine, "connect", _prepare_sqlite)
        return engine
    engine = sa.create_engine(url, pool_pre_ping=True, pool_size=10, max_overflow=20)
    sa.event.listen(engine, "connect", switch_jit_off)
    return engine
