"""What the gate reads of a Flask request: what MLflow's handler will read, or a refusal."""

from __future__ import annotations

import json
from typing import Any

import flask
import pytest
from google.protobuf.message import Message
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mlflow.protos.model_registry_pb2 import CreateModelVersion, GetLatestVersions
from mlflow.protos.service_pb2 import (
    BatchGetTraces,
    CreateDataset,
    CreateExperiment,
    FinalizeLoggedModel,
    GetMetricHistory,
    LinkTracesToRun,
    LogBatch,
    SearchRuns,
    SetTag,
    StartTraceV3,
)
from mlflow.server import handlers
from mlflow.server.handlers import _get_request_message

from mlflow_oidc_auth.bridge.messages import (
    FlaskReading,
    StrictJSONProvider,
    message_classes,
    read_strictly,
    served_from,
)
from mlflow_oidc_auth.bridge.unasked import messages_beside_the_list
from mlflow_oidc_auth.errors import BadRequest
from mlflow_oidc_auth.gate import Source
from mlflow_oidc_auth.operations.requirements import (
    AdminsOnlySet,
    AdminsOnlyTags,
    AllOf,
    Create,
    Require,
    RequireIfThere,
)
from mlflow_oidc_auth.operations.table import TABLE
from mlflow_oidc_auth.operations.targets import IdKind, Where, in_json, in_message, in_query

RUN = in_message(IdKind.RUN, "run_id", "run_uuid")

app = flask.Flask(__name__)
app.json = StrictJSONProvider(app)


class Asked:
    """One request in Flask, and what the gate reads of it."""

    def __init__(self, message: type[Message] | None, body: Any = None, query: str = "", method: str = "POST") -> None:
        data = body if isinstance(body, str | bytes) else None if body is None else json.dumps(body)
        arguments = {"method": method, "query_string": query, "data": data, "content_type": "application/json"}
        self.context = app.test_request_context("/", **arguments)
        self.message = message

    def __enter__(self) -> FlaskReading:
        self.context.push()
        return FlaskReading(flask.request, self.message)

    def __exit__(self, *_: object) -> None:
        self.context.pop()


def ids(target: Any, message: type[Message] | None, body: Any = None, **more: Any) -> tuple[str, ...]:
    """The ids that a request names."""
    with Asked(message, body, **more) as reading:
        return reading.ids(target)


# --- ids ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({"run_id": "a"}, ("a",)),
        ({"runId": "a"}, ("a",)),
        ({"run_uuid": "b"}, ("b",)),
        ({"run_id": "a", "run_uuid": "b"}, ("a", "b")),
        ({"run_id": "a", "run_uuid": "a"}, ("a",)),
        ({"run_id": "", "run_uuid": "b"}, ("b",)),
        ({"run_id": None, "run_uuid": "b"}, ("b",)),
        ({"run_id": ""}, ()),
        ({}, ()),
        (None, ()),
        ("", ()),
    ],
    ids=[
        "one",
        "in camel case",
        "the old name",
        "both",
        "both equal",
        "empty",
        "null",
        "only empty",
        "{}",
        "none",
        "no body",
    ],
)
def test_every_field_that_may_name_a_run_counts(body: Any, found: tuple[str, ...]) -> None:
    assert ids(RUN, SetTag, body) == found


def test_each_id_of_a_list_counts() -> None:
    target = in_message(IdKind.TRACE, "trace_ids")
    assert ids(target, LinkTracesToRun, {"run_id": "r", "trace_ids": ["a", "b", "a", "c"]}) == ("a", "b", "c")


def test_ids_in_a_list_of_messages_count() -> None:
    target = in_message(IdKind.LOGGED_MODEL, "metrics.model_id")
    metrics = [{"key": "k", "model_id": "m-1"}, {"key": "k"}, {"key": "k", "modelId": "m-2"}]
    assert ids(target, LogBatch, {"run_id": "r", "metrics": metrics}) == ("m-1", "m-2")


def test_ids_deep_in_a_message_count_and_are_none_where_it_is_not_set() -> None:
    target = in_message(IdKind.EXPERIMENT, "trace.trace_info.trace_location.mlflow_experiment.experiment_id")
    place = {"mlflow_experiment": {"experiment_id": "7"}}
    assert ids(target, StartTraceV3, {"trace": {"trace_info": {"trace_location": place}}}) == ("7",)
    assert ids(target, StartTraceV3, {"trace": {"trace_info": {"trace_id": "tr-1"}}}) == ()
    assert ids(target, StartTraceV3, {}) == ()


def test_numbers_are_read_as_mlflow_reads_them() -> None:
    # Protobuf takes no number for text; JSON without a message is read as it stands.
    with pytest.raises(BadRequest):
        ids(in_message(IdKind.EXPERIMENT, "experiment_ids"), SearchRuns, {"experiment_ids": [1]})
    assert ids(in_json(IdKind.EXPERIMENT, "experiment_id"), None, {"experiment_id": 1}) == ("1",)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("run_id=a", ("a",)),
        ("run_uuid=b&run_id=a", ("a", "b")),
        ("run_id=a&run_id=a&run_uuid=", None),
        ("run_id=a&run_id=b", None),
        ("runId=a", ()),
        ("RUN_ID=a", ()),
        ("", ()),
    ],
)
def test_a_query_is_read_into_the_message(query: str, found: tuple[str, ...] | None) -> None:
    if found is None:
        with pytest.raises(BadRequest, match="twice"):
            ids(RUN, GetMetricHistory, query=query, method="GET")
    else:
        assert ids(RUN, GetMetricHistory, query=query, method="GET") == found


def test_a_list_in_a_query_counts_whole() -> None:
    target = in_message(IdKind.TRACE, "trace_ids")
    assert ids(target, BatchGetTraces, query="trace_ids=a&trace_ids=b", method="GET") == ("a", "b")


def test_a_get_with_a_query_does_not_read_its_body_and_one_without_does() -> None:
    assert ids(RUN, GetMetricHistory, {"run_id": "body"}, query="run_id=query", method="GET") == ("query",)
    assert ids(RUN, GetMetricHistory, {"run_id": "body"}, method="GET") == ("body",)


def test_a_post_does_not_read_its_query() -> None:
    assert ids(RUN, SetTag, {"run_id": "body"}, query="run_id=query") == ("body",)


def test_every_value_of_a_query_without_a_message_counts() -> None:
    assert ids(in_query(IdKind.RUN, "run_id", "run_uuid"), None, query="run_id=a&run_uuid=b&run_id=c") == (
        "a",
        "c",
        "b",
    )


def test_an_unknown_field_is_a_mistake_of_the_table() -> None:
    with pytest.raises(LookupError):
        ids(in_message(IdKind.RUN, "no_such_field"), SetTag, {"run_id": "a"})


@pytest.mark.parametrize(("since", "found"), [("", ("a",)), ("3.0", ("a",)), ("99.0", ())])
def test_a_field_of_a_later_mlflow_names_nothing_yet(since: str, found: tuple[str, ...]) -> None:
    assert ids(in_message(IdKind.RUN, "run_id", since=since), SetTag, {"run_id": "a"}) == found


def test_the_table_names_only_fields_that_messages_have() -> None:
    classes, seen = message_classes(), 0
    for entry in TABLE:
        parts = entry.requirement.parts if isinstance(entry.requirement, AllOf) else (entry.requirement,)
        for part in parts:
            fields: tuple[str, ...] = ()
            if isinstance(part, Require | RequireIfThere | Create) and part.target.where is Where.MESSAGE:
                fields = part.target.fields if served_from(part.target.since) else ()
            if isinstance(part, AdminsOnlySet | AdminsOnlyTags):
                fields = part.fields
            for field in fields:
                with Asked(classes[entry.path, entry.method], {}, method=entry.method) as reading:
                    reading.keys((field,))
                assert_field(classes[entry.path, entry.method].DESCRIPTOR, field)
                seen += 1
    assert seen > 200


def assert_field(descriptor: Any, dotted: str) -> None:
    """The message has this dotted field."""
    name, _, rest = dotted.partition(".")
    assert name in descriptor.fields_by_name, f"{descriptor.full_name} has no {name}"
    if rest:
        assert_field(descriptor.fields_by_name[name].message_type, rest)


# --- what could be read two ways ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        '{"run_id": "mine", "runId": "yours"}',
        '{"runId": "mine", "run_id": "yours"}',
        '{"run_id": "same", "runId": "same"}',
        '{"run_id": "mine", "run_id": "yours"}',
        '{"run_id": "same", "run_id": "same"}',
        '{"run_id": "mine", "run\\u005fid": "yours"}',
        '{"run_id": "a", "metrics": [{"key": "a", "key": "b"}]}',
        '{"run_id": "a", "metrics": [{"model_id": "m-1", "modelId": "m-2"}]}',
        '"{\\"run_id\\": \\"mine\\"}"',
        "[]",
        '["run_id"]',
        "null",
        "1",
        "true",
        "NaN",
        "run_id=mine",
        "{",
        '{"run_id": "a"} {"run_id": "b"}',
        '{"run_id": ["a"]}',
        '{"run_id": {"a": "b"}}',
        '{"run_id": 1}',
        '{"run_id": true}',
        '{"run_id": "a", "metrics": {"key": "a"}}',
        '{"run_id": "a", "metrics": "text"}',
        '{"run_id": "a", "metrics": [{"step": "no number"}]}',
        '{"run_id": "a", "metrics": [{"step": 1.5}]}',
        '{"run_id": "a\\u0000b"}',
        '{"run_id": "\\ud800"}',
        '{"run_id": "a", "unknown": "\\ud800"}',
        '{"run_id": "a", "\\u0000": 1}',
        " ",
        b"\xff\xfe\x00",
        b'{"run_id": "\xff"}',
        '{"a":' * 5000 + "1" + "}" * 5000,
        "[" * 100_000,
    ],
)
def test_a_body_that_could_be_read_two_ways_or_not_at_all_is_refused(body: str | bytes) -> None:
    with Asked(LogBatch, body) as reading, pytest.raises(BadRequest):
        reading.check()


@pytest.mark.parametrize(
    "body",
    [
        {"run_id": "a", "runId": "b"},
        {"run_id": "a", "metrics": [{"model_id": "m-1", "modelId": "m-2"}]},
        {"run_id": "a", "metrics": {"model_id": "m-1", "modelId": "m-2"}},
    ],
    ids=["on top", "in a list", "in what should be a list"],
)
def test_a_field_in_both_of_its_spellings_is_told_by_name(body: dict[str, Any]) -> None:
    with Asked(LogBatch, body) as reading, pytest.raises(BadRequest, match="send one of them"):
        reading.check()


@pytest.mark.parametrize(
    "body",
    [
        {"run_id": "a", "unknown": {"b": []}},
        {"run_id": "a", "metrics": []},
        {"run_id": "a", "metrics": [{"key": "k", "value": 1, "timestamp": "1", "step": 2}]},
        {"run_id": "\ud83d\ude00 \u00e9 \\u0000"},
    ],
    ids=["an unknown field", "an empty list", "numbers as text", "pairs and backslashes"],
)
def test_a_body_with_one_meaning_passes(body: dict[str, Any]) -> None:
    with Asked(LogBatch, body) as reading:
        reading.check()


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_metrics_that_are_no_numbers_pass_as_mlflows_client_sends_them(number: str) -> None:
    body = {"run_id": "a", "metrics": [{"key": "k", "value": number, "timestamp": 1, "step": 0}]}
    with Asked(LogBatch, body) as reading:
        reading.check()
        assert reading.ids(RUN_OF_BATCH) == ("a",)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_bare_they_are_refused_where_mlflow_would_log_a_zero(number: str) -> None:
    body = f'{{"run_id": "a", "metrics": [{{"key": "k", "value": {number}, "timestamp": 1, "step": 0}}]}}'
    with Asked(LogBatch, body) as reading, pytest.raises(BadRequest):
        reading.check()


RUN_OF_BATCH = in_message(IdKind.RUN, "run_id")


def test_a_content_type_that_mlflow_refuses_is_refused() -> None:
    asked = app.test_request_context("/", method="POST", data='{"run_id": "a"}', content_type="text/plain")
    with asked, pytest.raises(BadRequest):
        FlaskReading(flask.request, SetTag).check()


def test_a_key_twice_is_refused_however_deep_or_hidden() -> None:
    for text in ('{"a": 1, "a": 1}', '[{"a": {"b": 1, "b": 2}}]', '{"a": 1, "\\u0061": 2}'):
        with pytest.raises(BadRequest, match="twice"):
            read_strictly(text)


@pytest.mark.parametrize("target", [in_json(IdKind.EXPERIMENT, "experiment_id"), in_json(IdKind.EXPERIMENT, "a.b")])
@pytest.mark.parametrize("body", ['{"experiment_id": {"x": 1}, "a": "text"}', "[]", '"text"'])
def test_json_without_a_message_must_hold_ids_where_they_belong(target: Any, body: str) -> None:
    with pytest.raises(BadRequest):
        ids(target, None, body)


def test_each_id_of_a_json_list_counts() -> None:
    assert ids(in_json(IdKind.RUN, "runs.id"), None, {"runs": [{"id": "a"}, {"id": ["b", "c"]}, {}]}) == ("a", "b", "c")
    assert ids(in_json(IdKind.RUN, "id"), None, {"id": None}) == ()


NAMES = ["run_id", "runId", "run_uuid", "runUuid", "metrics", "model_id", "modelId", "key", "tags", "x"]
VALUES = st.recursive(
    st.one_of(st.sampled_from(["mine", "yours", "", None, 1, True, 1.5]), st.text(max_size=3)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)),
    max_leaves=8,
)


@given(body=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=5), message=st.sampled_from([SetTag, LogBatch]))
@example(body={"run_uuid": "yours", "run_id": "mine"}, message=SetTag)
@settings(max_examples=500, deadline=None)
def test_mlflow_never_acts_on_an_id_that_was_not_judged(body: dict[str, Any], message: type[Message]) -> None:
    with Asked(message, body) as reading:
        try:
            judged = reading.ids(RUN if message is SetTag else RUN_OF_BATCH)
            models = reading.ids(in_message(IdKind.LOGGED_MODEL, "metrics.model_id")) if message is LogBatch else ()
        except BadRequest:
            return
        read: Any = _get_request_message(message())
        acted_on = read.run_id or getattr(read, "run_uuid", "")
        assert not acted_on or acted_on in judged
        assert {metric.model_id for metric in getattr(read, "metrics", ())} - {""} <= set(models)


# --- what else the gate asks -------------------------------------------------------------------------


def test_a_field_is_sent_when_it_has_a_value() -> None:
    for body, sent in (({"artifact_location": "s3://x"}, True), ({"artifactLocation": "s3://x"}, True)):
        with Asked(CreateExperiment, {"name": "a", **body}) as reading:
            assert reading.sent("artifact_location") is sent
    for body in ({}, {"artifact_location": ""}, {"artifact_location": None}):
        with Asked(CreateExperiment, {"name": "a", **body}) as reading:
            assert not reading.sent("artifact_location")


def test_tag_keys_are_found_in_lists_and_in_maps() -> None:
    with Asked(CreateExperiment, {"name": "a", "tags": [{"key": "b", "value": "1"}, {"key": "c"}]}) as reading:
        assert reading.keys(("tags.key",)) == {"b", "c"}
    tagged = {"trace": {"trace_info": {"tags": {"b": "1", "c": "2"}}}}
    with Asked(StartTraceV3, tagged) as reading:
        assert reading.keys(("trace.trace_info.tags",)) == {"b", "c"}


def test_a_source_is_read_with_what_is_named_beside_it() -> None:
    with Asked(CreateModelVersion, {"name": "a", "source": "runs:/r/m", "run_id": "r", "model_id": "m-1"}) as reading:
        assert reading.source() == Source("runs:/r/m", "r", "m-1")
    with Asked(CreateModelVersion, {"name": "a"}) as reading:
        assert reading.source() == Source("", "", "")


@pytest.mark.parametrize(
    "body", [{}, {"query": None}, {"query": ["{ test }"]}, [{"query": "{ test }"}], "{ test }", None]
)
def test_a_graphql_request_without_one_document_is_refused(body: Any) -> None:
    with Asked(None, body) as reading, pytest.raises(BadRequest):
        reading.unlisted_fields()


def test_the_fields_of_a_graphql_document_are_found() -> None:
    with Asked(None, {"query": "{ test { output } secrets }", "operationName": None, "variables": {}}) as reading:
        assert reading.unlisted_fields() == {"Query.secrets"}


@pytest.mark.parametrize("message", [CreateDataset, FinalizeLoggedModel, GetLatestVersions, SearchRuns, StartTraceV3])
def test_what_passes_here_is_no_surprise_to_mlflow(message: type[Message]) -> None:
    # An empty object fits every message; whether it is enough is for MLflow's own check of required fields.
    with Asked(message, {}) as reading:
        reading.check()
        assert _get_request_message(message()) == reading.message()


def test_every_flask_operation_with_a_message_is_known() -> None:
    served = {(rule, method) for rule, handler, methods in handlers.get_endpoints(lambda c: c) for method in methods}
    assert set(message_classes()) <= served | messages_beside_the_list().keys()
    assert len(message_classes()) > 300
