"""The same JSON on a real server: behind the gate, beside MLflow's own routes, with the real clients."""

from __future__ import annotations

import pytest

from mlflow_oidc_auth.operations.ours import OURS
from mlflow_oidc_auth.operations.requirements import Deny, Entry
from tests.http.api.site import (
    CURRENT,
    GET,
    GRANT,
    LIST_USERS,
    MY_PERMISSIONS,
    REVOKE,
    ROLE,
    ROLE_LIST,
    ROLE_PERMISSIONS,
    ROLE_USERS,
)
from tests.people import People, Person

DENIED = [entry for entry in OURS if isinstance(entry.requirement, Deny)]

SHARES = """
import mlflow, mlflow.server
bob = "bob@example.test"
experiment = mlflow.create_experiment("client shares this")
mlflow.MlflowClient().create_registered_model("client-shares-this")
mlflow.genai.register_prompt("client-shares-that", "Hello {{ name }}")
client = mlflow.server.get_app_client("oidc-auth", mlflow.get_tracking_uri())
assert client.current_user().username == "alice@example.test"
for type_, id_ in (
    ("experiment", experiment), ("registered_model", "client-shares-this"), ("prompt", "client-shares-that")
):
    assert client.get_user_permission(bob, type_, id_).permission == "NO_PERMISSIONS"
    client.grant_user_permission(bob, type_, id_, "EDIT")
    assert client.get_user_permission(bob, type_, id_).permission == "EDIT"
print(experiment)
"""

READS = """
import mlflow, mlflow.server
experiment = mlflow.get_experiment_by_name("client shares this")
client = mlflow.server.get_app_client("oidc-auth", mlflow.get_tracking_uri())
print(experiment and client.get_user_permission("bob@example.test", "experiment", experiment.experiment_id).permission)
print(mlflow.genai.load_prompt("prompts:/client-shares-that/1").template)
print(len(mlflow.MlflowClient().search_registered_models("name = 'client-shares-this'")))
"""


def test_the_client_shares_and_the_other_one_sees_it_until_it_is_taken_back(people: People) -> None:
    people.bob.key()
    experiment = people.alice.run(SHARES).splitlines()[-1]
    assert people.bob.run(READS).splitlines()[-3:] == ["EDIT", "Hello {{ name }}", "1"]
    fields = {"username": people.bob.email, "resource_type": "experiment", "resource_id": experiment}
    assert people.alice.must("POST", REVOKE, json=fields) == {}
    gone = people.bob.api("GET", GET, params=fields)
    asked = people.bob.api("GET", "2.0/mlflow/experiments/get", params={"experiment_id": experiment})
    assert gone.status_code == asked.status_code == 403
    assert gone.json()["error_code"] == asked.json()["error_code"] == "PERMISSION_DENIED"


def test_mlflows_pages_are_told_who_has_the_session(people: People) -> None:
    told = people.alice.ajax("GET", CURRENT)
    assert told.json()["user"]["username"] == "alice@example.test"
    assert told.json()["is_basic_auth"] is False
    assert people.alice.ajax("GET", MY_PERMISSIONS).json()["is_admin"] is False


def test_people_see_whom_they_can_share_with_and_admins_see_all(people: People) -> None:
    people.bob.key()
    theirs = {user["username"] for user in people.alice.must("GET", LIST_USERS)["users"]}
    everybody = {user["username"] for user in people.root.must("GET", LIST_USERS)["users"]}
    assert {people.alice.email, people.bob.email} <= theirs <= everybody
    assert people.root.email in everybody


@pytest.mark.parametrize("entry", DENIED, ids=lambda entry: f"{entry.method} {entry.path}")
def test_what_has_no_counterpart_says_so_to_everybody(people: People, entry: Entry) -> None:
    assert isinstance(entry.requirement, Deny)
    for person in (people.alice, people.root):
        answer = person.ask(entry.method, entry.path, json={} if entry.method != "GET" else None)
        assert answer.status_code == 403
        assert answer.json() == {"error_code": "PERMISSION_DENIED", "message": entry.requirement.why}


@pytest.mark.parametrize("path", [ROLE_LIST, ROLE, ROLE_PERMISSIONS, ROLE_USERS])
def test_roles_are_told_to_admins_alone(people: People, path: str) -> None:
    fields = {} if path == ROLE_LIST else {"role_id": "1"}
    assert people.root.api("GET", path, params=fields).status_code == 200
    assert people.alice.api("GET", path, params=fields).status_code == 403


def _grants(people: People, person: Person) -> object:
    return people.root.must("GET", "3.0/mlflow/users/permissions/list", params={"username": person.email})


@pytest.mark.parametrize("path", [GRANT, REVOKE], ids=["grant", "revoke"])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{", id="no JSON"),
        pytest.param(b"[" * 5000, id="deep"),
        pytest.param(b"\xff\xfe", id="bytes"),
        pytest.param(b'{"username": "a", "username": "b"}', id="a key twice"),
        pytest.param(b'{"username": "a", "userName": "b"}', id="a field spelled twice"),
        pytest.param(b'{"username": ["a"], "resource_type": 1, "resource_id": null}', id="wrong types"),
        pytest.param(b'{"username": "\\u0000", "resource_type": "\\ud83d", "resource_id": "1"}', id="unstorable"),
        pytest.param(b"{}" + b" " * 100_000, id="big"),
    ],
)
def test_bad_input_is_refused_in_mlflows_shape_behind_the_gate_too(people: People, path: str, body: bytes) -> None:
    before = _grants(people, people.alice)
    for person in (people.alice, people.root):
        answer = person.api("POST", path, data=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400, answer.text
        assert set(answer.json()) == {"error_code", "message"}
    assert _grants(people, people.alice) == before
