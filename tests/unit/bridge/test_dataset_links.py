"""A dataset's links to its experiments are text that somebody sent: it must harm nobody, whatever it says."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from mlflow_oidc_auth import context
from mlflow_oidc_auth.bridge.judge import experiment_number
from mlflow_oidc_auth.operations.targets import IdKind
from mlflow_oidc_auth.vocabulary import Level
from tests.stores import Stores

STRANGE = {
    "full-width": "３",
    "underscore": "1_0",
    "space": " 1",
    "sign": "+1",
    "words": "x",
    "empty": "",
    "long": "9" * 36,
}


@pytest.mark.parametrize("text", STRANGE.values(), ids=STRANGE.keys())
def test_only_plain_digits_are_an_experiment(text: str) -> None:
    assert experiment_number(text) is None


@pytest.mark.parametrize("text", STRANGE.values(), ids=STRANGE.keys())
def test_a_link_that_is_no_id_hides_its_dataset_and_breaks_no_search(stores: Stores, text: str) -> None:
    with stores.decided(stores.alice):
        own = stores.tracking.create_experiment("own")
        fine = stores.tracking.create_dataset("fine", experiment_ids=[own])
        strange = stores.tracking.create_dataset("strange", experiment_ids=[own])
    with context.viewing(context.System("a link from before")), stores.engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO entity_associations (association_id, source_type, source_id, destination_type, "
                "destination_id, created_time) VALUES ('a1', 'evaluation_dataset', :source, 'experiment', :text, 0)"
            ),
            {"source": strange.dataset_id, "text": text},
        )
    with stores.filtered(stores.alice):
        found = stores.tracking.search_datasets(experiment_ids=[own])
    assert [dataset.name for dataset in found] == ["fine"]
    ids = frozenset({fine.dataset_id, strange.dataset_id})
    levels = stores.judge.levels(stores.alice, {IdKind.DATASET: ids}, stores.now)
    assert levels[IdKind.DATASET, fine.dataset_id] is Level.MANAGE
    assert levels[IdKind.DATASET, strange.dataset_id] is Level.NO_PERMISSIONS
