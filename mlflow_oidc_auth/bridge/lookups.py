"""Is it there, what is it called, and is it a model or a prompt? Asked of MLflow's tables on our own engine.

It shows no levels and hides nothing: whoever asks must have judged that the person may know.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

import sqlalchemy as sa

from mlflow_oidc_auth.bridge import resources as r
from mlflow_oidc_auth.bridge.judge import experiment_number
from mlflow_oidc_auth.database.tables import DEFAULT_WORKSPACE
from mlflow_oidc_auth.grants.store import Named, Shareable
from mlflow_oidc_auth.operations.table import PROMPT_TAG
from mlflow_oidc_auth.vocabulary import Kind, Resource

_AT_ONCE = 1000
"""How many one statement asks for; a page is smaller, and databases bound the parameters of a statement."""


class ResourceLookup:
    """Finds resources and their names.

    Args:
        engine: ours.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def find(self, kind: Kind, key: str) -> Shareable | None:
        """The resource of this kind with this id or name; `None` if there is none. Soft-deleted ones are there.

        MLflow keeps a prompt as a registered model with a tag, so a prompt is found as a registered model too.
        """
        if kind is Kind.EXPERIMENT:
            number = experiment_number(key)
            return None if number is None else self._find(Resource(kind, str(number)))
        return self._find(Resource(kind, key))

    def names(self, resources: Collection[Resource]) -> dict[Resource, Named]:
        """The name and true kind of each; what is gone is absent. One statement for experiments, one for names."""
        with self._engine.connect() as connection:
            return {
                resource: named
                for part in _in_parts(resources)
                for resource, named in (_experiments(connection, part) | _named(connection, part)).items()
            }

    def _find(self, resource: Resource) -> Shareable | None:
        named = self.names([resource]).get(resource)
        if named is None or (resource.kind is Kind.PROMPT and named.kind is not Kind.PROMPT):
            return None
        return Shareable(resource, named.name)


def _in_parts(resources: Collection[Resource]) -> Iterator[list[Resource]]:
    every = list(resources)
    for start in range(0, len(every), _AT_ONCE):
        yield every[start : start + _AT_ONCE]


def _experiments(connection: sa.Connection, resources: Iterable[Resource]) -> dict[Resource, Named]:
    wanted = [resource for resource in resources if not resource.kind.named]
    numbers = {number for resource in wanted if (number := experiment_number(resource.key)) is not None}
    if not numbers:
        return {}
    row = r.experiments.alias("vis_experiments")
    statement = sa.select(row.c.experiment_id, row.c.name, row.c.lifecycle_stage == "deleted").where(
        row.c.experiment_id.in_(numbers)
    )
    found = {id_: Named(Kind.EXPERIMENT, name, deleted) for id_, name, deleted in connection.execute(statement)}
    return {resource: found[resource.experiment_id] for resource in wanted if resource.experiment_id in found}


def _named(connection: sa.Connection, resources: Iterable[Resource]) -> dict[Resource, Named]:
    wanted = [resource for resource in resources if resource.kind.named]
    if not wanted:
        return {}
    row = r.registered_models.alias("vis_registered_models")
    statement = sa.select(row.c.name, _is_prompt(row)).where(
        row.c.workspace == DEFAULT_WORKSPACE, row.c.name.in_({resource.key for resource in wanted})
    )
    kinds = {
        name: Kind.PROMPT if is_prompt else Kind.REGISTERED_MODEL for name, is_prompt in connection.execute(statement)
    }
    return {resource: Named(kinds[resource.key], resource.key) for resource in wanted if resource.key in kinds}


def _is_prompt(row: Any) -> sa.ColumnElement[bool]:
    """As MLflow's own `_is_prompt` reads it: the tag says "true" in whatever case."""
    tag = r.registered_model_tags.alias("vis_registered_model_tags")
    return sa.exists().where(
        tag.c.workspace == row.c.workspace,
        tag.c.name == row.c.name,
        tag.c.key == PROMPT_TAG,
        sa.func.lower(tag.c.value) == "true",
    )
