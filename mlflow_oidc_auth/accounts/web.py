"""Who am I, and who else is here: JSON in the shapes of MLflow's own auth API, which its pages read too.

MLflow's roles are groups and teams here. How admins change them: `grants/roles_web.py` and `groups_web.py`.

SECURITY: whether a username exists is told here to admins and to those who share a group with its owner; everybody
else gets one answer for somebody who is there and somebody who is not. (Who grants something learns it too, since a
grant to nobody is an error.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import flask

from mlflow_oidc_auth.accounts.groups import Group, GroupSource, GroupStore
from mlflow_oidc_auth.accounts.users import User, UserStore, login_name
from mlflow_oidc_auth.database.tables import DEFAULT_WORKSPACE
from mlflow_oidc_auth.errors import Forbidden, NotFound
from mlflow_oidc_auth.vocabulary import Identity
from mlflow_oidc_auth.web.json_api import Moment, Nothing, Told, add_json_route, asker
from mlflow_oidc_auth.web.json_body import Body, Query, Text

_DESCRIPTIONS = {
    GroupSource.PROVIDER: "A group of the login service; its members are chosen there.",
    GroupSource.TEAM: "A team; its members are chosen by MLflow admins.",
}


class WhichUser(Query):
    """Of whom."""

    username: Text


class DeleteUser(Body):
    """Whose account."""

    username: Text


class ChangeUser(Body):
    """Whether the user may log in and use access keys."""

    is_active: bool


class ToldUser(Told):
    """WIRE: MLflow's shape of a user."""

    id: int
    username: str
    is_admin: bool


class ToldUserRole(Told):
    """WIRE: MLflow's shape of a role that somebody has, without what was granted to it."""

    id: int
    name: str
    workspace: str
    description: str


class ToldUserWithRoles(ToldUser):
    """WIRE: a user, and the groups and teams they are in; others than admins are told their own."""

    roles: list[ToldUserRole]


class CurrentUser(Told):
    """WIRE: who asks. `is_basic_auth` is false: MLflow's pages then offer no password.

    `expires_at`: when the access key or session that asks ends.
    """

    user: ToldUser
    is_basic_auth: bool = False
    expires_at: Moment


class OneUser(Told):
    """WIRE: one user."""

    user: ToldUser


class ManyUsers(Told):
    """WIRE: users, in one piece: MLflow's pages ask for all at once."""

    users: list[ToldUserWithRoles]


def accounts_api(*, users: UserStore, groups: GroupStore, clock: Callable[[], datetime]) -> flask.Blueprint:
    """The blueprint; register it under the static prefix."""
    ours = _AccountsApi(users, groups, clock)
    blueprint = flask.Blueprint("oidc_auth_accounts", __name__)
    add_json_route(blueprint, "GET", "2.0/mlflow/users/current", ours.current)
    add_json_route(blueprint, "GET", "2.0/mlflow/users/get", ours.get)
    add_json_route(blueprint, "GET", "2.0/mlflow/users/list", ours.list)
    add_json_route(blueprint, "DELETE", "2.0/mlflow/users/delete", ours.delete)
    add_json_route(blueprint, "PATCH", "2.0/mlflow/users/<username>", ours.change)
    return blueprint


@dataclass(frozen=True, slots=True)
class _AccountsApi:
    users: UserStore
    groups: GroupStore
    clock: Callable[[], datetime]

    def current(self) -> CurrentUser:
        """Who asks."""
        me = asker()
        user = ToldUser(id=me.user_id, username=me.username, is_admin=me.is_admin)
        return CurrentUser(user=user, expires_at=me.credential.expires_at)

    def get(self, sent: WhichUser) -> OneUser:
        """One user: oneself, or anybody for an admin."""
        return OneUser(user=ToldUser(**_told(one_user(self.users, asker(), sent.username))))

    def list(self) -> ManyUsers:
        """Everybody with their roles, for an admin; else oneself and the active people of one's groups.

        Whoever shares an experiment, and MLflow's own page that assigns reviews, need these names.
        """
        me = asker()
        if me.is_admin:
            found, roles = self.users.every(), self.groups.by_user()
        else:
            found, roles = self.users.in_groups_of(me.user_id), {me.user_id: self.groups.of_user(me.user_id)}
        return ManyUsers(
            users=[
                ToldUserWithRoles(
                    **_told(user), roles=[ToldUserRole(**told_as_role(group)) for group in roles.get(user.id, [])]
                )
                for user in found
            ]
        )

    def delete(self, sent: DeleteUser) -> Nothing:
        """Delete a user or service account, with their sessions, access keys, memberships and grants."""
        self.users.delete(user_called(self.users, sent.username).id, self.clock(), by=asker().username)
        return Nothing()

    def change(self, sent: ChangeUser, username: str) -> OneUser:
        """Keep a user out, with their sessions and access keys ended; or let them in again."""
        user = user_called(self.users, username)
        act = self.users.enable if sent.is_active else self.users.disable
        act(user.id, self.clock(), by=asker().username)
        return OneUser(user=ToldUser(**_told(user)))


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
        raise NotFound("There is no such user here. Whoever logs in once becomes one: ask them to, then try again.")
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
