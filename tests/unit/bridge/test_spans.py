"""What an OTLP body touches: never less than MLflow's route makes of the same bytes."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from typing import Any

import anyio
import pytest
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow.server import otel_api
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mlflow_oidc_auth.bridge import spans
from mlflow_oidc_auth.bridge.spans import traces_in
from mlflow_oidc_auth.errors import BadRequest, TooLarge

JSON, PROTOBUF = "application/json", "application/x-protobuf"
FIRST, SECOND = bytes.fromhex("0af7651916cd43dd8448eb211c80319c"), bytes.fromhex("5b8efff798038103d269b633813fc60c")
FIRST_ID, SECOND_ID = f"tr-{FIRST.hex()}", f"tr-{SECOND.hex()}"
TAG = "mlflow.traceTag."


def otlp(*traces: bytes, parent: bytes = b"", tag: str = "", resource_tag: str = "") -> bytes:
    """A body with one span in each of the traces."""
    request = ExportTraceServiceRequest()
    for place, trace in enumerate(traces):
        resource_spans = request.resource_spans.add()
        if resource_tag:
            attribute = resource_spans.resource.attributes.add(key=resource_tag)
            attribute.value.string_value = "/somewhere"
        span = resource_spans.scope_spans.add().spans.add(
            trace_id=trace, span_id=(place + 1).to_bytes(8, "big"), parent_span_id=parent, name="a span"
        )
        if tag:
            span.attributes.add(key=tag).value.string_value = "/somewhere"
    return bytes(request.SerializeToString())


def otlp_json(*traces: str, **more: Any) -> bytes:
    """The same as OTLP's JSON, with ids as hexadecimal text."""
    found = [{"traceId": trace, "spanId": f"{place + 1:016x}", "name": "a span"} for place, trace in enumerate(traces)]
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": found}]}], **more}).encode()


class Recorder:
    """A store that keeps what MLflow's route would write."""

    def __init__(self) -> None:
        self.trace_ids: set[str] = set()
        self.linked: set[str] = set()

    async def log_spans_async(self, _experiment_id: str, found: list[Any]) -> None:
        self.trace_ids |= {span.trace_id for span in found}

    def link_traces_to_run(self, trace_ids: list[str], _run_id: str) -> None:
        self.linked |= set(trace_ids)


class Route:
    """MLflow's own route, on a store that only records."""

    def __init__(self) -> None:
        self.app = FastAPI()
        self.app.include_router(otel_api.otel_router)
        self.recorder = Recorder()

    def send(self, body: bytes, content_type: str, encoding: str | None = None) -> int:
        """The status of the answer; :attr:`recorder` then holds what was written."""
        self.recorder = Recorder()
        sent = {"x-mlflow-experiment-id": "1", "x-mlflow-run-id": "r", "content-type": content_type}
        sent |= {"content-encoding": encoding} if encoding else {}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(otel_api, "_get_tracking_store", lambda: self.recorder)
            return anyio.run(self._ask, body, [(name.encode(), value.encode()) for name, value in sent.items()])

    async def _ask(self, body: bytes, headers: list[tuple[bytes, bytes]]) -> int:
        answers: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            answers.append(message)

        asked = {"method": "POST", "path": "/v1/traces", "query_string": b"", "headers": headers}
        await self.app({"type": "http", "http_version": "1.1", **asked}, receive, send)
        return int(answers[0]["status"])


@pytest.fixture(scope="module")
def route() -> Route:
    """The route."""
    return Route()


PACKED = {
    None: lambda body: body,
    "gzip": gzip.compress,
    "GZip": gzip.compress,
    "deflate": zlib.compress,
    "Deflate": lambda body: zlib.compress(body, wbits=-zlib.MAX_WBITS),
}


@pytest.mark.parametrize("encoding", PACKED)
@pytest.mark.parametrize(
    ("body", "content_type"),
    [(otlp(FIRST, SECOND), PROTOBUF), (otlp_json(FIRST.hex(), SECOND.hex()), f"{JSON}; charset=utf-8")],
    ids=["protobuf", "json"],
)
def test_every_trace_is_found_however_it_is_sent(
    route: Route, body: bytes, content_type: str, encoding: str | None
) -> None:
    packed = PACKED[encoding](body)
    assert traces_in(packed, content_type, encoding).trace_ids == {FIRST_ID, SECOND_ID}
    assert route.send(packed, content_type, encoding) == 200
    assert route.recorder.trace_ids == {FIRST_ID, SECOND_ID}


@pytest.mark.parametrize("parent", [b"", bytes(8), b"12345678"], ids=["root", "zero parent", "child"])
def test_a_trace_is_found_whatever_its_span_is(route: Route, parent: bytes) -> None:
    body = otlp(FIRST, parent=parent)
    assert traces_in(body, PROTOBUF, None).trace_ids == {FIRST_ID}
    assert route.send(body, PROTOBUF) == 200
    assert route.recorder.trace_ids | route.recorder.linked == {FIRST_ID}


@pytest.mark.parametrize("key", ["mlflow.artifactLocation", "mlflow.trace.spansLocation", "", "a b"])
def test_tags_of_a_span_are_found(key: str) -> None:
    assert traces_in(otlp(FIRST, tag=f"{TAG}{key}"), PROTOBUF, None).tag_keys == {key}


def test_a_childs_tags_are_found_too() -> None:
    body = otlp(FIRST, parent=b"12345678", tag=f"{TAG}mlflow.artifactLocation")
    assert traces_in(body, PROTOBUF, None).tag_keys == {"mlflow.artifactLocation"}


def test_attributes_of_a_resource_are_found_since_mlflow_makes_tags_of_them() -> None:
    body = otlp(FIRST, resource_tag="mlflow.artifactLocation")
    assert traces_in(body, PROTOBUF, None).tag_keys == {"mlflow.artifactLocation"}


def test_other_attributes_are_no_tags() -> None:
    assert traces_in(otlp(FIRST, tag="mlflow.spanInputs"), PROTOBUF, None).tag_keys == frozenset()


def test_a_request_id_that_a_client_sends_does_not_count() -> None:
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add(trace_id=FIRST, span_id=b"12345678")
    span.attributes.add(key="mlflow.traceRequestId").value.string_value = json.dumps(SECOND_ID)
    assert traces_in(request.SerializeToString(), PROTOBUF, None).trace_ids == {FIRST_ID}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no json",
        b"[]",
        b'"text"',
        b'{"resourceSpans": {"a": 1}}',
        b'{"resourceSpans": [], "resourceSpans": []}',
        b'{"resourceSpans": [{"scopeSpans": [], "scopeSpans": []}]}',
        otlp_json("not hexadecimal"),
        otlp_json(""),
        json.dumps(otlp_json(FIRST.hex()).decode()).encode(),
        b"[" * 100_000,
        b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "\\u0000"}]}]}]}',
    ],
    ids=[
        "empty",
        "words",
        "a list",
        "text",
        "an object for a list",
        "a key twice",
        "a key twice further down",
        "ids that are none",
        "an empty id",
        "json in json",
        "nested too deeply",
        "NUL",
    ],
)
def test_json_that_could_be_read_two_ways_or_not_at_all_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest):
        traces_in(body, JSON, None)


@pytest.mark.parametrize(
    ("content_type", "encoding", "body"),
    [
        (None, None, otlp(FIRST)),
        ("", None, otlp(FIRST)),
        ("text/plain", None, otlp(FIRST)),
        ("Application/X-Protobuf", None, otlp(FIRST)),
        (PROTOBUF, None, b"\xff\xff"),
        (PROTOBUF, None, otlp(b"")),
        (PROTOBUF, "br", otlp(FIRST)),
        (PROTOBUF, "gzip, gzip", gzip.compress(gzip.compress(otlp(FIRST)))),
        (PROTOBUF, "gzip", otlp(FIRST)),
        (PROTOBUF, "deflate", otlp(FIRST)),
        (PROTOBUF, "gzip", gzip.compress(otlp(FIRST))[:-9]),
    ],
    ids=[
        "no type",
        "empty type",
        "another type",
        "a type in capitals",
        "no protobuf",
        "no trace id",
        "another encoding",
        "two encodings",
        "not packed",
        "not deflated",
        "cut off",
    ],
)
def test_what_mlflow_refuses_is_refused(
    route: Route, content_type: str | None, encoding: str | None, body: bytes
) -> None:
    with pytest.raises(BadRequest):
        traces_in(body, content_type, encoding)
    assert route.send(body, content_type or "", encoding) in (400, 422)
    assert route.recorder.trace_ids == set()


@pytest.mark.parametrize(
    ("encoding", "bomb"),
    [
        ("gzip", gzip.compress(bytes(spans.LARGEST_UNPACKED + 1), 1)),
        ("gzip", gzip.compress(bytes(spans.LARGEST_UNPACKED // 2 + 1), 1) * 2),
        ("deflate", zlib.compress(bytes(spans.LARGEST_UNPACKED + 1), 1)),
        ("DEFLATE", zlib.compress(bytes(spans.LARGEST_UNPACKED + 1), 1, wbits=-zlib.MAX_WBITS)),
    ],
    ids=["gzip", "gzip in two members", "deflate", "raw deflate"],
)
def test_what_unpacks_to_too_much_is_refused_before_it_is_unpacked(encoding: str, bomb: bytes) -> None:
    assert len(bomb) < 1_000_000
    with pytest.raises(TooLarge):
        traces_in(bomb, PROTOBUF, encoding)


TEXT_IDS = st.one_of(
    st.binary(min_size=1, max_size=20).map(bytes.hex),
    st.binary(min_size=1, max_size=20).map(lambda raw: base64.b64encode(raw).decode()),
    st.text(max_size=8),
)


@given(
    names=st.lists(st.sampled_from(["traceId", "trace_id", "spanId", "span_id", "parentSpanId", "name"]), unique=True),
    outer=st.sampled_from(["resourceSpans", "resource_spans"]),
    inner=st.sampled_from(["scopeSpans", "scope_spans"]),
    ids=st.lists(TEXT_IDS, min_size=6, max_size=6),
    more=st.sampled_from([{}, {"unknown": {"spans": []}}, {"resourceSpans": []}]),
)
@settings(max_examples=300, deadline=None)
def test_mlflow_never_writes_to_a_trace_that_was_not_found(
    names: list[str], outer: str, inner: str, ids: list[str], more: dict[str, Any]
) -> None:
    span = dict(zip(names, ids, strict=False))
    check_against_the_route(json.dumps({**more, outer: [{inner: [{"spans": [span]}]}]}).encode(), JSON)


@given(traces=st.lists(st.binary(max_size=20), max_size=3), tail=st.binary(max_size=8), drop=st.integers(0, 3))
@settings(max_examples=300, deadline=None)
def test_nor_to_one_of_a_bent_protobuf(traces: list[bytes], tail: bytes, drop: int) -> None:
    body = otlp(*traces) + tail
    check_against_the_route(body[: len(body) - drop], PROTOBUF)


def check_against_the_route(body: bytes, content_type: str) -> None:
    """Whatever the route writes was found; what was refused here never reaches it."""
    try:
        found = traces_in(body, content_type, None).trace_ids
    except BadRequest:
        return
    route = Route()
    route.send(body, content_type)
    assert route.recorder.trace_ids | route.recorder.linked <= found
