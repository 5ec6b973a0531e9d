"""Our pages in a real browser: keys, with and without JavaScript, by keyboard, on a phone; MLflow's page and menu."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, Dialog, Error, Page, Route, expect, sync_playwright
from pydantic import SecretStr

from mlflow_oidc_auth.accounts.users import User
from mlflow_oidc_auth.database.engine import build_engine
from mlflow_oidc_auth.tokens.format import ParsedToken, parse
from mlflow_oidc_auth.vocabulary import Identity, Kind, Level
from tests.browser.pages_site import CHROMIUM, CHROMIUM_ARGS, DESKTOP, PHONE, PagesSite, Visitor
from tests.databases import Databases
from tests.provider_faults import CLIENT_SECRET, FaultyProvider
from tests.settings import SESSION, settings

KEY = re.compile(r"mlfpat_[0-9A-Za-z]+_[0-9A-Za-z]+_[0-9A-Za-z]+")
Visit = Callable[..., Visitor]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser for all tests; each visitor has a context of its own."""
    if not Path(CHROMIUM).exists():
        pytest.skip("PROMISE UNTESTED: our pages in a browser (Chromium is not installed)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(CHROMIUM_ARGS))
        yield browser
        browser.close()


@pytest.fixture
def engine(databases: Databases) -> Iterator[sa.Engine]:
    """SQLite alone: the browser does not see the database."""
    built = build_engine(databases.migrated("sqlite"))
    yield built
    built.dispose()


@pytest.fixture(scope="module")
def provider() -> Iterator[FaultyProvider]:
    """Logs everybody in at once as alice."""
    with FaultyProvider() as running:
        yield running


@pytest.fixture
def site(engine: sa.Engine, provider: FaultyProvider) -> PagesSite:
    """The pages under /mlflow."""
    provider.reset()
    chosen = settings(oidc_discovery_url=provider.discovery_url, oidc_client_secret=SecretStr(CLIENT_SECRET))
    return PagesSite(engine, chosen)


@pytest.fixture
def address(site: PagesSite) -> Iterator[str]:
    """Where the site is served."""
    with site.served() as served:
        yield served


@pytest.fixture
def alice(site: PagesSite) -> User:
    """She owns what the tests make hers."""
    return site.person("alice")


@pytest.fixture
def visit(chromium: Browser, site: PagesSite, address: str) -> Iterator[Visit]:
    """Opens browsers, logged in as somebody or as nobody."""
    visitors: list[Visitor] = []

    def new(user: User | None = None, **options: object) -> Visitor:
        cookie = None if user is None else site.session(user)
        visitors.append(Visitor(chromium, address, cookie, **({"viewport": DESKTOP} | options)))
        return visitors[-1]

    yield new
    for visitor in visitors:
        visitor.context.close()


def create_key(page: Page, lifetime: str = "30 days") -> str:
    """Press the buttons on the Permissions page; the key that is shown."""
    page.get_by_label(lifetime).check()
    page.get_by_role("button", name=re.compile("(Create|Replace) access key")).click()
    expect(page.get_by_role("heading", name="Your new access key")).to_be_visible()
    return page.get_by_label("Access key").input_value()


def belongs_to(site: PagesSite, key: str, user: User) -> bool:
    """Whether this key works, for this user."""
    parsed = parse(key)
    assert isinstance(parsed, ParsedToken)
    found = site.tokens.identify(parsed, site.now())
    return isinstance(found, Identity) and found.user_id == user.id


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_a_key_is_made_shown_once_and_revoked(site: PagesSite, alice: User, visit: Visit, javascript: bool) -> None:
    visitor = visit(alice, java_script_enabled=javascript)
    page = visitor.open("/permissions")
    expect(page.get_by_text("You have no key yet")).to_be_visible()
    key = create_key(page)
    assert belongs_to(site, key, alice)
    assert KEY.search(page.title() + page.url) is None
    visitor.picture(f"key-{'script' if javascript else 'plain'}")
    if javascript:
        page.get_by_role("button", name="Copy key").click()
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
    page.get_by_role("link", name="Back to Permissions").click()
    expect(page.get_by_text("You have a key, made")).to_contain_text("last used")
    assert key not in page.content()
    page.get_by_text("Revoke this key…").click()
    page.get_by_role("button", name="Revoke access key").click()
    expect(page.get_by_role("status")).to_contain_text("Your access key is revoked")
    assert not belongs_to(site, key, alice)
    assert visitor.troubles == []


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_a_date_can_be_chosen(site: PagesSite, alice: User, visit: Visit, javascript: bool) -> None:
    page = visit(alice, java_script_enabled=javascript).open("/permissions")
    wanted = (datetime.now(UTC) + timedelta(days=100)).date()
    if not javascript:
        page.get_by_label("Another date").check()
    page.get_by_label("Expires on").fill(wanted.isoformat())
    page.get_by_role("button", name="Create access key").click()
    expect(page.get_by_role("heading", name="Your new access key")).to_be_visible()
    (row,) = site.tokens.active_of(alice.id, site.now())
    assert row.expires_at.date() == wanted


def test_nothing_is_made_before_a_lifetime_is_chosen(site: PagesSite, alice: User, visit: Visit) -> None:
    page = visit(alice).open("/permissions")
    page.get_by_role("button", name="Create access key").click()
    assert page.evaluate("document.querySelector('[name=lifetime]').validity.valueMissing")
    expect(page.get_by_role("heading", name="Permissions")).to_be_visible()
    assert site.tokens.active_of(alice.id, site.now()) == []


def test_what_is_wrong_is_said_at_the_field(site: PagesSite, alice: User, visit: Visit) -> None:
    page = visit(alice).open("/permissions")
    page.get_by_label("Another date").check()
    page.evaluate("document.getElementById('new-key').noValidate = true")
    page.get_by_label("Expires on").fill("2020-01-01")
    page.get_by_role("button", name="Create access key").click()
    field = page.get_by_label("Expires on")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_accessible_description(re.compile("in the past"))
    expect(field).to_have_value("2020-01-01")
    assert page.title().startswith("Error: ")
    assert site.tokens.active_of(alice.id, site.now()) == []


def test_the_warning_says_what_a_new_key_replaces(site: PagesSite, alice: User, visit: Visit) -> None:
    now = site.now()
    plain, _ = site.tokens.create(alice.id, now + timedelta(days=10), by=alice.username, now=now - timedelta(hours=2))
    parsed = parse(plain.reveal())
    assert isinstance(parsed, ParsedToken)
    site.tokens.identify(parsed, now - timedelta(hours=2))
    visitor = visit(alice)
    page = visitor.open("/permissions")
    expect(page.get_by_text("You have a key, made")).to_contain_text("last used 2 hours ago, ends in 9 days")
    expect(page.locator("#replaces")).to_contain_text("replaces yours at once: whatever used it (last 2 hours ago)")
    button = page.get_by_role("button", name="Replace access key")
    expect(button).to_have_accessible_description(re.compile("replaces yours at once"))
    expect(page.get_by_role("status")).to_contain_text("Your access key ends in 9 days")
    visitor.picture("permissions-warning")
    create_key(page)
    assert not belongs_to(site, plain.reveal(), alice)


def test_each_block_to_copy_is_complete(alice: User, visit: Visit, address: str) -> None:
    visitor = visit(alice)
    visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = visitor.open("/permissions")
    key = create_key(page)
    for title in ("Python", "Shell", "Credentials file", "Kubernetes"):
        page.get_by_text(title, exact=True).first.click()
        block = page.locator(".panel:visible")
        assert block.count() == 1
        block.get_by_role("button", name="Copy").click()
        expect(block.get_by_role("button", name="Copied")).to_be_visible()
        copied = page.evaluate("navigator.clipboard.readText()")
        assert all(part in copied for part in (address, alice.username, key)), title
        visitor.picture(f"key-{title.split()[0].lower()}")
    assert visitor.troubles == []


def test_without_a_script_each_block_can_be_opened_and_selected(alice: User, visit: Visit, address: str) -> None:
    page = visit(alice, java_script_enabled=False).open("/permissions")
    key = create_key(page)
    assert page.get_by_role("button").count() == 0  # buttons that could do nothing are not there
    for title, name in {"Shell": "shell", "Credentials file": "file", "Kubernetes": "kubernetes"}.items():
        page.get_by_text(title, exact=True).first.click()
        text = page.locator(f"#recipe-{name}").inner_text()
        assert all(part in text for part in (address, alice.username, key))


def test_the_light_turns_green_at_the_first_use(site: PagesSite, alice: User, visit: Visit) -> None:
    visitor = visit(alice)
    key = create_key(visitor.open("/permissions"))
    light = visitor.page.locator("#first-use")
    expect(light).to_have_text("Waiting for first use…")
    assert belongs_to(site, key, alice)  # a use
    expect(light).to_have_text("It works: the key was used.", timeout=10_000)
    expect(light).to_have_class("first-use used")
    visitor.picture("key-used")


def test_leaving_without_having_copied_asks_once(alice: User, visit: Visit) -> None:
    page = visit(alice).open("/permissions")
    create_key(page)
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    leave = page.get_by_role("link", name="Back to Permissions")
    expect(page.get_by_role("button", name="Copy key")).to_be_visible()  # the script is there
    leave.click(no_wait_after=True)
    page.wait_for_timeout(500)
    expect(page.get_by_role("heading", name="Your new access key")).to_be_visible()
    leave.click()
    expect(page.get_by_text("You have a key, made")).to_be_visible()
    assert asked == ["beforeunload"]


def test_loading_the_key_page_again_makes_no_second_key(site: PagesSite, alice: User, visit: Visit) -> None:
    page = visit(alice).open("/permissions")
    key = create_key(page)
    page.get_by_role("button", name="Copy key").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Permissions")).to_be_visible()
    assert belongs_to(site, key, alice)
    page.go_back()
    assert key not in page.content()


def test_a_key_is_made_by_keyboard_alone(site: PagesSite, alice: User, visit: Visit) -> None:
    page = visit(alice).open("/permissions")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Your sessions")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")  # the first lifetime
    page.keyboard.press("ArrowDown")
    expect(page.get_by_label("30 days")).to_be_checked()
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
    assert outline == "3px"
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Your new access key")).to_be_visible()
    assert len(site.tokens.active_of(alice.id, site.now())) == 1


def fill(site: PagesSite, alice: User) -> None:
    """Everything a page can be long with."""
    for number in range(1, 60):
        site.owns(alice, Kind.EXPERIMENT, str(number), Level.READ, f"experiment {number}")
    site.owns(alice, Kind.PROMPT, "a/b c")
    site.owns(alice, Kind.REGISTERED_MODEL, "m" * 250)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_no_page_scrolls_sideways(
    site: PagesSite, alice: User, visit: Visit, size: dict[str, int], scheme: str, request: pytest.FixtureRequest
) -> None:
    fill(site, alice)
    visitor = visit(alice, viewport=size, color_scheme=scheme)
    nobody = visit(viewport=size, color_scheme=scheme)
    tag = request.node.callspec.id

    def check(who: Visitor, name: str) -> None:
        assert who.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        who.picture(f"{name}-{tag}")

    nobody.open("/login")
    check(nobody, "login")
    visitor.open("/permissions")
    check(visitor, "permissions")
    create_key(visitor.page)
    check(visitor, "key")
    visitor.page.get_by_role("button", name="Copy key").click()
    expect(visitor.page.get_by_role("button", name="Copied")).to_be_visible()
    visitor.open("/permissions?page=2")
    visitor.page.get_by_text("Revoke this key…").click()
    check(visitor, "permissions-2")
    assert visitor.troubles == nobody.troubles == []
    visitor.open("/permissions?page=nonsense")
    check(visitor, "error")


def test_pages_are_small(site: PagesSite, alice: User, visit: Visit) -> None:
    fill(site, alice)
    visitor = visit(alice)
    sizes: list[int] = []
    visitor.page.on("response", lambda answer: sizes.append(len(answer.body())))
    visitor.open("/permissions")
    visitor.page.wait_for_load_state("networkidle")
    assert len(sizes) >= 3
    assert sum(sizes) < 100_000


def test_the_list_leads_to_mlflows_pages(site: PagesSite, alice: User, visit: Visit, address: str) -> None:
    fill(site, alice)
    page = visit(alice).open("/permissions")
    links = {
        link.inner_text(): link.get_attribute("href") for link in page.get_by_role("row").get_by_role("link").all()
    }
    assert links["experiment 1"] == "/mlflow/#/experiments/1"
    assert links["a/b c"] == "/mlflow/#/prompts/a%2Fb%20c"
    assert links["m" * 250] == f"/mlflow/#/models/{'m' * 250}"
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_text("Page 2 of 2 (61 in all)")).to_be_visible()


def test_a_login_leads_to_the_place_behind_the_hash(visit: Visit, address: str) -> None:
    visitor = visit()
    page = visitor.open("/#/experiments/7")
    page.get_by_role("button", name="Log in with Keycloak").click()
    page.wait_for_url(f"{address}/#/experiments/7**")
    assert [trouble for trouble in visitor.troubles if "Content Security" in trouble] == []


def test_somebody_logs_out_with_the_link_on_our_pages(site: PagesSite, visit: Visit, provider: FaultyProvider) -> None:
    visitor = visit()
    page = visitor.open("/login?next=/mlflow/permissions")
    page.get_by_role("button", name="Log in with Keycloak").click()
    expect(page.get_by_role("heading", name="Permissions")).to_be_visible()
    page.get_by_role("link", name="Log out").click()
    expect(page.get_by_text("logged out at the provider")).to_be_visible()
    assert [trouble for trouble in visitor.troubles if "Content Security" in trouble] == []
    visitor.open("/login?logged_out=1")
    expect(page.get_by_text("You are logged out.")).to_be_visible()
    visitor.open("/permissions")
    expect(page.get_by_role("button", name="Log in with Keycloak")).to_be_visible()


def test_mlflows_page_has_the_menu(site: PagesSite, alice: User, visit: Visit, address: str) -> None:
    visitor = visit(alice)
    page = visitor.open("/")
    sidebar = page.get_by_role("complementary")
    expect(sidebar.get_by_text(alice.username)).to_be_visible(timeout=30_000)
    permissions = sidebar.get_by_role("link", name="Permissions")
    expect(permissions).to_be_visible()
    expect(sidebar.get_by_role("link", name="Log out")).to_be_visible()
    visitor.picture("mlflow-menu")
    sidebar.get_by_role("link", name="Settings").focus()
    page.keyboard.press("Tab")
    expect(sidebar.get_by_role("button", name="Create access key")).to_be_focused()
    page.keyboard.press("Tab")
    expect(permissions).to_be_focused()
    sidebar.get_by_role("link", name="Experiments").click()  # MLflow draws another page
    expect(page.get_by_role("heading", name="Experiments")).to_be_visible(timeout=30_000)
    expect(permissions).to_have_count(1)
    permissions.click()
    page.wait_for_url(f"{address}/permissions")
    assert visitor.troubles == []


def test_the_menu_tells_who_is_logged_in_where_mlflow_does_not(alice: User, visit: Visit) -> None:
    visitor = visit(alice)
    page = visitor.page
    asked: list[str] = []

    def once(route: Route) -> None:  # ours is the first to ask; to MLflow it is an operation that nobody serves
        asked.append(route.request.url)
        if len(asked) == 1:
            route.continue_()
        else:
            route.fulfill(status=404, body="{}")

    page.route("**/users/current", once)
    visitor.open("/")
    expect(page.get_by_role("complementary").get_by_text(alice.username)).to_be_visible(timeout=30_000)
    visitor.picture("mlflow-menu-who")


def test_the_menu_of_a_narrow_sidebar_is_made_of_icons(alice: User, visit: Visit) -> None:
    visitor = visit(alice)
    page = visitor.open("/")
    link = page.get_by_role("complementary").get_by_role("link", name="Permissions")
    expect(link).to_be_visible(timeout=30_000)
    wide = link.bounding_box()
    page.get_by_role("complementary").get_by_role("button").first.click()
    page.wait_for_timeout(500)
    narrow = link.bounding_box()
    visitor.picture("mlflow-menu-narrow")
    assert wide is not None
    assert narrow is not None
    assert narrow["width"] <= 48 < wide["width"]


def test_where_mlflow_has_no_sidebar_a_corner_has_the_menu(site: PagesSite, alice: User, visit: Visit) -> None:
    visitor = visit(alice)
    visitor.page.route("**/static-files/static/js/main*", lambda route: route.fulfill(body=""))
    page = visitor.open("/")
    page.get_by_text(alice.username).click(timeout=10_000)
    expect(page.get_by_role("link", name="Permissions")).to_be_visible()
    expect(page.get_by_role("link", name="Log out")).to_be_visible()
    visitor.picture("mlflow-corner")
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="Permissions")).to_be_hidden()


@pytest.mark.parametrize("place", ["#/experiments/7", f"#/compare-runs?runs={'a' * 3000}"], ids=["short", "long"])
def test_an_ended_session_leads_to_the_login_and_back(site: PagesSite, visit: Visit, address: str, place: str) -> None:
    visitor = visit()
    page = visitor.open("/login")
    page.get_by_role("button", name="Log in with Keycloak").click()
    expect(page.get_by_role("link", name="Permissions")).to_be_visible(timeout=30_000)
    page.evaluate("place => { location.hash = place }", place)
    site.end_sessions()
    with contextlib.suppress(Error):  # MLflow's page may ask, and notice, by itself
        page.evaluate("address => { setTimeout(() => fetch(address), 200) }", f"{address}/ajax-api/2.0/mlflow/runs/get")
    expect(page.get_by_role("button", name="Log in with Keycloak")).to_be_visible(timeout=10_000)
    page.get_by_role("button", name="Log in with Keycloak").click()
    page.wait_for_url(lambda url: url.startswith(f"{address}/{place}"[:1000]), timeout=10_000)


def test_the_first_key_is_made_from_mlflows_page(site: PagesSite, alice: User, visit: Visit) -> None:
    visitor = visit(alice)
    page = visitor.open("/")
    create = page.get_by_role("complementary").get_by_role("button", name="Create access key")
    create.click(timeout=30_000)
    expect(page.get_by_role("heading", name="Your new access key")).to_be_visible()
    (row,) = site.tokens.active_of(alice.id, site.now())
    assert (row.expires_at - site.now()).days in (29, 30)
    page.get_by_role("button", name="Copy key").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("complementary").get_by_role("link", name="Permissions")).to_be_visible(timeout=30_000)
    page.wait_for_timeout(1000)
    expect(create).to_have_count(0)  # another would take the place of the first
    assert visitor.troubles == []


def test_mlflows_page_tells_of_a_key_that_ends_soon(site: PagesSite, alice: User, visit: Visit, address: str) -> None:
    now = site.now()
    site.tokens.create(alice.id, now + timedelta(days=9, hours=1), by=alice.username, now=now - timedelta(days=20))
    visitor = visit(alice)
    sidebar = visitor.open("/").get_by_role("complementary")
    sidebar.get_by_role("link", name="Access key ends in 9 days").click(timeout=30_000)
    expect(visitor.page).to_have_url(f"{address}/permissions")
    expect(visitor.page.get_by_role("status")).to_contain_text("Your access key ends in 9 days")
    site.tokens.create(alice.id, now + timedelta(days=15), by=alice.username, now=now)
    visitor.open("/")
    expect(sidebar.get_by_role("link", name="Permissions")).to_be_visible(timeout=30_000)
    visitor.page.wait_for_timeout(1000)
    expect(sidebar.get_by_text("ends in")).to_have_count(0)


def test_the_first_key_lives_no_longer_than_is_allowed_and_has_a_name_where_several_are(
    engine: sa.Engine, provider: FaultyProvider
) -> None:
    site = PagesSite(engine, settings(max_token_days=7, max_tokens_per_user=3))
    alice = site.person("alice")
    client = site.app.test_client()
    client.set_cookie(SESSION, site.session(alice), path=site.prefix)
    assert client.post(f"{site.prefix}/permissions/keys", data={"lifetime": "usual"}).status_code == 200
    (row,) = site.tokens.active_of(alice.id, site.now())
    assert ((row.expires_at - site.now()).days <= 7, row.name) == (True, "first key")
