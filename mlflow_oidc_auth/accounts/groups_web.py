"""Groups and teams as JSON: everybody's own; for admins all of them, made, changed, filled and ended.

Who is in a group of the login service is read here, and chosen there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import flask

from mlflow_oidc_auth.accounts.groups import GroupRow, GroupSource, GroupStore
from mlflow_oidc_auth.accounts.users import UserStore
from mlflow_oidc_auth.accounts.web import user_called
from mlflow_oidc_auth.errors import BadRequest, NotFound
from mlflow_oidc_auth.web.json_api import Nothing, Told, add_json_route, asker
from mlflow_oidc_auth.web.json_body import Body, Text
from mlflow_oidc_auth.web.json_fields import Paged, Said

_PATH = "2.0/mlflow/groups"


class ListGroups(Paged):
    """Those whose name holds this text."""

    search: Text | None = None


class MakeGroup(Body):
    """A team; or a group of the login service (`provider`), as it is spelled there."""

    name: Text
    source: Literal["team", "provider"] = "team"
    description: Said | None = None


class ChangeGroup(Body):
    """What becomes of a team's name and description; what is not sent stays."""

    name: Text | None = None
    description: Said | None = None


class WhichMember(Body):
    """Who."""

    username: Text


class ToldGroup(Told):
    """WIRE: a group or team; how many are in it is told to admins."""

    id: int
    name: str
    source: Literal["team", "provider"]
    description: str
    members: int | None


class OneGroup(Told):
    """One group or team."""

    group: ToldGroup


class ManyGroups(Told):
    """One page of groups and teams; `next_page_token` is empty on the last."""

    groups: list[ToldGroup]
    next_page_token: str


class ToldMember(Told):
    """WIRE: somebody in a group or team."""

    username: str
    display_name: str
    is_active: bool


class ManyMembers(Told):
    """One page of who is in it; `next_page_token` is empty on the last."""

    members: list[ToldMember]
    next_page_token: str


def groups_api(*, groups: GroupStore, users: UserStore, clock: Callable[[], datetime]) -> flask.Blueprint:
    """The blueprint; register it under the static prefix."""
    ours = _GroupsApi(groups, users, clock)
    blueprint, one = flask.Blueprint("oidc_auth_groups_api", __name__), f"{_PATH}/<int:group_id>"
    add_json_route(blueprint, "GET", _PATH, ours.listed)
    add_json_route(blueprint, "POST", _PATH, ours.make)
    add_json_route(blueprint, "GET", one, ours.get)
    add_json_route(blueprint, "PATCH", one, ours.change)
    add_json_route(blueprint, "DELETE", one, ours.delete)
    add_json_route(blueprint, "GET", f"{one}/members", ours.members)
    add_json_route(blueprint, "POST", f"{one}/members", ours.add)
    add_json_route(blueprint, "DELETE", f"{one}/members", ours.remove)
    return blueprint


@dataclass(frozen=True, slots=True)
class _GroupsApi:
    groups: GroupStore
    users: UserStore
    clock: Callable[[], datetime]

    def listed(self, sent: ListGroups) -> ManyGroups:
        """Groups and teams, by name: one's own; all of them, with how many are in each, for an admin."""
        me = asker()
        of_user = None if me.is_admin else me.user_id
        found, _ = self.groups.page(sent.search or "", sent.offset, sent.size + 1, of_user=of_user)
        rows, token = sent.cut(found)
        return ManyGroups(groups=[_told(row, counted=me.is_admin) for row in rows], next_page_token=token)

    def make(self, sent: MakeGroup) -> OneGroup:
        """Make a team; or make a group of the login service known before anybody of it logged in."""
        made = self.groups.make(
            sent.name,
            GroupSource(sent.source),
            by=asker().username,
            now=self.clock(),
            description=sent.description or "",
        )
        return self.get(made.id)

    def get(self, group_id: int) -> OneGroup:
        """One group or team."""
        return OneGroup(group=_told(self._row(group_id), counted=True))

    def change(self, sent: ChangeGroup, group_id: int) -> OneGroup:
        """Call a team something else, or say something else about it."""
        if sent.name is None and sent.description is None:
            raise BadRequest("Say what changes: send name or description.")
        row = self._row(group_id)
        self.groups.change(
            row.id,
            name=row.name if sent.name is None else sent.name,
            description=row.description if sent.description is None else sent.description,
            by=asker().username,
            now=self.clock(),
        )
        return self.get(row.id)

    def delete(self, group_id: int) -> Nothing:
        """Remove a team, or a group of the login service that nobody is in, with what was granted to it."""
        self.groups.delete(self._row(group_id).id, by=asker().username, now=self.clock())
        return Nothing()

    def members(self, sent: Paged, group_id: int) -> ManyMembers:
        """Who is in a group or team, by username."""
        found, _ = self.groups.members(self._row(group_id).id, sent.offset, sent.size + 1)
        rows, token = sent.cut(found)
        told = [
            ToldMember(username=user.username, display_name=user.display_name, is_active=user.is_active)
            for user in rows
        ]
        return ManyMembers(members=told, next_page_token=token)

    def add(self, sent: WhichMember, group_id: int) -> Nothing:
        """Let somebody be in a team."""
        row, user = self._row(group_id), user_called(self.users, sent.username)
        self.groups.add_member(row.id, user.id, by=asker().username, now=self.clock())
        return Nothing()

    def remove(self, sent: WhichMember, group_id: int) -> Nothing:
        """Take somebody out of a team."""
        row, user = self._row(group_id), user_called(self.users, sent.username)
        self.groups.remove_member(row.id, user.id, by=asker().username, now=self.clock())
        return Nothing()

    def _row(self, group_id: int) -> GroupRow:
        found = self.groups.by_id(group_id)
        if found is None:
            raise NotFound("There is no such group or team.")
        return found


def _told(row: GroupRow, *, counted: bool) -> ToldGroup:
    return ToldGroup(
        id=row.id,
        name=row.name,
        source="team" if row.source is GroupSource.TEAM else "provider",
        description=row.description,
        members=row.members if counted else None,
    )
