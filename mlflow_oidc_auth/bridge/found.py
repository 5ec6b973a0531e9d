"""Experiments, models and prompts as rows of one shape: counted and paged in one statement."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from mlflow_oidc_auth.bridge import resources as r
from mlflow_oidc_auth.database.tables import DEFAULT_WORKSPACE
from mlflow_oidc_auth.grants.store import Found
from mlflow_oidc_auth.operations.table import PROMPT_TAG
from mlflow_oidc_auth.vocabulary import Kind, Resource

Rows = sa.Select[Any] | sa.CompoundSelect[Any]


def experiment_rows(row: Any) -> sa.Select[Any]:
    """Every experiment of an alias of MLflow's table."""
    return sa.select(
        sa.literal(str(Kind.EXPERIMENT)).label("kind"),
        row.c.experiment_id.label("experiment_id"),
        row.c.name.label("name"),
        (row.c.lifecycle_stage == "deleted").label("deleted"),
    )


def named_rows(row: Any) -> sa.Select[Any]:
    """Every model and prompt of an alias of MLflow's table; MLflow has no bin for those."""
    return sa.select(
        sa.case((is_prompt(row), str(Kind.PROMPT)), else_=str(Kind.REGISTERED_MODEL)).label("kind"),
        sa.cast(sa.null(), sa.Integer).label("experiment_id"),
        row.c.name.label("name"),
        sa.false().label("deleted"),
    ).where(row.c.workspace == DEFAULT_WORKSPACE)


def is_prompt(row: Any) -> sa.ColumnElement[bool]:
    """As MLflow's own `_is_prompt` reads it: the tag says "true" in whatever case."""
    tag = r.registered_model_tags.alias("vis_registered_model_tags")
    return sa.exists().where(
        tag.c.workspace == row.c.workspace,
        tag.c.name == row.c.name,
        tag.c.key == PROMPT_TAG,
        sa.func.lower(tag.c.value) == "true",
    )


def page(connection: sa.Connection, rows: Rows, offset: int, size: int) -> tuple[list[Found], int]:
    """One page of these, by name, and how many there are in all."""
    every = rows.cte("every_row")
    total = sa.select(sa.func.count().label("total")).select_from(every).subquery()
    order = (every.c.name, every.c.kind, every.c.experiment_id)
    some = sa.select(every).order_by(*order).offset(offset).limit(size).subquery()
    # Past the last page there is no row to carry the total: hence the join, from the total to none or more.
    statement = sa.select(total.c.total, some).join_from(total, some, sa.true(), isouter=True)
    found = connection.execute(statement.order_by(some.c.name, some.c.kind, some.c.experiment_id)).all()
    return [_found(row) for row in found if row.kind is not None], found[0].total


def _found(row: sa.Row[Any]) -> Found:
    kind = Kind(row.kind)
    key = row.name if kind.named else str(row.experiment_id)
    return Found(Resource(Kind.REGISTERED_MODEL if kind.named else kind, key), kind, row.name, bool(row.deleted))
