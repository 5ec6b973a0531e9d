"""What goes with an account or a group when it is deleted, as the audit tells it.

The database drops the rows themselves (`ON DELETE CASCADE`); this reads them before.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from mlflow_oidc_auth.database.tables import experiment_grants, named_grants, pattern_grants
from mlflow_oidc_auth.vocabulary import Level

MOST_TOLD = 1000
"""How many grants one record of the audit names; it always tells how many there were."""


def grants_of(connection: sa.Connection, *, user_id: int | None = None, group_id: int | None = None) -> dict[str, Any]:
    """The grants of a user or of a group: how many, and each in words; empty if there are none."""
    column, id_ = ("user_id", user_id) if group_id is None else ("group_id", group_id)
    found = sa.union_all(*(part.where(table.c[column] == id_) for table, part in _PARTS)).subquery()
    count = connection.execute(sa.select(sa.func.count()).select_from(found)).scalar_one()
    if not count:
        return {}
    rows = connection.execute(sa.select(found).order_by(found.c.kind, found.c.place, found.c.name).limit(MOST_TOLD))
    told = [f"{row.kind.replace('_', ' ')} {row.place or repr(row.name)}: {Level(row.level).name}" for row in rows]
    return {"grants": count, "grants_on": told}


_PARTS = (
    (
        experiment_grants,
        sa.select(
            sa.literal("experiment").label("kind"),
            experiment_grants.c.experiment_id.label("place"),
            sa.cast(sa.null(), sa.String).label("name"),
            experiment_grants.c.level,
        ),
    ),
    (
        named_grants,
        sa.select(
            sa.literal("registered_model"), sa.cast(sa.null(), sa.Integer), named_grants.c.name, named_grants.c.level
        ),
    ),
    (
        pattern_grants,
        sa.select(
            sa.cast(pattern_grants.c.kind, sa.String) + " pattern",
            sa.cast(sa.null(), sa.Integer),
            pattern_grants.c.prefix + "*",
            pattern_grants.c.level,
        ),
    ),
)
