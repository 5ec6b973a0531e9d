"""What nobody manages, on the page: listed, given to somebody, and nothing else is given by its form."""

from __future__ import annotations

import pytest

from mlflow_oidc_auth.vocabulary import Kind, Level, Resource
from tests.unit.web.admins import Browser, Office, email, read, wrong_at

EXPERIMENT, MODEL = Resource(Kind.EXPERIMENT, "7"), Resource(Kind.REGISTERED_MODEL, "forecast")


@pytest.fixture
def left_alone(office: Office) -> Office:
    """Whose alice is disabled, so that nobody manages what she made."""
    office.parts.users.disable(office.alice.id, office.site.now(), by=office.root.username)
    return office


def level_of(office: Office, on: Resource) -> Level:
    found = office.parts.judge.level_on(office.carol.id, [], on, office.site.now())
    assert found is not None
    return found[0]


def test_what_is_ticked_goes_to_somebody(left_alone: Office, root: Browser) -> None:
    assert "teama-sales" in read(root.get("unmanaged"))
    told = root.done("unmanaged", to=email("carol"), on=["experiment:7"])
    assert "they have somebody who manages them" in told
    assert "teama-sales" not in told
    assert level_of(left_alone, EXPERIMENT) is Level.MANAGE
    assert level_of(left_alone, MODEL) is Level.NO_PERMISSIONS


def test_what_somebody_manages_by_now_is_left_out(left_alone: Office, root: Browser) -> None:
    left_alone.site.owns(left_alone.root, Kind.EXPERIMENT, "7")
    root.done("unmanaged", to=email("carol"), on=["experiment:7", "registered_model:forecast"])
    assert level_of(left_alone, EXPERIMENT) is Level.NO_PERMISSIONS
    assert level_of(left_alone, MODEL) is Level.MANAGE


def test_when_all_of_it_is_managed_by_now_the_page_says_so(office: Office, root: Browser) -> None:
    before = office.everything()
    told = root.done("unmanaged", to=email("carol"), on=["experiment:7", "registered_model:forecast", "experiment:0"])
    assert "Somebody manages these by now, so nothing was given" in told
    assert office.everything() == before


@pytest.mark.parametrize("number", ["2147483648", "9" * 30, "9" * 5000, "-1"])
def test_a_number_that_is_no_listed_experiments_is_refused(left_alone: Office, root: Browser, number: str) -> None:
    before = left_alone.everything()
    assert wrong_at(root.post("unmanaged", to=email("carol"), on=[f"experiment:{number}"]), "on")
    assert left_alone.everything() == before
