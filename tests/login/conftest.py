"""A provider that can be wrong, and the login pages in front of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from tests.login.site import Browser, Settings, Site
from tests.provider_faults import CLIENT_SECRET, FaultyProvider


@pytest.fixture(scope="session")
def running_provider() -> Iterator[FaultyProvider]:
    """One for all tests."""
    with FaultyProvider() as provider:
        yield provider


@pytest.fixture
def provider(running_provider: FaultyProvider) -> FaultyProvider:
    """The provider, with nothing wrong yet."""
    running_provider.reset()
    return running_provider


@pytest.fixture
def settings(provider: FaultyProvider) -> Settings:
    """A registration with the provider."""
    return Settings(oidc_discovery_url=provider.discovery_url, oidc_client_secret=SecretStr(CLIENT_SECRET))


@pytest.fixture
def site(engine: sa.Engine, settings: Settings) -> Site:
    """Our pages under /mlflow."""
    return Site(engine, settings)


@pytest.fixture
def browser(site: Site) -> Browser:
    """Somebody's browser."""
    return site.browser()
