"""Groups: who belongs together, as the provider says (`provider`) or as admins decided (`team`).

Provider groups carry the name that the provider sent, byte for byte: Keycloak sends full paths
(`/prokube users`), and a nested group is a group of its own. An admin may make one before anybody of it
logged in, so that something can be granted to it.

A login must never touch a team's memberships: only admins change those (`accounts/group_changes.py`), and
they never change who is in a provider group.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from mlflow_oidc_auth.accounts import group_changes
from mlflow_oidc_auth.accounts.search import holds
from mlflow_oidc_auth.accounts.values import (
    GROUP_COLUMNS,
    USER_COLUMNS,
    AnyRow,
    Group,
    GroupRow,
    GroupSource,
    User,
    group_of,
    user_of,
)
from mlflow_oidc_auth.database.tables import BIGGEST_ID, groups, memberships, users

__all__ = ["Group", "GroupRow", "GroupSource", "GroupStore", "provider_groups", "replace_provider_groups"]


class GroupStore:
    """Reads and changes groups and teams with our own engine, on the primary."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def of_user(self, user_id: int) -> list[Group]:
        """The groups and teams of a user, by name."""
        statement = _SELECT.join(memberships).where(memberships.c.user_id == user_id).order_by(groups.c.name)
        return self._read(statement)

    def by_name(self, name: str, source: GroupSource | None = None) -> Group | None:
        """The group or team called exactly `name`; a provider group goes before a team of the same name.

        Args:
            source: only a group, or only a team.
        """
        wanted = [groups.c.name == name] + ([] if source is None else [groups.c.source == source])
        found = self._read(_SELECT.where(*wanted).order_by(groups.c.source))
        return found[0] if found else None

    def by_id(self, group_id: int) -> GroupRow | None:
        """The group or team with this id."""
        if not 0 <= group_id <= BIGGEST_ID:
            return None
        with self._engine.connect() as connection:
            row = connection.execute(_ROWS.where(groups.c.id == group_id)).one_or_none()
            return None if row is None else _row(row)

    def named(self, ids: Collection[int]) -> dict[int, Group]:
        """The groups with these ids; those that are gone are absent."""
        return {group.id: group for group in self._read(_SELECT.where(groups.c.id.in_(ids)))}

    def page(
        self, search: str, offset: int, size: int, source: GroupSource | None = None, *, of_user: int | None = None
    ) -> tuple[list[GroupRow], int]:
        """One page of the groups and teams whose name holds `search`, by name, and how many there are in all.

        Args:
            source: only groups, or only teams.
            of_user: only those that this user is in.
        """
        wanted = [holds(groups.c.name, search)]
        if source is not None:
            wanted.append(groups.c.source == source)
        if of_user is not None:
            theirs = sa.select(memberships.c.group_id).where(memberships.c.user_id == of_user)
            wanted.append(groups.c.id.in_(theirs))
        with self._engine.connect() as connection:
            count = connection.execute(sa.select(sa.func.count()).select_from(groups).where(*wanted)).scalar_one()
            ordered = _ROWS.where(*wanted).order_by(groups.c.name, groups.c.source)
            return [_row(row) for row in connection.execute(ordered.offset(offset).limit(size))], count

    def search(self, text: str, limit: int) -> list[Group]:
        """The first groups and teams whose name holds `text`, by name."""
        ordered = _SELECT.where(holds(groups.c.name, text)).order_by(groups.c.name, groups.c.source)
        return self._read(ordered.limit(limit))

    def members(self, group_id: int, offset: int, size: int) -> tuple[list[User], int]:
        """One page of who is in a group or team, by username, and how many there are in all."""
        inside = memberships.c.group_id == group_id
        count = sa.select(sa.func.count()).select_from(memberships).where(inside)
        people = sa.select(*USER_COLUMNS).join_from(users, memberships, memberships.c.user_id == users.c.id)
        with self._engine.connect() as connection:
            total = connection.execute(count).scalar_one()
            rows = connection.execute(people.where(inside).order_by(users.c.username).offset(offset).limit(size))
            return [user_of(row) for row in rows], total

    def by_user(self) -> dict[int, list[Group]]:
        """The groups and teams of everybody who is in one, by name."""
        statement = _SELECT.add_columns(memberships.c.user_id).join(memberships).order_by(groups.c.name)
        found: dict[int, list[Group]] = {}
        with self._engine.connect() as connection:
            for row in connection.execute(statement):
                found.setdefault(row.user_id, []).append(group_of(row))
        return found

    def every(self) -> list[Group]:
        """All groups and teams, by name."""
        return self._read(_SELECT.order_by(groups.c.name, groups.c.source))

    def descriptions(self) -> dict[int, str]:
        """What each group or team is for, where somebody wrote it down."""
        with self._engine.connect() as connection:
            described = sa.select(groups.c.id, groups.c.description).where(groups.c.description != "")
            return {row.id: row.description for row in connection.execute(described)}

    def make(self, name: str, source: GroupSource, *, by: str, now: datetime, description: str = "") -> Group:
        """Make a team, or a provider group that nobody has logged in with yet.

        Raises:
            BadRequest: the name or description cannot be one.
            AlreadyExists: a group or team is called so.
        """
        with self._engine.begin() as connection:
            return group_changes.make(connection, name, source, by=by, now=now, description=description)

    def change(self, group_id: int, *, name: str, description: str, by: str, now: datetime) -> Group:
        """Call a team something else, or say something else about it.

        Raises:
            NotFound: there is no such group.
            BadRequest: it is a provider group, or the name or description cannot be one.
            AlreadyExists: another group or team is called so.
        """
        with self._engine.begin() as connection:
            return group_changes.change(connection, group_id, name=name, description=description, by=by, now=now)

    def delete(self, group_id: int, *, by: str, now: datetime) -> None:
        """Remove a team, or a provider group that nobody is in, with what was granted to it.

        Raises:
            NotFound: there is no such group.
            BadRequest: it is a provider group and somebody is in it.
        """
        with self._engine.begin() as connection:
            group_changes.delete(connection, group_id, by=by, now=now)

    def add_member(self, group_id: int, user_id: int, *, by: str, now: datetime) -> None:
        """Let somebody be in a team; who is in it already stays.

        Raises:
            NotFound: there is no such team or user.
            BadRequest: it is a provider group, or the user is disabled.
        """
        with self._engine.begin() as connection:
            group_changes.add_member(connection, group_id, user_id, by=by, now=now)

    def remove_member(self, group_id: int, user_id: int, *, by: str, now: datetime) -> None:
        """Take somebody out of a team.

        Raises:
            NotFound: there is no such team, or they are not in it.
            BadRequest: it is a provider group.
        """
        with self._engine.begin() as connection:
            group_changes.remove_member(connection, group_id, user_id, by=by, now=now)

    def _read(self, statement: sa.Select[Any]) -> list[Group]:
        with self._engine.connect() as connection:
            return [group_of(row) for row in connection.execute(statement)]


_SELECT = sa.select(*GROUP_COLUMNS)
_ROWS = sa.select(
    *GROUP_COLUMNS,
    groups.c.description,
    sa.select(sa.func.count()).where(memberships.c.group_id == groups.c.id).scalar_subquery().label("members"),
)


def _row(row: AnyRow) -> GroupRow:
    return GroupRow(row.id, GroupSource(row.source), row.name, row.description, row.members)


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
