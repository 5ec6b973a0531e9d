"""Which experiment an artifact path lies in, judged as the storage will resolve it."""

from __future__ import annotations

import posixpath
from urllib.parse import quote, unquote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException
from mlflow.utils.uri import validate_path_is_safe

from mlflow_oidc_auth.bridge.artifact_paths import parse_artifact_path, stays_below, within

ROOT = "/root/of/artifacts"


@pytest.mark.parametrize(
    ("text", "experiment_id"),
    [
        ("1", 1),
        ("1/", 1),
        ("0/run/artifacts/x", 0),
        ("12/run/artifacts/model/MLmodel", 12),
        ("2147483647/a", 2147483647),
        ("1/a b", 1),
        ("1/a%20b", 1),
        ("1/é", 1),
        ("1/a;b", 1),
        ("1/...", 1),
        ("1/..a", 1),
        ("1/a..b/c", 1),
        ("1/100%", 1),
        ("1/.hidden/x", 1),
        ("1/models/m-1/artifacts", 1),
    ],
)
def test_a_path_below_a_number_is_that_experiments(text: str, experiment_id: int) -> None:
    found = parse_artifact_path(text)
    assert found is not None
    assert (found.experiment_id, found.text) == (experiment_id, text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "//",
        "/1/a",
        "//1/a",
        "1//a",
        "..",
        "../1/a",
        "1/..",
        "1/../2",
        "1/../2/run",
        "1/a/../../2",
        "./1/a",
        "1/./a",
        ".",
        "%2e%2e/1",
        "1/%2e%2e/2",
        "1/%2E./2",
        "1/%252e%252e/2",
        "1/%25252e%25252e/2",
        "1%2f..%2f2",
        "1%2f%2e%2e%2f2",
        "%31/../2",
        "1/..%2f2",
        "1/..%5c2",
        "1\\..\\2",
        "1/..\\2",
        "1/a\\b",
        "1/a\0",
        "1/a%00",
        "1/a%2500",
        "\0001/a",
        "1\0/a",
        "1/a\nb",
        "\n1/a",
        "1/a?b",
        "1/a#b",
        "1%3f/a",
        "1/a%23",
        "%252531/a",
        "%31/a",
        "%31%32/a",
        "1%32/a",
        "01/a",
        "001/a",
        "+1/a",
        "-1/a",
        " 1/a",
        "1 /a",
        "1.0/a",
        "1e3/a",
        "0x1/a",
        "١/a",
        "１/a",
        "1_0/a",
        "12345678901/a",
        "workspaces/default/1/a",
        "WORKSPACES/default/1/a",
        "Workspaces/x/1/a",
        "skills/a/1",
        "models/m-1/a",
        "mlflow-artifacts:/1/a",
        "file:///1/a",
        "C:/1/a",
        "a/1",
        "%25" * 9 + "1/a",
    ],
)
def test_every_other_path_lies_in_no_experiment(text: str) -> None:
    assert parse_artifact_path(text) is None


WORDS = "1 2 01 run artifacts .. . %2e%2e %2e %252e%252e %2f %252f a%2f..%2fb %5c \\ %00 %31 %32 a;b ? # %23 %3f : é +"
PARTS = st.sampled_from(["", " ", "file:", *WORDS.split()])


@given(st.one_of(st.lists(PARTS, max_size=6).map("/".join), st.lists(PARTS, max_size=4).map("".join), st.text()))
@example("1/%2e%2e/2")
@example("1/;/../2")
@settings(max_examples=1500, deadline=None)
def test_the_storage_stays_in_the_experiment_that_was_judged(text: str) -> None:
    found = parse_artifact_path(text)
    if found is None:
        return
    try:
        resolved = validate_path_is_safe(text)
    except (MlflowException, ValueError):
        return
    for decoded in (resolved, unquote(resolved)):
        place = posixpath.normpath(posixpath.join(ROOT, decoded))
        home = f"{ROOT}/{found.experiment_id}"
        assert place == home or place.startswith(f"{home}/")


@given(st.text(st.characters(codec="utf-8", exclude_characters="\\?#\0%", min_codepoint=32), min_size=1, max_size=20))
@settings(max_examples=300)
def test_a_plain_file_name_is_allowed_encoded_or_not(name: str) -> None:
    if "/" in name or name in (".", ".."):
        return
    for spelled in (name, quote(name)):
        found = parse_artifact_path(f"7/run/artifacts/{spelled}")
        assert found is not None
        assert found.experiment_id == 7


def test_version_roots_are_what_is_inside_a_runs_artifacts_at_or_above_the_path() -> None:
    found = parse_artifact_path("1/run/artifacts/model/data/")
    assert found is not None
    assert found.version_roots == (
        "mlflow-artifacts:/1/run/artifacts/model",
        "mlflow-artifacts:/1/run/artifacts/model/data",
    )


@pytest.mark.parametrize("text", ["1", "1/run", "1/run/artifacts", "1/run/artifacts/", "1/models/m-1"])
def test_all_the_artifacts_of_a_run_are_no_version_root(text: str) -> None:
    found = parse_artifact_path(text)
    assert found is not None
    assert found.version_roots == ()


@pytest.mark.parametrize("path", ["", "a", "a/b", "a/..b", "a%20b"])
def test_a_path_without_a_way_up_stays_below(path: str) -> None:
    assert stays_below(path)


@pytest.mark.parametrize("path", ["..", "a/..", "../a", "a/%2e%2e", "a%2f..", "/a", "a//b", "a\\b", "a\0", "a?b", "."])
def test_a_path_with_a_way_up_does_not(path: str) -> None:
    assert not stays_below(path)


@pytest.mark.parametrize(
    ("source", "root"),
    [
        ("s3://bucket/1/run/artifacts", "s3://bucket/1/run/artifacts"),
        ("s3://bucket/1/run/artifacts/model", "s3://bucket/1/run/artifacts"),
        ("s3://bucket/1/run/artifacts/model", "s3://bucket/1/run/artifacts/"),
        ("S3://bucket/1/run/artifacts/model", "s3://bucket/1/run/artifacts"),
        ("mlflow-artifacts:/1/run/artifacts/model", "mlflow-artifacts:/1/run/artifacts"),
        ("/files/1/run/artifacts/model", "/files/1/run/artifacts"),
        ("file:///files/1/run/artifacts/model", "file:///files/1/run/artifacts"),
    ],
)
def test_a_source_at_or_below_the_artifacts_is_inside(source: str, root: str) -> None:
    assert within(source, root)


@pytest.mark.parametrize(
    ("source", "root"),
    [
        ("s3://bucket/1/run2/artifacts", "s3://bucket/1/run/artifacts"),
        ("s3://bucket/1/run/artifacts2/model", "s3://bucket/1/run/artifacts"),
        ("s3://bucket/1/run", "s3://bucket/1/run/artifacts"),
        ("s3://other/1/run/artifacts/model", "s3://bucket/1/run/artifacts"),
        ("gs://bucket/1/run/artifacts/model", "s3://bucket/1/run/artifacts"),
        ("s3://bucket/1/run/artifacts/../../2", "s3://bucket/1/run/artifacts"),
        ("s3://bucket/1/run/artifacts/%2e%2e/2", "s3://bucket/1/run/artifacts"),
        ("s3://bucket/1/run/artifacts/%252e%252e/2", "s3://bucket/1/run/artifacts"),
        ("s3://bucket/1/run/artifacts//x", "s3://bucket/1/run/artifacts"),
        ("s3://bucket/1/run/artifacts/a?b", "s3://bucket/1/run/artifacts"),
        ("s3://bucket/1/run/artifacts/a#b", "s3://bucket/1/run/artifacts"),
        ("http://host/api/2.0/mlflow-artifacts/artifacts/1/run/artifacts", "mlflow-artifacts:/1/run/artifacts"),
        ("mlflow-artifacts://host/1/run/artifacts", "mlflow-artifacts:/1/run/artifacts"),
        ("/files/1/run/artifacts", "file:///files/1/run/artifacts"),
        ("/etc/passwd", "/files/1/run/artifacts"),
        ("s3://bucket/anything", "s3://bucket"),
        ("s3://bucket/anything", "s3://bucket/"),
        ("", "s3://bucket/1/run/artifacts"),
        ("s3://bucket/1/run/artifacts", ""),
    ],
)
def test_a_source_anywhere_else_is_not(source: str, root: str) -> None:
    assert not within(source, root)
