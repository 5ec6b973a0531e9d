"""The Audit page over HTTP, on every database: for admins, filtered, older ones, and as lines."""

from __future__ import annotations

import re

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from mlflow_oidc_auth.database.tables import audit_records
from mlflow_oidc_auth.pages.lists import PAGE_SIZE
from tests.browser.pages_site import PagesSite
from tests.unit.web.test_permissions_page import browser_of, text_of

ADDRESS = "/mlflow/permissions/audit"


@pytest.fixture
def site(engine: sa.Engine) -> PagesSite:
    """Some changes, more than fit on one page."""
    site = PagesSite(engine)
    site.person("alice")
    site.person("root", is_admin=True)
    with engine.begin() as connection:
        connection.execute(audit_records.delete())
        connection.execute(
            audit_records.insert(),
            [
                {
                    "at": site.now(),
                    "by": "alice@example.test",
                    "act": "grant.give",
                    "subject": f"experiment {number} for user <b>bob",
                    "before": {"level": "READ", "same": 1},
                    "after": {"level": "EDIT", "same": 1},
                }
                for number in range(PAGE_SIZE + 5)
            ],
        )
    return site


def at(site: PagesSite, name: str) -> FlaskClient:
    """Somebody's browser."""
    user = site.users.by_username(f"{name}@example.test")
    assert user is not None
    return browser_of(site, user)


@pytest.mark.parametrize("path", ["", "/lines"])
def test_it_is_for_admins(site: PagesSite, path: str) -> None:
    assert at(site, "alice").get(f"{ADDRESS}{path}").status_code == 403
    assert at(site, "root").get(f"{ADDRESS}{path}").status_code == 200


def test_the_newest_come_first_and_older_ones_follow(site: PagesSite) -> None:
    root = at(site, "root")
    first = root.get(ADDRESS).text
    shown = [int(number) for number in re.findall(r"experiment (\d+) for user", first)]
    assert shown == list(range(PAGE_SIZE + 4, 4, -1))
    older = re.search(r'href="(/mlflow/permissions/audit\?before=\d+)"', first)
    assert older is not None
    rest = [int(number) for number in re.findall(r"experiment (\d+) for user", root.get(older[1]).text)]
    assert rest == [4, 3, 2, 1, 0]


def test_what_changed_is_told_and_nothing_else(site: PagesSite) -> None:
    page = at(site, "root").get(ADDRESS, query_string={"subject": "experiment 3 "})
    assert "<del>READ</del>" in page.text
    assert "<ins>EDIT</ins>" in page.text
    assert "same" not in text_of(page)
    assert "<b>bob" not in page.text


def test_the_lines_are_filtered_as_the_page_is(site: PagesSite) -> None:
    root = at(site, "root")
    link = re.search(
        r'href="(/mlflow/permissions/audit/lines[^"]*)"', root.get(f"{ADDRESS}?subject=experiment+13").text
    )
    assert link is not None
    assert len(root.get(link[1].replace("&amp;", "&")).text.splitlines()) == 1


@pytest.mark.parametrize("query", ["since=yesterday", "until=2026-02-31", "before=x", "before=99999999999"])
def test_what_cannot_be_meant_is_refused(site: PagesSite, query: str) -> None:
    assert at(site, "root").get(f"{ADDRESS}?{query}").status_code == 400


def test_a_moment_among_the_values_is_told_in_words(site: PagesSite) -> None:
    with site.engine.begin() as connection:
        values = {"expires_at": "2027-01-31T23:59:59+00:00", "made_at": "at noon"}
        connection.execute(audit_records.update().values(after=values))
    page = text_of(at(site, "root").get(ADDRESS))
    assert "31 January 2027, 23:59 UTC" in page
    assert "at noon" in page
