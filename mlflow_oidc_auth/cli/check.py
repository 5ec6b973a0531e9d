"""`check`: settings, database and provider on one page, before anybody depends on them.

SECURITY: nothing here prints a value of a setting that is a secret, nor the password in the database's
address.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

import click

from mlflow_oidc_auth.cli.database import ENVIRONMENT, is_absent, opened
from mlflow_oidc_auth.errors import StartRefused

if TYPE_CHECKING:
    from mlflow_oidc_auth.settings import Settings

OK, NOTE, MEND = "ok", "note", "MEND"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the page."""

    about: str
    mark: str
    sentence: str


@click.command()
@click.option("--backend-store-uri", "uri", envvar=ENVIRONMENT, metavar="URI", help="MLflow's database.")
def check(uri: str | None) -> None:
    """Check settings, database and login service; exit with 1 if something must be mended."""
    click.echo(f"mlflow-oidc-auth {version('mlflow-oidc-auth')} with MLflow {version('mlflow')}\n")
    found = list(findings(os.environ, uri))
    for finding in found:
        click.echo(f"{finding.about:<9} {finding.mark:<5} {finding.sentence}")
    to_mend = sum(finding.mark == MEND for finding in found)
    click.echo(f"\n{to_mend} thing(s) to mend." if to_mend else "\nReady to start.")
    if to_mend:
        raise SystemExit(1)


def findings(environ: Mapping[str, str], uri: str | None) -> Iterator[Finding]:
    """All that there is to say."""
    from mlflow_oidc_auth.settings import parse_settings

    settings = None
    try:
        settings = parse_settings(environ)
        yield Finding("settings", OK, "complete, and none contradicts another")
        yield from (Finding("settings", NOTE, remark) for remark in settings.remarks)
    except StartRefused as refused:
        yield from (Finding("settings", MEND, sentence) for sentence in refused.sentences)
    yield from _of_database(uri)
    if settings is None:
        yield Finding("provider", NOTE, "not asked: mend the settings first")
    else:
        yield from _of_provider(settings)


def _of_database(uri: str | None) -> Iterator[Finding]:
    if not uri:
        yield Finding("database", MEND, f"give --backend-store-uri, or set {ENVIRONMENT[0]}")
        return
    try:
        yield _schema(uri)
    except StartRefused as refused:
        yield from (Finding("database", MEND, sentence) for sentence in refused.sentences)


def _schema(uri: str) -> Finding:
    from mlflow_oidc_auth.database.engine import refuse_unserved
    from mlflow_oidc_auth.database.migrate import head, present, refuse_newer

    url = refuse_unserved(uri)
    address, schema = url.render_as_string(hide_password=True), None
    if not is_absent(url):
        with opened(uri, migrated=False) as engine, engine.connect() as connection:
            schema = present(connection)
            refuse_newer(schema)
    if schema == head():
        return Finding("database", OK, f"{address}, schema {schema}")
    state = "no permission tables yet" if schema is None else f"schema {schema}"
    return Finding("database", NOTE, f"{address}, {state}: the next start makes it {head()}, or 'db upgrade' now")


def _of_provider(settings: Settings) -> Iterator[Finding]:
    from mlflow_oidc_auth.login.failures import ProviderDown
    from mlflow_oidc_auth.login.provider import Provider

    provider = Provider(settings)
    try:
        metadata = provider.check()
    except ProviderDown as failure:
        yield Finding(
            "provider", MEND, f"{failure.detail}; see OIDC_DISCOVERY_URL, and whether it is reached from here"
        )
        return
    yield Finding("provider", OK, f"issuer {metadata.issuer}")
    try:
        provider.check_client(settings.oidc_redirect_uri or "http://127.0.0.1/callback")
        yield Finding("provider", OK, f"it takes the client {settings.oidc_client_id} and its secret")
    except ProviderDown as failure:
        yield Finding("provider", MEND, failure.detail)
    if settings.oidc_redirect_uri is None:
        yield Finding(
            "provider", NOTE, "OIDC_REDIRECT_URI is not set: register each address of this server's /callback"
        )
    else:
        yield Finding("provider", NOTE, f"register the redirect address {settings.oidc_redirect_uri}")
