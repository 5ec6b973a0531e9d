"""Roles in MLflow's shapes: a role is a group or team, a permission of it is a grant; admins change them.

That a real server answers MLflow's own client so is in `tests/promises/test_mlflow_auth_client.py`; how its Admin
page uses them, in `tests/browser`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from mlflow_oidc_auth.vocabulary import Kind, Level
from tests.http.api.changes import asked, asked_at_once, audited, everything
from tests.http.api.gated import GatedSite
from tests.http.api.site import (
    EVERY_KIND,
    EXPERIMENT,
    MISSING,
    MODEL,
    NOW,
    PREFIX,
    PROMPT,
    ROLE,
    ROLE_LIST,
    ROLE_PERMISSIONS,
    ROLE_USERS,
    ROLES,
    Made,
    Person,
    Site,
    email,
)

CREATE, UPDATE, DELETE = (f"3.0/mlflow/roles/{act}" for act in ("create", "update", "delete"))
ASSIGN, UNASSIGN = "3.0/mlflow/roles/assign", "3.0/mlflow/roles/unassign"
ADD, CHANGE, REMOVE = (f"3.0/mlflow/roles/permissions/{act}" for act in ("add", "update", "remove"))
BOB = {"username": email("bob")}

every_kind = pytest.mark.parametrize("made", EVERY_KIND, ids=lambda made: str(made.kind))


def must(by: Person, method: str, path: str, **fields: Any) -> Any:
    status, told = asked(by, method, path, **fields)
    assert status == 200, told
    return told


def team(by: Person, name: str = "vision", **more: Any) -> int:
    return int(must(by, "POST", CREATE, name=name, workspace="default", **more)["role"]["id"])


def allow(by: Person, role: int, on: Made | tuple[Kind, str], level: str = "READ") -> int:
    kind, key = (on.kind, on.key) if isinstance(on, Made) else on
    fields = {"resource_type": str(kind), "resource_pattern": key, "permission": level}
    return int(must(by, "POST", ADD, role_id=role, **fields)["role_permission"]["id"])


def opened(by: Person, role: int) -> list[tuple[str, str, str]]:
    told = must(by, "GET", ROLE_PERMISSIONS, role_id=role)["role_permissions"]
    return [(one["resource_type"], one["resource_pattern"], one["permission"]) for one in told]


# --- A team is a role ---------------------------------------------------------------------------------------------


def test_a_role_is_made_told_changed_and_deleted(site: Site, root: Person, bob: Person) -> None:
    role = team(root, description="sees")
    told = {"id": role, "name": "vision", "workspace": "default", "description": "sees", "permissions": []}
    assert must(root, "GET", ROLE, role_id=role) == {"role": told}
    assert told in must(root, "GET", ROLE_LIST)["roles"]
    assert must(root, "PATCH", UPDATE, role_id=role, name="seeing") == {"role": told | {"name": "seeing"}}
    changed = must(root, "PATCH", UPDATE, role_id=role, description="")["role"]
    assert (changed["name"], changed["description"]) == ("seeing", "A team; its members are chosen by MLflow admins.")
    bobs = site.people["bob"].id
    assert must(root, "POST", ASSIGN, role_id=role, **BOB) == {
        "assignment": {"id": bobs, "user_id": bobs, "role_id": role}
    }
    assert [one["user_id"] for one in must(root, "GET", ROLE_USERS, role_id=role)["assignments"]] == [bobs]
    allow(root, role, EXPERIMENT)
    assert bob.level_of("bob", EXPERIMENT) == "READ"
    assert must(root, "DELETE", DELETE, role_id=role) == {}
    assert bob.level_of("bob", EXPERIMENT) == "refused"
    assert asked(root, "GET", ROLE, role_id=role)[0] == 404


def test_who_leaves_a_role_has_nothing_by_it(root: Person, bob: Person) -> None:
    role = team(root)
    must(root, "POST", ASSIGN, role_id=role, **BOB)
    allow(root, role, MODEL, "EDIT")
    assert bob.level_of("bob", MODEL) == "EDIT"
    assert must(root, "DELETE", UNASSIGN, role_id=role, **BOB) == {}
    assert bob.level_of("bob", MODEL) == "refused"
    assert asked(root, "DELETE", UNASSIGN, role_id=role, **BOB)[0] == 404


def test_a_user_in_a_role_already_stays_and_a_disabled_one_gets_in_nowhere(site: Site, root: Person) -> None:
    role = team(root)
    assert must(root, "POST", ASSIGN, role_id=role, **BOB) == must(root, "POST", ASSIGN, role_id=role, **BOB)
    assert len(audited(site, "group.add_member")) == 1
    assert asked(root, "POST", ASSIGN, role_id=role, username=email("dave"))[0] == 400
    assert len(must(root, "GET", ROLE_USERS, role_id=role)["assignments"]) == 1


def test_what_the_login_service_decides_is_refused_and_what_is_granted_to_its_groups_is_not(
    site: Site, root: Person, bob: Person
) -> None:
    readers = site.group_id("/readers")
    for method, path, fields in (
        ("PATCH", UPDATE, {"name": "x"}),
        ("PATCH", UPDATE, {"description": "x"}),
        ("DELETE", DELETE, {}),
        ("POST", ASSIGN, {"username": email("carol")}),
        ("DELETE", UNASSIGN, BOB),
    ):
        status, told = asked(root, method, path, role_id=readers, **fields)
        assert (status, "login service" in told["message"]) == (400, True), path
    permission = allow(root, readers, EXPERIMENT)
    assert bob.level_of("bob", EXPERIMENT) == "READ"
    must(root, "DELETE", REMOVE, role_permission_id=permission)
    assert bob.level_of("bob", EXPERIMENT) == "refused"


@pytest.mark.parametrize("name", ["vision", "/readers", "/slash", " x", "a\nb", "x" * 300, "__user_1__"])
@pytest.mark.parametrize("how", ["made", "renamed"])
def test_what_no_team_is_called_is_refused(site: Site, root: Person, name: str, how: str) -> None:
    team(root)
    other = team(root, "other")
    before = everything(site)
    if how == "made":
        status, told = asked(root, "POST", CREATE, name=name, workspace="default")
    else:
        status, told = asked(root, "PATCH", UPDATE, role_id=other, name=name)
    assert status == 400
    assert (told["error_code"] == "RESOURCE_ALREADY_EXISTS") == (name == "vision")
    assert everything(site) == before


def test_there_is_one_workspace(site: Site, root: Person) -> None:
    before = everything(site)
    status, told = asked(root, "POST", CREATE, name="vision", workspace="another")
    assert (status, "'workspace' must be 'default'" in told["message"]) == (400, True)
    assert everything(site) == before
    assert must(root, "GET", ROLE_LIST, workspace="another") == {"roles": []}
    assert must(root, "GET", ROLE_LIST, workspace="default") == must(root, "GET", ROLE_LIST)


def test_of_two_admins_who_make_the_same_role_one_is_told_that_it_exists(site: Site) -> None:
    make = ("POST", CREATE, {"name": "vision", "workspace": "default"})
    told = dict(asked_at_once((site.person("root"), *make), (site.person("root"), *make)))
    assert set(told) == {200, 400}
    assert told[400]["error_code"] == "RESOURCE_ALREADY_EXISTS"
    assert len(audited(site, "group.create")) == 1


# --- A permission of a role is a grant ----------------------------------------------------------------------------


@every_kind
def test_a_permission_is_added_changed_and_removed(root: Person, bob: Person, made: Made) -> None:
    role = team(root)
    must(root, "POST", ASSIGN, role_id=role, **BOB)
    on = {"resource_type": str(made.kind), "resource_pattern": made.key}
    added = must(root, "POST", ADD, role_id=role, permission="READ", **on)["role_permission"]
    assert added == on | {"id": added["id"], "role_id": role, "permission": "READ"}
    assert must(root, "GET", ROLE_PERMISSIONS, role_id=role) == {"role_permissions": [added]}
    assert must(root, "GET", ROLE, role_id=role)["role"]["permissions"] == [added]
    assert bob.level_of("bob", made) == "READ"
    changed = must(root, "PATCH", CHANGE, role_permission_id=added["id"], permission="EDIT")["role_permission"]
    assert changed == added | {"id": changed["id"], "permission": "EDIT"}
    assert bob.level_of("bob", made) == "EDIT"
    assert must(root, "DELETE", REMOVE, role_permission_id=changed["id"]) == {}
    assert bob.level_of("bob", made) == "refused"
    assert opened(root, role) == []


@pytest.mark.parametrize("kind", list(Kind), ids=str)
@pytest.mark.parametrize("everything_", [True, False], ids=["all", "some"])
def test_a_pattern_opens_what_it_covers(root: Person, bob: Person, kind: Kind, everything_: bool) -> None:
    made = next(one for one in EVERY_KIND if one.kind is kind)
    name = "team-a sales" if kind is Kind.EXPERIMENT else made.key
    text = "*" if everything_ else f"{name[:4]}*"
    role = team(root)
    must(root, "POST", ASSIGN, role_id=role, **BOB)
    permission = allow(root, role, (kind, text), "USE")
    told = "experiment" if kind is Kind.EXPERIMENT else "registered_model"
    assert opened(root, role) == [(told, text, "USE")]
    assert bob.level_of("bob", made) == "USE"
    must(root, "DELETE", REMOVE, role_permission_id=permission)
    assert bob.level_of("bob", made) == "refused"


def test_a_model_whose_name_ends_in_a_star_stays_one_model(site: Site, root: Person, bob: Person) -> None:
    """Its permission looks like one on a pattern; what it becomes opens no other model."""
    star = Made(Kind.REGISTERED_MODEL, "fore*")
    site.make_model(star.key)
    role = team(root)
    must(root, "POST", ASSIGN, role_id=role, **BOB)
    site.grant(star, Level.READ, group="vision")
    [permission] = must(root, "GET", ROLE_PERMISSIONS, role_id=role)["role_permissions"]
    changed = must(root, "PATCH", CHANGE, role_permission_id=permission["id"], permission="EDIT")["role_permission"]
    assert (bob.level_of("bob", star), bob.level_of("bob", MODEL)) == ("EDIT", "refused")
    must(root, "DELETE", REMOVE, role_permission_id=changed["id"])
    assert bob.level_of("bob", star) == "refused"


def test_the_permission_of_a_role_that_ends_ends_with_another_level_too(site: Site, root: Person) -> None:
    """MLflow knows no end dates: what is not told to it must not be lost by it."""
    role = team(root)
    site.grant(EXPERIMENT, Level.READ, group="vision", until=NOW.replace(month=12))
    [permission] = must(root, "GET", ROLE_PERMISSIONS, role_id=role)["role_permissions"]
    must(root, "PATCH", CHANGE, role_permission_id=permission["id"], permission="EDIT")
    [(_, before, after)] = audited(site, "grant.give")
    assert before == {"level": "READ", "expires_at": NOW.replace(month=12).isoformat()}
    assert after == before | {"level": "EDIT"}


def test_mlflows_page_changes_a_level_by_adding_one_and_removing_the_old(site: Site, root: Person) -> None:
    role = team(root)
    old = allow(root, role, EXPERIMENT, "READ")
    new = allow(root, role, EXPERIMENT, "EDIT")
    assert old != new
    before = everything(site)
    assert must(root, "DELETE", REMOVE, role_permission_id=old) == {}
    assert everything(site) == before
    assert opened(root, role) == [("experiment", "7", "EDIT")]
    assert asked(root, "PATCH", CHANGE, role_permission_id=old, permission="MANAGE")[0] == 404
    assert everything(site) == before


def test_what_mlflows_page_calls_deny_keeps_people_out(site: Site, root: Person, bob: Person) -> None:
    site.grant_pattern(Kind.EXPERIMENT, "team", Level.READ, group="/readers")
    role = team(root)
    must(root, "POST", ASSIGN, role_id=role, **BOB)
    permission = allow(root, role, EXPERIMENT, "DENY")
    assert opened(root, role) == [("experiment", "7", "NO_PERMISSIONS")]
    assert bob.level_of("bob", EXPERIMENT) == "refused"
    changed = must(root, "PATCH", CHANGE, role_permission_id=permission, permission="USE")["role_permission"]["id"]
    must(root, "PATCH", CHANGE, role_permission_id=changed, permission="DENY")
    assert opened(root, role) == [("experiment", "7", "NO_PERMISSIONS")]


def test_a_prompt_is_told_as_one_even_where_it_was_added_as_a_model(root: Person) -> None:
    role = team(root)
    allow(root, role, (Kind.REGISTERED_MODEL, PROMPT.key))
    assert opened(root, role) == [("prompt", PROMPT.key, "READ")]


def test_a_users_own_grants_are_no_permissions_of_a_role(site: Site, root: Person) -> None:
    """Whichever number is sent: alice stays who manages her things."""
    before = everything(site)
    for number in range(100):
        for method, path, fields in (("DELETE", REMOVE, {}), ("PATCH", CHANGE, {"permission": "READ"})):
            status, told = asked(root, method, path, role_permission_id=number, **fields)
            assert (status, "no such permission of a role" in told["message"]) == (404, True), number
    assert everything(site) == before


def test_a_permission_that_has_ended_is_none(site: Site, root: Person) -> None:
    role = team(root)
    permission = allow(root, role, EXPERIMENT)
    site.grant(MODEL, Level.READ, group="vision", until=NOW)
    assert opened(root, role) == [("experiment", "7", "READ")]
    must(root, "DELETE", REMOVE, role_permission_id=permission)
    for method, path, fields in (("DELETE", REMOVE, {}), ("PATCH", CHANGE, {"permission": "USE"})):
        assert asked(root, method, path, role_permission_id=permission, **fields)[0] == 404


# --- Who is told which roles --------------------------------------------------------------------------------------


def test_everybody_is_told_their_own_roles_without_what_is_hidden(site: Site, root: Person, bob: Person) -> None:
    role = team(root, description="sees")
    must(root, "POST", ASSIGN, role_id=role, **BOB)
    site.grant(EXPERIMENT, Level.NO_PERMISSIONS, user="bob")
    site.grant(EXPERIMENT, Level.EDIT, group="vision")
    site.grant(MODEL, Level.READ, group="vision")

    def of_bob(by: Person) -> list[tuple[str, list[str]]]:
        told = must(by, "GET", ROLES, **BOB)["roles"]
        return [(one["name"], [on["resource_pattern"] for on in one["permissions"]]) for one in told]

    groups = [("/prokube users", []), ("/readers", [])]
    assert of_bob(bob) == [*groups, ("vision", ["forecast"])]
    own = f"__user_{site.people['bob'].id}__"
    assert of_bob(root) == [(own, ["7"]), *groups, ("vision", ["7", "forecast"])]


def test_other_peoples_roles_are_for_admins_whether_or_not_they_are_there(gated: GatedSite) -> None:
    others = [asked(gated.person("carol"), "GET", ROLES, username=email(name)) for name in ("bob", "nobody")]
    assert others[0] == others[1]
    assert others[0][0] == 403
    assert asked(gated.person("root"), "GET", ROLES, username=email("nobody"))[0] == 404


OF_ADMINS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "reading all": ("GET", ROLE_LIST, {}),
    "reading one": ("GET", ROLE, {"role_id": "{role}"}),
    "reading what it opens": ("GET", ROLE_PERMISSIONS, {"role_id": "{role}"}),
    "reading who is in it": ("GET", ROLE_USERS, {"role_id": "{role}"}),
    "making one": ("POST", CREATE, {"name": "mine", "workspace": "default"}),
    "changing one": ("PATCH", UPDATE, {"role_id": "{role}", "name": "mine"}),
    "deleting one": ("DELETE", DELETE, {"role_id": "{role}"}),
    "getting into it": ("POST", ASSIGN, {"role_id": "{role}", "username": email("carol")}),
    "throwing somebody out": ("DELETE", UNASSIGN, {"role_id": "{role}", **BOB}),
    "giving it something": (
        "POST",
        ADD,
        {"role_id": "{role}", "resource_type": "experiment", "resource_pattern": "7", "permission": "EDIT"},
    ),
    "giving it more": ("PATCH", CHANGE, {"role_permission_id": "{permission}", "permission": "MANAGE"}),
    "taking from it": ("DELETE", REMOVE, {"role_permission_id": "{permission}"}),
}


def filled(fields: dict[str, Any], role: int, permission: int) -> dict[str, Any]:
    return {name: {"{role}": role, "{permission}": permission}.get(value, value) for name, value in fields.items()}


@pytest.mark.parametrize("what", OF_ADMINS)
def test_what_admins_do_is_refused_to_others_and_changes_nothing(gated: GatedSite, what: str) -> None:
    """To who manages the experiment (alice), to who is in the team (bob), and to who has nothing (carol)."""
    root = gated.person("root")
    role = team(root)
    must(root, "POST", ASSIGN, role_id=role, **BOB)
    method, path, fields = OF_ADMINS[what]
    sent = filled(fields, role, allow(root, role, EXPERIMENT))
    before = everything(gated)
    for name in ("alice", "bob", "carol"):
        status, told = asked(gated.person(name), method, path, **sent)
        assert (status, told["error_code"]) == (403, "PERMISSION_DENIED"), name
        assert "Only MLflow admins" in told["message"]
    address = f"{PREFIX}/api/{path}"
    nobody = gated.app.test_client().open(
        address, method=method, **{"query_string" if method == "GET" else "json": sent}
    )
    assert nobody.status_code == 401
    assert everything(gated) == before
    must(root, method, path, **sent)


# --- What is written down -----------------------------------------------------------------------------------------


def test_each_change_is_written_down(site: Site, root: Person) -> None:
    role = team(root, description="sees")
    must(root, "PATCH", UPDATE, role_id=role, description="looks")
    must(root, "PATCH", UPDATE, role_id=role, name="vision")  # it is called so: nothing changes
    must(root, "POST", ASSIGN, role_id=role, **BOB)
    must(root, "DELETE", UNASSIGN, role_id=role, **BOB)
    permission = allow(root, role, EXPERIMENT)
    changed = must(root, "PATCH", CHANGE, role_permission_id=permission, permission="EDIT")["role_permission"]["id"]
    must(root, "DELETE", REMOVE, role_permission_id=changed)
    allow(root, role, (Kind.REGISTERED_MODEL, "fore*"))
    must(root, "DELETE", DELETE, role_id=role)
    read, edit = ({"level": level, "expires_at": None} for level in ("READ", "EDIT"))
    experiment, pattern = "experiment 7 for group vision", "registered model pattern 'fore*' for group vision"
    assert audited(site, "group.create") == [("team vision", None, {"description": "sees"})]
    [(_, before, after)] = audited(site, "group.change")
    assert (before["description"], after["description"]) == ("sees", "looks")
    member = [(f"user {email('bob')} in team vision", None, None)]
    assert audited(site, "group.add_member") == audited(site, "group.remove_member") == member
    assert audited(site, "grant.give") == [
        (experiment, None, read),
        (experiment, read, edit),
        (pattern, None, read),
    ]
    assert audited(site, "grant.take_away") == [(experiment, edit, None)]
    [(subject, before, _)] = audited(site, "group.delete")
    assert (subject, before["members"], before["grants"]) == ("team vision", [], 1)


# --- What makes no sense ------------------------------------------------------------------------------------------

ON = {"resource_type": "experiment", "resource_pattern": "7", "permission": "READ"}
NONSENSE: dict[str, tuple[str, str, dict[str, Any], int, str]] = {
    "no such user": ("POST", ASSIGN, {"username": email("nobody")}, 404, "no such user"),
    "no such user to take out": ("DELETE", UNASSIGN, {"username": email("nobody")}, 404, "no such user"),
    "no such kind": ("POST", ADD, ON | {"resource_type": "run"}, 400, "experiment, registered_model, prompt"),
    "no level": ("POST", ADD, ON | {"permission": "OWN"}, 400, "choose one of NO_PERMISSIONS, READ"),
    "a level in lower case": ("POST", ADD, ON | {"permission": "deny"}, 400, "choose one of"),
    "no number": ("POST", ADD, ON | {"resource_pattern": "team-a sales"}, 400, "whole number"),
    "two stars": ("POST", ADD, ON | {"resource_pattern": "t*m*"}, 400, "one '*' only"),
    "a field of ours": ("POST", ADD, ON | {"expires_at": "2026-12-31"}, 400, "does not know the field 'expires_at'"),
    "a long description": ("PATCH", UPDATE, {"description": "x" * 2000}, 400, "longer than 1024"),
}


@pytest.mark.parametrize("what", NONSENSE)
def test_what_makes_no_sense_is_refused_with_the_field_and_changes_nothing(site: Site, root: Person, what: str) -> None:
    role = team(root)
    method, path, fields, status, sentence = NONSENSE[what]
    before = everything(site)
    refused, told = asked(root, method, path, role_id=role, **fields)
    assert (refused, sentence in told["message"]) == (status, True), told
    assert everything(site) == before


@every_kind
def test_on_what_is_not_there_nothing_is_given(site: Site, root: Person, made: Made) -> None:
    role = team(root)
    before = everything(site)
    fields = ON | {"resource_type": str(made.kind), "resource_pattern": MISSING[made.kind]}
    status, told = asked(root, "POST", ADD, role_id=role, **fields)
    assert (status, told["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert everything(site) == before


@pytest.mark.parametrize("number", [0, 4711, 2**31, 2**40])
def test_a_role_or_permission_that_is_not_there_is_not_found(site: Site, root: Person, number: int) -> None:
    before = everything(site)
    for method, path, fields in OF_ADMINS.values():
        if "{role}" in fields.values() or "{permission}" in fields.values():
            status, told = asked(root, method, path, **filled(fields, number, number))
            assert (status, told["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST"), (method, path)
    assert everything(site) == before


# --- As MLflow's own client reads it ------------------------------------------------------------------------------

MLFLOWS_CLIENT = """
import json, sys
from mlflow.server.auth.client import AuthServiceClient
client, bob = AuthServiceClient(sys.argv[1]), "bob@example.test"
role = client.create_role("default", "vision", "sees")
assigned = client.assign_role(bob, role.id)
added = client.add_role_permission(role.id, "experiment", "7", "READ")
changed = client.update_role_permission(added.id, "EDIT")
told = {
    "create": role.to_json(),
    "update": client.update_role(role.id, "seeing").to_json(),
    "assign": assigned.to_json(),
    "add": added.to_json(),
    "change": changed.to_json(),
    "get": client.get_role(role.id).to_json(),
    "list": [one.to_json() for one in client.list_roles("default")],
    "all": [one.to_json() for one in client.list_all_roles()],
    "permissions": [one.to_json() for one in client.list_role_permissions(role.id)],
    "users": [one.to_json() for one in client.list_role_users(role.id)],
    "of bob": [one.to_json() for one in client.list_user_roles(bob)],
}
client.remove_role_permission(changed.id)
client.unassign_role(bob, role.id)
told["after"] = [len(client.get_role(role.id).permissions), len(client.list_role_users(role.id))]
client.delete_role(role.id)
told["left"] = [one.name for one in client.list_all_roles()]
print(json.dumps(told))
"""


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_mlflows_own_client_reads_all_that_is_told(site: Site) -> None:
    """In a process of its own: importing it loads MLflow's basic-auth server."""
    environment = os.environ | {"MLFLOW_TRACKING_USERNAME": email("root"), "MLFLOW_TRACKING_PASSWORD": "key"}
    with site.served() as address:
        command = [sys.executable, "-W", "ignore", "-c", MLFLOWS_CLIENT, address]
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout.splitlines()[-1])
    id_, bobs = told["create"]["id"], site.people["bob"].id
    made = {"id": id_, "name": "vision", "workspace": "default", "description": "sees", "permissions": []}
    permission = {"role_id": id_, "resource_type": "experiment", "resource_pattern": "7", "permission": "EDIT"}
    permission["id"] = told["change"]["id"]
    whole = made | {"name": "seeing", "permissions": [permission]}
    assert told["create"] == made
    assert told["assign"] == {"id": bobs, "user_id": bobs, "role_id": id_}
    assert told["add"] == permission | {"id": told["add"]["id"], "permission": "READ"}
    assert told["change"] == permission
    assert told["update"] == told["get"] == whole
    assert whole in told["list"]
    assert told["list"] == told["all"]
    assert told["permissions"] == [permission]
    assert told["users"] == [told["assign"]]
    assert whole in told["of bob"]
    assert told["after"] == [0, 0]
    assert "seeing" not in told["left"]
