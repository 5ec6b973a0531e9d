"""Service accounts, from the shell: who owns them, what they are for, and their end."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from mlflow_oidc_auth.cli.database import SHELL, database_option, opened
from mlflow_oidc_auth.cli.naming import ALL, service_account_named, user_named
from mlflow_oidc_auth.cli.output import Value, json_option, make_sure, print_rows, yes_option


@click.group("service-accounts")
def service_accounts() -> None:
    """Accounts of programs: no browser login, an owner, and access keys that admins make."""


@service_accounts.command("list")
@database_option
@click.option("--search", default="", metavar="TEXT", help="Only those whose name holds this text.")
@json_option
def list_service_accounts(uri: str, search: str, as_json: bool) -> None:
    """List service accounts."""
    from mlflow_oidc_auth.accounts.users import UserStore

    with opened(uri) as engine:
        store = UserStore(engine)
        found, _ = store.page(search, 0, ALL, service_accounts=True)
        names = {user.id: user.username for user in store.every()}
    rows: list[dict[str, Value]] = [
        {
            "username": account.username,
            "owner": names.get(account.owner_id or 0),
            "purpose": account.purpose or None,
            "active": account.is_active,
        }
        for account in found
    ]
    print_rows(rows, ["username", "owner", "purpose", "active"], as_json=as_json)


@service_accounts.command()
@click.argument("name")
@click.option("--owner", required=True, metavar="NAME", help="The person who answers for it.")
@click.option("--purpose", required=True, metavar="TEXT", help="What it does.")
@database_option
def create(name: str, owner: str, purpose: str, uri: str) -> None:
    """Make a service account."""
    from mlflow_oidc_auth.accounts.service_accounts import ServiceAccountStore

    with opened(uri) as engine:
        store, owner_id = ServiceAccountStore(engine), user_named(engine, owner).id
        made = store.create(name, owner_id, purpose, by=SHELL, now=datetime.now(UTC))
    click.echo(f"The service account {made.username} is made; 'tokens create' makes its access key.")


@service_accounts.command()
@click.argument("name")
@click.option("--owner", metavar="NAME", help="The person who answers for it from now on.")
@click.option("--purpose", metavar="TEXT", help="What it does.")
@database_option
def change(name: str, owner: str | None, purpose: str | None, uri: str) -> None:
    """Give a service account another owner or purpose."""
    from mlflow_oidc_auth.accounts.service_accounts import ServiceAccountStore

    if owner is None and purpose is None:
        raise click.UsageError("Say what changes: --owner NAME or --purpose TEXT.")
    with opened(uri) as engine:
        account = service_account_named(engine, name)
        ServiceAccountStore(engine).change(
            account.id,
            owner_id=account.owner_id if owner is None else user_named(engine, owner).id,
            purpose=account.purpose if purpose is None else purpose,
            by=SHELL,
            now=datetime.now(UTC),
        )
    click.echo(f"The service account {account.username} is changed.")


@service_accounts.command()
@click.argument("name")
@database_option
def disable(name: str, uri: str) -> None:
    """Stop a service account: its access keys are revoked at once. 'users enable' lets it work again."""
    from mlflow_oidc_auth.accounts.users import UserStore

    with opened(uri) as engine:
        account = service_account_named(engine, name)
        UserStore(engine).disable(account.id, datetime.now(UTC), by=SHELL)
    click.echo(f"The service account {account.username} is disabled, and its access keys are revoked.")


@service_accounts.command()
@click.argument("name")
@database_option
@yes_option
def delete(name: str, uri: str, yes: bool) -> None:
    """Delete a service account with its access keys and grants."""
    from mlflow_oidc_auth.accounts.users import UserStore

    with opened(uri) as engine:
        account = service_account_named(engine, name)
        make_sure(f"Delete the service account {account.username}?", yes)
        UserStore(engine).delete(account.id, datetime.now(UTC), by=SHELL)
    click.echo(f"The service account {account.username} is deleted, with its access keys and grants.")
