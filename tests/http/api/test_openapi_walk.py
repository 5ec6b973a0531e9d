"""The OpenAPI document walked by schemathesis as nobody, somebody and an admin: what it says is what is answered.

No answer is a 5xx, each has a status and a shape that the document tells, and refusals have MLflow's.
"""

from __future__ import annotations

import base64
import re
from datetime import timedelta
from typing import Any

import flask
import pytest
import schemathesis
import sqlalchemy as sa
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

from mlflow_oidc_auth import context
from mlflow_oidc_auth.bridge.judge import Judge
from mlflow_oidc_auth.errors import Forbidden, NotFound, Unauthenticated
from mlflow_oidc_auth.gate import Gate
from mlflow_oidc_auth.operations.ours import OURS
from mlflow_oidc_auth.operations.requirements import Deny, Public, Requirement
from mlflow_oidc_auth.permissions.creating import CreatePolicy
from mlflow_oidc_auth.vocabulary import Credential, CredentialKind, Identity, Level
from tests.http.api.site import NOW, PREFIX, Site, email

ENTRIES = {(entry.method, entry.path): entry for entry in OURS}
SERVED = [entry for entry in OURS if entry.path.startswith("/api/") and not isinstance(entry.requirement, Deny)]
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
Operation = APIOperation[Any, Any, Any, Any]
EXAMPLES = 3
"""Of each operation, of what makes sense and of what does not."""


class GatedSite(Site):
    """The same with the gate's early verdict in front; who asks is in basic auth, as if by a browser session."""

    def _identify(self) -> None:
        rule = flask.request.url_rule
        entry = None if rule is None else ENTRIES[flask.request.method, rule.rule.removeprefix(PREFIX)]
        if entry is not None and isinstance(entry.requirement, Public):
            return
        sent = flask.request.authorization
        user = self.users.by_username(sent.username) if sent is not None and sent.username else None
        if user is None:
            raise Unauthenticated("Log in first.")
        if entry is None:
            raise NotFound("There is nothing at this address.")
        ids = frozenset(group.id for group in self.groups.of_user(user.id))
        credential = Credential(CredentialKind.SESSION, 1, NOW + timedelta(days=1))
        identity = Identity(user.id, user.username, user.display_name, user.is_admin, False, ids, credential)
        verdict = Gate(Judge(self.engine, Level.NO_PERMISSIONS), CreatePolicy(False)).early(identity, entry)
        if verdict is not None and not verdict:
            raise Forbidden(verdict.sentence)
        context.enter(context.Filtered(identity, "127.0.0.1"))


@pytest.fixture
def gated(engine: sa.Engine) -> GatedSite:
    """alice owns an experiment, a model and a prompt."""
    return GatedSite(engine)


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
