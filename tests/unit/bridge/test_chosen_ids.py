"""Ids that a caller chooses: MLflow writes over the row that has one already, whoever's it is."""

from __future__ import annotations

from typing import Any

import flask
import mlflow
import pytest
from mlflow.entities import Feedback, TraceInfo
from mlflow.entities.assessment_source import AssessmentSource
from mlflow.entities.trace_location import TraceLocation
from mlflow.entities.trace_state import TraceState
from mlflow.exceptions import MlflowException
from mlflow.protos.service_pb2 import CreateAssessment, StartTraceV3

from mlflow_oidc_auth.bridge.messages import message_classes
from mlflow_oidc_auth.gate import Gate
from mlflow_oidc_auth.operations.coverage import release
from mlflow_oidc_auth.operations.table import TABLE
from mlflow_oidc_auth.permissions.creating import CreatePolicy
from mlflow_oidc_auth.vocabulary import Identity, Kind, Level, Verdict
from tests.stores import NOW, Stores
from tests.unit.bridge.test_messages import Asked

START = next(entry for entry in TABLE if (entry.method, entry.path) == ("POST", "/api/3.0/mlflow/traces"))


def trace(experiment_id: str, trace_id: str, *feedback: Feedback) -> TraceInfo:
    """A trace with feedback."""
    place = TraceLocation.from_experiment_id(experiment_id)
    made = TraceInfo(trace_id=trace_id, trace_location=place, request_time=1, state=TraceState.OK)
    made.assessments = list(feedback)
    return made


def feedback(assessment_id: str, value: str, overrides: str | None = None) -> Feedback:
    """Feedback under an id of the caller's choice."""
    made = Feedback(name="f", value=value, source=AssessmentSource("HUMAN", "x"))
    made.assessment_id, made.overrides = assessment_id, overrides
    return made


class Site:
    """alice's experiment with a judged trace, which bob may read; and bob's own."""

    def __init__(self, stores: Stores) -> None:
        self.stores = stores
        with stores.decided(stores.alice):
            self.alices = stores.tracking.create_experiment("alice's")
            stores.tracking.start_trace(trace(self.alices, "tr-alice", feedback("a-alice", "good")))
        stores.grant(stores.bob, Kind.EXPERIMENT, self.alices, Level.READ)
        with stores.decided(stores.bob):
            self.bobs = stores.tracking.create_experiment("bob's")
            stores.tracking.start_trace(trace(self.bobs, "tr-bob", feedback("a-bob", "bad")))
        self.gate = Gate(stores.judge, CreatePolicy(False))

    def verdict(self, who: Identity, message: Any, body: Any) -> Verdict:
        """What the gate says of one request."""
        entry = START if message is StartTraceV3 else self.entry_of_assessments()
        with Asked(message, body) as reading:
            flask.request.view_args = {"trace_id": "tr-bob"}
            return self.gate.settle(who, entry, reading, NOW)

    @staticmethod
    def entry_of_assessments() -> Any:
        """The entry that makes one assessment."""
        path = "/api/3.0/mlflow/traces/<trace_id>/assessments"
        assert message_classes()[path, "POST"] is CreateAssessment
        return next(entry for entry in TABLE if (entry.method, entry.path) == ("POST", path))


@pytest.fixture
def site(stores: Stores) -> Site:
    """The site."""
    return Site(stores)


def starting(site: Site, **assessment: str) -> dict[str, Any]:
    """The body that starts a trace of bob's with one assessment."""
    place = {"mlflow_experiment": {"experiment_id": site.bobs}}
    info = {"trace_id": "tr-bob", "trace_location": place, "assessments": [assessment] if assessment else []}
    return {"trace": {"trace_info": info}}


def test_until_3_18_mlflow_writes_over_an_assessment_that_has_the_id(site: Site) -> None:
    # Why the gate must look: unjudged, bob takes alice's feedback over, and it moves to his trace.
    stores, refused = site.stores, False
    with stores.decided(stores.bob):
        try:
            stores.tracking.start_trace(trace(site.bobs, "tr-bob", feedback("a-alice", "taken")))
        except MlflowException:
            refused = True
    kept_by = stores.scalar("SELECT trace_id FROM assessments WHERE assessment_id = 'a-alice'")
    assert kept_by == ("tr-alice" if refused else "tr-bob")
    assert refused is (release(mlflow.__version__) >= (3, 18))


@pytest.mark.parametrize("field", ["assessment_id", "overrides"])
@pytest.mark.parametrize("message", [StartTraceV3, CreateAssessment], ids=["with a trace", "alone"])
def test_an_assessment_that_is_there_must_be_editable(site: Site, message: Any, field: str) -> None:
    def verdict(who: Identity, id_: str) -> Verdict:
        made = {field: id_}
        return site.verdict(who, message, starting(site, **made) if message is StartTraceV3 else {"assessment": made})

    assert verdict(site.stores.bob, "a-bob")
    assert verdict(site.stores.bob, "a-new")
    assert not verdict(site.stores.bob, "a-alice")
    assert verdict(site.stores.root, "a-alice")
    site.stores.grant(site.stores.team, Kind.EXPERIMENT, site.alices, Level.MANAGE)
    assert not verdict(site.stores.bob, "a-alice"), "his own grant of READ is more specific than his team's"


def test_a_trace_that_is_there_must_be_editable_to_be_started_again(site: Site) -> None:
    body = starting(site)
    assert site.verdict(site.stores.bob, StartTraceV3, body)
    body["trace"]["trace_info"]["trace_id"] = "tr-alice"
    assert not site.verdict(site.stores.bob, StartTraceV3, body)
    body["trace"]["trace_info"]["trace_id"] = "tr-new"
    assert site.verdict(site.stores.bob, StartTraceV3, body)
