"""Groups and teams, for admins: who is in them, and what they open.

Members of a group come from the login service, at each login, and are only shown. A group can be made before anybody
of it logged in, so that what it opens is ready. Who is in a team is said here.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import flask
from werkzeug.wrappers import Response

from mlflow_oidc_auth.accounts.groups import Group, GroupRow, GroupSource
from mlflow_oidc_auth.accounts.listing import AccountListing, Offer
from mlflow_oidc_auth.accounts.rules import description_wrong
from mlflow_oidc_auth.errors import NotFound, Refusal
from mlflow_oidc_auth.grants.counts import GrantCounts
from mlflow_oidc_auth.grants.listing import Holders
from mlflow_oidc_auth.grants.store import Grantee
from mlflow_oidc_auth.pages.giving import KIND_OPTIONS, Giving, GrantForms, Receiver
from mlflow_oidc_auth.pages.lists import PAGE_SIZE, Filled, Listed, asked_page, go, notice, row_id, wrong
from mlflow_oidc_auth.pages.parts import Parts
from mlflow_oidc_auth.pages.routes import add_routes_of_one
from mlflow_oidc_auth.web.forms import form_fields, query_fields
from mlflow_oidc_auth.web.json_api import asker

_NOTICES = {
    "made": "The team is made. Add people, then give it something.",
    "changed": "Saved.",
    "added": "Added to the team.",
    "removed": "Removed from the team.",
    "gone": "They were not in the team any more.",
    "given": "Given.",
    "taken": "Taken away.",
    "not-there": "There was no such grant any more.",
    "deleted": "It is deleted, with everything that was given to it.",
}


def groups_pages(parts: Parts) -> flask.Blueprint:
    """The blueprint; register it under the static prefix."""
    giving = Giving(parts)
    ours = _GroupsPages(parts, giving)
    grants = GrantForms(giving, parts.clock, ours.receiver)
    blueprint = flask.Blueprint("oidc_auth_groups", __name__)
    blueprint.add_url_rule("/permissions/groups", "groups", ours.groups, methods=["GET"])
    blueprint.add_url_rule("/permissions/groups", "make", ours.make, methods=["POST"])
    add_routes_of_one(
        blueprint,
        "/permissions/groups/<int:group_id>",
        ours.found,
        shows={"": ours.group, "members": ours.members, **grants.shows()},
        acts={
            "members": ours.add_member,
            "members/remove": ours.remove_member,
            "change": ours.change,
            "delete": ours.delete,
            **grants.acts(),
        },
        back=ours.back,
    )
    return blueprint


class _GroupsPages:
    def __init__(self, parts: Parts, giving: Giving) -> None:
        self._parts = parts
        self._giving = giving
        self._counts = GrantCounts(parts.engine)
        self._listing = AccountListing(parts.engine)

    # --- all of them ---------------------------------------------------------------------------------

    def groups(self) -> Response:
        """The list, and a form that makes one."""
        return self._groups(Filled())

    def make(self) -> Response:
        """Make a team, or a group of the login service before anybody of it logged in."""
        said = form_fields("source", "name", "description")
        if said["source"] not in list(GroupSource):
            return wrong(self._groups(Filled("", said, {"source": "Choose a team, or a group of the login service."})))
        source = GroupSource(said["source"])
        description = said["description"].strip() if source is GroupSource.TEAM else ""
        try:
            made = self._parts.groups.make(
                said["name"].strip(), source, description=description, by=asker().username, now=self._parts.clock()
            )
        except Refusal as refusal:
            field = "description" if description_wrong(description) else "name"
            return wrong(self._groups(Filled("", said, {field: refusal.message})))
        return go(self._of(made), "made")

    def _groups(self, filled: Filled) -> flask.Response:
        asked, (number, offset) = query_fields("search", "source"), asked_page()
        search = asked["search"].strip()
        source = GroupSource(asked["source"]) if asked["source"] in list(GroupSource) else None
        found, total = self._parts.groups.page(search, offset, PAGE_SIZE, source)
        return self._parts.pages.render(
            "permissions/groups.html",
            here="groups",
            notice=notice(_NOTICES),
            search=search,
            source=source,
            groups=found,
            listed=Listed(number, total),
            filled=filled,
        )

    # --- one of them ---------------------------------------------------------------------------------

    def found(self, group_id: int) -> GroupRow:
        """The group or team with this id.

        Raises:
            NotFound: there is none.
        """
        group = self._parts.groups.by_id(group_id)
        if group is None:
            raise NotFound("There is no such group or team. It may have been deleted.")
        return group

    def group(self, group: GroupRow) -> Response:
        """What it opens, and forms that change it."""
        return self._group(group, Filled())

    def members(self, group: GroupRow) -> Response:
        """Who is in it."""
        return self._members(group, Filled())

    def back(self, group: GroupRow) -> Response:
        """To the group's page."""
        return go(self._of(group))

    def change(self, group: GroupRow) -> Response:
        """Name and describe a team."""
        said = form_fields("name", "description")
        try:
            self._parts.groups.change(
                group.id,
                name=said["name"].strip(),
                description=said["description"].strip(),
                by=asker().username,
                now=self._parts.clock(),
            )
        except Refusal as refusal:
            field = "description" if description_wrong(said["description"].strip()) else "name"
            return wrong(self._group(group, Filled("change", said, {field: refusal.message})))
        return go(self._of(group), "changed")

    def delete(self, group: GroupRow) -> Response:
        """Delete it with everything that was given to it."""
        try:
            self._parts.groups.delete(group.id, by=asker().username, now=self._parts.clock())
        except Refusal as refusal:
            return wrong(self._group(group, Filled("delete", wrong={"group": refusal.message})))
        return go(f"{self._parts.prefix}/permissions/groups", "deleted")

    def add_member(self, group: GroupRow) -> Response:
        """Put somebody into a team."""
        said = form_fields("username")
        user = self._parts.users.by_username(said["username"].strip())
        if user is None:
            sentence = "There is no account called so. Write the e-mail in full; people must have logged in once."
            return wrong(self._members(group, Filled("", said, {"username": sentence})))
        try:
            self._parts.groups.add_member(group.id, user.id, by=asker().username, now=self._parts.clock())
        except Refusal as refusal:
            return wrong(self._members(group, Filled("", said, {"username": refusal.message})))
        return go(f"{self._of(group)}/members", "added")

    def remove_member(self, group: GroupRow) -> Response:
        """Take somebody out of a team."""
        try:
            user_id = row_id(form_fields("user")["user"])
            self._parts.groups.remove_member(group.id, user_id, by=asker().username, now=self._parts.clock())
        except NotFound:
            return go(f"{self._of(group)}/members", "gone")
        return go(f"{self._of(group)}/members", "removed")

    def receiver(self, group: GroupRow) -> Receiver:
        """The group as one that is given something."""
        return Receiver(
            to=Grantee(group.id, group.name, is_group=True),
            own=self._of(group),
            address=f"{self._of(group)}/give",
            people=group.members,
            render=partial(self._render, group=group),
        )

    # --- what they show ------------------------------------------------------------------------------

    def _group(self, group: GroupRow, filled: Filled) -> flask.Response:
        now, (number, offset) = self._parts.clock(), asked_page()
        return self._render(
            "permissions/group.html",
            group,
            filled=filled,
            grants=self._giving.listed(Holders(group_ids=frozenset({group.id})), now, offset),
            listed=Listed(number, self._counts.of_group(group.id, now)),
            people=group.members,
        )

    def _members(self, group: GroupRow, filled: Filled) -> flask.Response:
        number, offset = asked_page()
        found, total = self._parts.groups.members(group.id, offset, PAGE_SIZE)
        offered = self._listing.offers(Offer.ACCOUNTS)[Offer.ACCOUNTS] if group.source is GroupSource.TEAM else []
        return self._render(
            "permissions/members.html",
            group,
            filled=filled,
            members=found,
            listed=Listed(number, total),
            people=total,
            offered=offered,
        )

    def _render(self, template: str, group: GroupRow, **values: Any) -> flask.Response:
        return self._parts.pages.render(
            template,
            here="groups",
            notice=notice(_NOTICES),
            group=group,
            is_team=group.source is GroupSource.TEAM,
            own=self._of(group),
            kinds=KIND_OPTIONS,
            **values,
        )

    def _of(self, group: Group) -> str:
        return f"{self._parts.prefix}/permissions/groups/{group.id}"
