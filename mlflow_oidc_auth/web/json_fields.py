"""What several of our JSON operations take: kinds, levels, days, and one page of a list."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

from mlflow_oidc_auth.vocabulary import Kind, Level, is_plain_number
from mlflow_oidc_auth.web.json_body import Number, Query, quoted
from mlflow_oidc_auth.web.moments import end_of_day
from mlflow_oidc_auth.web.strict_json import storable

_LEVELS = [level.name for level in Level]


def _kind(value: object) -> object:
    if isinstance(value, Kind):
        return value
    if not isinstance(value, str):
        raise ValueError("must be text.")
    try:
        return Kind(value)
    except ValueError:
        raise ValueError(
            f"is {quoted(value)}, and there are no permissions on that, only on {', '.join(Kind)}. "
            "What lies in an experiment, such as runs and traces, follows the experiment."
        ) from None


def _level(value: object) -> object:
    if isinstance(value, Level):
        return value
    if not isinstance(value, str):
        raise ValueError("must be text.")
    try:
        return Level.parse(value)
    except ValueError:
        raise ValueError(f"is {quoted(value)}, which is no permission; choose one of {', '.join(_LEVELS)}.") from None


def _end_of_day(value: object) -> object:
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError("must be text.")
    return end_of_day(value)


ResourceType = Annotated[
    Kind, BeforeValidator(_kind), WithJsonSchema({"type": "string", "enum": [str(kind) for kind in Kind]})
]
"""A kind of resource, as MLflow's auth API spells it."""

Permission = Annotated[
    Level,
    BeforeValidator(_level),
    PlainSerializer(lambda level: level.name, return_type=str),
    WithJsonSchema({"type": "string", "enum": _LEVELS}),
]
"""A level, by its name."""

LastDay = Annotated[
    datetime | None, BeforeValidator(_end_of_day), WithJsonSchema({"type": ["string", "null"], "format": "date"})
]
"""The day on which something ends: sent as 2027-01-31, read as the last second of that day, UTC. `None` for no end."""


MOST_ROWS = 1000
"""Of one page of a list."""


def page_size(value: int) -> int:
    """How many rows one page may have.

    Raises:
        ValueError: too many, or none.
    """
    if not 1 <= value <= MOST_ROWS:
        raise ValueError(f"must be a number from 1 to {MOST_ROWS}.")
    return value


PageSize = Annotated[
    Number, AfterValidator(page_size), WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MOST_ROWS})
]
"""How many rows of a list are asked for."""


def _offset(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        text = base64.urlsafe_b64decode(value).decode()
    except (binascii.Error, ValueError):
        text = "none"
    if value and not (is_plain_number(text) and len(text) <= 9):
        raise ValueError("is no page token of ours; leave it out for the first page.")
    return int(text or 0)


_LONGEST_SAID = 1024


def _said(text: str) -> str:
    if not storable(text):
        raise ValueError("holds a NUL or half of a character pair; leave it out.")
    return text


Said = Annotated[str, Field(max_length=_LONGEST_SAID), AfterValidator(_said)]
"""Text that somebody says about something; it may be empty."""

_Row = TypeVar("_Row")


class Paged(Query):
    """One page of a list. A handler reads one row more than `size`, and :meth:`cut` tells whether there are more."""

    max_results: PageSize = Field(default=100)
    page_token: Annotated[int, BeforeValidator(_offset), WithJsonSchema({"type": "string"})] = Field(default=0)

    @property
    def offset(self) -> int:
        """How many rows are before this page."""
        return self.page_token

    @property
    def size(self) -> int:
        """How many rows a page has at most."""
        return self.max_results

    def cut(self, rows: Sequence[_Row]) -> tuple[list[_Row], str]:
        """This page of at most one row more, and the token of the next page; "" on the last.

        Args:
            rows: read from :attr:`offset`, at most `size + 1`.
        """
        if len(rows) <= self.size:
            return list(rows), ""
        return list(rows[: self.size]), base64.urlsafe_b64encode(str(self.offset + self.size).encode()).decode()
