"""What our client has beyond MLflow's: each method against our JSON, as admin and as somebody who is none."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from mlflow.exceptions import MlflowException

from mlflow_oidc_auth.client import (
    AccessKey,
    AccessRequest,
    AuditRecord,
    Explanation,
    Grant,
    Group,
    Member,
    OidcAuthClient,
    Preview,
    ServiceAccount,
    Session,
    Step,
    Unmanaged,
)
from tests.http.api.site import EXPERIMENT, MODEL, Site, email

ROOT = Path(__file__).parents[3]

TOLD = {
    AccessKey: "KeyTold",
    AccessRequest: "ToldRequest",
    AuditRecord: "ToldRecord",
    Explanation: "ToldExplanation",
    Grant: "ToldGrant",
    Group: "ToldGroup",
    Member: "ToldMember",
    Preview: "Preview",
    ServiceAccount: "ToldServiceAccount",
    Session: "SessionTold",
    Step: "ToldStep",
    Unmanaged: "ToldUnmanaged",
}


@pytest.mark.parametrize("value", TOLD, ids=lambda value: value.__name__)
def test_the_client_keeps_all_that_the_api_tells(value: type[Any]) -> None:
    document = json.loads((ROOT / "docs" / "openapi.json").read_text())
    told = document["components"]["schemas"][TOLD[value]]["properties"]
    assert {field.name for field in dataclasses.fields(value)} == set(told)


@pytest.fixture
def address(site: Site) -> Iterator[str]:
    """Where the site is served."""
    with site.served() as served:
        yield served


class As:
    """The client of somebody."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
        self._monkeypatch, self._address = monkeypatch, address

    def __call__(self, name: str) -> OidcAuthClient:
        self._monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", email(name))
        self._monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "key")
        return OidcAuthClient(self._address)


@pytest.fixture
def as_(monkeypatch: pytest.MonkeyPatch, address: str) -> As:
    """Ask as somebody; the last one named is who asks."""
    return As(monkeypatch, address)


def test_grants_to_groups_with_an_end_and_on_patterns(site: Site, as_: As) -> None:
    alice = as_("alice")
    made = alice.grant("experiment", "7", permission="READ", group="/readers", expires_at="2026-12-31")
    assert (made.group, made.permission) == ("/readers", "READ")
    assert made.expires_at == datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert {(grant.username, grant.group) for grant in alice.list_grants("experiment", "7")} == {
        (email("alice"), None),
        (None, "/readers"),
    }
    alice.revoke("experiment", "7", group="/readers")
    assert [grant.username for grant in alice.list_grants("experiment", "7")] == [email("alice")]
    with pytest.raises(MlflowException, match="admin"):
        alice.grant("experiment", pattern="team-a*", permission="READ", username=email("bob"))
    root = as_("root")
    root.grant("experiment", pattern="team-a*", permission="READ", username=email("bob"))
    preview = root.preview_grant("experiment", "team-a*", username=email("bob"))
    assert (preview.experiments, preview.people) == (1, 1)


def test_why(site: Site, as_: As) -> None:
    told = as_("alice").explain(email("alice"), "experiment", "7")
    assert (told.permission, told.decided_by) == ("MANAGE", "user")
    assert [step.rung for step in told.steps if step.decides] == ["user"]


def test_asking_for_access_and_deciding(site: Site, as_: As) -> None:
    as_("carol").request_access("registered_model", MODEL.key, "READ", "for a demo")
    [mine] = as_("carol").list_access_requests()
    assert (mine.state, mine.reason) == ("open", "for a demo")
    alice = as_("alice")
    [open_] = alice.list_access_requests(to_decide=True)
    alice.grant_access_request(open_.id)
    assert alice.get_user_permission(email("carol"), "registered_model", MODEL.key).permission == "READ"
    as_("carol").request_access("experiment", EXPERIMENT.key, "READ")
    [again] = as_("alice").list_access_requests(to_decide=True)
    as_("alice").decline_access_request(again.id)
    assert as_("alice").list_access_requests(to_decide=True) == []


def test_the_audit_is_told_to_admins(site: Site, as_: As) -> None:
    as_("alice").grant("experiment", "7", permission="READ", username=email("bob"))
    newest = next(iter(as_("root").audit(act="grant")))
    assert (newest.by, newest.act) == (email("alice"), "grant.give")


def test_a_team_by_mlflows_methods(site: Site, as_: As) -> None:
    root = as_("root")
    team = root.create_role("default", "vision", "sees")
    root.assign_role(email("bob"), team.id)
    permission = root.add_role_permission(team.id, "experiment", "*", "READ")
    assert root.get_user_permission(email("bob"), "experiment", "7").permission == "READ"
    changed = root.update_role_permission(permission.id, "EDIT")
    assert [one.id for one in root.list_role_permissions(team.id)] == [changed.id]
    root.remove_role_permission(changed.id)
    assert root.list_role_permissions(team.id) == []
    root.unassign_role(email("bob"), team.id)
    assert root.list_role_users(team.id) == []
    assert root.update_role(team.id, name="seeing").name == "seeing"
    root.delete_role(team.id)
    with pytest.raises(MlflowException, match="no such"):
        root.get_role(team.id)


def test_teams_their_members_and_who_may_see_them(site: Site, as_: As) -> None:
    root = as_("root")
    team = root.create_group("vision", description="sees")
    assert (team.name, team.source, team.description, team.members) == ("vision", "team", "sees", 0)
    root.add_group_member(team.id, email("bob"))
    assert [member.username for member in root.list_group_members(team.id)] == [email("bob")]
    assert root.get_group(team.id).members == 1
    assert root.update_group(team.id, name="seeing").name == "seeing"
    assert [group.name for group in root.list_groups("seei")] == ["seeing"]
    assert "seeing" in [group.name for group in as_("bob").list_groups()]
    root = as_("root")
    with pytest.raises(MlflowException, match="source"):
        root.create_group("hearing", source="another")
    root.remove_group_member(team.id, email("bob"))
    assert root.list_group_members(team.id) == []
    root.delete_group(team.id)
    assert root.list_groups("seei") == []


def test_service_accounts(site: Site, as_: As) -> None:
    root = as_("root")
    made = root.create_service_account("robot", email("alice"), "nightly training")
    assert (made.username, made.owner, made.purpose, made.is_active) == (
        "robot",
        email("alice"),
        "nightly training",
        True,
    )
    assert root.update_service_account("robot", purpose="weekly training").purpose == "weekly training"
    assert root.get_service_account("robot").owner == email("alice")
    assert [account.username for account in root.list_service_accounts()] == ["robot"]
    root.delete_service_account("robot")
    assert root.list_service_accounts() == []


def test_what_somebody_manages_is_handed_over_and_they_are_shut_out(site: Site, as_: As) -> None:
    root = as_("root")
    assert root.hand_over(email("alice"), email("bob")) == 3
    assert root.get_user_permission(email("bob"), "experiment", "7").permission == "MANAGE"
    root.set_user_active(email("bob"), False)
    assert {one.resource_id for one in root.list_unmanaged()} >= {"7", MODEL.key}
    root.set_user_active(email("bob"), True)
    assert "7" not in {one.resource_id for one in root.list_unmanaged()}
    assert root.list_sessions(email("alice")) == []
    assert root.end_sessions(email("alice")) == 0
    root.delete_user(email("alice"))
    with pytest.raises(MlflowException):
        root.get_user(email("alice"))
