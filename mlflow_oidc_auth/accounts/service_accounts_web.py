"""Service accounts as JSON, for admins. Their access keys are made at `users/<username>/tokens`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import flask

from mlflow_oidc_auth.accounts.service_accounts import ServiceAccountStore
from mlflow_oidc_auth.accounts.users import User, UserStore
from mlflow_oidc_auth.accounts.web import user_called
from mlflow_oidc_auth.errors import BadRequest, NotFound
from mlflow_oidc_auth.web.json_api import Moment, Nothing, Told, add_json_route, asker
from mlflow_oidc_auth.web.json_body import Body, Text
from mlflow_oidc_auth.web.json_fields import Paged

_PATH = "2.0/mlflow/service-accounts"


class MakeServiceAccount(Body):
    """What it is called, the person who answers for it, and what it does."""

    name: Text
    owner: Text
    purpose: Text


class ChangeServiceAccount(Body):
    """Another owner or purpose; what is not sent stays."""

    owner: Text | None = None
    purpose: Text | None = None


class ListServiceAccounts(Paged):
    """Those whose name holds this text."""

    search: Text | None = None


class ToldServiceAccount(Told):
    """WIRE: a service account; `owner` is nobody where that person is gone."""

    id: int
    username: str
    owner: str | None
    purpose: str
    is_active: bool
    created_at: Moment


class OneServiceAccount(Told):
    """One service account."""

    service_account: ToldServiceAccount


class ManyServiceAccounts(Told):
    """One page of service accounts; `next_page_token` is empty on the last."""

    service_accounts: list[ToldServiceAccount]
    next_page_token: str


def service_accounts_api(
    *, accounts: ServiceAccountStore, users: UserStore, clock: Callable[[], datetime]
) -> flask.Blueprint:
    """The blueprint; register it under the static prefix."""
    ours = _ServiceAccountsApi(accounts, users, clock)
    blueprint, one = flask.Blueprint("oidc_auth_service_accounts_api", __name__), f"{_PATH}/<username>"
    add_json_route(blueprint, "GET", _PATH, ours.listed)
    add_json_route(blueprint, "POST", _PATH, ours.make)
    add_json_route(blueprint, "GET", one, ours.get)
    add_json_route(blueprint, "PATCH", one, ours.change)
    add_json_route(blueprint, "DELETE", one, ours.delete)
    return blueprint


@dataclass(frozen=True, slots=True)
class _ServiceAccountsApi:
    accounts: ServiceAccountStore
    users: UserStore
    clock: Callable[[], datetime]

    def listed(self, sent: ListServiceAccounts) -> ManyServiceAccounts:
        """Service accounts, by name."""
        found, _ = self.users.page(sent.search or "", sent.offset, sent.size + 1, service_accounts=True)
        rows, token = sent.cut(found)
        return ManyServiceAccounts(service_accounts=self._told(rows), next_page_token=token)

    def make(self, sent: MakeServiceAccount) -> OneServiceAccount:
        """Make a service account: it has nothing until something is granted to it, and no access key yet."""
        owner = user_called(self.users, sent.owner)
        made = self.accounts.create(sent.name, owner.id, sent.purpose, by=asker().username, now=self.clock())
        return self._one(made)

    def get(self, username: str) -> OneServiceAccount:
        """One service account."""
        return self._one(self._called(username))

    def change(self, sent: ChangeServiceAccount, username: str) -> OneServiceAccount:
        """Give a service account another owner or purpose."""
        if sent.owner is None and sent.purpose is None:
            raise BadRequest("Say what changes: send owner or purpose.")
        present = self._called(username)
        changed = self.accounts.change(
            present.id,
            owner_id=present.owner_id if sent.owner is None else user_called(self.users, sent.owner).id,
            purpose=present.purpose if sent.purpose is None else sent.purpose,
            by=asker().username,
            now=self.clock(),
        )
        return self._one(changed)

    def delete(self, username: str) -> Nothing:
        """Remove a service account, with its access keys and grants."""
        self.users.delete(self._called(username).id, self.clock(), by=asker().username)
        return Nothing()

    def _called(self, username: str) -> User:
        found = self.users.by_username(username)
        if found is None or not found.is_service_account:
            raise NotFound("There is no such service account.")
        return found

    def _one(self, account: User) -> OneServiceAccount:
        return OneServiceAccount(service_account=self._told([account])[0])

    def _told(self, accounts: list[User]) -> list[ToldServiceAccount]:
        owners = self.users.usernames({account.owner_id for account in accounts if account.owner_id is not None})
        return [
            ToldServiceAccount(
                id=account.id,
                username=account.username,
                owner=owners.get(account.owner_id or 0),
                purpose=account.purpose,
                is_active=account.is_active,
                created_at=account.created_at,
            )
            for account in accounts
        ]
