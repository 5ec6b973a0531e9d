"""MLflow's own pages against this server: its Account page and its Admin page, where a role is a team.

What exists here works there; what does not (passwords, making users, who is an admin) answers with its sentence. No
page has an uncaught error, an endless spinner or a server error.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from mlflow_oidc_auth.accounts.users import UserStore
from mlflow_oidc_auth.login.claims import Profile
from tests.browser.visits import SECONDS, Complaints, log_in, shot
from tests.people import People

WORKSPACES = (400, "3.0/mlflow/workspaces")
"""MLflow's dialogs ask for these, and it answers so where they are off."""

ASSISTANT = {(403, "3.0/mlflow/assistant/config"), (403, "3.0/mlflow/assistant/providers")}
"""MLflow's page asks for these whoever is logged in; admins alone get them."""


@dataclass
class Desk:
    """Somebody at MLflow's pages, logged in."""

    page: Page
    url: str
    complaints: Complaints

    def open(self, place: str) -> Page:
        """One of MLflow's pages, drawn anew."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.url}/#{place}")
        return self.page

    def part(self, component: str) -> Locator:
        """What MLflow calls so."""
        return self.page.locator(f'[data-component-id="{component}"]')

    def settled(self) -> None:
        """Nothing turns any more, and nothing broke."""
        expect(self.page.locator("main, #root").locator('[class*="spin" i], [aria-busy="true"]')).to_have_count(0)
        assert self.complaints.broken() == []
        assert self.complaints.console == []


@pytest.fixture(scope="module")
def desks(chromium: Browser, people: People) -> Iterator[dict[str, Desk]]:
    """alice and root, each logged in once."""
    found = {}
    for name in ("alice", "root"):
        page = chromium.new_context(viewport={"width": 1280, "height": 850}).new_page()
        page.set_default_timeout(30 * SECONDS)
        complaints = Complaints(page)
        page.goto(f"{people.server.url}/")
        log_in(page, name)
        expect(page.get_by_role("link", name="Permissions").first).to_be_visible()
        found[name] = Desk(page, people.server.url, complaints)
    yield found
    for desk in found.values():
        desk.page.context.close()


@pytest.fixture
def alice(desks: dict[str, Desk]) -> Desk:
    """She is no admin."""
    return _fresh(desks["alice"])


@pytest.fixture
def root(desks: dict[str, Desk]) -> Desk:
    """An admin."""
    return _fresh(desks["root"])


def _fresh(desk: Desk) -> Desk:
    desk.complaints.forget()
    return desk


def test_the_account_page_tells_groups_and_what_was_granted(people: People, alice: Desk) -> None:
    name = f"mine-{secrets.token_hex(4)}"
    made = people.alice.must("POST", "2.0/mlflow/experiments/create", json={"name": name})
    page = alice.open("/account")
    expect(page.get_by_text("Logged in as")).to_contain_text(people.alice.email)
    expect(page.get_by_text("/prokube users")).to_be_visible()
    expect(page.get_by_role("button", name="Change password")).to_have_count(0)
    page.get_by_role("tab", name="Permissions").click()
    row = page.get_by_role("row").filter(has_text=f"experiment:{made['experiment_id']}")
    expect(row.first).to_contain_text("MANAGE")
    expect(row.first).to_contain_text("Direct")
    shot(page, "account", "mlflow")
    alice.settled()
    assert alice.complaints.refusals() <= ASSISTANT


def test_who_is_no_admin_finds_the_people_of_their_groups_and_no_buttons(people: People, alice: Desk) -> None:
    people.bob.key()
    page = alice.open("/admin")
    expect(page.get_by_role("link", name=people.bob.email)).to_be_visible()
    expect(page.get_by_role("button", name="Create User")).to_have_count(0)
    page.get_by_role("tab", name="Roles").click()
    expect(page.get_by_role("button", name="Create Role")).to_have_count(0)
    alice.settled()
    assert alice.complaints.refusals() <= ASSISTANT


def test_what_only_admins_may_use_is_not_offered_to_others(alice: Desk, root: Desk) -> None:
    for desk, shown in ((alice, False), (root, True)):
        page = desk.open("/")
        expect(page.get_by_text("Recent Experiments")).to_be_visible()
        expect(page.get_by_role("button", name="Start Demo")).to_be_visible(visible=shown)
        expect(page.locator("[data-assistant-ui]").first).to_be_visible(visible=shown)
        expect(page.get_by_text("Welcome to MLflow Assistant")).to_have_count(0)


def test_a_user_is_not_made_there_and_the_dialog_says_how_one_is(root: Desk) -> None:
    page = root.open("/admin")
    page.get_by_role("button", name="Create User").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_placeholder("Enter username").fill("new@example.test")
    dialog.get_by_placeholder("Enter password").fill("a password of mine")
    dialog.get_by_role("button", name="Create user", exact=True).click()
    expect(dialog.get_by_text("Users are not made here")).to_be_visible()
    shot(page, "create-user", "mlflow")
    dialog.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    root.settled()
    assert root.complaints.refusals() - {WORKSPACES} == {(403, "2.0/mlflow/users/create")}


def test_who_is_an_admin_is_not_chosen_there(people: People, root: Desk) -> None:
    people.bob.key()
    page = root.open(f"/admin/users/{people.bob.email}")
    page.get_by_role("button", name="Edit access").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("switch").click()
    dialog.get_by_role("button", name="Review changes").click()
    dialog.get_by_role("button", name="Apply changes").click()
    expect(dialog.get_by_text("Who is an admin follows the admin group")).to_be_visible()
    dialog.get_by_role("button", name="Cancel").click()
    root.settled()


def test_a_user_is_deleted_there(people: People, root: Desk) -> None:
    name = f"leaver-{secrets.token_hex(4)}"
    profile = Profile("https://id.example.test", name, f"{name}@example.test", "", frozenset(), False)
    UserStore(people.server.engine).record_login(profile, datetime.now(UTC))
    page = root.open("/admin")
    page.get_by_role("checkbox", name=f"Select user {name}@example.test").click()
    page.get_by_role("button", name="Delete (1)").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("link", name=f"{name}@example.test")).to_have_count(0)
    root.settled()
    assert root.complaints.refusals() <= {WORKSPACES}


def test_a_team_is_made_filled_changed_and_deleted_as_a_role(people: People, root: Desk) -> None:
    team, secret = f"readers {secrets.token_hex(4)}", f"theirs-{secrets.token_hex(4)}"
    made = people.alice.must("POST", "2.0/mlflow/experiments/create", json={"name": secret})
    about = f"2.0/mlflow/experiments/get?experiment_id={made['experiment_id']}"
    assert people.bob.api("GET", about).status_code == 403

    page = root.open("/admin?tab=roles")
    page.get_by_role("button", name="Create Role").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_placeholder("Enter role name").fill(team)
    dialog.get_by_role("button", name="Permissions").click()
    dialog.get_by_role("button", name="Add", exact=True).click()  # READ on all experiments, as the form stands
    dialog.get_by_role("button", name="Assign users").click()
    _choose(page, dialog, "Select one or more users", people.bob.email)
    dialog.get_by_role("button", name="Create role").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert people.bob.api("GET", about).status_code == 200
    shot(page, "roles", "mlflow")

    page.get_by_role("link", name=team).click()
    expect(page.get_by_role("heading", name=team)).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="experiment")).to_contain_text("READ")
    page.get_by_role("tab", name="Assigned users").click()
    expect(page.get_by_role("row").filter(has_text=people.bob.email)).to_be_visible()
    shot(page, "role", "mlflow")

    page.get_by_role("button", name="Edit role").click()
    dialog.get_by_role("button", name="Remove experiment all").click()
    dialog.locator("#admin-role-permission-form-level").click()
    page.get_by_role("option", name="EDIT", exact=True).click()
    dialog.get_by_role("button", name="Add", exact=True).click()
    dialog.get_by_role("button", name="Review changes").click()
    dialog.get_by_role("button", name="Apply changes").click()  # the page gives EDIT, then takes READ away
    expect(page.get_by_role("dialog")).to_have_count(0)
    asked = {"username": people.bob.email, "resource_type": "experiment", "resource_id": made["experiment_id"]}
    told = people.root.must("GET", "3.0/mlflow/users/permissions/get", params=asked)
    assert told["permission"] == "EDIT"

    page.get_by_role("button", name="Edit role").click()
    dialog.get_by_placeholder("Enter role name").fill(f"{team} renamed")
    dialog.get_by_placeholder(re.compile("Enter description")).fill("Who may read")
    dialog.get_by_role("button", name="Remove experiment all").click()
    dialog.get_by_role("button", name="Review changes").click()
    dialog.get_by_role("button", name="Apply changes").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("heading", name=f"{team} renamed", exact=True)).to_be_visible()
    expect(page.get_by_text("Who may read", exact=True)).to_be_visible()
    assert people.bob.api("GET", about).status_code == 403

    page = root.open("/admin?tab=roles")
    page.get_by_role("checkbox", name=f"Select role {team} renamed").click()
    page.get_by_role("button", name="Delete (1)").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("link", name=f"{team} renamed")).to_have_count(0)
    root.settled()
    assert root.complaints.refusals() <= {WORKSPACES}


def test_a_group_of_the_login_service_is_told_there_and_not_changed(root: Desk) -> None:
    page = root.open("/admin?tab=roles")
    page.get_by_role("link", name="/prokube users").click()
    page.get_by_role("button", name="Edit role").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_placeholder("Enter role name").fill("taken over")
    dialog.get_by_role("button", name="Review changes").click()
    dialog.get_by_role("button", name="Apply changes").click()
    expect(dialog.get_by_text("login service").first).to_be_visible()
    dialog.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("heading", name="/prokube users", exact=True)).to_be_visible()
    root.settled()


def _choose(page: Page, dialog: Locator, field: str, value: str) -> None:
    """One of a list that opens."""
    dialog.get_by_text(field).click()
    page.get_by_role("option", name=value).click()
    page.keyboard.press("Escape")
