"""Groups of the login service, and teams, from the shell."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from mlflow_oidc_auth.cli.database import SHELL, database_option, opened
from mlflow_oidc_auth.cli.naming import ALL, group_named, user_named
from mlflow_oidc_auth.cli.output import Value, json_option, make_sure, print_rows, yes_option


@click.group()
def groups() -> None:
    """Groups of the login service, and teams."""


@groups.command("list")
@database_option
@click.option("--search", default="", metavar="TEXT", help="Only those whose name holds this text.")
@json_option
def list_groups(uri: str, search: str, as_json: bool) -> None:
    """List groups and teams."""
    from mlflow_oidc_auth.accounts.groups import GroupStore

    with opened(uri) as engine:
        found, _ = GroupStore(engine).page(search, 0, ALL)
    rows: list[dict[str, Value]] = [
        {
            "name": group.name,
            "source": str(group.source),
            "members": group.members,
            "description": group.description or None,
        }
        for group in found
    ]
    print_rows(rows, ["name", "source", "members", "description"], as_json=as_json)


@groups.command()
@click.argument("name")
@click.option("--description", default="", metavar="TEXT", help="What a team is for.")
@click.option("--provider", is_flag=True, help="A group of the login service, before anybody of it logged in.")
@database_option
def make(name: str, description: str, provider: bool, uri: str) -> None:
    """Make a team; or make a group of the login service known, so that something can be granted to it."""
    from mlflow_oidc_auth.accounts.groups import GroupSource, GroupStore

    source = GroupSource.PROVIDER if provider else GroupSource.TEAM
    with opened(uri) as engine:
        GroupStore(engine).make(name, source, by=SHELL, now=datetime.now(UTC), description=description)
    if provider:
        click.echo(f"The group {name} is known here; its members come with their logins.")
    else:
        click.echo(f"The team {name} is made; 'groups add' lets people be in it.")


@groups.command()
@click.argument("name")
@click.option("--name", "new_name", metavar="NAME", help="What it is called from now on.")
@click.option("--description", metavar="TEXT", help="What it is for.")
@database_option
def change(name: str, new_name: str | None, description: str | None, uri: str) -> None:
    """Call a team something else, or say something else about it."""
    from mlflow_oidc_auth.accounts.groups import GroupStore

    if new_name is None and description is None:
        raise click.UsageError("Say what changes: --name NAME or --description TEXT.")
    with opened(uri) as engine:
        team, store = group_named(engine, name), GroupStore(engine)
        present = store.descriptions().get(team.id, "")
        store.change(
            team.id,
            name=team.name if new_name is None else new_name,
            description=present if description is None else description,
            by=SHELL,
            now=datetime.now(UTC),
        )
    click.echo(f"The team {new_name or team.name} is changed.")


@groups.command()
@click.argument("name")
@database_option
@yes_option
def delete(name: str, uri: str, yes: bool) -> None:
    """Delete a team, with what was granted to it."""
    from mlflow_oidc_auth.accounts.groups import GroupStore

    with opened(uri) as engine:
        group = group_named(engine, name)
        make_sure(f"Delete {group.name} with all that was granted to it?", yes)
        GroupStore(engine).delete(group.id, by=SHELL, now=datetime.now(UTC))
    click.echo(f"{group.name} is deleted, with what was granted to it.")


@groups.command()
@click.argument("name")
@database_option
@json_option
def members(name: str, uri: str, as_json: bool) -> None:
    """List who is in a group or team."""
    from mlflow_oidc_auth.accounts.groups import GroupStore

    with opened(uri) as engine:
        found, _ = GroupStore(engine).members(group_named(engine, name).id, 0, ALL)
    rows: list[dict[str, Value]] = [
        {"username": user.username, "name": user.display_name, "active": user.is_active} for user in found
    ]
    print_rows(rows, ["username", "name", "active"], as_json=as_json)


@groups.command()
@click.argument("name")
@click.option("--user", required=True, metavar="NAME", help="Who is to be in the team.")
@database_option
def add(name: str, user: str, uri: str) -> None:
    """Let somebody be in a team."""
    from mlflow_oidc_auth.accounts.groups import GroupStore

    with opened(uri) as engine:
        team, member = group_named(engine, name), user_named(engine, user)
        GroupStore(engine).add_member(team.id, member.id, by=SHELL, now=datetime.now(UTC))
    click.echo(f"{member.username} is in the team {team.name}.")


@groups.command()
@click.argument("name")
@click.option("--user", required=True, metavar="NAME", help="Who is to leave the team.")
@database_option
def remove(name: str, user: str, uri: str) -> None:
    """Take somebody out of a team."""
    from mlflow_oidc_auth.accounts.groups import GroupStore

    with opened(uri) as engine:
        team, member = group_named(engine, name), user_named(engine, user)
        GroupStore(engine).remove_member(team.id, member.id, by=SHELL, now=datetime.now(UTC))
    click.echo(f"{member.username} is not in the team {team.name} any more.")
