"""Every page of ours as people meet it: nothing for axe to find, no script or style refused, nothing off the side.

Screenshots of all of them are kept in `test-output/pages/`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, expect

from mlflow_oidc_auth.database.engine import build_engine
from tests.browser.addresses import Example, Known, pages
from tests.browser.pages_site import DESKTOP, PHONE, PagesSite, Visitor
from tests.browser.town import Town
from tests.browser.visits import shot
from tests.databases import Databases

LOOKS = {"desktop": (DESKTOP, "light"), "phone": (PHONE, "dark")}
DATA = ("/permissions/sharing/suggestions", "/permissions/audit/lines")
"""What pages and people fetch; nothing of it is seen in a browser."""

SEEN = [example for example in pages() if "page=" not in example.address and example.path not in DATA]

FULL = pytest.mark.parametrize("town", ["full"], indirect=True)
"""Where there is something of everything, and nowhere else."""


class Look:
    """Everybody's browsers on one site, each with one look."""

    def __init__(self, chromium: Browser, site: PagesSite, address: str, town: Town, known: Known) -> None:
        self.known, self.town = known, town
        people = {"alice": town.alice, "root": town.root, "carol": town.carol}
        cookies = {name: site.session(user) for name, user in people.items()}
        self._visitors = {
            (name, look): Visitor(chromium, address, cookies.get(name), viewport=size, color_scheme=scheme)
            for name in (*people, "nobody")
            for look, (size, scheme) in LOOKS.items()
        }

    def at(self, name: str, look: str, example: Example) -> Visitor:
        """Somebody at a page, with nothing to complain of yet."""
        visitor = self._visitors[name, look]
        visitor.troubles.clear()
        visitor.open(example.address.format(**vars(self.known)))
        return visitor

    def close(self) -> None:
        """Close all."""
        for visitor in self._visitors.values():
            visitor.context.close()


@pytest.fixture(scope="module", params=["full", "empty"])
def town(request: pytest.FixtureRequest, chromium: Browser, databases: Databases) -> Iterator[Look]:
    """Everybody, where there is something of everything and where there is nothing yet."""
    engine = build_engine(databases.migrated("sqlite"))
    site = PagesSite(engine)
    people = Town(site)
    known = people.fill() if request.param == "full" else people.found()
    with site.served() as address:
        look = Look(chromium, site, address, people, known)
        yield look
        look.close()
    engine.dispose()


def picture(name: str, look: str, example: Example, full: str) -> str:
    """What the screenshot is called."""
    place = re.sub(r"\W+", "-", example.address.removeprefix("/permissions")).strip("-") or "permissions"
    return f"{place[:80]}.{name}.{look}.{full}"


def look_over(visitor: Visitor) -> None:
    """Fails with what axe finds, when the page is wider than its window, and when the console complained."""
    page = visitor.page
    found = Axe().run(page)
    if found.violations_count:
        pytest.fail(f"{page.url}\n{found.generate_report()}")
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    assert [trouble for trouble in visitor.troubles if "status of 400" not in trouble] == []


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("example", SEEN, ids=lambda example: example.address)
def test_axe_finds_nothing(town: Look, example: Example, look: str, request: pytest.FixtureRequest) -> None:
    full = "empty" if "empty" in request.node.name else "full"
    names = ("root",) if example.admins_only else ("alice", "root") if look == "desktop" else ("alice",)
    for name in names:
        visitor = town.at(name, look, example)
        shot(visitor.page, picture(name, look, example, full), "pages", full=True)
        look_over(visitor)
        if (look, full) == ("desktop", "full"):
            visitor.page.emulate_media(color_scheme="dark")
            shot(visitor.page, picture(name, "desktop-dark", example, full), "pages", full=True)
            visitor.page.emulate_media(color_scheme="light")


# --- What is wrong at a field ---------------------------------------------------------------------------------

WRONG = {"text": "x" * 2000, "search": "x" * 2000, "textarea": "x" * 2000, "date": "2001-01-01", "number": "-1"}

_FORMS = """() => [...document.querySelectorAll('form')].map((form, at) => ({
    at,
    posts: form.method === 'post',
    like: new URL(form.action).pathname + ' ' + [...form.elements].map((field) => field.name).join(' '),
    written: [...form.elements].some((field) => ['text', 'textarea', 'date', 'number'].includes(field.type)),
}))"""

_SEND_WRONG = """([at, wrong]) => {
    const form = document.querySelectorAll('form')[at];
    form.noValidate = true;
    form.querySelectorAll('input, textarea').forEach((field) => {
        field.removeAttribute('maxlength');
        if (wrong[field.type] !== undefined) {
            field.value = wrong[field.type];
        }
    });
    form.requestSubmit([...form.querySelectorAll('button')].find((button) => button.type === 'submit'));
}"""


@FULL
@pytest.mark.parametrize("example", SEEN, ids=lambda example: example.address)
def test_axe_finds_nothing_where_a_field_is_wrong(town: Look, example: Example) -> None:
    """Each form is sent with fields that nobody can mean: the page says so at the field, and is as good as before."""
    name = "root" if example.admins_only else "alice"
    sent: set[str] = set()
    visitor = town.at(name, "desktop", example)
    for form in visitor.page.evaluate(_FORMS):
        if not (form["posts"] and form["written"]) or form["like"] in sent:
            continue
        sent.add(form["like"])
        visitor = town.at(name, "desktop", example)
        with visitor.page.expect_navigation() as led:
            visitor.page.evaluate(_SEND_WRONG, [form["at"], WRONG])
        assert led.value.status == 400, form["like"]
        assert visitor.page.title().startswith("Error: "), form["like"]
        page = visitor.page
        assert page.locator("[aria-invalid=true], [role=alert]").count() > 0, form["like"]
        for field in page.locator(":is(input, select, textarea)[aria-invalid=true]").all():
            expect(field).to_have_css("border-top-width", "2px")
        shot(page, picture(name, f"wrong-{len(sent)}", example, "full"), "pages", full=True)
        look_over(visitor)


# --- Pages without an address of their own -------------------------------------------------------------------


@FULL
@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_nothing_on_the_page_of_a_new_key(town: Look, look: str) -> None:
    visitor = town.at("carol", look, Example("", "/permissions", admins_only=False))
    visitor.page.locator("input[name=lifetime]").first.check()
    visitor.page.get_by_role("button", name=re.compile("(Create|Replace) access key")).click()
    expect(visitor.page.get_by_role("heading", name="Your new access key")).to_be_visible()
    look_over(visitor)


@FULL
@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize(
    "address", ["/login", "/login?logged_out=1", "/permissions?page=nonsense", "/permissions/people"]
)
def test_axe_finds_nothing_for_strangers_and_on_pages_of_errors(town: Look, address: str, look: str) -> None:
    visitor = town.at("nobody" if "login" in address else "carol", look, Example("", address, admins_only=False))
    visitor.troubles[:] = [trouble for trouble in visitor.troubles if "status of 40" not in trouble]
    shot(visitor.page, f"stranger{address.replace('/', '-').replace('?', '-')}.{look}", "pages", full=True)
    look_over(visitor)


# --- The keyboard ---------------------------------------------------------------------------------------------

_REACHABLE = """() => {
    const chosen = new Set();
    const found = [...document.querySelectorAll('a[href], button, input, select, textarea, summary')].filter((one) => {
        const shown = one.checkVisibility({ visibilityProperty: true }) && one.type !== 'hidden' && !one.disabled;
        const again = one.type === 'radio' && chosen.has(one.form?.id + one.name);
        if (one.type === 'radio') {
            chosen.add(one.form?.id + one.name);
        }
        return shown && !again;
    });
    found.forEach((one, at) => (one.dataset.at = at));
    return found.map((one) => one.outerHTML.slice(0, 120));
}"""

_FOCUSED = """() => {
    const one = document.activeElement;
    const look = getComputedStyle(one);
    const label = one.type === 'radio' ? getComputedStyle(one.labels[0]) : look;
    const seen = [look, label].some((style) => style.outlineStyle !== 'none' && style.outlineWidth !== '0px');
    const radio = one.type === 'radio' ? document.querySelector(`input[name="${one.name}"][data-at]`) : one;
    return { at: Number((radio ?? one).dataset.at ?? -1), seen, what: one.outerHTML.slice(0, 120) };
}"""


@FULL
@pytest.mark.parametrize("example", SEEN, ids=lambda example: example.address)
def test_everything_is_reached_by_keyboard_in_order_and_seen(town: Look, example: Example) -> None:
    page = town.at("root" if example.admins_only else "alice", "desktop", example).page
    wanted = page.evaluate(_REACHABLE)
    reached: list[int] = []
    for _ in range(len(wanted) * 4):  # a date has four stops
        page.keyboard.press("Tab")
        focused = page.evaluate(_FOCUSED)
        assert focused["seen"] or focused["at"] < 0, f"the focus is not seen: {focused['what']}"
        if focused["at"] >= 0 and (not reached or focused["at"] != reached[-1]):
            if reached and focused["at"] < reached[-1]:
                break  # from the last to the first again
            reached.append(focused["at"])
        if len(reached) == len(wanted):
            break
    assert [wanted[at] for at in range(len(wanted)) if at not in reached] == []


@FULL
def test_the_skip_link_leads_past_the_navigation(town: Look) -> None:
    page = town.at("root", "desktop", Example("", "/permissions/sessions", admins_only=False)).page
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('main').contains(document.activeElement)")
