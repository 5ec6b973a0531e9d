"""One of everything that MLflow keeps, made by one person, with a mark in whatever it holds.

A test can then ask whether a stranger sees the mark, or any id, anywhere.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any, Protocol

import requests

MARK = "zebra7"
"""In every text that the owner writes: who sees it, sees something of theirs."""

Ids = Mapping[str, str]
"""What a request can name: `experiment`, `run`, `trace`, `model`... and its id or name."""

PROMPT_TAGS = [{"key": "mlflow.prompt.is_prompt", "value": "true"}]
TEXT_TAG = {"key": "mlflow.prompt.text", "value": f"{MARK} asks {{{{question}}}}"}


class Asking(Protocol):
    """A person, as far as this needs one."""

    def must(self, method: str, path: str, **arguments: Any) -> Any:
        """The JSON of a request below `/api/` that has to succeed."""

    def ask(self, method: str, path: str, **arguments: Any) -> requests.Response:
        """One request below the static prefix."""

    def api(self, method: str, path: str, **arguments: Any) -> requests.Response:
        """One request below `/api/`."""


def make_everything(owner: Asking, suffix: str) -> dict[str, str]:
    """Make it; `suffix` keeps several sets apart. The result names each thing."""
    ids = {"suffix": suffix}
    _make_runs(owner, ids, suffix)
    _make_traces(owner, ids, suffix)
    _make_genai(owner, ids, suffix)
    _make_registry(owner, ids, suffix)
    return ids


def missing(suffix: str) -> dict[str, str]:
    """The same names for things that are not there, each id of the form that a real one has."""
    run, model = secrets.token_hex(16), f"m-{secrets.token_hex(16)}"
    return {
        "suffix": suffix,
        "experiment": str(secrets.randbelow(10**6) + 10**8),
        "other_experiment": str(secrets.randbelow(10**6) + 10**8),
        "experiment_name": f"{MARK}-experiment-{suffix}",
        "run": run,
        "artifact_path": f"{secrets.randbelow(10**6) + 10**8}/{run}/artifacts/model/secret.txt",
        "model": model,
        "trace": f"tr-{secrets.token_hex(16)}",
        "spans_trace": f"tr-{secrets.token_hex(16)}",
        "otlp_trace": secrets.token_hex(16),
        "assessment": f"a-{secrets.token_hex(16)}",
        "dataset": f"d-{secrets.token_hex(16)}",
        "record": f"dr-{secrets.token_hex(16)}",
        "scorer": f"{MARK}-scorer-{suffix}",
        "issue": f"iss-{secrets.token_hex(16)}",
        "label_schema": f"ls-{secrets.token_hex(16)}",
        "label_schema_name": f"{MARK}-schema-{suffix}",
        "queue": f"rq-{secrets.token_hex(16)}",
        "queue_name": f"{MARK}-queue-{suffix}",
        "name": f"{MARK}-model-{suffix}",
        "prompt": f"{MARK}-prompt-{suffix}",
    }


def _make_runs(owner: Asking, ids: dict[str, str], suffix: str) -> None:
    ids["experiment_name"] = f"{MARK}-experiment-{suffix}"
    experiment = owner.must("POST", "2.0/mlflow/experiments/create", json={"name": ids["experiment_name"]})
    ids["experiment"] = experiment["experiment_id"]
    other = owner.must("POST", "2.0/mlflow/experiments/create", json={"name": f"{MARK}-other-{suffix}"})
    ids["other_experiment"] = other["experiment_id"]
    tag = {"experiment_id": ids["experiment"], "key": "a-tag", "value": f"{MARK}-experiment-tag"}
    owner.must("POST", "2.0/mlflow/experiments/set-experiment-tag", json=tag)
    body = {"experiment_id": ids["experiment"], "run_name": f"{MARK}-run", "start_time": 1}
    run = owner.must("POST", "2.0/mlflow/runs/create", json=body)["run"]["info"]["run_id"]
    ids["run"] = run
    batch = {
        "run_id": run,
        "metrics": [{"key": "a-metric", "value": 424242, "timestamp": 1, "step": 1}],
        "params": [{"key": "a-param", "value": f"{MARK}-param"}],
        "tags": [{"key": "a-tag", "value": f"{MARK}-run-tag"}],
    }
    owner.must("POST", "2.0/mlflow/runs/log-batch", json=batch)
    dataset = {"name": f"{MARK}-data", "digest": "abc", "source_type": "local", "source": f"{MARK}-source"}
    owner.must("POST", "2.0/mlflow/runs/log-inputs", json={"run_id": run, "datasets": [{"dataset": dataset}]})
    ids["artifact_path"] = f"{ids['experiment']}/{run}/artifacts/model/secret.txt"
    _upload(owner, ids["artifact_path"], f"{MARK}-artifact")
    body = {
        "experiment_id": ids["experiment"],
        "name": f"{MARK}-logged-model",
        "source_run_id": run,
        "params": [{"key": "a-param", "value": f"{MARK}-model-param"}],
        "tags": [{"key": "a-tag", "value": f"{MARK}-model-tag"}],
    }
    model = owner.must("POST", "2.0/mlflow/logged-models", json=body)["model"]["info"]["model_id"]
    ids["model"] = model
    _upload(owner, f"{ids['experiment']}/models/{model}/artifacts/MLmodel", f"{MARK}: MLmodel")
    ready = {"model_id": model, "status": "LOGGED_MODEL_READY"}
    owner.must("PATCH", f"2.0/mlflow/logged-models/{model}", json=ready)


def _make_traces(owner: Asking, ids: dict[str, str], suffix: str) -> None:
    ids["trace"] = f"tr-{secrets.token_hex(16)}"
    owner.must("POST", "3.0/mlflow/traces", json=trace_body(ids["trace"], ids["experiment"]))
    path = f"{ids['experiment']}/traces/{ids['trace']}/artifacts/traces.json"
    _upload(owner, path, json.dumps({"spans": [], "note": f"{MARK}-spans"}))
    assessment = {
        "assessment_name": f"{MARK}-assessment",
        "source": {"source_type": "HUMAN", "source_id": f"{MARK}-judge"},
        "create_time": "2026-01-01T00:00:00Z",
        "last_update_time": "2026-01-01T00:00:00Z",
        "feedback": {"value": f"{MARK}-feedback"},
        "trace_id": ids["trace"],
    }
    made = owner.must("POST", f"3.0/mlflow/traces/{ids['trace']}/assessments", json={"assessment": assessment})
    ids["assessment"] = made["assessment"]["assessment_id"]
    ids["otlp_trace"] = secrets.token_hex(16)
    spans = secrets.token_hex(16)
    ids["spans_trace"] = f"tr-{spans}"
    headers = {"x-mlflow-experiment-id": ids["experiment"]}
    answer = owner.ask("POST", "v1/traces", json=spans_body(spans), headers=headers)
    assert answer.status_code == 200, f"POST v1/traces: {answer.status_code} {answer.text[:300]}"


def trace_body(trace: str, experiment: str) -> dict[str, Any]:
    """A trace as the client starts one."""
    return {
        "trace": {
            "trace_info": {
                "trace_id": trace,
                "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}},
                "request_time": "2026-01-01T00:00:00Z",
                "state": "OK",
                "request_preview": f"{MARK}-request",
                "response_preview": f"{MARK}-response",
                "tags": {"a-tag": f"{MARK}-trace-tag"},
                "trace_metadata": {"a-key": f"{MARK}-trace-metadata"},
            }
        }
    }


def spans_body(trace: str) -> dict[str, Any]:
    """One span in OTLP's JSON."""
    span = {
        "traceId": trace,
        "spanId": secrets.token_hex(8),
        "name": f"{MARK}-span",
        "kind": 1,
        "startTimeUnixNano": "1700000000000000000",
        "endTimeUnixNano": "1700000001000000000",
        "attributes": [{"key": "a-key", "value": {"stringValue": f"{MARK}-attribute"}}],
        "status": {"code": 1},
    }
    return {"resourceSpans": [{"resource": {"attributes": []}, "scopeSpans": [{"scope": {}, "spans": [span]}]}]}


def _make_genai(owner: Asking, ids: dict[str, str], suffix: str) -> None:
    body: dict[str, Any] = {
        "name": f"{MARK}-dataset-{suffix}",
        "experiment_ids": [ids["experiment"]],
        "tags": json.dumps({"a-tag": f"{MARK}-dataset-tag"}),
    }
    ids["dataset"] = owner.must("POST", "3.0/mlflow/datasets/create", json=body)["dataset"]["dataset_id"]
    records = [{"inputs": {"question": f"{MARK}-question"}, "expectations": {"answer": f"{MARK}-answer"}}]
    owner.must("POST", f"3.0/mlflow/datasets/{ids['dataset']}/records", json={"records": json.dumps(records)})
    found = owner.must("GET", f"3.0/mlflow/datasets/{ids['dataset']}/records")
    ids["record"] = json.loads(found["records"])[0]["dataset_record_id"]
    ids["scorer"] = f"{MARK}-scorer-{suffix}"
    body = {"experiment_id": ids["experiment"], "name": ids["scorer"], "serialized_scorer": scorer(ids["scorer"])}
    owner.must("POST", "3.0/mlflow/scorers/register", json=body)
    body = {"experiment_id": ids["experiment"], "name": f"{MARK}-issue", "description": f"{MARK}-description"}
    ids["issue"] = owner.must("POST", "3.0/mlflow/issues", json=body)["issue"]["issue_id"]
    ids["label_schema_name"] = f"{MARK}-schema-{suffix}"
    body = {"name": ids["label_schema_name"], "type": "FEEDBACK", "input": {"text": {"max_length": 100}}}
    body["experiment_id"] = ids["experiment"]
    made = owner.must("POST", "3.0/mlflow/label-schemas/create", json=body)
    ids["label_schema"] = made["label_schema"]["schema_id"]
    ids["queue_name"] = f"{MARK}-queue-{suffix}"
    body = {"experiment_id": ids["experiment"], "name": ids["queue_name"], "queue_type": "CUSTOM"}
    body["schema_ids"] = [ids["label_schema"]]
    ids["queue"] = owner.must("POST", "3.0/mlflow/review-queues/create", json=body)["review_queue"]["queue_id"]
    body = {"queue_id": ids["queue"], "item_type": "TRACE", "item_ids": [ids["trace"]]}
    owner.must("POST", "3.0/mlflow/review-queues/items/add", json=body)


def scorer(name: str) -> str:
    """A judge, as the client serializes one."""
    judge = {"instructions": f"{MARK}: is {{{{ outputs }}}} polite?", "model": "openai:/gpt-4o"}
    return json.dumps({"name": name, "mlflow_version": "3.17.2", "instructions_judge_pydantic_data": judge})


def _make_registry(owner: Asking, ids: dict[str, str], suffix: str) -> None:
    ids["name"] = f"{MARK}-model-{suffix}"
    tags = [{"key": "a-tag", "value": f"{MARK}-registered-tag"}]
    body: dict[str, Any] = {"name": ids["name"], "tags": tags, "description": f"{MARK}-registered"}
    owner.must("POST", "2.0/mlflow/registered-models/create", json=body)
    body = {"name": ids["name"], "run_id": ids["run"], "tags": tags}
    body["source"] = f"mlflow-artifacts:/{ids['experiment']}/{ids['run']}/artifacts/model"
    owner.must("POST", "2.0/mlflow/model-versions/create", json=body)
    alias = {"name": ids["name"], "alias": "an-alias", "version": "1"}
    owner.must("POST", "2.0/mlflow/registered-models/alias", json=alias)
    ids["prompt"] = f"{MARK}-prompt-{suffix}"
    owner.must("POST", "2.0/mlflow/registered-models/create", json={"name": ids["prompt"], "tags": PROMPT_TAGS})
    body = {"name": ids["prompt"], "source": "dummy-source", "tags": [*PROMPT_TAGS, TEXT_TAG]}
    owner.must("POST", "2.0/mlflow/model-versions/create", json=body)


def _upload(owner: Asking, path: str, text: str) -> None:
    answer = owner.api("PUT", f"2.0/mlflow-artifacts/artifacts/{path}", data=text.encode())
    assert answer.status_code == 200, f"PUT {path}: {answer.status_code} {answer.text[:300]}"
