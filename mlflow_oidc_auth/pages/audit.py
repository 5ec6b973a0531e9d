"""The audit, for admins: who did what to whom, when, from where and by which credential; what was, and what is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import flask
from werkzeug.wrappers import Response

from mlflow_oidc_auth.audit import AuditFilter, AuditRecord
from mlflow_oidc_auth.pages.lists import PAGE_SIZE, wrong
from mlflow_oidc_auth.pages.parts import Parts
from mlflow_oidc_auth.vocabulary import is_plain_number
from mlflow_oidc_auth.web.audit_api import as_json_lines, first_moment
from mlflow_oidc_auth.web.forms import query_fields
from mlflow_oidc_auth.web.moments import end_of_day, minute

_FIELDS = ("by", "act", "subject", "credential", "since", "until")
_LONGEST_VALUE = 200


def audit_pages(parts: Parts) -> flask.Blueprint:
    """The blueprint; register it under the static prefix."""
    ours = _AuditPage(parts)
    blueprint = flask.Blueprint("oidc_auth_audit_page", __name__)
    blueprint.add_url_rule("/permissions/audit", "audit", ours.page, methods=["GET"])
    blueprint.add_url_rule("/permissions/audit/lines", "lines", ours.lines, methods=["GET"])
    return blueprint


@dataclass(frozen=True, slots=True)
class _Change:
    """One value that a change made another; `None` where there was or is nothing."""

    name: str
    before: str | None
    after: str | None


class _AuditPage:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def page(self) -> Response:
        """The newest records that fit, or older ones."""
        said, older = query_fields(*_FIELDS), query_fields("before")["before"]
        wanted, problems = _wanted(said)
        if problems or (older and not _is_id(older)):
            return wrong(self._page(said, problems, [], False))
        found = self._parts.audit.page(wanted, int(older) if older else None, PAGE_SIZE + 1)
        return self._page(said, {}, found[:PAGE_SIZE], len(found) > PAGE_SIZE)

    def lines(self) -> Response:
        """All that fit, as a file of JSON lines."""
        said = query_fields(*_FIELDS)
        wanted, problems = _wanted(said)
        return wrong(self._page(said, problems, [], False)) if problems else as_json_lines(self._parts.audit, wanted)

    def _page(
        self, said: Mapping[str, str], problems: Mapping[str, str], records: list[AuditRecord], more: bool
    ) -> flask.Response:
        filters = {name: text.strip() for name, text in said.items() if text.strip()}
        return self._parts.pages.render(
            "permissions/audit.html",
            here="audit",
            said=said,
            wrong=problems,
            filters=filters,
            records=[(record, _changes(record)) for record in records],
            older=records[-1].id if more else None,
        )


def _wanted(said: Mapping[str, str]) -> tuple[AuditFilter, dict[str, str]]:
    """What the form asks for, and what is wrong with it."""
    problems: dict[str, str] = {}
    days: dict[str, datetime | None] = {"since": None, "until": None}
    for name, read in (("since", first_moment), ("until", end_of_day)):
        if said[name].strip():
            try:
                days[name] = read(said[name].strip())
            except ValueError as error:
                problems[name] = f"This {error}"
    texts = {name: said[name].strip() for name in ("by", "act", "subject", "credential")}
    return AuditFilter(**texts, since=days["since"], until=days["until"]), problems


def _is_id(text: str) -> bool:
    return is_plain_number(text) and len(text) < 10


def _changes(record: AuditRecord) -> list[_Change]:
    """What differs, by name."""
    before, after = record.before or {}, record.after or {}
    return [
        _Change(name, _word(before, name), _word(after, name))
        for name in dict.fromkeys([*before, *after])
        if before.get(name) != after.get(name)
    ]


def _word(values: Mapping[str, Any], name: str) -> str | None:
    value = values.get(name)
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if name.endswith("_at") and isinstance(value, str):
        with suppress(ValueError):  # written down in another way once
            return minute(datetime.fromisoformat(value))
    return text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + "…"
