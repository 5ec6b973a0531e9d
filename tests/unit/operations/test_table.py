"""The operations table, against MLflow servers of every version we know and against a live one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache

import pytest

from mlflow_oidc_auth.operations.coverage import release
from mlflow_oidc_auth.operations.graphql import ENTRIES
from mlflow_oidc_auth.operations.ours import OURS
from mlflow_oidc_auth.operations.requirements import (
    AllOf,
    Create,
    Deny,
    Entry,
    OwnSpans,
    Public,
    ReadSource,
    Require,
    RequireIfThere,
    Requirement,
)
from mlflow_oidc_auth.operations.table import TABLE
from mlflow_oidc_auth.operations.targets import IdKind, Target, Where
from tests.operations import VERSIONS, Key, served_by

MLFLOWS = (*TABLE, *ENTRIES)

WALK = """
import json, os
from mlflow_oidc_auth.bridge.operations_report import coverage
found = coverage()
print(json.dumps({
    "both": found.both,
    "unlisted": [[item.method, item.path] for item in found.unlisted],
    "not_served": found.not_served,
    "listed_twice": found.listed_twice,
}))
"""


@cache
def walked(prefix: str) -> dict[str, list[Key]]:
    """The comparison in a process of its own: MLflow builds its routes once, at import."""
    environment = {**os.environ, "_MLFLOW_STATIC_PREFIX": prefix}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WALK], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return {part: [(method, path) for method, path in keys] for part, keys in json.loads(done.stdout).items()}


@pytest.mark.parametrize("prefix", ["", "/mlflow", "/deep/down"], ids=["no prefix", "prefix", "deep prefix"])
def test_the_live_server_serves_what_is_listed_and_nothing_else(prefix: str) -> None:
    found = walked(prefix)
    assert (found["unlisted"], found["not_served"], found["listed_twice"]) == ([], [], [])
    assert len(found["both"]) >= 500


@pytest.mark.parametrize("version", VERSIONS)
def test_the_table_is_what_a_version_serves(version: str) -> None:
    expected = {(entry.method, entry.path) for entry in MLFLOWS if release(entry.since or "0") <= release(version)}
    assert expected == served_by(version)


def test_no_operation_has_two_entries() -> None:
    spelled = Counter((entry.method, entry.path) for entry in (*MLFLOWS, *OURS))
    assert [key for key, times in spelled.items() if times > 1] == []


def test_an_operation_needs_the_same_at_both_of_its_addresses() -> None:
    entries = {(entry.method, entry.path): entry.requirement for entry in TABLE}
    pairs = [
        (requirement, entries[method, f"/ajax-{path[1:]}"])
        for (method, path), requirement in entries.items()
        if path.startswith("/api/") and (method, f"/ajax-{path[1:]}") in entries
    ]
    assert len(pairs) > 200
    assert all(api == ajax for api, ajax in pairs)


def test_what_the_native_route_and_its_flask_twin_need_is_the_same() -> None:
    entries = {(entry.method, entry.path): entry.requirement for entry in TABLE}
    flask, native = "<path:artifact_path>", "{artifact_path:path}"
    twins = [(method, path) for method, path in entries if path.endswith(f"artifacts/{native}")]
    assert len(twins) == 4
    for method, path in twins:
        assert entries[method, path] == entries[method, path.replace(native, flask)]


def parts(requirement: Requirement) -> tuple[Requirement, ...]:
    """What an entry is made of."""
    return requirement.parts if isinstance(requirement, AllOf) else (requirement,)


def targets(entry: Entry) -> Iterator[Target]:
    """Where an entry looks for ids."""
    for part in parts(entry.requirement):
        if isinstance(part, Require | RequireIfThere | Create):
            yield part.target


def has_variable(entry: Entry, name: str) -> bool:
    """Whether the path has this variable part."""
    return any(form in entry.path for form in (f"<{name}>", f":{name}>", f"{{{name}}}", f"{{{name}:"))


def test_each_part_of_a_path_that_an_entry_judges_is_in_the_path() -> None:
    for entry in TABLE:
        judged = [field for target in targets(entry) if target.where is Where.PATH for field in target.fields]
        assert all(has_variable(entry, field) for field in judged), f"{entry.method} {entry.path}"


def test_each_id_in_a_path_is_judged() -> None:
    # An id in a path that an entry does not look at is one that somebody forgot.
    ids = ("trace_id", "request_id", "model_id", "dataset_id", "issue_id", "artifact_path", "experiment_id", "run_id")
    for entry in TABLE:
        judged = {field for target in targets(entry) if target.where is Where.PATH for field in target.fields}
        for name in ids:
            if has_variable(entry, name):
                assert name in judged, f"{entry.method} {entry.path}"


def test_a_part_that_is_always_there_names_its_target_somewhere() -> None:
    for entry in TABLE:
        needed = [part for part in parts(entry.requirement) if isinstance(part, Require)]
        for part in needed:
            alone = len(needed) == 1
            assert not (alone and part.target.optional), f"{entry.method} {entry.path} could be asked without a target"


def test_little_is_public_and_each_says_why() -> None:
    public = {(entry.method, entry.path): entry.requirement.why for entry in TABLE if _public(entry)}
    assert set(public) == {
        ("GET", "/health"),
        ("GET", "/static-files/<path:path>"),
        ("GET", "/api/3.0/mlflow/server-info"),
        ("GET", "/ajax-api/3.0/mlflow/server-info"),
    }
    assert all(public.values())


def _public(entry: Entry) -> bool:
    return isinstance(entry.requirement, Public)


def test_what_makes_a_model_version_needs_its_source() -> None:
    making = [entry for entry in TABLE if entry.path.endswith("/model-versions/create")]
    assert len(making) == 2
    assert all(ReadSource() in parts(entry.requirement) for entry in making)


def test_only_spans_are_read_from_a_native_body() -> None:
    native = [entry for entry in TABLE if any(isinstance(part, OwnSpans) for part in parts(entry.requirement))]
    assert [(entry.method, entry.path) for entry in native] == [("POST", "/v1/traces")]


def test_the_gateway_and_what_acts_on_the_host_are_for_admins() -> None:
    for entry in TABLE:
        if any(f"/{noun}" in entry.path for noun in ("webhooks", "workspaces", "mcp-servers", "skills", "assistant")):
            assert type(entry.requirement).__name__ == "Admin", f"{entry.method} {entry.path}"


def test_each_kind_of_id_is_judged_somewhere() -> None:
    assert {target.kind for entry in TABLE for target in targets(entry)} == set(IdKind)


def test_denials_say_a_sentence() -> None:
    for entry in (*TABLE, *OURS):
        if isinstance(entry.requirement, Deny):
            assert entry.requirement.why.endswith("."), f"{entry.method} {entry.path}"
