"""Requests for access, decided in the shell."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from mlflow_oidc_auth.cli.database import database_option, opened
from mlflow_oidc_auth.cli.naming import (
    ALL,
    acting,
    as_option,
    called,
    default_option,
    end_of,
    level_option,
    until_option,
)
from mlflow_oidc_auth.cli.output import Value, json_option, print_rows
from mlflow_oidc_auth.vocabulary import Level

if TYPE_CHECKING:
    import sqlalchemy as sa

    from mlflow_oidc_auth.grants.requests import RequestStore

_COLUMNS = ["id", "user", "kind", "on", "name", "level", "reason", "asked", "ends"]


@click.group()
def requests() -> None:
    """Who asked for access to what."""


@requests.command("list")
@database_option
@as_option
@default_option
@json_option
def list_requests(uri: str, as_user: str | None, default: str, as_json: bool) -> None:
    """List open requests on what is there, the oldest first; with --as, those that this user may decide."""
    from mlflow_oidc_auth.grants.rules import NOUNS

    with opened(uri) as engine:
        found, _ = _store(engine, default).to_decide(acting(engine, as_user), datetime.now(UTC), 0, ALL)
    rows: list[dict[str, Value]] = [
        {
            "id": asked.id,
            "user": asked.username,
            "kind": NOUNS[asked.kind],
            "on": asked.on.resource.key,
            "name": asked.on.name,
            "level": asked.level.name,
            "reason": asked.reason or None,
            "asked": asked.asked_at,
            "ends": asked.ends_at,
        }
        for asked in found
    ]
    print_rows(rows, _COLUMNS, as_json=as_json)


@requests.command()
@click.argument("request_id", metavar="ID", type=int)
@database_option
@level_option(required=False)
@until_option
@as_option
@default_option
def grant(
    request_id: int, uri: str, level: str | None, until: datetime | None, as_user: str | None, default: str
) -> None:
    """Give what was asked for, or another level."""
    now = datetime.now(UTC)
    end, wanted = end_of(until, now), None if level is None else Level.parse(level)
    with opened(uri) as engine:
        by = acting(engine, as_user)
        asked = _store(engine, default).grant(request_id, by=by, now=now, level=wanted, until=end)
    click.echo(f"{asked.username} has {(wanted or asked.level).name} on {called(asked.on)}.")


@requests.command()
@click.argument("request_id", metavar="ID", type=int)
@database_option
@as_option
@default_option
def decline(request_id: int, uri: str, as_user: str | None, default: str) -> None:
    """Give nothing. The person who asked is not told."""
    with opened(uri) as engine:
        asked = _store(engine, default).decline(request_id, by=acting(engine, as_user), now=datetime.now(UTC))
    click.echo(f"The request of {asked.username} for {called(asked.on)} is declined.")


def _store(engine: sa.Engine, default: str) -> RequestStore:
    from mlflow_oidc_auth.bridge.lookups import ResourceLookup
    from mlflow_oidc_auth.grants.requests import RequestStore
    from mlflow_oidc_auth.grants.store import GrantStore

    level = Level.parse(default)
    return RequestStore(engine, level, GrantStore(engine, level), ResourceLookup(engine))
