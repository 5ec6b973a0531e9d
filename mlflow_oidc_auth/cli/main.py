"""The command itself, and those of its commands that are one call."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from mlflow_oidc_auth.cli.audit import audit
from mlflow_oidc_auth.cli.check import check
from mlflow_oidc_auth.cli.database import database_option, opened
from mlflow_oidc_auth.cli.files import apply, export
from mlflow_oidc_auth.cli.grants import grants
from mlflow_oidc_auth.cli.groups import groups
from mlflow_oidc_auth.cli.requests import requests
from mlflow_oidc_auth.cli.service_accounts import service_accounts
from mlflow_oidc_auth.cli.tokens import tokens
from mlflow_oidc_auth.cli.users import users
from mlflow_oidc_auth.cli.why import explain, unmanaged
from mlflow_oidc_auth.errors import Refusal, StartRefused


class _Command(click.Group):
    """Turns refusals into sentences on stderr and exit code 1. (2 is for a command line that makes no sense.)"""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except StartRefused as refused:
            raise click.ClickException("\n".join(refused.sentences)) from None
        except Refusal as refusal:
            raise click.ClickException(refusal.message) from None


@click.group(cls=_Command, name="mlflow-oidc-auth", context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mlflow-oidc-auth")
def main() -> None:
    """A multi-user MLflow tracking server: start it with `mlflow server --app-name oidc-auth`."""


@main.group()
def db() -> None:
    """The permission tables in MLflow's database."""


@db.command()
@database_option
def upgrade(uri: str) -> None:
    """Bring the permission tables to this release's schema, as a server does at its start."""
    from mlflow_oidc_auth.database.migrate import head, migrate

    with opened(uri, migrated=False) as engine:
        migrate(engine)
    click.echo(f"The permission tables are at schema {head()}.")


@main.command()
def settings() -> None:
    """Print the reference of all settings, in Markdown."""
    from mlflow_oidc_auth.settings import settings_page

    click.echo(settings_page(), nl=False)


@main.command()
def operations() -> None:
    """Print what the installed MLflow serves and the operations table lacks."""
    from mlflow_oidc_auth.bridge.operations_report import report

    click.echo(report())


@main.command()
def openapi() -> None:
    """Print the OpenAPI document of the JSON API."""
    from mlflow_oidc_auth.app import openapi_document

    click.echo(json.dumps(openapi_document(), indent=2, ensure_ascii=False))


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="A loopback address to listen on.")
@click.option("--port", default=5000, show_default=True, type=click.IntRange(1, 65535), help="The port to listen on.")
@click.option("--keycloak-url", metavar="URL", help="Use this Keycloak instead of the embedded login service.")
@click.option("--keep", metavar="FOLDER", type=click.Path(path_type=Path), help="Keep the data there.")
def demo(host: str, port: int, keycloak_url: str | None, keep: Path | None) -> None:
    """Start a server to try out, with people who can log in. Not for production."""
    from mlflow_oidc_auth.demo.main import run

    sys.exit(run(host, port, keycloak_url, keep))


for command in (
    check,
    users,
    groups,
    service_accounts,
    tokens,
    grants,
    requests,
    explain,
    unmanaged,
    audit,
    export,
    apply,
):
    main.add_command(command)
main.add_command(apply, "import")
