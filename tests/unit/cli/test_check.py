"""`check`: settings, database and provider on one page, and never a secret."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mlflow_oidc_auth.cli import main
from mlflow_oidc_auth.database.migrate import head
from mlflow_oidc_auth.settings.table import TABLE
from tests.databases import Databases, PostgresMissing
from tests.provider import Keycloak
from tests.provider_faults import CLIENT_SECRET, FaultyProvider
from tests.unit.cli.conftest import Shell

KEY = "a-key-of-more-than-thirty-two-characters"


@pytest.fixture(scope="module")
def running() -> Iterator[FaultyProvider]:
    with FaultyProvider() as provider:
        yield provider


@pytest.fixture
def provider(running: FaultyProvider) -> FaultyProvider:
    running.reset()
    return running


def check(url: str | None, **settings: str) -> Result:
    nothing: dict[str, str | None] = dict.fromkeys(["_MLFLOW_SERVER_FILE_STORE", *TABLE])
    return CliRunner().invoke(main, ["check"], env={**nothing, "MLFLOW_BACKEND_STORE_URI": url, **settings})


def fitting(provider: FaultyProvider) -> dict[str, str]:
    return {
        "OIDC_DISCOVERY_URL": provider.discovery_url,
        "OIDC_CLIENT_ID": "mlflow",
        "OIDC_CLIENT_SECRET": CLIENT_SECRET,
        "OIDC_GROUP_NAME": "prokube users",
        "SECRET_KEY": KEY,
    }


def lines(result: Result, about: str) -> list[str]:
    return [line.split(maxsplit=1)[1] for line in result.stdout.splitlines() if line.startswith(about)]


def test_where_all_is_well_it_says_so_without_a_secret(shell: Shell, provider: FaultyProvider) -> None:
    result = check(shell.url, **fitting(provider), OIDC_REDIRECT_URI="http://127.0.0.1:5000/mlflow/callback")
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith("Ready to start.\n")
    assert lines(result, "settings")[0].startswith("ok")
    assert f"schema {head()}" in lines(result, "database")[0]
    assert f"issuer {provider.issuer}" in lines(result, "provider")[0]
    assert "takes the client mlflow" in lines(result, "provider")[1]
    assert "http://127.0.0.1:5000/mlflow/callback" in lines(result, "provider")[2]
    assert CLIENT_SECRET not in result.output
    assert KEY not in result.output


def test_a_real_keycloak_is_found(databases: Databases, keycloak: Keycloak) -> None:
    result = check(databases.migrated("sqlite"), **keycloak.environment(), SECRET_KEY=KEY)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("wrong", ["OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET"])
def test_a_client_that_keycloak_does_not_take_is_found(databases: Databases, keycloak: Keycloak, wrong: str) -> None:
    settings = {**keycloak.environment(), "SECRET_KEY": KEY, wrong: "not-this-one"}
    result = check(databases.migrated("sqlite"), **settings)
    assert result.exit_code == 1
    assert "OIDC_CLIENT_SECRET right?" in lines(result, "provider")[1]
    assert "not-this-one" not in result.output


def test_everything_to_mend_is_on_one_page() -> None:
    result = check(None, OIDC_CLIENT_ID="mlflow", LOG_LEVEL="LOUD", AUDIT_LOG_LEVEL="INFO")
    assert result.exit_code == 1
    wrong = lines(result, "settings")
    assert len(wrong) == 5
    assert any("LOG_LEVEL must be one of" in line for line in wrong)
    assert lines(result, "database") == ["MEND  give --backend-store-uri, or set MLFLOW_BACKEND_STORE_URI"]
    assert lines(result, "provider") == ["note  not asked: mend the settings first"]
    assert result.stdout.endswith("6 thing(s) to mend.\n")
    assert result.stderr == ""


def test_what_is_ignored_is_a_note(shell: Shell, provider: FaultyProvider) -> None:
    result = check(shell.url, **fitting(provider), CACHE_BACKEND="redis")
    assert result.exit_code == 0
    assert lines(result, "settings")[1].startswith("note  CACHE_BACKEND is ignored")


def test_a_database_that_was_never_migrated_is_a_note_and_stays_so(
    databases: Databases, provider: FaultyProvider
) -> None:
    url = databases.of_mlflow("sqlite")
    for _ in range(2):
        result = check(url, **fitting(provider))
        assert result.exit_code == 0
        assert "no permission tables yet" in lines(result, "database")[0]


def test_a_database_that_is_not_there_yet_is_not_made(databases: Databases, provider: FaultyProvider) -> None:
    url = databases.empty("sqlite")
    assert "no permission tables yet" in lines(check(url, **fitting(provider)), "database")[0]
    assert not Path(url.removeprefix("sqlite:///")).exists()


@pytest.mark.parametrize("url", ["mysql://u:s3cret@h/d", "postgresql+psycopg://u:s3cret@127.0.0.1:9/d"])
def test_a_database_that_cannot_be_used_is_to_mend(url: str, provider: FaultyProvider) -> None:
    result = check(url, **fitting(provider))
    assert result.exit_code == 1
    assert lines(result, "database")[0].startswith("MEND")
    assert "s3cret" not in result.output


def test_a_password_in_the_address_is_not_shown(databases: Databases, provider: FaultyProvider) -> None:
    try:
        url = databases.migrated("postgresql")
    except PostgresMissing as missing:
        pytest.skip(f"PROMISE UNTESTED: a database's password is never shown ({missing})")
    result = check(url.replace("postgres@", "postgres:s3cret@"), **fitting(provider))
    assert result.exit_code == 0, result.output
    assert "postgres:***@" in result.output
    assert "s3cret" not in result.output


PROVIDER_FAULTS = {
    "another issuer": {"issuer": "https://evil.example.test"},
    "no key set": {"jwks_uri": ""},
}


@pytest.mark.parametrize("metadata", PROVIDER_FAULTS.values(), ids=PROVIDER_FAULTS)
def test_a_provider_that_cannot_be_trusted_is_to_mend(
    databases: Databases, provider: FaultyProvider, metadata: dict[str, str]
) -> None:
    provider.faults.metadata = metadata
    result = check(databases.migrated("sqlite"), **fitting(provider))
    assert result.exit_code == 1
    assert lines(result, "provider")[0].startswith("MEND")


def test_a_provider_that_does_not_answer_is_to_mend(databases: Databases, provider: FaultyProvider) -> None:
    settings = fitting(provider) | {"OIDC_DISCOVERY_URL": "http://127.0.0.1:9/.well-known/openid-configuration"}
    result = check(databases.migrated("sqlite"), **settings)
    assert result.exit_code == 1
    assert "OIDC_DISCOVERY_URL" in lines(result, "provider")[0]
