"""The story in a real browser, on a real server with a real Keycloak: login, key, use, expiry, logout.

Screenshots of each step are kept in `test-output/`.
"""

from __future__ import annotations

import contextlib
import re
import secrets

import requests
from playwright.sync_api import Error, expect

from mlflow_oidc_auth.database.tables import sessions
from tests.browser.visits import SECONDS, Visit, cookie_of, log_in, make_key, shot
from tests.people import SESSION_COOKIE, TIMEOUT, People

CLIENT = """
import os, mlflow
mlflow.set_experiment(os.environ["STORY"])
with mlflow.start_run():
    mlflow.log_metric("m", 1)
"""


def test_from_the_first_visit_to_a_logged_run_and_out_again(people: People, visit: Visit) -> None:
    server, url, name = people.server, people.server.url, f"seen-{secrets.token_hex(4)}"
    page = visit()
    page.goto(f"{url}/")
    expect(page).to_have_url(re.compile(rf"{re.escape(url)}/login\?next="))
    expect(page.get_by_role("button", name="Log in with Keycloak")).to_be_visible()
    shot(page, "1-login")
    page.get_by_role("button", name="Log in with Keycloak").click()
    expect(page.locator("#kc-login")).to_be_visible()
    shot(page, "2-keycloak")
    page.fill("#username", "alice")
    page.fill("#password", "alice-pw")
    page.click("#kc-login")
    expect(page).to_have_url(re.compile(rf"{re.escape(url)}/(#.*)?$"))
    expect(page.get_by_text("Permissions").first).to_be_visible()
    shot(page, "3-mlflow")

    page.get_by_role("link", name="Permissions").first.click()
    expect(page).to_have_url(f"{url}/permissions")
    expect(page.get_by_text(people.alice.email).first).to_be_visible()
    shot(page, "4-permissions")
    key = make_key(page, server)
    shot(page, "5-key")
    expect(page.get_by_text("MLFLOW_TRACKING_URI").first).to_be_visible()

    environment = {
        "MLFLOW_TRACKING_URI": url,
        "MLFLOW_TRACKING_USERNAME": people.alice.email,
        "MLFLOW_TRACKING_PASSWORD": key,
        "STORY": name,
    }
    people.alice.run(CLIENT, environment=environment)
    expect(page.locator("#first-use")).to_contain_text("used", ignore_case=True, timeout=20 * SECONDS)
    shot(page, "6-first-use")

    page.goto(f"{url}/#/experiments")
    expect(page.get_by_text(name).first).to_be_visible()
    shot(page, "7-experiment")

    page.goto(f"{url}/permissions")
    expect(page.get_by_text(name).first).to_be_visible()
    new = make_key(page, server)
    assert requests.get(f"{url}/version", auth=(people.alice.email, key), timeout=TIMEOUT).status_code == 401
    assert requests.get(f"{url}/version", auth=(people.alice.email, new), timeout=TIMEOUT).status_code == 200
    people.alice._key = new

    kept = cookie_of(page)
    page.goto(f"{url}/")
    page.get_by_role("link", name="Log out").first.click()
    expect(page.get_by_text("You are logged out")).to_be_visible()
    shot(page, "8-logged-out")
    who = f"{url}/ajax-api/2.0/mlflow/users/current"
    assert requests.get(who, cookies={SESSION_COOKIE: kept}, timeout=TIMEOUT).status_code == 401
    page.goto(f"{url}/")
    page.get_by_role("button", name="Log in with Keycloak").click()
    expect(page.locator("#kc-login")).to_be_visible()  # Keycloak asks for the password again
    people.alice.__dict__.pop("browser", None)


def test_an_expired_session_leads_to_the_login_and_back_to_where_it_was(people: People, visit: Visit) -> None:
    url, page = people.server.url, visit()
    page.goto(f"{url}/#/models")
    log_in(page, "bob")
    expect(page).to_have_url(f"{url}/#/models")
    expect(page.get_by_text("Permissions").first).to_be_visible()
    newest = sessions.select().order_by(sessions.c.id.desc()).limit(1)
    with people.server.engine.begin() as connection:
        row = connection.execute(newest).one()
        connection.execute(sessions.delete().where(sessions.c.id == row.id))
    with contextlib.suppress(Error):  # the page may ask, notice, and leave by itself before it is told to go on
        page.goto(f"{url}/#/prompts")  # within MLflow's own page: no document is loaded, its calls get 401
        page.reload()
    expect(page.get_by_role("button", name="Log in with Keycloak")).to_be_visible()
    shot(page, "9-expired")
    page.get_by_role("button", name="Log in with Keycloak").click()  # Keycloak still knows bob
    expect(page).to_have_url(re.compile(re.escape(url) + "/#/(prompts|models)$"))
    shot(page, "10-back")
    people.bob.__dict__.pop("browser", None)


def test_a_session_that_ends_while_the_page_is_open_leads_to_the_login(people: People, visit: Visit) -> None:
    url, page = people.server.url, visit()
    page.goto(f"{url}/#/experiments")
    log_in(page, "bob")
    expect(page).to_have_url(f"{url}/#/experiments")
    expect(page.get_by_text("Permissions").first).to_be_visible()
    with people.server.engine.begin() as connection:
        row = connection.execute(sessions.select().order_by(sessions.c.id.desc()).limit(1)).one()
        connection.execute(sessions.delete().where(sessions.c.id == row.id))
    with contextlib.suppress(Error):  # the page may ask, and notice, by itself
        page.evaluate("location.hash = '#/models'")  # as a click on Models does
    expect(page.get_by_role("button", name="Log in with Keycloak")).to_be_visible()
    page.get_by_role("button", name="Log in with Keycloak").click()
    expect(page).to_have_url(re.compile(re.escape(url) + "/#/(models|experiments)$"))
    people.bob.__dict__.pop("browser", None)


def test_a_stranger_sees_nothing_of_it_in_mlflows_pages(people: People, visit: Visit) -> None:
    url, page, name = people.server.url, visit(), f"hidden-{secrets.token_hex(4)}"
    made = people.alice.must("POST", "2.0/mlflow/experiments/create", json={"name": name})
    page.goto(f"{url}/#/experiments")
    log_in(page, "carol")
    expect(page).to_have_url(f"{url}/#/experiments")
    expect(page.get_by_text("Permissions").first).to_be_visible()
    page.wait_for_timeout(2 * SECONDS)  # the page asks its server all the time: it is never idle
    assert name not in page.content()
    page.goto(f"{url}/#/experiments/{made['experiment_id']}")
    page.wait_for_timeout(2 * SECONDS)  # the page asks its server all the time: it is never idle
    assert name not in page.content()
    shot(page, "11-stranger")


def test_who_is_in_no_allowed_group_gets_a_clear_page(people: People, visit: Visit) -> None:
    page = visit()
    page.goto(f"{people.server.url}/")
    log_in(page, "mallory")
    expect(page.get_by_text("You may not use this MLflow server")).to_be_visible()
    expect(page.get_by_text("prokube users")).to_be_visible()
    shot(page, "12-not-permitted")
    assert all(cookie["name"] != SESSION_COOKIE for cookie in page.context.cookies())
