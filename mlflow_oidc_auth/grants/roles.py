"""What was granted, told as MLflow tells roles: groups and teams, and each user's own grants.

A user's own grants are in a role called `__user_<id>__`, as in MLflow's own auth; its pages show them as "Direct".
How they are read and changed is in `roles_web.py`.

SECURITY: what a user is told of themselves leaves out what NO_PERMISSIONS hides from them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from mlflow_oidc_auth.accounts.groups import Group, GroupRow, GroupStore
from mlflow_oidc_auth.accounts.users import User
from mlflow_oidc_auth.accounts.web import told_as_role
from mlflow_oidc_auth.database.tables import DEFAULT_WORKSPACE
from mlflow_oidc_auth.errors import NotFound
from mlflow_oidc_auth.grants.listing import GrantListing, Holders, ListedGrant
from mlflow_oidc_auth.grants.store import Named
from mlflow_oidc_auth.vocabulary import Kind, Level, Resource
from mlflow_oidc_auth.web.json_api import Told
from mlflow_oidc_auth.web.json_fields import Permission

OWN_ROLE = 0
"""The id of the role that holds a user's own grants; groups and teams count from 1."""

_EVERYBODY = 1_000_000
"""More members than any group has: MLflow's client wants all of them at once."""

_LEVELS = len(Level)


class Names(Protocol):
    """What resources are called (`bridge/lookups.py`)."""

    def names(self, resources: Collection[Resource]) -> Mapping[Resource, Named]:
        """The name and true kind of each that is there."""


class ToldRolePermission(Told):
    """WIRE: MLflow's shape of one permission of a role."""

    id: int
    role_id: int
    resource_type: Kind
    resource_pattern: str
    permission: Permission


class ToldRole(Told):
    """WIRE: MLflow's shape of a role."""

    id: int
    name: str
    workspace: str
    description: str
    permissions: list[ToldRolePermission]


class ToldRoles(Told):
    """WIRE: roles."""

    roles: list[ToldRole]


class ToldPermission(Told):
    """WIRE: MLflow's shape of one permission of a user, and the role it comes by."""

    role_id: int
    role_name: str
    workspace: str
    resource_type: Kind
    resource_pattern: str
    permission: Permission


@dataclass(frozen=True, slots=True)
class Role:
    """A group, a team, or a user's own grants: as MLflow tells it, and what was granted to it."""

    named: dict[str, Any]
    grants: list[tuple[ListedGrant, Kind]]

    def told(self) -> ToldRole:
        """The role with its permissions."""
        id_ = self.named["id"]
        permissions = [told_role_permission(grant, kind, id_) for grant, kind in self.grants]
        return ToldRole(**self.named, permissions=permissions)

    def told_rows(self) -> list[ToldPermission]:
        """One for each grant."""
        role = {"role_id": self.named["id"], "role_name": self.named["name"], "workspace": self.named["workspace"]}
        return [ToldPermission(**role, **_told_grant(grant, kind)) for grant, kind in self.grants]


@dataclass(frozen=True, slots=True)
class Roles:
    """Reads roles; grants on what is gone are left out."""

    listing: GrantListing
    groups: GroupStore
    resources: Names
    clock: Callable[[], datetime]

    def of_user(self, user: User, *, all_of_it: bool) -> Iterator[Role]:
        """The user's own role where it holds something, then their groups.

        Args:
            all_of_it: whether what is hidden from the user is told too.
        """
        groups = self.groups.of_user(user.id)
        found = self._standing(Holders(user.id, _ids(groups)))
        of = self._by_group(found if all_of_it else _not_hidden(found))
        if None in of:
            yield Role(_own_role(user), of[None])
        described = self.groups.descriptions()
        yield from (Role(_named(group, described), of.get(group.id, [])) for group in groups)

    def every(self) -> Iterator[Role]:
        """All groups and teams."""
        return self._of(self.groups.every())

    def one(self, role_id: int) -> Role:
        """The group or team with this id.

        Raises:
            NotFound: there is none.
        """
        return next(self._of([self.row(role_id)]))

    def members(self, role_id: int) -> list[int]:
        """The ids of the users in the group or team with this id.

        Raises:
            NotFound: there is none.
        """
        found, _ = self.groups.members(self.row(role_id).id, 0, _EVERYBODY)
        return sorted(user.id for user in found)

    def row(self, role_id: int) -> GroupRow:
        """The group or team with this id, as it stands.

        Raises:
            NotFound: there is none.
        """
        found = self.groups.by_id(role_id)
        if found is None:
            raise NotFound("There is no such role.")
        return found

    def _of(self, groups: Collection[Group]) -> Iterator[Role]:
        of = self._by_group(self._standing(Holders(group_ids=_ids(groups))))
        described = self.groups.descriptions()
        yield from (Role(_named(group, described), of.get(group.id, [])) for group in groups)

    def _standing(self, holders: Holders) -> list[ListedGrant]:
        return self.listing.find(self.clock(), holders=holders)

    def _by_group(self, grants: Collection[ListedGrant]) -> dict[int | None, list[tuple[ListedGrant, Kind]]]:
        """By whose they are, with the true kind of each; a user's own have no group."""
        names = self.resources.names([_on(grant) for grant in grants if not grant.is_pattern])
        found: dict[int | None, list[tuple[ListedGrant, Kind]]] = {}
        for grant in grants:
            if grant.is_pattern:
                found.setdefault(grant.group_id, []).append((grant, grant.kind))
            elif _on(grant) in names:
                found.setdefault(grant.group_id, []).append((grant, names[_on(grant)].kind))
        return found


def _ids(groups: Iterable[Group]) -> frozenset[int]:
    return frozenset(group.id for group in groups)


def _on(grant: ListedGrant) -> Resource:
    return Resource(grant.kind, grant.on)


def _not_hidden(grants: Iterable[ListedGrant]) -> list[ListedGrant]:
    """Without grants that say NO_PERMISSIONS, and those on a resource that such a one of the user's own hides."""
    every = list(grants)
    hiding = [grant for grant in every if grant.level is Level.NO_PERMISSIONS]
    hidden = {_on(grant) for grant in hiding if grant.user_id is not None and not grant.is_pattern}
    return [
        grant
        for grant in every
        if grant.level is not Level.NO_PERMISSIONS and (grant.is_pattern or _on(grant) not in hidden)
    ]


def told_role_permission(grant: ListedGrant, kind: Kind, role_id: int) -> ToldRolePermission:
    """A grant to a group or team, as MLflow tells a permission of a role.

    WIRE: its number holds the level: the grant with another level is another permission.
    """
    number = grant.id * _LEVELS + list(Level).index(grant.level)
    return ToldRolePermission(id=number, role_id=role_id, **_told_grant(grant, kind))


def grant_of_permission(number: int) -> tuple[int, Level]:
    """The id of the grant that a permission of a role is, and its level."""
    return number // _LEVELS, list(Level)[number % _LEVELS]


def _named(group: Group, described: Mapping[int, str]) -> dict[str, Any]:
    named = told_as_role(group)
    return named | {"description": described[group.id]} if group.id in described else named


def _own_role(user: User) -> dict[str, Any]:
    return {
        "id": OWN_ROLE,
        "name": f"__user_{user.id}__",
        "workspace": DEFAULT_WORKSPACE,
        "description": "What this user was granted by name.",
    }


def _told_grant(grant: ListedGrant, kind: Kind) -> dict[str, Any]:
    return {"resource_type": kind, "resource_pattern": grant.on, "permission": grant.level}
