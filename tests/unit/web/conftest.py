"""The office of an admin, on each database in turn."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from tests.unit.web.admins import Browser, Office


@pytest.fixture
def office(engine: sa.Engine) -> Office:
    """root, alice, carol, a team and a service account."""
    return Office(engine)


@pytest.fixture
def root(office: Office) -> Browser:
    """The admin's browser."""
    return office.browser(office.root)
