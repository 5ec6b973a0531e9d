"""The methods of MLflow's own `AuthServiceClient`, and the three of its server that it lacks."""

from __future__ import annotations

from typing import NoReturn

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import NOT_IMPLEMENTED

from mlflow_oidc_auth.client import values
from mlflow_oidc_auth.client.asking import Asking, given
from mlflow_oidc_auth.client.values import (
    GetUserPermissionResult,
    Role,
    RolePermission,
    User,
    UserPermission,
    UserRoleAssignment,
    read,
)
from mlflow_oidc_auth.operations.ours import ADMIN_BY_GROUP, NO_NEW_USERS, NO_PASSWORDS
from mlflow_oidc_auth.operations.requirements import Deny

_USERS = "/api/2.0/mlflow/users"
_PERMISSIONS = "/api/3.0/mlflow/users/permissions"
_ROLES = "/api/3.0/mlflow/roles"


class MlflowsMethods(Asking):
    """Users, permissions, and roles: a role is a group or team here."""

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
        return values.user(self._request("GET", f"{_USERS}/current")["user"])

    def get_user(self, username: str) -> User:
        """One user."""
        return values.user(self._request("GET", f"{_USERS}/get", params={"username": username})["user"])

    def list_users(self) -> list[User]:
        """Everybody, for an admin; else oneself and the people of one's groups."""
        return [values.user(told) for told in self._request("GET", f"{_USERS}/list")["users"]]

    def list_user_roles(self, username: str) -> list[Role]:
        """The groups and teams of a user, with what was granted to each, and the user's own grants."""
        told = self._request("GET", "/api/3.0/mlflow/users/roles/list", params={"username": username})
        return [values.role(role) for role in told["roles"]]

    def list_permissions(self, username: str) -> list[UserPermission]:
        """Every grant that reaches a user."""
        told = self._request("GET", f"{_PERMISSIONS}/list", params={"username": username})
        return [read(UserPermission, row) for row in told["permissions"]]

    def delete_user(self, username: str) -> None:
        """For admins: delete a user with their sessions, access keys and grants. Hand over first what they manage."""
        self._request("DELETE", f"{_USERS}/delete", json={"username": username})

    # --- Groups and teams, which MLflow calls roles: for admins ----------------------------------

    def get_role(self, role_id: int) -> Role:
        """One group or team."""
        return values.role(self._request("GET", f"{_ROLES}/get", params={"role_id": str(role_id)})["role"])

    def list_roles(self, workspace: str) -> list[Role]:
        """Every group and team; they are all in the workspace `default`."""
        told = self._request("GET", f"{_ROLES}/list", params={"workspace": workspace})
        return [values.role(role) for role in told["roles"]]

    def list_all_roles(self) -> list[Role]:
        """Every group and team."""
        return [values.role(role) for role in self._request("GET", f"{_ROLES}/list")["roles"]]

    def create_role(self, workspace: str, name: str, description: str | None = None) -> Role:
        """Make a team; the workspace is `default`."""
        sent = given(workspace=workspace, name=name, description=description)
        return values.role(self._request("POST", f"{_ROLES}/create", json=sent)["role"])

    def update_role(self, role_id: int, name: str | None = None, description: str | None = None) -> Role:
        """Rename a team, or describe it anew."""
        sent = given(role_id=role_id, name=name, description=description)
        return values.role(self._request("PATCH", f"{_ROLES}/update", json=sent)["role"])

    def delete_role(self, role_id: int) -> None:
        """Delete a team, with all that was granted to it."""
        self._request("DELETE", f"{_ROLES}/delete", json={"role_id": role_id})

    def add_role_permission(
        self, role_id: int, resource_type: str, resource_pattern: str, permission: str
    ) -> RolePermission:
        """Grant to a group or team: on an id or name, or on a pattern such as `teama-*`."""
        sent = {"resource_type": resource_type, "resource_pattern": resource_pattern, "permission": permission}
        told = self._request("POST", f"{_ROLES}/permissions/add", json={"role_id": role_id, **sent})
        return read(RolePermission, told["role_permission"])

    def remove_role_permission(self, role_permission_id: int) -> None:
        """Take a grant of a group or team away."""
        sent = {"role_permission_id": role_permission_id}
        self._request("DELETE", f"{_ROLES}/permissions/remove", json=sent)

    def update_role_permission(self, role_permission_id: int, permission: str) -> RolePermission:
        """Change the level of a grant of a group or team."""
        sent = {"role_permission_id": role_permission_id, "permission": permission}
        return read(
            RolePermission, self._request("PATCH", f"{_ROLES}/permissions/update", json=sent)["role_permission"]
        )

    def list_role_permissions(self, role_id: int) -> list[RolePermission]:
        """What was granted to one group or team."""
        told = self._request("GET", f"{_ROLES}/permissions/list", params={"role_id": str(role_id)})
        return [read(RolePermission, permission) for permission in told["role_permissions"]]

    def assign_role(self, username: str, role_id: int) -> UserRoleAssignment:
        """Put a user into a team. Who is in a group is chosen in the login service."""
        sent = {"username": username, "role_id": role_id}
        return read(UserRoleAssignment, self._request("POST", f"{_ROLES}/assign", json=sent)["assignment"])

    def unassign_role(self, username: str, role_id: int) -> None:
        """Take a user out of a team."""
        self._request("DELETE", f"{_ROLES}/unassign", json={"username": username, "role_id": role_id})

    def list_role_users(self, role_id: int) -> list[UserRoleAssignment]:
        """Who is in one group or team."""
        told = self._request("GET", f"{_ROLES}/users/list", params={"role_id": str(role_id)})
        return [read(UserRoleAssignment, assignment) for assignment in told["assignments"]]

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


def _resource(username: str, resource_type: str, resource_id: str) -> dict[str, str]:
    return {"username": username, "resource_type": resource_type, "resource_id": str(resource_id)}


def _not_here(denied: Deny) -> NoReturn:
    """Say what the server would say."""
    raise MlflowException(denied.why, error_code=NOT_IMPLEMENTED)
