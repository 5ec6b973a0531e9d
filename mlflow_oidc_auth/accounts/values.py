"""People, service accounts, groups and teams, as values and as rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

import sqlalchemy as sa

from mlflow_oidc_auth.database.tables import groups, users

AnyRow = sa.Row[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class User:
    """One user or service account. The last two are a service account's; an owner who left is `None`."""

    id: int
    username: str
    display_name: str
    is_admin: bool
    is_active: bool
    is_service_account: bool
    created_at: datetime
    last_login_at: datetime | None
    owner_id: int | None = None
    purpose: str = ""


USER_COLUMNS = tuple(users.c[name] for name in User.__dataclass_fields__)


def user_of(row: AnyRow) -> User:
    """The user in a row of :data:`USER_COLUMNS`."""
    return User(**row._mapping)


class GroupSource(StrEnum):
    """Who says that somebody is in a group. WIRE: the values are stored."""

    PROVIDER = "provider"
    TEAM = "team"


@dataclass(frozen=True, slots=True)
class Group:
    """One group or team."""

    id: int
    source: GroupSource
    name: str


@dataclass(frozen=True, slots=True)
class GroupRow(Group):
    """A group or team as a list tells it: what it is for, and how many are in it."""

    description: str
    members: int


GROUP_COLUMNS = (groups.c.id, groups.c.source, groups.c.name)


def group_of(row: AnyRow) -> Group:
    """The group in a row of :data:`GROUP_COLUMNS`."""
    return Group(row.id, GroupSource(row.source), row.name)


class LoginProfile(Protocol):
    """What a login says about a person (`login/claims.py` makes it from the provider's claims)."""

    @property
    def issuer(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def username(self) -> str: ...
    @property
    def display_name(self) -> str: ...
    @property
    def groups(self) -> frozenset[str]: ...
    @property
    def is_admin(self) -> bool: ...
