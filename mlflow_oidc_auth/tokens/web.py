"""Access keys as JSON: one's own, listed, made and revoked.

SECURITY: the gate lets in browser sessions only (`InBrowser` in `operations/ours.py`): a key cannot list, make
or renew keys. A new key is in one answer, once, and no answer of these is kept by a cache.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import flask
from werkzeug.wrappers import Response

from mlflow_oidc_auth import context
from mlflow_oidc_auth.errors import BadRequest, Unauthenticated
from mlflow_oidc_auth.tokens.rules import expiry
from mlflow_oidc_auth.tokens.store import TokenRow, TokenStore
from mlflow_oidc_auth.vocabulary import Identity
from mlflow_oidc_auth.web.json_body import body_texts

_PATH = "2.0/mlflow/users/current/tokens"


def token_api(*, store: TokenStore, max_days: int, clock: Callable[[], datetime]) -> flask.Blueprint:
    """The blueprint; register it under the static prefix.

    Args:
        max_days: how many days a key may live at most.
    """
    ours = _TokenApi(store, max_days, clock)
    blueprint = flask.Blueprint("oidc_auth_tokens", __name__)
    for below in ("api", "ajax-api"):
        path = f"/{below}/{_PATH}"
        blueprint.add_url_rule(path, f"list_{below}", ours.listing, methods=["GET"])
        blueprint.add_url_rule(path, f"create_{below}", ours.create, methods=["POST"])
        blueprint.add_url_rule(f"{path}/<token_id>", f"revoke_{below}", ours.revoke, methods=["DELETE"])
    return blueprint


@dataclass(frozen=True, slots=True)
class _TokenApi:
    store: TokenStore
    max_days: int
    clock: Callable[[], datetime]

    def listing(self) -> Response:
        """The asker's active keys, the newest first, without secrets."""
        rows = self.store.active_of(_asking().user_id, self.clock())
        return _answer(tokens=[_told(row) for row in rows])

    def create(self) -> Response:
        """A new key for the asker; the answer is the only place that holds it."""
        asking, now = _asking(), self.clock()
        expires_at = expiry(body_texts("expires_at")["expires_at"], now, self.max_days)
        if isinstance(expires_at, str):
            raise BadRequest(expires_at)
        token, row = self.store.create(asking.user_id, expires_at, by=asking.username, now=now)
        return _answer(token=token.reveal(), **_told(row))

    def revoke(self, token_id: str) -> Response:
        """End one of the asker's keys."""
        asking = _asking()
        self.store.revoke(asking.user_id, token_id, by=asking.username, now=self.clock())
        return _answer()


def _asking() -> Identity:
    identity = context.identity()
    if identity is None:
        raise Unauthenticated("Log in first.")
    return identity


def _told(row: TokenRow) -> dict[str, str | None]:
    """WIRE: a key as JSON tells it; the id is the public one, moments are ISO 8601 in UTC."""
    return {
        "id": row.public_id,
        "created_at": _moment(row.created_at),
        "expires_at": _moment(row.expires_at),
        "last_used_at": None if row.last_used_at is None else _moment(row.last_used_at),
    }


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def _answer(**values: Any) -> Response:
    answer = flask.jsonify(values)
    answer.headers["Cache-Control"] = "no-store"
    return answer
