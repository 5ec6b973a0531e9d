"""The sessions and access keys of one account, ended by admins, and the access keys of service accounts, made by them.

SECURITY: an admin cannot make a key for a person: with it, they could act in that person's name.
"""

from __future__ import annotations

import flask
from werkzeug.wrappers import Response

from mlflow_oidc_auth.accounts.users import User
from mlflow_oidc_auth.errors import Forbidden, NotFound, Refusal
from mlflow_oidc_auth.pages.account_page import AccountPage
from mlflow_oidc_auth.pages.lists import Filled, row_id, wrong
from mlflow_oidc_auth.pages.parts import Parts
from mlflow_oidc_auth.tokens.rules import expiry
from mlflow_oidc_auth.web.forms import form_fields
from mlflow_oidc_auth.web.json_api import asker
from mlflow_oidc_auth.web.recipes import recipes

NOTICES = {
    "session-ended": "The session is ended: that browser has to log in again.",
    "sessions-ended": "All sessions are ended: every browser has to log in again.",
    "revoked": "The access key is revoked. What still uses it is refused from now on.",
    "gone": "Nothing to end: it had ended before.",
}


class AccountCredentials:
    """What the forms of an account's page do with its sessions and keys.

    Args:
        parts: what pages are made of.
        page: the account's.
    """

    def __init__(self, parts: Parts, page: AccountPage) -> None:
        self._parts = parts
        self._page = page

    def end_session(self, user: User) -> Response:
        """End one of somebody's sessions."""
        me, session = asker(), form_fields("session")["session"]
        try:
            self._parts.sessions.end(user.id, row_id(session), by=me.username, now=self._parts.clock())
        except NotFound:
            return self._page.go(user, "gone", "sessions")
        return self._page.go(user, "session-ended", "sessions")

    def end_sessions(self, user: User) -> Response:
        """End all of them."""
        ended = self._parts.sessions.end_all(user.id, by=asker().username, now=self._parts.clock())
        return self._page.go(user, "sessions-ended" if ended else "gone", "sessions")

    def create_key(self, user: User) -> Response:
        """Make a key for a service account and show it, once."""
        me, now, said = asker(), self._parts.clock(), form_fields("expires_at", "name")
        if not user.is_service_account:
            raise Forbidden("People make their own access keys, on their Permissions page.")
        expires_at = expiry(said["expires_at"], now, self._parts.settings.max_token_days)
        if isinstance(expires_at, str):
            return wrong(self._page.show(user, Filled("key", said, {"expires_at": expires_at})))
        try:
            key, row = self._parts.tokens.create(user.id, expires_at, by=me.username, now=now, name=said["name"])
        except Forbidden as refusal:  # the account is disabled
            return wrong(self._page.show(user, Filled("leaving", wrong={"account": refusal.message})))
        except Refusal as refusal:
            return wrong(self._page.show(user, Filled("key", said, {"name": refusal.message})))
        address = self._parts.address(flask.request.host_url)
        return self._parts.pages.render(
            "permissions/key.html",
            here="service-accounts",
            key=key.reveal(),
            row=row,
            of=user,
            recipes=recipes(address, user.username, key.reveal()),
        )

    def revoke_key(self, user: User) -> Response:
        """End one key."""
        try:
            key = form_fields("key")["key"]
            self._parts.tokens.revoke(user.id, key, by=asker().username, now=self._parts.clock())
        except NotFound:
            return self._page.go(user, "gone", "keys")
        return self._page.go(user, "revoked", "keys")
