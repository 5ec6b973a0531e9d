"""Is it there, what is it called, and is it a model or a prompt? Asked of MLflow's tables on our own engine.

It shows no levels and hides nothing: whoever asks must have judged that the person may know.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from mlflow_oidc_auth.bridge import resources as r
from mlflow_oidc_auth.bridge.found import Rows, experiment_rows, is_prompt, named_rows, page
from mlflow_oidc_auth.bridge.judge import experiment_number
from mlflow_oidc_auth.bridge.managed import managed, manages_by_pattern
from mlflow_oidc_auth.bridge.unmanaged import unmanaged
from mlflow_oidc_auth.database.tables import DEFAULT_WORKSPACE
from mlflow_oidc_auth.grants.store import Found, Matching, Named, Pattern, Shareable
from mlflow_oidc_auth.vocabulary import Identity, Kind, Level, Resource

_AT_ONCE = 1000
"""How many one statement asks for; a page is smaller, and databases bound the parameters of a statement."""

_EXAMPLES = 5


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

    def called(self, kind: Kind, text: str) -> Shareable | None:
        """The resource that somebody means by `text`: the one of this kind with this id, else with this very name."""
        by_id = self.find(kind, text)
        if by_id is not None or kind.named:
            return by_id
        row = r.experiments.alias("vis_experiments")
        here = (row.c.name == text, row.c.workspace == DEFAULT_WORKSPACE)
        with self._engine.connect() as connection:
            number = connection.execute(sa.select(row.c.experiment_id).where(*here)).scalar_one_or_none()
        return None if number is None else Shareable(Resource(kind, str(number)), text)

    def rows_of(self, kind: Kind) -> sa.Select[Any]:
        """All of a kind, models and prompts together, as rows for a statement of somebody else's."""
        if kind.named:
            return named_rows(r.registered_models.alias("vis_registered_models"))
        return experiment_rows(r.experiments.alias("vis_experiments"))

    def names(self, resources: Collection[Resource]) -> dict[Resource, Named]:
        """The name and true kind of each; what is gone is absent. One statement for experiments, one for names."""
        with self._engine.connect() as connection:
            return {
                resource: named
                for part in _in_parts(sorted(set(resources), key=lambda one: one.kind.named))
                for resource, named in (_experiments(connection, part) | _named(connection, part)).items()
            }

    def matching(self, pattern: Pattern) -> Matching:
        """How many the pattern covers at this moment, and the first few by name. Those in MLflow's bin count."""
        every = _rows(pattern.kind, together=True).subquery()
        covered = sa.func.substr(every.c.name, 1, len(pattern.prefix)) == pattern.prefix
        counts = sa.select(every.c.kind, sa.func.count()).where(covered).group_by(every.c.kind)
        names = sa.select(every.c.name).where(covered).order_by(every.c.name).limit(_EXAMPLES)
        with self._engine.connect() as connection:
            found = {Kind(kind): count for kind, count in connection.execute(counts)}
            examples = tuple(connection.execute(names).scalars())
        return Matching(
            experiments=found.get(Kind.EXPERIMENT, 0),
            registered_models=found.get(Kind.REGISTERED_MODEL, 0),
            prompts=found.get(Kind.PROMPT, 0),
            examples=examples,
        )

    def search(self, kind: Kind | None, text: str, offset: int, size: int) -> tuple[list[Found], int]:
        """One page of those whose name holds `text`, by name, and how many there are in all.

        Args:
            kind: of this kind alone: models without prompts; `None` for all.
            text: empty finds all; a number finds the experiment with this id, too.
        """
        every = _rows(kind).subquery()
        with self._engine.connect() as connection:
            return page(connection, sa.select(every).where(_holds(every, text)), offset, size)

    def managed_by(
        self, identity: Identity, default: Level, text: str, offset: int, size: int, now: datetime
    ) -> tuple[list[Found], int]:
        """One page of those that somebody manages (`bridge/managed.py`), searched and told like :meth:`search`."""
        with self._engine.connect() as connection:
            by_pattern = bool(connection.execute(manages_by_pattern(identity, now)).scalar_one())
            every = managed(identity, default, now, by_pattern=by_pattern).subquery()
            return page(connection, sa.select(every).where(_holds(every, text)), offset, size)

    def without_manager(
        self, offset: int, size: int, now: datetime, among: Collection[Resource] | None = None
    ) -> tuple[list[Found], int]:
        """One page of those that nobody manages (`bridge/unmanaged.py`), by name, and how many there are in all.

        Args:
            offset: how many come before the page.
            size: how many at most.
            now: the moment.
            among: only of these; `None` for all.
        """
        wanted: Rows = unmanaged(now)
        if among is not None:
            every = wanted.subquery()
            wanted = sa.select(every).where(_is_one_of(every, among))
        with self._engine.connect() as connection:
            return page(connection, wanted, offset, size)

    def _find(self, resource: Resource) -> Shareable | None:
        named = self.names([resource]).get(resource)
        if named is None or (resource.kind is Kind.PROMPT and named.kind is not Kind.PROMPT):
            return None
        return Shareable(resource, named.name)


def _rows(kind: Kind | None, *, together: bool = False) -> Rows:
    """All of a kind, models apart from prompts unless `together`; all there are for `None`."""
    of_experiments = experiment_rows(r.experiments.alias("vis_experiments"))
    row = r.registered_models.alias("vis_registered_models")
    if kind is Kind.EXPERIMENT:
        return of_experiments
    if kind is None:
        return sa.union_all(of_experiments, named_rows(row))
    if together:
        return named_rows(row)
    return named_rows(row).where(is_prompt(row) if kind is Kind.PROMPT else sa.not_(is_prompt(row)))


def _is_one_of(every: sa.Subquery, resources: Collection[Resource]) -> sa.ColumnElement[bool]:
    numbers = {resource.experiment_id for resource in resources if not resource.kind.named}
    names = {resource.key for resource in resources if resource.kind.named}
    named = sa.and_(every.c.experiment_id.is_(None), every.c.name.in_(names))
    return sa.or_(every.c.experiment_id.in_(numbers), named)


def _holds(every: sa.Subquery, text: str) -> sa.ColumnElement[bool]:
    """Plain "contains", without LIKE: `%` and `_` mean themselves. What case is, the database says."""
    if not text:
        return sa.true()
    folded, number = sa.func.lower(every.c.name), experiment_number(text)
    holds = sa.func.replace(folded, sa.func.lower(text), "") != folded
    return holds if number is None else sa.or_(holds, every.c.experiment_id == number)


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
    statement = sa.select(row.c.name, is_prompt(row)).where(
        row.c.workspace == DEFAULT_WORKSPACE, row.c.name.in_({resource.key for resource in wanted})
    )
    kinds = {
        name: Kind.PROMPT if is_prompt else Kind.REGISTERED_MODEL for name, is_prompt in connection.execute(statement)
    }
    return {resource: Named(kinds[resource.key], resource.key) for resource in wanted if resource.key in kinds}
