"""Access requests as JSON: ask by name, see what one asked for and what one is to decide, and decide.

SECURITY: the answer to who asks is the same whether there is such a resource or not (`grants/requests.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import flask
from pydantic import AfterValidator, Field, WithJsonSchema

from mlflow_oidc_auth.database.tables import BIGGEST_ID
from mlflow_oidc_auth.grants.request_rows import Asked, ToDecide
from mlflow_oidc_auth.grants.requests import LONGEST_REASON, RequestStore
from mlflow_oidc_auth.vocabulary import Kind
from mlflow_oidc_auth.web.json_api import Moment, Nothing, Told, add_json_route, asker
from mlflow_oidc_auth.web.json_body import Body, Text
from mlflow_oidc_auth.web.json_fields import LastDay, Paged, Permission, ResourceType

_PATH = "2.0/mlflow/access-requests"


def _not_too_long(reason: str) -> str:
    if len(reason) > LONGEST_REASON:
        raise ValueError(f"is longer than {LONGEST_REASON} characters.")
    return reason


Reason = Annotated[
    Text,
    AfterValidator(_not_too_long),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": LONGEST_REASON}),
]
"""Why somebody asks."""


class AskForAccess(Body):
    """What is asked for: a kind, a name or the id of an experiment, a level, and why."""

    resource_type: ResourceType
    name: Text
    permission: Permission
    reason: Reason | None = None


class GrantRequest(Body):
    """Another level than was asked for, and an end date."""

    permission: Permission | None = None
    expires_at: LastDay = None


class ListRequests(Paged):
    """Which of the two lists: what one asked for, or what one is to decide."""

    to_decide: Annotated[str, Field(pattern="^(true|false)$")] = "false"


class ToldRequest(Told):
    """WIRE: a request. What it leads to and who asks is told to who decides; to who asked, what they wrote.

    `state` is `open` until it was granted: a request that was declined just ends.
    """

    id: int
    resource_type: Kind
    asked_for: str
    resource_id: str | None
    username: str
    permission: Permission
    reason: str
    state: str
    asked_at: Moment
    ends_at: Moment
    granted_by: str | None
    granted_at: Moment | None


class OneRequest(Told):
    """The request as it stands now."""

    access_request: ToldRequest


class ManyRequests(Told):
    """One page of requests; `next_page_token` is empty on the last."""

    access_requests: list[ToldRequest]
    next_page_token: str


def requests_api(*, requests: RequestStore, clock: Callable[[], datetime]) -> flask.Blueprint:
    """The blueprint; register it under the static prefix."""
    ours = _RequestsApi(requests, clock)
    blueprint = flask.Blueprint("oidc_auth_access_requests", __name__)
    add_json_route(blueprint, "GET", _PATH, ours.listed)
    add_json_route(blueprint, "POST", _PATH, ours.ask)
    add_json_route(blueprint, "POST", f"{_PATH}/<int:request_id>/grant", ours.grant)
    add_json_route(blueprint, "POST", f"{_PATH}/<int:request_id>/decline", ours.decline)
    add_json_route(blueprint, "POST", f"{_PATH}/<int:request_id>/withdraw", ours.withdraw)
    return blueprint


@dataclass(frozen=True, slots=True)
class _RequestsApi:
    requests: RequestStore
    clock: Callable[[], datetime]

    def ask(self, sent: AskForAccess) -> OneRequest:
        """Ask for access to something by its name; its owner and the admins see it, if there is such a thing."""
        asked = self.requests.ask(
            asker(), sent.resource_type, sent.name, sent.permission, reason=sent.reason or "", now=self.clock()
        )
        return OneRequest(access_request=_told(asked, asker().username))

    def listed(self, sent: ListRequests) -> ManyRequests:
        """What one asked for in the last 30 days; with `to_decide=true`, the open requests on what one manages."""
        me, now = asker(), self.clock()
        if sent.to_decide == "true":
            decide, _ = self.requests.to_decide(me, now, sent.offset, sent.size + 1)
            return _page([_told_to_decider(one) for one in decide], sent)
        mine, _ = self.requests.of_user(me.user_id, now, sent.offset, sent.size + 1)
        return _page([_told(one, me.username) for one in mine], sent)

    def grant(self, sent: GrantRequest, request_id: int) -> Nothing:
        """Give what is asked for, or another level, to who asked."""
        row, now = _row(request_id), self.clock()
        self.requests.grant(row, by=asker(), now=now, level=sent.permission, until=sent.expires_at)
        return Nothing()

    def decline(self, request_id: int) -> Nothing:
        """Decide that it is not given. Who asked is not told; the request just ends."""
        self.requests.decline(_row(request_id), by=asker(), now=self.clock())
        return Nothing()

    def withdraw(self, request_id: int) -> Nothing:
        """Take back what one asked for."""
        self.requests.withdraw(_row(request_id), by=asker(), now=self.clock())
        return Nothing()


def _row(request_id: int) -> int:
    """An id that the database can hold; a larger one is nobody's, like -1."""
    return request_id if request_id <= BIGGEST_ID else -1


def _page(told: list[ToldRequest], sent: ListRequests) -> ManyRequests:
    rows, token = sent.cut(told)
    return ManyRequests(access_requests=rows, next_page_token=token)


def _told(asked: Asked, username: str) -> ToldRequest:
    return ToldRequest(
        id=asked.id,
        resource_type=asked.kind,
        asked_for=asked.asked_for,
        resource_id=None,
        username=username,
        permission=asked.level,
        reason=asked.reason,
        state="open" if asked.granted_at is None else "granted",
        asked_at=asked.asked_at,
        ends_at=asked.ends_at,
        granted_by=asked.granted_by or None,
        granted_at=asked.granted_at,
    )


def _told_to_decider(open_: ToDecide) -> ToldRequest:
    return ToldRequest(
        id=open_.id,
        resource_type=open_.kind,
        asked_for=open_.on.name,
        resource_id=open_.on.resource.key,
        username=open_.username,
        permission=open_.level,
        reason=open_.reason,
        state="open",
        asked_at=open_.asked_at,
        ends_at=open_.ends_at,
        granted_by=None,
        granted_at=None,
    )
