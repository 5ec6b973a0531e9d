"""The Permissions page: who am I, my access keys, what I own and what is shared with me.

SECURITY: a new key is in one answer, once: the answer to the form that made it. It is in no address, no title
and no redirect, and nothing stores the page. The gate lets in browser sessions only (`InBrowser`), and form
posts that come from our own pages only.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import flask
from werkzeug.wrappers import Response

from mlflow_oidc_auth.errors import BadRequest, NotFound
from mlflow_oidc_auth.pages.keys import ShownKey
from mlflow_oidc_auth.pages.lists import PAGE_SIZE, Listed, asked_page, go, notice, shown, wrong
from mlflow_oidc_auth.pages.parts import Parts
from mlflow_oidc_auth.tokens.rules import expiry, expiry_dates
from mlflow_oidc_auth.vocabulary import Identity, Level, Rung
from mlflow_oidc_auth.web.forms import form_fields
from mlflow_oidc_auth.web.json_api import asker
from mlflow_oidc_auth.web.page import static_file
from mlflow_oidc_auth.web.recipes import recipes

_PRESETS = (7, 30, 90, 365)
_USUAL, _USUAL_DAYS = "usual", 30
_FIRST_NAME = "first key"
"""What MLflow's own page asks for, where nobody chose: so many days, or fewer where fewer are allowed, and a name."""

_NOTICES = {
    "revoked": "Your access key is revoked. What still uses it is refused from now on.",
    "gone": "That access key had ended before.",
}
_NOTHING_CHOSEN = "Choose how long the key is to live."


def permissions_pages(parts: Parts) -> flask.Blueprint:
    """The blueprint; register it under the static prefix."""
    ours = _PermissionsPages(parts)
    blueprint = flask.Blueprint("oidc_auth_permissions", __name__)
    blueprint.add_url_rule("/permissions", "permissions", ours.permissions, methods=["GET"])
    blueprint.add_url_rule("/permissions/keys", "create", ours.create, methods=["POST"])
    blueprint.add_url_rule("/permissions/keys/revoke", "revoke", ours.revoke, methods=["POST"])
    for path in ("keys", "keys/revoke"):  # somebody opens a form's address again, from the address bar
        blueprint.add_url_rule(f"/permissions/{path}", f"back_from_{path}", ours.back, methods=["GET"])
    blueprint.add_url_rule("/permissions/static/<path:filename>", "static_file", static_file, methods=["GET"])
    return blueprint


@dataclass(frozen=True, slots=True)
class _Choice:
    """What the form for a new key said, and what is wrong with it: shown again at the fields."""

    lifetime: str = ""
    expires_at: str = ""
    name: str = ""
    wrong: str = ""
    wrong_field: str = ""


class _PermissionsPages:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._home = f"{parts.prefix}/permissions"

    def permissions(self) -> Response:
        """The page, as it stands."""
        return self._page(_Choice())

    def back(self) -> Response:
        """To the page."""
        return go(self._home)

    def create(self) -> Response:
        """Make a key and show it, once; or the page again, with what is wrong with the form."""
        me, now, max_days = asker(), self._parts.clock(), self._parts.settings.max_token_days
        choice = _chosen(form_fields("lifetime", "expires_at", "name"), _presets(max_days), now)
        expires_at = choice.wrong or expiry(choice.expires_at, now, max_days)
        if isinstance(expires_at, str):
            field = choice.wrong_field or "expires_at"
            return wrong(self._page(replace(choice, wrong=expires_at, wrong_field=field)))
        try:
            key, row = self._parts.tokens.create(me.user_id, expires_at, by=me.username, now=now, name=choice.name)
        except BadRequest as refusal:
            return wrong(self._page(replace(choice, wrong=refusal.message, wrong_field="name")))
        return self._parts.pages.render(
            "permissions/key.html",
            key=key.reveal(),
            row=row,
            recipes=recipes(self._address(), me.username, key.reveal()),
        )

    def revoke(self) -> Response:
        """End the key that the form names: the one the person saw, not one made since."""
        me = asker()
        try:
            self._parts.tokens.revoke(me.user_id, form_fields("key")["key"], me.username, self._parts.clock())
        except NotFound:
            return go(self._home, "gone")
        return go(self._home, "revoked")

    def _page(self, choice: _Choice) -> flask.Response:
        me = asker()
        now = self._parts.clock()
        return self._parts.pages.render(
            "permissions/permissions.html",
            here="permissions",
            notice=notice(_NOTICES),
            groups=self._parts.groups.of_user(me.user_id),
            choice=choice,
            default_level=self._parts.settings.default_mlflow_permission,
            **self._keys(me, now),
            **self._held(me, now),
        )

    def _keys(self, me: Identity, now: datetime) -> dict[str, Any]:
        """The keys there are, and what a new one may be and would replace."""
        settings = self._parts.settings
        keys = [ShownKey.of(key, now) for key in self._parts.tokens.active_of(me.user_id, now)]
        first, last = expiry_dates(now, settings.max_token_days)
        return {
            "keys": keys,
            "standing": [key for key in keys if not key.replaced],
            "limit": settings.max_tokens_per_user,
            "overlap": settings.replaced_token_hours,
            "overlap_ends": now + timedelta(hours=settings.replaced_token_hours),
            "presets": [(days, self._end_of(days, now)) for days in _presets(settings.max_token_days)],
            "first": first,
            "last": last,
        }

    def _end_of(self, days: int, now: datetime) -> datetime | str:
        """When a key ends that is made now for so many days."""
        return expiry(_ahead(days, now), now, self._parts.settings.max_token_days)

    def _held(self, me: Identity, now: datetime) -> dict[str, Any]:
        """One page of what somebody owns or was given, and where among the pages it is."""
        page, offset = asked_page()
        held, total = self._parts.grants.owned_and_shared(me.user_id, me.group_ids, offset, PAGE_SIZE, now)
        names = self._parts.resources.names([one.resource for one in held]) if held else {}
        rows = [
            {
                "shown": shown(one.resource, names.get(one.resource), self._parts.prefix),
                "level": one.level.name,
                "shares": one.level is Level.MANAGE,
                "through": "You" if one.rung is Rung.USER else "Your group",
            }
            for one in held
        ]
        return {"held": rows, "listed": Listed(page, total)}

    def _address(self) -> str:
        return self._parts.address(flask.request.host_url)


def _chosen(form: Mapping[str, str], presets: Collection[int], now: datetime) -> _Choice:
    """What was chosen, as a date. A date without a choice of it counts; a chosen number of days goes before it."""
    lifetime, expires_at, name = form["lifetime"], form["expires_at"], form["name"].strip()
    if lifetime == _USUAL:
        lifetime, name = str(min(_USUAL_DAYS, max(presets))), name or _FIRST_NAME
    if lifetime in {str(days) for days in presets}:
        return _Choice(lifetime, _ahead(int(lifetime), now), name)
    if lifetime == "date" or (not lifetime and expires_at):
        return _Choice("date", expires_at, name)
    return _Choice(name=name, wrong=_NOTHING_CHOSEN, wrong_field="lifetime")


def _presets(max_days: int) -> tuple[int, ...]:
    """The numbers of days to choose from; the highest is what is allowed at most."""
    return (*(days for days in _PRESETS if days < max_days), max_days)


def _ahead(days: int, now: datetime) -> str:
    """The date (UTC) so many days ahead."""
    return (now.astimezone(UTC).date() + timedelta(days=days)).isoformat()
