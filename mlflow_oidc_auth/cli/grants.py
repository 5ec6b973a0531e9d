"""Grants from the shell: given and taken away by the same store, and so the same rules, as everywhere else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

import click

from mlflow_oidc_auth.cli.accounts import group_named, user_named
from mlflow_oidc_auth.cli.database import SHELL, database_option, opened
from mlflow_oidc_auth.cli.output import Value, json_option, print_rows, printable
from mlflow_oidc_auth.errors import NotFound
from mlflow_oidc_auth.vocabulary import Kind, Level, Resource
from mlflow_oidc_auth.web.moments import last_second

if TYPE_CHECKING:
    import sqlalchemy as sa

    from mlflow_oidc_auth.grants.listing import Holders, ListedGrant
    from mlflow_oidc_auth.grants.store import GivenBy, Grantee, Named, Shareable

_Function = TypeVar("_Function", bound=Callable[..., object])

_COLUMNS = ["to", "kind", "on", "name", "level", "by", "since", "until"]


def _holder_options(function: _Function) -> _Function:
    user = click.option("--user", metavar="NAME", help="A user, by login name.")
    group = click.option("--group", metavar="NAME", help="A group or team.")
    return user(group(function))


def _resource_options(function: _Function) -> _Function:
    experiment = click.option("--experiment", metavar="ID", help="An experiment, by its id.")
    model = click.option("--model", metavar="NAME", help="A registered model.")
    prompt = click.option("--prompt", metavar="NAME", help="A prompt.")
    return experiment(model(prompt(function)))


@click.group()
def grants() -> None:
    """Who was given what: on experiments, registered models and prompts."""


@grants.command("list")
@database_option
@_holder_options
@_resource_options
@json_option
def list_grants(
    uri: str,
    user: str | None,
    group: str | None,
    experiment: str | None,
    model: str | None,
    prompt: str | None,
    as_json: bool,
) -> None:
    """List grants that have not ended: all, or those of a user or group, or on one resource."""
    from mlflow_oidc_auth.bridge.lookups import ResourceLookup
    from mlflow_oidc_auth.grants.listing import GrantListing

    named = _at_most_one_resource(experiment, model, prompt)
    with opened(uri) as engine:
        lookup = ResourceLookup(engine)
        resource = None if named is None else _there(engine, *named).resource
        holders = None if user is None and group is None else _holders(engine, user, group)
        found = GrantListing(engine).find(datetime.now(UTC), holders=holders, resource=resource)
        names = lookup.names([Resource(grant.kind, grant.on) for grant in found if not grant.is_pattern])
    print_rows([_row(grant, names) for grant in found], _COLUMNS, as_json=as_json)


@grants.command()
@database_option
@_holder_options
@_resource_options
@click.option(
    "--level",
    required=True,
    type=click.Choice([level.name for level in Level]),
    help="What they may do. NO_PERMISSIONS keeps out whom a group or pattern lets in.",
)
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="The last day of it (UTC).")
def give(
    uri: str,
    user: str | None,
    group: str | None,
    experiment: str | None,
    model: str | None,
    prompt: str | None,
    level: str,
    until: datetime | None,
) -> None:
    """Give a user or group a level on a resource; it replaces what their grant there said."""
    from mlflow_oidc_auth.grants.store import GrantStore

    now, named = datetime.now(UTC), _one_resource(experiment, model, prompt)
    end = None if until is None else last_second(until.date())
    if end is not None and end <= now:
        raise click.BadParameter("this day is over", param_hint="--until")
    _exactly_one_holder(user, group)
    with opened(uri) as engine:
        on, to = _there(engine, *named), _grantee(engine, user, group)
        GrantStore(engine).give(on, to, Level.parse(level), by=_shell(), now=now, until=end)
    ending = "" if end is None else f" until the end of {end:%Y-%m-%d} (UTC)"
    click.echo(f"The {to} has {level} on {_called(on)}{ending}.")


@grants.command("take-away")
@database_option
@_holder_options
@_resource_options
def take_away(
    uri: str, user: str | None, group: str | None, experiment: str | None, model: str | None, prompt: str | None
) -> None:
    """Remove the grant of a user or group on a resource. What groups and patterns give them stays."""
    from mlflow_oidc_auth.grants.store import GrantStore

    named = _one_resource(experiment, model, prompt)
    _exactly_one_holder(user, group)
    with opened(uri) as engine:
        on, of = _there(engine, *named), _grantee(engine, user, group)
        GrantStore(engine).take_away(on, of, by=_shell(), now=datetime.now(UTC))
    click.echo(f"The {of} has no grant of their own on {_called(on)} any more.")


def _shell() -> GivenBy:
    """SECURITY: who runs this has the database, and could write there what they like."""
    from mlflow_oidc_auth.grants.store import GivenBy

    return GivenBy(username=SHELL, is_admin=True)


def _at_most_one_resource(experiment: str | None, model: str | None, prompt: str | None) -> tuple[Kind, str] | None:
    given = {Kind.EXPERIMENT: experiment, Kind.REGISTERED_MODEL: model, Kind.PROMPT: prompt}
    named = [(kind, key) for kind, key in given.items() if key is not None]
    if len(named) > 1:
        raise click.UsageError("Give only one of --experiment, --model and --prompt.")
    return named[0] if named else None


def _one_resource(experiment: str | None, model: str | None, prompt: str | None) -> tuple[Kind, str]:
    named = _at_most_one_resource(experiment, model, prompt)
    if named is None:
        raise click.UsageError("Say on what: --experiment ID, --model NAME or --prompt NAME.")
    return named


def _exactly_one_holder(user: str | None, group: str | None) -> None:
    if (user is None) == (group is None):
        raise click.UsageError("Say to whom: either --user NAME or --group NAME.")


def _there(engine: sa.Engine, kind: Kind, key: str) -> Shareable:
    """The resource, if it is there.

    Raises:
        NotFound: it is not.
    """
    from mlflow_oidc_auth.bridge.lookups import ResourceLookup
    from mlflow_oidc_auth.grants.rules import NOUNS

    found = ResourceLookup(engine).find(kind, key)
    if found is None:
        raise NotFound(f"There is no {NOUNS[kind]} {printable(key)} in this database.")
    return found


def _grantee(engine: sa.Engine, user: str | None, group: str | None) -> Grantee:
    from mlflow_oidc_auth.grants.store import Grantee

    if user is not None:
        found = user_named(engine, user)
        return Grantee(found.id, found.username)
    team = group_named(engine, group or "")
    return Grantee(team.id, team.name, is_group=True)


def _holders(engine: sa.Engine, user: str | None, group: str | None) -> Holders:
    from mlflow_oidc_auth.grants.listing import Holders

    return Holders(
        user_id=None if user is None else user_named(engine, user).id,
        group_ids=frozenset() if group is None else frozenset({group_named(engine, group).id}),
    )


def _called(on: Shareable) -> str:
    from mlflow_oidc_auth.grants.rules import NOUNS

    noun, name = NOUNS[on.resource.kind], printable(on.name)
    return f"{noun} '{name}'" if on.resource.kind.named else f"{noun} {on.resource.key} '{name}'"


def _row(grant: ListedGrant, names: dict[Resource, Named]) -> dict[str, Value]:
    from mlflow_oidc_auth.grants.rules import NOUNS

    named = None if grant.is_pattern else names.get(Resource(grant.kind, grant.on))
    noun = NOUNS[grant.kind if named is None else named.kind]
    return {
        "to": f"{'group' if grant.user_id is None else 'user'} {grant.to}",
        "kind": f"{noun} pattern" if grant.is_pattern else noun,
        "on": grant.on,
        "name": None if named is None else named.name,
        "level": grant.level.name,
        "by": grant.granted_by,
        "since": grant.granted_at,
        "until": grant.expires_at,
    }
