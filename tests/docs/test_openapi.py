"""The OpenAPI document in docs is the one that a server tells, and describes all our JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlflow_oidc_auth.app import openapi_document
from mlflow_oidc_auth.operations.ours import OURS
from mlflow_oidc_auth.operations.requirements import Deny

DOCUMENT = Path(__file__).parents[2] / "docs" / "openapi.json"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """As the code has it."""
    told: dict[str, Any] = json.loads(json.dumps(openapi_document()))
    return told


def test_the_document_in_docs_is_the_one_of_the_code(document: dict[str, Any]) -> None:
    """`make docs` writes it."""
    assert json.loads(DOCUMENT.read_text()) == document


def test_each_of_our_json_operations_is_described(document: dict[str, Any]) -> None:
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    served = {
        (entry.method, _as_documented(entry.path))
        for entry in OURS
        if entry.path.startswith("/api/") and not isinstance(entry.requirement, Deny)
    }
    assert described == served


def test_each_says_what_it_does_and_what_it_answers(document: dict[str, Any]) -> None:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], (method, path)
            [(media_type, content)] = operation["responses"]["200"]["content"].items()
            assert media_type == "application/jsonl" or content["schema"], (method, path)


def _as_documented(path: str) -> str:
    """Flask's `<int:x>` is OpenAPI's `{x}`."""
    parts = path.split("/")
    return "/".join("{" + part[1:-1].rpartition(":")[2] + "}" if part.startswith("<") else part for part in parts)
