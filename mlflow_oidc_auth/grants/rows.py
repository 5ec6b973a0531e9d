"""One grant as a row of its table: found, written, removed, and whose turn it is to do so.

SECURITY: changes of one resource's or pattern's grants run one after the other (:func:`take_turns`); a hand-over,
which changes many at once, runs alone (:func:`run_alone`).
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from mlflow_oidc_auth.database.tables import DEFAULT_WORKSPACE, experiment_grants, named_grants, pattern_grants
from mlflow_oidc_auth.database.turns import one_at_a_time, together
from mlflow_oidc_auth.errors import NotFound
from mlflow_oidc_auth.grants.values import Grant, Grantee, On, Pattern, Shareable
from mlflow_oidc_auth.permissions.resolver import Asking, code_of, decode, pattern_kind
from mlflow_oidc_auth.vocabulary import END_OF_TIME, Level, Resource

Condition = sa.ColumnElement[bool]


def table_of(on: Resource | Pattern) -> sa.Table:
    """The table that holds grants on this."""
    if isinstance(on, Pattern):
        return pattern_grants
    return named_grants if on.kind.named else experiment_grants


def key_of(on: Resource | Pattern) -> dict[str, Any]:
    """What the rows of its table say for this and nothing else."""
    if isinstance(on, Pattern):
        return {"kind": pattern_kind(on.kind), "workspace": DEFAULT_WORKSPACE, "prefix": on.prefix}
    if on.kind.named:
        return {"workspace": DEFAULT_WORKSPACE, "name": on.key}
    return {"experiment_id": on.experiment_id}


def on_it(on: Resource | Pattern) -> list[Condition]:
    """Which rows of its table are grants on this."""
    grants = table_of(on)
    return [grants.c[column] == value for column, value in key_of(on).items()]


TABLES = (experiment_grants, named_grants, pattern_grants)
"""The three kinds of grant; a number of :func:`id_of` tells which by its place here."""


def live(grants: sa.FromClause, now: datetime) -> Condition:
    """Which grants have not ended."""
    return sa.or_(grants.c.expires_at.is_(None), grants.c.expires_at > now)


def last_moment(until: datetime | None) -> datetime:
    """The last moment at which a grant until then counts; the end of time if it has no end."""
    return END_OF_TIME if until is None else until - timedelta(microseconds=1)


def level_of(connection: sa.Connection, on: Shareable, asking: Asking) -> Level:
    """Somebody's level at some moment, by the expression that every check uses."""
    return decode(connection.execute(sa.select(code_of(on.resource, on.name, asking))).scalar_one())[0]


def id_of(grants: sa.Table, row_id: int) -> int:
    """A number that no grant of another table has: each table counts for itself."""
    return row_id * len(TABLES) + TABLES.index(grants)


def row_of(grant_id: int) -> tuple[int, int]:
    """What :func:`id_of` made the number of: the row's id, and the place of its table in :data:`TABLES`."""
    return divmod(grant_id, len(TABLES))


def target(on: On) -> Resource | Pattern:
    """What of it a grant names."""
    return on if isinstance(on, Pattern) else on.resource


def read(connection: sa.Connection, on: Resource | Pattern, of: Grantee) -> Grant | None:
    """The grantee's own grant on it, one past its end too; `None` if there is none."""
    grants = table_of(on)
    columns = (grants.c.id, grants.c.level, grants.c.granted_by, grants.c.granted_at, grants.c.expires_at)
    row = connection.execute(sa.select(*columns).where(*on_it(on), _whose(grants, of))).one_or_none()
    if row is None:
        return None
    return Grant(Level(row.level), row.granted_by, row.granted_at, row.expires_at, id_of(grants, row.id))


def write(connection: sa.Connection, on: Resource | Pattern, to: Grantee, grant: Grant) -> Grant:
    """Insert or replace, in one statement: the create of the resource may write its first grant meanwhile.

    Returns the grant with its id.

    Raises:
        NotFound: the grantee is gone.
    """
    key = key_of(on)
    grantee = "group_id" if to.is_group else "user_id"
    said = {
        "level": int(grant.level),
        "granted_by": grant.granted_by,
        "granted_at": grant.granted_at,
        "expires_at": grant.expires_at,
    }
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    grants = table_of(on)
    statement = insert(grants).values({grantee: to.id, **key, **said})
    written = statement.on_conflict_do_update(index_elements=[grantee, *key], set_=said).returning(grants.c.id)
    try:
        return replace(grant, id=id_of(grants, connection.execute(written).scalar_one()))
    except sa.exc.IntegrityError:
        raise NotFound(f"The {to} is gone; nothing was given.") from None


def remove(connection: sa.Connection, on: Resource | Pattern, of: Grantee) -> None:
    """Drop the grantee's own grant on it."""
    grants = table_of(on)
    connection.execute(grants.delete().where(*on_it(on), _whose(grants, of)))


def take_turns(connection: sa.Connection, on: Resource | Pattern) -> None:
    """Hold everybody else who would change the grants on this until the transaction ends."""
    together(connection, _lock("every grant"))
    if isinstance(on, Pattern):
        what = f"pattern {pattern_kind(on.kind)} {on.prefix}"
    else:
        what = f"name {on.key}" if on.kind.named else f"experiment {on.experiment_id}"
    one_at_a_time(connection, _lock(what))


def run_alone(connection: sa.Connection) -> None:
    """Hold everybody else who would change any grant until the transaction ends."""
    one_at_a_time(connection, _lock("every grant"))


def _lock(what: str) -> int:
    digest = hashlib.blake2b(f"oidc-auth grants {what}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


def _whose(grants: sa.Table, grantee: Grantee) -> Condition:
    return (grants.c.group_id if grantee.is_group else grants.c.user_id) == grantee.id
