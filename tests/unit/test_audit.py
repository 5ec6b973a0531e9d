"""What is written down can be found again: page by page, by who, what, when and how, and as one stream."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from mlflow_oidc_auth import audit, context
from mlflow_oidc_auth.audit import AuditFilter, AuditLog
from mlflow_oidc_auth.vocabulary import Credential, CredentialKind, Identity

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


def write(engine: sa.Engine, number: int = 0, **changed: Any) -> None:
    """One record, so many hours after NOW."""
    said: dict[str, Any] = {"by": "alice@example.test", "act": "grant.give", "subject": "experiment 7 for user bob"}
    with engine.begin() as connection:
        audit.record(connection, **said | changed, now=NOW + timedelta(hours=number))


def numbers(log: AuditLog, filters: AuditFilter) -> list[int]:
    """The hours of the records that fit, newest first."""
    return [int((record.at - NOW) / timedelta(hours=1)) for record in log.page(filters, None, 100)]


def test_a_subject_is_whole_however_long_its_names_are(engine: sa.Engine) -> None:
    subject = f"registered model {audit.quoted(chr(39) * 256)} for user {'x' * 256}"
    write(engine, subject=subject)
    (record,) = AuditLog(engine).page(AuditFilter(), None, 10)
    assert record.subject == subject
    assert len(subject) > 512


def test_no_name_reads_like_the_end_of_itself() -> None:
    read = re.compile(r"'(?P<name>(?:[^'\\]|\\.)*)' for user (?P<whom>.*)", re.DOTALL)
    for name in ("plain", "it's", "x' for user eve", "\\", "\\' for user eve", "''", ""):
        found = read.fullmatch(f"{audit.quoted(name)} for user bob")
        assert found is not None, name
        assert found["whom"] == "bob", name
        assert re.sub(r"\\(.)", r"\1", found["name"]) == name


def test_a_record_is_told_as_it_was_written(engine: sa.Engine) -> None:
    credential = Credential(CredentialKind.SESSION, 7, NOW)
    me = Identity(1, "alice@example.test", "Alice", False, False, frozenset(), credential)
    with context.viewing(context.Decided(me, "192.0.2.7")):
        write(engine, before={"level": "READ"}, after={"level": "EDIT"})
    (record,) = AuditLog(engine).page(AuditFilter(), None, 10)
    assert (record.by, record.act, record.subject) == ("alice@example.test", "grant.give", "experiment 7 for user bob")
    assert (record.credential, record.address, record.at) == ("session 7", "192.0.2.7", NOW)
    assert (record.before, record.after) == ({"level": "READ"}, {"level": "EDIT"})


def test_pages_follow_each_other_without_a_gap_while_more_is_written(engine: sa.Engine) -> None:
    log, seen = AuditLog(engine), []
    for number in range(7):
        write(engine, number)
    before = None
    while page := log.page(AuditFilter(), before, 3):
        seen += page
        before = page[-1].id
        write(engine, 99)
    assert [record.at for record in seen] == [NOW + timedelta(hours=number) for number in reversed(range(7))]


FITTING = {
    "by": (AuditFilter(by="Root@example.test "), [3]),
    "act": (AuditFilter(act="token.create"), [2]),
    "every act on a noun": (AuditFilter(act="grant"), [4, 3, 1, 0]),
    "the beginning of a noun is none": (AuditFilter(act="gran"), []),
    "subject, in whatever case": (AuditFilter(subject="FORECAST"), [1]),
    "subject with a wildcard of LIKE": (AuditFilter(subject="%"), [4]),
    "since": (AuditFilter(since=NOW + timedelta(hours=3)), [4, 3]),
    "until the end of that second": (AuditFilter(until=NOW + timedelta(hours=1)), [1, 0]),
    "a credential": (AuditFilter(credential="session 7"), [2]),
    "a kind of credential": (AuditFilter(credential="session"), [2]),
    "all of it at once": (AuditFilter("alice@example.test", "token", "bob", NOW, NOW + timedelta(days=1)), [2]),
    "nothing": (AuditFilter(by="nobody"), []),
}


@pytest.mark.parametrize(("filters", "hours"), FITTING.values(), ids=FITTING)
def test_only_what_fits_is_found(engine: sa.Engine, filters: AuditFilter, hours: list[int]) -> None:
    write(engine, 0)
    write(engine, 1, subject="model 'Forecast' for user carol")
    credential = Credential(CredentialKind.SESSION, 7, NOW)
    me = Identity(1, "alice@example.test", "Alice", False, False, frozenset(), credential)
    with context.viewing(context.Filtered(me)):
        write(engine, 2, act="token.create", subject="bob")
    write(engine, 3, by="root@example.test")
    write(engine, 4, act="grant.give", subject="experiment pattern '100%*'")
    assert numbers(AuditLog(engine), filters) == hours


def test_a_stream_tells_all_oldest_first_as_far_as_it_was_written_when_it_began(engine: sa.Engine) -> None:
    for number in range(10):
        write(engine, number, act="grant.give" if number % 2 else "token.create")
    stream = AuditLog(engine, at_once=3).stream(AuditFilter(act="grant"))
    first = next(stream)
    write(engine, 99)
    assert [(record.at - NOW) / timedelta(hours=1) for record in [first, *stream]] == [1, 3, 5, 7, 9]


def test_a_stream_of_nothing_ends(engine: sa.Engine) -> None:
    assert list(AuditLog(engine).stream(AuditFilter())) == []


def test_a_stream_holds_no_connection_while_its_reader_waits(engine: sa.Engine) -> None:
    for number in range(5):
        write(engine, number)
    stream = AuditLog(engine, at_once=2).stream(AuditFilter())
    next(stream)
    assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]
