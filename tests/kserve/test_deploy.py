"""What a cluster is given: checked against KServe's own schema, and against what the command reads."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from mlflow_oidc_auth.kserve.environment import read_environment
from mlflow_oidc_auth.kserve.uri import SCHEME

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy" / "kserve"


def schema() -> dict[str, Any]:
    """KServe's schema of a ClusterStorageContainer, strict: what it does not know is refused."""
    crd = yaml.safe_load((Path(__file__).parent / "crd.yaml").read_text())
    [version] = [each for each in crd["spec"]["versions"] if each["name"] == "v1alpha1"]
    return _strict(version["schema"]["openAPIV3Schema"])


def _strict(node: Any) -> Any:
    if isinstance(node, list):
        return [_strict(each) for each in node]
    if not isinstance(node, dict):
        return node
    strict = {name: _strict(value) for name, value in node.items()}
    if strict.get("type") == "object" and "properties" in strict and "metadata" not in strict["properties"]:
        strict.setdefault("additionalProperties", False)
    return strict


@pytest.fixture
def container() -> dict[str, Any]:
    """Ours."""
    told: dict[str, Any] = yaml.safe_load((DEPLOY / "cluster-storage-container.yaml").read_text())
    return told


def test_it_is_what_kserve_takes(container: dict[str, Any]) -> None:
    jsonschema.validate(container, schema())
    assert container["spec"]["container"]["name"] == "storage-initializer"  # KServe merges over the one of this name
    assert {"prefix": SCHEME} in container["spec"]["supportedUriFormats"]


@pytest.mark.parametrize("part", ["spec", "container"])
def test_the_schema_refuses_what_it_does_not_know(container: dict[str, Any], part: str) -> None:
    spec = container["spec"]
    (spec if part == "spec" else spec["container"])["supportedURIFormats"] = []
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(container, schema())


def test_the_secret_holds_what_the_container_takes_from_it_and_the_command_reads(container: dict[str, Any]) -> None:
    secret = yaml.safe_load((DEPLOY / "mlflow-credentials.yaml").read_text())
    taken = {one["name"]: one["valueFrom"]["secretKeyRef"] for one in container["spec"]["container"]["env"]}
    assert all(ref == {"name": secret["metadata"]["name"], "key": name} for name, ref in taken.items())
    assert set(taken) == set(secret["stringData"])
    assert read_environment(secret["stringData"]).address == "https://mlflow.example.com/mlflow"


def test_the_image_runs_as_nobody_on_a_read_only_root(container: dict[str, Any]) -> None:
    security = container["spec"]["container"]["securityContext"]
    assert security["runAsNonRoot"]
    assert security["readOnlyRootFilesystem"]
    assert not security["allowPrivilegeEscalation"]
    lines = (DEPLOY / "Containerfile").read_text().splitlines()
    last_stage = lines[max(n for n, line in enumerate(lines) if line.startswith("FROM ")) :]
    assert f"USER {security['runAsUser']}" in last_stage
    assert 'ENTRYPOINT ["mlflow-storage-initializer"]' in last_stage
    for copied in re.findall(r"^COPY (?!--from)(.+) \S+$", "\n".join(lines), re.MULTILINE):
        assert all((ROOT / name).exists() for name in copied.split())
