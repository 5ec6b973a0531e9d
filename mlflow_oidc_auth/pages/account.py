"""One account, for admins: who they are, their sessions and keys, their teams, what they were given, and its end.

A service account has the same page as a person.

SECURITY: an admin cannot make a key for a person: with it, they could act in that person's name. Nobody disables or
deletes themselves (`accounts/rules.py`); the page does not offer it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import flask
from werkzeug.wrappers import Response

from mlflow_oidc_auth.accounts.groups import GroupSource
from mlflow_oidc_auth.accounts.listing import AccountListing, Offer
from mlflow_oidc_auth.accounts.rules import purpose_wrong
from mlflow_oidc_auth.accounts.users import User
from mlflow_oidc_auth.errors import Forbidden, NotFound, Refusal
from mlflow_oidc_auth.grants.asked import given_by
from mlflow_oidc_auth.grants.counts import GrantCounts
from mlflow_oidc_auth.grants.listing import Holders
from mlflow_oidc_auth.grants.store import Grantee
from mlflow_oidc_auth.login.browsers import browser_words
from mlflow_oidc_auth.pages.giving import KIND_OPTIONS, Giving, GrantForms, Receiver
from mlflow_oidc_auth.pages.lists import Filled, Listed, asked_page, go, notice, row_id, wrong
from mlflow_oidc_auth.pages.parts import Parts
from mlflow_oidc_auth.tokens.rules import expiry, expiry_dates
from mlflow_oidc_auth.tokens.store import TokenRow
from mlflow_oidc_auth.web.forms import form_fields
from mlflow_oidc_auth.web.json_api import asker
from mlflow_oidc_auth.web.moments import ago, ahead
from mlflow_oidc_auth.web.recipes import recipes

_NOTICES = {
    "session-ended": "The session is ended: that browser has to log in again.",
    "sessions-ended": "All sessions are ended: every browser has to log in again.",
    "revoked": "The access key is revoked. What still uses it is refused from now on.",
    "gone": "Nothing to end: it had ended before.",
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


Handler = Callable[[User], Response]


class AccountPages:
    """The pages of one account, and what their forms do.

    Args:
        parts: what pages are made of.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._giving = Giving(parts)
        self._forms = GrantForms(self._giving, parts.clock)
        self._counts = GrantCounts(parts.engine)
        self._listing = AccountListing(parts.engine)

    def acts(self) -> dict[str, Handler]:
        """What the forms of an account's page do, by the end of their address."""
        return {
            "sessions/end": self.end_session,
            "sessions/end-all": self.end_sessions,
            "keys": self.create_key,
            "keys/revoke": self.revoke_key,
            "teams/add": self.add_to_team,
            "teams/remove": self.remove_from_team,
            "hand-over": self.hand_over,
            "change": self.change,
            "disable": self.disable,
            "enable": self.enable,
            "delete": self.delete,
            "give": self.give,
            "take-away": self.take_away,
        }

    def about(self, handler: Handler) -> Callable[[int], Response]:
        """The handler, with the account that the address names."""

        def view(user_id: int) -> Response:
            user = self._parts.users.by_id(row_id(user_id))
            if user is None:
                raise NotFound("There is no such account. It may have been deleted.")
            return handler(user)

        return view

    def account(self, user: User) -> Response:
        """Who somebody is: groups, sessions, keys."""
        return self._account(user, Filled())

    def grants(self, user: User) -> Response:
        """What somebody owns and was given, and a form that gives more."""
        now, (number, offset) = self._parts.clock(), asked_page()
        total, _ = self._counts.of_user(user.id, now)
        grants = self._giving.listed(Holders(user_id=user.id), now, offset)
        return self._render("permissions/account_grants.html", user, grants=grants, listed=Listed(number, total))

    def back(self, user: User) -> Response:
        """To the account's page."""
        return self._go(user)

    # --- sessions and keys ---------------------------------------------------------------------------

    def end_session(self, user: User) -> Response:
        """End one of somebody's sessions."""
        me, session = asker(), form_fields("session")["session"]
        try:
            self._parts.sessions.end(user.id, row_id(session), by=me.username, now=self._parts.clock())
        except NotFound:
            return self._go(user, "gone", "sessions")
        return self._go(user, "session-ended", "sessions")

    def end_sessions(self, user: User) -> Response:
        """End all of them."""
        ended = self._parts.sessions.end_all(user.id, by=asker().username, now=self._parts.clock())
        return self._go(user, "sessions-ended" if ended else "gone", "sessions")

    def create_key(self, user: User) -> Response:
        """Make a key for a service account and show it, once."""
        me, now, said = asker(), self._parts.clock(), form_fields("expires_at", "name")
        if not user.is_service_account:
            raise Forbidden("People make their own access keys, on their Permissions page.")
        expires_at = expiry(said["expires_at"], now, self._parts.settings.max_token_days)
        if isinstance(expires_at, str):
            return wrong(self._account(user, Filled("key", said, {"expires_at": expires_at})))
        try:
            key, row = self._parts.tokens.create(user.id, expires_at, by=me.username, now=now, name=said["name"])
        except Forbidden as refusal:  # the account is disabled
            return wrong(self._account(user, Filled("leaving", wrong={"account": refusal.message})))
        except Refusal as refusal:
            return wrong(self._account(user, Filled("key", said, {"name": refusal.message})))
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
            return self._go(user, "gone", "keys")
        return self._go(user, "revoked", "keys")

    # --- teams, and what goes to somebody else -------------------------------------------------------

    def add_to_team(self, user: User) -> Response:
        """Put somebody into a team."""
        said = form_fields("team")
        team = self._parts.groups.by_name(said["team"].strip(), GroupSource.TEAM)
        if team is None:
            sentence = "There is no team called so. Teams are made on the page Groups and teams."
            return wrong(self._account(user, Filled("team", said, {"team": sentence})))
        try:
            self._parts.groups.add_member(team.id, user.id, by=asker().username, now=self._parts.clock())
        except Refusal as refusal:
            return wrong(self._account(user, Filled("team", said, {"team": refusal.message})))
        return self._go(user, "team-joined", "groups")

    def remove_from_team(self, user: User) -> Response:
        """Take somebody out of a team."""
        try:
            group_id = row_id(form_fields("group")["group"])
            self._parts.groups.remove_member(group_id, user.id, by=asker().username, now=self._parts.clock())
        except NotFound:
            return self._go(user, "gone", "groups")
        return self._go(user, "team-left", "groups")

    def hand_over(self, user: User) -> Response:
        """Let somebody else have everything this one manages by grants of their own."""
        me, said = asker(), form_fields("to")
        taker = self._parts.users.by_username(said["to"].strip())
        if taker is None:
            sentence = "There is nobody with this e-mail. Write it in full; they must have logged in once."
            return wrong(self._account(user, Filled("hand-over", said, {"to": sentence})))
        try:
            moved = self._parts.grants.hand_over(user.id, taker.id, by=given_by(me), now=self._parts.clock())
        except Refusal as refusal:
            return wrong(self._account(user, Filled("hand-over", said, {"to": refusal.message})))
        return self._go(user, "handed-over" if moved else "nothing-handed-over", "leaving")

    # --- the account itself --------------------------------------------------------------------------

    def change(self, user: User) -> Response:
        """Say whose a service account is, and what it is for."""
        said = form_fields("owner", "purpose")
        owner = self._parts.users.by_username(said["owner"].strip())
        if owner is None:
            sentence = "There is nobody with this e-mail. Write it in full; they must have logged in once."
            return wrong(self._account(user, Filled("change", said, {"owner": sentence})))
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
            return wrong(self._account(user, Filled("change", said, {field: refusal.message})))
        return self._go(user, "changed")

    def disable(self, user: User) -> Response:
        """Nobody gets in as this user any more."""
        try:
            self._parts.users.disable(user.id, self._parts.clock(), by=asker().username)
        except Refusal as refusal:
            return wrong(self._account(user, Filled("leaving", wrong={"account": refusal.message})))
        return self._go(user, "disabled")

    def enable(self, user: User) -> Response:
        """They may log in again."""
        self._parts.users.enable(user.id, self._parts.clock(), by=asker().username)
        return self._go(user, "enabled")

    def delete(self, user: User) -> Response:
        """Remove the account with everything of it."""
        try:
            self._parts.users.delete(user.id, self._parts.clock(), by=asker().username)
        except Refusal as refusal:
            return wrong(self._account(user, Filled("leaving", wrong={"account": refusal.message})))
        listed = "service-accounts" if user.is_service_account else "people"
        return go(f"{self._parts.prefix}/permissions/{listed}", "deleted")

    # --- grants --------------------------------------------------------------------------------------

    def preview(self, user: User) -> Response:
        """What a grant would open, and to how many people, before it is given."""
        return self._forms.preview(self._receiver(user))

    def give(self, user: User) -> Response:
        """Give it."""
        return self._forms.give(self._receiver(user))

    def take_away(self, user: User) -> Response:
        """Take one grant away."""
        return self._forms.take_away(self._receiver(user))

    # --- what they show ------------------------------------------------------------------------------

    def _account(self, user: User, filled: Filled) -> flask.Response:
        me, now = asker(), self._parts.clock()
        first, last = expiry_dates(now, self._parts.settings.max_token_days)
        offers = self._listing.offers(Offer.PEOPLE, Offer.TEAMS)
        owner = self._parts.users.by_id(user.owner_id) if user.owner_id else None
        sessions = [] if user.is_service_account else self._parts.sessions.listing(user.id, now)
        total, manages = self._counts.of_user(user.id, now)
        groups = self._parts.groups.of_user(user.id)
        return self._render(
            "permissions/account.html",
            user,
            filled=filled,
            owner=owner,
            sessions=sessions,
            keys=[_shown_key(key, now) for key in self._parts.tokens.active_of(user.id, now)],
            named_keys=self._parts.settings.max_tokens_per_user > 1,
            groups=groups,
            emails=[name for name in offers[Offer.PEOPLE] if name != user.username],
            teams=[name for name in offers[Offer.TEAMS] if name not in {g.name for g in groups}],
            grants=total,
            manages=manages,
            first=first,
            last=last,
            myself=me.user_id == user.id,
            browser_words=browser_words,
        )

    def _receiver(self, user: User) -> Receiver:
        return Receiver(
            to=Grantee(user.id, user.username),
            own=f"{self._of(user)}/grants",
            address=f"{self._of(user)}/give",
            people=1,
            render=partial(self._render, user=user, group=None),
        )

    def _render(self, template: str, user: User, **values: Any) -> flask.Response:
        return self._parts.pages.render(
            template,
            here="service-accounts" if user.is_service_account else "people",
            notice=notice(_NOTICES),
            user=user,
            account=self._of(user),
            kinds=KIND_OPTIONS,
            now=self._parts.clock(),
            ago=ago,
            ahead=ahead,
            **values,
        )

    def _of(self, user: User) -> str:
        return f"{self._parts.prefix}/permissions/people/{user.id}"

    def _go(self, user: User, notice: str = "", part: str = "") -> Response:
        return go(f"{self._of(user)}{'#' if part else ''}{part}", notice)


def _shown_key(key: TokenRow, now: Any) -> dict[str, Any]:
    """A key as the page tells it."""
    return {
        "id": key.public_id,
        "name": key.name,
        "made": key.created_at,
        "by": key.created_by,
        "ends": key.expires_at,
        "used": key.last_used_at,
        "replaced": key.replaced_at is not None,
    }
