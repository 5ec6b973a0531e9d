"""The Permissions page: who am I, my access key, what I own and what is shared with me.

SECURITY: a new key is in one answer, once: the answer to the form that made it. It is in no address, no title
and no redirect, and nothing stores the page. The gate lets in browser sessions only (`InBrowser`), and form
posts that come from our own pages only.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import flask
from werkzeug.wrappers import Response

from mlflow_oidc_auth.errors import NotFound
from mlflow_oidc_auth.grants.store import Held, Named
from mlflow_oidc_auth.pages.parts import Parts
from mlflow_oidc_auth.tokens.rules import expiry, expiry_dates
from mlflow_oidc_auth.tokens.store import TokenRow
from mlflow_oidc_auth.vocabulary import Identity, Kind, Rung
from mlflow_oidc_auth.web.forms import form_fields, page_number
from mlflow_oidc_auth.web.json_api import asker
from mlflow_oidc_auth.web.moments import ago, ahead
from mlflow_oidc_auth.web.page import static_file
from mlflow_oidc_auth.web.recipes import recipes

PAGE_SIZE = 50
_PRESETS = (7, 30, 90, 365)
_WARN = timedelta(days=14)

_NOTICES = {
    "revoked": "Your access key is revoked. What still uses it is refused from now on.",
    "gone": "That access key had ended before.",
}
_KINDS = {Kind.EXPERIMENT: "Experiment", Kind.REGISTERED_MODEL: "Model", Kind.PROMPT: "Prompt"}
_ADDRESSES = {Kind.EXPERIMENT: "experiments", Kind.REGISTERED_MODEL: "models", Kind.PROMPT: "prompts"}
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
    wrong: str = ""
    wrong_field: str = ""


class _PermissionsPages:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def permissions(self) -> Response:
        """The page, as it stands."""
        return self._page(_Choice())

    def back(self) -> Response:
        """To the page."""
        return self._go()

    def create(self) -> Response:
        """Make a key and show it, once; or the page again, with what is wrong with the form."""
        me, now, max_days = asker(), self._parts.clock(), self._parts.settings.max_token_days
        choice = _chosen(form_fields("lifetime", "expires_at"), _presets(max_days), now)
        expires_at = choice.wrong or expiry(choice.expires_at, now, max_days)
        if isinstance(expires_at, str):
            field = choice.wrong_field or "expires_at"
            answer = self._page(_Choice(choice.lifetime, choice.expires_at, expires_at, field))
            answer.status_code = 400
            return answer
        key, row = self._parts.tokens.create(me.user_id, expires_at, by=me.username, now=now)
        return self._parts.pages.render(
            "permissions/key.html",
            key=key.reveal(),
            key_id=row.public_id,
            expires_at=row.expires_at,
            recipes=recipes(self._address(), me.username, key.reveal()),
        )

    def revoke(self) -> Response:
        """End the key that the form names: the one the person saw, not one made since."""
        me = asker()
        try:
            self._parts.tokens.revoke(me.user_id, form_fields("key")["key"], me.username, self._parts.clock())
        except NotFound:
            return self._go("gone")
        return self._go("revoked")

    def _page(self, choice: _Choice) -> flask.Response:
        me, now, settings = asker(), self._parts.clock(), self._parts.settings
        first, last = expiry_dates(now, settings.max_token_days)
        keys = [_shown_key(key, now) for key in self._parts.tokens.active_of(me.user_id, now)]
        return self._parts.pages.render(
            "permissions/permissions.html",
            notice=_NOTICES.get(flask.request.args.get("notice", "")),
            groups=self._parts.groups.of_user(me.user_id),
            keys=keys,
            replaces=keys[settings.max_tokens_per_user - 1 :][:1],
            presets=[(days, self._end_of(days, now)) for days in _presets(settings.max_token_days)],
            first=first,
            last=last,
            choice=choice,
            default_level=settings.default_mlflow_permission,
            address=self._address(),
            **self._held(me, now),
        )

    def _end_of(self, days: int, now: datetime) -> datetime | str:
        """When a key ends that is made now for so many days."""
        return expiry(_ahead(days, now), now, self._parts.settings.max_token_days)

    def _held(self, me: Identity, now: datetime) -> dict[str, Any]:
        """One page of what somebody owns or was given, and where among the pages it is."""
        number = page_number()
        held, total = self._parts.grants.owned_and_shared(
            me.user_id, me.group_ids, (number - 1) * PAGE_SIZE, PAGE_SIZE, now
        )
        names = self._parts.resources.names([one.resource for one in held]) if held else {}
        rows = [_shown(one, names.get(one.resource), self._parts.prefix) for one in held]
        return {"held": rows, "total": total, "page": number, "last_page": max(1, -(-total // PAGE_SIZE))}

    def _address(self) -> str:
        return self._parts.address(flask.request.host_url)

    def _go(self, notice: str = "") -> Response:
        query = f"?notice={notice}" if notice else ""
        answer = flask.redirect(f"{self._parts.prefix}/permissions{query}", code=303)
        answer.headers["Cache-Control"] = "no-store"
        return answer


def _chosen(form: Mapping[str, str], presets: Collection[int], now: datetime) -> _Choice:
    """What was chosen, as a date. A date without a choice of it counts; a chosen number of days goes before it."""
    lifetime, expires_at = form["lifetime"], form["expires_at"]
    if lifetime in {str(days) for days in presets}:
        return _Choice(lifetime, _ahead(int(lifetime), now))
    if lifetime == "date" or (not lifetime and expires_at):
        return _Choice("date", expires_at)
    return _Choice(wrong=_NOTHING_CHOSEN, wrong_field="lifetime")


def _presets(max_days: int) -> tuple[int, ...]:
    """The numbers of days to choose from; the highest is what is allowed at most."""
    return (*(days for days in _PRESETS if days < max_days), max_days)


def _shown_key(key: TokenRow, now: datetime) -> dict[str, Any]:
    """A key as the page tells it."""
    return {
        "id": key.public_id,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "ends": ahead(key.expires_at, now),
        "soon": key.expires_at - now <= _WARN,
        "last_used_at": key.last_used_at,
        "used": None if key.last_used_at is None else ago(key.last_used_at, now),
    }


def _shown(held: Held, name: Named | None, prefix: str) -> dict[str, Any]:
    """A resource as the list tells it. One without a name is gone from MLflow; its key is all there is to tell."""
    kind = held.resource.kind if name is None else name.kind
    listed = name is not None and not name.deleted
    return {
        "name": held.resource.key if name is None else name.name,
        "kind": _KINDS[kind],
        "link": f"{prefix}/#/{_ADDRESSES[kind]}/{quote(held.resource.key, safe='')}" if listed else None,
        "level": held.level.name,
        "through": "You" if held.rung is Rung.USER else "Your group",
    }


def _ahead(days: int, now: datetime) -> str:
    """The date (UTC) so many days ahead."""
    return (now.astimezone(UTC).date() + timedelta(days=days)).isoformat()
