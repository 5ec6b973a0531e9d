"""What a request for a grant names, and whether who asks may know of it: the same for all our JSON of grants.

SECURITY: the resource comes first. One that is hidden from who asks and one that does not exist get the same
answer, before anything is said of the user or group that the request is about.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol, Self

from pydantic import BaseModel, model_validator

from mlflow_oidc_auth.accounts.groups import Group, GroupStore
from mlflow_oidc_auth.accounts.users import User, UserStore
from mlflow_oidc_auth.accounts.web import user_called
from mlflow_oidc_auth.database.tables import BIGGEST_ID
from mlflow_oidc_auth.errors import NotFound
from mlflow_oidc_auth.grants.roles import Names
from mlflow_oidc_auth.grants.rules import NOUNS, Giver, may_give_pattern, may_share
from mlflow_oidc_auth.grants.store import Found, GivenBy, Grantee, Matching, On, Pattern, Shareable
from mlflow_oidc_auth.operations.targets import IdKind
from mlflow_oidc_auth.permissions.verdicts import demand
from mlflow_oidc_auth.vocabulary import Identity, Kind, Level, Resource, Rung, Verdict, is_plain_number
from mlflow_oidc_auth.web.json_body import Number, Text, quoted
from mlflow_oidc_auth.web.json_fields import ResourceType


class Resources(Names, Protocol):
    """What MLflow knows of its resources (`bridge/lookups.py`)."""

    def find(self, kind: Kind, key: str) -> Shareable | None:
        """The resource of this kind with this id or name."""

    def called(self, kind: Kind, text: str) -> Shareable | None:
        """The resource that somebody means by `text`: its id, or its very name."""

    def matching(self, pattern: Pattern) -> Matching:
        """How many a pattern covers at this moment, and the first few by name."""

    def search(self, kind: Kind | None, text: str, offset: int, size: int) -> tuple[list[Found], int]:
        """One page of those whose name holds `text`, and how many there are in all."""

    def managed_by(
        self, identity: Identity, default: Level, text: str, offset: int, size: int, now: datetime
    ) -> tuple[list[Found], int]:
        """One page of those that somebody manages and whose name holds `text`, and how many there are in all."""

    def without_manager(
        self, offset: int, size: int, now: datetime, among: Collection[Resource] | None = None
    ) -> tuple[list[Found], int]:
        """One page of those that nobody manages, and how many there are in all."""


class Judging(Protocol):
    """The expression that every check uses (`bridge/judge.py`)."""

    def level_on(
        self, user_id: int, group_ids: Iterable[int], resource: Resource, now: datetime
    ) -> tuple[Level, Rung] | None:
        """The level a user has on one resource and the rung that gave it; `None` if there is no such resource."""

    def managers(self, kind: IdKind, id_: str, now: datetime) -> tuple[str, ...]:
        """The names of a few who manage what this id leads to."""


class OnResource(BaseModel):
    """A request that names one resource."""

    resource_type: ResourceType
    resource_id: Text

    @model_validator(mode="after")
    def _can_be_one(self) -> Self:
        refuse_no_id(self.resource_type, self.resource_id)
        return self


class OnSomething(BaseModel):
    """A request that names one resource, or a pattern."""

    resource_type: ResourceType
    resource_id: Text | None = None
    pattern: Text | None = None

    @model_validator(mode="after")
    def _can_be_one(self) -> Self:
        if (self.resource_id is None) == (self.pattern is None):
            raise ValueError("Send either resource_id or pattern, to say on what.")
        if self.resource_id is not None:
            refuse_no_id(self.resource_type, self.resource_id)
        if self.pattern is not None:
            pattern(self.resource_type, self.pattern)
        return self


class ToSomebody(BaseModel):
    """A request that names a user, or a group or team."""

    username: Text | None = None
    group: Text | None = None
    group_id: Number | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if sum(sent is not None for sent in (self.username, self.group, self.group_id)) != 1:
            raise ValueError("Send one of username, group and group_id, to say whose grant it is.")
        return self


def pattern(kind: Kind, text: str) -> Pattern:
    """The pattern that a request names.

    Raises:
        ValueError: it is none; the text is a sentence.
    """
    try:
        return Pattern.parse(kind, text)
    except ValueError as error:
        raise ValueError(f"'pattern' {error}") from None


def refuse_no_id(kind: Kind, key: str) -> None:
    """Stop what cannot be the id or name of a resource.

    Raises:
        ValueError: it cannot; the text is a sentence.
    """
    if key == "*":
        raise ValueError(f"Name one {NOUNS[kind]}: '*' stands for many, and is none.")
    if kind is Kind.EXPERIMENT and not is_plain_number(key):
        raise ValueError(f"An experiment is named by its id, a whole number; {quoted(key)} is none.")


@dataclass(frozen=True, slots=True)
class Asked:
    """Looks up what requests name."""

    users: UserStore
    groups: GroupStore
    resources: Resources
    judge: Judging
    clock: Callable[[], datetime]

    def on(self, me: Identity, sent: OnSomething) -> On:
        """What a grant is to be changed on, if the asker may change any there.

        Raises:
            Forbidden: they may not; hidden and missing are one.
            NotFound: there is no such resource, and an admin asks.
        """
        if sent.resource_id is not None:
            return self.resource(me, sent.resource_type, sent.resource_id, may_share)[0]
        demand(may_give_pattern(Giver(Level.NO_PERMISSIONS, me.is_admin)))
        return pattern(sent.resource_type, sent.pattern or "")

    def resource(
        self, me: Identity, kind: Kind, key: str, rule: Callable[[Giver, Kind], Verdict]
    ) -> tuple[Shareable, Level]:
        """The resource and the asker's level on it, if the rule lets them ask.

        Raises:
            Forbidden: it does not; hidden and missing are one.
            NotFound: there is no such resource, and an admin asks.
        """
        # SECURITY: both are asked whatever the other says, so that hidden and missing take the same time too.
        level = self._level(me.user_id, me.is_admin, me.group_ids, Resource(kind, key))
        on = self.resources.find(kind, key)
        if on is None and not me.is_admin:
            level = Level.NO_PERMISSIONS
        giver = Giver(level, me.is_admin)
        if level >= Level.READ and not rule(giver, kind):
            giver = replace(giver, managers=self._managers(kind, key))
        demand(rule(giver, kind))
        if on is None:
            raise NotFound(f"There is no such {NOUNS[kind]}.")
        return on, level

    def grantee(self, sent: ToSomebody) -> Grantee:
        """The user or group, for somebody who may know whether there is one.

        Raises:
            NotFound: there is none.
        """
        if sent.username is not None:
            user = user_called(self.users, sent.username)
            return Grantee(user.id, user.username)
        found = self.group(sent.group_id or 0) if sent.group is None else self.groups.by_name(sent.group)
        if found is None:
            raise NotFound(
                "There is no such group. Groups are named exactly, as in '/data science'; a group of the login "
                "service is known here once an admin or the login of one of its members has named it."
            )
        return Grantee(found.id, found.name, is_group=True)

    def group(self, group_id: int) -> Group | None:
        """The group or team with this id."""
        return self.groups.named([group_id]).get(group_id) if group_id <= BIGGEST_ID else None

    def level_of(self, user: User, resource: Resource) -> Level:
        """The level that every check finds for a user."""
        return self._level(user.id, user.is_admin, {group.id for group in self.groups.of_user(user.id)}, resource)

    def _managers(self, kind: Kind, key: str) -> tuple[str, ...]:
        """SECURITY: for somebody who can read it."""
        return self.judge.managers(IdKind.NAME if kind.named else IdKind.EXPERIMENT, key, self.clock())

    def _level(self, user_id: int, is_admin: bool, group_ids: Iterable[int], resource: Resource) -> Level:
        if is_admin:
            return Level.MANAGE
        found = self.judge.level_on(user_id, group_ids, resource, self.clock())
        return Level.NO_PERMISSIONS if found is None else found[0]


def given_by(me: Identity) -> GivenBy:
    """Who asks, as somebody who changes grants."""
    return GivenBy(me.username, me.is_admin, me.user_id, me.group_ids)
