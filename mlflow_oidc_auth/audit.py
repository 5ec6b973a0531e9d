"""What is written down, and by whom: one row for each change, in the change's own transaction.

SECURITY: `before` and `after` hold names, levels, dates and ids; never a token, cookie or code.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from mlflow_oidc_auth import context
from mlflow_oidc_auth.database.tables import audit_records


def record(
    connection: sa.Connection,
    *,
    by: str,
    act: str,
    subject: str,
    now: datetime,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Write down that `by` did `act` to `subject`.

    Args:
        connection: the transaction of the change itself, so that neither is ever there alone.
        by: a username, or "system".
        act: noun and verb, such as "grant.give", "token.create".
        subject: to whom or to what, readable alone.
        now: the moment, UTC.
        before: the old values, `None` where there was nothing.
        after: the new values, `None` where nothing is left.
    """
    credential, address = _origin()
    connection.execute(
        audit_records.insert().values(
            at=now,
            by=by,
            credential=credential,
            address=address[:64],
            act=act,
            subject=subject[:512],
            before=dict(before) if before is not None else None,
            after=dict(after) if after is not None else None,
        )
    )


def _origin() -> tuple[str, str]:
    """By which credential and from which address, as the context knows it."""
    match context.view():
        case context.Filtered(identity=identity, address=address) | context.Decided(identity=identity, address=address):
            return f"{identity.credential.kind} {identity.credential.id}", address
        case context.System(why=why):
            return why[:64], ""
        case None:
            return "", ""
