"""Asking for a change as JSON, and what the audit then tells."""

from __future__ import annotations

import threading
from typing import Any

import sqlalchemy as sa

from mlflow_oidc_auth.audit import AuditFilter, AuditLog
from mlflow_oidc_auth.database.tables import metadata
from tests.http.api.site import Person, Site

Ask = tuple[Person, str, str, dict[str, Any]]


def asked(by: Person, method: str, path: str, **body: Any) -> tuple[int, Any]:
    """The status and the JSON of the answer."""
    answer = by.ask(method, path, body)
    return answer.status_code, answer.json


def asked_at_once(*asks: Ask) -> list[tuple[int, Any]]:
    """The answers, in the order of what was asked; each thread has a client of its own."""
    start = threading.Barrier(len(asks))
    told: list[tuple[int, Any]] = [(0, None)] * len(asks)

    def ask(place: int, by: Person, method: str, path: str, body: dict[str, Any]) -> None:
        start.wait(30)
        told[place] = asked(by, method, path, **body)

    threads = [threading.Thread(target=ask, args=(place, *one)) for place, one in enumerate(asks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return told


def audited(site: Site, act: str) -> list[tuple[str, Any, Any]]:
    """Of each record of this act, the oldest first: whom or what it is about, and what was before and after."""
    found = AuditLog(site.engine).page(AuditFilter(act=act), None, 100)
    return [(record.subject, record.before, record.after) for record in reversed(found)]


def everything(site: Site) -> dict[str, list[str]]:
    """All that any change could change."""
    with site.engine.connect() as connection:
        return {table.name: sorted(map(repr, connection.execute(sa.select(table)))) for table in metadata.sorted_tables}
