"""Every operation of our own: pages, and JSON at `/api/...` and `/ajax-api/...`.

What MLflow's own auth API has and we have not (passwords, roles that are edited there) is denied with a
sentence that says where the idea lives here; the gate answers those, so they need no route.

SECURITY: what makes, lists or revokes access keys is `InBrowser`: a token must not mint or renew tokens.
"""

from __future__ import annotations

from mlflow_oidc_auth.operations.requirements import (
    Admin,
    AdminInBrowser,
    Deny,
    Entry,
    InBrowser,
    Probe,
    Public,
    Requirement,
    SignedIn,
)

NO_PASSWORDS = Deny(
    "There are no passwords here: people log in with the login service, and programs use an access key. "
    "Make one on the Permissions page."
)
NO_NEW_USERS = Deny(
    "Users are not made here: whoever logs in for the first time, and is in an allowed group, becomes a user."
)
ADMIN_BY_GROUP = Deny("Who is an admin follows the admin group of the login service; change the membership there.")


def page(method: str, path: str, requirement: Requirement) -> Entry:
    """A page of ours."""
    return Entry(method, path, requirement, ours=True)


def form(path: str, requirement: Requirement) -> tuple[Entry, Entry]:
    """A form of ours, and its address opened again from the address bar, which leads back to the page."""
    return page("GET", path, requirement), page("POST", path, requirement)


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
    page("GET", "/health/live", Probe("says that the process runs, for probes")),
    page("GET", "/health/ready", Probe("says whether the database answers, for probes")),
    page(
        "GET", "/permissions/static/<path:filename>", Public("style and scripts of our pages, the same for everybody")
    ),
    *json("GET", "2.0/mlflow/openapi.json", Public("describes our JSON, the same to everybody")),
    # --- The Permissions page ----------------------------------------------------------------------------
    page("GET", "/permissions", InBrowser()),
    page("POST", "/permissions/keys", InBrowser()),
    page("GET", "/permissions/keys", InBrowser()),  # back to the page, for who opens the address of its form
    page("POST", "/permissions/keys/revoke", InBrowser()),
    page("GET", "/permissions/keys/revoke", InBrowser()),
    page("GET", "/permissions/sessions", InBrowser()),
    page("POST", "/permissions/sessions/end", InBrowser()),
    page("GET", "/permissions/sessions/end", InBrowser()),
    page("POST", "/permissions/sessions/end-others", InBrowser()),
    page("GET", "/permissions/sessions/end-others", InBrowser()),
    # --- Sharing -----------------------------------------------------------------------------------------
    page("GET", "/permissions/sharing", InBrowser()),  # of one resource: for who manages it, or the same refusal
    page("POST", "/permissions/sharing", InBrowser()),
    page("GET", "/permissions/sharing/suggestions", InBrowser()),  # names that the asker may know
    page("GET", "/permissions/requests", InBrowser()),
    page("POST", "/permissions/requests", InBrowser()),  # each of its forms by the rules of requests
    page("GET", "/permissions/why", InBrowser()),  # about whom and what: grants/explain_web.py
    # --- Pages of admins ---------------------------------------------------------------------------------
    page("GET", "/permissions/people", AdminInBrowser()),
    page("GET", "/permissions/people/<int:user_id>", AdminInBrowser()),
    page("GET", "/permissions/people/<int:user_id>/grants", AdminInBrowser()),
    *form("/permissions/people/<int:user_id>/give", AdminInBrowser()),
    *form("/permissions/people/<int:user_id>/take-away", AdminInBrowser()),
    *form("/permissions/people/<int:user_id>/sessions/end", AdminInBrowser()),
    *form("/permissions/people/<int:user_id>/sessions/end-all", AdminInBrowser()),
    *form("/permissions/people/<int:user_id>/keys", AdminInBrowser()),
    *form("/permissions/people/<int:user_id>/keys/revoke", AdminInBrowser()),
    *form("/permissions/people/<int:user_id>/teams/add", AdminInBrowser()),
    *form("/permissions/people/<int:user_id>/teams/remove", AdminInBrowser()),
    *form("/permissions/people/<int:user_id>/hand-over", AdminInBrowser()),
    *form("/permissions/people/<int:user_id>/change", AdminInBrowser()),
    *form("/permissions/people/<int:user_id>/disable", AdminInBrowser()),
    *form("/permissions/people/<int:user_id>/enable", AdminInBrowser()),
    *form("/permissions/people/<int:user_id>/delete", AdminInBrowser()),
    *form("/permissions/groups", AdminInBrowser()),
    page("GET", "/permissions/groups/<int:group_id>", AdminInBrowser()),
    *form("/permissions/groups/<int:group_id>/members", AdminInBrowser()),
    *form("/permissions/groups/<int:group_id>/members/remove", AdminInBrowser()),
    *form("/permissions/groups/<int:group_id>/give", AdminInBrowser()),
    *form("/permissions/groups/<int:group_id>/take-away", AdminInBrowser()),
    *form("/permissions/groups/<int:group_id>/change", AdminInBrowser()),
    *form("/permissions/groups/<int:group_id>/delete", AdminInBrowser()),
    *form("/permissions/service-accounts", AdminInBrowser()),
    page("GET", "/permissions/unmanaged", AdminInBrowser()),
    page("POST", "/permissions/unmanaged", AdminInBrowser()),
    page("GET", "/permissions/policy", AdminInBrowser()),
    page("GET", "/permissions/audit", AdminInBrowser()),
    page("GET", "/permissions/audit/lines", AdminInBrowser()),
    # --- Access keys -------------------------------------------------------------------------------------
    *json("GET", "2.0/mlflow/users/current/tokens", InBrowser()),
    *json("POST", "2.0/mlflow/users/current/tokens", InBrowser()),
    *json("DELETE", "2.0/mlflow/users/current/tokens/<token_id>", InBrowser()),
    *json("GET", "2.0/mlflow/users/<username>/tokens", AdminInBrowser()),
    *json("POST", "2.0/mlflow/users/<username>/tokens", AdminInBrowser()),  # of service accounts
    *json("DELETE", "2.0/mlflow/users/<username>/tokens/<token_id>", Admin()),
    # --- Sessions ----------------------------------------------------------------------------------------
    *json("GET", "2.0/mlflow/users/current/sessions", InBrowser()),
    *json("DELETE", "2.0/mlflow/users/current/sessions", InBrowser()),
    *json("DELETE", "2.0/mlflow/users/current/sessions/<int:session_id>", InBrowser()),
    *json("GET", "2.0/mlflow/users/<username>/sessions", Admin()),
    *json("DELETE", "2.0/mlflow/users/<username>/sessions", Admin()),
    *json("DELETE", "2.0/mlflow/users/<username>/sessions/<int:session_id>", Admin()),
    # --- Users, in the shapes of MLflow's own auth API ---------------------------------------------------
    *json("GET", "2.0/mlflow/users/current", SignedIn()),
    *json("GET", "3.0/mlflow/users/current/permissions", SignedIn()),
    # Row-filtered in its way: admins get everybody, others themselves and the people of their groups. Whoever
    # shares an experiment needs these names, and so does MLflow's page that assigns reviews.
    *json("GET", "2.0/mlflow/users/list", SignedIn()),
    *json("GET", "2.0/mlflow/users/get", SignedIn()),
    *json("DELETE", "2.0/mlflow/users/delete", Admin()),
    *json("PATCH", "2.0/mlflow/users/<username>", Admin()),
    *json("POST", "2.0/mlflow/users/<username>/hand-over", Admin()),
    *json("GET", "2.0/mlflow/resources/unmanaged", Admin()),
    # --- Groups, teams and service accounts --------------------------------------------------------------
    *json("GET", "2.0/mlflow/groups", SignedIn()),  # one's own; all for admins
    *json("POST", "2.0/mlflow/groups", Admin()),
    *json("GET", "2.0/mlflow/groups/<int:group_id>", Admin()),
    *json("PATCH", "2.0/mlflow/groups/<int:group_id>", Admin()),
    *json("DELETE", "2.0/mlflow/groups/<int:group_id>", Admin()),
    *json("GET", "2.0/mlflow/groups/<int:group_id>/members", Admin()),
    *json("POST", "2.0/mlflow/groups/<int:group_id>/members", Admin()),
    *json("DELETE", "2.0/mlflow/groups/<int:group_id>/members", Admin()),
    *json("GET", "2.0/mlflow/service-accounts", Admin()),
    *json("POST", "2.0/mlflow/service-accounts", Admin()),
    *json("GET", "2.0/mlflow/service-accounts/<username>", Admin()),
    *json("PATCH", "2.0/mlflow/service-accounts/<username>", Admin()),
    *json("DELETE", "2.0/mlflow/service-accounts/<username>", Admin()),
    # --- Roles, in the shapes of MLflow's own auth API ---------------------------------------------------
    *json("GET", "3.0/mlflow/users/roles/list", SignedIn()),
    *json("GET", "3.0/mlflow/roles/list", Admin()),
    *json("GET", "3.0/mlflow/roles/get", Admin()),
    *json("GET", "3.0/mlflow/roles/permissions/list", Admin()),
    *json("GET", "3.0/mlflow/roles/users/list", Admin()),
    *json("POST", "3.0/mlflow/roles/create", Admin()),
    *json("PATCH", "3.0/mlflow/roles/update", Admin()),
    *json("DELETE", "3.0/mlflow/roles/delete", Admin()),
    *json("POST", "3.0/mlflow/roles/assign", Admin()),
    *json("DELETE", "3.0/mlflow/roles/unassign", Admin()),
    *json("POST", "3.0/mlflow/roles/permissions/add", Admin()),
    *json("PATCH", "3.0/mlflow/roles/permissions/update", Admin()),
    *json("DELETE", "3.0/mlflow/roles/permissions/remove", Admin()),
    # --- Grants: who sees and changes which is in grants/rules.py and grants/web.py ----------------------
    *json("GET", "2.0/mlflow/grants", SignedIn()),
    *json("POST", "2.0/mlflow/grants", SignedIn()),
    *json("DELETE", "2.0/mlflow/grants", SignedIn()),
    *json("GET", "2.0/mlflow/grants/preview", Admin()),
    # --- Why, asking for access, and the audit -----------------------------------------------------------
    *json("GET", "2.0/mlflow/explain", SignedIn()),  # about whom and what: grants/explain_web.py
    *json("GET", "2.0/mlflow/access-requests", SignedIn()),
    *json("POST", "2.0/mlflow/access-requests", SignedIn()),
    *json("POST", "2.0/mlflow/access-requests/<int:request_id>/grant", SignedIn()),  # for who manages what it is on
    *json("POST", "2.0/mlflow/access-requests/<int:request_id>/decline", SignedIn()),
    *json("POST", "2.0/mlflow/access-requests/<int:request_id>/withdraw", SignedIn()),
    *json("GET", "2.0/mlflow/audit", Admin()),
    *json("GET", "2.0/mlflow/audit/export", Admin()),
    # --- Grants, in the shapes of MLflow's own auth API --------------------------------------------------
    *json("GET", "3.0/mlflow/users/permissions/list", SignedIn()),
    *json("GET", "3.0/mlflow/users/permissions/get", SignedIn()),
    *json("POST", "3.0/mlflow/users/permissions/grant", SignedIn()),
    *json("POST", "3.0/mlflow/users/permissions/revoke", SignedIn()),
    # --- What MLflow's own auth API has and we have not --------------------------------------------------
    *json("POST", "2.0/mlflow/users/create", NO_NEW_USERS),
    page("GET", "/signup", NO_NEW_USERS),
    page("POST", "/api/2.0/mlflow/users/create-ui", NO_NEW_USERS),
    *json("PATCH", "2.0/mlflow/users/update-password", NO_PASSWORDS),
    *json("PATCH", "2.0/mlflow/users/update-admin", ADMIN_BY_GROUP),
)
