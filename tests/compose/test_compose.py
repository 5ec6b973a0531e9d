"""docker-compose.yml fits itself, Keycloak, the plugin's settings and an S3-compatible store.

No container engine is needed: what the containers would be told is given to the real programs here.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy as sa
import yaml
from moto.server import ThreadedMotoServer
from pydantic import SecretStr
from werkzeug.serving import make_server

from mlflow_oidc_auth.settings import parse_settings
from tests.databases import Backend
from tests.login.site import PREFIX, Settings, Site
from tests.provider import Keycloak, KeycloakBrowser, free_port

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy" / "compose"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `docker compose` reads, with an .env as `make compose-env` makes it."""
    folder = tmp_path_factory.mktemp("compose")
    for name in ("docker-compose.yml", ".env.example"):
        shutil.copy(ROOT / name, folder)
    for name in ("deploy", "scripts"):
        shutil.copytree(ROOT / name, folder / name)
    subprocess.run([folder / "scripts" / "compose_env.sh"], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def secrets(folder: Path) -> dict[str, str]:
    """The names and values in .env."""
    lines = (folder / ".env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


@pytest.fixture(scope="module")
def services(secrets: dict[str, str]) -> dict[str, Any]:
    """The services, with the values of .env in place."""
    text = re.sub(r"\$\{(\w+)[^}]*\}", lambda found: secrets[found.group(1)], (ROOT / "docker-compose.yml").read_text())
    services: dict[str, Any] = yaml.safe_load(text)["services"]
    return services


def client() -> list[str] | None:
    """The program that reads compose files, if there is one."""
    if shutil.which("docker") and subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0:
        return ["docker", "compose"]
    return ["docker-compose"] if shutil.which("docker-compose") else None


def test_the_client_accepts_the_file(folder: Path) -> None:
    command = client()
    if command is None:
        pytest.skip("PROMISE UNTESTED: docker compose config accepts docker-compose.yml (no client here)")
    done = subprocess.run([*command, "config"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (folder / ".env").rename(folder / "away")
    try:
        without = subprocess.run([*command, "config"], cwd=folder, capture_output=True, text=True, check=False)
    finally:
        (folder / "away").rename(folder / ".env")
    assert without.returncode != 0, "it must not start without secrets"
    assert "make compose-env" in without.stderr


def test_every_secret_is_random_and_nothing_else_is_in_the_example(folder: Path, secrets: dict[str, str]) -> None:
    assert len(set(secrets.values())) == len(secrets)
    assert min(len(value) for value in secrets.values()) >= 32
    assert (folder / ".env").stat().st_mode & 0o077 == 0
    assert all(line.endswith("=") for line in (ROOT / ".env.example").read_text().splitlines() if line[0] != "#")


def test_whatever_the_services_are_told_is_in_the_example(secrets: dict[str, str]) -> None:
    named = set(
        re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.yml").read_text() + (DEPLOY / "realm.json").read_text())
    )
    assert named == set(secrets)


def test_the_plugin_accepts_its_settings(services: dict[str, Any]) -> None:
    settings = parse_settings(services["mlflow"]["environment"])
    assert settings.oidc_issuer == services["keycloak"]["environment"]["KC_HOSTNAME"] + "/realms/prokube"


def test_keycloak_and_mlflow_agree(services: dict[str, Any], secrets: dict[str, str]) -> None:
    """Addresses, the client and the groups are written twice."""
    told, realm = services["mlflow"]["environment"], json.loads((DEPLOY / "realm.json").read_text())
    (registered,) = realm["clients"]
    assert told["OIDC_REDIRECT_URI"] in registered["redirectUris"]
    assert told["OIDC_CLIENT_ID"] == registered["clientId"]
    assert registered["secret"] == "${OIDC_CLIENT_SECRET}"
    assert {told["OIDC_GROUP_NAME"], told["OIDC_ADMIN_GROUP_NAME"]} <= {group["name"] for group in realm["groups"]}
    (hosts,) = [word for word in services["mlflow"]["command"] if word.startswith("--allowed-hosts=")]
    backchannel = registered["attributes"]["backchannel.logout.url"]
    assert backchannel == f"http://mlflow:5000{PREFIX}/backchannel-logout"
    assert "mlflow:5000" in hosts


def test_only_what_browsers_need_is_published_and_on_loopback_only(services: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert published == {"keycloak": ["127.0.0.1:8180:8080"], "mlflow": ["127.0.0.1:5000:5000"]}


def test_everything_waits_until_what_it_needs_is_well(services: dict[str, Any]) -> None:
    for service in services.values():
        for needed, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services[needed]
            else:
                assert how["condition"] == "service_completed_successfully"


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    """An S3-compatible store."""
    server = ThreadedMotoServer("127.0.0.1", free_port())
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def make_bucket(services: dict[str, Any], store: str) -> None:
    given = services["bucket"]["environment"] | {"MLFLOW_S3_ENDPOINT_URL": store}
    command = [sys.executable, str(DEPLOY / "make_bucket.py"), "mlflow"]
    done = subprocess.run(command, env=given, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


def test_the_bucket_is_made(services: dict[str, Any], store: str) -> None:
    make_bucket(services, store)
    assert "<Name>mlflow</Name>" in requests.get(store, timeout=10).text


@pytest.mark.parametrize("code", ["BucketAlreadyOwnedByYou", "BucketAlreadyExists"])
def test_a_bucket_that_is_there_is_fine(services: dict[str, Any], code: str) -> None:
    """What stores answer then; the one above says nothing to it."""

    def says_so(_environ: object, start: Any) -> list[bytes]:
        start("409 Conflict", [("Content-Type", "application/xml")])
        return [f"<Error><Code>{code}</Code><Message>there</Message></Error>".encode()]

    server = make_server("127.0.0.1", 0, says_so)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        make_bucket(services, f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@pytest.fixture
def backend() -> Backend:
    return "sqlite"


def test_keycloak_takes_the_realm_and_its_people_log_in(
    keycloak: Keycloak, engine: sa.Engine, services: dict[str, Any], secrets: dict[str, str]
) -> None:
    """Keycloak puts the environment into a realm that it imports; over its REST API that is done here."""
    text = (DEPLOY / "realm.json").read_text().replace("prokube", "composed")
    for name, value in secrets.items():
        text = text.replace(f"${{{name}}}", value)
    port = free_port()
    text = text.replace("http://localhost:5000/", f"http://127.0.0.1:{port}/")
    with keycloak.realm(json.loads(text)) as issuer:
        settings = Settings(
            oidc_discovery_url=f"{issuer}/.well-known/openid-configuration",
            oidc_client_secret=SecretStr(secrets["OIDC_CLIENT_SECRET"]),
            oidc_group_name=("composed users",),
            oidc_admin_group_name=("composed admins",),
        )
        with Site(engine, settings).served(port) as base:
            for person, is_admin in (("alice", False), ("bob", False), ("root", True)):
                page = KeycloakBrowser().login(f"{base}/login/start", person, secrets["DEMO_PASSWORD"])
                assert page.text.startswith(f"{person}@example.test admin={is_admin}"), page.text[:500]
