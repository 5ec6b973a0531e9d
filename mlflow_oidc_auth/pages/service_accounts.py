"""Service accounts, for admins: programs with an account of their own, an owner and a purpose. No one logs in as one.

The page of one of them is the page of any account (`account.py`).
"""

from __future__ import annotations

from datetime import datetime

import flask
from werkzeug.wrappers import Response

from mlflow_oidc_auth.accounts.listing import AccountListing, Offer
from mlflow_oidc_auth.accounts.rules import account_name_wrong, purpose_wrong
from mlflow_oidc_auth.accounts.users import User
from mlflow_oidc_auth.errors import AlreadyExists, Refusal
from mlflow_oidc_auth.pages.keys import ends_soon
from mlflow_oidc_auth.pages.lists import NOBODY, PAGE_SIZE, Filled, Listed, asked_page, go, notice, wrong
from mlflow_oidc_auth.pages.parts import Parts
from mlflow_oidc_auth.tokens.listing import KeyListing, KeySummary
from mlflow_oidc_auth.web.forms import form_fields, query_fields
from mlflow_oidc_auth.web.json_api import asker
from mlflow_oidc_auth.web.moments import ago, ahead

_NOTICES = {"deleted": "The service account is deleted, with its access keys and grants."}


def service_accounts_pages(parts: Parts) -> flask.Blueprint:
    """The blueprint; register it under the static prefix."""
    ours = _ServiceAccountsPages(parts)
    blueprint = flask.Blueprint("oidc_auth_service_accounts", __name__)
    blueprint.add_url_rule("/permissions/service-accounts", "listing", ours.listing, methods=["GET"])
    blueprint.add_url_rule("/permissions/service-accounts", "create", ours.create, methods=["POST"])
    return blueprint


class _ServiceAccountsPages:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._keys = KeyListing(parts.engine)
        self._listing = AccountListing(parts.engine)

    def listing(self) -> Response:
        """The list, and a form that makes one."""
        return self._page(Filled())

    def create(self) -> Response:
        """Make one; its key is made on its page."""
        me, said = asker(), form_fields("name", "owner", "purpose")
        owner = self._parts.users.by_username(said["owner"].strip())
        found = {
            "name": account_name_wrong(said["name"].strip()),
            "owner": NOBODY if owner is None else "",
            "purpose": purpose_wrong(said["purpose"].strip()),
        }
        against = {field: sentence for field, sentence in found.items() if sentence}
        if against or owner is None:
            return wrong(self._page(Filled("", said, against)))
        try:
            made = self._parts.service_accounts.create(
                said["name"].strip(), owner.id, said["purpose"].strip(), by=me.username, now=self._parts.clock()
            )
        except AlreadyExists as taken:
            return wrong(self._page(Filled("", said, {"name": taken.message})))
        except Refusal as refusal:
            return wrong(self._page(Filled("", said, {"owner": refusal.message})))
        return go(f"{self._parts.prefix}/permissions/people/{made.id}#keys", "created")

    def _page(self, filled: Filled) -> flask.Response:
        now, search, (number, offset) = self._parts.clock(), query_fields("search")["search"].strip(), asked_page()
        found, total = self._parts.users.page(search, offset, PAGE_SIZE, service_accounts=True)
        keys = self._keys.of_each([user.id for user in found], now) if found else {}
        owners = self._parts.users.usernames({user.owner_id for user in found if user.owner_id})
        return self._parts.pages.render(
            "permissions/service_accounts.html",
            here="service-accounts",
            notice=notice(_NOTICES),
            search=search,
            listed=Listed(number, total),
            accounts=[
                (user, owners.get(user.owner_id or 0), keys.get(user.id), marks(user, keys.get(user.id), now))
                for user in found
            ],
            offered=self._listing.offers(Offer.PEOPLE)[Offer.PEOPLE],
            filled=filled,
            now=now,
            ago=ago,
            ahead=ahead,
        )


def marks(user: User, key: KeySummary | None, now: datetime) -> list[str]:
    """What an admin should look at, before something stops at night."""
    found = []
    if not user.owner_id:
        found.append("No owner")
    if not user.is_active:
        return found
    if key is None:
        found.append("No key")
    elif ends_soon(key.ends, now):
        found.append(f"Key ends {ahead(key.ends, now)}")
    return found
