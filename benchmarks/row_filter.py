"""What the row filter costs: MLflow's own searches with it and without, side by side in one run.

    python benchmarks/row_filter.py [--size 10000] [--backend sqlite postgresql] [--rounds 15]

Shared machines are noisy, so each cell is the fastest of some rounds, and the rounds of all people take turns.
Compare the columns of one row: an admin reads unfiltered.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mlflow.store.model_registry.dbmodels.models import SqlRegisteredModel
from mlflow.store.tracking.dbmodels.models import SqlExperiment

from mlflow_oidc_auth.database.tables import experiment_grants, named_grants
from mlflow_oidc_auth.vocabulary import Identity, Kind, Level
from tests.databases import BACKENDS, Databases
from tests.stores import NOW, Stores

BATCH = 5_000


def fill(stores: Stores, size: int) -> dict[str, Identity]:
    """`size` experiments and models, each with an owner, and the people who ask."""
    owner = stores.make_user("owner")
    granted = stores.make_group("granted everything")
    people = {
        "admin": stores.root,
        "ten of them": stores.make_user("few"),
        "a thousand": stores.make_user("thousand"),
        "all, one group's grants": stores.make_user("all", granted),
        "pattern *": stores.make_user("pattern"),
        "* but 500": stores.make_user("denied"),
    }
    with stores.another_process() as connection:
        for start in range(0, size, BATCH):
            numbers = range(start, min(start + BATCH, size))
            connection.execute(sa.insert(SqlExperiment.__table__), [_experiment(number) for number in numbers])
            connection.execute(sa.insert(SqlRegisteredModel.__table__), [_model(number) for number in numbers])
        found = connection.execute(sa.text("SELECT experiment_id FROM experiments WHERE experiment_id > 0"))
        ids = [number for (number,) in found]
    names = [f"model {number:07}" for number in range(size)]
    for kind, keys in ((Kind.EXPERIMENT, ids), (Kind.REGISTERED_MODEL, names)):
        give(stores, owner.user_id, None, kind, keys, Level.MANAGE)
        give(stores, people["ten of them"].user_id, None, kind, keys[:: size // 10], Level.READ)
        give(stores, people["a thousand"].user_id, None, kind, keys[:: max(1, size // 990)][:990], Level.READ)
        give(stores, None, granted, kind, keys, Level.READ)
        stores.grant_pattern(people["pattern *"], kind, "", Level.READ)
        stores.grant_pattern(people["* but 500"], kind, "", Level.READ)
        give(stores, people["* but 500"].user_id, None, kind, keys[:: max(1, size // 500)][:500], Level.NO_PERMISSIONS)
    with stores.another_process() as connection:
        connection.execute(sa.text("ANALYZE"))
    return people


def _experiment(number: int) -> dict[str, object]:
    return {
        "name": f"experiment {number:07}",
        "artifact_location": f"mlflow-artifacts:/{number}",
        "lifecycle_stage": "active",
        "creation_time": number,
        "last_update_time": number,
    }


def _model(number: int) -> dict[str, object]:
    return {"name": f"model {number:07}", "creation_time": number, "last_updated_time": number}


def give(
    stores: Stores, user_id: int | None, group_id: int | None, kind: Kind, keys: list[object], level: Level
) -> None:
    """One grant for each key."""
    table, column = (named_grants, "name") if kind.named else (experiment_grants, "experiment_id")
    said = {"user_id": user_id, "group_id": group_id, "level": int(level), "granted_by": "owner", "granted_at": NOW}
    with stores.engine.begin() as connection:
        for start in range(0, len(keys), BATCH):
            connection.execute(table.insert(), [{column: key, **said} for key in keys[start : start + BATCH]])


def requests(stores: Stores, size: int) -> dict[str, Callable[[], object]]:
    """What is measured, as MLflow's handlers do it."""
    tracking, registry = stores.tracking, stores.registry
    return {
        "experiments/search, a page of 100": lambda: tracking.search_experiments(max_results=100),
        "registered-models/search, a page of 100": lambda: registry.search_registered_models(max_results=100),
        "experiments/get-by-name": lambda: tracking.get_experiment_by_name(f"experiment {size // 2:07}"),
    }


def fastest(
    stores: Stores, request: Callable[[], object], people: dict[str, Identity], rounds: int
) -> dict[str, float]:
    """Milliseconds of the fastest round for each person; the first two rounds warm up."""
    best = dict.fromkeys(people, float("inf"))
    for turn in range(rounds + 2):
        for name, identity in people.items():
            start = time.perf_counter()
            with stores.filtered(identity):
                request()
            if turn >= 2:
                best[name] = min(best[name], (time.perf_counter() - start) * 1000)
    return best


def main() -> None:
    """Print one table for each database."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--size", type=int, default=10_000)
    parser.add_argument("--backend", nargs="*", choices=BACKENDS, default=list(BACKENDS))
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    logging.disable(logging.INFO)
    databases = Databases()
    try:
        for backend in options.backend:
            stores = Stores(databases.with_mlflow(backend))
            people = fill(stores, options.size)
            print(f"\n{backend}, {options.size} experiments and models; milliseconds (times the admin's)\n")
            print("| request | " + " | ".join(people) + " |")
            print("|---|" + "---|" * len(people))
            for name, request in requests(stores, options.size).items():
                best = fastest(stores, request, people, options.rounds)
                cells = (f"{ms:.1f} ({ms / best['admin']:.2f})" for ms in best.values())
                print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
            stores.close()
    finally:
        databases.close()


if __name__ == "__main__":
    main()
