"""The Why page over HTTP, on every database: who is told what, and what nobody learns from it."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from mlflow_oidc_auth.vocabulary import Kind, Level
from tests.browser.pages_site import PagesSite
from tests.unit.web.test_permissions_page import browser_of, text_of

ADDRESS = "/mlflow/permissions/why"


@pytest.fixture
def site(engine: sa.Engine) -> PagesSite:
    """alice owns an experiment and a model, bob reads the experiment."""
    site = PagesSite(engine)
    alice, bob = site.person("alice"), site.person("bob")
    for name in ("carol", "root"):
        site.person(name, is_admin=name == "root")
    site.owns(alice, Kind.EXPERIMENT, "7", name="<b>sales")
    site.owns(alice, Kind.REGISTERED_MODEL, "forecast")
    site.owns(bob, Kind.EXPERIMENT, "7", Level.READ, name="<b>sales")
    site.owns(alice, Kind.EXPERIMENT, "9", name="teama")
    return site


def at(site: PagesSite, name: str) -> FlaskClient:
    """Somebody's browser."""
    user = site.users.by_username(f"{name}@example.test")
    assert user is not None
    return browser_of(site, user)


def ask(client: FlaskClient, of: str, kind: str = "experiment", key: str = "7") -> TestResponse:
    """Send the form."""
    username = f"{of}@example.test" if of else ""
    return client.get(ADDRESS, query_string={"username": username, "resource_type": kind, "resource_id": key})


def test_the_form_is_about_oneself_at_first(site: PagesSite) -> None:
    page = at(site, "bob").get(ADDRESS)
    assert page.status_code == 200
    assert 'value="bob@example.test"' in page.text


def test_the_owner_is_told_what_decides_for_somebody(site: PagesSite) -> None:
    answer = ask(at(site, "alice"), "bob")
    assert answer.status_code == 200
    page = text_of(answer)
    assert "bob@example.test can see and download it" in page
    assert answer.text.count("Decides") == 1
    assert "<b>sales" not in answer.text


def test_an_experiment_is_named_by_its_id_or_its_name(site: PagesSite) -> None:
    for key in ("7", "<b>sales"):
        page = text_of(ask(at(site, "alice"), "bob", key=key))
        assert "bob@example.test can see and download it" in page, key


def test_oneself_by_leaving_the_name_out(site: PagesSite) -> None:
    assert "bob@example.test can see and download it" in text_of(ask(at(site, "bob"), ""))


def test_the_reader_is_not_told_of_others(site: PagesSite) -> None:
    answer = ask(at(site, "bob"), "alice")
    assert answer.status_code == 403
    assert "MANAGE" in text_of(answer)
    assert "Decides" not in answer.text


@pytest.mark.parametrize(
    ("kind", "key", "missing"),
    [("experiment", "7", "8"), ("experiment", "teama", "x"), ("registered_model", "forecast", "x")],
)
def test_hidden_and_missing_are_one(site: PagesSite, kind: str, key: str, missing: str) -> None:
    carol = at(site, "carol")
    for of in ("carol", "alice", "nobody"):
        hidden, absent = ask(carol, of, kind, key), ask(carol, of, kind, missing)
        assert hidden.status_code == absent.status_code == 403
        assert hidden.text == absent.text.replace(f'value="{missing}"', f'value="{key}"')


def test_what_cannot_be_meant_is_told_at_its_field(site: PagesSite) -> None:
    answer = ask(at(site, "root"), "bob", "kettle")
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text


def test_an_admin_is_told_of_what_is_not_there(site: PagesSite) -> None:
    for key in ("8", "sales", "9" * 40, "7\0"):
        assert ask(at(site, "root"), "bob", key=key).status_code == 404
    assert ask(at(site, "root"), "nobody").status_code == 404
