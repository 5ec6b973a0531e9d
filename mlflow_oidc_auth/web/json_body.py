"""The JSON body and the query of a request to our own API, read strictly and once.

SECURITY: what could be read two ways is refused, never guessed: a repeated key, a field that is not known
(an end date that is silently dropped would be a grant for ever), a number where text belongs. Text that
no database stores (NUL, half of a character pair) is refused here, so that it cannot become a 500.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import flask
from werkzeug.exceptions import RequestEntityTooLarge

from mlflow_oidc_auth.errors import BadRequest
from mlflow_oidc_auth.web.strict_json import parse, storable

LARGEST_BODY = 64 * 1024
"""In bytes; our requests are a few hundred."""

LONGEST_TEXT = 1024


def body_texts(*fields: str) -> dict[str, str]:
    """The text fields of the running request's JSON object: each of `fields`, and no other.

    Raises:
        BadRequest: the body is no such object.
    """
    body = _object(_raw_body())
    _refuse_unknown(body, fields)
    return {field: _text(field, _present(body, field)) for field in fields}


def query_texts(*fields: str) -> dict[str, str]:
    """These parameters of the running request's query, each sent once. Others are ignored.

    Raises:
        BadRequest: one is missing, sent twice, or no text that can be looked up.
    """
    return {field: _text(field, _only(field, flask.request.args.getlist(field))) for field in fields}


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


def _refuse_unknown(body: dict[str, Any], known: Iterable[str]) -> None:
    for field in body:
        if field not in known:
            raise BadRequest(f"This request does not know the field {quoted(field)}; send {', '.join(known)}.")


def _present(body: dict[str, Any], field: str) -> Any:
    if field not in body:
        raise BadRequest(f"The field '{field}' is missing.")
    return body[field]


def _only(field: str, values: list[str]) -> str:
    if not values:
        raise BadRequest(f"The parameter '{field}' is missing.")
    if len(values) > 1:
        raise BadRequest(f"The parameter '{field}' is there twice; send it once.")
    return values[0]


def _text(field: str, value: Any) -> str:
    if not isinstance(value, str):
        raise BadRequest(f"'{field}' must be text.")
    if not value.strip():
        raise BadRequest(f"'{field}' is empty.")
    if len(value) > LONGEST_TEXT:
        raise BadRequest(f"'{field}' is longer than {LONGEST_TEXT} characters.")
    if not storable(value):
        raise BadRequest(f"'{field}' holds a NUL or half of a character pair; leave it out.")
    return value


def quoted(text: str) -> str:
    """Text that somebody sent, short enough and safe to send back in a sentence."""
    shown = text if len(text) <= 64 else text[:64] + "…"
    return "'" + "".join(char if char.isprintable() else "?" for char in shown) + "'"
