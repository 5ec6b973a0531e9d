"""People and service accounts, from the shell; and the way back in for the day the login service is gone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from mlflow_oidc_auth.cli.database import SHELL, database_option, opened
from mlflow_oidc_auth.cli.naming import ALL, acting, user_named
from mlflow_oidc_auth.cli.output import (
    Value,
    json_option,
    make_sure,
    print_fields,
    print_rows,
    warn,
    yes_option,
)
from mlflow_oidc_auth.cli.tokens import KEY_DAYS, make_key
from mlflow_oidc_auth.errors import BadRequest

if TYPE_CHECKING:
    import sqlalchemy as sa

    from mlflow_oidc_auth.accounts.users import User
    from mlflow_oidc_auth.login.sessions import SessionStore

_COLUMNS = ["username", "name", "kind", "admin", "active", "last_login"]


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
        found, _ = UserStore(engine).page(search, 0, ALL)
    print_rows([_row(user) for user in found], _COLUMNS, as_json=as_json)


@users.command()
@click.argument("name")
@database_option
@json_option
def show(name: str, uri: str, as_json: bool) -> None:
    """What is known of one user: groups, access keys, sessions, and how much they manage."""
    from mlflow_oidc_auth.accounts.groups import GroupStore
    from mlflow_oidc_auth.tokens.store import TokenStore

    now = datetime.now(UTC)
    with opened(uri) as engine:
        user = user_named(engine, name)
        keys = TokenStore(engine).active_of(user.id, now)
        fields: dict[str, Value] = {
            **_row(user),
            "created": user.created_at,
            "groups": ", ".join(group.name for group in GroupStore(engine).of_user(user.id)) or None,
            "access_keys": len(keys),
            "first_key_ends": min((key.expires_at for key in keys), default=None),
            "last_use_of_a_key": max((key.last_used_at for key in keys if key.last_used_at), default=None),
            "sessions": len(_sessions(engine).listing(user.id, now)),
            "manages": _manages(engine, user, now),
        }
        if user.is_service_account:
            fields |= {"owner": _owner(engine, user), "purpose": user.purpose or None}
    print_fields(fields, as_json=as_json)


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


@users.command()
@click.argument("name")
@database_option
@yes_option
def delete(name: str, uri: str, yes: bool) -> None:
    """Delete a user with their sessions, access keys and grants.

    What they alone manage is then managed by nobody: hand it over first.
    """
    from mlflow_oidc_auth.accounts.users import UserStore

    now = datetime.now(UTC)
    with opened(uri) as engine:
        user = user_named(engine, name)
        count = _manages(engine, user, now)
        if count:
            warn(f"{user.username} manages {count} resource(s); 'users hand-over' gives them to somebody else.")
        make_sure(f"Delete {user.username}?", yes)
        UserStore(engine).delete(user.id, now, by=SHELL)
    after = " See 'unmanaged' for what nobody manages now." if count else ""
    click.echo(f"{user.username} is deleted, with their sessions, access keys and grants.{after}")


@users.command("hand-over")
@click.argument("name")
@click.option("--to", required=True, metavar="NAME", help="Who is to have it.")
@database_option
def hand_over(name: str, to: str, uri: str) -> None:
    """Give all that a user manages by grants of their own to another user."""
    from mlflow_oidc_auth.grants.store import GrantStore

    with opened(uri) as engine:
        giver, taker = user_named(engine, name), user_named(engine, to)
        by = acting(engine, None)
        count = GrantStore(engine).hand_over(giver.id, taker.id, by=by, now=datetime.now(UTC))
    click.echo(f"{taker.username} has MANAGE on {count} resource(s) and pattern(s) that were {giver.username}'s.")


@users.command("make-admin")
@click.argument("name")
@click.option("--key", "days", type=KEY_DAYS, metavar="DAYS", help="Make an access key for them, for so many days.")
@database_option
def make_admin(name: str, days: int | None, uri: str) -> None:
    """Make a user an admin, with the database alone: for the day the login service is gone.

    At their next login they are what the login service says. The access key is printed once, and replaces the one
    they have.
    """
    from mlflow_oidc_auth.accounts.rules import may_not_be_admin
    from mlflow_oidc_auth.accounts.users import UserStore

    now = datetime.now(UTC)
    with opened(uri) as engine:
        user = user_named(engine, name)
        if wrong := may_not_be_admin(user):
            raise BadRequest(wrong)
        # The key first: where it is refused, nobody has become an admin.
        key = None if days is None else make_key(engine, user, days, "made in the shell", now)
        UserStore(engine).make_admin(user.username, now, by=SHELL)
    warn(f"{user.username} is an admin until their next login, which follows the login service's admin group.")
    if key is None:
        click.echo(f"{user.username} is an admin.")
    else:
        warn(f"Their user name is {user.username}; this access key is shown once and works {days} days.")
        click.echo(key)


@users.group()
def sessions() -> None:
    """Who is logged in with a browser."""


@sessions.command("list")
@click.argument("name")
@database_option
@json_option
def list_sessions(name: str, uri: str, as_json: bool) -> None:
    """List the sessions of a user."""
    from mlflow_oidc_auth.login.browsers import browser_words

    with opened(uri) as engine:
        found = _sessions(engine).listing(user_named(engine, name).id, datetime.now(UTC))
    rows: list[dict[str, Value]] = [
        {
            "id": row.id,
            "browser": browser_words(row.user_agent),
            "since": row.created_at,
            "last_seen": row.last_seen_at,
            "ends": row.expires_at,
        }
        for row in found
    ]
    print_rows(rows, ["id", "browser", "since", "last_seen", "ends"], as_json=as_json)


@sessions.command("end")
@click.argument("name")
@click.option("--id", "session_id", type=int, metavar="ID", help="This one alone, by its number in 'list'.")
@database_option
def end_sessions(name: str, session_id: int | None, uri: str) -> None:
    """End the sessions of a user: the next page asks them to log in."""
    now = datetime.now(UTC)
    with opened(uri) as engine:
        user = user_named(engine, name)
        if session_id is None:
            count = _sessions(engine).end_all(user.id, by=SHELL, now=now)
        else:
            _sessions(engine).end(user.id, session_id, by=SHELL, now=now)
            count = 1
    click.echo(f"{count} session(s) of {user.username} ended.")


def _row(user: User) -> dict[str, Value]:
    return {
        "username": user.username,
        "name": user.display_name,
        "kind": "service account" if user.is_service_account else "person",
        "admin": user.is_admin,
        "active": user.is_active,
        "last_login": user.last_login_at,
    }


def _owner(engine: sa.Engine, user: User) -> str | None:
    from mlflow_oidc_auth.accounts.users import UserStore

    owner = None if user.owner_id is None else UserStore(engine).by_id(user.owner_id)
    return None if owner is None else owner.username


def _manages(engine: sa.Engine, user: User, now: datetime) -> int:
    """How many resources the user manages by grants of their own."""
    from mlflow_oidc_auth.grants.counts import GrantCounts

    _, manages = GrantCounts(engine).of_user(user.id, now)
    return manages


def _sessions(engine: sa.Engine) -> SessionStore:
    """Sessions to look at and to end: no cookie is read here, and so neither the key nor the lifetimes matter."""
    from mlflow_oidc_auth.login.sessions import SessionStore

    long = timedelta(days=3650)
    return SessionStore(engine, "not used: nothing is unsealed here", idle=long, absolute=long)
