"""Every table that MLflow maps is listed with whose its rows are, and a new one stops the start."""

from __future__ import annotations

from typing import Any, assert_never

import pytest

from mlflow_oidc_auth.bridge.resources import (
    OWNERS,
    Experiment,
    Nowhere,
    OfAssociation,
    OfDataset,
    OfExperiment,
    OfInput,
    OfInputTag,
    OfName,
    Through,
    mapped,
    tables,
)
from mlflow_oidc_auth.bridge.row_filter import RowFilter
from mlflow_oidc_auth.errors import StartRefused

#: Listed for MLflow 3.18, which maps them; older ones do not.
FROM_3_18 = frozenset(
    {"issue_categories", "skills", "skill_aliases", "skill_tags", "skill_versions", "skill_version_tags"}
)

HERE = sorted(mapped())


def test_every_mapped_class_is_listed() -> None:
    assert set(HERE) <= set(OWNERS)
    assert set(OWNERS) - set(HERE) <= FROM_3_18


def test_a_new_class_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(OWNERS, "trace_tags")
    monkeypatch.delitem(OWNERS, "webhooks")
    with pytest.raises(StartRefused, match=r"tables that mlflow-oidc-auth does not know: trace_tags, webhooks\."):
        RowFilter(resolver=None)  # type: ignore[arg-type]


@pytest.mark.parametrize("table", HERE)
def test_a_row_leads_to_its_owner_by_columns_that_are_there(table: str) -> None:
    columns = tables[table].c
    match OWNERS[table]:
        case Experiment():
            needed = {"experiment_id", "name"}
        case OfExperiment():
            needed = {"experiment_id"}
        case OfName():
            needed = {"workspace", "name"}
        case OfDataset():
            needed = {"dataset_id"}
        case OfInput():
            needed = {"source_id", "destination_id"}
        case OfInputTag():
            needed = {"input_uuid"}
        case OfAssociation():
            needed = {"source_type", "source_id", "destination_type", "destination_id"}
        case Through(column, parent, parent_column):
            needed = {column}
            assert parent_column in tables[parent].c
            assert _leads_there(columns[column], parent, parent_column)
        case Nowhere():
            needed = set()
        case other:
            assert_never(other)
    assert needed <= set(columns.keys())


def _leads_there(column: Any, parent: str, parent_column: str) -> bool:
    """By a foreign key, by a chain of them, or by none at all."""
    targets = [key.column for key in column.foreign_keys]
    return not targets or any(
        (target.table.name, target.name) == (parent, parent_column) or _leads_there(target, parent, parent_column)
        for target in targets
    )


@pytest.mark.parametrize("table", HERE)
def test_what_carries_an_experiment_is_not_listed_as_nobodys(table: str) -> None:
    """A gateway endpoint names the experiment that its usage is traced in, which does not own it."""
    if isinstance(OWNERS[table], Nowhere) and table != "endpoints":
        assert "experiment_id" not in tables[table].c


@pytest.mark.parametrize("table", HERE)
def test_what_hangs_on_something_owned_is_owned_too(table: str) -> None:
    """Guardrails and their configurations are the gateway's, which is the admins', though they name a scorer."""
    parents = {key.column.table.name for key in tables[table].foreign_keys}
    if isinstance(OWNERS[table], Nowhere) and table not in ("guardrails", "guardrail_configs", "endpoints"):
        assert all(isinstance(OWNERS[parent], Nowhere) for parent in parents), table
