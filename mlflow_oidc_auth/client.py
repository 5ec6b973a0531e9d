"""Permissions from Python, on the user's machine: `mlflow.server.get_app_client("oidc-auth", tracking_uri)`.

It has the methods of MLflow's own `AuthServiceClient`, with the same arguments, and gives answers with the same
attributes. Where an idea does not exist here (passwords, roles that are edited), the method says what to do instead.

It does not derive from `AuthServiceClient`: importing that loads MLflow's whole basic-auth server, and needs the
`auth` extra on every user's machine. Nothing of our server is loaded either.

Credentials are those of the MLflow client: `MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD` (the access
key), `MLFLOW_TRACKING_TOKEN`, or `~/.mlflow/credentials`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, NoReturn, TypeVar

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import NOT_IMPLEMENTED
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request, verify_rest_response

from mlflow_oidc_auth.operations.ours import (
    ADMIN_BY_GROUP,
    NO_DELETION,
    NO_NEW_USERS,
    NO_PASSWORDS,
    ROLES_ARE_GROUPS,
)
from mlflow_oidc_auth.operations.requirements import Deny

_USERS = "/api/2.0/mlflow/users"
_PERMISSIONS = "/api/3.0/mlflow/users/permissions"
_ROLES = "/api/3.0/mlflow/roles"


@dataclass(frozen=True, slots=True)
class RolePermission:
    """What a role opens: one resource, or a pattern with a trailing `*`."""

    id: int
    role_id: int
    resource_type: str
    resource_pattern: str
    permission: str


@dataclass(frozen=True, slots=True)
class Role:
    """A group or team; or, called `__user_<id>__`, what a user was granted by name."""

    id: int
    name: str
    workspace: str
    description: str | None = None
    permissions: tuple[RolePermission, ...] = ()


@dataclass(frozen=True, slots=True)
class User:
    """A user. `roles` is filled by :meth:`OidcAuthClient.list_users` alone."""

    id: int
    username: str
    is_admin: bool
    roles: tuple[Role, ...] = ()


@dataclass(frozen=True, slots=True)
class UserPermission:
    """One grant that reaches a user: their own, or one of a group or team."""

    role_id: int
    role_name: str
    workspace: str
    resource_type: str
    resource_pattern: str
    permission: str


@dataclass(frozen=True, slots=True)
class GetUserPermissionResult:
    """What a user may do with a resource. `allowed` means at least USE."""

    allowed: bool
    permission: str


@dataclass(frozen=True, slots=True)
class UserRoleAssignment:
    """That a user is in a group or team."""

    id: int
    user_id: int
    role_id: int


_Told = TypeVar("_Told", RolePermission, UserPermission, UserRoleAssignment)


class OidcAuthClient:
    """Asks an MLflow server with this plugin.

    All methods raise `mlflow.exceptions.MlflowException` when the server refuses; its message says what to do.

    Args:
        tracking_uri: the server's address, with its prefix if it has one.
    """

    def __init__(self, tracking_uri: str) -> None:
        self.tracking_uri = tracking_uri

    # --- Permissions: for who manages the resource -----------------------------------------------

    def grant_user_permission(self, username: str, resource_type: str, resource_id: str, permission: str) -> None:
        """Make `permission` what the user's own grant on a resource says.

        Args:
            username: the user's e-mail.
            resource_type: `experiment`, `registered_model` or `prompt`.
            resource_id: an experiment's id, or a name.
            permission: `READ`, `USE`, `EDIT`, `MANAGE` or `NO_PERMISSIONS`.
        """
        sent = _resource(username, resource_type, resource_id) | {"permission": permission}
        self._request("POST", f"{_PERMISSIONS}/grant", json=sent)

    def revoke_user_permission(self, username: str, resource_type: str, resource_id: str) -> None:
        """Take the user's own grant on a resource away; what comes from a group or pattern stays."""
        self._request("POST", f"{_PERMISSIONS}/revoke", json=_resource(username, resource_type, resource_id))

    def get_user_permission(self, username: str, resource_type: str, resource_id: str) -> GetUserPermissionResult:
        """What a user may do with a resource, whatever it comes from. Everybody may ask for themselves."""
        sent = _resource(username, resource_type, resource_id)
        told = self._request("GET", f"{_PERMISSIONS}/get", params=sent)
        return GetUserPermissionResult(told["allowed"], told["permission"])

    # --- People: oneself, and everybody for an admin ---------------------------------------------

    def current_user(self) -> User:
        """Who the credentials belong to."""
        return _user(self._request("GET", f"{_USERS}/current")["user"])

    def get_user(self, username: str) -> User:
        """One user."""
        return _user(self._request("GET", f"{_USERS}/get", params={"username": username})["user"])

    def list_users(self) -> list[User]:
        """Everybody, for an admin; else oneself and the people of one's groups."""
        return [_user(told) for told in self._request("GET", f"{_USERS}/list")["users"]]

    def list_user_roles(self, username: str) -> list[Role]:
        """The groups and teams of a user, with what was granted to each, and the user's own grants."""
        told = self._request("GET", "/api/3.0/mlflow/users/roles/list", params={"username": username})
        return [_role(role) for role in told["roles"]]

    def list_permissions(self, username: str) -> list[UserPermission]:
        """Every grant that reaches a user."""
        told = self._request("GET", f"{_PERMISSIONS}/list", params={"username": username})
        return [_picked(UserPermission, row) for row in told["permissions"]]

    # --- Groups and teams, which MLflow calls roles: for admins ----------------------------------

    def get_role(self, role_id: int) -> Role:
        """One group or team."""
        return _role(self._request("GET", f"{_ROLES}/get", params={"role_id": str(role_id)})["role"])

    def list_roles(self, workspace: str) -> list[Role]:
        """Every group and team; they are all in the workspace `default`."""
        told = self._request("GET", f"{_ROLES}/list", params={"workspace": workspace})
        return [_role(role) for role in told["roles"]]

    def list_all_roles(self) -> list[Role]:
        """Every group and team."""
        return [_role(role) for role in self._request("GET", f"{_ROLES}/list")["roles"]]

    def list_role_permissions(self, role_id: int) -> list[RolePermission]:
        """What was granted to one group or team."""
        told = self._request("GET", f"{_ROLES}/permissions/list", params={"role_id": str(role_id)})
        return [_picked(RolePermission, permission) for permission in told["role_permissions"]]

    def list_role_users(self, role_id: int) -> list[UserRoleAssignment]:
        """Who is in one group or team."""
        told = self._request("GET", f"{_ROLES}/users/list", params={"role_id": str(role_id)})
        return [_picked(UserRoleAssignment, assignment) for assignment in told["assignments"]]

    # --- What MLflow's client has and we have not ------------------------------------------------

    def create_user(self, username: str, password: str) -> NoReturn:
        """Not here: people become users when they log in."""
        _not_here(NO_NEW_USERS)

    def update_user_password(self, username: str, password: str, current_password: str | None = None) -> NoReturn:
        """Not here: there are no passwords."""
        _not_here(NO_PASSWORDS)

    def update_user_admin(self, username: str, is_admin: bool) -> NoReturn:
        """Not here: admins are a group of the login service."""
        _not_here(ADMIN_BY_GROUP)

    def delete_user(self, username: str) -> NoReturn:
        """Not here: who may log in is decided in the login service."""
        _not_here(NO_DELETION)

    def create_role(self, workspace: str, name: str, description: str | None = None) -> NoReturn:
        """Not here: roles are groups."""
        _not_here(ROLES_ARE_GROUPS)

    def update_role(self, role_id: int, name: str | None = None, description: str | None = None) -> NoReturn:
        """Not here: roles are groups."""
        _not_here(ROLES_ARE_GROUPS)

    def delete_role(self, role_id: int) -> NoReturn:
        """Not here: roles are groups."""
        _not_here(ROLES_ARE_GROUPS)

    def add_role_permission(self, role_id: int, resource_type: str, resource_pattern: str, permission: str) -> NoReturn:
        """Not here: grant to users."""
        _not_here(ROLES_ARE_GROUPS)

    def remove_role_permission(self, role_permission_id: int) -> NoReturn:
        """Not here: grant to users."""
        _not_here(ROLES_ARE_GROUPS)

    def update_role_permission(self, role_permission_id: int, permission: str) -> NoReturn:
        """Not here: grant to users."""
        _not_here(ROLES_ARE_GROUPS)

    def assign_role(self, username: str, role_id: int) -> NoReturn:
        """Not here: membership is the login service's."""
        _not_here(ROLES_ARE_GROUPS)

    def unassign_role(self, username: str, role_id: int) -> NoReturn:
        """Not here: membership is the login service's."""
        _not_here(ROLES_ARE_GROUPS)

    def _request(self, method: str, path: str, **sent: Any) -> dict[str, Any]:
        answer = http_request(get_default_host_creds(self.tracking_uri), path, method, **sent)
        told: dict[str, Any] = verify_rest_response(answer, path).json()
        return told


def _resource(username: str, resource_type: str, resource_id: str) -> dict[str, str]:
    return {"username": username, "resource_type": resource_type, "resource_id": str(resource_id)}


def _user(told: Mapping[str, Any]) -> User:
    roles = tuple(_role(role) for role in told.get("roles", ()))
    return User(told["id"], told["username"], told["is_admin"], roles)


def _role(told: Mapping[str, Any]) -> Role:
    permissions = tuple(_picked(RolePermission, permission) for permission in told.get("permissions", ()))
    return Role(told["id"], told["name"], told["workspace"], told.get("description"), permissions)


def _picked(cls: type[_Told], told: Mapping[str, Any]) -> _Told:
    """A value of what this client knows; a newer server may tell more."""
    return cls(**{field.name: told[field.name] for field in fields(cls)})


def _not_here(denied: Deny) -> NoReturn:
    """Say what the server would say."""
    raise MlflowException(denied.why, error_code=NOT_IMPLEMENTED)
