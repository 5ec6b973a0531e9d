"""Service accounts: the accounts of programs. Admins make them and their keys; nobody logs in as one.

SECURITY: no login ever takes one over: it has no issuer and no subject, and its name is no e-mail. What it may do is
what was granted to it, by the same rules as for people; it is never an admin.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from mlflow_oidc_auth import audit
from mlflow_oidc_auth.accounts.rules import account_name_wrong, purpose_wrong
from mlflow_oidc_auth.accounts.values import USER_COLUMNS, AnyRow, User, user_of
from mlflow_oidc_auth.database.tables import BIGGEST_ID, users
from mlflow_oidc_auth.database.turns import write_first
from mlflow_oidc_auth.errors import AlreadyExists, BadRequest, NotFound


class ServiceAccountStore:
    """Makes and changes service accounts with our own engine. They end as users do: `UserStore`."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def create(self, name: str, owner_id: int, purpose: str, *, by: str, now: datetime) -> User:
        """Make a service account.

        Raises:
            BadRequest: the name or purpose cannot be one, or the owner is no active person.
            AlreadyExists: an account is called so.
        """
        with self._engine.begin() as connection:
            return create(connection, name, owner_id, purpose, by=by, now=now)

    def change(self, user_id: int, *, owner_id: int | None, purpose: str, by: str, now: datetime) -> User:
        """Say whose it is and what it is for. An owner who stays is not asked to be active.

        Args:
            owner_id: `None` only where it has no owner.

        Raises:
            NotFound: there is no such service account.
            BadRequest: the purpose cannot be one, or the new owner is no active person.
        """
        with self._engine.begin() as connection:
            return change(connection, user_id, owner_id=owner_id, purpose=purpose, by=by, now=now)


def create(connection: sa.Connection, name: str, owner_id: int, purpose: str, *, by: str, now: datetime) -> User:
    """See :meth:`ServiceAccountStore.create`; within the caller's transaction."""
    _refuse(account_name_wrong(name) or purpose_wrong(purpose))
    write_first(connection)
    owner = _active_person(connection, owner_id)
    values = {
        "username": name,
        "is_service_account": True,
        "owner_id": owner_id,
        "purpose": purpose,
        "created_at": now,
    }
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    made = insert(users).values(values).on_conflict_do_nothing(index_elements=["username"]).returning(*USER_COLUMNS)
    row = connection.execute(made).one_or_none()
    if row is None:
        raise AlreadyExists("There is an account of this name already. Choose another name.")
    after = {"owner": owner.username, "purpose": purpose}
    audit.record(connection, by=by, act="service_account.create", subject=name, now=now, after=after)
    return user_of(row)


def change(
    connection: sa.Connection, user_id: int, *, owner_id: int | None, purpose: str, by: str, now: datetime
) -> User:
    """See :meth:`ServiceAccountStore.change`; within the caller's transaction."""
    _refuse(purpose_wrong(purpose))
    write_first(connection)
    account = _held(connection, user_id)
    if (account.owner_id, account.purpose) == (owner_id, purpose):
        return user_of(account)
    if owner_id is None and account.owner_id is not None:
        raise BadRequest("A service account has an owner: a person who answers for it. Name one.")
    before: dict[str, Any] = {"owner": _username(connection, account.owner_id), "purpose": account.purpose}
    after: dict[str, Any] = dict(before) | {"purpose": purpose}
    if owner_id is not None and owner_id != account.owner_id:
        after["owner"] = _active_person(connection, owner_id).username
    changed = users.update().where(users.c.id == user_id).values(owner_id=owner_id, purpose=purpose)
    row = connection.execute(changed.returning(*USER_COLUMNS)).one()
    audit.record(
        connection, by=by, act="service_account.change", subject=row.username, now=now, before=before, after=after
    )
    return user_of(row)


def _refuse(sentence: str) -> None:
    if sentence:
        raise BadRequest(sentence)


def _held(connection: sa.Connection, user_id: int) -> AnyRow:
    wanted = sa.select(*USER_COLUMNS).where(users.c.id == user_id, users.c.is_service_account)
    row = None
    if 0 <= user_id <= BIGGEST_ID:
        row = connection.execute(wanted.with_for_update(key_share=True)).one_or_none()
    if row is None:
        raise NotFound("There is no such service account.")
    return row


def _active_person(connection: sa.Connection, user_id: int) -> AnyRow:
    """Who is to answer for a service account, held so that nobody disables or deletes them meanwhile."""
    wanted = sa.select(users.c.username).where(
        users.c.id == user_id, users.c.is_active, sa.not_(users.c.is_service_account)
    )
    row = None
    if 0 <= user_id <= BIGGEST_ID:
        row = connection.execute(wanted.with_for_update(key_share=True)).one_or_none()
    if row is None:
        raise BadRequest("The owner must be an active person, who logs in: not a service account, and not disabled.")
    return row


def _username(connection: sa.Connection, user_id: int | None) -> str | None:
    return connection.execute(sa.select(users.c.username).where(users.c.id == user_id)).scalar()
