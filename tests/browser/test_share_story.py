"""alice shares an experiment with bob from MLflow's own page, takes it back, and gives it again when he asks for it."""

from __future__ import annotations

import re
import secrets

from playwright.sync_api import Page, expect

from tests.browser.visits import SECONDS, Visit, log_in, shot
from tests.people import People


def sees(page: Page, url: str, name: str, *, there: bool) -> None:
    """Whether MLflow's list of experiments, drawn anew, shows this one."""
    page.goto("about:blank")
    page.goto(f"{url}/#/experiments")
    expect(page.get_by_role("heading", name="Experiments")).to_be_visible()
    if there:
        expect(page.get_by_text(name).first).to_be_visible()
    else:
        with page.expect_response(re.compile("experiments/search")):
            page.reload()
        page.wait_for_timeout(SECONDS)  # what the list holds is drawn by then
        expect(page.get_by_text(name)).to_have_count(0)


def test_what_is_shared_is_seen_at_once_and_gone_at_once_and_asked_for(people: People, visit: Visit) -> None:
    url, name = people.server.url, f"shared-{secrets.token_hex(4)}"
    made = people.alice.must("POST", "2.0/mlflow/experiments/create", json={"name": name})["experiment_id"]
    bob = visit()
    bob.goto(f"{url}/#/experiments")
    log_in(bob, "bob")
    expect(bob.get_by_role("link", name="Permissions").first).to_be_visible()
    sees(bob, url, name, there=False)

    alice = visit()
    alice.goto(f"{url}/#/experiments/{made}")
    log_in(alice, "alice")
    alice.get_by_role("button", name="Got it").click()  # MLflow's own hint lies over its page of a new experiment
    alice.get_by_role("complementary").get_by_role("link", name="Share", exact=True).click()
    expect(alice.get_by_role("heading", name=f"Share {name}")).to_be_visible()
    alice.get_by_label("Person, group or team").fill(people.bob.email)
    alice.get_by_role("button", name="Share", exact=True).click()
    expect(alice.get_by_role("status")).to_contain_text("Shared")
    shot(alice, "1-shared", "sharing")
    sees(bob, url, name, there=True)
    shot(bob, "2-seen", "sharing")

    alice.locator("summary", has_text=f"Remove {people.bob.email}").click()
    alice.get_by_role("button", name=f"Remove {people.bob.email}").click()
    expect(alice.get_by_role("status")).to_contain_text("removed")
    sees(bob, url, name, there=False)

    bob.goto(f"{url}/permissions/requests")
    bob.get_by_label("Name, or experiment id").fill(name)
    bob.get_by_label("Reason").fill("To compare it with mine.")
    bob.get_by_role("button", name="Send request").click()
    expect(bob.get_by_role("status")).to_be_visible()
    shot(bob, "3-asked", "sharing")

    alice.goto(f"{url}/permissions")
    expect(alice.get_by_role("link", name=re.compile("Requests [1-9]"))).to_be_visible()
    alice.get_by_role("link", name=re.compile("Requests")).click()
    shot(alice, "4-to-decide", "sharing")
    alice.get_by_role("listitem").filter(has_text=name).get_by_role("button", name="Grant").click()
    expect(alice.get_by_role("status")).to_be_visible()
    sees(bob, url, name, there=True)
