"""Is it there, what is it called, and is it a model or a prompt?"""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from mlflow_oidc_auth.bridge.lookups import ResourceLookup
from mlflow_oidc_auth.bridge.resources import experiments
from mlflow_oidc_auth.grants.store import Named, Shareable
from mlflow_oidc_auth.vocabulary import Kind, Resource
from tests.http.api.site import EXPERIMENT, MODEL, PROMPT, Site


@pytest.fixture
def lookup(engine: sa.Engine) -> ResourceLookup:
    """alice's experiment, model and prompt are there."""
    Site(engine)
    return ResourceLookup(engine)


@pytest.fixture
def statements(engine: sa.Engine) -> list[str]:
    """Every SELECT from now on."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith("SELECT"):
            seen.append(statement)

    sa.event.listen(engine, "before_cursor_execute", note)
    return seen


@pytest.mark.parametrize("spelling", ["7", "07", "0000007"])
def test_an_experiment_is_found_by_its_number_however_it_is_spelled(lookup: ResourceLookup, spelling: str) -> None:
    found = lookup.find(Kind.EXPERIMENT, spelling)
    assert found == Shareable(Resource(Kind.EXPERIMENT, "7"), "team-a sales")


@pytest.mark.parametrize(
    "key", ["8", "-7", "+7", " 7", "７", "7.0", "team-a sales", "", "9" * 100, str(2**31), str(2**63)]
)
def test_an_experiment_that_is_not_there_is_not_found(lookup: ResourceLookup, key: str) -> None:
    assert lookup.find(Kind.EXPERIMENT, key) is None


def test_a_soft_deleted_experiment_is_there(lookup: ResourceLookup, engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(experiments.update().values(lifecycle_stage="deleted"))
    assert lookup.find(Kind.EXPERIMENT, "7") is not None


@pytest.mark.parametrize(
    ("kind", "key", "there"),
    [
        (Kind.REGISTERED_MODEL, MODEL.key, True),
        (Kind.REGISTERED_MODEL, PROMPT.key, True),
        (Kind.PROMPT, PROMPT.key, True),
        (Kind.PROMPT, MODEL.key, False),
        (Kind.REGISTERED_MODEL, "Forecast", False),
        (Kind.REGISTERED_MODEL, "forecast%", False),
        (Kind.REGISTERED_MODEL, "", False),
    ],
)
def test_a_name_is_found_byte_for_byte(lookup: ResourceLookup, kind: Kind, key: str, there: bool) -> None:
    assert lookup.find(kind, key) == (Shareable(Resource(kind, key), key) if there else None)


def test_a_page_gets_names_and_true_kinds_in_two_statements(lookup: ResourceLookup, statements: list[str]) -> None:
    page = [Resource(Kind.EXPERIMENT, "07"), Resource(Kind.EXPERIMENT, "4711"), Resource(Kind.EXPERIMENT, "0")]
    page += [Resource(Kind.REGISTERED_MODEL, name) for name in (PROMPT.key, MODEL.key, "gone")]
    assert lookup.names(page) == {
        page[0]: Named(Kind.EXPERIMENT, "team-a sales"),
        page[2]: Named(Kind.EXPERIMENT, "Default"),
        page[3]: Named(Kind.PROMPT, PROMPT.key),
        page[4]: Named(Kind.REGISTERED_MODEL, MODEL.key),
    }
    assert len(statements) == 2


def test_nothing_is_asked_for_nothing(lookup: ResourceLookup, statements: list[str]) -> None:
    assert lookup.names([]) == {}
    assert statements == []


def test_more_than_a_database_takes_in_one_statement_is_asked_in_parts(lookup: ResourceLookup) -> None:
    many = [Resource(Kind.EXPERIMENT, str(number)) for number in range(1, 70_000)]
    many += [Resource(Kind.REGISTERED_MODEL, f"name {number}") for number in range(70_000)]
    many.append(Resource(Kind.REGISTERED_MODEL, MODEL.key))
    assert set(lookup.names(many)) == {Resource(Kind.EXPERIMENT, EXPERIMENT.key), many[-1]}
