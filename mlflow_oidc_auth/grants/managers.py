"""Who manages a resource by grants on it: asked before and after each change of one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from mlflow_oidc_auth.database.tables import memberships, users
from mlflow_oidc_auth.grants.rows import Condition, live, on_it, table_of
from mlflow_oidc_auth.grants.rules import Managed
from mlflow_oidc_auth.vocabulary import Level, Resource


def managed(connection: sa.Connection, resource: Resource, now: datetime) -> Managed:
    """Whether somebody manages the resource: at this moment, and once every end date has passed."""
    grants = table_of(resource)
    lasting = grants.c.expires_at.is_(None)
    now_, later = (managers(resource, which).exists() for which in (live(grants, now), lasting))
    row = connection.execute(sa.select(now_.label("now"), later.label("lasting"))).one()
    return Managed(bool(row.now), bool(row.lasting))


def managers(resource: Resource, which: Condition) -> sa.Select[Any]:
    """The active users whose winning grant on the resource, among `which` of its grants, is MANAGE."""
    grants, here = table_of(resource), on_it(resource)
    own = sa.select(grants.c.user_id, grants.c.level).where(*here, which, grants.c.user_id.is_not(None)).subquery()
    by_group = (
        sa.select(memberships.c.user_id, sa.func.max(grants.c.level).label("level"))
        .join_from(grants, memberships, memberships.c.group_id == grants.c.group_id)
        .where(*here, which)
        .group_by(memberships.c.user_id)
        .subquery()
    )
    return (
        sa.select(users.c.id, users.c.username, own.c.user_id.label("own"))
        .join_from(users, own, own.c.user_id == users.c.id, isouter=True)
        .join(by_group, by_group.c.user_id == users.c.id, isouter=True)
        .where(users.c.is_active, sa.func.coalesce(own.c.level, by_group.c.level) == int(Level.MANAGE))
    )
