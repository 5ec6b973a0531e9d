"""Grants of users on one resource as JSON, in the shapes of MLflow's own auth API and its client.

- `users/permissions/grant`, `revoke`: whoever manages the resource, by `grants/rules.py`.
- `users/permissions/get`: the level that every check finds; one's own, or anybody's for who manages the resource.
- `users/permissions/list`, `users/current/permissions`, `users/roles/list`: the grants behind it; one's own,
  or anybody's for an admin.
- `roles/list`, `roles/get`, `roles/permissions/list`, `roles/users/list`: every group and team, for admins.

SECURITY: a resource that is hidden from who asks and one that does not exist get the same answer, before
anything is said of the user it is about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import flask

from mlflow_oidc_auth.accounts.groups import GroupStore
from mlflow_oidc_auth.accounts.users import User, UserStore, login_name
from mlflow_oidc_auth.accounts.web import one_user, user_called
from mlflow_oidc_auth.database.tables import DEFAULT_WORKSPACE
from mlflow_oidc_auth.errors import BadRequest, NotFound
from mlflow_oidc_auth.grants.listing import GrantListing
from mlflow_oidc_auth.grants.roles import Names, Roles
from mlflow_oidc_auth.grants.rules import NOUNS, Giver, may_know, may_share
from mlflow_oidc_auth.grants.store import Found, GivenBy, Grantee, GrantStore, Shareable
from mlflow_oidc_auth.permissions.verdicts import demand
from mlflow_oidc_auth.vocabulary import Identity, Kind, Level, Resource, Rung, Verdict
from mlflow_oidc_auth.web.json_api import add_json_route, asker, json_answer
from mlflow_oidc_auth.web.json_body import body_texts, query_texts, quoted


class Resources(Names, Protocol):
    """What MLflow knows of its resources (`bridge/lookups.py`)."""

    def find(self, kind: Kind, key: str) -> Shareable | None:
        """The resource of this kind with this id or name."""

    def search(self, kind: Kind | None, text: str, offset: int, size: int) -> tuple[list[Found], int]:
        """One page of those whose name holds `text`, and how many there are in all."""

    def managed_by(
        self, identity: Identity, default: Level, text: str, offset: int, size: int, now: datetime
    ) -> tuple[list[Found], int]:
        """One page of those that somebody manages and whose name holds `text`, and how many there are in all."""


class Judging(Protocol):
    """The expression that every check uses (`bridge/judge.py`)."""

    def level_on(
        self, user_id: int, group_ids: Iterable[int], resource: Resource, now: datetime
    ) -> tuple[Level, Rung] | None:
        """The level a user has on one resource and the rung that gave it; `None` if there is no such resource."""


def grants_api(
    *,
    grants: GrantStore,
    listing: GrantListing,
    users: UserStore,
    groups: GroupStore,
    resources: Resources,
    judge: Judging,
    clock: Callable[[], datetime],
) -> flask.Blueprint:
    """The blueprint; register it under the static prefix."""
    told = _RolesApi(Roles(listing, groups, resources, clock), users)
    ours = _GrantsApi(grants, users, groups, resources, judge, clock)
    blueprint = flask.Blueprint("oidc_auth_grants", __name__)
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
    return blueprint


@dataclass(frozen=True, slots=True)
class _GrantsApi:
    """One user's level on one resource: asked for, given, taken away."""

    grants: GrantStore
    users: UserStore
    groups: GroupStore
    resources: Resources
    judge: Judging
    clock: Callable[[], datetime]

    def get(self) -> flask.Response:
        """The level of a user on a resource. `allowed` means USE, as in MLflow."""
        me, sent = asker(), query_texts("username", "resource_type", "resource_id")
        kind, key = _named_resource(sent)
        if login_name(sent["username"]) == me.username:
            level = self._level_asked(me, kind, key, may_know)[1]
        else:
            on, _ = self._level_asked(me, kind, key, may_share)
            level = self._level_of(user_called(self.users, sent["username"]), on.resource)
        return json_answer({"allowed": level >= Level.USE, "permission": level.name})

    def grant(self) -> flask.Response:
        """Make a level what the user's own grant on the resource says, without an end."""
        me, sent = asker(), body_texts("username", "resource_type", "resource_id", "permission")
        level, (kind, key) = _level(sent["permission"]), _named_resource(sent)
        on, to = self._about(me, kind, key, sent["username"])
        self.grants.give(on, to, level, by=_given_by(me), now=self.clock())
        return json_answer({})

    def revoke(self) -> flask.Response:
        """Take the user's own grant on the resource away."""
        me, sent = asker(), body_texts("username", "resource_type", "resource_id")
        kind, key = _named_resource(sent)
        on, of = self._about(me, kind, key, sent["username"])
        self.grants.take_away(on, of, by=_given_by(me), now=self.clock())
        return json_answer({})

    def _about(self, me: Identity, kind: Kind, key: str, username: str) -> tuple[Shareable, Grantee]:
        """SECURITY: the resource first; only who manages it is told whether a username exists."""
        on, _ = self._level_asked(me, kind, key, may_share)
        user = user_called(self.users, username)
        return on, Grantee(user.id, user.username)

    def _level_asked(
        self, me: Identity, kind: Kind, key: str, rule: Callable[[Giver, Kind], Verdict]
    ) -> tuple[Shareable, Level]:
        """The resource and the asker's level on it, if the rule lets them ask.

        Raises:
            Forbidden: it does not; hidden and missing are one.
            NotFound: there is no such resource, and an admin asks.
        """
        on = self.resources.find(kind, key)
        level = Level.NO_PERMISSIONS if on is None else self._level(me.user_id, me.is_admin, me.group_ids, on.resource)
        demand(rule(Giver(level, me.is_admin), kind))
        if on is None:
            raise NotFound(f"There is no such {NOUNS[kind]}.")
        return on, level

    def _level_of(self, user: User, resource: Resource) -> Level:
        return self._level(user.id, user.is_admin, {group.id for group in self.groups.of_user(user.id)}, resource)

    def _level(self, user_id: int, is_admin: bool, group_ids: Iterable[int], resource: Resource) -> Level:
        if is_admin:
            return Level.MANAGE
        found = self.judge.level_on(user_id, group_ids, resource, self.clock())
        return Level.NO_PERMISSIONS if found is None else found[0]


@dataclass(frozen=True, slots=True)
class _RolesApi:
    """What was granted, told role by role or as one list."""

    roles: Roles
    users: UserStore

    def current(self) -> flask.Response:
        """What reaches the asker."""
        me = asker()
        return self._permissions(user_called(self.users, me.username), me)

    def listed(self) -> flask.Response:
        """What reaches a user, as one list."""
        me = asker()
        return self._permissions(one_user(self.users, me, query_texts("username")["username"]), me)

    def of_user(self) -> flask.Response:
        """What reaches a user, role by role."""
        me = asker()
        user = one_user(self.users, me, query_texts("username")["username"])
        return json_answer({"roles": [role.told() for role in self.roles.of_user(user, all_of_it=me.is_admin)]})

    def every(self) -> flask.Response:
        """Every role. They are in the one workspace there is; asked for others, none."""
        wanted = flask.request.args.getlist("workspace")
        here = not wanted or DEFAULT_WORKSPACE in wanted
        return json_answer({"roles": [role.told() for role in self.roles.every()] if here else []})

    def one(self) -> flask.Response:
        """One role."""
        return json_answer({"role": self.roles.one(_role_id()).told()})

    def permissions_of_one(self) -> flask.Response:
        """What one role opens."""
        return json_answer({"role_permissions": self.roles.one(_role_id()).told()["permissions"]})

    def users_of_one(self) -> flask.Response:
        """WIRE: who is in one role, in MLflow's shape of an assignment; its id is the user's."""
        role_id = _role_id()
        members = self.roles.members(role_id)
        return json_answer({"assignments": [{"id": id_, "user_id": id_, "role_id": role_id} for id_ in members]})

    def _permissions(self, user: User, me: Identity) -> flask.Response:
        rows = [row for role in self.roles.of_user(user, all_of_it=me.is_admin) for row in role.told_rows()]
        return json_answer({"is_admin": user.is_admin, "permissions": rows})


def _role_id() -> int:
    text = query_texts("role_id")["role_id"]
    if not _is_number(text):
        raise BadRequest(f"A role is named by its id, a whole number; {quoted(text)} is none.")
    return int(text)


def _named_resource(sent: Mapping[str, str]) -> tuple[Kind, str]:
    """The resource that a request names.

    Raises:
        BadRequest: the kind carries no grants here, or the id cannot be one.
    """
    type_, key = sent["resource_type"], sent["resource_id"]
    try:
        kind = Kind(type_)
    except ValueError:
        raise BadRequest(
            f"There are no permissions on {quoted(type_)} here, only on {', '.join(Kind)}. "
            "What lies in an experiment, such as runs and traces, follows the experiment."
        ) from None
    if key == "*":
        raise BadRequest(f"Name one {NOUNS[kind]}: what '*' stands for cannot be granted here.")
    if kind is Kind.EXPERIMENT and not _is_number(key):
        raise BadRequest(f"An experiment is named by its id, a whole number; {quoted(key)} is none.")
    return kind, key


def _is_number(text: str) -> bool:
    """Plain digits, as `bridge/judge.py` reads an id: Python takes `1_0` and `３` for numbers too."""
    return text.isascii() and text.isdigit()


def _level(name: str) -> Level:
    try:
        return Level.parse(name)
    except ValueError:
        levels = ", ".join(level.name for level in Level)
        raise BadRequest(f"{quoted(name)} is no permission; choose one of {levels}.") from None


def _given_by(me: Identity) -> GivenBy:
    return GivenBy(me.username, me.is_admin, me.user_id, me.group_ids)
