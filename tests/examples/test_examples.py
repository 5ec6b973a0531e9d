"""The examples work as they are written: a real server, real keys, and nothing of theirs replaced but addresses."""

from __future__ import annotations

import importlib
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.alone import ROOT, build_wheel, installed_alone
from tests.people import People, Person
from tests.pipelines import THE_THREE, Compiled, compiled
from tests.server import Servers, base_environment

EXAMPLES = ROOT / "examples"
NOTEBOOKS = sorted(EXAMPLES.rglob("*.ipynb"))
PROGRAMS = Path(sys.executable).parent
ADDRESS = "https://mlflow.example.com/mlflow"

# What the documentation of a platform tells its users to write; `kfp` alone, without our package.
BY_THE_PLATFORM = """
def use_mlflow_credentials(*tasks: dsl.PipelineTask) -> None:
    for task in tasks:
        kubernetes.use_secret_as_env(
            task,
            secret_name="mlflow-credentials",
            secret_key_to_env={
                "MLFLOW_TRACKING_URI": "MLFLOW_TRACKING_URI",
                "MLFLOW_TRACKING_USERNAME": "MLFLOW_TRACKING_USERNAME",
                "MLFLOW_TRACKING_PASSWORD": "MLFLOW_TRACKING_PASSWORD",
            },
        )
"""

LOOK = """
import json, mlflow, numpy as np
runs = mlflow.search_runs(experiment_names=["quickstart-alice"], output_format="list")
predicted = mlflow.pyfunc.load_model("models:/quickstart-alice/1").predict(np.array([[5.1, 3.5, 1.4, 0.2]]))
print(json.dumps([[run.data.metrics["accuracy"] > 0.9 for run in runs], predicted.tolist()]))
"""

PREDICT = """
import mlflow, numpy as np
print(mlflow.pyfunc.load_model(%r).predict(np.array([[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]])).tolist())
"""


@pytest.fixture(scope="module")
def people(servers: Servers) -> Iterator[People]:
    """Everybody, on a server that nobody has used yet."""
    server = servers.start()
    yield People(server, servers.keycloak)
    servers.stop(server)


# --- The notebook -----------------------------------------------------------------------------------


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_holds_no_output_and_no_key(notebook: Path) -> None:
    cells = [cell for cell in json.loads(notebook.read_text())["cells"] if cell["cell_type"] == "code"]
    assert cells
    assert [(cell["outputs"], cell["execution_count"]) for cell in cells] == [([], None)] * len(cells)
    assert re.findall(r"mlfpat_(?!\.\.\.)", notebook.read_text()) == []


def test_what_it_offers_in_place_of_a_cell_exists() -> None:
    cells = json.loads((EXAMPLES / "quickstart.ipynb").read_text())["cells"]
    offered = "".join(line for cell in cells if cell["cell_type"] == "markdown" for line in cell["source"])
    [(module, name)] = re.findall(r"^from (\S+) import (\w+)$", offered, re.MULTILINE)
    assert callable(getattr(importlib.import_module(module), name))


def as_the_platform_tells(alice: Person, home: Path) -> dict[str, str]:
    """The three variables, the address with a slash at its end, and uploads in parts."""
    told = alice.environment()
    return {
        **base_environment(home),
        **told,
        "MLFLOW_TRACKING_URI": f"{told['MLFLOW_TRACKING_URI']}/",
        "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "true",
    }


def as_login_leaves_it(alice: Person, home: Path) -> dict[str, str]:
    """The address, and MLflow's file for the rest."""
    told = alice.environment()
    file = home / ".mlflow" / "credentials"
    file.parent.mkdir()
    rest = [f"{name.lower()} = {told[name]}" for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")]
    file.write_text("\n".join(["[mlflow]", *rest, ""]))
    return {**base_environment(home), "MLFLOW_TRACKING_URI": told["MLFLOW_TRACKING_URI"]}


def test_the_notebook_runs_again_and_again_and_shares_with_bob_alone(people: People, tmp_path: Path) -> None:
    alice, bob, carol = people.alice, people.bob, people.carol
    bob.key()
    ways = (as_the_platform_tells, as_login_leaves_it)
    for way in ways:
        home = tmp_path / way.__name__
        home.mkdir()
        shutil.copy(EXAMPLES / "quickstart.ipynb", home)
        done = subprocess.run(
            [str(PROGRAMS / "jupyter-execute"), "quickstart.ipynb"],
            cwd=home,
            env={**way(alice, home), "COLLEAGUE": bob.email},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-4000:]
    runs, predicted = json.loads(bob.run(LOOK).splitlines()[-1])
    assert (runs, predicted) == ([True] * len(ways), [0])
    for path in ("experiments/get-by-name?experiment_name", "registered-models/get?name"):
        assert carol.api("GET", f"2.0/mlflow/{path}=quickstart-alice").status_code in (403, 404)


# --- The pipeline -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel."""
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pipelines are compiled."""
    return installed_alone(tmp_path_factory.mktemp("pipelines") / "venv", wheel, "requirements-kfp.lock")


@pytest.fixture(scope="module")
def pipeline(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    """The pipeline, compiled."""
    return compiled(programs, tmp_path_factory.mktemp("pipeline"), (EXAMPLES / "pipeline.py").read_text())


def test_each_task_gets_the_three_variables_from_the_secret(pipeline: Compiled) -> None:
    assert pipeline.tasks() == ["train", "release"]
    for task in pipeline.tasks():
        assert pipeline.secrets(task) == {"mlflow-credentials": THE_THREE}


def test_without_our_package_the_same_pipeline_is_written_by_hand(
    pipeline: Compiled, programs: Path, tmp_path: Path
) -> None:
    code = (EXAMPLES / "pipeline.py").read_text()
    ours = "from mlflow_oidc_auth.kfp import use_mlflow_credentials\n"
    assert code.count(ours) == 1
    by_hand = compiled(programs, tmp_path, code.replace(ours, f"from kfp import kubernetes\n{BY_THE_PLATFORM}"))
    assert (by_hand.definition, by_hand.platform) == (pipeline.definition, pipeline.platform)


def test_its_containers_install_the_mlflow_that_the_server_takes() -> None:
    [wanted] = re.findall(r'"(mlflow[><=][^"]+)"', (ROOT / "pyproject.toml").read_text())
    assert f'"{wanted}"' in (EXAMPLES / "pipeline.py").read_text()


@pytest.fixture(scope="module")
def released(people: People, pipeline: Compiled, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the tasks gave when alice ran them."""
    secret = people.alice.environment()
    return pipeline.run_all({"mlflow-credentials": secret}, tmp_path_factory.mktemp("tasks"))


def test_its_tasks_run_with_the_secret_alone_and_release_a_champion(people: People, released: dict[str, Any]) -> None:
    found = people.alice.must("GET", "2.0/mlflow/registered-models/alias?name=iris&alias=champion")["model_version"]
    assert (found["version"], found["run_id"]) == (str(released["release"]), released["train"])
    run = people.alice.must("GET", f"2.0/mlflow/runs/get?run_id={released['train']}")["run"]
    assert {tag["key"]: tag["value"] for tag in run["data"]["tags"]}["mlflow.user"] == people.alice.email
    assert run["data"]["metrics"][0]["value"] > 0.9


# --- Serving ----------------------------------------------------------------------------------------

SERVING = (EXAMPLES / "serving" / "README.md").read_text()


def service_account_key(people: People, folder: Path) -> str:
    """What the last of the commands for whoever runs the server prints, as they are written."""
    said = ""
    for line in re.findall(r"^(mlflow-oidc-auth .+)$", SERVING, re.MULTILINE):
        program, *words = shlex.split(line.replace("alice@example.com", people.alice.email))
        environment = {**base_environment(folder), "MLFLOW_BACKEND_STORE_URI": people.server.database}
        command = [str(PROGRAMS / program), *words]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{line}: {done.stderr}"
        said = done.stdout
    [key] = re.findall(r"mlfpat_\w+", said)
    return str(key)


def secret(server: str, key: str) -> dict[str, str]:
    """The secret that the README makes, with a real address and key."""
    literals = dict(re.findall(r"--from-literal=(\w+)=(\S+)", SERVING))
    assert (literals["MLFLOW_TRACKING_URI"], literals["MLFLOW_TRACKING_PASSWORD"]) == (ADDRESS, "mlfpat_...")
    return literals | {"MLFLOW_TRACKING_URI": server, "MLFLOW_TRACKING_PASSWORD": key}


@pytest.mark.usefixtures("released")
def test_the_champion_is_fetched_with_the_key_of_the_service_account_and_predicts(
    people: People, wheel: Path, tmp_path: Path
) -> None:
    initializer = installed_alone(tmp_path / "venv", wheel, "requirements-kserve.lock") / "mlflow-storage-initializer"
    service = yaml.safe_load((EXAMPLES / "serving" / "inference-service.yaml").read_text())
    container = yaml.safe_load((ROOT / "deploy" / "kserve" / "cluster-storage-container.yaml").read_text())
    [name] = re.findall(r"kubectl create secret generic (\S+)", SERVING)
    keys = secret(people.server.url, service_account_key(people, tmp_path))
    taken = {one["name"]: one["valueFrom"]["secretKeyRef"] for one in container["spec"]["container"]["env"]}
    assert {one["name"] for one in taken.values()} == {name}
    done = subprocess.run(
        [str(initializer), service["spec"]["predictor"]["model"]["storageUri"], str(tmp_path / "models")],
        env={**base_environment(tmp_path), **{variable: keys[one["key"]] for variable, one in taken.items()}},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    predicted = people.carol.run(PREDICT % str(tmp_path / "models"), environment={})
    assert predicted.splitlines()[-1] == "[0, 2]"
