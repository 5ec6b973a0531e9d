"""Every operation of our own: pages, and JSON at `/api/...` and `/ajax-api/...`.

What MLflow's own auth API has and we have not (passwords, roles that are edited there) is denied with a
sentence that says where the idea lives here; the gate answers those, so they need no route.

SECURITY: what makes, lists or revokes access keys is `InBrowser`: a token must not mint or renew tokens.
"""

from __future__ import annotations

from mlflow_oidc_auth.operations.requirements import Admin, Deny, Entry, InBrowser, Public, Requirement, SignedIn

_NO_PASSWORDS = Deny(
    "There are no passwords here: people log in with the login service, and programs use an access key. "
    "Make one on the Permissions page."
)
_NO_NEW_USERS = Deny(
    "Users are not made here: whoever logs in for the first time, and is in an allowed group, becomes a user."
)
_ADMIN_BY_GROUP = Deny("Who is an admin follows the admin group of the login service; change the membership there.")


def page(method: str, path: str, requirement: Requirement) -> Entry:
    """A page of ours."""
    return Entry(method, path, requirement, ours=True)


def json(method: str, path: str, requirement: Requirement) -> tuple[Entry, Entry]:
    """One JSON operation at its two addresses."""
    return (
        Entry(method, f"/api/{path}", requirement, ours=True),
        Entry(method, f"/ajax-api/{path}", requirement, ours=True),
    )


OURS: tuple[Entry, ...] = (
    # --- Logging in and out ------------------------------------------------------------------------------
    page("GET", "/login", Public("the page that offers the login")),
    page("GET", "/login/start", Public("begins a login at the provider")),
    page("GET", "/callback", Public("the provider sends the browser back here; checks state, nonce and code itself")),
    page("GET", "/logout", Public("ends the session of the cookie; asks first when another site sent the browser")),
    page("POST", "/logout", Public("ends the session of the cookie")),
    page("POST", "/backchannel-logout", Public("called by the provider; proven by its signed logout token")),
    # --- Probes and files --------------------------------------------------------------------------------
    page("GET", "/health/live", Public("says that the process runs, for probes")),
    page("GET", "/health/ready", Public("says whether the database answers, for probes")),
    page("GET", "/permissions/static/<path:filename>", Public("style and scripts of our pages, the same for everybody")),
    # --- The Permissions page ----------------------------------------------------------------------------
    page("GET", "/permissions", InBrowser()),
    page("POST", "/permissions/keys", InBrowser()),
    page("POST", "/permissions/keys/revoke", InBrowser()),
    # --- Access keys -------------------------------------------------------------------------------------
    *json("GET", "2.0/mlflow/users/current/tokens", InBrowser()),
    *json("POST", "2.0/mlflow/users/current/tokens", InBrowser()),
    *json("DELETE", "2.0/mlflow/users/current/tokens/<token_id>", InBrowser()),
    # --- Users, in the shapes of MLflow's own auth API ---------------------------------------------------
    *json("GET", "2.0/mlflow/users/current", SignedIn()),
    *json("GET", "3.0/mlflow/users/current/permissions", SignedIn()),
    *json("GET", "2.0/mlflow/users/list", Admin()),
    *json("GET", "2.0/mlflow/users/get", SignedIn()),
    *json("GET", "3.0/mlflow/users/roles/list", SignedIn()),
    # --- Grants, in the shapes of MLflow's own auth API --------------------------------------------------
    *json("GET", "3.0/mlflow/users/permissions/list", SignedIn()),
    *json("GET", "3.0/mlflow/users/permissions/get", SignedIn()),
    *json("POST", "3.0/mlflow/users/permissions/grant", SignedIn()),
    *json("POST", "3.0/mlflow/users/permissions/revoke", SignedIn()),
    # --- What MLflow's own auth API has and we have not --------------------------------------------------
    *json("POST", "2.0/mlflow/users/create", _NO_NEW_USERS),
    page("GET", "/signup", _NO_NEW_USERS),
    page("POST", "/api/2.0/mlflow/users/create-ui", _NO_NEW_USERS),
    *json("PATCH", "2.0/mlflow/users/update-password", _NO_PASSWORDS),
    *json("PATCH", "2.0/mlflow/users/update-admin", _ADMIN_BY_GROUP),
)
