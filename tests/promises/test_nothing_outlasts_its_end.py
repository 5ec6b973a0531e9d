"""Promise: whoever has something until a date has it until then, and takes nothing out of its place for themselves."""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from tests.people import People, Person

SOON = (datetime.now(UTC) + timedelta(days=2)).date().isoformat()


def new_experiment(person: Person, name: str) -> str:
    made = person.must("POST", "2.0/mlflow/experiments/create", json={"name": f"{name}-{secrets.token_hex(4)}"})
    return str(made["experiment_id"])


def lend(owner: Person, to: Person, level: str, kind: str, id_: str) -> None:
    """Give it until the day after tomorrow."""
    on = {"resource_type": kind, "resource_id": id_, "username": to.email}
    owner.must("POST", "2.0/mlflow/grants", json=on | {"permission": level, "expires_at": SOON})


def log_trace(person: Person, trace: str, experiment: str) -> requests.Response:
    """What MLflow's client sends when a trace ends."""
    place = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}
    info = {
        "trace_id": trace,
        "trace_location": place,
        "request_time": "2026-11-25T00:00:00Z",
        "execution_duration": "1s",
        "state": "OK",
    }
    return person.api("POST", "3.0/mlflow/traces", json={"trace": {"trace_info": info}})


def refused(answer: requests.Response) -> bool:
    return answer.status_code == 403 and answer.json()["error_code"] == "PERMISSION_DENIED"


@pytest.fixture
def own_pattern(either_database: People) -> str:
    """What bob manages for good by a pattern of his own."""
    either_database.bob.key()  # logs in, and so is known
    prefix = f"bob-{secrets.token_hex(4)}-"
    for kind in ("experiment", "registered_model"):
        on = {"resource_type": kind, "pattern": f"{prefix}*", "username": either_database.bob.email}
        either_database.root.must("POST", "2.0/mlflow/grants", json=on | {"permission": "MANAGE"})
    return prefix


def rename(person: Person, kind: str, id_: str, name: str) -> requests.Response:
    if kind == "experiment":
        return person.api("POST", "2.0/mlflow/experiments/update", json={"experiment_id": id_, "new_name": name})
    return person.api("POST", "2.0/mlflow/registered-models/rename", json={"name": id_, "new_name": name})


@pytest.mark.parametrize("kind", ["experiment", "registered_model"])
def test_what_is_lent_is_not_renamed_into_ones_own_pattern(
    either_database: People, own_pattern: str, kind: str
) -> None:
    alice, bob = either_database.alice, either_database.bob
    if kind == "experiment":
        id_ = new_experiment(alice, "lent")
    else:
        id_ = f"lent-{secrets.token_hex(4)}"
        alice.must("POST", "2.0/mlflow/registered-models/create", json={"name": id_})
    lend(alice, bob, "MANAGE", kind, id_)
    answer = rename(bob, kind, id_, f"{own_pattern}mine")
    assert refused(answer)
    assert "ends" in answer.json()["message"]
    plain = f"plain-{secrets.token_hex(4)}"
    assert rename(bob, kind, id_, plain).ok
    id_ = id_ if kind == "experiment" else plain
    assert rename(alice, kind, id_, f"{own_pattern}from-alice").ok


def test_who_may_edit_takes_no_trace_into_an_experiment_of_their_own(either_database: People) -> None:
    alice, bob = either_database.alice, either_database.bob
    theirs, own, trace = new_experiment(alice, "traced"), new_experiment(bob, "own"), f"tr-{secrets.token_hex(16)}"
    assert log_trace(alice, trace, theirs).ok
    lend(alice, bob, "EDIT", "experiment", theirs)
    assert log_trace(bob, trace, theirs).ok  # where it is, it may be written
    assert refused(log_trace(bob, trace, own))
    told: Any = alice.must("GET", f"3.0/mlflow/traces/{trace}")
    assert told["trace"]["trace_info"]["trace_location"]["mlflow_experiment"]["experiment_id"] == theirs
    assert log_trace(alice, trace, new_experiment(alice, "elsewhere")).ok


def test_who_may_edit_takes_no_dataset_out_of_an_experiment(either_database: People) -> None:
    alice, bob = either_database.alice, either_database.bob
    theirs, own = new_experiment(alice, "evaluated"), new_experiment(bob, "own")
    body = {"name": f"dataset-{secrets.token_hex(4)}", "experiment_ids": [theirs]}
    dataset = alice.must("POST", "3.0/mlflow/datasets/create", json=body)["dataset"]["dataset_id"]
    records = {"records": json.dumps([{"inputs": {"question": "why?"}}])}
    lend(alice, bob, "EDIT", "experiment", theirs)
    assert bob.api("POST", f"3.0/mlflow/datasets/{dataset}/records", json=records).ok
    assert refused(bob.api("POST", f"3.0/mlflow/datasets/{dataset}/add-experiments", json={"experiment_ids": [own]}))
    out = {"experiment_ids": [theirs]}
    assert refused(bob.api("POST", f"3.0/mlflow/datasets/{dataset}/remove-experiments", json=out))
    assert alice.api("GET", f"3.0/mlflow/datasets/{dataset}/records").ok
