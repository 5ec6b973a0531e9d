"""Grants of users on one resource as JSON, in the shapes of MLflow's own auth API and its client.

- `users/permissions/grant`, `revoke`: whoever manages the resource, by `grants/rules.py`.
- `users/permissions/get`: the level that every check finds; one's own, or anybody's for who manages the resource.
- `users/permissions/list`, `users/current/permissions`, `users/roles/list`: the grants behind it; one's own,
  or anybody's for an admin.
- `roles/list`, `roles/get`, `roles/permissions/list`, `roles/users/list`: every group and team, for admins.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import flask

from mlflow_oidc_auth.accounts.users import User, UserStore, login_name
from mlflow_oidc_auth.accounts.web import one_user, user_called
from mlflow_oidc_auth.database.tables import DEFAULT_WORKSPACE
from mlflow_oidc_auth.grants.asked import Asked, OnResource, given_by
from mlflow_oidc_auth.grants.roles import Roles, ToldPermission, ToldRole, ToldRolePermission
from mlflow_oidc_auth.grants.rules import may_know, may_share
from mlflow_oidc_auth.grants.store import Grantee, GrantStore, Shareable
from mlflow_oidc_auth.vocabulary import Identity, Level
from mlflow_oidc_auth.web.json_api import Nothing, Told, add_json_route, asker
from mlflow_oidc_auth.web.json_body import Body, Number, Query, Text
from mlflow_oidc_auth.web.json_fields import Permission


class AskPermission(Query, OnResource):
    """Whose level on what."""

    username: Text


class GrantPermission(Body, OnResource):
    """To whom, on what, how much."""

    username: Text
    permission: Permission


class RevokePermission(Body, OnResource):
    """From whom, on what."""

    username: Text


class ToldLevel(Told):
    """WIRE: a level. `allowed` means USE, as in MLflow."""

    allowed: bool
    permission: Permission


class OfUser(Query):
    """Of whom."""

    username: Text


class OfRole(Query):
    """Of which role."""

    role_id: Number


class ToldPermissions(Told):
    """WIRE: all that reaches somebody."""

    is_admin: bool
    permissions: list[ToldPermission]


class ToldRoles(Told):
    """WIRE: roles."""

    roles: list[ToldRole]


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


def add_mlflow_routes(
    blueprint: flask.Blueprint, asked: Asked, grants: GrantStore, roles: Roles, clock: Callable[[], datetime]
) -> None:
    """Serve them on the blueprint."""
    told, ours = _RolesApi(roles, asked.users), _PermissionsApi(asked, grants, clock)
    add_json_route(blueprint, "GET", "3.0/mlflow/users/current/permissions", told.current)
    add_json_route(blueprint, "GET", "3.0/mlflow/users/permissions/list", told.listed)
    add_json_route(blueprint, "GET", "3.0/mlflow/users/roles/list", told.of_user)
    add_json_route(blueprint, "GET", "3.0/mlflow/roles/list", told.every)
    add_json_route(blueprint, "GET", "3.0/mlflow/roles/get", told.one)
    add_json_route(blueprint, "GET", "3.0/mlflow/roles/permissions/list", told.permissions_of_one)
    add_json_route(blueprint, "GET", "3.0/mlflow/roles/users/list", told.users_of_one)
    add_json_route(blueprint, "GET", "3.0/mlflow/users/permissions/get", ours.get)
    add_json_route(blueprint, "POST", "3.0/mlflow/users/permissions/grant", ours.grant)
    add_json_route(blueprint, "POST", "3.0/mlflow/users/permissions/revoke", ours.revoke)


@dataclass(frozen=True, slots=True)
class _PermissionsApi:
    """One user's level on one resource: asked for, given, taken away."""

    asked: Asked
    grants: GrantStore
    clock: Callable[[], datetime]

    def get(self, sent: AskPermission) -> ToldLevel:
        """The level of a user on a resource. `allowed` means USE, as in MLflow."""
        me, users = asker(), self.asked.users
        if login_name(sent.username) == me.username:
            level = self.asked.resource(me, sent.resource_type, sent.resource_id, may_know)[1]
        else:
            on, _ = self.asked.resource(me, sent.resource_type, sent.resource_id, may_share)
            level = self.asked.level_of(user_called(users, sent.username), on.resource)
        return ToldLevel(allowed=level >= Level.USE, permission=level)

    def grant(self, sent: GrantPermission) -> Nothing:
        """Make a level what the user's own grant on the resource says, without an end."""
        me = asker()
        on, to = self._about(me, sent)
        self.grants.give(on, to, sent.permission, by=given_by(me), now=self.clock())
        return Nothing()

    def revoke(self, sent: RevokePermission) -> Nothing:
        """Take the user's own grant on the resource away."""
        me = asker()
        on, of = self._about(me, sent)
        self.grants.take_away(on, of, by=given_by(me), now=self.clock())
        return Nothing()

    def _about(self, me: Identity, sent: GrantPermission | RevokePermission) -> tuple[Shareable, Grantee]:
        """SECURITY: the resource first; only who manages it is told whether a username exists."""
        on, _ = self.asked.resource(me, sent.resource_type, sent.resource_id, may_share)
        user = user_called(self.asked.users, sent.username)
        return on, Grantee(user.id, user.username)


@dataclass(frozen=True, slots=True)
class _RolesApi:
    """What was granted, told role by role or as one list."""

    roles: Roles
    users: UserStore

    def current(self) -> ToldPermissions:
        """What reaches the asker."""
        me = asker()
        return self._permissions(user_called(self.users, me.username), me)

    def listed(self, sent: OfUser) -> ToldPermissions:
        """What reaches a user, as one list."""
        me = asker()
        return self._permissions(one_user(self.users, me, sent.username), me)

    def of_user(self, sent: OfUser) -> ToldRoles:
        """What reaches a user, role by role."""
        me = asker()
        user = one_user(self.users, me, sent.username)
        return ToldRoles(roles=[role.told() for role in self.roles.of_user(user, all_of_it=me.is_admin)])

    def every(self) -> ToldRoles:
        """Every role. They are in the one workspace there is; asked for others, none."""
        wanted = flask.request.args.getlist("workspace")
        here = not wanted or DEFAULT_WORKSPACE in wanted
        return ToldRoles(roles=[role.told() for role in self.roles.every()] if here else [])

    def one(self, sent: OfRole) -> OneRole:
        """One role."""
        return OneRole(role=self.roles.one(sent.role_id).told())

    def permissions_of_one(self, sent: OfRole) -> ToldRolePermissions:
        """What one role opens."""
        return ToldRolePermissions(role_permissions=self.roles.one(sent.role_id).told().permissions)

    def users_of_one(self, sent: OfRole) -> Assignments:
        """Who is in one role."""
        members, role_id = self.roles.members(sent.role_id), sent.role_id
        return Assignments(assignments=[Assignment(id=id_, user_id=id_, role_id=role_id) for id_ in members])

    def _permissions(self, user: User, me: Identity) -> ToldPermissions:
        rows = [row for role in self.roles.of_user(user, all_of_it=me.is_admin) for row in role.told_rows()]
        return ToldPermissions(is_admin=user.is_admin, permissions=rows)
