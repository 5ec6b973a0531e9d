"""Every page of ours as people meet it: nothing for axe to find, no script or style refused, nothing off the side.

Screenshots of all of them are kept in `test-output/pages/`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser

from mlflow_oidc_auth.database.engine import build_engine
from tests.browser.addresses import Example, Known, pages
from tests.browser.pages_site import DESKTOP, PHONE, PagesSite, Visitor
from tests.browser.town import Town
from tests.browser.visits import shot
from tests.databases import Databases

LOOKS = {"desktop": (DESKTOP, "light"), "phone": (PHONE, "dark")}
SEEN = [example for example in pages() if "page=" not in example.address and "suggestions" not in example.path]


class Look:
    """Everybody's browsers on one site, each with one look."""

    def __init__(self, chromium: Browser, site: PagesSite, address: str, town: Town, known: Known) -> None:
        self.known, self.town = known, town
        people = {"alice": town.alice, "root": town.root, "carol": town.carol}
        self._visitors = {
            (name, look): Visitor(chromium, address, site.session(user), viewport=size, color_scheme=scheme)
            for name, user in people.items()
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
    for name in ("root",) if example.admins_only else ("alice", "root"):
        visitor = town.at(name, look, example)
        shot(visitor.page, picture(name, look, example, full), "pages", full=True)
        look_over(visitor)
