"""MLflow's stores, on each database in turn."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.databases import Backend, Databases, PostgresMissing
from tests.stores import Stores


@pytest.fixture
def stores(databases: Databases, backend: Backend) -> Iterator[Stores]:
    """MLflow's stores on a fresh database, with the row filter and ownership attached."""
    try:
        url = databases.with_mlflow(backend)
    except PostgresMissing as missing:
        pytest.skip(f"PROMISE UNTESTED: the same permissions on PostgreSQL as on SQLite ({missing})")
    made = Stores(url)
    yield made
    made.close()
