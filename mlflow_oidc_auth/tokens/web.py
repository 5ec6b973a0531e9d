"""Access keys as JSON: one's own, listed, made and revoked.

SECURITY: the gate lets in browser sessions only (`InBrowser` in `operations/ours.py`): a key cannot list, make
or renew keys. A new key is in one answer, once, and no answer of these is kept by a cache.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import flask

from mlflow_oidc_auth.errors import BadRequest
from mlflow_oidc_auth.tokens.rules import expiry
from mlflow_oidc_auth.tokens.store import TokenRow, TokenStore
from mlflow_oidc_auth.web.json_api import add_json_route, asker, json_answer
from mlflow_oidc_auth.web.json_body import body_texts
from mlflow_oidc_auth.web.moments import iso

_PATH = "2.0/mlflow/users/current/tokens"


def token_api(*, store: TokenStore, max_days: int, clock: Callable[[], datetime]) -> flask.Blueprint:
    """The blueprint; register it under the static prefix.

    Args:
        max_days: how many days a key may live at most.
    """
    ours = _TokenApi(store, max_days, clock)
    blueprint = flask.Blueprint("oidc_auth_tokens", __name__)
    add_json_route(blueprint, "GET", _PATH, ours.listing)
    add_json_route(blueprint, "POST", _PATH, ours.create)
    add_json_route(blueprint, "DELETE", f"{_PATH}/<token_id>", ours.revoke)
    return blueprint


@dataclass(frozen=True, slots=True)
class _TokenApi:
    store: TokenStore
    max_days: int
    clock: Callable[[], datetime]

    def listing(self) -> flask.Response:
        """The asker's active keys, the newest first, without secrets."""
        rows = self.store.active_of(asker().user_id, self.clock())
        return json_answer({"tokens": [_told(row) for row in rows]})

    def create(self) -> flask.Response:
        """A new key for the asker; the answer is the only place that holds it."""
        me, now = asker(), self.clock()
        expires_at = expiry(body_texts("expires_at")["expires_at"], now, self.max_days)
        if isinstance(expires_at, str):
            raise BadRequest(expires_at)
        token, row = self.store.create(me.user_id, expires_at, by=me.username, now=now)
        return json_answer({"token": token.reveal(), **_told(row)})

    def revoke(self, token_id: str) -> flask.Response:
        """End one of the asker's keys."""
        me = asker()
        self.store.revoke(me.user_id, token_id, by=me.username, now=self.clock())
        return json_answer({})


def _told(row: TokenRow) -> dict[str, str | None]:
    """WIRE: a key as JSON tells it; the id is the public one, moments are ISO 8601 in UTC."""
    return {
        "id": row.public_id,
        "created_at": iso(row.created_at),
        "expires_at": iso(row.expires_at),
        "last_used_at": None if row.last_used_at is None else iso(row.last_used_at),
    }
