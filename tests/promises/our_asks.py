"""How each JSON operation of our own is asked so that it does something, and about what (as `asks.py` for MLflow's).

`{experiment}`, `{team}`, `{robot}` and the like stand for what :func:`make_ours` made. The order is that of a walk:
reads, then what changes, then what deletes.
"""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime, timedelta

from mlflow_oidc_auth.operations.ours import OURS
from mlflow_oidc_auth.operations.requirements import Deny, Entry
from tests.people import OUR_PAGE, TIMEOUT, People, Person
from tests.promises.asks import Ask, family
from tests.promises.belongings import MARK, Ids

PUBLIC = "/api/2.0/mlflow/openapi.json"
"""By its address: one that the table calls public by mistake is asked like the others."""

OUR_JSON = tuple(
    entry
    for entry in OURS
    if entry.path.startswith(("/api/", "/ajax-api/"))
    and family(entry.path) != PUBLIC
    and not isinstance(entry.requirement, Deny)
)

_2, _3 = "/api/2.0/mlflow", "/api/3.0/mlflow"
_NEXT_WEEK = (datetime.now(UTC) + timedelta(days=7)).date().isoformat()
_ON = {"resource_type": "experiment", "resource_id": "{experiment}"}
_TO = {"username": "{robot}"}
_MODEL = {"resource_type": "registered_model", "resource_id": "{name}"}

OUR_ASKS: tuple[Ask, ...] = (
    Ask("GET", f"{_2}/users/current"),
    Ask("GET", f"{_2}/users/list"),
    Ask("GET", f"{_2}/users/get", query={"username": "{owner}"}),
    Ask("GET", f"{_2}/groups"),
    Ask("GET", f"{_2}/groups/{{team}}"),
    Ask("GET", f"{_2}/groups/{{team}}/members"),
    Ask("GET", f"{_2}/service-accounts"),
    Ask("GET", f"{_2}/service-accounts/{{robot}}"),
    Ask("GET", f"{_2}/users/current/tokens"),
    Ask("GET", f"{_2}/users/{{owner}}/tokens"),
    Ask("GET", f"{_2}/users/current/sessions"),
    Ask("GET", f"{_2}/users/{{owner}}/sessions"),
    Ask("GET", f"{_2}/grants", query=_ON),
    Ask("GET", f"{_2}/grants/preview", query={"resource_type": "experiment", "pattern": "*", **_TO}),
    Ask("GET", f"{_2}/explain", query={"username": "{owner}", **_ON}),
    Ask("GET", f"{_2}/access-requests", query={"to_decide": "true"}),
    Ask("GET", f"{_2}/resources/unmanaged"),
    Ask("GET", f"{_2}/audit", query={"max_results": "1000"}),
    Ask("GET", f"{_2}/audit/export"),
    Ask("GET", f"{_3}/users/current/permissions"),
    Ask("GET", f"{_3}/users/permissions/list", query={"username": "{owner}"}),
    Ask("GET", f"{_3}/users/permissions/get", query={"username": "{owner}", **_ON}),
    Ask("GET", f"{_3}/users/roles/list", query={"username": "{owner}"}),
    Ask("GET", f"{_3}/roles/list"),
    Ask("GET", f"{_3}/roles/get", query={"role_id": "{team}"}),
    Ask("GET", f"{_3}/roles/permissions/list", query={"role_id": "{team}"}),
    Ask("GET", f"{_3}/roles/users/list", query={"role_id": "{team}"}),
    # What changes something.
    Ask("POST", f"{_2}/grants", body={"permission": "READ", **_TO, **_ON}),
    Ask("POST", f"{_3}/users/permissions/grant", body={"permission": "READ", **_TO, **_MODEL}),
    Ask(
        "POST",
        f"{_2}/access-requests",
        body={"resource_type": "experiment", "name": "{wanted}", "permission": "READ"},
    ),
    Ask("POST", f"{_2}/access-requests/{{request}}/grant", body={"permission": "READ"}),
    Ask("POST", f"{_2}/access-requests/{{other_request}}/decline"),
    Ask("POST", f"{_2}/access-requests/{{own_request}}/withdraw"),
    Ask("POST", f"{_2}/groups", body={"name": "team of a walk {suffix} {who}"}),
    Ask("PATCH", f"{_2}/groups/{{team}}", body={"description": "walked"}),
    Ask("POST", f"{_2}/groups/{{team}}/members", body=_TO),
    Ask("POST", f"{_3}/roles/create", body={"name": "role of a walk {suffix} {who}", "workspace": "default"}),
    Ask("PATCH", f"{_3}/roles/update", body={"role_id": "{other_team}", "description": "walked"}),
    Ask("POST", f"{_3}/roles/assign", body={"role_id": "{other_team}", **_TO}),
    Ask(
        "POST",
        f"{_3}/roles/permissions/add",
        body={
            "role_id": "{other_team}",
            "resource_type": "experiment",
            "resource_pattern": "{experiment}",
            "permission": "READ",
        },
    ),
    Ask(
        "PATCH",
        f"{_3}/roles/permissions/update",
        body={"role_permission_id": "{role_permission}", "permission": "EDIT"},
    ),
    Ask(
        "POST",
        f"{_2}/service-accounts",
        body={"name": "robot-of-a-walk-{suffix}-{who}", "owner": "{owner}", "purpose": "walks"},
    ),
    Ask("PATCH", f"{_2}/service-accounts/{{robot}}", body={"purpose": "walks"}),
    Ask("PATCH", f"{_2}/users/{{robot}}", body={"is_active": True}),
    Ask("POST", f"{_2}/users/{{robot}}/hand-over", body={"to": "{owner}"}),
    # A key ends before another one would replace it.
    Ask("DELETE", f"{_2}/users/{{robot}}/tokens/{{robot_key}}"),
    Ask("DELETE", f"{_2}/users/current/tokens/{{key}}"),
    Ask("POST", f"{_2}/users/{{robot}}/tokens", body={"expires_at": _NEXT_WEEK}),
    Ask("POST", f"{_2}/users/current/tokens", body={"expires_at": _NEXT_WEEK}),
    # What deletes something, the smallest first.
    Ask("DELETE", f"{_3}/roles/permissions/remove", body={"role_permission_id": "{role_permission}"}),
    Ask("DELETE", f"{_3}/roles/unassign", body={"role_id": "{other_team}", **_TO}),
    Ask("DELETE", f"{_3}/roles/delete", body={"role_id": "{other_team}"}),
    Ask("DELETE", f"{_2}/groups/{{team}}/members", body=_TO),
    Ask("DELETE", f"{_2}/groups/{{team}}"),
    Ask("POST", f"{_3}/users/permissions/revoke", body={**_TO, **_MODEL}),
    Ask("DELETE", f"{_2}/grants", body={**_TO, **_ON}),
    Ask("DELETE", f"{_2}/users/{{owner}}/sessions/{{session}}"),
    Ask("DELETE", f"{_2}/users/current/sessions/{{session}}"),
    Ask("DELETE", f"{_2}/users/{{whose}}/sessions"),
    Ask("DELETE", f"{_2}/users/current/sessions"),
    Ask("DELETE", f"{_2}/users/delete", body={"username": "{other_robot}"}),
    Ask("DELETE", f"{_2}/service-accounts/{{robot}}"),
)


def shape(path: str) -> str:
    """A path with nothing to tell its variable parts apart, which each router and document spells in its own way."""
    return re.sub(r"<[^>]+>|{[^}]+}", "{}", path)


def ours_in_order() -> list[tuple[Entry, Ask]]:
    """Each JSON operation of ours at its two addresses, in the order of the walk."""
    place = {(ask.method, shape(ask.path)): number for number, ask in enumerate(OUR_ASKS)}
    found = [(place[entry.method, shape(family(entry.path))], entry) for entry in OUR_JSON]
    return [(entry, _at(entry, OUR_ASKS[number])) for number, entry in sorted(found, key=lambda one: one[0])]


def _at(entry: Entry, ask: Ask) -> Ask:
    """The ask at the entry's own address."""
    path = ask.path if entry.path.startswith("/api/") else ask.path.replace("/api/", "/ajax-api/", 1)
    return Ask(ask.method, path, ask.query, ask.body)


def make_ours(people: People, suffix: str) -> dict[str, str]:
    """What alice has here, and what others have by her: teams, service accounts, requests, a key and a session."""
    alice, bob, root = people.alice, people.bob, people.root
    ids = {"suffix": suffix, "owner": alice.email, "whose": alice.email, "key": alice.key().split("_")[1]}
    ids["experiment_name"] = ids["wanted"] = f"{MARK}-shared-{suffix}"
    made = alice.must("POST", "2.0/mlflow/experiments/create", json={"name": ids["experiment_name"]})
    ids["experiment"], ids["name"] = made["experiment_id"], f"{MARK}-shared-model-{suffix}"
    alice.must("POST", "2.0/mlflow/registered-models/create", json={"name": ids["name"]})
    for team in ("team", "other_team"):
        ids[team] = str(_team(root, f"{MARK}-{team}-{suffix}", alice))
    for robot in ("robot", "other_robot"):
        ids[robot] = f"{MARK}-{robot.replace('_', '-')}-{suffix}"
        body = {"name": ids[robot], "owner": alice.email, "purpose": f"{MARK}-purpose"}
        root.must("POST", "2.0/mlflow/service-accounts", json=body)
    made = root.ajax("POST", f"2.0/mlflow/users/{ids['robot']}/tokens", json={"expires_at": _NEXT_WEEK})
    root.server.secrets.add(made.json()["token"])
    ids["robot_key"] = made.json()["id"]
    permission = {"resource_type": "experiment", "resource_pattern": ids["experiment"], "permission": "READ"}
    told = root.must("POST", "3.0/mlflow/roles/permissions/add", json={"role_id": int(ids["team"]), **permission})
    ids["role_permission"] = str(told["role_permission"]["id"])
    ids["request"] = _request(bob, "experiment", ids["experiment_name"])
    ids["other_request"] = _request(bob, "registered_model", ids["name"])
    ids["own_request"] = _request(alice, "experiment", f"nobody-has-{suffix}")
    ids["session"] = _session(alice)
    return ids


def nothing_of_ours(suffix: str) -> dict[str, str]:
    """The same names for what is not there, each id of the form that a real one has."""
    numbers = ("experiment", "team", "other_team", "role_permission", "request", "other_request", "own_request")
    ids = {name: str(secrets.randbelow(10**6) + 10**8) for name in (*numbers, "session")}
    names = ("experiment_name", "wanted", "name", "robot", "other_robot")
    ids |= {name: f"nothing-{name.replace('_', '-')}-{suffix}" for name in names}
    keys = {name: secrets.token_hex(6) for name in ("key", "robot_key")}
    return ids | keys | {"suffix": suffix, "owner": "nobody@example.test", "whose": "nobody@example.test"}


def secrets_of_ours(*sets: Ids) -> set[str]:
    """What tells of it: the mark, and each id that is long enough to be no accident. (All share a group: usernames are
    no secret among them.)"""
    known = ("owner", "whose", "suffix")
    ids = {value for one in sets for name, value in one.items() if name not in known and len(value) > 9}
    return {MARK} | ids


def _team(root: Person, name: str, member: Person) -> int:
    body = {"name": name, "description": f"{MARK}-description"}
    team = int(root.must("POST", "2.0/mlflow/groups", json=body)["group"]["id"])
    root.must("POST", f"2.0/mlflow/groups/{team}/members", json={"username": member.email})
    return team


def _request(by: Person, kind: str, name: str) -> str:
    body = {"resource_type": kind, "name": name, "permission": "READ", "reason": f"{MARK}-reason"}
    told = by.must("POST", "2.0/mlflow/access-requests", json=body)
    return str(told["access_request"]["id"])


def _session(person: Person) -> str:
    """The id of one more session."""
    address = f"{person.server.url}/ajax-api/2.0/mlflow/users/current/sessions"
    told = person.new_browser().get(address, headers=OUR_PAGE, timeout=TIMEOUT).json()
    return str(next(one["id"] for one in told["sessions"] if one["current"]))
