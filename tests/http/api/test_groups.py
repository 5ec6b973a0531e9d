"""Groups, teams and service accounts as JSON; accounts disabled, deleted and handed over."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import sqlalchemy as sa

from mlflow_oidc_auth.database.tables import audit_records, experiment_grants, memberships, named_grants, tokens, users
from mlflow_oidc_auth.vocabulary import Level
from tests.http.api.site import EXPERIMENT, MODEL, PREFIX, Person, Site, email

GROUPS, ACCOUNTS, USERS = "2.0/mlflow/groups", "2.0/mlflow/service-accounts", "2.0/mlflow/users"


def asked(by: Person, method: str, path: str, **body: Any) -> tuple[int, Any]:
    answer = by.ask(method, path, body)
    return answer.status_code, answer.json


def made(by: Person, name: str = "vision", **more: Any) -> int:
    status, told = asked(by, "POST", GROUPS, name=name, **more)
    assert status == 200, told
    return int(told["group"]["id"])


def audited(site: Site, act: str) -> list[tuple[str, Any, Any]]:
    found = sa.select(audit_records.c.subject, audit_records.c.before, audit_records.c.after)
    with site.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(found.where(audit_records.c.act == act))]


# --- Groups and teams ------------------------------------------------------------------------------------------


def test_a_team_is_made_filled_changed_and_deleted(site: Site, root: Person, bob: Person) -> None:
    team = made(root, description="sees")
    assert asked(root, "POST", f"{GROUPS}/{team}/members", username=email("bob"))[0] == 200
    members = root.get(f"{GROUPS}/{team}/members").json
    assert members == {
        "members": [{"username": email("bob"), "display_name": "Bob", "is_active": True}],
        "next_page_token": "",
    }
    assert asked(root, "PATCH", f"{GROUPS}/{team}", name="seeing")[1]["group"] == {
        "id": team,
        "name": "seeing",
        "source": "team",
        "description": "sees",
        "members": 1,
    }
    site.grant(EXPERIMENT, Level.READ, group="seeing")
    assert bob.level_of("bob", EXPERIMENT) == "READ"
    assert asked(root, "DELETE", f"{GROUPS}/{team}")[0] == 200
    assert bob.level_of("bob", EXPERIMENT) == "refused"
    assert root.get(f"{GROUPS}/{team}").status_code == 404
    [(subject, before, _)] = audited(site, "group.delete")
    assert subject == "team seeing"
    assert before == {"members": [email("bob")], "grants": 1, "grants_on": ["experiment 7: READ"]}


def test_everybody_sees_their_own_and_admins_all(site: Site, root: Person, bob: Person) -> None:
    made(root)
    own: Any = bob.get(GROUPS).json
    assert {group["name"] for group in own["groups"]} == {"/prokube users", "/readers"}
    assert {group["members"] for group in own["groups"]} == {None}
    every: Any = root.get(GROUPS, search="vis").json
    assert [(group["name"], group["members"]) for group in every["groups"]] == [("vision", 0)]


def test_who_is_in_a_group_of_the_login_service_is_chosen_there(site: Site, root: Person) -> None:
    readers = site.group_id("/readers")
    for method, path, body in (
        ("POST", f"{GROUPS}/{readers}/members", {"username": email("carol")}),
        ("DELETE", f"{GROUPS}/{readers}/members", {"username": email("bob")}),
        ("PATCH", f"{GROUPS}/{readers}", {"name": "x"}),
        ("DELETE", f"{GROUPS}/{readers}", {}),
    ):
        status, told = asked(root, method, path, **body)
        assert (status, "login service" in told["message"]) == (400, True), path


def test_a_group_may_be_known_before_anybody_of_it_logs_in(site: Site, root: Person) -> None:
    group = made(root, "/data science", source="provider")
    site.grant(EXPERIMENT, Level.READ, group="/data science")
    assert root.get(f"{GROUPS}/{group}").json["group"]["source"] == "provider"  # type: ignore[index]


@pytest.mark.parametrize("name", ["vision", "/readers", "/slash", " x", "a\nb", "x" * 300, "__user_1__"])
def test_what_no_team_is_called_is_refused(root: Person, name: str) -> None:
    made(root)
    status, told = asked(root, "POST", GROUPS, name=name)
    assert status == 400
    assert (told["error_code"] == "RESOURCE_ALREADY_EXISTS") == (name == "vision")


def test_of_two_admins_who_make_the_same_team_one_is_told(site: Site, root: Person) -> None:
    told: list[int] = []
    start = threading.Barrier(2)

    def make() -> None:
        client = site.app.test_client()
        start.wait()
        answer = client.post(f"{PREFIX}/api/{GROUPS}", json={"name": "vision"}, auth=(email("root"), "key"))
        told.append(answer.status_code)

    both = [threading.Thread(target=make) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert sorted(told) == [200, 400]
    assert len(audited(site, "group.create")) == 1


# --- Service accounts ------------------------------------------------------------------------------------------


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


# --- Accounts --------------------------------------------------------------------------------------------------


def test_an_account_that_is_deleted_leaves_nothing_behind(site: Site, root: Person) -> None:
    alice = site.people["alice"]
    assert asked(root, "DELETE", f"{USERS}/delete", username=email("alice"))[0] == 200
    with site.engine.connect() as connection:
        for table in (experiment_grants, named_grants, memberships, tokens):
            assert connection.execute(sa.select(table).where(table.c.user_id == alice.id)).all() == []
        assert connection.execute(sa.select(users).where(users.c.id == alice.id)).all() == []
    unmanaged: Any = root.get("2.0/mlflow/resources/unmanaged").json
    assert {one["name"] for one in unmanaged["resources"]} == {"team-a sales", "forecast", "greeting"}
    [(subject, before, _)] = audited(site, "user.delete")
    assert subject == email("alice")
    assert before["grants"] == 3


def test_an_account_is_disabled_and_enabled(root: Person) -> None:
    assert asked(root, "PATCH", f"{USERS}/{email('bob')}", is_active=False)[0] == 200
    listed: Any = root.get("2.0/mlflow/users/list").json
    assert email("bob") in {user["username"] for user in listed["users"]}
    assert asked(root, "PATCH", f"{USERS}/{email('bob')}", is_active=True)[0] == 200


@pytest.mark.parametrize("how", ["disable", "delete"])
def test_nobody_ends_their_own_account(site: Site, root: Person, how: str) -> None:
    if how == "disable":
        status, told = asked(root, "PATCH", f"{USERS}/{email('root')}", is_active=False)
    else:
        status, told = asked(root, "DELETE", f"{USERS}/delete", username=email("root"))
    assert (400 <= status < 500, "own account" in told["message"]) == (True, True)
    assert site.users.by_username(email("root")) is not None


def test_what_somebody_manages_is_handed_over(site: Site, root: Person, bob: Person, alice: Person) -> None:
    site.grant(MODEL, Level.READ, user="bob")
    status, told = asked(root, "POST", f"{USERS}/{email('alice')}/hand-over", to=email("bob"))
    assert (status, told) == (200, {"resources": 3})
    assert bob.level_of("bob", MODEL) == bob.level_of("bob", EXPERIMENT) == "MANAGE"
    assert alice.level_of("alice", EXPERIMENT) == "refused"
    assert root.get("2.0/mlflow/resources/unmanaged").json["resources"] == []  # type: ignore[index]
