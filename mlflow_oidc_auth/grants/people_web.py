"""What somebody manages given to somebody else, and what nobody manages: as JSON, for admins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import flask

from mlflow_oidc_auth.accounts.users import UserStore
from mlflow_oidc_auth.accounts.web import user_called
from mlflow_oidc_auth.grants.asked import Resources, given_by
from mlflow_oidc_auth.grants.store import Found, GrantStore
from mlflow_oidc_auth.vocabulary import Kind
from mlflow_oidc_auth.web.json_api import Told, add_json_route, asker
from mlflow_oidc_auth.web.json_body import Body, Text
from mlflow_oidc_auth.web.json_fields import Paged


class HandOver(Body):
    """To whom."""

    to: Text


class HandedOver(Told):
    """How many grants were handed over, on resources and patterns."""

    resources: int


class ToldUnmanaged(Told):
    """WIRE: a resource that nobody manages; `deleted`: it is in MLflow's bin."""

    resource_type: Kind
    resource_id: str
    name: str
    deleted: bool


class ManyUnmanaged(Told):
    """One page of resources; `next_page_token` is empty on the last."""

    resources: list[ToldUnmanaged]
    next_page_token: str


def people_api(
    *, grants: GrantStore, users: UserStore, resources: Resources, clock: Callable[[], datetime]
) -> flask.Blueprint:
    """The blueprint; register it under the static prefix."""
    ours = _PeopleApi(grants, users, resources, clock)
    blueprint = flask.Blueprint("oidc_auth_hand_over", __name__)
    add_json_route(blueprint, "POST", "2.0/mlflow/users/<username>/hand-over", ours.hand_over)
    add_json_route(blueprint, "GET", "2.0/mlflow/resources/unmanaged", ours.unmanaged)
    return blueprint


@dataclass(frozen=True, slots=True)
class _PeopleApi:
    grants: GrantStore
    users: UserStore
    resources: Resources
    clock: Callable[[], datetime]

    def hand_over(self, sent: HandOver, username: str) -> HandedOver:
        """Let one user have all that another manages by grants of their own."""
        giver, taker = user_called(self.users, username), user_called(self.users, sent.to)
        return HandedOver(resources=self.grants.hand_over(giver.id, taker.id, by=given_by(asker()), now=self.clock()))

    def unmanaged(self, sent: Paged) -> ManyUnmanaged:
        """Experiments, models and prompts that nobody manages who can log in."""
        found, _ = self.resources.without_manager(sent.offset, sent.size + 1, self.clock())
        rows, token = sent.cut(found)
        return ManyUnmanaged(resources=[_told(one) for one in rows], next_page_token=token)


def _told(found: Found) -> ToldUnmanaged:
    return ToldUnmanaged(
        resource_type=found.kind, resource_id=found.resource.key, name=found.name, deleted=found.deleted
    )
