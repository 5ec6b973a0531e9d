"""A first-time user, timed: from the address of the server to the first logged run, by mouse and one paste.

Clicks are what the mouse pressed on our pages and MLflow's; at the login service the password is sent with Enter.
"""

from __future__ import annotations

import secrets
import time

from playwright.sync_api import Locator, Page, expect

from tests.browser.visits import SECONDS, Visit, shot
from tests.figures import Figures
from tests.people import People, Person
from tests.provider import Keycloak

MOST_CLICKS, MOST_PASTES = 3, 1

RUN = """
import mlflow
mlflow.set_experiment("{name}")
with mlflow.start_run():
    mlflow.log_metric("m", 1)
"""


class Newcomer:
    """Somebody at the mouse; what they do is counted."""

    def __init__(self, page: Page) -> None:
        self.page, self.clicks, self.pastes = page, 0, 0

    def click(self, what: Locator) -> None:
        """One click."""
        what.click()
        self.clicks += 1

    def paste(self) -> str:
        """What was copied."""
        self.pastes += 1
        return str(self.page.evaluate("navigator.clipboard.readText()"))


def test_a_newcomer_logs_a_run_with_three_clicks_and_one_paste(
    people: People, keycloak: Keycloak, visit: Visit, figures: Figures
) -> None:
    server, name = people.server, f"first-{secrets.token_hex(4)}"
    nora = keycloak.newcomer(f"nora-{secrets.token_hex(3)}")
    page = visit()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    newcomer = Newcomer(page)
    started = time.perf_counter()
    page.goto(server.url)
    newcomer.click(page.get_by_role("button", name="Log in with Keycloak"))
    page.fill("#username", nora)
    page.fill("#password", f"{nora}-pw")
    page.keyboard.press("Enter")
    newcomer.click(page.get_by_role("complementary").get_by_role("button", name="Create access key"))
    expect(page.get_by_role("heading", name="Your new access key")).to_be_visible()
    shot(page, "1-key", "first-run")
    newcomer.click(page.locator(".panel:visible").get_by_role("button", name="Copy"))
    expect(page.locator(".panel:visible").get_by_role("button", name="Copied")).to_be_visible()
    pasted = newcomer.paste()
    server.secrets.add(page.get_by_label("Access key").input_value())
    in_browser = time.perf_counter() - started
    Person(nora, server).run(f"{pasted}\n{RUN.format(name=name)}", environment={})
    took = time.perf_counter() - started
    expect(page.locator("#first-use")).to_have_text("It works: the key was used.", timeout=20 * SECONDS)
    expect(page.locator("#first-use")).to_have_class("first-use used")
    shot(page, "2-used", "first-run")
    page.goto(f"{server.url}/#/experiments")
    expect(page.get_by_text(name).first).to_be_visible()
    expect(page.get_by_role("complementary").get_by_role("link", name="Permissions")).to_be_visible()
    expect(page.get_by_role("button", name="Create access key")).to_have_count(0)
    assert newcomer.clicks <= MOST_CLICKS
    assert newcomer.pastes <= MOST_PASTES
    figures.note("a newcomer, from the address to the key on the clipboard", f"{in_browser:.1f} s")
    figures.note(
        "a newcomer, from the address to the first logged run",
        f"{took:.1f} s, {newcomer.clicks} clicks, {newcomer.pastes} paste",
    )
