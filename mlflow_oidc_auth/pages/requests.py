"""The Requests page: ask for access by name, see what one asked for, and decide on what one manages.

SECURITY: the answer to a form that asks is always the same, whether there is such a thing or not; what else must not
be told is kept by `grants/requests.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import flask
from werkzeug.wrappers import Response

from mlflow_oidc_auth.database.tables import NAME_LENGTH
from mlflow_oidc_auth.errors import BadRequest, Forbidden, NotFound, Refusal, TooManyRequests
from mlflow_oidc_auth.grants.requests import LONGEST_REASON, ToDecide, reason_wrong
from mlflow_oidc_auth.grants.store import Named
from mlflow_oidc_auth.pages.lists import Filled, Listed, Shown, asked_page, go, notice, row_id, shown
from mlflow_oidc_auth.pages.parts import Parts
from mlflow_oidc_auth.pages.terms import level_and_end
from mlflow_oidc_auth.vocabulary import Identity, Kind, Level
from mlflow_oidc_auth.web.forms import form_fields, query_fields
from mlflow_oidc_auth.web.json_api import asker

MINE = "mine"
"""What the address calls the page of one's own requests."""

ROWS = 25
"""How many requests each of the two lists tells of at once."""

_NOTICES = {
    "sent": "Sent, if there is such a thing: its owner and the admins see it.",
    "withdrawn": "Withdrawn.",
    "granted": "Granted. They have access from now on.",
    "declined": "Declined. They are not told; the request just ends.",
    "gone": "That request had been decided or withdrawn before.",
}
_ASK, _DECIDE = "ask", "decide"
_KIND_OPTIONS = ((str(Kind.EXPERIMENT), "Experiment"), (str(Kind.REGISTERED_MODEL), "Model or prompt"))
_KINDS = dict(_KIND_OPTIONS)
_LEVELS = [level.name for level in Level if level is not Level.NO_PERMISSIONS]


def requests_pages(parts: Parts) -> flask.Blueprint:
    """The blueprint; register it under the static prefix."""
    ours = _RequestsPage(parts)
    blueprint = flask.Blueprint("oidc_auth_requests", __name__)
    blueprint.add_url_rule("/permissions/requests", "requests", ours.page, methods=["GET"])
    blueprint.add_url_rule("/permissions/requests", "change", ours.change, methods=["POST"])
    return blueprint


@dataclass(frozen=True, slots=True)
class _Open:
    """A request to decide, as the page tells it."""

    request: ToDecide
    on: Shown
    filled: Filled


class _RequestsPage:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def page(self) -> Response:
        """The page, its form filled from the address that led here."""
        return self._page(Filled(_ASK, _prefilled()))

    def change(self) -> Response:
        """Ask, withdraw, grant or decline."""
        form = form_fields("do", "request", "resource_type", "name", "permission", "reason", "expires_at")
        me, now = asker(), self._parts.clock()
        match form["do"]:
            case "withdraw":
                return self._withdraw(me, form, now)
            case "grant":
                return self._grant(me, form, now)
            case "decline":
                return self._decline(me, form, now)
            case _:
                return self._ask(me, form, now)

    def _ask(self, me: Identity, form: dict[str, str], now: datetime) -> Response:
        name, reason = form["name"].strip(), form["reason"].strip()
        level, _, problems = level_and_end({**form, "expires_at": ""}, now)
        problems |= _wrong_text(name, reason)
        if form["resource_type"] not in _KINDS:
            problems["resource_type"] = "Choose what it is."
        if level is None or problems:
            return self._wrong(Filled(_ASK, form, problems))
        kind = Kind(form["resource_type"])
        try:
            self._parts.requests.ask(me, kind, name, level, reason=reason, now=now)
        except (BadRequest, TooManyRequests) as refusal:
            field = "permission" if level is Level.NO_PERMISSIONS else "name"
            return self._wrong(Filled(_ASK, form, {field: refusal.message}), refusal)
        return self._back("sent")

    def _withdraw(self, me: Identity, form: Mapping[str, str], now: datetime) -> Response:
        try:
            self._parts.requests.withdraw(row_id(form["request"]), by=me, now=now)
        except NotFound:
            return self._back("gone")
        return self._back("withdrawn")

    def _grant(self, me: Identity, form: Mapping[str, str], now: datetime) -> Response:
        level, until, problems = level_and_end(form, now)
        asked = f"{_DECIDE}-{form['request']}"
        if level is None or problems:
            return self._wrong(Filled(asked, form, problems))
        try:
            self._parts.requests.grant(row_id(form["request"]), by=me, now=now, level=level, until=until)
        except NotFound:
            return self._back("gone")
        except (BadRequest, Forbidden) as refusal:
            return self._wrong(Filled(asked, form, {"permission": refusal.message}), refusal)
        return self._back("granted")

    def _decline(self, me: Identity, form: Mapping[str, str], now: datetime) -> Response:
        try:
            self._parts.requests.decline(row_id(form["request"]), by=me, now=now)
        except NotFound:
            return self._back("gone")
        return self._back("declined")

    def _page(self, filled: Filled) -> flask.Response:
        me, now, requests = asker(), self._parts.clock(), self._parts.requests
        number, offset = asked_page(size=ROWS)
        my_number, my_offset = asked_page(MINE, ROWS)
        to_decide, total = requests.to_decide(me, now, offset, ROWS)
        mine, my_total = requests.of_user(me.user_id, now, my_offset, ROWS)
        return self._parts.pages.render(
            "permissions/requests.html",
            here="requests",
            notice=notice(_NOTICES),
            to_decide=[self._open(one, filled) for one in to_decide],
            listed=Listed(number, total, ROWS),
            mine=[(one, _KINDS[str(one.kind)]) for one in mine],
            my_listed=Listed(my_number, my_total, ROWS, MINE),
            ask=filled.of(_ASK),
            mistaken=bool(filled.wrong),
            kind_options=_KIND_OPTIONS,
            levels=_LEVELS,
            longest_reason=LONGEST_REASON,
            today=now.date().isoformat(),
        )

    def _open(self, request: ToDecide, filled: Filled) -> _Open:
        named = Named(request.kind, request.on.name)
        on = shown(request.on.resource, named, self._parts.prefix)
        return _Open(request, on, filled.of(f"{_DECIDE}-{request.id}"))

    def _wrong(self, filled: Filled, refusal: Refusal | None = None) -> flask.Response:
        page = self._page(filled)
        page.status_code = refusal.status if isinstance(refusal, TooManyRequests) else 400
        return page

    def _back(self, word: str) -> Response:
        return go(f"{self._parts.prefix}/permissions/requests", word)


def _prefilled() -> dict[str, str]:
    """What the address that led here says of the request."""
    args = query_fields("resource_type", "name", "permission")
    type_, level = args["resource_type"], args["permission"]
    kind = Kind.EXPERIMENT if type_ == str(Kind.EXPERIMENT) else Kind.REGISTERED_MODEL
    said = {"resource_type": str(kind)} if type_ in set(Kind) else {}
    return {**said, "name": args["name"][:NAME_LENGTH], **({"permission": level} if level in _LEVELS else {})}


def _wrong_text(name: str, reason: str) -> dict[str, str]:
    wrong: dict[str, str] = {}
    if not name:
        wrong["name"] = "Say what you want to open: its name, or the id of an experiment."
    if too_long := reason_wrong(reason):
        wrong["reason"] = too_long
    return wrong
