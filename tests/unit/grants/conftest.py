"""The same small world on each database."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from mlflow_oidc_auth.grants.listing import GrantListing
from mlflow_oidc_auth.grants.store import GrantStore
from tests.unit.grants.world import World


@pytest.fixture
def world(engine: sa.Engine) -> World:
    return World(engine)


@pytest.fixture
def store(engine: sa.Engine) -> GrantStore:
    return GrantStore(engine)


@pytest.fixture
def listing(engine: sa.Engine) -> GrantListing:
    return GrantListing(engine)
