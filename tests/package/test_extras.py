"""What stands alone is installed alone: the storage initializer, and what compiles a pipeline."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from tests.alone import installed_alone
from tests.pipelines import THE_THREE, compiled

SOON = 0.5
"""In seconds: a pod that serves waits for the start."""

PIPELINE = """
from kfp import compiler, dsl
from mlflow_oidc_auth.kfp import use_mlflow_credentials

@dsl.component(base_image="python:3.12", packages_to_install=["mlflow"])
def train(rows: int) -> float:
    import mlflow
    mlflow.set_experiment("pipelines")
    with mlflow.start_run():
        mlflow.log_metric("rows", rows)
    return 0.5

@dsl.pipeline(name="train")
def pipeline(rows: int = 10):
    first, second = train(rows=rows), train(rows=rows)
    use_mlflow_credentials(first, second)
    use_mlflow_credentials(train(rows=1), secret_name="another")

compiler.Compiler().compile(pipeline, "pipeline.yaml")
"""

BY_HAND = """
from kfp import compiler, dsl, kubernetes

@dsl.component(base_image="python:3.12", packages_to_install=["mlflow"])
def train():
    import mlflow
    mlflow.set_experiment("pipelines")

@dsl.pipeline(name="train")
def pipeline():
    task = train()
    kubernetes.use_secret_as_env(task, secret_name="mlflow-credentials", secret_key_to_env={
        "MLFLOW_TRACKING_URI": "MLFLOW_TRACKING_URI",
        "MLFLOW_TRACKING_USERNAME": "MLFLOW_TRACKING_USERNAME",
        "MLFLOW_TRACKING_PASSWORD": "MLFLOW_TRACKING_PASSWORD",
    })

compiler.Compiler().compile(pipeline, "pipeline.yaml")
"""

WRONG = """
from mlflow_oidc_auth.kfp import use_mlflow_credentials
use_mlflow_credentials(%s)
"""


@pytest.fixture(scope="module")
def initializer(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the storage initializer runs."""
    return installed_alone(tmp_path_factory.mktemp("alone") / "venv", wheel, "requirements-kserve.lock")


@pytest.fixture(scope="module")
def pipelines(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pipelines are compiled."""
    return installed_alone(tmp_path_factory.mktemp("pipelines") / "venv", wheel, "requirements-kfp.lock")


def test_the_storage_initializer_runs_without_the_server_and_starts_soon(initializer: Path) -> None:
    command = [str(initializer / "mlflow-storage-initializer"), "mlflow://models/m/1", "/nowhere"]
    took = []
    for _ in range(3):
        begun = time.monotonic()
        done = subprocess.run(command, env={}, capture_output=True, text=True, check=False)
        took.append(time.monotonic() - begun)
        assert (done.returncode, "MLFLOW_TRACKING_URI" in done.stderr) == (3, True), done.stderr
    assert min(took) < SOON
    server = subprocess.run([str(initializer / "python"), "-c", "import mlflow"], capture_output=True, check=False)
    assert server.returncode == 1


def test_each_task_gets_the_three_variables_from_the_secret(pipelines: Path, tmp_path: Path) -> None:
    made = compiled(pipelines, tmp_path, PIPELINE)
    found = [made.secrets(task) for task in made.tasks()]
    assert found == [{"mlflow-credentials": THE_THREE}, {"mlflow-credentials": THE_THREE}, {"another": THE_THREE}]


def test_it_is_what_one_would_write_by_hand(pipelines: Path, tmp_path: Path) -> None:
    assert compiled(pipelines, tmp_path, BY_HAND).secrets("train") == {"mlflow-credentials": THE_THREE}


@pytest.mark.parametrize("arguments", ["", "object(), secret_name=''"])
def test_what_cannot_be_meant_is_an_error(pipelines: Path, arguments: str) -> None:
    code = WRONG % arguments
    done = subprocess.run([str(pipelines / "python"), "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "ValueError: use_mlflow_credentials needs" in done.stderr
