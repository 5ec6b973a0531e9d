"""Permissions from Python, on the user's machine: `mlflow.server.get_app_client("oidc-auth", tracking_uri)`.

It has the methods of MLflow's own `AuthServiceClient`, with the same arguments, and gives answers with the same
attributes (`mlflows.py`); and ours: sharing with groups, patterns and end dates, teams, service accounts, requests,
"why?", and what admins do (`ours.py`). Where an idea does not exist here (passwords), the method says what to do
instead.

It does not derive from `AuthServiceClient`: importing that loads MLflow's whole basic-auth server, and needs the
`auth` extra on every user's machine. Nothing of our server is loaded either.

Credentials are those of the MLflow client: `MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD` (the access
key), `MLFLOW_TRACKING_TOKEN`, or `~/.mlflow/credentials`, which `login()` (`login.py`) asks for and writes.
"""

from mlflow_oidc_auth.client.login import login
from mlflow_oidc_auth.client.ours import OidcAuthClient
from mlflow_oidc_auth.client.values import (
    AccessKey,
    AccessRequest,
    AuditRecord,
    Explanation,
    GetUserPermissionResult,
    Grant,
    Group,
    Member,
    Preview,
    Role,
    RolePermission,
    ServiceAccount,
    Session,
    Step,
    Unmanaged,
    User,
    UserPermission,
    UserRoleAssignment,
)

__all__ = [
    "AccessKey",
    "AccessRequest",
    "AuditRecord",
    "Explanation",
    "GetUserPermissionResult",
    "Grant",
    "Group",
    "Member",
    "OidcAuthClient",
    "Preview",
    "Role",
    "RolePermission",
    "ServiceAccount",
    "Session",
    "Step",
    "Unmanaged",
    "User",
    "UserPermission",
    "UserRoleAssignment",
    "login",
]
