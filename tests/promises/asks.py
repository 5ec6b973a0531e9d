"""How each operation of MLflow is asked so that it does something: path, query and body, with names for ids.

The tests walk all of them as the owner (it works), as a stranger (it does not), with ids that lead nowhere,
and with bodies that are broken on purpose. `{run}` and the like stand for what `belongings.py` made.
Operations that only admins reach have no ask of their own: they are asked with an empty body.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from mlflow_oidc_auth.operations.requirements import Entry
from tests.promises.belongings import PROMPT_TAGS, Ids, scorer, spans_body, trace_body


@dataclass(frozen=True)
class Ask:
    """One operation with everything it is sent; texts hold `{names}` until :func:`filled`."""

    method: str
    path: str
    query: Any = None
    body: Any = None
    data: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def arguments(self) -> dict[str, Any]:
        """For a request."""
        sent: dict[str, Any] = {"headers": dict(self.headers)}
        if self.query is not None:
            sent["params"] = self.query
        if self.body is not None:
            sent["json"] = self.body
        if self.data is not None:
            sent["data"] = self.data.encode()
        return sent

    def texts(self) -> set[str]:
        """Every text that is sent: an answer may repeat it."""
        return {*_texts(self.query), *_texts(self.body), *self.path.split("/"), self.path, self.data or ""} - {""}


# In the order of a walk: reads, then what changes, then what deletes.
ASKS: tuple[Ask, ...] = (
    Ask("GET", "/"),
    Ask("GET", "/version"),
    Ask("GET", "/api/3.0/mlflow/server-info"),
    Ask("GET", "/ajax-api/3.0/mlflow/ui-telemetry"),
    Ask("POST", "/ajax-api/3.0/mlflow/ui-telemetry", body={"records": []}),
    Ask("GET", "/ajax-api/2.0/mlflow/gateway-proxy", query={"gateway_path": "api/2.0/endpoints/"}),
    Ask("GET", "/ajax-api/3.0/mlflow/gateway/provider-config", query={"provider": "openai"}),
    Ask("GET", "/ajax-api/3.0/mlflow/gateway/supported-models", query={"provider": "openai"}),
    Ask("GET", "/ajax-api/3.0/mlflow/gateway/supported-providers"),
    # Experiments and runs.
    Ask("GET", "/api/2.0/mlflow/experiments/get", query={"experiment_id": "{experiment}"}),
    Ask("GET", "/api/2.0/mlflow/experiments/get-by-name", query={"experiment_name": "{experiment_name}"}),
    Ask("GET", "/api/2.0/mlflow/experiments/search", query={"max_results": "1000"}),
    Ask("POST", "/api/2.0/mlflow/experiments/search", body={"max_results": 1000, "view_type": "ALL"}),
    Ask("POST", "/ajax-api/2.0/mlflow/experiments/search-datasets", body={"experiment_ids": ["{experiment}"]}),
    Ask("GET", "/api/2.0/mlflow/runs/get", query={"run_id": "{run}"}),
    Ask("POST", "/api/2.0/mlflow/runs/search", body={"experiment_ids": ["{experiment}"]}),
    Ask("GET", "/api/2.0/mlflow/metrics/get-history", query={"run_id": "{run}", "metric_key": "a-metric"}),
    Ask(
        "GET",
        "/ajax-api/2.0/mlflow/metrics/get-history-bulk",
        query={"run_id": "{run}", "metric_key": "a-metric"},
    ),
    Ask(
        "GET",
        "/api/2.0/mlflow/metrics/get-history-bulk-interval",
        query={"run_ids": "{run}", "metric_key": "a-metric", "max_results": "10"},
    ),
    Ask("GET", "/api/2.0/mlflow/artifacts/list", query={"run_id": "{run}"}),
    Ask("GET", "/get-artifact", query={"run_id": "{run}", "path": "model/secret.txt"}),
    Ask(
        "POST", "/api/2.0/mlflow/artifacts/presigned-download-url", body={"run_id": "{run}", "path": "model/secret.txt"}
    ),
    Ask("GET", "/api/2.0/mlflow-artifacts/artifacts", query={"path": "{experiment}/{run}/artifacts"}),
    Ask("GET", "/api/2.0/mlflow-artifacts/artifacts/{artifact_path:path}"),
    Ask("GET", "/api/2.0/mlflow-artifacts/artifacts/<path:artifact_path>"),
    Ask("GET", "/api/2.0/mlflow-artifacts/presigned/<path:artifact_path>"),
    # Logged models.
    Ask("POST", "/api/2.0/mlflow/logged-models/search", body={"experiment_ids": ["{experiment}"]}),
    Ask("GET", "/api/2.0/mlflow/logged-models/<model_id>"),
    Ask("GET", "/api/2.0/mlflow/logged-models/<model_id>/artifacts/directories"),
    Ask(
        "GET",
        "/ajax-api/2.0/mlflow/logged-models/<model_id>/artifacts/files",
        query={"artifact_file_path": "MLmodel"},
    ),
    # Traces.
    Ask("GET", "/api/3.0/mlflow/traces/<trace_id>"),
    Ask("GET", "/api/3.0/mlflow/traces/get", query={"trace_id": "{spans_trace}"}),
    Ask("GET", "/api/3.0/mlflow/traces/batchGet", query={"trace_ids": "{spans_trace}"}),
    Ask("POST", "/api/3.0/mlflow/traces/batchGetInfos", body={"trace_ids": ["{trace}"]}),
    Ask(
        "POST",
        "/api/3.0/mlflow/traces/search",
        body={
            "locations": [{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "{experiment}"}}],
            "max_results": 10,
        },
    ),
    Ask(
        "POST",
        "/api/3.0/mlflow/traces/metrics",
        body={
            "experiment_ids": ["{experiment}"],
            "view_type": "TRACES",
            "metric_name": "trace_count",
            "aggregations": [{"aggregation_type": "COUNT"}],
            "max_results": 10,
        },
    ),
    Ask(
        "POST",
        "/api/3.0/mlflow/traces/calculate-filter-correlation",
        body={
            "experiment_ids": ["{experiment}"],
            "filter_string1": "trace.status = 'OK'",
            "filter_string2": "trace.status = 'ERROR'",
        },
    ),
    Ask("GET", "/ajax-api/3.0/mlflow/get-trace-artifact", query={"request_id": "{trace}"}),
    Ask("GET", "/ajax-api/2.0/mlflow/get-trace-artifact", query={"request_id": "{trace}"}),
    Ask("GET", "/api/2.0/mlflow/traces", query={"experiment_ids": "{experiment}", "max_results": "10"}),
    Ask("GET", "/api/2.0/mlflow/traces/<request_id>/info"),
    Ask("GET", "/api/3.0/mlflow/traces/<trace_id>/assessments/<assessment_id>"),
    # Evaluation.
    Ask("GET", "/api/3.0/mlflow/datasets/search", query={"experiment_ids": "{experiment}"}),
    Ask("POST", "/api/3.0/mlflow/datasets/search", body={"experiment_ids": ["{experiment}"]}),
    Ask("GET", "/api/3.0/mlflow/datasets/<dataset_id>"),
    Ask("GET", "/api/3.0/mlflow/datasets/<dataset_id>/experiment-ids"),
    Ask("GET", "/api/3.0/mlflow/datasets/<dataset_id>/records"),
    Ask("GET", "/api/3.0/mlflow/scorers/list", query={"experiment_id": "{experiment}"}),
    Ask("GET", "/api/3.0/mlflow/scorers/get", query={"experiment_id": "{experiment}", "name": "{scorer}"}),
    Ask("GET", "/api/3.0/mlflow/scorers/versions", query={"experiment_id": "{experiment}", "name": "{scorer}"}),
    Ask("GET", "/api/3.0/mlflow/scorers/online-configs", query={"scorer_ids": "{scorer}"}),
    Ask("POST", "/api/3.0/mlflow/issues/search", body={"experiment_id": "{experiment}"}),
    Ask("GET", "/api/3.0/mlflow/issues/<issue_id>"),
    Ask("GET", "/api/3.0/mlflow/label-schemas/list", query={"experiment_id": "{experiment}"}),
    Ask(
        "GET",
        "/api/3.0/mlflow/label-schemas/get-by-name",
        query={"experiment_id": "{experiment}", "name": "{label_schema_name}"},
    ),
    Ask("GET", "/api/3.0/mlflow/label-schemas/get", query={"schema_id": "{label_schema}"}),
    Ask("GET", "/api/3.0/mlflow/review-queues/list", query={"experiment_id": "{experiment}"}),
    Ask(
        "GET",
        "/api/3.0/mlflow/review-queues/get-by-name",
        query={"experiment_id": "{experiment}", "name": "{queue_name}"},
    ),
    Ask("GET", "/api/3.0/mlflow/review-queues/get", query={"queue_id": "{queue}"}),
    Ask("GET", "/api/3.0/mlflow/review-queues/items/list", query={"queue_id": "{queue}"}),
    # The registry.
    Ask("GET", "/api/2.0/mlflow/registered-models/get", query={"name": "{name}"}),
    Ask("GET", "/api/2.0/mlflow/registered-models/search", query={"max_results": "1000"}),
    Ask("GET", "/api/2.0/mlflow/registered-models/get-latest-versions", query={"name": "{name}"}),
    Ask("POST", "/api/2.0/mlflow/registered-models/get-latest-versions", body={"name": "{name}"}),
    Ask("GET", "/api/2.0/mlflow/registered-models/alias", query={"name": "{name}", "alias": "an-alias"}),
    Ask("GET", "/api/2.0/mlflow/model-versions/get", query={"name": "{name}", "version": "1"}),
    Ask("GET", "/api/2.0/mlflow/model-versions/get-download-uri", query={"name": "{name}", "version": "1"}),
    Ask("GET", "/model-versions/get-artifact", query={"name": "{name}", "version": "1", "path": "secret.txt"}),
    Ask("GET", "/api/2.0/mlflow/model-versions/search", query={"max_results": "1000"}),
    # What changes something.
    Ask("POST", "/api/2.0/mlflow/experiments/create", body={"name": "made-by-a-walk-{suffix}-{who}"}),
    Ask(
        "POST",
        "/api/2.0/mlflow/experiments/update",
        body={"experiment_id": "{experiment}", "new_name": "renamed-{suffix}"},
    ),
    Ask(
        "POST",
        "/api/2.0/mlflow/experiments/set-experiment-tag",
        body={"experiment_id": "{experiment}", "key": "walked", "value": "by"},
    ),
    Ask("POST", "/api/2.0/mlflow/runs/create", body={"experiment_id": "{experiment}", "start_time": 1}),
    Ask(
        "POST",
        "/ajax-api/2.0/mlflow/runs/create-promptlab-run",
        body={
            "experiment_id": "{experiment}",
            "prompt_template": "hello {{{{name}}}}",
            "prompt_parameters": [{"key": "name", "value": "you"}],
            "model_route": "route",
            "model_parameters": [{"key": "temperature", "value": "0"}],
            "model_input": "hello you",
            "model_output": "hello",
            "model_output_parameters": [],
            "mlflow_version": "3.17.2",
        },
    ),
    Ask("POST", "/api/2.0/mlflow/runs/update", body={"run_id": "{run}", "run_name": "renamed"}),
    Ask("POST", "/api/2.0/mlflow/runs/set-tag", body={"run_id": "{run}", "key": "walked", "value": "by"}),
    Ask("POST", "/api/2.0/mlflow/runs/log-parameter", body={"run_id": "{run}", "key": "walked", "value": "by"}),
    Ask(
        "POST",
        "/api/2.0/mlflow/runs/log-metric",
        body={"run_id": "{run}", "key": "walked", "value": 1.5, "timestamp": 1, "step": 0, "model_id": "{model}"},
    ),
    Ask("POST", "/api/2.0/mlflow/runs/log-batch", body={"run_id": "{run}", "tags": [{"key": "b", "value": "c"}]}),
    Ask(
        "POST",
        "/api/2.0/mlflow/runs/log-inputs",
        body={"run_id": "{run}", "models": [{"model_id": "{model}"}]},
    ),
    Ask(
        "POST",
        "/api/2.0/mlflow/runs/outputs",
        body={"run_id": "{run}", "models": [{"model_id": "{model}", "step": 0}]},
    ),
    Ask(
        "POST",
        "/api/2.0/mlflow/runs/log-model",
        body={
            "run_id": "{run}",
            "model_json": '{{"run_id": "{run}", "artifact_path": "model", "utc_time_created": "2026-01-01 00:00:00", '
            '"flavors": {{"python_function": {{"loader_module": "nothing"}}}}}}',
        },
    ),
    Ask("POST", "/ajax-api/2.0/mlflow/upload-artifact", query={"run_uuid": "{run}", "path": "more.txt"}, data="more"),
    Ask("POST", "/api/2.0/mlflow/artifacts/presigned-upload-url", body={"run_id": "{run}", "path": "more.txt"}),
    Ask("PUT", "/api/2.0/mlflow-artifacts/artifacts/{artifact_path:path}", data="changed"),
    Ask("PUT", "/api/2.0/mlflow-artifacts/artifacts/<path:artifact_path>", data="changed"),
    Ask(
        "POST",
        "/api/2.0/mlflow-artifacts/mpu/create/<path:artifact_path>",
        body={"path": "secret.txt", "num_parts": 1},
    ),
    Ask(
        "POST",
        "/api/2.0/mlflow-artifacts/mpu/complete/<path:artifact_path>",
        body={"path": "secret.txt", "upload_id": "u", "parts": [{"part_number": 1, "etag": "e"}]},
    ),
    Ask(
        "POST",
        "/api/2.0/mlflow-artifacts/mpu/abort/<path:artifact_path>",
        body={"path": "secret.txt", "upload_id": "u"},
    ),
    Ask(
        "POST",
        "/api/2.0/mlflow/logged-models",
        body={"experiment_id": "{experiment}", "name": "another", "source_run_id": "{run}"},
    ),
    Ask(
        "PATCH",
        "/api/2.0/mlflow/logged-models/<model_id>",
        body={"model_id": "{model}", "status": "LOGGED_MODEL_READY"},
    ),
    Ask(
        "POST",
        "/api/2.0/mlflow/logged-models/<model_id>/params",
        body={"model_id": "{model}", "params": [{"key": "walked", "value": "by"}]},
    ),
    Ask("PATCH", "/api/2.0/mlflow/logged-models/<model_id>/tags", body={"tags": [{"key": "walked", "value": "by"}]}),
    Ask("POST", "/api/3.0/mlflow/traces", body=trace_body("{trace}", "{experiment}")),
    Ask(
        "POST",
        "/v1/traces",
        body=spans_body("{otlp_trace}"),
        headers={"x-mlflow-experiment-id": "{experiment}", "x-mlflow-run-id": "{run}"},
    ),
    Ask("PATCH", "/api/3.0/mlflow/traces/<trace_id>/tags", body={"key": "walked", "value": "by"}),
    Ask("POST", "/api/2.0/mlflow/traces/link-to-run", body={"trace_ids": ["{trace}"], "run_id": "{run}"}),
    Ask(
        "POST",
        "/api/2.0/mlflow/traces/link-prompts",
        body={"trace_id": "{trace}", "prompt_versions": [{"name": "{prompt}", "version": "1"}]},
    ),
    Ask("POST", "/api/2.0/mlflow/traces", body={"experiment_id": "{experiment}", "timestamp_ms": 1}),
    Ask(
        "PATCH",
        "/api/2.0/mlflow/traces/<request_id>",
        body={"timestamp_ms": 2, "status": "OK", "tags": [{"key": "walked", "value": "by"}]},
    ),
    Ask("PATCH", "/api/2.0/mlflow/traces/<request_id>/tags", body={"key": "walked", "value": "by"}),
    Ask(
        "POST",
        "/api/3.0/mlflow/traces/<trace_id>/assessments",
        body={
            "assessment": {
                "assessment_name": "another",
                "trace_id": "{trace}",
                "source": {"source_type": "HUMAN", "source_id": "me"},
                "create_time": "2026-01-01T00:00:00Z",
                "last_update_time": "2026-01-01T00:00:00Z",
                "feedback": {"value": "good"},
            }
        },
    ),
    Ask(
        "PATCH",
        "/api/3.0/mlflow/traces/<trace_id>/assessments/<assessment_id>",
        body={
            "assessment": {
                "assessment_id": "{assessment}",
                "trace_id": "{trace}",
                "feedback": {"value": "changed"},
            },
            "update_mask": "feedback",
        },
    ),
    Ask(
        "POST",
        "/api/3.0/mlflow/datasets/create",
        body={"name": "another-{suffix}-{who}", "experiment_ids": ["{experiment}"]},
    ),
    Ask(
        "POST",
        "/api/3.0/mlflow/datasets/<dataset_id>/add-experiments",
        body={"dataset_id": "{dataset}", "experiment_ids": ["{other_experiment}"]},
    ),
    Ask(
        "POST",
        "/api/3.0/mlflow/datasets/<dataset_id>/records",
        body={"dataset_id": "{dataset}", "records": '[{{"inputs": {{"question": "walked"}}}}]'},
    ),
    Ask(
        "PATCH",
        "/api/3.0/mlflow/datasets/<dataset_id>/tags",
        body={"dataset_id": "{dataset}", "tags": '{{"walked": "by"}}'},
    ),
    Ask(
        "POST",
        "/api/3.0/mlflow/scorers/register",
        body={
            "experiment_id": "{experiment}",
            "name": "another",
            "serialized_scorer": scorer("another").replace("{", "{{").replace("}", "}}"),
        },
    ),
    Ask(
        "POST",
        "/api/3.0/mlflow/issues",
        body={"experiment_id": "{experiment}", "name": "another", "description": "x", "source_run_id": "{run}"},
    ),
    Ask("PATCH", "/api/3.0/mlflow/issues/<issue_id>", body={"issue_id": "{issue}", "name": "renamed"}),
    Ask(
        "POST",
        "/api/3.0/mlflow/label-schemas/create",
        body={
            "experiment_id": "{experiment}",
            "name": "another-{who}",
            "type": "FEEDBACK",
            "input": {"text": {"max_length": 10}},
        },
    ),
    Ask(
        "PATCH",
        "/api/3.0/mlflow/label-schemas/update",
        body={"schema_id": "{label_schema}", "instruction": "walked"},
    ),
    Ask(
        "POST",
        "/api/3.0/mlflow/review-queues/create",
        body={"experiment_id": "{experiment}", "name": "another-{who}", "queue_type": "CUSTOM"},
    ),
    Ask(
        "POST",
        "/api/3.0/mlflow/review-queues/get-or-create-user",
        body={"experiment_id": "{experiment}", "user": "carol@example.test"},
    ),
    Ask(
        "POST",
        "/api/3.0/mlflow/review-queues/update",
        body={"queue_id": "{queue}", "name": "renamed-{suffix}"},
    ),
    Ask(
        "POST",
        "/api/3.0/mlflow/review-queues/items/add",
        body={"queue_id": "{queue}", "item_type": "TRACE", "item_ids": ["{trace}"]},
    ),
    Ask(
        "POST",
        "/api/3.0/mlflow/review-queues/items/set-status",
        body={"queue_id": "{queue}", "item_id": "{trace}", "status": "COMPLETE", "completed_by": "me"},
    ),
    Ask("POST", "/api/2.0/mlflow/registered-models/create", body={"name": "model-of-a-walk-{suffix}-{who}"}),
    Ask("PATCH", "/api/2.0/mlflow/registered-models/update", body={"name": "{name}", "description": "walked"}),
    Ask(
        "POST",
        "/api/2.0/mlflow/registered-models/set-tag",
        body={"name": "{name}", "key": "walked", "value": "by"},
    ),
    Ask(
        "POST",
        "/api/2.0/mlflow/registered-models/alias",
        body={"name": "{name}", "alias": "another", "version": "1"},
    ),
    Ask(
        "POST",
        "/api/2.0/mlflow/model-versions/create",
        body={
            "name": "{prompt}",
            "source": "dummy-source",
            "tags": [*PROMPT_TAGS, {"key": "mlflow.prompt.text", "value": "x"}],
        },
    ),
    Ask(
        "PATCH",
        "/api/2.0/mlflow/model-versions/update",
        body={"name": "{name}", "version": "1", "description": "walked"},
    ),
    Ask(
        "POST",
        "/api/2.0/mlflow/model-versions/transition-stage",
        body={"name": "{name}", "version": "1", "stage": "Staging", "archive_existing_versions": False},
    ),
    Ask(
        "POST",
        "/api/2.0/mlflow/model-versions/set-tag",
        body={"name": "{name}", "version": "1", "key": "walked", "value": "by"},
    ),
    # What deletes something, the smallest first.
    Ask(
        "POST",
        "/api/2.0/mlflow/experiments/delete-experiment-tag",
        body={"experiment_id": "{experiment}", "key": "a-tag"},
    ),
    Ask("POST", "/api/2.0/mlflow/runs/delete-tag", body={"run_id": "{run}", "key": "a-tag"}),
    Ask("DELETE", "/api/2.0/mlflow-artifacts/artifacts/<path:artifact_path>"),
    Ask("DELETE", "/api/2.0/mlflow/logged-models/<model_id>/tags/<tag_key>"),
    Ask("DELETE", "/api/3.0/mlflow/traces/<trace_id>/assessments/<assessment_id>"),
    Ask("DELETE", "/api/3.0/mlflow/traces/<trace_id>/tags", query={"key": "a-tag"}, body={"key": "a-tag"}),
    Ask("DELETE", "/api/2.0/mlflow/traces/<request_id>/tags", query={"key": "walked"}, body={"key": "walked"}),
    Ask(
        "POST",
        "/api/3.0/mlflow/review-queues/items/remove",
        body={"queue_id": "{queue}", "item_ids": ["{trace}"]},
    ),
    Ask("POST", "/api/3.0/mlflow/review-queues/delete", body={"queue_id": "{queue}"}),
    Ask(
        "DELETE",
        "/api/3.0/mlflow/label-schemas/delete",
        query={"schema_id": "{label_schema}"},
        body={"schema_id": "{label_schema}"},
    ),
    Ask(
        "DELETE",
        "/api/3.0/mlflow/scorers/delete",
        body={"experiment_id": "{experiment}", "name": "{scorer}"},
    ),
    Ask(
        "DELETE",
        "/api/3.0/mlflow/datasets/<dataset_id>/records",
        body={"dataset_id": "{dataset}", "dataset_record_ids": ["{record}"]},
    ),
    Ask("DELETE", "/api/3.0/mlflow/datasets/<dataset_id>/tags/<key>"),
    Ask(
        "POST",
        "/api/3.0/mlflow/datasets/<dataset_id>/remove-experiments",
        body={"dataset_id": "{dataset}", "experiment_ids": ["{other_experiment}"]},
    ),
    Ask("DELETE", "/api/3.0/mlflow/datasets/<dataset_id>"),
    Ask(
        "POST",
        "/api/3.0/mlflow/traces/delete-traces",
        body={"experiment_id": "{experiment}", "request_ids": ["{trace}"]},
    ),
    Ask(
        "POST",
        "/api/2.0/mlflow/traces/delete-traces",
        body={"experiment_id": "{experiment}", "request_ids": ["{trace}"]},
    ),
    Ask("DELETE", "/api/2.0/mlflow/logged-models/<model_id>"),
    Ask(
        "DELETE",
        "/api/2.0/mlflow/model-versions/delete-tag",
        body={"name": "{name}", "version": "1", "key": "a-tag"},
    ),
    Ask("DELETE", "/api/2.0/mlflow/registered-models/alias", body={"name": "{name}", "alias": "an-alias"}),
    Ask("DELETE", "/api/2.0/mlflow/registered-models/delete-tag", body={"name": "{name}", "key": "a-tag"}),
    Ask("DELETE", "/api/2.0/mlflow/model-versions/delete", body={"name": "{name}", "version": "1"}),
    Ask(
        "POST",
        "/api/2.0/mlflow/registered-models/rename",
        body={"name": "{name}", "new_name": "renamed-{suffix}-{who}"},
    ),
    Ask("DELETE", "/api/2.0/mlflow/registered-models/delete", body={"name": "{prompt}"}),
    Ask("POST", "/api/2.0/mlflow/runs/delete", body={"run_id": "{run}"}),
    Ask("POST", "/api/2.0/mlflow/runs/restore", body={"run_id": "{run}"}),
    Ask("POST", "/api/2.0/mlflow/experiments/delete", body={"experiment_id": "{experiment}"}),
    Ask("POST", "/api/2.0/mlflow/experiments/restore", body={"experiment_id": "{experiment}"}),
)

# One document for each GraphQL field that reads something; `{{` is a brace.
GRAPHQL: dict[str, str] = {
    "Query.mlflowGetExperiment": 'query {{ mlflowGetExperiment(input: {{experimentId: "{experiment}"}}) '
    "{{ experiment {{ experimentId name artifactLocation tags {{ key value }} }} }} }}",
    "Query.mlflowGetRun": 'query {{ mlflowGetRun(input: {{runId: "{run}"}}) {{ run {{ info {{ runId runName }} '
    "data {{ params {{ key value }} tags {{ key value }} metrics {{ key value }} }} experiment {{ name }} "
    "modelVersions {{ name }} }} }} }}",
    "Query.mlflowListArtifacts": 'query {{ mlflowListArtifacts(input: {{runId: "{run}"}}) '
    "{{ rootUri files {{ path }} }} }}",
    "Query.mlflowGetMetricHistoryBulkInterval": "query {{ mlflowGetMetricHistoryBulkInterval(input: "
    '{{runIds: ["{run}"], metricKey: "a-metric", maxResults: 10}}) {{ metrics {{ runId key value }} }} }}',
    "Query.mlflowSearchModelVersions": "query {{ mlflowSearchModelVersions(input: {{filter: \"name='{name}'\"}}) "
    "{{ modelVersions {{ name version source }} }} }}",
    "Query.mlflowSearchRuns": 'query {{ mlflowSearchRuns(input: {{experimentIds: ["{experiment}"]}}) '
    "{{ runs {{ info {{ runId runName }} data {{ params {{ key value }} }} }} }} }}",
    "Mutation.mlflowSearchRuns": 'mutation {{ mlflowSearchRuns(input: {{experimentIds: ["{experiment}"]}}) '
    "{{ runs {{ info {{ runId runName }} }} }} }}",
    "Mutation.mlflowSearchDatasets": 'mutation {{ mlflowSearchDatasets(input: {{experimentIds: ["{experiment}"]}}) '
    "{{ datasetSummaries {{ experimentId name digest }} }} }}",
}

PATH_PARTS = {
    "artifact_path": "{artifact_path}",
    "model_id": "{model}",
    "trace_id": "{trace}",
    "request_id": "{trace}",
    "assessment_id": "{assessment}",
    "dataset_id": "{dataset}",
    "issue_id": "{issue}",
    "tag_key": "a-tag",
    "key": "a-tag",
}
_PART = re.compile(r"<(?:(int):|\w+:)?(\w+)>|{(\w+)(?::\w+)?}")


def family(path: str) -> str:
    """Both addresses of one operation are one."""
    return path.replace("/ajax-api/", "/api/", 1)


def address(rule: str) -> str:
    """A router's path with `{names}` for its parts; one that nothing stands for is `x`, or 1 for a number."""
    return _PART.sub(lambda part: PATH_PARTS.get(part[2] or part[3], "1" if part[1] else "x"), rule)


def ask_for(entry: Entry) -> Ask | None:
    """The ask of an entry, at the entry's own address."""
    found = _BY_FAMILY.get((entry.method, family(entry.path)))
    if found is None:
        return None
    return Ask(entry.method, address(entry.path), found.query, found.body, found.data, found.headers)


def filled(ask: Ask, ids: Ids, who: str = "somebody") -> Ask:
    """With ids for names."""
    values = {**ids, "who": who}

    def fill(value: Any) -> Any:
        match value:
            case str():
                return value.format_map(values)
            case dict():
                return {key: fill(item) for key, item in value.items()}
            case list():
                return [fill(item) for item in value]
            case _:
                return value

    return Ask(ask.method, ask.path.format_map(values), fill(ask.query), fill(ask.body), ask.data, fill(ask.headers))


def in_order(entries: tuple[Entry, ...]) -> Iterator[tuple[Entry, Ask]]:
    """Entries with their asks, in the order of the walk."""
    for ask in ASKS:
        for entry in entries:
            if (entry.method, family(entry.path)) == (ask.method, family(ask.path)):
                yield entry, ask_for(entry)  # type: ignore[misc]


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for key, item in value.items():
                yield key
                yield from _texts(item)
        case list():
            for item in value:
                yield from _texts(item)
        case _:
            pass


_BY_FAMILY = {(ask.method, family(ask.path)): ask for ask in ASKS}
