"""What was done by whom, from the shell."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from mlflow_oidc_auth.cli.database import database_option, opened
from mlflow_oidc_auth.cli.output import Value, print_rows
from mlflow_oidc_auth.web.moments import iso, last_second

if TYPE_CHECKING:
    from mlflow_oidc_auth.audit import AuditRecord

_COLUMNS = ["at", "by", "credential", "act", "subject", "before", "after"]
_DAY = click.DateTime(["%Y-%m-%d"])


@click.command()
@database_option
@click.option("--by", default="", metavar="NAME", help="What this user did; or 'shell', or 'system'.")
@click.option("--act", default="", metavar="ACT", help="Only this, as in 'grant.give'; or 'grant' for all of a kind.")
@click.option("--subject", default="", metavar="TEXT", help="Only what was done to something that holds this text.")
@click.option("--since", type=_DAY, metavar="DATE", help="From this day on (UTC).")
@click.option("--until", type=_DAY, metavar="DATE", help="Up to the end of this day (UTC).")
@click.option("--last", default=100, show_default=True, type=click.IntRange(1), help="How many, the newest first.")
@click.option("--jsonl", is_flag=True, help="All of them, the oldest first, one JSON object a line.")
def audit(
    uri: str,
    by: str,
    act: str,
    subject: str,
    since: datetime | None,
    until: datetime | None,
    last: int,
    jsonl: bool,
) -> None:
    """Who did what to whom, when, and by which credential."""
    from mlflow_oidc_auth.audit import AuditFilter, AuditLog

    wanted = AuditFilter(
        by=by,
        act=act,
        subject=subject,
        since=None if since is None else since.replace(tzinfo=UTC),
        until=None if until is None else last_second(until.date()),
    )
    with opened(uri) as engine:
        log = AuditLog(engine)
        if jsonl:
            for record in log.stream(wanted):
                click.echo(json.dumps(_told(record)))
        else:
            print_rows([_row(record) for record in log.page(wanted, None, last)], _COLUMNS, as_json=False)


def _told(record: AuditRecord) -> dict[str, object]:
    """WIRE: as `audit/export` has it."""
    fields = {name: getattr(record, name) for name in record.__dataclass_fields__}
    return fields | {"at": iso(record.at)}


def _row(record: AuditRecord) -> dict[str, Value]:
    return {
        "at": record.at,
        "by": record.by,
        "credential": record.credential or None,
        "act": record.act,
        "subject": record.subject,
        "before": None if record.before is None else json.dumps(record.before),
        "after": None if record.after is None else json.dumps(record.after),
    }
