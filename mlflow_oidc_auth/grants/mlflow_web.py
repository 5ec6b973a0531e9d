"""What users may and were granted as JSON, in the shapes of MLflow's own auth API and its client.

- `users/permissions/grant`, `revoke`: whoever manages the resource, by `grants/rules.py`.
- `users/permissions/get`: the level that every check finds; one's own, or anybody's for who manages the resource.
- `users/permissions/list`, `users/current/permissions`, `users/roles/list`: the grants behind it; one's own,
  or anybody's for an admin.

Roles, which are groups and teams, are in `roles_web.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import flask

from mlflow_oidc_auth.accounts.users import User, UserStore, login_name
from mlflow_oidc_auth.accounts.web import one_user, user_called
from mlflow_oidc_auth.grants.asked import Asked, OnResource, given_by
from mlflow_oidc_auth.grants.roles import Roles, ToldPermission, ToldRoles
from mlflow_oidc_auth.grants.rules import may_know, may_share
from mlflow_oidc_auth.grants.store import Grantee, GrantStore, Shareable
from mlflow_oidc_auth.vocabulary import Identity, Level
from mlflow_oidc_auth.web.json_api import Nothing, Told, add_json_route, asker
from mlflow_oidc_auth.web.json_body import Body, Query, Text
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


class ToldPermissions(Told):
    """WIRE: all that reaches somebody."""

    is_admin: bool
    permissions: list[ToldPermission]


def mlflow_api(asked: Asked, grants: GrantStore, roles: Roles, clock: Callable[[], datetime]) -> flask.Blueprint:
    """The blueprint; register it under the static prefix."""
    levels, reaching = _LevelApi(asked, grants, clock), _ReachApi(roles, asked.users)
    blueprint = flask.Blueprint("oidc_auth_mlflow", __name__)
    add_json_route(blueprint, "GET", "3.0/mlflow/users/permissions/get", levels.get)
    add_json_route(blueprint, "POST", "3.0/mlflow/users/permissions/grant", levels.grant)
    add_json_route(blueprint, "POST", "3.0/mlflow/users/permissions/revoke", levels.revoke)
    add_json_route(blueprint, "GET", "3.0/mlflow/users/current/permissions", reaching.current)
    add_json_route(blueprint, "GET", "3.0/mlflow/users/permissions/list", reaching.listed)
    add_json_route(blueprint, "GET", "3.0/mlflow/users/roles/list", reaching.of_user)
    return blueprint


@dataclass(frozen=True, slots=True)
class _LevelApi:
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
class _ReachApi:
    """What reaches somebody by grants, as one list or role by role."""

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

    def _permissions(self, user: User, me: Identity) -> ToldPermissions:
        rows = [row for role in self.roles.of_user(user, all_of_it=me.is_admin) for row in role.told_rows()]
        return ToldPermissions(is_admin=user.is_admin, permissions=rows)
