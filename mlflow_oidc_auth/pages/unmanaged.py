"""What nobody manages, for admins: its people are gone or disabled. Each can be given to somebody who manages it."""

from __future__ import annotations

from datetime import datetime

import flask
from werkzeug.wrappers import Response

from mlflow_oidc_auth.accounts.listing import AccountListing, Offer
from mlflow_oidc_auth.errors import BadRequest, Refusal
from mlflow_oidc_auth.grants.asked import given_by
from mlflow_oidc_auth.grants.many import Wanted, change_many
from mlflow_oidc_auth.grants.rows import run_alone
from mlflow_oidc_auth.grants.store import Grantee, Shareable
from mlflow_oidc_auth.pages.lists import NOBODY, PAGE_SIZE, Filled, Listed, asked_page, go, notice, row_id, shown, wrong
from mlflow_oidc_auth.pages.parts import Parts
from mlflow_oidc_auth.vocabulary import Identity, Kind, Level, Resource, is_plain_number
from mlflow_oidc_auth.web.forms import form_fields, form_list
from mlflow_oidc_auth.web.json_api import asker

_NOTICES = {
    "handed-over": "Done: they have somebody who manages them.",
    "managed": "Somebody manages these by now, so nothing was given. The list is as it stands at this moment.",
}


def unmanaged_pages(parts: Parts) -> flask.Blueprint:
    """The blueprint; register it under the static prefix."""
    ours = _UnmanagedPages(parts)
    blueprint = flask.Blueprint("oidc_auth_unmanaged", __name__)
    blueprint.add_url_rule("/permissions/unmanaged", "listing", ours.listing, methods=["GET"])
    blueprint.add_url_rule("/permissions/unmanaged", "hand_over", ours.hand_over, methods=["POST"])
    return blueprint


class _UnmanagedPages:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._listing = AccountListing(parts.engine)

    def listing(self) -> Response:
        """The list."""
        return self._page(Filled())

    def hand_over(self) -> Response:
        """Give MANAGE on what is ticked to somebody."""
        me, now, said, ticked = asker(), self._parts.clock(), form_fields("to"), form_list("on", PAGE_SIZE)
        chosen = said | {f"on {one}": "yes" for one in ticked}
        if not ticked:
            return wrong(self._page(Filled("", chosen, {"on": "Tick what you want to hand over."})))
        taker = self._parts.users.by_username(said["to"].strip())
        if taker is None or not taker.is_active:
            sentence = NOBODY if taker is None else "This account is disabled. Choose somebody who can log in."
            return wrong(self._page(Filled("", chosen, {"to": sentence})))
        try:
            given = self._give([_resource(one) for one in ticked], Grantee(taker.id, taker.username), me, now)
        except Refusal as refusal:
            return wrong(self._page(Filled("", chosen, {"on": refusal.message})))
        return go(f"{self._parts.prefix}/permissions/unmanaged", "handed-over" if given else "managed")

    def _give(self, resources: list[Resource], to: Grantee, me: Identity, now: datetime) -> bool:
        """All of it, or nothing. What is gone from MLflow meanwhile, or managed by somebody, is left out.

        Returns:
            Whether something was left to give.
        """
        left, _ = self._parts.resources.without_manager(0, len(resources), now, among=resources)
        changes = [Wanted(Shareable(one.resource, one.name), to, Level.MANAGE) for one in left]
        with self._parts.engine.begin() as connection:
            run_alone(connection)
            change_many(connection, changes, by=given_by(me), now=now)
        return bool(left)

    def _page(self, filled: Filled) -> flask.Response:
        number, offset = asked_page()
        found, total = self._parts.resources.without_manager(offset, PAGE_SIZE, self._parts.clock())
        return self._parts.pages.render(
            "permissions/unmanaged.html",
            here="unmanaged",
            notice=notice(_NOTICES),
            listed=Listed(number, total),
            found=[
                (f"{one.resource.kind}:{one.resource.key}", shown(one.resource, one, self._parts.prefix))
                for one in found
            ],
            offered=self._listing.offers(Offer.PEOPLE)[Offer.PEOPLE],
            filled=filled,
        )


def _resource(text: str) -> Resource:
    """The resource that a tick stands for.

    Raises:
        BadRequest: it is none of this page's.
        NotFound: no database holds a number so large.
    """
    kind, _, key = text.partition(":")
    if kind == Kind.EXPERIMENT and is_plain_number(key):
        return Resource(Kind.EXPERIMENT, str(row_id(key)))
    if kind == Kind.REGISTERED_MODEL and key:
        return Resource(Kind.REGISTERED_MODEL, key)
    raise BadRequest("This form names something that is no experiment, model or prompt. Open the page again.")
