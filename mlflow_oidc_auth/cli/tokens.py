"""Access keys, from the shell: their secrets are nowhere, but for the moment in which one is made."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from mlflow_oidc_auth.cli.database import SHELL, database_option, opened
from mlflow_oidc_auth.cli.naming import service_account_named, user_named
from mlflow_oidc_auth.cli.output import Value, json_option, print_rows, warn
from mlflow_oidc_auth.errors import BadRequest

if TYPE_CHECKING:
    import sqlalchemy as sa

    from mlflow_oidc_auth.accounts.users import User

KEY_DAYS = click.IntRange(min=1)
"""For how many days a key is made; what is too long is refused by :func:`make_key`."""

_COLUMNS = ["user", "id", "name", "created", "by", "expires", "last_used"]


@click.group()
def tokens() -> None:
    """Access keys: never their secrets, which nobody has."""


@tokens.command("list")
@database_option
@click.option("--user", metavar="NAME", help="Only the keys of this user.")
@json_option
def list_tokens(uri: str, user: str | None, as_json: bool) -> None:
    """List the access keys that work."""
    from mlflow_oidc_auth.accounts.users import UserStore
    from mlflow_oidc_auth.tokens.store import TokenStore

    now = datetime.now(UTC)
    with opened(uri) as engine:
        store, owners = TokenStore(engine), UserStore(engine)
        found = store.active(now) if user is None else store.active_of(user_named(engine, user).id, now)
        names = {owner.id: owner.username for owner in owners.every()}
    rows: list[dict[str, Value]] = [
        {
            "user": names.get(token.user_id),
            "id": token.public_id,
            "name": token.name or None,
            "created": token.created_at,
            "by": token.created_by,
            "expires": token.expires_at,
            "last_used": token.last_used_at,
        }
        for token in found
    ]
    print_rows(rows, _COLUMNS, as_json=as_json)


@tokens.command()
@click.option("--user", required=True, metavar="NAME", help="The service account that is to have it.")
@click.option("--days", required=True, type=KEY_DAYS, help="For how many days it works.")
@click.option("--name", default="made in the shell", metavar="TEXT", help="What it is for.")
@database_option
def create(user: str, days: int, name: str, uri: str) -> None:
    """Make an access key for a service account and print it, once.

    People make theirs on the Permissions page, where nobody else sees it. How long it may work, how many there may be
    and how long a replaced one works on is what the server's settings say (MAX_TOKEN_DAYS, MAX_TOKENS_PER_USER,
    REPLACED_TOKEN_HOURS), if they are in the environment of this command too.
    """
    now = datetime.now(UTC)
    with opened(uri) as engine:
        account = service_account_named(engine, user)
        key = make_key(engine, account, days, name, now)
    warn(f"This access key of {account.username} is shown once and works {days} days.")
    click.echo(key)


@tokens.command()
@click.option("--user", required=True, metavar="NAME", help="Whose access keys end.")
@click.option("--id", "public_id", metavar="ID", help="This one alone, by its id in 'tokens list'.")
@database_option
def revoke(user: str, public_id: str | None, uri: str) -> None:
    """Revoke all access keys of a user, or one; the next request with it is refused."""
    from mlflow_oidc_auth.tokens.store import TokenStore

    now = datetime.now(UTC)
    with opened(uri) as engine:
        owner, store = user_named(engine, user), TokenStore(engine)
        if public_id is None:
            count = store.revoke_all(owner.id, by=SHELL, now=now)
        else:
            store.revoke(owner.id, public_id, by=SHELL, now=now)
            count = 1
    click.echo(f"{count} access key(s) of {owner.username} revoked.")


def make_key(engine: sa.Engine, user: User, days: int, name: str, now: datetime) -> str:
    """A new access key in plain, in the place of the one that the user has; whoever calls shows it once.

    Raises:
        BadRequest: the name cannot be one, there are as many keys as there may be, or it is for too long.
        Forbidden: the user is disabled.
        StartRefused: a setting about keys in the environment is wrong.
    """
    from mlflow_oidc_auth.settings import parse_alone
    from mlflow_oidc_auth.tokens.store import TokenStore

    settings = parse_alone(os.environ, "MAX_TOKEN_DAYS", "MAX_TOKENS_PER_USER", "REPLACED_TOKEN_HOURS")
    longest = settings["max_token_days"]
    if days > longest:
        raise BadRequest(f"An access key works at most {longest} days here (MAX_TOKEN_DAYS); ask for fewer.")
    overlap = timedelta(hours=settings["replaced_token_hours"])
    store = TokenStore(engine, settings["max_tokens_per_user"], overlap=overlap)
    before = {key.public_id for key in store.active_of(user.id, now)}
    made, _ = store.create(user.id, now + timedelta(days=days), by=SHELL, now=now, name=name)
    left = {key.public_id: key for key in store.active_of(user.id, now)}
    if ended := before - left.keys():
        warn(f"{len(ended)} access key(s) of {user.username} were replaced, and work no more.")
    for key in left.values():
        if key.replaced_at == now:
            warn(f"The access key {key.public_id} of {user.username} was replaced, and works until {key.expires_at}.")
    return made.reveal()
