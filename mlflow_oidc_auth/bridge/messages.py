"""What a Flask request holds, read with MLflow's own parser.

The gate and MLflow's handler must not read two different requests. So the ids come from the very message
that the handler will use, and whatever two readers could read differently is refused: a repeated key, a
field spelled twice (`run_id` and `runId`), JSON inside JSON, a body that is not the JSON object it should be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NoReturn

import mlflow
from flask import Request
from flask.json.provider import DefaultJSONProvider
from google.protobuf.json_format import ParseError
from google.protobuf.message import Message
from mlflow.exceptions import MlflowException
from mlflow.genai.scorers.scorer_utils import extract_model_from_serialized_scorer, is_gateway_model
from mlflow.protos.mlflow_artifacts_pb2 import UploadArtifact
from mlflow.server import handlers
from mlflow.utils.proto_json_utils import parse_dict

from mlflow_oidc_auth.bridge.unasked import (
    PROMPTLAB_RUN,
    check_message,
    check_promptlab_run,
    messages_beside_the_list,
)
from mlflow_oidc_auth.errors import BadRequest
from mlflow_oidc_auth.gate import Source
from mlflow_oidc_auth.operations.coverage import release
from mlflow_oidc_auth.operations.graphql import unlisted_fields
from mlflow_oidc_auth.operations.targets import Target, Where
from mlflow_oidc_auth.web.strict_json import parse, storable

MOST_TEXT = 4096  # of a refusal's quotation of what was sent


class StrictJSONProvider(DefaultJSONProvider):
    """Reads JSON as one reader would: a repeated key, NUL or lone surrogate is an error, not a choice.

    Raises :class:`BadRequest`, which Flask's `silent=True` does not swallow as it does a `ValueError`:
    otherwise a body that is no JSON would pass for an empty one.
    """

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """The value.

        Raises:
            ValueError: there is none; MLflow asks for the JSON of empty bodies too, and takes that for none.
            BadRequest: it is no JSON, or could be read two ways.
        """
        if not s:
            raise ValueError("no body")
        return read_strictly(s, **kwargs)


def read_strictly(text: str | bytes, **kwargs: Any) -> Any:
    """The value of a JSON text.

    Raises:
        BadRequest: it is no JSON, or could be read two ways.
    """
    value = parse(text, **kwargs)
    if _suspicious(text):
        _refuse_unstorable(value)
    return value


def _suspicious(text: str | bytes) -> bool:
    """Whether the text may hold escapes that no database stores."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    return b"\\u0000" in data or b"\\ud" in data.lower()


def _refuse_unstorable(value: Any) -> None:
    """NUL and lone surrogates: PostgreSQL stores neither."""
    match value:
        case str():
            if not storable(value):
                raise BadRequest("The JSON in this request holds a NUL or half of a character pair; leave it out.")
        case dict():
            for key, item in value.items():
                _refuse_unstorable(key)
                _refuse_unstorable(item)
        case list():
            for item in value:
                _refuse_unstorable(item)
        case _:
            pass


class FlaskReading:
    """One Flask request, as the gate reads it. Each part is parsed once."""

    def __init__(self, request: Request, message_class: type[Message] | None) -> None:
        self._request = request
        self._message_class = message_class
        self._message: Message | None = None

    def ids(self, target: Target) -> tuple[str, ...]:
        """Every id the target finds, as text, each once.

        Raises:
            BadRequest: the request could be read two ways.
        """
        if not served_from(target.since):
            return ()
        read: Callable[[str], Iterator[Any]]
        match target.where:
            case Where.MESSAGE:
                read = self._from_message
            case Where.PATH:
                read = self._from_path
            case Where.QUERY:
                read = self._from_query
            case Where.JSON:
                read = self._from_json
            case Where.HEADER:
                read = self._from_header
        found = (str(value) for field in target.fields for value in read(field))
        return tuple(dict.fromkeys(id_ for id_ in found if id_))

    def check(self) -> None:
        """Parse what MLflow will parse, so that a request it could read two ways is refused whatever it needs.

        Raises:
            BadRequest: it is one of those.
        """
        # A message without fields is never read: the body is a file that is uploaded.
        if self._message_class is not None and self._message_class.DESCRIPTOR.fields:
            check_message(self.message())
        elif self._request.path.endswith(PROMPTLAB_RUN):
            check_promptlab_run(self.json_body())

    def message(self) -> Message:
        """MLflow's own parsed message.

        Raises:
            BadRequest: the request does not fit the message.
        """
        if self._message is None:
            self._message = self._parse()
        return self._message

    def sent(self, field: str) -> bool:
        """Whether the message holds this field with a value."""
        return any(value not in ("", None) for value in self._from_message(field))

    def keys(self, fields: tuple[str, ...]) -> frozenset[str]:
        """The tag keys at these fields; a map counts by its keys."""
        return frozenset(str(value) for name in fields for value in self._from_message(name))

    def names_gateway(self, field: str) -> bool:
        """Whether the scorer in this field has a gateway endpoint as its model.

        Raises:
            BadRequest: it is no scorer.
        """
        return any(_is_of_gateway(str(text)) for text in self._from_message(field))

    def source(self) -> Source:
        """The source of a new model version."""

        def one(field: str) -> str:
            return str(next(self._from_message(field), ""))

        return Source(one("source"), one("run_id"), one("model_id"))

    def unlisted_fields(self) -> frozenset[str]:
        """The GraphQL fields of the document that are in no entry."""
        body = self.json_body()
        query = body.get("query")
        if not isinstance(query, str):
            raise BadRequest("A GraphQL request holds its document in 'query'.")
        return frozenset(unlisted_fields(query))

    def json_body(self) -> dict[str, Any]:
        """The JSON object in the body; empty without one.

        Raises:
            BadRequest: it is no JSON object.
        """
        if not self._request.get_data(cache=True):
            return {}
        body = self._request.get_json(force=True, silent=True)
        if not isinstance(body, dict):
            raise BadRequest("The body of this request must be a JSON object.")
        return body

    def _parse(self) -> Message:
        assert self._message_class is not None, "an operation that names a message field has a message"
        if self._request.method == "GET" and self._request.args:
            self._refuse_doubled_arguments(self._message_class)
        else:
            self._refuse_what_does_not_fit(self.json_body(), self._message_class())
        try:
            message: Message = handlers._get_request_message(self._message_class(), flask_request=self._request)
        except MlflowException as error:
            raise BadRequest(error.message[:MOST_TEXT]) from None
        return message

    def _refuse_doubled_arguments(self, message_class: type[Message]) -> None:
        for field in message_class.DESCRIPTOR.fields:
            if not _repeated(field) and len(self._request.args.getlist(field.name)) > 1:
                raise BadRequest(f"The query has '{field.name}' twice; send it once.")

    def _refuse_what_does_not_fit(self, body: dict[str, Any], message: Message) -> None:
        _refuse_two_spellings(body, message.DESCRIPTOR)
        try:
            parse_dict(body, message)
        except ParseError as error:
            raise BadRequest(f"The body of this request does not fit: {str(error)[:500]}") from None
        except (ValueError, TypeError, AttributeError, RecursionError):
            raise BadRequest("The body of this request does not fit what this operation takes.") from None

    def _from_message(self, field: str) -> Iterator[Any]:
        yield from _walk(self.message(), field.split("."))

    def _from_path(self, field: str) -> Iterator[Any]:
        yield (self._request.view_args or {}).get(field, "")

    def _from_query(self, field: str) -> Iterator[Any]:
        yield from self._request.args.getlist(field)

    def _from_json(self, field: str) -> Iterator[Any]:
        yield from _walk_json(self.json_body(), field.split("."))

    def _from_header(self, field: str) -> Iterator[Any]:
        yield from self._request.headers.getlist(field)


@cache
def served_from(version: str) -> bool:
    """Whether the installed MLflow is of this version or later; always for none."""
    return not version or release(mlflow.__version__) >= release(version)


def _repeated(field: Any) -> bool:
    repeated = getattr(field, "is_repeated", None)
    return bool(field.label == field.LABEL_REPEATED if repeated is None else repeated)


def _refuse_two_spellings(body: Any, descriptor: Any) -> None:
    """Protobuf takes a field's own name and its camel-case one, and lets the later win."""
    if not isinstance(body, dict):
        return
    for field in descriptor.fields:
        if field.name != field.json_name and field.name in body and field.json_name in body:
            raise BadRequest(f"The request has both '{field.name}' and '{field.json_name}'; send one of them.")
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            continue
        if field.message_type.full_name.startswith("google.protobuf."):
            continue
        value = body.get(field.name, body.get(field.json_name))
        for item in value if isinstance(value, list) else [value]:
            _refuse_two_spellings(item, field.message_type)


def _is_of_gateway(serialized_scorer: str) -> bool:
    scorer = read_strictly(serialized_scorer)
    try:
        return bool(is_gateway_model(extract_model_from_serialized_scorer(scorer)))
    except (AttributeError, TypeError):
        raise BadRequest("The serialized scorer is not one.") from None


def _walk(message: Any, parts: list[str]) -> Iterator[Any]:
    """The values of a dotted field; lists on the way are walked, unset messages hold nothing."""
    descriptor = message.DESCRIPTOR.fields_by_name.get(parts[0])
    if descriptor is None:
        _unknown_field(message, parts[0])
    value = getattr(message, parts[0])
    for item in value if _repeated(descriptor) else [value]:
        if len(parts) == 1:
            yield item
        elif _repeated(descriptor) or message.HasField(parts[0]):
            yield from _walk(item, parts[1:])


def _unknown_field(message: Any, field: str) -> NoReturn:
    raise LookupError(f"{type(message).__name__} has no field '{field}'")


def _walk_json(value: Any, parts: list[str]) -> Iterator[Any]:
    for item in value if isinstance(value, list) else [value]:
        if not parts:
            if isinstance(item, dict):
                raise BadRequest("An id in this request is an object; it must be text.")
            yield "" if item is None else item
        elif isinstance(item, dict):
            if parts[0] in item:
                yield from _walk_json(item[parts[0]], parts[1:])
        elif item is not None:
            raise BadRequest(f"'{parts[0]}' is not where this operation expects it.")


# Their handlers store the body as it comes and parse no message.
_STORED_AS_IT_COMES = (UploadArtifact,)


@cache
def message_classes() -> dict[tuple[str, str], type[Message]]:
    """MLflow's protobuf message for each Flask (rule, method) whose handler parses one."""
    listed = {
        (path, method): handler
        for path, handler, methods in handlers.get_endpoints(lambda request_class: request_class)
        for method in methods
        if isinstance(handler, type) and issubclass(handler, Message) and handler not in _STORED_AS_IT_COMES
    }
    return listed | messages_beside_the_list()
