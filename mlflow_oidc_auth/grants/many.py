"""Many grants changed in one transaction: all of them, or none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from mlflow_oidc_auth.errors import Forbidden
from mlflow_oidc_auth.grants.rows import read, remove, target, write
from mlflow_oidc_auth.grants.store import note
from mlflow_oidc_auth.grants.values import GivenBy, Grant, Grantee, On
from mlflow_oidc_auth.vocabulary import Level


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the grantee's own grant on it shall say; nothing (`level` is `None`) where it shall go."""

    on: On
    to: Grantee
    level: Level | None
    until: datetime | None = None


def change_many(connection: sa.Connection, changes: Iterable[Wanted], *, by: GivenBy, now: datetime) -> None:
    """Make each change, each with its audit record, within the caller's transaction.

    The caller holds everybody else who changes grants (`rows.run_alone`): a lock for each of many resources is
    more than PostgreSQL keeps.

    Raises:
        Forbidden: by somebody who is no admin; only they are above every grant.
        NotFound: a grantee is gone.
    """
    if not by.is_admin:
        raise Forbidden("Only MLflow admins may change many grants at once. Share each by itself.")
    for change in changes:
        place = target(change.on)
        present = read(connection, place, change.to)
        if change.level is None:
            remove(connection, place, change.to)
            note(connection, "grant.take_away", change.on, change.to, by, now, present, None)
        else:
            grant = Grant(change.level, by.username, now, change.until)
            write(connection, place, change.to, grant)
            note(connection, "grant.give", change.on, change.to, by, now, present, grant)
