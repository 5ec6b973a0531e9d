"""Groups: who belongs together, as the provider says (`provider`) or as admins decided (`team`).

Provider groups carry the name that the provider sent, byte for byte: Keycloak sends full paths
(`/prokube users`), and a nested group is a group of its own.

This module must never touch a team's memberships when somebody logs in: only admins change those.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from mlflow_oidc_auth.database.tables import groups, memberships


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


class GroupStore:
    """Reads groups. Provider groups are written by logins alone (:func:`replace_provider_groups`)."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def of_user(self, user_id: int) -> list[Group]:
        """The groups and teams of a user, by name."""
        statement = _SELECT.join(memberships).where(memberships.c.user_id == user_id).order_by(groups.c.name)
        return self._read(statement)

    def by_name(self, name: str) -> Group | None:
        """The group or team called exactly `name`; a provider group goes before a team of the same name."""
        found = self._read(_SELECT.where(groups.c.name == name).order_by(groups.c.source))
        return found[0] if found else None

    def named(self, ids: Collection[int]) -> dict[int, Group]:
        """The groups with these ids; those that are gone are absent."""
        return {group.id: group for group in self._read(_SELECT.where(groups.c.id.in_(ids)))}

    def by_user(self) -> dict[int, list[Group]]:
        """The groups and teams of everybody who is in one, by name."""
        statement = _SELECT.add_columns(memberships.c.user_id).join(memberships).order_by(groups.c.name)
        found: dict[int, list[Group]] = {}
        with self._engine.connect() as connection:
            for row in connection.execute(statement):
                found.setdefault(row.user_id, []).append(Group(row.id, GroupSource(row.source), row.name))
        return found

    def every(self) -> list[Group]:
        """All groups and teams, by name."""
        return self._read(_SELECT.order_by(groups.c.name, groups.c.source))

    def _read(self, statement: sa.Select[tuple[int, str, str]]) -> list[Group]:
        with self._engine.connect() as connection:
            return [Group(row.id, GroupSource(row.source), row.name) for row in connection.execute(statement)]


_SELECT = sa.select(groups.c.id, groups.c.source, groups.c.name)


def provider_groups(connection: sa.Connection, user_id: int) -> frozenset[str]:
    """The names of the provider groups this user is in."""
    statement = (
        sa.select(groups.c.name)
        .join(memberships)
        .where(memberships.c.user_id == user_id, groups.c.source == GroupSource.PROVIDER)
    )
    return frozenset(connection.execute(statement).scalars())


def replace_provider_groups(connection: sa.Connection, user_id: int, names: Collection[str], now: datetime) -> None:
    """Make `names` the only provider groups of this user, within the caller's transaction.

    Groups that nobody has seen before are made; groups that lost their last member stay, with what was
    granted to them. Teams stay as they are.
    """
    from_provider = sa.select(groups.c.id).where(groups.c.source == GroupSource.PROVIDER)
    connection.execute(
        memberships.delete().where(memberships.c.user_id == user_id, memberships.c.group_id.in_(from_provider))
    )
    if names:
        _ensure(connection, names, now)
        kept = sa.select(sa.literal(user_id), groups.c.id).where(
            groups.c.source == GroupSource.PROVIDER, groups.c.name.in_(names)
        )
        connection.execute(memberships.insert().from_select(["user_id", "group_id"], kept))


def _ensure(connection: sa.Connection, names: Collection[str], now: datetime) -> None:
    """Make the provider groups that are not there yet; another login may make the same ones meanwhile.

    Sorted, so that two logins that make the same groups wait for each other and never in a circle.
    """
    rows = [{"source": GroupSource.PROVIDER.value, "name": name, "created_at": now} for name in sorted(names)]
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    connection.execute(insert(groups).on_conflict_do_nothing(index_elements=["source", "name"]), rows)
