"""Where a request names its resource.

A :class:`Target` says what an id is the id *of* and where in the request it stands. The gate judges
every id that a target finds, not the first: inserts and merges are never row-filtered, so the gate is
all that stands before them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class IdKind(StrEnum):
    """What an id in a request identifies; `bridge/judge.py` leads each to its experiment or name."""

    EXPERIMENT = "experiment"
    RUN = "run"
    TRACE = "trace"
    ASSESSMENT = "assessment"
    LOGGED_MODEL = "logged model"
    DATASET = "evaluation dataset"
    ISSUE = "issue"
    LABEL_SCHEMA = "label schema"
    REVIEW_QUEUE = "review queue"
    ARTIFACT_PATH = "artifact path"
    NAME = "registered model or prompt"


class Where(StrEnum):
    """The part of a request that holds the id."""

    PATH = "path"  # a part of the routed path: known before the body is read
    HEADER = "header"  # likewise
    MESSAGE = "message"  # MLflow's own parsed protobuf message (query or body)
    QUERY = "query"  # the query string, for handlers without a message
    JSON = "json"  # the JSON body, for handlers without a message


EARLY = frozenset({Where.PATH, Where.HEADER})


@dataclass(frozen=True, slots=True)
class Target:
    """`fields` of `where` that hold ids of `kind`.

    A field may be dotted (`trace.trace_info.trace_id`); lists on the way are walked. Every id found
    counts. Unless `optional`, a request that names none is refused. `since`: the MLflow version that first
    has the field; before, a request cannot hold it.
    """

    kind: IdKind
    where: Where
    fields: tuple[str, ...]
    optional: bool = False
    since: str = ""


def in_path(kind: IdKind, field: str) -> Target:
    """The id is the part `field` of the path."""
    return Target(kind, Where.PATH, (field,))


def in_message(kind: IdKind, *fields: str, optional: bool = False, since: str = "") -> Target:
    """The ids are these fields of MLflow's parsed message."""
    return Target(kind, Where.MESSAGE, fields, optional, since)


def in_query(kind: IdKind, *fields: str, optional: bool = False) -> Target:
    """The ids are these fields of the query string."""
    return Target(kind, Where.QUERY, fields, optional)


def in_json(kind: IdKind, *fields: str, optional: bool = False) -> Target:
    """The ids are these fields of the JSON body."""
    return Target(kind, Where.JSON, fields, optional)


def in_header(kind: IdKind, field: str) -> Target:
    """The id is a header."""
    return Target(kind, Where.HEADER, (field,))
