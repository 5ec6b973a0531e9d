"""What the page of one account shows, and the way to it; `account.py` and `account_credentials.py` say what it does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import flask
from werkzeug.wrappers import Response

from mlflow_oidc_auth.accounts.listing import AccountListing, Offer
from mlflow_oidc_auth.accounts.users import User
from mlflow_oidc_auth.grants.counts import GrantCounts
from mlflow_oidc_auth.login.browsers import browser_words
from mlflow_oidc_auth.pages.giving import KIND_OPTIONS
from mlflow_oidc_auth.pages.keys import ShownKey
from mlflow_oidc_auth.pages.lists import Filled, go, notice
from mlflow_oidc_auth.pages.parts import Parts
from mlflow_oidc_auth.tokens.rules import expiry_dates
from mlflow_oidc_auth.web.json_api import asker
from mlflow_oidc_auth.web.moments import ago, ahead


class AccountPage:
    """Shows accounts.

    Args:
        parts: what pages are made of.
        notices: the sentence of each word that leads to the page.
    """

    def __init__(self, parts: Parts, notices: Mapping[str, str]) -> None:
        self._parts = parts
        self._notices = notices
        self._counts = GrantCounts(parts.engine)
        self._listing = AccountListing(parts.engine)

    def show(self, user: User, filled: Filled) -> flask.Response:
        """Who somebody is: groups, sessions, keys; and the forms, one of them filled."""
        me, now = asker(), self._parts.clock()
        first, last = expiry_dates(now, self._parts.settings.max_token_days)
        offers = self._listing.offers(Offer.PEOPLE, Offer.TEAMS)
        owner = self._parts.users.by_id(user.owner_id) if user.owner_id else None
        sessions = [] if user.is_service_account else self._parts.sessions.listing(user.id, now)
        total, manages = self._counts.of_user(user.id, now)
        groups = self._parts.groups.of_user(user.id)
        return self.render(
            "permissions/account.html",
            user,
            filled=filled,
            owner=owner,
            sessions=sessions,
            keys=[ShownKey.of(key, now) for key in self._parts.tokens.active_of(user.id, now)],
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

    def render(self, template: str, user: User, **values: Any) -> flask.Response:
        """A page about an account, from a template of ours and its values."""
        return self._parts.pages.render(
            template,
            here="service-accounts" if user.is_service_account else "people",
            notice=notice(self._notices),
            user=user,
            account=self.address(user),
            kinds=KIND_OPTIONS,
            now=self._parts.clock(),
            ago=ago,
            ahead=ahead,
            **values,
        )

    def address(self, user: User) -> str:
        """Where an account's page is."""
        return f"{self._parts.prefix}/permissions/people/{user.id}"

    def go(self, user: User, notice: str = "", part: str = "") -> Response:
        """On to an account's page, or a part of it, with the word of a notice."""
        return go(f"{self.address(user)}{'#' if part else ''}{part}", notice)
