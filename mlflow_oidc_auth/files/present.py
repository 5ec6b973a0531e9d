"""What the database says at this moment, read through the stores, in the words of a file.

Grants that have ended, and grants on what MLflow has purged, are left out: they open nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from mlflow_oidc_auth.accounts.groups import Group, GroupSource, GroupStore
from mlflow_oidc_auth.accounts.users import User, UserStore
from mlflow_oidc_auth.files.values import Account, Called, Given, Holder, State, Team, Where, Who
from mlflow_oidc_auth.grants.listing import GrantListing, ListedGrant
from mlflow_oidc_auth.grants.store import Named
from mlflow_oidc_auth.vocabulary import Kind, Resource


class Resources(Protocol):
    """What MLflow has (`bridge/lookups.py` and `bridge/every.py`)."""

    def names(self, resources: Collection[Resource]) -> Mapping[Resource, Named]:
        """The name and true kind of each that is there."""

    def experiment_ids(self, names: Collection[str]) -> Mapping[str, int]:
        """The id of each experiment that is called so."""


@dataclass(frozen=True, slots=True)
class Known:
    """Everybody who can be named: users by username, groups and teams by source and name."""

    users: Mapping[str, User]
    groups: Mapping[tuple[GroupSource, str], Group]


@dataclass(frozen=True, slots=True)
class Present:
    """Reads the database."""

    users: UserStore
    groups: GroupStore
    listing: GrantListing
    resources: Resources

    def known(self) -> Known:
        """Everybody."""
        users = {user.username: user for user in self.users.every()}
        return Known(users, {(group.source, group.name): group for group in self.groups.every()})

    def state(self, known: Known, now: datetime) -> State:
        """All of it, as far as it is about who is `known`: who came since then comes into the next file."""
        found = self.listing.find(now)
        sources = {group.id: group.source for group in known.groups.values()}
        names = self.resources.names({_resource(grant) for grant in found if not grant.is_pattern})
        called = {_where(grant): _called(names[_resource(grant)]) for grant in found if _named(grant, names)}
        grants = {
            (_who(grant, sources), _where(grant)): Given(grant.level, grant.expires_at)
            for grant in found
            if grant.is_pattern or _where(grant) in called
        }
        return State(self._teams(known), _accounts(known), grants, called)

    def _teams(self, known: Known) -> dict[str, Team]:
        members: dict[int, set[str]] = {}
        usernames = {user.id: user.username for user in known.users.values()}
        for user_id, groups in self.groups.by_user().items():
            for group in groups if user_id in usernames else ():
                members.setdefault(group.id, set()).add(usernames[user_id])
        described = self.groups.descriptions()
        return {
            name: Team(described.get(group.id, ""), frozenset(members.get(group.id, ())))
            for (source, name), group in known.groups.items()
            if source is GroupSource.TEAM
        }


def _accounts(known: Known) -> dict[str, Account]:
    usernames = {user.id: user.username for user in known.users.values()}
    return {
        user.username: Account(usernames.get(user.owner_id or 0), user.purpose)
        for user in known.users.values()
        if user.is_service_account
    }


def _named(grant: ListedGrant, names: Mapping[Resource, Named]) -> bool:
    return not grant.is_pattern and _resource(grant) in names


def _who(grant: ListedGrant, sources: Mapping[int, GroupSource]) -> Who:
    if grant.group_id is None:
        return Who(Holder.USER, grant.to)
    is_team = sources.get(grant.group_id) is GroupSource.TEAM
    return Who(Holder.TEAM if is_team else Holder.GROUP, grant.to)


def _where(grant: ListedGrant) -> Where:
    return Where(Kind.REGISTERED_MODEL if grant.kind.named else grant.kind, grant.on, grant.is_pattern)


def _resource(grant: ListedGrant) -> Resource:
    return Resource(grant.kind, grant.on)


def _called(named: Named) -> Called:
    return Called(named.kind, named.name)
