"""What a login says, written down within the caller's transaction.

SECURITY: what must never happen here: a username moves from one subject to another because a login says so (whoever
can choose their e-mail at the provider would become somebody else); a login makes a disabled user active; a login
takes over a service account, which has no subject.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from mlflow_oidc_auth import audit
from mlflow_oidc_auth.accounts.groups import provider_groups, replace_provider_groups
from mlflow_oidc_auth.accounts.values import USER_COLUMNS, AnyRow, LoginProfile, User, user_of
from mlflow_oidc_auth.database.tables import sessions, users
from mlflow_oidc_auth.database.turns import write_first
from mlflow_oidc_auth.errors import Forbidden

TAKEN = (
    "Your e-mail address belongs to another account on this MLflow server, so you cannot be logged in with it. "
    "Ask an MLflow admin to rename or remove the other account."
)
DISABLED = "Your account on this MLflow server is disabled. Ask an MLflow admin to enable it."


def record_login(connection: sa.Connection, profile: LoginProfile, now: datetime) -> User:
    """See `UserStore.record_login`.

    Raises:
        sqlalchemy.exc.IntegrityError: somebody made the same row a moment ago.
    """
    write_first(connection)
    known = connection.execute(
        _locked(users.c.issuer == profile.issuer, users.c.subject == profile.subject)
    ).one_or_none()
    if known is not None and not known.is_active:
        raise Forbidden(DISABLED, detail=f"{known.username} is disabled")
    _refuse_taken(connection, profile)
    user_id = _create(connection, profile, now) if known is None else _update(connection, known, profile, now)
    replace_provider_groups(connection, user_id, profile.groups, now)
    return user_of(connection.execute(sa.select(*USER_COLUMNS).where(users.c.id == user_id)).one())


def shut_out(connection: sa.Connection, issuer: str, subject: str, groups: frozenset[str], now: datetime) -> None:
    """See `UserStore.shut_out`."""
    write_first(connection)
    row = connection.execute(_locked(users.c.issuer == issuer, users.c.subject == subject)).one_or_none()
    if row is None:
        return
    connection.execute(sessions.delete().where(sessions.c.user_id == row.id))
    before = _standing(connection, row)
    connection.execute(users.update().where(users.c.id == row.id).values(is_admin=False))
    replace_provider_groups(connection, row.id, groups, now)
    _audit_change(connection, row.username, before, row.username, False, groups, now)


def _locked(*conditions: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """One user, held until the transaction ends (SQLite has one writer at a time and ignores the clause)."""
    return sa.select(*USER_COLUMNS).where(*conditions).with_for_update()


def _refuse_taken(connection: sa.Connection, profile: LoginProfile) -> None:
    """SECURITY: an e-mail stays with the subject that had it first; a provider may let people choose theirs.

    Whose it is tells the subject, not whether a moment ago there was such a user: this person may be logging in
    for the first time in another tab.
    """
    whose = sa.select(users.c.id, users.c.issuer, users.c.subject).where(users.c.username == profile.username)
    holder = connection.execute(whose).one_or_none()
    if holder is not None and (holder.issuer, holder.subject) != (profile.issuer, profile.subject):
        raise Forbidden(TAKEN, detail=f"the login name {profile.username} is another account's (user {holder.id})")


def _create(connection: sa.Connection, profile: LoginProfile, now: datetime) -> int:
    user_id: int = connection.execute(
        users.insert()
        .values(
            username=profile.username,
            display_name=profile.display_name,
            issuer=profile.issuer,
            subject=profile.subject,
            is_admin=profile.is_admin,
            created_at=now,
            last_login_at=now,
        )
        .returning(users.c.id)
    ).scalar_one()
    after = {"is_admin": profile.is_admin, "groups": sorted(profile.groups)}
    audit.record(connection, by=profile.username, act="user.create", subject=profile.username, now=now, after=after)
    return user_id


def _update(connection: sa.Connection, known: AnyRow, profile: LoginProfile, now: datetime) -> int:
    before = _standing(connection, known)
    connection.execute(
        users.update()
        .where(users.c.id == known.id)
        .values(
            username=profile.username,
            display_name=profile.display_name,
            is_admin=profile.is_admin,
            last_login_at=now,
        )
    )
    _audit_change(connection, known.username, before, profile.username, profile.is_admin, profile.groups, now)
    return int(known.id)


def _standing(connection: sa.Connection, row: AnyRow) -> dict[str, Any]:
    """What of a user a login can change, and the audit tells."""
    groups = sorted(provider_groups(connection, row.id))
    return {"username": row.username, "is_admin": row.is_admin, "groups": groups}


def _audit_change(
    connection: sa.Connection,
    subject: str,
    before: dict[str, Any],
    username: str,
    is_admin: bool,
    groups: frozenset[str],
    now: datetime,
) -> None:
    after = {"username": username, "is_admin": is_admin, "groups": sorted(groups)}
    if after != before:
        audit.record(connection, by="provider", act="user.update", subject=subject, now=now, before=before, after=after)
