"""Pipelines: compiled in an environment of their own, their tasks run here as their containers would run them.

made = compiled(programs, folder, code)
made.secrets("train")                                    # what the task gets, from which secret
made.run_all({"mlflow-credentials": {...}}, folder)      # every task, with the pipeline's own defaults
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.server import base_environment

THE_THREE = {(name, name) for name in ("MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")}
_SECONDS = 120


@dataclass(frozen=True)
class Compiled:
    """What a pipeline compiles to.

    Attributes:
        definition: tasks, components and containers.
        platform: what Kubernetes adds to each container, by executor.
        programs: the folder of programs of the environment that compiled it.
    """

    definition: dict[str, Any]
    platform: dict[str, Any]
    programs: Path

    def tasks(self) -> list[str]:
        """The tasks' names; who needs the output of another comes after it."""
        tasks: dict[str, Any] = self.definition["root"]["dag"]["tasks"]
        ordered: list[str] = []
        while left := [name for name in tasks if name not in ordered]:
            ordered.append(next(name for name in left if set(tasks[name].get("dependentTasks", ())) <= set(ordered)))
        return ordered

    def secrets(self, task: str) -> dict[str, set[tuple[str, str]]]:
        """By secret, the keys that a task takes from it and the variables they become."""
        executor = self.platform.get(self._executor(task), {})
        return {
            secret["secretName"]: {(pair["secretKey"], pair["envVar"]) for pair in secret["keyToEnv"]}
            for secret in executor.get("secretAsEnv", ())
        }

    def run_all(self, secrets: Mapping[str, Mapping[str, str]], folder: Path) -> dict[str, Any]:
        """Run each task's command, with nothing of a cluster's but its secrets; what each gave."""
        kfp = folder / "kfp alone"  # a container gets kfp without what kfp needs elsewhere
        kfp.mkdir()
        [found] = self.programs.parent.glob("lib/python*/site-packages/kfp")
        (kfp / "kfp").symlink_to(found)
        outputs: dict[str, Any] = {}
        for task in self.tasks():
            taken = self.secrets(task).items()
            environment = {
                **base_environment(folder),
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "PYTHONPATH": str(kfp),
                "TMPDIR": str(folder),  # where the script puts the code
                **{variable: secrets[name][key] for name, pairs in taken for key, variable in pairs},
            }
            outputs[task] = self._run(task, self._inputs(task, outputs), environment, folder)
        return outputs

    def _run(self, task: str, inputs: dict[str, Any], environment: dict[str, str], folder: Path) -> Any:
        container = self.definition["deploymentSpec"]["executors"][self._executor(task)]["container"]
        out = folder / f"{task}.json"
        told = {
            "inputs": {"parameterValues": inputs},
            "outputs": {
                "parameters": {"Output": {"outputFile": str(folder / f"{task}.output")}},
                "outputFile": str(out),
            },
        }
        # A first script installs packages and runs what follows it: a second script, and the code for it.
        command = container["command"][container["command"].index("sh", 1) :]
        arguments = [json.dumps(told) if word == "{{$}}" else word for word in container["args"]]
        done = subprocess.run(
            [*command, *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{task}: {done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return json.loads(out.read_text())["parameterValues"]["Output"]

    def _inputs(self, task: str, outputs: dict[str, Any]) -> dict[str, Any]:
        defaults = self.definition["root"]["inputDefinitions"]["parameters"]
        asked = self.definition["root"]["dag"]["tasks"][task]["inputs"]["parameters"]
        return {
            name: defaults[source["componentInputParameter"]]["defaultValue"]
            if "componentInputParameter" in source
            else outputs[source["taskOutputParameter"]["producerTask"]]
            for name, source in asked.items()
        }

    def _executor(self, task: str) -> str:
        component = self.definition["root"]["dag"]["tasks"][task]["componentRef"]["name"]
        return str(self.definition["components"][component]["executorLabel"])


def compiled(programs: Path, folder: Path, code: str) -> Compiled:
    """Run a file that compiles a pipeline."""
    (folder / "pipeline.py").write_text(code)  # a component is made of its source
    done = subprocess.run(
        [str(programs / "python"), "pipeline.py"],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    definition, platform = yaml.safe_load_all((folder / "pipeline.yaml").read_text())
    return Compiled(definition, platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"], programs)
