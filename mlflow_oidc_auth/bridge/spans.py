"""Which traces an OTLP body adds spans to, and which tags it sets: read as MLflow's route will read it.

`POST /v1/traces` is a native route, and its traces are named nowhere but in the body. The same bytes are
therefore parsed here first, by MLflow's own functions, and then given to the route unchanged.

SECURITY: MLflow adds spans to whatever trace they name, in any experiment. It makes tags of the attributes
`mlflow.traceTag.<key>` of a root span and, in some versions, of the resource's own. The tags are collected
from every span and resource here, which may be more than MLflow takes and never less.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastapi import HTTPException
from google.protobuf.json_format import Error as ProtoJsonError
from google.protobuf.json_format import Parse
from google.protobuf.message import DecodeError
from mlflow.entities.span import Span
from mlflow.server.otel_api import _convert_otlp_json_ids_to_base64
from mlflow.tracing.constant import SpanAttributeKey
from mlflow.tracing.utils.otlp import decompress_otlp_body
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mlflow_oidc_auth.bridge.messages import read_strictly
from mlflow_oidc_auth.errors import BadRequest, TooLarge

LARGEST_UNPACKED = 64 * 1024 * 1024
"""In bytes, of a body after decompression."""

_PIECE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class SpansFound:
    """The traces that a body adds spans to, and the keys of the tags it may set on them."""

    trace_ids: frozenset[str]
    tag_keys: frozenset[str]


def traces_in(body: bytes, content_type: str | None, content_encoding: str | None) -> SpansFound:
    """What an OTLP body touches.

    Args:
        body: as the client sent it.
        content_type: the header; MLflow takes JSON and protobuf.
        content_encoding: the header; MLflow takes gzip and deflate.

    Raises:
        BadRequest: MLflow could not read it either, or it could be read two ways.
        TooLarge: it unpacks to more than :data:`LARGEST_UNPACKED`.
    """
    request = _parse(_unpacked(body, content_encoding), content_type)
    trace_ids, tag_keys = set[str](), set[str]()
    for resource_spans in request.resource_spans:
        tag_keys.update(attribute.key for attribute in resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                trace_ids.add(_trace_id(span))
                tag_keys.update(_tags(span))
    return SpansFound(frozenset(trace_ids), frozenset(tag_keys))


def _unpacked(body: bytes, content_encoding: str | None) -> bytes:
    if not content_encoding:
        return body
    encoding = content_encoding.lower()
    if _swells(body, encoding):
        raise TooLarge(f"The spans unpack to more than {LARGEST_UNPACKED // 2**20} MiB; send fewer at once.")
    try:
        unpacked: bytes = decompress_otlp_body(body, encoding)
    except HTTPException as error:
        raise BadRequest(str(error.detail)[:200]) from None
    return unpacked


def _swells(body: bytes, encoding: str) -> bool:
    """Whether a body unpacks to too much, found without keeping what it unpacks to.

    What cannot be unpacked does not swell; MLflow's own function then says what is wrong with it.
    """
    if encoding == "gzip":
        return _too_much(_gunzip(body))
    return encoding == "deflate" and any(_too_much(_inflate(body, bits)) for bits in (zlib.MAX_WBITS, -zlib.MAX_WBITS))


def _too_much(pieces: Iterator[bytes]) -> bool:
    size = 0
    try:
        for piece in pieces:
            size += len(piece)
            if size > LARGEST_UNPACKED:
                return True
    except (OSError, EOFError, zlib.error):
        pass
    return False


def _gunzip(body: bytes) -> Iterator[bytes]:
    with gzip.GzipFile(fileobj=io.BytesIO(body)) as file:
        while piece := file.read(_PIECE):
            yield piece


def _inflate(body: bytes, bits: int) -> Iterator[bytes]:
    stream = zlib.decompressobj(bits)
    while piece := stream.decompress(body, _PIECE):
        yield piece
        body = stream.unconsumed_tail  # empty once all is read, while more may come out


def _parse(body: bytes, content_type: str | None) -> ExportTraceServiceRequest:
    """The message, by the steps of MLflow's `export_traces`."""
    media_type = content_type.split(";")[0].strip() if content_type else None
    request = ExportTraceServiceRequest()
    try:
        match media_type:
            case "application/json":
                read_strictly(body)
                Parse(_convert_otlp_json_ids_to_base64(body), request, ignore_unknown_fields=True)
            case "application/x-protobuf":
                request.ParseFromString(body)
            case _:
                raise BadRequest("Spans come as application/x-protobuf or application/json; say which in Content-Type.")
    except (DecodeError, ProtoJsonError, ValueError, TypeError, AttributeError, RecursionError):
        raise BadRequest("The body of this request holds no OpenTelemetry spans that can be read.") from None
    return request


def _trace_id(span: Any) -> str:
    try:
        return str(Span.from_otel_proto(span).trace_id)
    except Exception as error:  # whatever MLflow stumbles over, it would refuse too
        raise BadRequest("A span in this request cannot be read.", detail=type(error).__name__) from None


def _tags(span: Any) -> Iterator[str]:
    prefix = SpanAttributeKey.TRACE_TAG_PREFIX
    for attribute in span.attributes:
        if attribute.key.startswith(prefix):
            yield attribute.key.removeprefix(prefix)
