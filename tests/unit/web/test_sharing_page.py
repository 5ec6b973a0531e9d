"""The Sharing pages over HTTP, on every database: what they show, to whom, what they change, and what bad input does."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from mlflow_oidc_auth.accounts.users import User
from mlflow_oidc_auth.database.tables import audit_records, experiment_grants, groups, memberships, pattern_grants
from mlflow_oidc_auth.grants.listing import ListedGrant
from mlflow_oidc_auth.vocabulary import Kind, Level, Resource
from tests.browser.pages_site import PagesSite
from tests.settings import settings
from tests.unit.web.test_permissions_page import browser_of, text_of

USERS, READERS = "/prokube users", "/readers"
EXPERIMENT = Resource(Kind.EXPERIMENT, "7")
ADDRESS = "/mlflow/permissions/sharing"
QUERY = "resource_type=experiment&resource_id=7"


@pytest.fixture
def site(engine: sa.Engine) -> PagesSite:
    """alice owns experiment 7; bob shares a group with her, and is in one more."""
    site = PagesSite(engine)
    site.owns(site.person("alice", groups=(USERS,)), Kind.EXPERIMENT, "7", name="team-a sales")
    site.person("bob", groups=(USERS, READERS))
    site.person("carol", groups=("/guests",))
    site.person("root", groups=("/prokube admins",), is_admin=True)
    return site


def user(site: PagesSite, name: str) -> User:
    """Somebody who logged in."""
    found = site.users.by_username(f"{name}@example.test")
    assert found is not None
    return found


def at(site: PagesSite, name: str) -> FlaskClient:
    """Somebody's browser."""
    return browser_of(site, user(site, name))


def send(client: FlaskClient, query: str = QUERY, **form: str) -> TestResponse:
    """Send one of the forms of the share page."""
    return client.post(f"{ADDRESS}?{query}", data=form)


def share(client: FlaskClient, to: str, permission: str = "READ", **more: str) -> TestResponse:
    """Send the form that gives access."""
    return send(client, to=to, permission=permission, **more)


def on_it(site: PagesSite) -> dict[str, ListedGrant]:
    """The grants on experiment 7, by who holds them."""
    return {grant.to: grant for grant in site.parts.listing.find(site.now(), resource=EXPERIMENT)}


def test_the_page_tells_who_has_access(site: PagesSite) -> None:
    page = at(site, "alice").get(f"{ADDRESS}?{QUERY}")
    print(page.text)
    assert page.status_code == 200
