"""Databases before their first migration."""

from __future__ import annotations

import pytest

from tests.databases import Backend, Databases, PostgresMissing


@pytest.fixture
def empty_database(databases: Databases, backend: Backend) -> str:
    """The address of a database with nothing in it."""
    try:
        return databases.empty(backend)
    except PostgresMissing as missing:
        pytest.skip(f"PROMISE UNTESTED: migrations on PostgreSQL ({missing})")


@pytest.fixture
def mlflow_database(databases: Databases, backend: Backend) -> str:
    """The address of a database that only MLflow has used so far."""
    try:
        return databases.of_mlflow(backend)
    except PostgresMissing as missing:
        pytest.skip(f"PROMISE UNTESTED: migrations beside MLflow's on PostgreSQL ({missing})")
