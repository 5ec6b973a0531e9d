"""People, groups and teams by name: what a page offers while somebody types, and who is called exactly so.

SECURITY: what is offered tells admins of everybody; others of themselves, the active people of their groups, and
their own groups. Whoever knows a name in full finds who has it: only pages that somebody may give access on ask
for that, since giving to nobody is an error, which tells as much.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from mlflow_oidc_auth.accounts.search import holds, login_name
from mlflow_oidc_auth.database.tables import groups, memberships, users
from mlflow_oidc_auth.vocabulary import Identity


class Sort(StrEnum):
    """What a name belongs to. WIRE: forms send the values."""

    PERSON = "person"
    SERVICE_ACCOUNT = "service account"
    GROUP = "group"
    TEAM = "team"

    @property
    def is_group(self) -> bool:
        """Whether others are in it."""
        return self in (Sort.GROUP, Sort.TEAM)


@dataclass(frozen=True, slots=True)
class Entry:
    """One person, service account, group or team. `name` is what grants and forms name it by."""

    sort: Sort
    id: int
    name: str
    display_name: str = ""
    is_active: bool = True


@dataclass(frozen=True, slots=True)
class Gathered:
    """A group or team, and how many people are in it."""

    sort: Sort
    people: int


class Directory:
    """Reads names with our own engine."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def suggest(self, asker: Identity, text: str, size: int) -> list[Entry]:
        """Some of whom the asker may know and whose name holds `text`, by name."""
        people, of_groups = _PEOPLE.where(users.c.is_active, _person_holds(text)), _GROUPS.where(_group_holds(text))
        if not asker.is_admin:
            theirs = sorted(asker.group_ids)
            beside = sa.select(memberships.c.user_id).where(memberships.c.group_id.in_(theirs))
            people = people.where(sa.or_(users.c.id == asker.user_id, users.c.id.in_(beside)))
            of_groups = of_groups.where(groups.c.id.in_(theirs))
        found = sa.union_all(people, of_groups).subquery()
        return self._read(sa.select(found).order_by(found.c.name, found.c.sort).limit(size))

    def called(self, name: str) -> list[Entry]:
        """Whoever is called exactly so: at most one user, one group and one team. A group's first "/" may be left out.

        Case counts for groups and teams, not for usernames.
        """
        people = _PEOPLE.where(users.c.username == login_name(name))
        of_groups = _GROUPS.where(groups.c.name.in_((name, f"/{name}")))
        found = sa.union_all(people, of_groups).subquery()
        entries = self._read(sa.select(found).order_by(found.c.sort, found.c.name))
        exact = [entry for entry in entries if entry.name in (name, login_name(name))]
        return exact or entries

    def gathered(self, group_ids: Collection[int]) -> dict[int, Gathered]:
        """Whether each is a group or a team, and how many are in it."""
        if not group_ids:
            return {}
        inside = sa.select(sa.func.count()).where(memberships.c.group_id == groups.c.id).scalar_subquery()
        statement = sa.select(groups.c.id, _GROUP_SORT.label("sort"), inside.label("people"))
        with self._engine.connect() as connection:
            rows = connection.execute(statement.where(groups.c.id.in_(sorted(group_ids))))
            return {row.id: Gathered(Sort(row.sort), row.people) for row in rows}

    def admins(self, size: int) -> list[Entry]:
        """The first active admins, by username."""
        return self._read(_PEOPLE.where(users.c.is_admin, users.c.is_active).order_by(users.c.username).limit(size))

    def _read(self, statement: sa.Select[Any]) -> list[Entry]:
        with self._engine.connect() as connection:
            return [
                Entry(Sort(row.sort), row.id, row.name, row.display_name, bool(row.is_active))
                for row in connection.execute(statement)
            ]


_PEOPLE = sa.select(
    sa.case((users.c.is_service_account, str(Sort.SERVICE_ACCOUNT)), else_=str(Sort.PERSON)).label("sort"),
    users.c.id,
    users.c.username.label("name"),
    users.c.display_name,
    users.c.is_active,
)
_GROUP_SORT = sa.case((groups.c.source == "team", str(Sort.TEAM)), else_=str(Sort.GROUP))
_GROUPS = sa.select(
    _GROUP_SORT.label("sort"),
    groups.c.id,
    groups.c.name,
    sa.literal("").label("display_name"),
    sa.true().label("is_active"),
)


def _person_holds(text: str) -> sa.ColumnElement[bool]:
    return sa.or_(holds(users.c.username, text), holds(users.c.display_name, text))


def _group_holds(text: str) -> sa.ColumnElement[bool]:
    return holds(groups.c.name, text)
