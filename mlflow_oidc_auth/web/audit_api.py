"""The audit as JSON, for admins: one page after the other, or all of it as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Annotated, Any

import flask
from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from mlflow_oidc_auth.audit import AuditFilter, AuditLog, AuditRecord
from mlflow_oidc_auth.vocabulary import is_plain_number
from mlflow_oidc_auth.web.json_api import Moment, Told, add_json_route
from mlflow_oidc_auth.web.json_body import Number, Query, Text
from mlflow_oidc_auth.web.json_fields import page_size
from mlflow_oidc_auth.web.moments import end_of_day, iso


def first_moment(text: str) -> datetime:
    """The first moment of a day, UTC, as in 2027-01-31.

    Raises:
        ValueError: it is no day; the text is the end of a sentence.
    """
    return datetime.combine(end_of_day(text).date(), time(0, tzinfo=UTC))


def _older_than(value: object) -> object:
    if value == "":
        return None
    if isinstance(value, str):
        if not is_plain_number(value) or len(value) > 9:
            raise ValueError("is no page token of ours; leave it out for the first page.")
        return int(value)
    return value


_FirstDay = Annotated[
    datetime | None,
    BeforeValidator(lambda text: first_moment(text) if isinstance(text, str) else text),
    WithJsonSchema({"type": "string", "format": "date"}),
]
_UntilDay = Annotated[
    datetime | None,
    BeforeValidator(lambda text: end_of_day(text) if isinstance(text, str) else text),
    WithJsonSchema({"type": "string", "format": "date"}),
]


class FilterAudit(Query):
    """Which records: those that fit each of these. `act` may be a noun alone, as in `grant`; days are UTC."""

    by: Text | None = None
    act: Text | None = None
    subject: Text | None = None
    credential: Text | None = None
    since: _FirstDay = None
    until: _UntilDay = None

    def wanted(self) -> AuditFilter:
        """As the log reads it."""
        return AuditFilter(
            by=self.by or "",
            act=self.act or "",
            subject=self.subject or "",
            since=self.since,
            until=self.until,
            credential=self.credential or "",
        )


class ListAudit(FilterAudit):
    """Which records, and which page of them."""

    max_results: Annotated[Number, AfterValidator(page_size)] = Field(default=100)
    page_token: Annotated[int | None, BeforeValidator(_older_than), WithJsonSchema({"type": "string"})] = None


class ToldRecord(Told):
    """WIRE: who did what to whom or what, when, from where and by which credential; what was, and what is."""

    id: int
    at: Moment
    by: str
    credential: str
    address: str
    act: str
    subject: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class ManyRecords(Told):
    """One page of records, the newest first; `next_page_token` is empty on the last."""

    records: list[ToldRecord]
    next_page_token: str


def audit_api(log: AuditLog) -> flask.Blueprint:
    """The blueprint; register it under the static prefix."""
    ours = _AuditApi(log)
    blueprint = flask.Blueprint("oidc_auth_audit", __name__)
    add_json_route(blueprint, "GET", "2.0/mlflow/audit", ours.listed)
    add_json_route(blueprint, "GET", "2.0/mlflow/audit/export", ours.export, media_type="application/jsonl")
    return blueprint


@dataclass(frozen=True, slots=True)
class _AuditApi:
    log: AuditLog

    def listed(self, sent: ListAudit) -> ManyRecords:
        """Who did what to whom, when, from where and by which credential: the newest first."""
        found = self.log.page(sent.wanted(), sent.page_token, sent.max_results + 1)
        shown = found[: sent.max_results]
        more = str(shown[-1].id) if len(found) > len(shown) else ""
        return ManyRecords(records=[ToldRecord(**told_record(one)) for one in shown], next_page_token=more)

    def export(self, sent: FilterAudit) -> flask.Response:
        """All records that fit, the oldest first, as JSON lines (`application/jsonl`)."""
        return as_json_lines(self.log, sent.wanted())


def as_json_lines(log: AuditLog, wanted: AuditFilter) -> flask.Response:
    """A file of records, written while it is read."""
    answer = flask.Response(_lines(log, wanted), mimetype="application/jsonl")
    answer.headers["Content-Disposition"] = 'attachment; filename="mlflow-audit.jsonl"'
    answer.headers["Cache-Control"] = "no-store"
    return answer


def told_record(record: AuditRecord) -> dict[str, Any]:
    """The fields of a record."""
    return {name: getattr(record, name) for name in AuditRecord.__dataclass_fields__}


def _lines(log: AuditLog, wanted: AuditFilter) -> Iterator[str]:
    for record in log.stream(wanted):
        yield json.dumps(told_record(record) | {"at": iso(record.at)}, ensure_ascii=False) + "\n"
