"""Groups and teams made, changed and ended by admins, each within the caller's transaction and with its audit record.

SECURITY: whoever makes or renames one waits for whoever does so meanwhile, so that no name is given twice; who
deletes one, or changes who is in it, holds its row.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from mlflow_oidc_auth import audit
from mlflow_oidc_auth.accounts.belongings import grants_of
from mlflow_oidc_auth.accounts.rules import CHOSEN_AT_THE_LOGIN_SERVICE, description_wrong, group_name_wrong
from mlflow_oidc_auth.accounts.values import AnyRow, Group, GroupSource
from mlflow_oidc_auth.database.tables import BIGGEST_ID, groups, memberships, users
from mlflow_oidc_auth.database.turns import one_at_a_time, write_first
from mlflow_oidc_auth.errors import AlreadyExists, BadRequest, NotFound

_NAMES = 0x6F6964635F677270
"""The key of the lock on what groups and teams are called."""


def make(
    connection: sa.Connection, name: str, source: GroupSource, *, by: str, now: datetime, description: str = ""
) -> Group:
    """See `GroupStore.make`."""
    _refuse(group_name_wrong(name, source) or description_wrong(description))
    if description and source is GroupSource.PROVIDER:
        raise BadRequest("Only teams have a description here.")
    one_at_a_time(connection, _NAMES)
    _refuse_taken(connection, name)
    values = {"source": source.value, "name": name, "description": description, "created_at": now}
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    made = (
        insert(groups).values(values).on_conflict_do_nothing(index_elements=["source", "name"]).returning(groups.c.id)
    )
    group_id = connection.execute(made).scalar()
    if group_id is None:  # somebody of this group logged in for the first time a moment ago
        raise _taken(source)
    after = {"description": description} if source is GroupSource.TEAM else None
    audit.record(connection, by=by, act="group.create", subject=_called(source, name), now=now, after=after)
    return Group(group_id, source, name)


def change(connection: sa.Connection, group_id: int, *, name: str, description: str, by: str, now: datetime) -> Group:
    """See `GroupStore.change`."""
    one_at_a_time(connection, _NAMES)
    team = _held_team(connection, group_id)
    _refuse(group_name_wrong(name, GroupSource.TEAM) or description_wrong(description))
    before = {"name": team.name, "description": team.description}
    after = {"name": name, "description": description}
    if name != team.name:
        _refuse_taken(connection, name)
    if after != before:
        connection.execute(groups.update().where(groups.c.id == group_id).values(after))
        subject = _called(GroupSource.TEAM, team.name)
        audit.record(connection, by=by, act="group.change", subject=subject, now=now, before=before, after=after)
    return Group(group_id, GroupSource.TEAM, name)


def delete(connection: sa.Connection, group_id: int, *, by: str, now: datetime) -> None:
    """See `GroupStore.delete`. The audit tells who was in it and what was granted to it."""
    group = _held(connection, group_id)
    source = GroupSource(group.source)
    members = _members(connection, group_id)
    if members and source is GroupSource.PROVIDER:
        raise BadRequest(
            "People are in this group of the login service: it would come back when one of them logs in, without "
            "what was granted to it. Take its grants away instead."
        )
    before: dict[str, Any] = {"members": members, **grants_of(connection, group_id=group_id)}
    connection.execute(groups.delete().where(groups.c.id == group_id))
    subject = _called(source, group.name)
    audit.record(connection, by=by, act="group.delete", subject=subject, now=now, before=before)


def add_member(connection: sa.Connection, group_id: int, user_id: int, *, by: str, now: datetime) -> None:
    """See `GroupStore.add_member`."""
    team = _held_team(connection, group_id)
    user = _held_user(connection, user_id)
    if not user.is_active:
        raise BadRequest("This account is disabled. Enable it first, then add it.")
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    member = insert(memberships).values(group_id=group_id, user_id=user_id)
    added = connection.execute(member.on_conflict_do_nothing().returning(memberships.c.user_id)).scalar()
    if added is not None:
        audit.record(connection, by=by, act="group.add_member", subject=_member(user, team), now=now)


def remove_member(connection: sa.Connection, group_id: int, user_id: int, *, by: str, now: datetime) -> None:
    """See `GroupStore.remove_member`."""
    team = _held_team(connection, group_id)
    user = _held_user(connection, user_id)
    member = memberships.delete().where(memberships.c.group_id == group_id, memberships.c.user_id == user_id)
    if connection.execute(member.returning(memberships.c.user_id)).scalar() is None:
        raise NotFound("They are not in this team.")
    audit.record(connection, by=by, act="group.remove_member", subject=_member(user, team), now=now)


def _refuse(sentence: str) -> None:
    if sentence:
        raise BadRequest(sentence)


def _refuse_taken(connection: sa.Connection, name: str) -> None:
    """A group and a team of one name could not be told apart where somebody is asked for one."""
    holder = connection.execute(sa.select(groups.c.source).where(groups.c.name == name).limit(1)).scalar()
    if holder is not None:
        raise _taken(GroupSource(holder))


def _taken(source: GroupSource) -> AlreadyExists:
    what = "team" if source is GroupSource.TEAM else "group of the login service"
    return AlreadyExists(f"There is a {what} of this name already. Choose another name, or use that one.")


def _held(connection: sa.Connection, group_id: int) -> AnyRow:
    """One group, held until the transaction ends: nobody else changes or joins it meanwhile."""
    write_first(connection)
    wanted = sa.select(groups.c.id, groups.c.source, groups.c.name, groups.c.description).where(groups.c.id == group_id)
    row = None
    if 0 <= group_id <= BIGGEST_ID:
        row = connection.execute(wanted.with_for_update()).one_or_none()
    if row is None:
        raise NotFound("There is no such group or team.")
    return row


def _held_team(connection: sa.Connection, group_id: int) -> AnyRow:
    group = _held(connection, group_id)
    if group.source != GroupSource.TEAM:
        raise BadRequest(CHOSEN_AT_THE_LOGIN_SERVICE)
    return group


def _held_user(connection: sa.Connection, user_id: int) -> AnyRow:
    wanted = sa.select(users.c.id, users.c.username, users.c.is_active).where(users.c.id == user_id)
    row = None
    if 0 <= user_id <= BIGGEST_ID:
        row = connection.execute(wanted.with_for_update(read=True, key_share=True)).one_or_none()
    if row is None:
        raise NotFound("There is no such user.")
    return row


def _members(connection: sa.Connection, group_id: int) -> list[str]:
    inside = sa.select(users.c.username).join_from(users, memberships, memberships.c.user_id == users.c.id)
    return list(
        connection.execute(inside.where(memberships.c.group_id == group_id).order_by(users.c.username)).scalars()
    )


def _called(source: GroupSource, name: str) -> str:
    """As the audit tells it."""
    return f"{'team' if source is GroupSource.TEAM else 'group'} {name}"


def _member(user: AnyRow, team: AnyRow) -> str:
    return f"user {user.username} in team {team.name}"
