"""Who am I, and who else is here: JSON in the shapes of MLflow's own auth API, which its pages read too.

MLflow's roles are groups and teams here. They are told, never changed: the provider or an admin says who is in.

SECURITY: whether a username exists is told here to admins and to those who share a group with its owner; everybody
else gets one answer for somebody who is there and somebody who is not. (Who grants something learns it too, since a
grant to nobody is an error.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import flask

from mlflow_oidc_auth.accounts.groups import Group, GroupSource, GroupStore
from mlflow_oidc_auth.accounts.users import User, UserStore, login_name
from mlflow_oidc_auth.database.tables import DEFAULT_WORKSPACE
from mlflow_oidc_auth.errors import Forbidden, NotFound
from mlflow_oidc_auth.vocabulary import Identity
from mlflow_oidc_auth.web.json_api import add_json_route, asker, json_answer
from mlflow_oidc_auth.web.json_body import query_texts

_DESCRIPTIONS = {
    GroupSource.PROVIDER: "A group of the login service; its members are chosen there.",
    GroupSource.TEAM: "A team; its members are chosen by MLflow admins.",
}


def accounts_api(*, users: UserStore, groups: GroupStore) -> flask.Blueprint:
    """The blueprint; register it under the static prefix."""
    ours = _AccountsApi(users, groups)
    blueprint = flask.Blueprint("oidc_auth_accounts", __name__)
    add_json_route(blueprint, "GET", "2.0/mlflow/users/current", ours.current)
    add_json_route(blueprint, "GET", "2.0/mlflow/users/get", ours.get)
    add_json_route(blueprint, "GET", "2.0/mlflow/users/list", ours.list)
    return blueprint


@dataclass(frozen=True, slots=True)
class _AccountsApi:
    users: UserStore
    groups: GroupStore

    def current(self) -> flask.Response:
        """Who asks. `is_basic_auth: false` takes the password form out of MLflow's pages, and its log-out."""
        me = asker()
        told = {"id": me.user_id, "username": me.username, "is_admin": me.is_admin}
        return json_answer({"user": told, "is_basic_auth": False})

    def get(self) -> flask.Response:
        """One user: oneself, or anybody for an admin."""
        return json_answer({"user": _told(one_user(self.users, asker(), query_texts("username")["username"]))})

    def list(self) -> flask.Response:
        """Everybody with their roles, for an admin; else oneself and the active people of one's groups.

        Whoever shares an experiment, and MLflow's own page that assigns reviews, need these names.
        """
        me = asker()
        if me.is_admin:
            found, roles = self.users.every(), self.groups.by_user()
        else:
            found, roles = self.users.in_groups_of(me.user_id), {me.user_id: self.groups.of_user(me.user_id)}
        return json_answer(
            {"users": [_told(user) | {"roles": [told_as_role(g) for g in roles.get(user.id, [])]} for user in found]}
        )


def one_user(users: UserStore, asker: Identity, username: str) -> User:
    """The user called so, for the user themselves or an admin.

    Raises:
        Forbidden: somebody else asks, whether or not there is such a user.
        NotFound: an admin asks, and there is none.
    """
    if not asker.is_admin and login_name(username) != asker.username:
        raise Forbidden("Only MLflow admins may see what is known of somebody else. Ask an MLflow admin.")
    return user_called(users, username)


def user_called(users: UserStore, username: str) -> User:
    """The user called so, for somebody who may know whether there is one.

    Raises:
        NotFound: there is none.
    """
    user = users.by_username(username)
    if user is None:
        raise NotFound("There is no such user. Whoever logs in for the first time becomes one.")
    return user


def told_as_role(group: Group) -> dict[str, Any]:
    """WIRE: a group or team as MLflow tells a role, without what was granted to it."""
    return {
        "id": group.id,
        "name": group.name,
        "workspace": DEFAULT_WORKSPACE,
        "description": _DESCRIPTIONS[group.source],
    }


def _told(user: User) -> dict[str, Any]:
    """WIRE: MLflow's shape of a user."""
    return {"id": user.id, "username": user.username, "is_admin": user.is_admin}
