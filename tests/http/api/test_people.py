"""Accounts as JSON, for admins: disabled, enabled, deleted and handed over; nobody ends their own."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from mlflow_oidc_auth.database.tables import experiment_grants, memberships, named_grants, sessions, tokens, users
from mlflow_oidc_auth.tokens.store import TokenStore
from mlflow_oidc_auth.vocabulary import Level
from tests.http.api.changes import asked, audited, everything
from tests.http.api.gated import GatedSite
from tests.http.api.site import EXPERIMENT, MODEL, NOW, Person, Site, email

USERS, UNMANAGED = "2.0/mlflow/users", "2.0/mlflow/resources/unmanaged"


def give_credentials(site: Site, name: str) -> None:
    """A session and an access key."""
    user_id = site.people[name].id
    TokenStore(site.engine).create(user_id, NOW + timedelta(days=9), by=email(name), now=NOW)
    row = {"digest": name, "created_at": NOW, "last_seen_at": NOW, "expires_at": NOW + timedelta(hours=1)}
    with site.engine.begin() as connection:
        connection.execute(sessions.insert().values(user_id=user_id, **row))


def live_credentials(site: Site, name: str) -> tuple[int, int]:
    """How many sessions and access keys somebody has."""
    user_id = site.people[name].id
    with site.engine.connect() as connection:
        open_sessions = connection.execute(sa.select(sessions).where(sessions.c.user_id == user_id)).all()
    return len(open_sessions), len(TokenStore(site.engine).active_of(user_id, NOW))


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


OF_ADMINS = {
    "disabling": ("PATCH", f"{USERS}/{email('alice')}", {"is_active": False}),
    "enabling": ("PATCH", f"{USERS}/{email('dave')}", {"is_active": True}),
    "deleting": ("DELETE", f"{USERS}/delete", {"username": email("alice")}),
    "handing over": ("POST", f"{USERS}/{email('alice')}/hand-over", {"to": email("bob")}),
    "reading what nobody manages": ("GET", UNMANAGED, {}),
}


@pytest.mark.parametrize("what", OF_ADMINS)
def test_what_admins_do_is_refused_to_others_and_changes_nothing(gated: GatedSite, what: str) -> None:
    method, path, body = OF_ADMINS[what]
    before = everything(gated)
    for name in ("alice", "bob"):
        status, told = asked(gated.person(name), method, path, **body)
        assert (status, told["error_code"]) == (403, "PERMISSION_DENIED"), name
    assert everything(gated) == before
    assert asked(gated.person("root"), method, path, **body)[0] == 200


@pytest.mark.parametrize("how", ["disabled", "deleted"])
def test_sessions_and_keys_end_with_the_account_and_those_of_others_live_on(site: Site, root: Person, how: str) -> None:
    for name in ("alice", "bob"):
        give_credentials(site, name)
    if how == "disabled":
        asked(root, "PATCH", f"{USERS}/{email('bob')}", is_active=False)
    else:
        asked(root, "DELETE", f"{USERS}/delete", username=email("bob"))
    assert live_credentials(site, "bob") == (0, 0)
    assert live_credentials(site, "alice") == (1, 1)


def test_an_admins_key_ends_sessions_of_others_and_not_its_own_persons(site: Site, root: Person) -> None:
    for name in ("bob", "root"):
        give_credentials(site, name)
    before = everything(site)
    [mine] = root.get(f"{USERS}/{email('root')}/sessions").json["sessions"]  # type: ignore[index]
    for path in (f"{USERS}/{email('root')}/sessions", f"{USERS}/{email('root')}/sessions/{mine['id']}"):
        status, told = asked(root, "DELETE", path)
        assert (status, told["error_code"]) == (403, "PERMISSION_DENIED")
        assert "Log in to do that" in told["message"]
    assert everything(site) == before
    assert asked(root, "DELETE", f"{USERS}/{email('bob')}/sessions") == (200, {"ended": 1})
    assert live_credentials(site, "root") == (1, 1)


def test_who_is_enabled_again_gets_no_old_key_back(site: Site, root: Person) -> None:
    give_credentials(site, "bob")
    for is_active in (False, True):
        assert asked(root, "PATCH", f"{USERS}/{email('bob')}", is_active=is_active)[0] == 200
    assert live_credentials(site, "bob") == (0, 0)
    assert audited(site, "user.disable")[-1:] == audited(site, "user.enable") == [(email("bob"), None, None)]


def test_what_is_so_already_is_not_written_down_again(site: Site, root: Person) -> None:
    before = everything(site)
    assert asked(root, "PATCH", f"{USERS}/{email('dave')}", is_active=False)[0] == 200
    assert asked(root, "PATCH", f"{USERS}/{email('bob')}", is_active=True)[0] == 200
    assert everything(site) == before


NOBODY = {
    "disabling": ("PATCH", f"{USERS}/{email('nobody')}", {"is_active": False}),
    "deleting": ("DELETE", f"{USERS}/delete", {"username": email("nobody")}),
    "handing over of": ("POST", f"{USERS}/{email('nobody')}/hand-over", {"to": email("bob")}),
    "handing over to": ("POST", f"{USERS}/{email('alice')}/hand-over", {"to": email("nobody")}),
}


@pytest.mark.parametrize("what", NOBODY)
def test_who_is_not_there_is_not_found(site: Site, root: Person, what: str) -> None:
    method, path, body = NOBODY[what]
    before = everything(site)
    status, told = asked(root, method, path, **body)
    assert (status, told["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert everything(site) == before


WRONG = {
    "no word of it": {},
    "a text": {"is_active": "false"},
    "a number": {"is_active": 0},
    "nothing": {"is_active": None},
    "something else too": {"is_active": False, "is_admin": True},
}


@pytest.mark.parametrize("what", WRONG)
def test_a_change_that_is_spelled_wrong_changes_nothing(site: Site, root: Person, what: str) -> None:
    before = everything(site)
    status, told = asked(root, "PATCH", f"{USERS}/{email('bob')}", **WRONG[what])
    assert (status, told["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert everything(site) == before


def test_nothing_is_handed_over_to_who_is_disabled(site: Site, root: Person) -> None:
    before = everything(site)
    assert asked(root, "POST", f"{USERS}/{email('alice')}/hand-over", to=email("dave"))[0] == 400
    assert everything(site) == before
