"""Users, groups and access keys, from the shell."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from mlflow_oidc_auth.cli.database import SHELL, database_option, opened
from mlflow_oidc_auth.cli.output import json_option, print_rows
from mlflow_oidc_auth.errors import NotFound

if TYPE_CHECKING:
    import sqlalchemy as sa

    from mlflow_oidc_auth.accounts.groups import Group
    from mlflow_oidc_auth.accounts.users import User

_ALL = 1_000_000  # users on one page: more than any server has


@click.group()
def users() -> None:
    """People and service accounts."""


@users.command("list")
@database_option
@click.option("--search", default="", metavar="TEXT", help="Only those whose user name or name holds this text.")
@json_option
def list_users(uri: str, search: str, as_json: bool) -> None:
    """List users."""
    from mlflow_oidc_auth.accounts.users import UserStore

    with opened(uri) as engine:
        found, _ = UserStore(engine).page(search, 0, _ALL)
    rows = [
        {
            "username": user.username,
            "name": user.display_name,
            "kind": "service account" if user.is_service_account else "person",
            "admin": user.is_admin,
            "active": user.is_active,
            "last_login": user.last_login_at,
        }
        for user in found
    ]
    print_rows(rows, ["username", "name", "kind", "admin", "active", "last_login"], as_json=as_json)


@users.command()
@click.argument("name")
@database_option
def disable(name: str, uri: str) -> None:
    """Keep a user out: their sessions end and their access keys are revoked at once."""
    from mlflow_oidc_auth.accounts.users import UserStore

    with opened(uri) as engine:
        user = user_named(engine, name)
        UserStore(engine).disable(user.id, datetime.now(UTC), by=SHELL)
    click.echo(f"{user.username} is disabled; their sessions ended and their access keys are revoked.")


@users.command()
@click.argument("name")
@database_option
def enable(name: str, uri: str) -> None:
    """Let a disabled user in again. Access keys that were revoked stay so."""
    from mlflow_oidc_auth.accounts.users import UserStore

    with opened(uri) as engine:
        user = user_named(engine, name)
        UserStore(engine).enable(user.id, datetime.now(UTC), by=SHELL)
    click.echo(f"{user.username} may log in again.")


@click.group()
def groups() -> None:
    """Groups of the provider, and teams."""


@groups.command("list")
@database_option
@json_option
def list_groups(uri: str, as_json: bool) -> None:
    """List groups and teams."""
    from mlflow_oidc_auth.accounts.groups import GroupStore

    with opened(uri) as engine:
        found = GroupStore(engine).every()
    rows = [{"name": group.name, "source": str(group.source)} for group in found]
    print_rows(rows, ["name", "source"], as_json=as_json)


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
    rows = [
        {
            "user": names.get(token.user_id),
            "id": token.public_id,
            "created": token.created_at,
            "by": token.created_by,
            "expires": token.expires_at,
            "last_used": token.last_used_at,
        }
        for token in found
    ]
    print_rows(rows, ["user", "id", "created", "by", "expires", "last_used"], as_json=as_json)


@tokens.command()
@click.option("--user", required=True, metavar="NAME", help="Whose access keys end.")
@database_option
def revoke(user: str, uri: str) -> None:
    """Revoke all access keys of a user; the next request with one is refused."""
    from mlflow_oidc_auth.tokens.store import TokenStore

    with opened(uri) as engine:
        owner = user_named(engine, user)
        count = TokenStore(engine).revoke_all(owner.id, by=SHELL, now=datetime.now(UTC))
    click.echo(f"{count} access key(s) of {owner.username} revoked.")


def user_named(engine: sa.Engine, name: str) -> User:
    """The user with this login name.

    Raises:
        NotFound: there is none.
    """
    from mlflow_oidc_auth.accounts.users import UserStore

    found = UserStore(engine).by_username(name)
    if found is None:
        raise NotFound(f"There is no user {name}. People become users at their first login; see 'users list'.")
    return found


def group_named(engine: sa.Engine, name: str) -> Group:
    """The group or team with this name; as in settings, `prokube users` also means `/prokube users`.

    Raises:
        NotFound: there is none.
    """
    from mlflow_oidc_auth.accounts.groups import GroupStore

    store = GroupStore(engine)
    found = store.by_name(name) or (None if name.startswith("/") else store.by_name(f"/{name}"))
    if found is None:
        raise NotFound(f"There is no group {name}. Groups become known when a member logs in; see 'groups list'.")
    return found
