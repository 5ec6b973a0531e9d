"""Service accounts as JSON: admins make them, say whose they are and what for, and end them with their keys."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from mlflow_oidc_auth.tokens.store import TokenStore
from tests.http.api.changes import asked, asked_at_once, audited, everything
from tests.http.api.gated import GatedSite
from tests.http.api.site import NOW, Person, Site, email

ACCOUNTS, USERS = "2.0/mlflow/service-accounts", "2.0/mlflow/users"
ROBOT = {"name": "robot", "owner": email("alice"), "purpose": "nightly training"}


def test_a_service_account_is_made_told_changed_and_deleted(site: Site, root: Person) -> None:
    body = {"name": "robot", "owner": email("alice"), "purpose": "nightly training"}
    status, told = asked(root, "POST", ACCOUNTS, **body)
    assert status == 200
    account = told["service_account"]
    assert (account["username"], account["owner"], account["purpose"]) == ("robot", email("alice"), "nightly training")
    assert asked(root, "POST", ACCOUNTS, **body)[1]["error_code"] == "RESOURCE_ALREADY_EXISTS"
    changed = asked(root, "PATCH", f"{ACCOUNTS}/robot", owner=email("bob"))[1]["service_account"]
    assert (changed["owner"], changed["purpose"]) == (email("bob"), "nightly training")
    listed: Any = root.get(ACCOUNTS).json
    assert [one["username"] for one in listed["service_accounts"]] == ["robot"]
    assert asked(root, "DELETE", f"{ACCOUNTS}/robot")[0] == 200
    assert root.get(f"{ACCOUNTS}/robot").status_code == 404


def test_a_service_account_whose_owner_left_says_so(root: Person) -> None:
    asked(root, "POST", ACCOUNTS, name="robot", owner=email("bob"), purpose="x")
    assert asked(root, "DELETE", f"{USERS}/delete", username=email("bob"))[0] == 200
    told: Any = root.get(f"{ACCOUNTS}/robot").json
    assert told["service_account"]["owner"] is None


WRONG = {
    "an e-mail": {"name": "robot@example.test"},
    "a capital": {"name": "Robot"},
    "who asks": {"name": "current"},
    "nobody owns it": {"owner": "nobody@example.test"},
    "the owner is disabled": {"owner": email("dave")},
    "no purpose": {"purpose": " "},
}


@pytest.mark.parametrize("what", WRONG)
def test_what_no_service_account_is_like_is_refused(site: Site, root: Person, what: str) -> None:
    before = len(audited(site, "service_account.create"))
    status, _ = asked(
        root, "POST", ACCOUNTS, **{"name": "robot", "owner": email("alice"), "purpose": "x"} | WRONG[what]
    )
    assert status in (400, 404)
    assert len(audited(site, "service_account.create")) == before
    assert root.get(ACCOUNTS).json["service_accounts"] == []  # type: ignore[index]


def test_a_person_is_no_service_account(root: Person) -> None:
    assert root.get(f"{ACCOUNTS}/{email('alice')}").status_code == 404
    assert asked(root, "DELETE", f"{ACCOUNTS}/{email('alice')}")[0] == 404


OF_ADMINS = {
    "making one": ("POST", "", {"name": "another", "owner": email("alice"), "purpose": "x"}),
    "reading all": ("GET", "", {}),
    "reading one": ("GET", "/robot", {}),
    "changing one": ("PATCH", "/robot", {"purpose": "x"}),
    "deleting one": ("DELETE", "/robot", {}),
}


@pytest.mark.parametrize("what", OF_ADMINS)
def test_what_admins_do_is_refused_to_others_its_owner_too(gated: GatedSite, what: str) -> None:
    root = gated.person("root")
    assert asked(root, "POST", ACCOUNTS, **ROBOT)[0] == 200
    method, path, body = OF_ADMINS[what]
    before = everything(gated)
    for name in ("alice", "carol"):
        status, told = asked(gated.person(name), method, ACCOUNTS + path, **body)
        assert (status, told["error_code"]) == (403, "PERMISSION_DENIED"), name
    assert everything(gated) == before
    assert asked(root, method, ACCOUNTS + path, **body)[0] == 200


def test_of_two_admins_who_make_the_same_one_is_told_that_it_exists(site: Site) -> None:
    make = ("POST", ACCOUNTS, ROBOT)
    answers = asked_at_once((site.person("root"), *make), (site.person("root"), *make))
    told = dict(answers)
    assert set(told) == {200, 400}
    assert told[400]["error_code"] == "RESOURCE_ALREADY_EXISTS"
    assert len(audited(site, "service_account.create")) == 1


def test_each_change_is_written_down(site: Site, root: Person) -> None:
    asked(root, "POST", ACCOUNTS, **ROBOT)
    asked(root, "PATCH", f"{ACCOUNTS}/robot", owner=email("bob"), purpose="by day")
    asked(root, "DELETE", f"{ACCOUNTS}/robot")
    first, second = (
        {"owner": email("alice"), "purpose": "nightly training"},
        {"owner": email("bob"), "purpose": "by day"},
    )
    assert audited(site, "service_account.create") == [("robot", None, first)]
    assert audited(site, "service_account.change") == [("robot", first, second)]
    assert [subject for subject, *_ in audited(site, "user.delete")] == ["robot"]


@pytest.mark.parametrize("how", ["disabled", "deleted"])
def test_no_key_outlives_it(site: Site, root: Person, how: str) -> None:
    asked(root, "POST", ACCOUNTS, **ROBOT)
    robot, tokens = site.users.by_username("robot"), TokenStore(site.engine)
    assert robot is not None
    tokens.create(robot.id, NOW + timedelta(days=9), by=email("root"), now=NOW)
    if how == "disabled":
        assert asked(root, "PATCH", f"{USERS}/robot", is_active=False)[0] == 200
    else:
        assert asked(root, "DELETE", f"{ACCOUNTS}/robot")[0] == 200
    assert tokens.active_of(robot.id, NOW) == []


def test_a_key_made_while_it_is_disabled_does_not_live(site: Site, root: Person) -> None:
    asked(root, "POST", ACCOUNTS, **ROBOT)
    robot = site.users.by_username("robot")
    assert robot is not None
    for _ in range(4):
        asked(root, "PATCH", f"{USERS}/robot", is_active=True)
        (made, _), (disabled, _) = asked_at_once(
            (site.person("root"), "POST", f"{USERS}/robot/tokens", {"expires_at": "2026-06-09"}),
            (site.person("root"), "PATCH", f"{USERS}/robot", {"is_active": False}),
        )
        assert (made in (200, 403), disabled) == (True, 200)
        assert TokenStore(site.engine).active_of(robot.id, NOW) == []
