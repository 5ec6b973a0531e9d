"""What the server tells, as values with names. Of what a newer server may tell, only what is known here is read."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, TypeVar, get_type_hints


@dataclass(frozen=True, slots=True)
class RolePermission:
    """What a role opens: one resource, or a pattern with a trailing `*`."""

    id: int
    role_id: int
    resource_type: str
    resource_pattern: str
    permission: str


@dataclass(frozen=True, slots=True)
class Role:
    """A group or team; or, called `__user_<id>__`, what a user was granted by name."""

    id: int
    name: str
    workspace: str
    description: str | None = None
    permissions: tuple[RolePermission, ...] = ()


@dataclass(frozen=True, slots=True)
class User:
    """A user. `roles` is filled by `list_users` alone."""

    id: int
    username: str
    is_admin: bool
    roles: tuple[Role, ...] = ()


@dataclass(frozen=True, slots=True)
class UserPermission:
    """One grant that reaches a user: their own, or one of a group or team."""

    role_id: int
    role_name: str
    workspace: str
    resource_type: str
    resource_pattern: str
    permission: str


@dataclass(frozen=True, slots=True)
class GetUserPermissionResult:
    """What a user may do with a resource. `allowed` means at least USE."""

    allowed: bool
    permission: str


@dataclass(frozen=True, slots=True)
class UserRoleAssignment:
    """That a user is in a group or team."""

    id: int
    user_id: int
    role_id: int


@dataclass(frozen=True, slots=True)
class Grant:
    """What somebody gave: to a user or a group, on a resource or a pattern, until a moment or without an end."""

    id: int
    resource_type: str
    permission: str
    resource_id: str | None = None
    pattern: str | None = None
    name: str | None = None
    username: str | None = None
    group: str | None = None
    group_id: int | None = None
    granted_by: str | None = None
    granted_at: datetime | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """What a grant on a pattern would open at this moment, and to how many people."""

    experiments: int
    registered_models: int
    prompts: int
    people: int
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One rung of the precedence: what it says, whether it decides, and the grants on it."""

    rung: str
    sentence: str
    decides: bool
    grants: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why somebody has the permission that they have."""

    username: str
    resource_type: str
    resource_id: str
    name: str
    permission: str
    decided_by: str
    sentence: str
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """A group of the login service (`source` is `provider`) or a team. Others than admins are not told `members`."""

    id: int
    name: str
    source: str
    description: str = ""
    members: int | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody in a group or team."""

    username: str
    display_name: str = ""
    is_active: bool = True


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """An account of a program: who owns it, and what it is for."""

    id: int
    username: str
    owner: str | None = None
    purpose: str = ""
    is_active: bool = True
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AccessKey:
    """An access key without its secret. `replaced_at`: since then a newer key is in its place, and it ends early."""

    id: str
    created_at: datetime
    expires_at: datetime
    name: str = ""
    last_used_at: datetime | None = None
    replaced_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """Where somebody is logged in with a browser. `current`: it is the one that asks."""

    id: int
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    browser: str = ""
    current: bool = False


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """That somebody asked for access, until when it stands, and who granted it.

    `asked_for`: as they wrote it; to who decides, what it is called. `resource_id`: what it leads to, for who decides.
    """

    id: int
    username: str
    resource_type: str
    asked_for: str
    permission: str
    state: str
    asked_at: datetime
    ends_at: datetime
    reason: str = ""
    resource_id: str | None = None
    granted_by: str | None = None
    granted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Unmanaged:
    """A resource that nobody manages. `deleted`: it is in MLflow's bin."""

    resource_type: str
    resource_id: str
    name: str
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One change: who did what to whom or what, when, from where, by which credential; what was and what is."""

    id: int
    at: datetime
    by: str
    act: str
    subject: str
    credential: str = ""
    address: str = ""
    before: Mapping[str, Any] | None = field(default=None, hash=False)
    after: Mapping[str, Any] | None = field(default=None, hash=False)


_Value = TypeVar("_Value")


def read(cls: type[_Value], told: Mapping[str, Any]) -> _Value:
    """A value of `cls` from a JSON object."""
    of: Any = cls
    known = {name: kind for name, kind in _fields(of) if name in told}
    return cls(**{name: _read(kind, told[name]) for name, kind in known.items()})


def user(told: Mapping[str, Any]) -> User:
    """A user with their roles."""
    return User(told["id"], told["username"], told["is_admin"], tuple(role(one) for one in told.get("roles", ())))


def role(told: Mapping[str, Any]) -> Role:
    """A role with its permissions."""
    permissions = tuple(read(RolePermission, permission) for permission in told.get("permissions", ()))
    return Role(told["id"], told["name"], told["workspace"], told.get("description"), permissions)


def explanation(told: Mapping[str, Any]) -> Explanation:
    """An explanation with its steps."""
    plain = {name: value for name, value in told.items() if name != "steps"}
    steps = tuple(read(Step, step) for step in told.get("steps", ()))
    return Explanation(**{name: plain[name] for name, _ in _fields(Explanation) if name in plain}, steps=steps)


@functools.cache
def _fields(cls: Any) -> tuple[tuple[str, Any], ...]:
    hints = get_type_hints(cls)
    return tuple((one.name, hints[one.name]) for one in fields(cls))


def _read(kind: Any, value: Any) -> Any:
    if isinstance(value, str) and kind in (datetime, datetime | None):
        return datetime.fromisoformat(value)
    return tuple(value) if isinstance(value, list) else value
