"""The Python clients over HTTP: ours, and MLflow's own `AuthServiceClient`, unchanged."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from collections.abc import Iterator

import mlflow.server
import pytest
from mlflow.exceptions import MlflowException

from mlflow_oidc_auth.client import OidcAuthClient
from mlflow_oidc_auth.vocabulary import Level
from tests.http.api.site import EVERY_KIND, EXPERIMENT, MISSING, Made, Site, email

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)  # what goes over the wire is the same


@pytest.fixture
def address(site: Site) -> Iterator[str]:
    with site.served() as url:
        yield url


@pytest.fixture
def client(address: str, monkeypatch: pytest.MonkeyPatch) -> OidcAuthClient:
    """alice's, as MLflow hands it out, with a slash at the end of the address."""
    become(monkeypatch, "alice")
    found = mlflow.server.get_app_client("oidc-auth", f"{address}/")
    assert isinstance(found, OidcAuthClient)
    return found


def become(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", email(name))
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "key")


@pytest.mark.parametrize("made", EVERY_KIND, ids=lambda made: str(made.kind))
def test_it_grants_reads_and_revokes(client: OidcAuthClient, made: Made) -> None:
    client.grant_user_permission(email("bob"), *made.fields.values(), "EDIT")
    told = client.get_user_permission(email("bob"), *made.fields.values())
    assert (told.allowed, told.permission) == (True, "EDIT")
    client.revoke_user_permission(email("bob"), *made.fields.values())
    assert client.get_user_permission(email("bob"), *made.fields.values()).permission == "NO_PERMISSIONS"


def test_it_tells_who_one_is_and_with_whom_one_can_share(site: Site, client: OidcAuthClient) -> None:
    me = client.current_user()
    assert (me.id, me.username, me.is_admin) == (site.people["alice"].id, email("alice"), False)
    assert client.get_user(email("alice")) == me
    assert [user.username for user in client.list_users()] == [email("alice"), email("bob")]


def test_it_lists_everybody_for_an_admin(client: OidcAuthClient, monkeypatch: pytest.MonkeyPatch) -> None:
    become(monkeypatch, "root")
    roles = {user.username: [role.name for role in user.roles] for user in client.list_users()}
    assert len(roles) == 6
    assert roles[email("bob")] == ["/prokube users", "/readers"]


def test_it_lists_what_reaches_somebody(site: Site, client: OidcAuthClient) -> None:
    site.grant(EXPERIMENT, Level.READ, group="/prokube users")
    told = [(row.role_name, row.resource_type, row.permission) for row in client.list_permissions(email("alice"))]
    own = f"__user_{site.people['alice'].id}__"
    assert told == [
        (own, "experiment", "MANAGE"),
        (own, "registered_model", "MANAGE"),
        (own, "prompt", "MANAGE"),
        ("/prokube users", "experiment", "READ"),
    ]
    roles = client.list_user_roles(email("alice"))
    assert [(role.name, len(role.permissions)) for role in roles] == [(own, 3), ("/prokube users", 1)]


def test_groups_are_roles_to_look_at_for_an_admin(
    site: Site, client: OidcAuthClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.grant(EXPERIMENT, Level.READ, group="/readers")
    become(monkeypatch, "root")
    roles = {role.name: role for role in client.list_all_roles()}
    assert sorted(roles) == ["/guests", "/prokube admins", "/prokube users", "/readers"]
    assert client.list_roles("default") == list(roles.values())
    assert client.list_roles("another") == []
    readers = client.get_role(roles["/readers"].id)
    assert readers == roles["/readers"]
    assert tuple(client.list_role_permissions(readers.id)) == readers.permissions
    assert [(one.resource_type, one.resource_pattern, one.permission) for one in readers.permissions] == [
        ("experiment", "7", "READ")
    ]
    assert [one.user_id for one in client.list_role_users(readers.id)] == [site.people["bob"].id]


def test_a_refusal_says_what_to_do(client: OidcAuthClient) -> None:
    with pytest.raises(MlflowException, match="Ask whoever manages it, or an MLflow admin") as refused:
        client.grant_user_permission(email("bob"), "experiment", MISSING[EXPERIMENT.kind], "READ")
    assert refused.value.error_code == "PERMISSION_DENIED"


WITHOUT_COUNTERPART = {
    "create_user": ("x@example.test", "pw"),
    "update_user_password": ("x@example.test", "pw"),
    "update_user_admin": ("x@example.test", True),
}


@pytest.mark.parametrize("method", WITHOUT_COUNTERPART)
def test_what_has_no_counterpart_says_where_the_idea_lives(backend: str, method: str) -> None:
    """Nothing is sent: there is no server at this address."""
    client = OidcAuthClient("http://127.0.0.1:9")
    with pytest.raises(MlflowException, match=r"logs? in|login service") as refused:
        getattr(client, method)(*WITHOUT_COUNTERPART[method])
    assert refused.value.error_code == "NOT_IMPLEMENTED"


# --- MLflow's own client, in a process of its own: importing it loads its basic-auth server ------------------

MLFLOWS_CLIENT = """
import inspect, json, sys
from mlflow.server.auth.client import AuthServiceClient
client = AuthServiceClient(sys.argv[1])
bob = "bob@example.test"
told = []
for type_, id_ in (("experiment", "7"), ("registered_model", "forecast"), ("prompt", "greeting")):
    client.grant_user_permission(bob, type_, id_, "READ")
    told.append(client.get_user_permission(bob, type_, id_).to_json())
    client.revoke_user_permission(bob, type_, id_)
    told.append(client.get_user_permission(bob, type_, id_).to_json())
told.append(client.get_user("alice@example.test").to_json())
told.append([role.to_json() for role in client.list_user_roles("alice@example.test")])
methods = {
    name: list(inspect.signature(method).parameters)
    for name, method in inspect.getmembers(AuthServiceClient, inspect.isfunction)
    if not name.startswith("_")
}
print(json.dumps({"told": told, "methods": methods}))
"""


@pytest.fixture
def mlflows_client(address: str) -> dict[str, object]:
    """What MLflow's client was told, and the methods it has."""
    environment = os.environ | {"MLFLOW_TRACKING_USERNAME": email("alice"), "MLFLOW_TRACKING_PASSWORD": "key"}
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", MLFLOWS_CLIENT, address],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    told: dict[str, object] = json.loads(ran.stdout.splitlines()[-1])
    return told


def test_mlflows_own_client_works_unchanged_and_ours_has_its_methods(
    site: Site, mlflows_client: dict[str, object]
) -> None:
    *levels, alice, roles = mlflows_client["told"]  # type: ignore[misc]
    given, gone = {"allowed": False, "permission": "READ"}, {"allowed": False, "permission": "NO_PERMISSIONS"}
    assert levels == [given, gone] * 3
    assert alice == {"id": site.people["alice"].id, "username": email("alice"), "is_admin": False}
    assert [role["name"] for role in roles] == [f"__user_{alice['id']}__", "/prokube users"]
    assert len(roles[0]["permissions"]) == 3
    ours = {
        name: list(inspect.signature(method).parameters)
        for name, method in inspect.getmembers(OidcAuthClient, inspect.isfunction)
    }
    methods: dict[str, list[str]] = mlflows_client["methods"]  # type: ignore[assignment]
    assert methods == {name: ours[name] for name in methods}
