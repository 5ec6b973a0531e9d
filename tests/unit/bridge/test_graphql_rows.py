"""What GraphQL shows: each field reads through MLflow's stores, where the row filter stands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import flask
import pytest
from mlflow.entities import Dataset, DatasetInput, Metric
from mlflow.server import handlers
from mlflow.server.graphql.graphql_schema_extensions import schema

from mlflow_oidc_auth.operations.graphql import FIELDS, unlisted_fields
from mlflow_oidc_auth.vocabulary import Identity, Kind, Level
from tests.stores import Stores

SECRET = "only-alices"


class Site:
    """alice's experiment, run and model, each with the secret in it."""

    def __init__(self, stores: Stores, folder: Path) -> None:
        self.stores = stores
        with stores.decided(stores.alice):
            self.experiment = stores.tracking.create_experiment(f"{SECRET} experiment", str(folder))
            run = stores.tracking.create_run(self.experiment, "alice", 1, [], f"{SECRET} run")
            self.run = run.info.run_id
            stores.tracking.log_metric(self.run, Metric(f"{SECRET} metric", 1.0, 1, 0))
            dataset = Dataset(f"{SECRET} dataset", "d", "local", "{}")
            stores.tracking.log_inputs(self.run, [DatasetInput(dataset, [])])
            stores.registry.create_registered_model(f"{SECRET} model")
            stores.registry.create_model_version(f"{SECRET} model", "dummy-source", self.run)
        place = Path(run.info.artifact_uri.removeprefix("file://"))
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{SECRET} file").write_text("x")
        self.app = flask.Flask(__name__)

    def ask(self, who: Identity, document: str, values: dict[str, Any]) -> str:
        """The data of the answer, as text."""
        assert unlisted_fields(document) == set()
        context = self.app.test_request_context("/graphql", method="POST", json={"query": document})
        with context, self.stores.filtered(who):
            result = schema.execute(document, variables=values)
        return json.dumps(result.data)


@pytest.fixture
def site(stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """The site, with MLflow's handlers on its stores."""
    monkeypatch.setattr(handlers, "_get_tracking_store", lambda *_: stores.tracking)
    monkeypatch.setattr(handlers, "_get_model_registry_store", lambda *_: stores.registry)
    return Site(stores, tmp_path)


RUN = (
    "run { info { runName } experiment { name } modelVersions { name } inputs { datasetInputs { dataset { name } } } }"
)
SHOWN = {
    "Query.mlflowGetExperiment": "query Q($e: String) { it: mlflowGetExperiment(input: {experimentId: $e}) "
    "{ experiment { name } } }",
    "Query.mlflowGetRun": f"query Q($r: String) {{ mlflowGetRun(input: {{runId: $r}}) {{ {RUN} }} }}",
    "Query.mlflowListArtifacts": "query Q($r: String) { mlflowListArtifacts(input: {runId: $r}) { files { path } } }",
    "Query.mlflowGetMetricHistoryBulkInterval": "query Q($r: String, $m: String) { mlflowGetMetricHistoryBulkInterval"
    "(input: {runIds: [$r], metricKey: $m}) { metrics { key value } } }",
    "Query.mlflowSearchModelVersions": "{ mlflowSearchModelVersions(input: {}) { modelVersions { name } } }",
    "Query.mlflowSearchRuns": "query Q($e: String) { mlflowSearchRuns(input: {experimentIds: [$e]}) "
    "{ runs { info { runName } data { metrics { key value } } experiment { name } modelVersions { name } } } }",
    "Mutation.mlflowSearchRuns": "mutation M($e: String) { mlflowSearchRuns(input: {experimentIds: [$e]}) "
    "{ runs { info { runName } } } }",
    "Mutation.mlflowSearchDatasets": "mutation M($e: String) { mlflowSearchDatasets(input: {experimentIds: [$e]}) "
    "{ datasetSummaries { name } } }",
}


def values(site: Site) -> dict[str, Any]:
    """The variables."""
    return {"e": site.experiment, "r": site.run, "m": f"{SECRET} metric"}


def test_every_field_that_reads_rows_is_tried_here() -> None:
    roots = {name for name in FIELDS if name.startswith(("Query.", "Mutation."))}
    assert roots - set(SHOWN) == {"Query.test", "Mutation.testMutation"}


def test_each_field_shows_the_owner_and_who_may_read_and_nobody_else(site: Site) -> None:
    stores = site.stores

    def seen_by(who: Identity) -> set[str]:
        return {field for field, document in SHOWN.items() if SECRET in site.ask(who, document, values(site))}

    assert seen_by(stores.alice) == set(SHOWN)
    assert seen_by(stores.bob) == seen_by(stores.carol) == set()
    stores.grant(stores.bob, Kind.EXPERIMENT, site.experiment, Level.READ)
    stores.grant(stores.bob, Kind.REGISTERED_MODEL, f"{SECRET} model", Level.READ)
    assert seen_by(stores.bob) == set(SHOWN)
    assert seen_by(stores.carol) == set()


def test_a_run_that_may_be_read_does_not_show_a_model_that_may_not(site: Site) -> None:
    stores = site.stores
    stores.grant(stores.bob, Kind.EXPERIMENT, site.experiment, Level.READ)
    seen = site.ask(stores.bob, SHOWN["Query.mlflowGetRun"], values(site))
    assert f"{SECRET} run" in seen
    assert f"{SECRET} model" not in seen
