"""Why somebody can or cannot see something, and what nobody manages: from the shell."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from mlflow_oidc_auth.cli.database import database_option, opened
from mlflow_oidc_auth.cli.naming import (
    ALL,
    called,
    default_option,
    one_resource,
    resource_options,
    there,
    user_named,
)
from mlflow_oidc_auth.cli.output import Value, json_option, print_rows, printable
from mlflow_oidc_auth.vocabulary import Level
from mlflow_oidc_auth.web.moments import iso

if TYPE_CHECKING:
    from mlflow_oidc_auth.permissions.explain import Explanation, Step
    from mlflow_oidc_auth.permissions.sentences import Told


@click.command()
@database_option
@click.option("--user", required=True, metavar="NAME", help="Of whom it is asked, by login name.")
@resource_options
@default_option
@json_option
def explain(
    uri: str,
    user: str,
    experiment: str | None,
    model: str | None,
    prompt: str | None,
    default: str,
    as_json: bool,
) -> None:
    """Why can, or can't, a user see something: the grant that decides, and those that do not."""
    from mlflow_oidc_auth.accounts.groups import GroupStore
    from mlflow_oidc_auth.permissions.explain import Explainer

    named, now = one_resource(experiment, model, prompt), datetime.now(UTC)
    with opened(uri) as engine:
        person, on = user_named(engine, user), there(engine, *named)
        ids = [group.id for group in GroupStore(engine).of_user(person.id)]
        found = Explainer(engine, Level.parse(default)).explain(person, ids, on.resource, on.name, now)
    if as_json:
        click.echo(json.dumps(_told(person.username, found), indent=2))
        return
    click.echo(f"{person.username} has {found.level.name} on {called(on)}.")
    click.echo(printable(found.sentence))
    click.echo()
    for number, step in enumerate(found.steps, 1):
        click.echo(f"{'>' if step.decides else ' '} {number}. {printable(step.sentence)}")


@click.command()
@database_option
@json_option
def unmanaged(uri: str, as_json: bool) -> None:
    """List what nobody manages: give it to somebody with 'grants give --level MANAGE'."""
    from mlflow_oidc_auth.bridge.lookups import ResourceLookup
    from mlflow_oidc_auth.grants.rules import NOUNS

    with opened(uri) as engine:
        found, _ = ResourceLookup(engine).without_manager(0, ALL, datetime.now(UTC))
    rows: list[dict[str, Value]] = [
        {"kind": NOUNS[one.kind], "on": one.resource.key, "name": one.name, "in_the_bin": one.deleted} for one in found
    ]
    print_rows(rows, ["kind", "on", "name", "in_the_bin"], as_json=as_json)


def _told(username: str, found: Explanation) -> dict[str, object]:
    return {
        "username": username,
        "permission": found.level.name,
        "decided_by": found.rung.name.lower(),
        "sentence": found.sentence,
        "steps": [_step(step) for step in found.steps],
    }


def _step(step: Step) -> dict[str, object]:
    grants = [_grant(grant) for grant in step.grants]
    return {"rung": step.rung.name.lower(), "sentence": step.sentence, "decides": step.decides, "grants": grants}


def _grant(grant: Told) -> dict[str, object]:
    return {
        "permission": grant.level.name,
        "pattern": grant.pattern,
        "group": grant.group,
        "granted_by": grant.granted_by,
        "granted_at": iso(grant.granted_at),
        "expires_at": None if grant.expires_at is None else iso(grant.expires_at),
        "ended": grant.ended,
    }
