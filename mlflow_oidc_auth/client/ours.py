"""What this server has and MLflow's own auth has not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from mlflow_oidc_auth.client import values
from mlflow_oidc_auth.client.asking import given
from mlflow_oidc_auth.client.mlflows import MlflowsMethods
from mlflow_oidc_auth.client.values import (
    AccessKey,
    AccessRequest,
    AuditRecord,
    Explanation,
    Grant,
    Group,
    Member,
    Preview,
    ServiceAccount,
    Session,
    Unmanaged,
    User,
    read,
)

_ROOT = "/api/2.0/mlflow"


class OidcAuthClient(MlflowsMethods):
    """Asks an MLflow server with this plugin.

    All methods raise `mlflow.exceptions.MlflowException` when the server refuses; its message says what to do.
    Dates are text as in `2027-01-31`, and mean the last second of that day, UTC.

    Args:
        tracking_uri: the server's address, with its prefix if it has one.
    """

    # --- Sharing: for who manages the resource; patterns for admins ------------------------------

    def list_grants(
        self,
        resource_type: str | None = None,
        resource_id: str | None = None,
        *,
        username: str | None = None,
        group_id: int | None = None,
    ) -> list[Grant]:
        """The grants on a resource and the patterns that cover it; or those of a user, or of a group.

        With no argument: one's own and those of one's groups; for an admin, all.
        """
        of = given(resource_type=resource_type, resource_id=resource_id, username=username, group_id=group_id)
        return [read(Grant, told) for told in self._every(f"{_ROOT}/grants", "grants", **of)]

    def grant(
        self,
        resource_type: str,
        resource_id: str | None = None,
        *,
        permission: str,
        pattern: str | None = None,
        username: str | None = None,
        group: str | None = None,
        group_id: int | None = None,
        expires_at: str | None = None,
    ) -> Grant:
        """Give a user, or a group or team, a permission on a resource or on a pattern such as `teama-*`.

        It replaces what their own grant there said.

        Args:
            resource_type: `experiment`, `registered_model` or `prompt`.
            resource_id: an experiment's id, or a name; or else `pattern`.
            permission: `READ`, `USE`, `EDIT`, `MANAGE` or `NO_PERMISSIONS`.
            username: to whom; or else `group` (its name) or `group_id`.
            expires_at: the last day of it.
        """
        sent = _grant(resource_type, resource_id, pattern, username, group, group_id)
        sent |= given(permission=permission, expires_at=expires_at)
        return read(Grant, self._request("POST", f"{_ROOT}/grants", json=sent)["grant"])

    def revoke(
        self,
        resource_type: str,
        resource_id: str | None = None,
        *,
        pattern: str | None = None,
        username: str | None = None,
        group: str | None = None,
        group_id: int | None = None,
    ) -> None:
        """Take the grant of a user or group on a resource or pattern away; what others give them stays."""
        sent = _grant(resource_type, resource_id, pattern, username, group, group_id)
        self._request("DELETE", f"{_ROOT}/grants", json=sent)

    def preview_grant(
        self, resource_type: str, pattern: str, *, username: str | None = None, group_id: int | None = None
    ) -> Preview:
        """For admins: what a grant on a pattern would open at this moment, and to how many people."""
        wanted = given(resource_type=resource_type, pattern=pattern, username=username, group_id=group_id)
        return read(Preview, self._request("GET", f"{_ROOT}/grants/preview", params=wanted))

    def explain(self, username: str, resource_type: str, resource_id: str) -> Explanation:
        """Why a user has the permission they have on a resource: the grant that decides, and those that do not.

        Of oneself, or of anybody for who manages it.
        """
        wanted = {"username": username, "resource_type": resource_type, "resource_id": str(resource_id)}
        return values.explanation(self._request("GET", f"{_ROOT}/explain", params=wanted)["explanation"])

    # --- Asking for access -----------------------------------------------------------------------

    def request_access(self, resource_type: str, name: str, permission: str, reason: str | None = None) -> None:
        """Ask who manages something for access to it; nothing is said about whether it exists."""
        sent = given(resource_type=resource_type, name=name, permission=permission, reason=reason)
        self._request("POST", f"{_ROOT}/access-requests", json=sent)

    def list_access_requests(self, *, to_decide: bool = False) -> list[AccessRequest]:
        """What one asked for oneself; or, `to_decide`, the open requests on what one manages."""
        wanted = {"to_decide": "true"} if to_decide else {}
        found = self._every(f"{_ROOT}/access-requests", "access_requests", **wanted)
        return [read(AccessRequest, told) for told in found]

    def grant_access_request(
        self, request_id: int, *, permission: str | None = None, expires_at: str | None = None
    ) -> None:
        """Give what was asked for, or another permission."""
        sent = given(permission=permission, expires_at=expires_at)
        self._request("POST", f"{_ROOT}/access-requests/{request_id}/grant", json=sent)

    def decline_access_request(self, request_id: int) -> None:
        """Give nothing."""
        self._request("POST", f"{_ROOT}/access-requests/{request_id}/decline", json={})

    def withdraw_access_request(self, request_id: int) -> None:
        """Take back what one has asked for."""
        self._request("POST", f"{_ROOT}/access-requests/{request_id}/withdraw", json={})

    # --- Access keys: made and listed in the browser alone ---------------------------------------

    def list_tokens(self) -> list[AccessKey]:
        """Not with an access key: the server says so. See the Permissions page."""
        return [read(AccessKey, told) for told in self._request("GET", f"{_ROOT}/users/current/tokens")["tokens"]]

    def create_token(self, expires_at: str, name: str | None = None) -> str:
        """Not with an access key: one cannot make another. Make it on the Permissions page."""
        sent = given(expires_at=expires_at, name=name)
        return str(self._request("POST", f"{_ROOT}/users/current/tokens", json=sent)["token"])

    def revoke_token(self, token_id: str) -> None:
        """Not with an access key. Revoke it on the Permissions page."""
        self._request("DELETE", f"{_ROOT}/users/current/tokens/{_part(token_id)}")

    def revoke_user_token(self, username: str, token_id: str) -> None:
        """For admins: end one access key of a user or service account; the next request with it is refused."""
        self._request("DELETE", f"{_ROOT}/users/{_part(username)}/tokens/{_part(token_id)}")

    # --- Groups and teams: everybody sees their own, admins all and change them ------------------

    def list_groups(self, search: str | None = None) -> list[Group]:
        """Groups and teams: all for an admin, else one's own."""
        return [read(Group, told) for told in self._every(f"{_ROOT}/groups", "groups", search=search)]

    def create_group(self, name: str, source: str = "team", description: str | None = None) -> Group:
        """Make a team; or, with `source="provider"`, make a group of the login service known before its first login."""
        sent = given(name=name, source=source, description=description)
        return read(Group, self._request("POST", f"{_ROOT}/groups", json=sent)["group"])

    def get_group(self, group_id: int) -> Group:
        """One group or team."""
        return read(Group, self._request("GET", f"{_ROOT}/groups/{group_id}")["group"])

    def update_group(self, group_id: int, *, name: str | None = None, description: str | None = None) -> Group:
        """Rename a team, or describe it anew."""
        sent = given(name=name, description=description)
        return read(Group, self._request("PATCH", f"{_ROOT}/groups/{group_id}", json=sent)["group"])

    def delete_group(self, group_id: int) -> None:
        """Delete a team, with all that was granted to it."""
        self._request("DELETE", f"{_ROOT}/groups/{group_id}")

    def list_group_members(self, group_id: int) -> list[Member]:
        """Who is in a group or team."""
        return [read(Member, told) for told in self._every(f"{_ROOT}/groups/{group_id}/members", "members")]

    def add_group_member(self, group_id: int, username: str) -> None:
        """Put a user into a team. Who is in a group is chosen in the login service."""
        self._request("POST", f"{_ROOT}/groups/{group_id}/members", json={"username": username})

    def remove_group_member(self, group_id: int, username: str) -> None:
        """Take a user out of a team."""
        self._request("DELETE", f"{_ROOT}/groups/{group_id}/members", json={"username": username})

    # --- Service accounts: for admins ------------------------------------------------------------

    def list_service_accounts(self) -> list[ServiceAccount]:
        """All of them."""
        found = self._every(f"{_ROOT}/service-accounts", "service_accounts")
        return [read(ServiceAccount, told) for told in found]

    def create_service_account(self, name: str, owner: str, purpose: str) -> ServiceAccount:
        """Make one. An admin makes its access key, in the browser or in the shell."""
        sent = {"name": name, "owner": owner, "purpose": purpose}
        return read(ServiceAccount, self._request("POST", f"{_ROOT}/service-accounts", json=sent)["service_account"])

    def get_service_account(self, username: str) -> ServiceAccount:
        """One of them."""
        told = self._request("GET", f"{_ROOT}/service-accounts/{_part(username)}")
        return read(ServiceAccount, told["service_account"])

    def update_service_account(
        self, username: str, *, owner: str | None = None, purpose: str | None = None
    ) -> ServiceAccount:
        """Give one another owner or purpose."""
        sent = given(owner=owner, purpose=purpose)
        told = self._request("PATCH", f"{_ROOT}/service-accounts/{_part(username)}", json=sent)
        return read(ServiceAccount, told["service_account"])

    def delete_service_account(self, username: str) -> None:
        """Delete one, with its access keys and grants."""
        self._request("DELETE", f"{_ROOT}/service-accounts/{_part(username)}")

    # --- What else admins do ---------------------------------------------------------------------

    def set_user_active(self, username: str, is_active: bool) -> User:
        """Keep a user out, with their sessions and access keys ended; or let them in again."""
        told = self._request("PATCH", f"{_ROOT}/users/{_part(username)}", json={"is_active": is_active})
        return values.user(told["user"])

    def hand_over(self, username: str, to: str) -> int:
        """Give all that a user manages by grants of their own to another user; how many grants."""
        told = self._request("POST", f"{_ROOT}/users/{_part(username)}/hand-over", json={"to": to})
        return int(told["resources"])

    def list_sessions(self, username: str) -> list[Session]:
        """Where a user is logged in with a browser."""
        told = self._request("GET", f"{_ROOT}/users/{_part(username)}/sessions")
        return [read(Session, session) for session in told["sessions"]]

    def end_session(self, username: str, session_id: int) -> None:
        """End one session of a user."""
        self._request("DELETE", f"{_ROOT}/users/{_part(username)}/sessions/{session_id}")

    def end_sessions(self, username: str) -> int:
        """End all sessions of a user; how many there were."""
        return int(self._request("DELETE", f"{_ROOT}/users/{_part(username)}/sessions")["ended"])

    def list_unmanaged(self) -> list[Unmanaged]:
        """What nobody manages: give it to somebody with :meth:`grant`."""
        found = self._every(f"{_ROOT}/resources/unmanaged", "resources")
        return [read(Unmanaged, told) for told in found]

    def audit(
        self,
        *,
        by: str | None = None,
        act: str | None = None,
        subject: str | None = None,
        since: str | None = None,
        until: str | None = None,
    ) -> Iterator[AuditRecord]:
        """Who did what to whom, the newest first, read page by page.

        Args:
            by: what this user did; or `shell`, or `system`.
            act: such as `grant.give`, or `grant` for all of a kind.
            subject: what was done to something that holds this text.
            since: from this day on.
            until: up to the end of this day.
        """
        wanted = given(by=by, act=act, subject=subject, since=since, until=until)
        return (read(AuditRecord, told) for told in self._every(f"{_ROOT}/audit", "records", **wanted))


def _grant(
    resource_type: str,
    resource_id: str | None,
    pattern: str | None,
    username: str | None,
    group: str | None,
    group_id: int | None,
) -> dict[str, Any]:
    key = None if resource_id is None else str(resource_id)
    of = given(resource_id=key, pattern=pattern, username=username, group=group, group_id=group_id)
    return {"resource_type": resource_type, **of}


def _part(text: str) -> str:
    """A name as part of a path."""
    return quote(text, safe="")
