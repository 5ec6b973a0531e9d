"""Without JavaScript: a key, a share, a request and its grant, a team, the end of a session."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from mlflow_oidc_auth.accounts.users import User
from mlflow_oidc_auth.database.engine import build_engine
from mlflow_oidc_auth.vocabulary import Kind, Level
from tests.browser.pages_site import PagesSite, Visitor
from tests.databases import Databases

Plain = Callable[[User], Page]
NAME = "demand forecast"


@pytest.fixture
def site(databases: Databases) -> Iterator[PagesSite]:
    """alice owns an experiment."""
    engine = build_engine(databases.migrated("sqlite"))
    site = PagesSite(engine)
    site.owns(site.person("alice"), Kind.EXPERIMENT, "7", Level.MANAGE, NAME)
    yield site
    engine.dispose()


@pytest.fixture
def plain(chromium: Browser, site: PagesSite) -> Iterator[Plain]:
    """Opens browsers that run no script, on the Permissions page."""
    visitors: list[Visitor] = []

    def new(user: User) -> Page:
        visitors.append(Visitor(chromium, address, site.session(user), java_script_enabled=False))
        return visitors[-1].open("/permissions")

    with site.served() as address:
        yield new
        for visitor in visitors:
            visitor.context.close()


def done(page: Page) -> None:
    """The page says that it is done."""
    expect(page.get_by_role("status")).to_be_visible()


def test_a_key_is_made_and_revoked(site: PagesSite, plain: Plain) -> None:
    alice = site.person("alice")
    page = plain(alice)
    page.get_by_label("30 days").check()
    page.get_by_role("button", name="Create access key").click()
    assert page.get_by_label("Access key").input_value().startswith("mlfpat_")
    page.get_by_role("link", name="Back to Permissions").click()
    page.get_by_text("Revoke this key…").click()
    page.get_by_role("button", name="Revoke access key").click()
    done(page)
    assert site.tokens.active_of(alice.id, site.now()) == []


def test_access_is_shared_asked_for_and_granted(site: PagesSite, plain: Plain) -> None:
    alice, bob, carol = (site.person(name) for name in ("alice", "bob", "carol"))
    page = plain(alice)
    page.get_by_role("row", name=NAME).get_by_role("link", name="Share").click()
    page.get_by_label("Person, group or team").fill(bob.username)
    page.get_by_role("button", name="Share", exact=True).click()
    done(page)
    expect(page.get_by_text(bob.username).first).to_be_visible()

    asks = plain(carol)
    asks.get_by_role("link", name="Requests").click()
    asks.get_by_label("Name, or experiment id").fill(NAME)
    asks.get_by_role("button", name="Send request").click()
    done(asks)

    page.get_by_role("link", name="Requests").click()
    page.get_by_role("button", name="Grant").click()
    done(page)
    for user in (bob, carol):
        seen = plain(user)
        expect(seen.get_by_role("link", name=NAME)).to_be_visible()


def test_a_team_is_made_and_somebody_put_in(site: PagesSite, plain: Plain) -> None:
    bob = site.person("bob")
    page = plain(site.person("root", groups=("/prokube admins",), is_admin=True))
    page.get_by_role("link", name="Groups and teams").click()
    page.get_by_label("Name", exact=True).last.fill("Forecasting")
    page.get_by_role("button", name="Make").click()
    done(page)
    page.get_by_role("link", name=re.compile(r"People\s*0")).click()
    page.locator("#username").fill(bob.username)
    page.get_by_role("button", name="Add to team").click()
    done(page)
    assert [group.name for group in site.parts.groups.of_user(bob.id)] == ["/prokube users", "Forecasting"]


def test_a_session_is_ended(site: PagesSite, plain: Plain) -> None:
    alice = site.person("alice")
    page, other = plain(alice), plain(alice)
    page.get_by_role("link", name="Sessions", exact=True).click()
    page.locator("summary", has_text="End…").first.click()
    page.get_by_role("button", name="End session").first.click()
    done(page)
    other.reload()
    expect(other.get_by_role("button", name="Log in with Keycloak")).to_be_visible()
