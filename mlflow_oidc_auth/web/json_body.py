"""The JSON body and the query of a request to our own API, read strictly and once.

SECURITY: what could be read two ways is refused, never guessed: a repeated key, a field that is not known
(an end date that is silently dropped would be a grant for ever), a number where text belongs. Text that
no database stores (NUL, half of a character pair) is refused here, so that it cannot become a 500.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, TypeVar

import flask
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import ErrorDetails
from werkzeug.exceptions import RequestEntityTooLarge

from mlflow_oidc_auth.errors import BadRequest
from mlflow_oidc_auth.vocabulary import is_plain_number
from mlflow_oidc_auth.web.strict_json import parse, storable

LARGEST_BODY = 64 * 1024
"""In bytes; our requests are a few hundred."""

LONGEST_TEXT = 1024


class Body(BaseModel):
    """What a request's JSON object holds: these fields, of these types, and no others."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


class Query(BaseModel):
    """What a request's query holds: these parameters, each sent once. Others are ignored, as MLflow does."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


def _said(text: str) -> str:
    """Text that says something, and that every database stores."""
    if not text.strip():
        raise ValueError("is empty.")
    if not storable(text):
        raise ValueError("holds a NUL or half of a character pair; leave it out.")
    return text


def _plain_digits(value: object) -> object:
    """Python takes `1_0` and `３` for numbers too; no database does."""
    if isinstance(value, str):
        if not is_plain_number(value) or len(value) > 18:
            raise ValueError(f"must be a whole number; {quoted(value)} is none.")
        return int(value)
    return value


Text = Annotated[
    str,
    StringConstraints(max_length=LONGEST_TEXT),
    AfterValidator(_said),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT}),
]
"""Text that is not empty. A validator of a field's own raises ValueError with the end of a sentence that begins
with the field's name."""

Number = Annotated[int, Field(ge=0, le=10**18 - 1), BeforeValidator(_plain_digits)]
"""A whole number from 0 that databases can compare with, in plain digits where it is sent as text."""

_Body = TypeVar("_Body", bound=Body)
_Query = TypeVar("_Query", bound=Query)


def read_body(model: type[_Body]) -> _Body:
    """The running request's JSON object.

    Raises:
        BadRequest: the body is no such object; the sentence names the field.
    """
    sent = _object(_raw_body())
    try:  # written again, in one way: of JSON alone does pydantic read a choice strictly, and from its text
        return model.model_validate_json(json.dumps(sent, ensure_ascii=False).encode())
    except (UnicodeEncodeError, RecursionError):
        raise BadRequest("The JSON in this request holds half of a character pair, or is nested too deeply.") from None
    except ValidationError as error:
        raise BadRequest(_sentence(error.errors(include_url=False)[0], "field", model)) from None


def read_query(model: type[_Query]) -> _Query:
    """The running request's query.

    Raises:
        BadRequest: a parameter is missing, sent twice, or not what it must be; the sentence names it.
    """
    args = flask.request.args
    sent = {name: _only(name, args.getlist(name)) for name in model.model_fields if name in args}
    try:
        return model.model_validate(sent)
    except ValidationError as error:
        raise BadRequest(_sentence(error.errors(include_url=False)[0], "parameter", model)) from None


_WRONG_TYPES = {
    "string_type": "must be text.",
    "int_type": "must be a whole number.",
    "int_from_float": "must be a whole number.",
    "greater_than_equal": "must be a whole number from 0.",
    "less_than_equal": "is larger than any number here.",
    "bool_type": "must be true or false.",
    "list_type": "must be a list.",
    "dict_type": "must be an object.",
    "model_type": "must be an object.",
}


def _sentence(error: ErrorDetails, noun: str, model: type[BaseModel]) -> str:
    """What pydantic found, as a sentence for a person."""
    name = ".".join(str(part) for part in error["loc"])
    match error["type"]:
        case "missing":
            return f"The {noun} '{name}' is missing."
        case "extra_forbidden":
            return f"This request does not know the field {quoted(name)}; send {', '.join(model.model_fields)}."
        case "string_too_long":
            return f"'{name}' is longer than {error['ctx']['max_length']} characters."
        case "enum" | "literal_error":
            return f"'{name}' must be {error['ctx']['expected']}."
        case "json_invalid":
            return "The JSON in this request is nested too deeply."
        case "value_error":
            return f"'{name}' {error['ctx']['error']}" if name else str(error["ctx"]["error"])
        case other if other in _WRONG_TYPES:
            return f"'{name}' {_WRONG_TYPES[other]}"
    said = error["msg"][:1].lower() + error["msg"][1:]
    return f"'{name}' is not what it must be: {said}."


def _raw_body() -> bytes:
    flask.request.max_content_length = LARGEST_BODY
    try:
        return flask.request.get_data()
    except RequestEntityTooLarge:
        raise BadRequest(f"The body of this request is larger than {LARGEST_BODY} bytes.") from None


def _object(raw: bytes) -> dict[str, Any]:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise BadRequest("The body of this request is not valid JSON.") from None
    value = parse(text)
    if not isinstance(value, dict):
        raise BadRequest("The body of this request must be a JSON object.")
    return value


def _only(field: str, values: list[str]) -> str:
    if len(values) > 1:
        raise BadRequest(f"The parameter '{field}' is there twice; send it once.")
    return values[0]


def quoted(text: str) -> str:
    """Text that somebody sent, short enough and safe to send back in a sentence."""
    shown = text if len(text) <= 64 else text[:64] + "…"
    return "'" + "".join(char if char.isprintable() else "?" for char in shown) + "'"
