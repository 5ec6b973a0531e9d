"""Roles as JSON, in the shapes of MLflow's own auth API and its admin page, for admins. A role is a team.

Groups of the login service are roles too: something can be granted to them, but what they are called and who is in
them is chosen there. A permission of a role is a grant to the group, on one resource or on a pattern (`*`,
`teama-*`); it is called by a number that holds its level too: MLflow's page changes a level by adding the new one
and then removing the old one, which by then means nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import flask
from pydantic import AfterValidator, BeforeValidator

from mlflow_oidc_auth.accounts.groups import GroupSource
from mlflow_oidc_auth.accounts.web import user_called
from mlflow_oidc_auth.database.tables import DEFAULT_WORKSPACE
from mlflow_oidc_auth.errors import BadRequest, NotFound
from mlflow_oidc_auth.grants.asked import Asked, given_by, pattern, refuse_no_id
from mlflow_oidc_auth.grants.listing import GrantListing, ListedGrant
from mlflow_oidc_auth.grants.roles import (
    Roles,
    ToldRole,
    ToldRolePermission,
    ToldRoles,
    grant_of_permission,
    told_role_permission,
)
from mlflow_oidc_auth.grants.rules import NOUNS
from mlflow_oidc_auth.grants.store import Grantee, GrantStore, On, Pattern
from mlflow_oidc_auth.grants.told import as_listed
from mlflow_oidc_auth.vocabulary import Kind, Level, Resource
from mlflow_oidc_auth.web.json_api import Nothing, Told, add_json_route, asker
from mlflow_oidc_auth.web.json_body import Body, Number, Query, Text
from mlflow_oidc_auth.web.json_fields import Permission, ResourceType, Said

_NO_SUCH_PERMISSION = "There is no such permission of a role. It may have been removed or changed."


def _here(workspace: str) -> str:
    if workspace != DEFAULT_WORKSPACE:
        raise ValueError(f"must be '{DEFAULT_WORKSPACE}', the one workspace there is.")
    return workspace


RolePermission = Annotated[Permission, BeforeValidator(lambda sent: "NO_PERMISSIONS" if sent == "DENY" else sent)]
"""A level; MLflow's pages call NO_PERMISSIONS `DENY`."""


class OfRole(Query):
    """Of which role."""

    role_id: Number


class CreateRole(Body):
    """A team's name, and what it is for."""

    name: Text
    workspace: Annotated[Text, AfterValidator(_here)]
    description: Said | None = None


class UpdateRole(Body):
    """Which team, and what becomes of its name and description; what is not sent stays."""

    role_id: Number
    name: Text | None = None
    description: Said | None = None


class WhichRole(Body):
    """Which group or team."""

    role_id: Number


class AssignRole(Body):
    """Who, and which team."""

    username: Text
    role_id: Number


class AddPermission(Body):
    """To which group or team, on what, how much."""

    role_id: Number
    resource_type: ResourceType
    resource_pattern: Text
    permission: RolePermission


class WhichPermission(Body):
    """Which permission of which role."""

    role_permission_id: Number


class UpdatePermission(Body):
    """Which permission, and its new level."""

    role_permission_id: Number
    permission: RolePermission


class OneRole(Told):
    """WIRE: one role."""

    role: ToldRole


class ToldRolePermissions(Told):
    """WIRE: what one role opens."""

    role_permissions: list[ToldRolePermission]


class Assignment(Told):
    """WIRE: who is in a role, in MLflow's shape of an assignment; its id is the user's."""

    id: int
    user_id: int
    role_id: int


class Assignments(Told):
    """WIRE: everybody who is in a role."""

    assignments: list[Assignment]


class OnePermission(Told):
    """WIRE: one permission of a role."""

    role_permission: ToldRolePermission


class OneAssignment(Told):
    """WIRE: that somebody is in a role."""

    assignment: Assignment


def roles_api(
    asked: Asked, grants: GrantStore, listing: GrantListing, roles: Roles, clock: Callable[[], datetime]
) -> flask.Blueprint:
    """The blueprint; register it under the static prefix."""
    ours, granted = _RolesApi(asked, roles, clock), _PermissionsApi(asked, grants, listing, roles, clock)
    blueprint = flask.Blueprint("oidc_auth_roles", __name__)
    add_json_route(blueprint, "GET", "3.0/mlflow/roles/list", ours.listed)
    add_json_route(blueprint, "GET", "3.0/mlflow/roles/get", ours.one)
    add_json_route(blueprint, "GET", "3.0/mlflow/roles/users/list", ours.users)
    add_json_route(blueprint, "POST", "3.0/mlflow/roles/create", ours.create)
    add_json_route(blueprint, "PATCH", "3.0/mlflow/roles/update", ours.update)
    add_json_route(blueprint, "DELETE", "3.0/mlflow/roles/delete", ours.delete)
    add_json_route(blueprint, "POST", "3.0/mlflow/roles/assign", ours.assign)
    add_json_route(blueprint, "DELETE", "3.0/mlflow/roles/unassign", ours.unassign)
    add_json_route(blueprint, "GET", "3.0/mlflow/roles/permissions/list", granted.listed)
    add_json_route(blueprint, "POST", "3.0/mlflow/roles/permissions/add", granted.add)
    add_json_route(blueprint, "PATCH", "3.0/mlflow/roles/permissions/update", granted.update)
    add_json_route(blueprint, "DELETE", "3.0/mlflow/roles/permissions/remove", granted.remove)
    return blueprint


@dataclass(frozen=True, slots=True)
class _RolesApi:
    """Groups and teams, and who is in them."""

    asked: Asked
    roles: Roles
    clock: Callable[[], datetime]

    def listed(self) -> ToldRoles:
        """Every role. They are in the one workspace there is; asked for others, none."""
        wanted = flask.request.args.getlist("workspace")
        here = not wanted or DEFAULT_WORKSPACE in wanted
        return ToldRoles(roles=[role.told() for role in self.roles.every()] if here else [])

    def one(self, sent: OfRole) -> OneRole:
        """One role."""
        return OneRole(role=self.roles.one(sent.role_id).told())

    def users(self, sent: OfRole) -> Assignments:
        """Who is in one role."""
        members, role_id = self.roles.members(sent.role_id), sent.role_id
        return Assignments(assignments=[Assignment(id=id_, user_id=id_, role_id=role_id) for id_ in members])

    def create(self, sent: CreateRole) -> OneRole:
        """Make a team."""
        groups, me = self.asked.groups, asker()
        made = groups.make(
            sent.name, GroupSource.TEAM, by=me.username, now=self.clock(), description=sent.description or ""
        )
        return OneRole(role=self.roles.one(made.id).told())

    def update(self, sent: UpdateRole) -> OneRole:
        """Call a team something else, or say something else about it."""
        present = self.roles.row(sent.role_id)
        self.asked.groups.change(
            present.id,
            name=present.name if sent.name is None else sent.name,
            description=present.description if sent.description is None else sent.description,
            by=asker().username,
            now=self.clock(),
        )
        return OneRole(role=self.roles.one(present.id).told())

    def delete(self, sent: WhichRole) -> Nothing:
        """Remove a team, with what was granted to it."""
        self.asked.groups.delete(self.roles.row(sent.role_id).id, by=asker().username, now=self.clock())
        return Nothing()

    def assign(self, sent: AssignRole) -> OneAssignment:
        """Let somebody be in a team."""
        user, role = user_called(self.asked.users, sent.username), self.roles.row(sent.role_id)
        self.asked.groups.add_member(role.id, user.id, by=asker().username, now=self.clock())
        return OneAssignment(assignment=Assignment(id=user.id, user_id=user.id, role_id=role.id))

    def unassign(self, sent: AssignRole) -> Nothing:
        """Take somebody out of a team."""
        user, role = user_called(self.asked.users, sent.username), self.roles.row(sent.role_id)
        self.asked.groups.remove_member(role.id, user.id, by=asker().username, now=self.clock())
        return Nothing()


@dataclass(frozen=True, slots=True)
class _PermissionsApi:
    """What was granted to a group or team."""

    asked: Asked
    grants: GrantStore
    listing: GrantListing
    roles: Roles
    clock: Callable[[], datetime]

    def listed(self, sent: OfRole) -> ToldRolePermissions:
        """What one role opens."""
        return ToldRolePermissions(role_permissions=self.roles.one(sent.role_id).told().permissions)

    def add(self, sent: AddPermission) -> OnePermission:
        """Make a level what the group's or team's own grant on a resource or pattern says."""
        group = self.asked.group(sent.role_id)
        if group is None:
            raise NotFound("There is no such role.")
        on = self._on(sent.resource_type, sent.resource_pattern)
        return self._give(on, Grantee(group.id, group.name, is_group=True), sent.permission)

    def update(self, sent: UpdatePermission) -> OnePermission:
        """Give a permission another level until the same day; it is called by another number then."""
        grant = self._grant(sent.role_permission_id)
        if grant is None or grant.group_id is None:
            raise NotFound(_NO_SUCH_PERMISSION)
        return self._give(self._of(grant), _grantee(grant, grant.group_id), sent.permission, grant.expires_at)

    def remove(self, sent: WhichPermission) -> Nothing:
        """Take a permission away. One that has another level by now is another one, and stays."""
        grant_id, level = grant_of_permission(sent.role_permission_id)
        grant = self.listing.one(grant_id, self.clock())
        if grant is None or grant.group_id is None:
            raise NotFound(_NO_SUCH_PERMISSION)
        if grant.level is level:
            of = _grantee(grant, grant.group_id)
            self.grants.take_away(self._of(grant), of, by=given_by(asker()), now=self.clock())
        return Nothing()

    def _grant(self, permission_id: int) -> ListedGrant | None:
        grant_id, level = grant_of_permission(permission_id)
        found = self.listing.one(grant_id, self.clock())
        return found if found is not None and found.level is level else None

    def _on(self, kind: Kind, text: str) -> On:
        """One resource by its id or name, or a pattern with its trailing `*`.

        Raises:
            BadRequest: it can be neither.
            NotFound: there is no such resource.
        """
        try:
            if text.endswith("*"):
                return pattern(kind, text)
            refuse_no_id(kind, text)
        except ValueError as error:
            raise BadRequest(str(error)) from None
        return self._resource(kind, text)

    def _of(self, grant: ListedGrant) -> On:
        """What a grant is on.

        SECURITY: whether that is a pattern is known of the grant; the name of one model may end in `*` too.

        Raises:
            NotFound: the resource is gone.
        """
        return pattern(grant.kind, grant.on) if grant.is_pattern else self._resource(grant.kind, grant.on)

    def _resource(self, kind: Kind, key: str) -> On:
        found = self.asked.resources.find(kind, key)
        if found is None:
            raise NotFound(f"There is no such {NOUNS[kind]}.")
        return found

    def _give(self, on: On, to: Grantee, level: Level, until: datetime | None = None) -> OnePermission:
        now = self.clock()
        grant = self.grants.give(on, to, level, by=given_by(asker()), now=now, until=until)
        kind = on.kind if isinstance(on, Pattern) else self._true_kind(on.resource)
        return OnePermission(role_permission=told_role_permission(as_listed(on, to, grant), kind, to.id))

    def _true_kind(self, resource: Resource) -> Kind:
        named = self.asked.resources.names([resource]).get(resource)
        return resource.kind if named is None else named.kind


def _grantee(grant: ListedGrant, group_id: int) -> Grantee:
    return Grantee(group_id, grant.to, is_group=True)
