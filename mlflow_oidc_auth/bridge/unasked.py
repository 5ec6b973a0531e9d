"""What MLflow's handlers need of a body and do not ask for: without it they answer 500, some after half their work.

Found by asking each operation with one thing wrong at a time (`tests/promises/test_bad_input.py`).
"""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message
from mlflow.protos.service_pb2 import EndTrace, SearchDatasets
from mlflow.protos.service_pb2 import GetMetricHistoryBulkInterval as BulkInterval
from mlflow.server.handlers import _add_static_prefix

from mlflow_oidc_auth.errors import BadRequest

PROMPTLAB_RUN = "/ajax-api/2.0/mlflow/runs/create-promptlab-run"

_REQUIRED: dict[type[Message], tuple[str, ...]] = {EndTrace: ("status",)}

_PROMPTLAB_TEXTS = (
    "experiment_id",
    "run_name",
    "prompt_template",
    "model_route",
    "model_input",
    "model_output",
    "mlflow_version",
    "user_id",
)
_PROMPTLAB_PAIRS = ("tags", "prompt_parameters", "model_parameters", "model_output_parameters")


def messages_beside_the_list() -> dict[tuple[str, str], type[Message]]:
    """By (rule, method): routes that are not on MLflow's own list of messages, but whose handlers parse one."""
    return {
        (_add_static_prefix("/ajax-api/2.0/mlflow/experiments/search-datasets"), "POST"): SearchDatasets,
        (_add_static_prefix("/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval"), "GET"): BulkInterval,
    }


def check_message(message: Message) -> None:
    """Look for the fields that a handler needs.

    Raises:
        BadRequest: one is missing.
    """
    for name in _REQUIRED.get(type(message), ()):
        if not message.HasField(name):
            raise BadRequest(f"Missing value for required parameter '{name}'.")


def check_promptlab_run(body: dict[str, Any]) -> None:
    """Look at the types of a prompt lab run, which MLflow reads as plain JSON.

    Raises:
        BadRequest: one is another.
    """
    for name in _PROMPTLAB_TEXTS:
        if not isinstance(body.get(name), str | None):
            raise BadRequest(f"'{name}' must be text.")
    for name in _PROMPTLAB_PAIRS:
        if name in body and not _are_pairs(body[name]):
            raise BadRequest(f"'{name}' must be a list of objects with 'key' and 'value'.")
    if not isinstance(body.get("start_time", 0), int):
        raise BadRequest("'start_time' must be a whole number.")


def _are_pairs(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(item, dict)
        and isinstance(item.get("key"), str)
        and isinstance(item.get("value"), str | int | float | None)
        for item in value
    )
