"""The OpenAPI document walked by schemathesis as nobody, somebody and an admin: what it says is what is answered.

No answer is a 5xx, each has a status and a shape that the document tells, and refusals have MLflow's.
"""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from mlflow_oidc_auth.operations.ours import OURS
from mlflow_oidc_auth.operations.requirements import Deny, Public, Requirement
from tests.http.api.gated import GatedSite
from tests.http.api.site import PREFIX, email

SERVED = [entry for entry in OURS if entry.path.startswith("/api/") and not isinstance(entry.requirement, Deny)]
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
Operation = APIOperation[Any, Any, Any, Any]
EXAMPLES = 3
"""Of each operation, of what makes sense and of what does not."""


def headers_of(name: str | None) -> dict[str, str]:
    """Who asks; `None` is nobody."""
    if name is None:
        return {}
    return {"Authorization": f"Basic {base64.b64encode(f'{email(name)}:key'.encode()).decode()}"}


@pytest.mark.parametrize("name", [None, "alice", "root"], ids=["nobody", "a user", "an admin"])
@pytest.mark.parametrize("mode", GenerationMode, ids=lambda mode: mode.value)
def test_each_answer_is_one_that_the_document_tells(gated: GatedSite, name: str | None, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_wsgi(f"{PREFIX}/api/2.0/mlflow/openapi.json", gated.app)
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    asked = {operation.label for operation in operations} | {"GET /api/2.0/mlflow/openapi.json"}  # asked just now
    assert asked == {f"{entry.method} {described(entry.path)}" for entry in SERVED}
    wrong: list[str] = []
    for operation in operations:
        try:
            walk(operation, mode, headers_of(name))
        except AssertionError as failure:
            wrong.append(f"{operation.label}: {failure}")
        except FailureGroup as failures:
            wrong.append(f"{operation.label}: {failures.exceptions}")
    assert wrong == []


def walk(operation: Operation, mode: GenerationMode, headers: dict[str, str]) -> None:
    """Ask an operation some times, in the same way in each run; nobody is answered where it is not public."""
    is_public = isinstance(requirement(operation), Public)

    @given(operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Case[Operation]) -> None:
        answer = case.call(headers=headers)
        case.validate_response(answer, checks=CHECKS)
        assert headers or is_public or answer.status_code == 401

    ask()


def described(path: str) -> str:
    """A path as OpenAPI spells it."""
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", path)


def requirement(operation: Operation) -> Requirement:
    """What the table says it needs."""
    asked = (operation.method.upper(), operation.path)
    return next(entry.requirement for entry in SERVED if (entry.method, described(entry.path)) == asked)
