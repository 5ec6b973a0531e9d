"""Our JSON in front of each database, and the people who ask."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from tests.http.api.gated import GatedSite
from tests.http.api.site import Person, Site


@pytest.fixture
def site(engine: sa.Engine) -> Site:
    """alice owns an experiment, a model and a prompt."""
    return Site(engine)


@pytest.fixture
def gated(engine: sa.Engine) -> GatedSite:
    """The same behind the gate: who may ask at all is asked too."""
    return GatedSite(engine)


@pytest.fixture
def alice(site: Site) -> Person:
    """She owns everything here."""
    return site.person("alice")


@pytest.fixture
def bob(site: Site) -> Person:
    """He is in a group with alice, and in one of his own."""
    return site.person("bob")


@pytest.fixture
def carol(site: Site) -> Person:
    """She has nothing."""
    return site.person("carol")


@pytest.fixture
def root(site: Site) -> Person:
    """An admin."""
    return site.person("root")
