"""What a model version is made from, and what must be readable for it."""

from __future__ import annotations

import pytest

from mlflow_oidc_auth.bridge import sources
from mlflow_oidc_auth.bridge.sources import must_lie_inside, named_by
from mlflow_oidc_auth.gate import Source
from mlflow_oidc_auth.operations.targets import IdKind

RUN, MODEL, NAME, PATH = IdKind.RUN, IdKind.LOGGED_MODEL, IdKind.NAME, IdKind.ARTIFACT_PATH


def named(uri: str, run_id: str = "", model_id: str = "") -> dict[IdKind, set[str]] | None:
    """What must be readable."""
    found = named_by(Source(uri, run_id, model_id))
    return None if found is None else {kind: set(ids) for kind, ids in found.items()}


@pytest.mark.parametrize("placeholder", ["dummy-source", "prompt-template"])
def test_a_prompt_has_no_source(placeholder: str) -> None:
    assert named(placeholder) == {}
    assert not must_lie_inside(Source(placeholder, "", ""))


def test_what_is_named_beside_a_prompts_placeholder_counts_all_the_same() -> None:
    assert named("dummy-source", "r", "m-1") == {RUN: {"r"}, MODEL: {"m-1"}}


@pytest.mark.parametrize("uri", ["runs:/abc/model", "runs:/abc/a/b/c", "RUNS:/abc/model", "runs:///abc/model"])
def test_an_address_below_a_run_is_that_runs(uri: str) -> None:
    assert named(uri) == {RUN: {"abc"}}
    assert not must_lie_inside(Source(uri, "", ""))


@pytest.mark.parametrize(
    "uri",
    ["runs:/abc", "runs:/abc/", "mlflow-artifacts:/1", "mlflow-artifacts:/1/abc", "mlflow-artifacts:/1/abc/artifacts/"],
)
def test_all_that_a_run_has_is_no_source(uri: str) -> None:
    assert named(uri, "abc") is None


def test_the_run_in_the_address_and_the_one_beside_it_are_both_judged() -> None:
    assert named("runs:/abc/model", "other", "m-1") == {RUN: {"abc", "other"}, MODEL: {"m-1"}}


@pytest.mark.parametrize("uri", ["models:/m-1", "models:/m-0123456789abcdef0123456789abcdef"])
def test_a_logged_model_is_judged_itself(uri: str) -> None:
    model = uri.removeprefix("models:/")
    assert named(uri, "r", "m-2") == {RUN: {"r"}, MODEL: {model, "m-2"}}


@pytest.mark.parametrize(
    "uri", ["models:/a name/1", "models:/a name@prod", "models:/a name/latest", "MODELS:/a name/3"]
)
def test_a_copy_of_a_version_is_judged_by_its_model(uri: str) -> None:
    assert named(uri) == {NAME: {"a name"}}


def test_where_mlflow_itself_compares_run_and_model_of_a_copy_they_are_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_COMPARES_COPIES", True)
    assert named("models:/a/1", "r", "m-1") == {NAME: {"a"}}


def test_where_mlflow_does_not_compare_them_they_are_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_COMPARES_COPIES", False)
    assert named("models:/a/1", "r", "m-1") == {NAME: {"a"}, RUN: {"r"}, MODEL: {"m-1"}}


def test_an_address_of_this_servers_artifacts_is_judged_by_its_path() -> None:
    uri = "mlflow-artifacts:/1/abc/artifacts/model"
    assert named(uri, "abc") == {PATH: {"1/abc/artifacts/model"}, RUN: {"abc"}}
    assert not must_lie_inside(Source(uri, "", ""))


@pytest.mark.parametrize(
    "uri",
    [
        "runs:",
        "runs:/",
        "runs:/abc",  # all the artifacts of a run, which may still be written to
        "runs:/abc/",
        "mlflow-artifacts:/1/abc/artifacts",
        "mlflow-artifacts:/1/abc/artifacts/",
        "mlflow-artifacts:/1/abc",
        "runs:abc/model",
        "runs://host/abc/model",
        "runs:/abc/../def",
        "runs:/abc/%2e%2e/def",
        "runs:/abc/%252e%252e/def",
        "runs:/../abc",
        "runs:/abc//etc",
        "runs:/abc/a\\b",
        "runs:/abc/a?b",
        "runs:/abc/a#b",
        " runs:/abc/model",
        "runs:/abc/model ",
        "ru\nns:/abc/model",
        "runs:/abc/model\n",
        "runs:/abc\t/x",
        "models:",
        "models:/",
        "models:name/1",
        "models://host/name/1",
        "models:/name/1/more",
        "models:/../1",
        "models:/name/1?x",
        "mlflow-artifacts://host/1/abc/artifacts/model",
        "mlflow-artifacts://host:5000/1/abc/artifacts/model",
        "mlflow-artifacts:/1/abc/artifacts/../../2/model",
        "mlflow-artifacts:/1/abc/artifacts/%2e%2e/2/model",
        "mlflow-artifacts:////1/abc/artifacts/model",
        "mlflow-artifacts:/1/abc/artifacts/model?x",
        "mlflow-artifacts:/1/abc/artifacts/model#x",
        "mlflow-artifacts:/1/abc/artifacts/model\0",
    ],
)
def test_an_address_of_mlflows_own_that_is_not_plain_leads_nowhere(uri: str) -> None:
    assert named_by(Source(uri, "r", "m-1")) is None


OTHERS = (
    "s3://bucket/1/abc /etc/passwd file:///etc dbfs:/x hdfs://x relative/path C:\\x prompt-template2 Dummy-Source runs"
)
PROXIED = "http://host/api/2.0/mlflow-artifacts/artifacts/1"


@pytest.mark.parametrize("uri", ["", PROXIED, *OTHERS.split()])
def test_any_other_address_must_lie_inside_what_is_named_beside_it(uri: str) -> None:
    assert named(uri) is None
    assert named(uri, "r") == {RUN: {"r"}}
    assert named(uri, "", "m-1") == {MODEL: {"m-1"}}
    assert must_lie_inside(Source(uri, "r", ""))
