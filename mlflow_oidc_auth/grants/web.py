"""Grants as JSON: to users, groups and teams, on resources and patterns, with end dates.

`2.0/mlflow/grants` is ours; what MLflow's own auth API has is in `mlflow_web.py` and `roles_web.py`.

- Who manages a resource sees every grant on it and gives and takes away there; patterns are for admins.
- Everybody sees their own and their groups' grants, without what NO_PERMISSIONS hides from them; admins see all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Self

import flask
from pydantic import model_validator

from mlflow_oidc_auth.accounts.web import one_user
from mlflow_oidc_auth.errors import Forbidden, NotFound
from mlflow_oidc_auth.grants.asked import (
    Asked,
    Judging,
    OnSomething,
    Resources,
    ToSomebody,
    given_by,
    pattern,
    refuse_no_id,
)
from mlflow_oidc_auth.grants.listing import GrantListing, Holders, ListedGrant
from mlflow_oidc_auth.grants.rules import may_share
from mlflow_oidc_auth.grants.store import GrantStore
from mlflow_oidc_auth.grants.told import ToldGrant, as_listed, named_by, told_grant
from mlflow_oidc_auth.vocabulary import Identity, Kind
from mlflow_oidc_auth.web.json_api import Nothing, Told, add_json_route, asker
from mlflow_oidc_auth.web.json_body import Body, Number, Query, Text
from mlflow_oidc_auth.web.json_fields import LastDay, Paged, Permission, ResourceType

__all__ = ["Judging", "Resources", "grants_api"]


class GiveGrant(Body, OnSomething, ToSomebody):
    """On what, to whom, how much, until when."""

    permission: Permission
    expires_at: LastDay = None


class TakeGrant(Body, OnSomething, ToSomebody):
    """On what, and whose."""


class ListGrants(Paged):
    """On what, or whose; neither for one's own."""

    resource_type: ResourceType | None = None
    resource_id: Text | None = None
    username: Text | None = None
    group_id: Number | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.resource_type is None) != (self.resource_id is None):
            raise ValueError("Send resource_type and resource_id together.")
        if self.resource_type is not None and self.resource_id is not None:
            refuse_no_id(self.resource_type, self.resource_id)
        if sum(sent is not None for sent in (self.resource_id, self.username, self.group_id)) > 1:
            raise ValueError("Ask for the grants on a resource, of a user or of a group: send one of them.")
        return self


class PreviewGrant(Query, ToSomebody):
    """A pattern, and who is to be given something on it."""

    resource_type: ResourceType
    pattern: Text

    @model_validator(mode="after")
    def _is_one_pattern(self) -> Self:
        pattern(self.resource_type, self.pattern)
        return self


class OneGrant(Told):
    """The grant as it stands now."""

    grant: ToldGrant


class ManyGrants(Told):
    """One page of grants; `next_page_token` is empty on the last."""

    grants: list[ToldGrant]
    next_page_token: str


class Preview(Told):
    """What a grant on a pattern would open at this moment, and to how many active people."""

    experiments: int
    registered_models: int
    prompts: int
    people: int
    examples: list[str]


def grants_api(
    asked: Asked, grants: GrantStore, listing: GrantListing, clock: Callable[[], datetime]
) -> flask.Blueprint:
    """The blueprint; register it under the static prefix."""
    ours = _GrantsApi(asked, grants, listing, clock)
    blueprint = flask.Blueprint("oidc_auth_grants", __name__)
    add_json_route(blueprint, "GET", "2.0/mlflow/grants", ours.listed)
    add_json_route(blueprint, "POST", "2.0/mlflow/grants", ours.give)
    add_json_route(blueprint, "DELETE", "2.0/mlflow/grants", ours.take_away)
    add_json_route(blueprint, "GET", "2.0/mlflow/grants/preview", ours.preview)
    return blueprint


@dataclass(frozen=True, slots=True)
class _GrantsApi:
    asked: Asked
    grants: GrantStore
    listing: GrantListing
    clock: Callable[[], datetime]

    def give(self, sent: GiveGrant) -> OneGrant:
        """Make a level what the user's or group's own grant on a resource or pattern says."""
        me, now = asker(), self.clock()
        on = self.asked.on(me, sent)
        to = self.asked.grantee(sent)
        grant = self.grants.give(on, to, sent.permission, by=given_by(me), now=now, until=sent.expires_at)
        return OneGrant(grant=self._told([as_listed(on, to, grant)])[0])

    def take_away(self, sent: TakeGrant) -> Nothing:
        """Take the user's or group's own grant on a resource or pattern away."""
        me = asker()
        on = self.asked.on(me, sent)
        self.grants.take_away(on, self.asked.grantee(sent), by=given_by(me), now=self.clock())
        return Nothing()

    def listed(self, sent: ListGrants) -> ManyGrants:
        """Grants that have not ended: on a resource, of a user, of a group, or one's own.

        On a resource, for who manages it: also the patterns that cover it. Of a user: with those of their groups;
        of oneself, or of anybody for an admin. Of a group: for its members and admins. An admin who names nothing
        gets all there are.
        """
        me = asker()
        if sent.resource_type is not None and sent.resource_id is not None:
            found = self._on_resource(me, sent, sent.resource_type, sent.resource_id)
        else:
            found = self._of_holders(me, sent)
        rows, token = sent.cut(found)
        return ManyGrants(grants=self._told(rows), next_page_token=token)

    def preview(self, sent: PreviewGrant) -> Preview:
        """What a grant on a pattern would open at this moment, before it is given."""
        matching = self.asked.resources.matching(pattern(sent.resource_type, sent.pattern))
        return Preview(
            experiments=matching.experiments,
            registered_models=matching.registered_models,
            prompts=matching.prompts,
            people=self.listing.people(self.asked.grantee(sent)),
            examples=[*matching.examples],
        )

    def _on_resource(self, me: Identity, sent: ListGrants, kind: Kind, key: str) -> list[ListedGrant]:
        on, _ = self.asked.resource(me, kind, key, may_share)
        one_more = sent.size + 1
        return self.listing.find(self.clock(), resource=on.resource, name=on.name, offset=sent.offset, size=one_more)

    def _of_holders(self, me: Identity, sent: ListGrants) -> list[ListedGrant]:
        holders, shown_to, one_more = self._holders(me, sent), None if me.is_admin else me.user_id, sent.size + 1
        return self.listing.find(self.clock(), holders=holders, shown_to=shown_to, offset=sent.offset, size=one_more)

    def _holders(self, me: Identity, sent: ListGrants) -> Holders | None:
        if sent.group_id is not None:
            return Holders(group_ids=frozenset({self._group_id(me, sent.group_id)}))
        if sent.username is not None:
            user = one_user(self.asked.users, me, sent.username)
            return Holders(user.id, frozenset(group.id for group in self.asked.groups.of_user(user.id)))
        return None if me.is_admin else Holders(me.user_id, me.group_ids)

    def _group_id(self, me: Identity, group_id: int) -> int:
        """SECURITY: whether there is such a group is told to its members and admins alone."""
        if group_id not in me.group_ids:
            if not me.is_admin:
                raise Forbidden("You are in no such group. Only MLflow admins see the grants of other groups.")
            if self.asked.group(group_id) is None:
                raise NotFound("There is no such group.")
        return group_id

    def _told(self, grants: list[ListedGrant]) -> list[ToldGrant]:
        names = self.asked.resources.names(named_by(grants))
        return [told_grant(grant, names) for grant in grants]
