"""Sharing and asking in a real browser: by keyboard, without JavaScript, on a phone, and from MLflow's own pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, expect

from mlflow_oidc_auth.accounts.users import User
from mlflow_oidc_auth.database.engine import build_engine
from mlflow_oidc_auth.database.tables import groups, pattern_grants, users
from mlflow_oidc_auth.grants.store import GivenBy, Grantee, Shareable
from mlflow_oidc_auth.vocabulary import Kind, Level, Resource
from tests.browser.pages_site import DESKTOP, PHONE, PagesSite, Visitor
from tests.databases import Databases

Visit = Callable[..., Visitor]
ON = Resource(Kind.EXPERIMENT, "7")
NAME = "team-a sales forecast"
SHARE = "/permissions/sharing?resource_type=experiment&resource_id=7"


@pytest.fixture
def engine(databases: Databases) -> Iterator[sa.Engine]:
    """SQLite alone: the browser does not see the database."""
    built = build_engine(databases.migrated("sqlite"))
    yield built
    built.dispose()


@pytest.fixture
def site(engine: sa.Engine) -> PagesSite:
    """alice owns one of each kind; bob shares a group with her."""
    site = PagesSite(engine)
    site.person("bob", groups=("/prokube users", "/readers"))
    return site


@pytest.fixture
def alice(site: PagesSite) -> User:
    """She owns one of each kind."""
    owner = site.person("alice")
    site.owns(owner, Kind.EXPERIMENT, "7", name=NAME)
    site.owns(owner, Kind.REGISTERED_MODEL, "fore cast/2")
    site.owns(owner, Kind.PROMPT, "greeting")
    return owner


@pytest.fixture
def visit(chromium: Browser, site: PagesSite) -> Iterator[Visit]:
    """Opens browsers, logged in as somebody."""
    visitors: list[Visitor] = []
    with site.served() as address:

        def new(user: User, **options: object) -> Visitor:
            visitors.append(Visitor(chromium, address, site.session(user), **({"viewport": DESKTOP} | options)))
            return visitors[-1]

        yield new
        for visitor in visitors:
            visitor.context.close()


def levels(site: PagesSite) -> dict[str, Level]:
    """Who holds which level on experiment 7."""
    return {grant.to: grant.level for grant in site.parts.listing.find(site.now(), resource=ON)}


def test_somebody_shares_by_keyboard_alone(site: PagesSite, alice: User, visit: Visit) -> None:
    visitor = visit(alice)
    page = visitor.open(SHARE)
    expect(page.get_by_text("Only you and the admins can open it.")).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # Skip to the content
    field = page.get_by_label("Person, group or team")
    for _ in range(8):
        page.keyboard.press("Tab")
        if field.evaluate("field => field === document.activeElement"):
            break
    expect(field).to_be_focused()
    page.keyboard.type("bob@example.test")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_label("Level", exact=True)).to_have_value("EDIT")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Shared.")
    assert levels(site) == {"alice@example.test": Level.MANAGE, "bob@example.test": Level.EDIT}
    assert visitor.troubles == []


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_access_is_given_changed_and_removed(site: PagesSite, alice: User, visit: Visit, javascript: bool) -> None:
    visitor = visit(alice, java_script_enabled=javascript)
    page = visitor.open(SHARE)
    ends = (datetime.now(UTC) + timedelta(days=20)).date().isoformat()
    page.get_by_label("Person, group or team").fill("/readers")
    page.get_by_label("Last day", exact=False).first.fill(ends)
    page.get_by_role("button", name="Share", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("Shared.")
    line = page.get_by_role("listitem").filter(has_text="/readers")
    expect(line).to_contain_text("group, 1 person")
    expect(line.get_by_label("Last day of /readers")).to_have_value(ends)
    line.get_by_label("Level of /readers").select_option("MANAGE")
    line.get_by_label("Last day of /readers").fill("")
    line.get_by_role("button", name="Change /readers").click()
    expect(page.get_by_role("status")).to_contain_text("Changed.")
    assert levels(site)["/readers"] is Level.MANAGE
    line.get_by_text("Remove").first.click()
    expect(line).to_contain_text("1 person loses it at once")
    line.get_by_role("button", name="Remove /readers").click()
    expect(page.get_by_role("status")).to_contain_text("The access is removed.")
    assert "/readers" not in levels(site)
    assert visitor.troubles == []


def test_the_link_to_what_is_shared_is_copied(site: PagesSite, alice: User, visit: Visit) -> None:
    visitor = visit(alice)
    visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = visitor.open(SHARE)
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.evaluate("document.getElementById('link').href")
    assert copied.startswith("http")
    assert copied.endswith("/#/experiments/7")
    visitor.picture("share-link-copied")
    assert visitor.troubles == []


def test_people_are_told_by_their_names_too(site: PagesSite, alice: User, visit: Visit) -> None:
    bob = site.users.by_username("bob@example.test")
    assert bob is not None
    with site.engine.begin() as connection:
        connection.execute(users.update().where(users.c.id == bob.id).values(display_name="Bob <b>Brown"))
    site.owns(bob, Kind.EXPERIMENT, "7", Level.READ, name=NAME)
    page = visit(alice).open(SHARE)
    expect(page.get_by_role("list", name="Direct")).to_contain_text("Bob <b>Brown")


def test_the_last_manager_is_warned_before_anything_is_pressed(site: PagesSite, alice: User, visit: Visit) -> None:
    visitor = visit(alice)
    page = visitor.open(SHARE)
    line = page.get_by_role("listitem").filter(has_text=alice.username)
    expect(line.get_by_text("last manager")).to_be_visible()
    line.get_by_text("Remove").first.click()
    expect(line).to_contain_text("without anybody who manages it")
    expect(line.get_by_role("button", name="Remove")).to_have_count(0)
    line.get_by_label(f"Level of {alice.username}").select_option("READ")
    line.get_by_role("button", name="Change").click()
    expect(page.get_by_role("alert")).to_contain_text("without anybody who manages it")
    expect(line.get_by_label(f"Level of {alice.username}")).to_have_accessible_description(
        re.compile("without anybody")
    )
    visitor.picture("share-last-manager")
    assert levels(site) == {alice.username: Level.MANAGE}


def test_names_are_offered_while_somebody_types(site: PagesSite, alice: User, visit: Visit) -> None:
    for number in range(70):
        site.person(f"person{number:02}")
    page = visit(alice).open(SHARE)
    options = page.locator("#known option")
    assert options.count() == 50
    page.get_by_label("Person, group or team").press_sequentially("son69")
    expect(options).to_have_count(1)
    assert options.first.get_attribute("value") == "person69@example.test"


def fill(site: PagesSite, alice: User) -> None:
    """Everything the page can tell of."""
    on, by = Shareable(ON, NAME), GivenBy(alice.username, False, alice.id)
    bob = site.users.by_username("bob@example.test")
    assert bob is not None
    far = "frank.with.a.very.long.name.indeed.and.some.more"
    frank = site.person(far)
    with site.engine.begin() as connection:
        team = connection.execute(
            groups.insert().values(source="team", name="vision", created_at=site.now()).returning(groups.c.id)
        ).scalar_one()
        said = {"level": int(Level.READ), "granted_by": "root@example.test", "granted_at": site.now()}
        pattern = {"kind": "experiment", "prefix": "team-a", "user_id": frank.id}
        connection.execute(pattern_grants.insert().values(pattern | said))
    ends = site.now() + timedelta(days=30)
    site.grants.give(on, Grantee(bob.id, bob.username), Level.READ, by=by, now=site.now(), until=ends)
    site.grants.give(on, Grantee(frank.id, frank.username), Level.NO_PERMISSIONS, by=by, now=site.now())
    site.grants.give(on, Grantee(team, "vision", is_group=True), Level.EDIT, by=by, now=site.now())


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_no_sharing_page_scrolls_sideways(
    site: PagesSite, alice: User, visit: Visit, size: dict[str, int], scheme: str, request: pytest.FixtureRequest
) -> None:
    fill(site, alice)
    visitor = visit(alice, viewport=size, color_scheme=scheme)
    tag = request.node.callspec.id

    def check(name: str) -> None:
        assert visitor.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        visitor.picture(f"{name}-{tag}")

    visitor.open("/permissions/sharing")
    check("sharing")
    page = visitor.open(SHARE)
    check("share")
    assert visitor.troubles == []
    page.get_by_label("Person, group or team").fill("nobody@example.test")
    page.get_by_role("button", name="Share", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("no team called 'nobody@example.test'")
    page.get_by_role("listitem").filter(has_text="bob@").get_by_text("Remove").first.click()
    check("share-wrong")
    visitor.open("/permissions/sharing?resource_type=experiment&resource_id=4711")
    check("share-refused")


MLFLOW_PAGES = {
    "an experiment": ("#/experiments/7/runs", "resource_type=experiment&resource_id=7"),
    "a model": ("#/models/fore%20cast%2F2", "resource_type=registered_model&resource_id=fore+cast%2F2"),
    "a prompt": ("#/prompts/greeting", "resource_type=prompt&resource_id=greeting"),
}


@pytest.mark.parametrize(("place", "query"), MLFLOW_PAGES.values(), ids=MLFLOW_PAGES.keys())
def test_mlflows_page_leads_to_sharing_what_one_manages(
    alice: User, visit: Visit, place: str, query: str, request: pytest.FixtureRequest
) -> None:
    visitor = visit(alice)
    page = visitor.open(f"/{place}")
    sidebar = page.get_by_role("complementary")
    link = sidebar.get_by_role("link", name="Share", exact=True)
    expect(link).to_be_visible(timeout=30_000)
    assert (link.get_attribute("href") or "").endswith(f"/mlflow/permissions/sharing?{query}")
    visitor.picture(f"mlflow-share-{request.node.callspec.id.replace(' ', '-')}")
    sidebar.get_by_role("link", name="Log out").scroll_into_view_if_needed()
    expect(sidebar.get_by_role("link", name="Log out")).to_be_in_viewport()
    link.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Share ")


def test_the_link_is_there_only_where_one_manages_what_is_shown(site: PagesSite, alice: User, visit: Visit) -> None:
    site.owns(alice, Kind.EXPERIMENT, "8", Level.EDIT, "not hers")
    page = visit(alice).open("/#/experiments/7")
    sidebar = page.get_by_role("complementary")
    link = sidebar.get_by_role("link", name="Share", exact=True)
    expect(link).to_be_visible(timeout=30_000)
    page.evaluate("location.hash = '#/experiments/8'")
    expect(link).to_have_count(0)
    page.evaluate("location.hash = '#/experiments/7'")
    expect(link).to_be_visible()
    page.evaluate("location.hash = '#/experiments'")
    expect(link).to_have_count(0)


@pytest.mark.parametrize("place", ["#/experiments/7", "#/experiments/4711", "#/models/no%20such"])
def test_who_cannot_see_it_or_whether_it_is_there_asks_from_mlflows_page(
    site: PagesSite, alice: User, visit: Visit, place: str
) -> None:
    page = visit(site.person("carol")).open(f"/{place}")
    link = page.get_by_role("complementary").get_by_role("link", name="Ask for access", exact=True)
    expect(link).to_be_visible(timeout=30_000)
    link.click()
    expect(page.get_by_label("Name, or experiment id")).to_have_value(place.split("/")[-1].replace("%20", " "))


def test_where_mlflow_has_no_sidebar_the_corner_leads_to_sharing(alice: User, visit: Visit) -> None:
    visitor = visit(alice)
    visitor.page.route("**/static-files/static/js/main*", lambda route: route.fulfill(body=""))
    page = visitor.open("/#/experiments/7")
    page.get_by_text(alice.username).click(timeout=10_000)
    expect(page.get_by_role("link", name="Share", exact=True)).to_be_visible()
    page.evaluate("location.hash = '#/experiments/8'")
    expect(page.get_by_role("link", name="Share", exact=True)).to_have_count(0)


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_who_is_refused_asks_and_is_granted_with_one_press(
    site: PagesSite, alice: User, visit: Visit, javascript: bool
) -> None:
    bob = site.users.by_username("bob@example.test")
    assert bob is not None
    asks = visit(bob, java_script_enabled=javascript)
    page = asks.open(SHARE)
    expect(page.get_by_role("heading", name="You may not share this")).to_be_visible()
    page.get_by_role("link", name="Ask for access").click()
    expect(page.get_by_label("Name, or experiment id")).to_have_value("7")
    page.get_by_label("Level", exact=True).select_option("EDIT")
    page.get_by_label("Reason").fill("I compare it with ours for the review on Friday.")
    page.get_by_role("button", name="Send request").click()
    expect(page.get_by_role("status")).to_contain_text("Sent, if there is such a thing")
    asks.picture(f"requests-asked-{'script' if javascript else 'plain'}")

    decides = visit(alice, java_script_enabled=javascript).open("/permissions")
    decides.get_by_role("link", name="Requests 1 to decide").click()
    line = decides.get_by_role("listitem").filter(has_text="Bob Example")
    expect(line).to_contain_text("I compare it with ours")
    expect(line.get_by_label("Level for bob@example.test")).to_have_value("EDIT")
    line.get_by_role("button", name="Grant to bob@example.test").click()
    expect(decides.get_by_role("status")).to_contain_text("Granted.")
    assert levels(site)[bob.username] is Level.EDIT
    page.reload()
    expect(page.get_by_role("row").filter(has_text="EDIT")).to_contain_text("Granted by alice@example.test")


def test_a_request_is_decided_by_keyboard_alone(site: PagesSite, alice: User, visit: Visit) -> None:
    bob = site.users.by_username("bob@example.test")
    assert bob is not None
    site.parts.requests.ask(_asking(bob), Kind.EXPERIMENT, "7", Level.EDIT, reason="", now=site.now())
    page = visit(alice).open("/permissions/requests")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # Skip to the content
    level = page.get_by_label("Level for bob@example.test")
    for _ in range(8):
        page.keyboard.press("Tab")
        if level.evaluate("field => field === document.activeElement"):
            break
    page.keyboard.press("ArrowUp")
    expect(level).to_have_value("USE")
    grant = page.get_by_role("button", name="Grant")
    for _ in range(8):  # a date field has several stops
        page.keyboard.press("Tab")
        if grant.evaluate("button => button === document.activeElement"):
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Granted.")
    assert levels(site)[bob.username] is Level.USE


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_page_of_requests_does_not_scroll_sideways(
    site: PagesSite, alice: User, visit: Visit, size: dict[str, int], scheme: str, request: pytest.FixtureRequest
) -> None:
    frank = site.person("frank.with.a.very.long.name.indeed.and.some.more")
    reason = "I compare it with ours.\n" + "x" * 200
    for name, kind in (("7", Kind.EXPERIMENT), ("fore cast/2", Kind.REGISTERED_MODEL)):
        site.parts.requests.ask(_asking(frank), kind, name, Level.EDIT, reason=reason, now=site.now())
    site.parts.requests.ask(_asking(alice), Kind.REGISTERED_MODEL, "n" * 250, Level.READ, reason="", now=site.now())
    visitor = visit(alice, viewport=size, color_scheme=scheme)
    visitor.open("/permissions/requests")
    assert visitor.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    visitor.picture(f"requests-{request.node.callspec.id}")
    assert visitor.troubles == []


def _asking(user: User) -> GivenBy:
    """Somebody as the store of requests knows them."""
    return GivenBy(user.username, user.is_admin, user.id)
