"""MLflow's own `AuthServiceClient`, unchanged, against a real server: each of its methods works, or says why not.

Its methods are found by looking: one that a new MLflow adds is in no table here, and the test fails until somebody
says what it does. It runs in a process of its own, since importing it loads MLflow's whole basic-auth server.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from mlflow_oidc_auth.accounts.users import UserStore
from mlflow_oidc_auth.login.claims import Profile
from tests.people import People, Person

ALL_METHODS = """
import inspect, json
from mlflow.server.auth.client import AuthServiceClient
print(json.dumps([n for n, _ in inspect.getmembers(AuthServiceClient, inspect.isfunction) if not n.startswith("_")]))
"""

CALLS = """
import json, os, sys
from mlflow.exceptions import MlflowException
from mlflow.server.auth.client import AuthServiceClient

client = AuthServiceClient(os.environ["MLFLOW_TRACKING_URI"])
told, made = [], {}
for method, arguments in json.loads(%r):
    arguments = [made.get(argument, argument) if isinstance(argument, str) else argument for argument in arguments]
    try:
        answer = getattr(client, method)(*arguments)
    except MlflowException as error:
        told.append([method, "refused", error.error_code, error.message])
        continue
    if method == "create_role":
        made["ROLE"] = answer.id
    if method in ("add_role_permission", "update_role_permission"):
        made["PERMISSION"] = answer.id
    plain = [one.to_json() for one in answer] if isinstance(answer, list) else answer and answer.to_json()
    told.append([method, "works", plain, ""])
print(json.dumps(told))
"""

LEAVER = "leaver@example.test"
ROLE, PERMISSION = "ROLE", "PERMISSION"  # what the calls before have made

_ADMINS_ONLY = "Only MLflow admins"

NOT_HERE = {
    "create_user": "whoever logs in for the first time",
    "update_user_password": "There are no passwords here",
    "update_user_admin": "admin group of the login service",
}
"""What has no counterpart here, and where the idea lives, for everybody."""

OF_ADMINS = {
    "delete_user",
    "create_role",
    "get_role",
    "list_roles",
    "list_all_roles",
    "update_role",
    "delete_role",
    "add_role_permission",
    "update_role_permission",
    "remove_role_permission",
    "list_role_permissions",
    "assign_role",
    "unassign_role",
    "list_role_users",
}
OF_EVERYBODY = {
    "get_user",
    "list_user_roles",
    "grant_user_permission",
    "get_user_permission",
    "revoke_user_permission",
}

Told = list[tuple[str, str, Any, str]]


def calls(who: Person, other: str, experiment: str, role: int | str) -> list[tuple[str, list[Any]]]:
    """Every method once, in an order that makes sense for who may do all of it."""
    return [
        ("create_user", ["new@example.test", "a long password"]),
        ("update_user_password", [other, "a long password"]),
        ("update_user_admin", [other, True]),
        ("get_user", [who.email]),
        ("create_role", ["default", f"team of {who.name}", "made by MLflow's client"]),
        ("get_role", [role]),
        ("list_roles", ["default"]),
        ("list_all_roles", []),
        ("update_role", [role, f"renamed team of {who.name}", "changed"]),
        ("assign_role", [other, role]),
        ("list_role_users", [role]),
        ("list_user_roles", [who.email]),
        ("add_role_permission", [role, "experiment", experiment, "READ"]),
        ("list_role_permissions", [role]),
        ("update_role_permission", [PERMISSION if role == ROLE else 1, "EDIT"]),
        ("remove_role_permission", [PERMISSION if role == ROLE else 1]),
        ("unassign_role", [other, role]),
        ("delete_role", [role]),
        ("grant_user_permission", [other, "experiment", experiment, "USE"]),
        ("get_user_permission", [other, "experiment", experiment]),
        ("revoke_user_permission", [other, "experiment", experiment]),
        ("delete_user", [LEAVER]),
    ]


def told_to(who: Person, *asked: tuple[str, list[Any]]) -> Told:
    """What MLflow's client gives to somebody, call by call."""
    return [tuple(one) for one in json.loads(who.run(CALLS % json.dumps(asked)).splitlines()[-1])]


@pytest.fixture(scope="module")
def experiment(people: People) -> str:
    """One of alice's."""
    people.bob.key()
    made = people.alice.must("POST", "2.0/mlflow/experiments/create", json={"name": "for MLflow's own client"})
    return str(made["experiment_id"])


@pytest.fixture(scope="module")
def to_root(people: People, experiment: str) -> Told:
    """What an admin is told; somebody who left can be deleted."""
    store = UserStore(people.server.engine)
    store.record_login(
        Profile("https://id.example.test", "leaver", LEAVER, "Leaver", frozenset(), False), datetime.now(UTC)
    )
    return told_to(people.root, *calls(people.root, people.bob.email, experiment, ROLE))


@pytest.fixture(scope="module")
def to_alice(people: People, experiment: str) -> Told:
    """What somebody who is no admin is told."""
    return told_to(people.alice, *calls(people.alice, people.bob.email, experiment, 1))


def test_every_method_of_mlflows_client_is_called_here(people: People, to_root: Told, to_alice: Told) -> None:
    methods = set(json.loads(people.alice.run(ALL_METHODS).splitlines()[-1]))
    assert {method for method, *_ in to_root} == methods
    assert {method for method, *_ in to_alice} == methods
    assert methods == {*NOT_HERE, *OF_ADMINS, *OF_EVERYBODY}


def test_for_an_admin_all_works_but_what_has_no_counterpart(to_root: Told) -> None:
    refused = {method: message for method, outcome, _, message in to_root if outcome == "refused"}
    assert set(refused) == set(NOT_HERE), refused
    for method, sentence in NOT_HERE.items():
        assert sentence in refused[method]


def test_for_others_what_is_the_admins_says_so(to_alice: Told) -> None:
    refused = {method: (code, message) for method, outcome, code, message in to_alice if outcome == "refused"}
    assert set(refused) == {*NOT_HERE, *OF_ADMINS}
    for method in OF_ADMINS:
        code, message = refused[method]
        assert code == "PERMISSION_DENIED"
        assert _ADMINS_ONLY in message, method
    for method, sentence in NOT_HERE.items():
        assert sentence in refused[method][1]


def test_what_it_is_told_is_what_it_did(people: People, experiment: str, to_root: Told) -> None:
    answers = {method: answer for method, _, answer, _ in to_root}
    made, renamed = answers["create_role"], answers["update_role"]
    assert (made["name"], made["workspace"]) == ("team of root", "default")
    assert made["description"] == "made by MLflow's client"
    assert (renamed["id"], renamed["name"], renamed["description"]) == (made["id"], "renamed team of root", "changed")
    assert made["id"] in [role["id"] for role in answers["list_all_roles"]]
    assert answers["assign_role"]["role_id"] == made["id"]
    assert [one["user_id"] for one in answers["list_role_users"]] == [answers["assign_role"]["user_id"]]
    added, changed = answers["add_role_permission"], answers["update_role_permission"]
    assert (added["resource_type"], added["resource_pattern"]) == ("experiment", experiment)
    assert [one["id"] for one in answers["list_role_permissions"]] == [added["id"]]
    assert (changed["resource_pattern"], changed["permission"]) == (experiment, "EDIT")
    assert answers["get_user_permission"] == {"allowed": True, "permission": "USE"}


def test_what_it_deleted_is_gone(people: People, to_root: Told) -> None:
    assert UserStore(people.server.engine).by_username(LEAVER) is None
    (made,) = [answer for method, _, answer, _ in to_root if method == "create_role"]
    ((_, outcome, _, message),) = told_to(people.root, ("get_role", [made["id"]]))
    assert outcome == "refused"
    assert message
