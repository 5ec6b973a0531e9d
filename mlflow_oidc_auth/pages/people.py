"""People, for admins: everybody who logged in once. The page of each is in `account.py`."""

from __future__ import annotations

import flask
from werkzeug.wrappers import Response

from mlflow_oidc_auth.accounts.listing import AccountListing
from mlflow_oidc_auth.pages.lists import PAGE_SIZE, Listed, asked_page, notice
from mlflow_oidc_auth.pages.parts import Parts
from mlflow_oidc_auth.tokens.listing import KeyListing
from mlflow_oidc_auth.web.forms import query_fields
from mlflow_oidc_auth.web.moments import ago, ahead

_NOTICES = {"deleted": "The account is deleted, with its sessions, access keys and grants."}


def people_pages(parts: Parts) -> flask.Blueprint:
    """The blueprint; register it under the static prefix."""
    ours = _PeoplePages(parts)
    blueprint = flask.Blueprint("oidc_auth_people", __name__)
    blueprint.add_url_rule("/permissions/people", "people", ours.people, methods=["GET"])
    return blueprint


class _PeoplePages:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._keys = KeyListing(parts.engine)
        self._listing = AccountListing(parts.engine)

    def people(self) -> Response:
        """Everybody who logged in once, by their e-mail."""
        now, search, (number, offset) = self._parts.clock(), query_fields("search")["search"].strip(), asked_page()
        found, total = self._parts.users.page(search, offset, PAGE_SIZE, service_accounts=False)
        ids = [user.id for user in found]
        keys = self._keys.of_each(ids, now) if ids else {}
        in_groups = self._listing.groups_of_each(ids) if ids else {}
        return self._parts.pages.render(
            "permissions/people.html",
            here="people",
            notice=notice(_NOTICES),
            search=search,
            listed=Listed(number, total),
            people=[(user, keys.get(user.id), in_groups.get(user.id, 0)) for user in found],
            now=now,
            ago=ago,
            ahead=ahead,
        )
