"""A rename that moves something into or out of a pattern is seen, on both databases."""

from __future__ import annotations

import pytest

from mlflow_oidc_auth.vocabulary import Kind, Level
from tests.stores import Stores

RENAMES = {
    "into a pattern": ("mine", "carol-x", True),
    "out of a pattern": ("carol-x", "mine", True),
    "within a pattern": ("carol-x", "carol-y", False),
    "past all patterns": ("mine", "yours", False),
    "other letters": ("mine", "Carol-x", False),
    "a wildcard of LIKE": ("mine", "carolxx", False),
}


@pytest.mark.parametrize(("old", "new", "moves"), RENAMES.values(), ids=RENAMES.keys())
@pytest.mark.parametrize("kind", [Kind.EXPERIMENT, Kind.REGISTERED_MODEL])
def test_a_rename_between_patterns_is_seen(stores: Stores, kind: Kind, old: str, new: str, moves: bool) -> None:
    stores.grant_pattern(stores.bob, kind, "carol-", Level.READ)
    with stores.decided(stores.alice):
        if kind is Kind.EXPERIMENT:
            key = stores.tracking.create_experiment(old)
        else:
            key = stores.registry.create_registered_model(old).name
    assert stores.judge.moves_between_patterns(kind, key, new, stores.now) is moves


def test_a_rename_of_nothing_moves_nothing(stores: Stores) -> None:
    stores.grant_pattern(stores.bob, Kind.EXPERIMENT, "carol-", Level.READ)
    assert not stores.judge.moves_between_patterns(Kind.EXPERIMENT, "x", "carol-x", stores.now)
    assert not stores.judge.moves_between_patterns(Kind.EXPERIMENT, "77", "mine", stores.now)
