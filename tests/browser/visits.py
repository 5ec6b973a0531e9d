"""What people do in a browser on a real server: log in, make a key; and what the browser complained of."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import ConsoleMessage, Page, Response

from tests.browser.pages_site import SCREENSHOTS
from tests.people import SESSION_COOKIE
from tests.server import MlflowServer

SECONDS = 1000
"""Playwright counts in milliseconds."""

Visit = Callable[[], Page]


def shot(page: Page, name: str, folder: str = "story", *, full: bool = False) -> None:
    """Keep a picture."""
    where: Path = SCREENSHOTS / folder
    where.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=where / f"{name}.png", full_page=full)


def log_in(page: Page, name: str) -> None:
    """From our login page, through Keycloak's."""
    page.get_by_role("button", name="Log in with Keycloak").click()
    page.fill("#username", name)
    page.fill("#password", f"{name}-pw")
    page.click("#kc-login")


def cookie_of(page: Page) -> str:
    """The session cookie in this browser."""
    return next(str(cookie["value"]) for cookie in page.context.cookies() if cookie["name"] == SESSION_COOKIE)


def make_key(page: Page, server: MlflowServer) -> str:
    """On the Permissions page, a key of 30 days; the browser shows it now."""
    page.locator("input[name=lifetime][value='30']").check()
    page.get_by_role("button", name=re.compile("(Create|Replace) access key")).click()
    key = page.get_by_label(re.compile("Access key")).input_value()
    server.secrets.add(key)
    assert re.fullmatch(r"mlfpat_\w+_\w+_\w+", key)
    return key


class Complaints:
    """What a page's browser complains of from now on, and which requests were refused."""

    def __init__(self, page: Page) -> None:
        self.uncaught: list[str] = []
        self.console: list[str] = []
        self.refused: list[tuple[int, str]] = []
        page.on("pageerror", lambda error: self.uncaught.append(str(error)))
        page.on("console", self._heard)
        page.on("response", self._answered)

    def forget(self) -> None:
        """What was until now is not counted."""
        self.uncaught.clear()
        self.console.clear()
        self.refused.clear()

    def broken(self) -> list[str]:
        """What no page may have: an uncaught error, and a server that failed."""
        return self.uncaught + [f"{status} {url}" for status, url in self.refused if status >= 500]

    def refusals(self) -> set[tuple[int, str]]:
        """Status and path of what was refused."""
        return {(status, url.split("/ajax-api/")[-1].split("?")[0]) for status, url in self.refused}

    def _heard(self, line: ConsoleMessage) -> None:
        if line.type == "error" and "Failed to load resource" not in line.text:  # told in `refused`
            self.console.append(line.text)

    def _answered(self, answer: Response) -> None:
        if answer.status >= 400:
            self.refused.append((answer.status, answer.url))
