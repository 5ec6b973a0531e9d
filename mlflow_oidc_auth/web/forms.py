"""What a browser sends to our pages: the fields of a form, and which page of a list is asked for."""

from __future__ import annotations

import flask
from werkzeug.exceptions import RequestEntityTooLarge

from mlflow_oidc_auth.errors import BadRequest, TooLarge
from mlflow_oidc_auth.vocabulary import is_plain_number

LARGEST_FORM = 16 * 1024
"""In bytes; ours are a few hundred."""

_LAST_PAGE = 1_000_000
_LONGEST_ASKED = 1024


def form_fields(*fields: str) -> dict[str, str]:
    """These fields of the form; one that was not sent is empty.

    Raises:
        BadRequest: a field is there twice.
        TooLarge: no browser sends that much for our forms.
    """
    flask.request.max_content_length = LARGEST_FORM
    try:
        form = flask.request.form
    except RequestEntityTooLarge:
        raise TooLarge("This form is larger than any of ours.") from None
    for field in fields:
        if len(form.getlist(field)) > 1:
            raise BadRequest(f"The form holds '{field}' twice.")
    return {field: _storable(form.get(field, "")) for field in fields}


def form_list(field: str, most: int) -> list[str]:
    """Every value of a field that a form may hold many times, such as ticks; in the order they were sent.

    Raises:
        BadRequest: there are more than our form has.
    """
    found = list(dict.fromkeys(_storable(value) for value in flask.request.form.getlist(field)))
    if len(found) > most:
        raise BadRequest(f"The form holds more than {most} times '{field}'.")
    return found


def query_fields(*fields: str) -> dict[str, str]:
    """These fields of a form that asks for a page; one that was not sent is empty."""
    return {field: _storable(flask.request.args.get(field, ""))[:_LONGEST_ASKED] for field in fields}


def page_number(parameter: str = "page") -> int:
    """The page of the list that is asked for, from 1.

    Raises:
        BadRequest: it is no number of a page.
    """
    text = flask.request.args.get(parameter, "1")
    number = int(text) if is_plain_number(text) and len(text) <= 7 else 0
    if not 1 <= number <= _LAST_PAGE:
        raise BadRequest(f"'{parameter}' must be a number from 1. Open this page without it.")
    return number


def _storable(text: str) -> str:
    """PostgreSQL refuses NUL in a text: as another sign that cannot be printed, it is told at its field."""
    return text.replace("\0", "\x7f")
