"""The people whose keys these tests make."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from mlflow_oidc_auth.accounts.users import UserStore
from mlflow_oidc_auth.login.claims import Profile
from mlflow_oidc_auth.tokens.store import TokenStore

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


def profile(name: str, *groups: str) -> Profile:
    """What the provider says of somebody."""
    return Profile("https://id.example.test", f"{name}-sub", f"{name}@example.test", name, frozenset(groups), False)


@pytest.fixture
def users(engine: sa.Engine) -> UserStore:
    return UserStore(engine)


@pytest.fixture
def store(engine: sa.Engine) -> TokenStore:
    return TokenStore(engine)


@pytest.fixture
def alice(users: UserStore) -> int:
    return users.record_login(profile("alice", "/prokube users", "/prokube users/team a"), NOW).id


@pytest.fixture
def bob(users: UserStore) -> int:
    return users.record_login(profile("bob", "/prokube users"), NOW).id
