"""Who am I and who else is here: the shapes that MLflow's pages and client read, and what they tell to whom."""

from __future__ import annotations

import pytest

from mlflow_oidc_auth.vocabulary import Level
from tests.http.api.site import (
    CURRENT,
    EXPERIMENT,
    GET_USER,
    LIST,
    LIST_USERS,
    MY_PERMISSIONS,
    ROLES,
    USERS,
    Person,
    Site,
    email,
)


def test_mlflows_pages_are_told_who_is_logged_in_and_that_there_are_no_passwords(site: Site, alice: Person) -> None:
    me = site.people["alice"]
    user = {"id": me.id, "username": "alice@example.test", "is_admin": False}
    ends = "2026-06-02T12:00:00+00:00"
    assert alice.get(CURRENT).json == {"user": user, "is_basic_auth": False, "expires_at": ends}


def test_an_admin_is_told_to_be_one(root: Person) -> None:
    assert root.get(CURRENT).json["user"]["is_admin"] is True


def test_no_cache_keeps_what_is_told(alice: Person) -> None:
    paths = (CURRENT, LIST_USERS, MY_PERMISSIONS)
    assert {alice.get(path).headers["Cache-Control"] for path in paths} == {"no-store"}


def test_browsers_ask_at_an_address_of_their_own(site: Site, alice: Person) -> None:
    asked = site.app.test_client().get(f"/mlflow/ajax-api/{CURRENT}", auth=(email("alice"), "key"))
    assert asked.json == alice.get(CURRENT).json


def test_an_admin_sees_everybody_with_their_groups_as_roles(site: Site, root: Person) -> None:
    users = {user["username"]: user for user in root.get(LIST_USERS).json["users"]}
    assert sorted(users) == [email(name) for name in sorted(site.people)]
    assert set(users["bob@example.test"]) == {"id", "username", "is_admin", "roles"}
    roles = users["bob@example.test"]["roles"]
    assert [(role["name"], role["workspace"]) for role in roles] == [
        ("/prokube users", "default"),
        ("/readers", "default"),
    ]


def test_others_see_themselves_and_the_active_people_of_their_groups(alice: Person, carol: Person) -> None:
    assert [user["username"] for user in alice.get(LIST_USERS).json["users"]] == [email("alice"), email("bob")]
    assert [user["username"] for user in carol.get(LIST_USERS).json["users"]] == [email("carol")]


def test_the_groups_of_others_are_told_to_admins_alone(alice: Person) -> None:
    roles = {user["username"]: [role["name"] for role in user["roles"]] for user in alice.get(LIST_USERS).json["users"]}
    assert roles == {email("alice"): [USERS], email("bob"): []}


@pytest.mark.parametrize("spelling", ["alice@example.test", "Alice@Example.Test"])
def test_everybody_may_ask_for_themselves(site: Site, alice: Person, spelling: str) -> None:
    told = {"id": site.people["alice"].id, "username": "alice@example.test", "is_admin": False}
    assert alice.get(GET_USER, username=spelling).json == {"user": told}


def test_an_admin_may_ask_for_anybody(site: Site, root: Person) -> None:
    assert root.get(GET_USER, username=email("carol")).json["user"]["id"] == site.people["carol"].id


@pytest.mark.parametrize("path", [GET_USER, LIST, ROLES], ids=["get", "permissions", "roles"])
def test_somebody_who_is_there_and_somebody_who_is_not_look_the_same_to_others(alice: Person, path: str) -> None:
    there, nowhere = (alice.get(path, username=email(name)) for name in ("carol", "nobody"))
    assert there.status_code == nowhere.status_code == 403
    assert there.json == nowhere.json
    assert there.json["error_code"] == "PERMISSION_DENIED"


@pytest.mark.parametrize("path", [GET_USER, LIST, ROLES], ids=["get", "permissions", "roles"])
def test_an_admin_is_told_that_there_is_no_such_user(root: Person, path: str) -> None:
    answer = root.get(path, username=email("nobody"))
    assert (answer.status_code, answer.json["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")


def test_a_users_own_grants_are_a_role_as_mlflow_spells_it_and_groups_are_roles(site: Site, bob: Person) -> None:
    site.grant(EXPERIMENT, Level.EDIT, user="bob")
    site.grant(EXPERIMENT, Level.READ, group="/readers")
    roles = bob.get(ROLES, username=email("bob")).json["roles"]
    assert [role["name"] for role in roles] == [f"__user_{site.people['bob'].id}__", "/prokube users", "/readers"]
    assert [[one["permission"] for one in role["permissions"]] for role in roles] == [["EDIT"], [], ["READ"]]
    readers = roles[2]
    assert set(readers) == {"id", "name", "workspace", "description", "permissions"}
    assert readers["permissions"][0] | {"id": None} == {
        "id": None,
        "role_id": site.group_id("/readers"),
        "resource_type": "experiment",
        "resource_pattern": "7",
        "permission": "READ",
    }


def test_every_permission_of_a_role_has_an_id_of_its_own(site: Site, alice: Person) -> None:
    roles = alice.get(ROLES, username=email("alice")).json["roles"]
    ids = [one["id"] for role in roles for one in role["permissions"]]
    assert len(ids) == len(set(ids)) == 3
