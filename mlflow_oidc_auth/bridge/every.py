"""All that MLflow has of a kind, for files: experiments by name, and rows to join with."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from mlflow_oidc_auth.bridge import resources as r
from mlflow_oidc_auth.bridge.found import experiment_rows, named_rows
from mlflow_oidc_auth.bridge.lookups import ResourceLookup
from mlflow_oidc_auth.vocabulary import Kind

_AT_ONCE = 1000


class EveryResource(ResourceLookup):
    """What a file names, and all that a file tells of."""

    def experiment_ids(self, names: Collection[str]) -> dict[str, int]:
        """The id of each experiment that is called so; those in MLflow's bin too."""
        row, every = r.experiments.alias("vis_experiments"), sorted(names)
        found: dict[str, int] = {}
        with self._engine.connect() as connection:
            for start in range(0, len(every), _AT_ONCE):
                part = row.c.name.in_(every[start : start + _AT_ONCE])
                for name, id_ in connection.execute(sa.select(row.c.name, row.c.experiment_id).where(part)):
                    found[name] = id_
        return found

    def rows(self, kind: Kind) -> sa.Subquery:
        """Every experiment, or every model and prompt: `kind`, `experiment_id`, `name` and `deleted`."""
        if kind is Kind.EXPERIMENT:
            return experiment_rows(r.experiments.alias("vis_experiments")).subquery()
        return named_rows(r.registered_models.alias("vis_registered_models")).subquery()
