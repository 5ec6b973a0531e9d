"""Access keys as JSON: one's own, listed, made and revoked; those of others, for admins.

SECURITY: what makes keys, or lists one's own, is for browser sessions alone (`InBrowser`, `AdminInBrowser` in
`operations/ours.py`): a key cannot list, make or renew keys. A new key is in one answer, once, and no answer of
these is kept by a cache.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import flask

from mlflow_oidc_auth.accounts.users import UserStore
from mlflow_oidc_auth.accounts.web import user_called
from mlflow_oidc_auth.errors import BadRequest, Forbidden
from mlflow_oidc_auth.tokens.rules import expiry
from mlflow_oidc_auth.tokens.store import TokenRow, TokenStore
from mlflow_oidc_auth.web.json_api import Moment, Nothing, Told, add_json_route, asker
from mlflow_oidc_auth.web.json_body import Body, Text

_OWN = "2.0/mlflow/users/current/tokens"
_OF_USER = "2.0/mlflow/users/<username>/tokens"


class MakeKey(Body):
    """Until which date the key is to live, as in 2027-01-31, and its name: required where several are allowed."""

    expires_at: Text
    name: Text = ""


class KeyTold(Told):
    """An access key without its secret; the id is the public one.

    `replaced_at`: since then a newer key stands in its place, and it ends early.
    """

    id: str
    name: str
    created_at: Moment
    expires_at: Moment
    last_used_at: Moment | None
    replaced_at: Moment | None


class NewKeyTold(KeyTold):
    """A new access key: `token` is the key itself, which no other answer holds."""

    token: str


class KeysTold(Told):
    """The active access keys of one account, the newest first."""

    tokens: list[KeyTold]


def token_api(*, store: TokenStore, users: UserStore, max_days: int, clock: Callable[[], datetime]) -> flask.Blueprint:
    """The blueprint; register it under the static prefix.

    Args:
        max_days: how many days a key may live at most.
    """
    ours = _TokenApi(store, users, max_days, clock)
    blueprint = flask.Blueprint("oidc_auth_tokens", __name__)
    add_json_route(blueprint, "GET", _OWN, ours.listing)
    add_json_route(blueprint, "POST", _OWN, ours.create)
    add_json_route(blueprint, "DELETE", f"{_OWN}/<token_id>", ours.revoke)
    add_json_route(blueprint, "GET", _OF_USER, ours.of_user)
    add_json_route(blueprint, "POST", _OF_USER, ours.create_for)
    add_json_route(blueprint, "DELETE", f"{_OF_USER}/<token_id>", ours.revoke_of)
    return blueprint


@dataclass(frozen=True, slots=True)
class _TokenApi:
    store: TokenStore
    users: UserStore
    max_days: int
    clock: Callable[[], datetime]

    def listing(self) -> KeysTold:
        """List the asker's active access keys, the newest first, without secrets."""
        return self._listed(asker().user_id)

    def create(self, sent: MakeKey) -> NewKeyTold:
        """Make an access key for the asker; the answer is the only place that holds it."""
        return self._make(asker().user_id, sent)

    def revoke(self, token_id: str) -> Nothing:
        """End one of the asker's access keys."""
        me = asker()
        self.store.revoke(me.user_id, token_id, by=me.username, now=self.clock())
        return Nothing()

    def of_user(self, username: str) -> KeysTold:
        """List the active access keys of a user or service account, without secrets."""
        return self._listed(user_called(self.users, username).id)

    def create_for(self, sent: MakeKey, username: str) -> NewKeyTold:
        """Make an access key for a service account; the answer is the only place that holds it.

        SECURITY: an admin with a person's key could act in that person's name.
        """
        user = user_called(self.users, username)
        if not user.is_service_account:
            raise Forbidden(
                "People make their own access keys, on their Permissions page. Make keys here for service accounts."
            )
        return self._make(user.id, sent)

    def revoke_of(self, username: str, token_id: str) -> Nothing:
        """End one access key of a user or service account."""
        user = user_called(self.users, username)
        self.store.revoke(user.id, token_id, by=asker().username, now=self.clock())
        return Nothing()

    def _make(self, user_id: int, sent: MakeKey) -> NewKeyTold:
        now = self.clock()
        expires_at = expiry(sent.expires_at, now, self.max_days)
        if isinstance(expires_at, str):
            raise BadRequest(expires_at)
        token, row = self.store.create(user_id, expires_at, by=asker().username, now=now, name=sent.name)
        return NewKeyTold(token=token.reveal(), **_told(row).__dict__)

    def _listed(self, user_id: int) -> KeysTold:
        return KeysTold(tokens=[_told(row) for row in self.store.active_of(user_id, self.clock())])


def _told(row: TokenRow) -> KeyTold:
    return KeyTold(
        id=row.public_id,
        name=row.name,
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        replaced_at=row.replaced_at,
    )
