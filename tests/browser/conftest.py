"""Chromium, and visits to real servers with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.browser.pages_site import CHROMIUM, CHROMIUM_ARGS
from tests.browser.visits import SECONDS, Visit


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser for the tests of a file; each visitor has a context of its own."""
    if not Path(CHROMIUM).exists():
        pytest.skip("PROMISE UNTESTED: our pages, login and keys in a browser (Chromium is not installed)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(CHROMIUM_ARGS))
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Visit]:
    """Opens browsers without a cookie; afterwards, none of them may have asked anybody but this machine."""
    asked: set[str] = set()
    contexts: list[BrowserContext] = []

    def new() -> Page:
        context = chromium.new_context(viewport={"width": 1280, "height": 850})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30 * SECONDS)
        page.on("request", lambda request: asked.add(urlsplit(request.url).hostname or ""))
        return page

    yield new
    for context in contexts:
        context.close()
    assert asked - {"127.0.0.1", ""} == set(), "somebody else was asked"
