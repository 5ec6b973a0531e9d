"""One account, for admins: who they are, their sessions and keys, their teams, what they were given, and its end.

A service account has the same page as a person. What becomes of sessions and keys is in `account_credentials.py`.

SECURITY: nobody disables or deletes themselves (`accounts/rules.py`); the page does not offer it.
"""

from __future__ import annotations

from functools import partial

import flask
from werkzeug.wrappers import Response

from mlflow_oidc_auth.accounts.groups import GroupSource
from mlflow_oidc_auth.accounts.rules import purpose_wrong
from mlflow_oidc_auth.accounts.users import User
from mlflow_oidc_auth.errors import NotFound, Refusal
from mlflow_oidc_auth.grants.asked import given_by
from mlflow_oidc_auth.grants.counts import GrantCounts
from mlflow_oidc_auth.grants.listing import Holders
from mlflow_oidc_auth.grants.store import Grantee
from mlflow_oidc_auth.pages import account_credentials
from mlflow_oidc_auth.pages.account_credentials import AccountCredentials
from mlflow_oidc_auth.pages.account_page import AccountPage
from mlflow_oidc_auth.pages.giving import Giving, GrantForms, Receiver
from mlflow_oidc_auth.pages.lists import NOBODY, Filled, Listed, asked_page, go, row_id, wrong
from mlflow_oidc_auth.pages.parts import Parts
from mlflow_oidc_auth.pages.routes import add_routes_of_one
from mlflow_oidc_auth.web.forms import form_fields
from mlflow_oidc_auth.web.json_api import asker

_NOTICES = account_credentials.NOTICES | {
    "team-joined": "Added to the team.",
    "team-left": "Removed from the team.",
    "handed-over": "What they managed is handed over.",
    "nothing-handed-over": "There was nothing to hand over.",
    "disabled": "The account is disabled. Its sessions and access keys have ended.",
    "enabled": "The account is enabled. Access keys that were revoked stay revoked.",
    "given": "Given.",
    "taken": "Taken away.",
    "not-there": "There was no such grant any more.",
    "changed": "Saved.",
    "created": "The service account is made. Make its access key below.",
}


def account_pages(parts: Parts) -> flask.Blueprint:
    """The blueprint; register it under the static prefix."""
    page, giving = AccountPage(parts, _NOTICES), Giving(parts)
    ours, credentials = _AccountPages(parts, page, giving), AccountCredentials(parts, page)
    grants = GrantForms(giving, parts.clock, ours.receiver)
    blueprint = flask.Blueprint("oidc_auth_account", __name__)
    add_routes_of_one(
        blueprint,
        "/permissions/people/<int:user_id>",
        ours.found,
        shows={"": ours.account, "grants": ours.grants, **grants.shows()},
        acts={
            "sessions/end": credentials.end_session,
            "sessions/end-all": credentials.end_sessions,
            "keys": credentials.create_key,
            "keys/revoke": credentials.revoke_key,
            "teams/add": ours.add_to_team,
            "teams/remove": ours.remove_from_team,
            "hand-over": ours.hand_over,
            "change": ours.change,
            "disable": ours.disable,
            "enable": ours.enable,
            "delete": ours.delete,
            **grants.acts(),
        },
        back=page.go,
    )
    return blueprint


class _AccountPages:
    def __init__(self, parts: Parts, page: AccountPage, giving: Giving) -> None:
        self._parts = parts
        self._page = page
        self._giving = giving
        self._counts = GrantCounts(parts.engine)

    def found(self, user_id: int) -> User:
        """The account with this id.

        Raises:
            NotFound: there is none.
        """
        user = self._parts.users.by_id(user_id)
        if user is None:
            raise NotFound("There is no such account. It may have been deleted.")
        return user

    def account(self, user: User) -> Response:
        """Who somebody is: groups, sessions, keys."""
        return self._page.show(user, Filled())

    def grants(self, user: User) -> Response:
        """What somebody owns and was given, and a form that gives more."""
        now, (number, offset) = self._parts.clock(), asked_page()
        total, _ = self._counts.of_user(user.id, now)
        grants = self._giving.listed(Holders(user_id=user.id), now, offset)
        return self._page.render("permissions/account_grants.html", user, grants=grants, listed=Listed(number, total))

    # --- teams, and what goes to somebody else -------------------------------------------------------

    def add_to_team(self, user: User) -> Response:
        """Put somebody into a team."""
        said = form_fields("team")
        team = self._parts.groups.by_name(said["team"].strip(), GroupSource.TEAM)
        if team is None:
            sentence = "There is no team called so. Teams are made on the page Groups and teams."
            return wrong(self._page.show(user, Filled("team", said, {"team": sentence})))
        try:
            self._parts.groups.add_member(team.id, user.id, by=asker().username, now=self._parts.clock())
        except Refusal as refusal:
            return wrong(self._page.show(user, Filled("team", said, {"team": refusal.message})))
        return self._page.go(user, "team-joined", "groups")

    def remove_from_team(self, user: User) -> Response:
        """Take somebody out of a team."""
        try:
            group_id = row_id(form_fields("group")["group"])
            self._parts.groups.remove_member(group_id, user.id, by=asker().username, now=self._parts.clock())
        except NotFound:
            return self._page.go(user, "gone", "groups")
        return self._page.go(user, "team-left", "groups")

    def hand_over(self, user: User) -> Response:
        """Let somebody else have everything this one manages by grants of their own."""
        me, said = asker(), form_fields("to")
        taker = self._parts.users.by_username(said["to"].strip())
        if taker is None:
            return wrong(self._page.show(user, Filled("hand-over", said, {"to": NOBODY})))
        try:
            moved = self._parts.grants.hand_over(user.id, taker.id, by=given_by(me), now=self._parts.clock())
        except Refusal as refusal:
            return wrong(self._page.show(user, Filled("hand-over", said, {"to": refusal.message})))
        return self._page.go(user, "handed-over" if moved else "nothing-handed-over", "leaving")

    # --- the account itself --------------------------------------------------------------------------

    def change(self, user: User) -> Response:
        """Say whose a service account is, and what it is for."""
        said = form_fields("owner", "purpose")
        owner = self._parts.users.by_username(said["owner"].strip())
        if owner is None:
            return wrong(self._page.show(user, Filled("change", said, {"owner": NOBODY})))
        try:
            self._parts.service_accounts.change(
                user.id,
                owner_id=owner.id,
                purpose=said["purpose"].strip(),
                by=asker().username,
                now=self._parts.clock(),
            )
        except Refusal as refusal:
            field = "purpose" if purpose_wrong(said["purpose"]) else "owner"
            return wrong(self._page.show(user, Filled("change", said, {field: refusal.message})))
        return self._page.go(user, "changed")

    def disable(self, user: User) -> Response:
        """Nobody gets in as this user any more."""
        try:
            self._parts.users.disable(user.id, self._parts.clock(), by=asker().username)
        except Refusal as refusal:
            return wrong(self._page.show(user, Filled("leaving", wrong={"account": refusal.message})))
        return self._page.go(user, "disabled")

    def enable(self, user: User) -> Response:
        """They may log in again."""
        self._parts.users.enable(user.id, self._parts.clock(), by=asker().username)
        return self._page.go(user, "enabled")

    def delete(self, user: User) -> Response:
        """Remove the account with everything of it."""
        try:
            self._parts.users.delete(user.id, self._parts.clock(), by=asker().username)
        except Refusal as refusal:
            return wrong(self._page.show(user, Filled("leaving", wrong={"account": refusal.message})))
        listed = "service-accounts" if user.is_service_account else "people"
        return go(f"{self._parts.prefix}/permissions/{listed}", "deleted")

    # --- grants --------------------------------------------------------------------------------------

    def receiver(self, user: User) -> Receiver:
        """The account as one that is given something."""
        own = self._page.address(user)
        return Receiver(
            to=Grantee(user.id, user.username),
            own=f"{own}/grants",
            address=f"{own}/give",
            people=1,
            render=partial(self._page.render, user=user, group=None),
        )
