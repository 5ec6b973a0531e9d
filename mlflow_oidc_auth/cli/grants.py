"""Grants from the shell: given and taken away by the same store, and so the same rules, as everywhere else."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from mlflow_oidc_auth.cli.database import database_option, opened
from mlflow_oidc_auth.cli.naming import (
    acting,
    as_option,
    at_most_one_resource,
    called,
    default_option,
    end_of,
    exactly_one_holder,
    grantee,
    holder_options,
    holders,
    level_option,
    parsed,
    pattern_options,
    patterned,
    resource_options,
    shared,
    there,
    until_option,
)
from mlflow_oidc_auth.cli.output import Value, json_option, print_fields, print_rows
from mlflow_oidc_auth.vocabulary import Level, Resource

if TYPE_CHECKING:
    from mlflow_oidc_auth.grants.listing import ListedGrant
    from mlflow_oidc_auth.grants.store import Named

COLUMNS = ["to", "kind", "on", "name", "level", "by", "since", "until"]


@click.group()
def grants() -> None:
    """Who was given what: on experiments, registered models, prompts and patterns."""


@grants.command("list")
@database_option
@holder_options
@resource_options
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
    """List grants that have not ended: all, or those of a user or group, or on one resource.

    On one resource, the patterns that cover it are listed too.
    """
    from mlflow_oidc_auth.bridge.lookups import ResourceLookup
    from mlflow_oidc_auth.grants.listing import GrantListing

    named = at_most_one_resource(experiment, model, prompt)
    with opened(uri) as engine:
        on = None if named is None else there(engine, *named)
        resource, name = (None, None) if on is None else (on.resource, on.name)
        whose, now = holders(engine, user, group), datetime.now(UTC)
        found = GrantListing(engine).find(now, holders=whose, resource=resource, name=name)
        of = [Resource(grant.kind, grant.on) for grant in found if not grant.is_pattern]
        names = ResourceLookup(engine).names(of)
    print_rows([_row(grant, names) for grant in found], COLUMNS, as_json=as_json)


@grants.command()
@database_option
@holder_options
@resource_options
@pattern_options
@level_option(required=True)
@until_option
@as_option
@default_option
def give(
    uri: str,
    user: str | None,
    group: str | None,
    experiment: str | None,
    model: str | None,
    prompt: str | None,
    pattern: str | None,
    kind: str | None,
    level: str,
    until: datetime | None,
    as_user: str | None,
    default: str,
) -> None:
    """Give a user or group a level on a resource or pattern; it replaces what their grant there said."""
    from mlflow_oidc_auth.grants.store import GrantStore

    now, named = datetime.now(UTC), at_most_one_resource(experiment, model, prompt)
    many, end = patterned(pattern, kind, named), end_of(until, now)
    exactly_one_holder(user, group)
    with opened(uri) as engine:
        on, to = shared(engine, named, many), grantee(engine, user, group)
        by = acting(engine, as_user)
        GrantStore(engine, Level.parse(default)).give(on, to, Level.parse(level), by=by, now=now, until=end)
    ending = "" if end is None else f" until the end of {end:%Y-%m-%d} (UTC)"
    click.echo(f"The {to} has {level} on {called(on)}{ending}.")


@grants.command("take-away")
@database_option
@holder_options
@resource_options
@pattern_options
@as_option
@default_option
def take_away(
    uri: str,
    user: str | None,
    group: str | None,
    experiment: str | None,
    model: str | None,
    prompt: str | None,
    pattern: str | None,
    kind: str | None,
    as_user: str | None,
    default: str,
) -> None:
    """Remove the grant of a user or group on a resource or pattern. What others give them stays."""
    from mlflow_oidc_auth.grants.store import GrantStore

    named = at_most_one_resource(experiment, model, prompt)
    many = patterned(pattern, kind, named)
    exactly_one_holder(user, group)
    with opened(uri) as engine:
        on, of = shared(engine, named, many), grantee(engine, user, group)
        by = acting(engine, as_user)
        GrantStore(engine, Level.parse(default)).take_away(on, of, by=by, now=datetime.now(UTC))
    click.echo(f"The grant of the {of} on {called(on)} is taken away.")


@grants.command()
@database_option
@holder_options
@pattern_options
@json_option
def preview(
    uri: str, user: str | None, group: str | None, pattern: str | None, kind: str | None, as_json: bool
) -> None:
    """What a grant on a pattern would open at this moment, and to how many people. Nothing is changed."""
    from mlflow_oidc_auth.accounts.groups import GroupStore
    from mlflow_oidc_auth.bridge.lookups import ResourceLookup
    from mlflow_oidc_auth.grants.store import Pattern

    many = patterned(pattern, kind, None)
    if many is None:
        raise click.UsageError("Say what: --pattern PATTERN and --kind KIND.")
    exactly_one_holder(user, group)
    with opened(uri) as engine:
        on, to = parsed(*many), grantee(engine, user, group)
        assert isinstance(on, Pattern)
        found = ResourceLookup(engine).matching(on)
        people = GroupStore(engine).members(to.id, 0, 1)[1] if to.is_group else 1
    fields: dict[str, Value] = {
        "experiments": found.experiments,
        "registered_models": found.registered_models,
        "prompts": found.prompts,
        "people": people,
        "examples": ", ".join(found.examples) or None,
    }
    print_fields(fields, as_json=as_json)


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
