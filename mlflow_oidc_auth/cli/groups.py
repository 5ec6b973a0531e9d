"""Groups of the login service, and teams, from the shell."""

from __future__ import annotations

import click

from mlflow_oidc_auth.cli.database import database_option, opened
from mlflow_oidc_auth.cli.output import Value, json_option, print_rows


@click.group()
def groups() -> None:
    """Groups of the login service, and teams."""


@groups.command("list")
@database_option
@json_option
def list_groups(uri: str, as_json: bool) -> None:
    """List groups and teams."""
    from mlflow_oidc_auth.accounts.groups import GroupStore

    with opened(uri) as engine:
        found = GroupStore(engine).every()
    rows: list[dict[str, Value]] = [{"name": group.name, "source": str(group.source)} for group in found]
    print_rows(rows, ["name", "source"], as_json=as_json)
