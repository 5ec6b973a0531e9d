"""`mlflow-oidc-auth demo`: a whole multi-user MLflow on this machine, gone when it ends. NOT FOR PRODUCTION."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import requests

from mlflow_oidc_auth.demo import text
from mlflow_oidc_auth.demo.first_key import first_key, introduce
from mlflow_oidc_auth.demo.issuing import Client
from mlflow_oidc_auth.demo.people import ALICE, PEOPLE
from mlflow_oidc_auth.demo.ports import free_port, require_loopback
from mlflow_oidc_auth.demo.provider import DemoProvider
from mlflow_oidc_auth.demo.tracking_server import PREFIX, TrackingServer
from mlflow_oidc_auth.errors import StartRefused

PORT, PROVIDER_PORT = 5000, 8180
_WELL_KNOWN = "/.well-known/openid-configuration"


def run(host: str = "127.0.0.1", port: int = PORT, keycloak_url: str | None = None, keep: Path | None = None) -> int:
    """Start login service and MLflow, say where they are, and wait for Ctrl-C.

    Args:
        host: a loopback address.
        port: MLflow's; if it is taken, the next free one. The login service's starts at 8180.
        keycloak_url: a realm's address: log in there instead of at the demo's login service. OIDC_CLIENT_ID and
            OIDC_CLIENT_SECRET then name the client.
        keep: a folder to keep the data in; without one it goes to a temporary one, which is removed.

    Returns:
        The exit status.
    """
    try:
        with ExitStack() as stack, _ended_by_signals():
            _serve(stack, require_loopback(host), port, keycloak_url, keep)
    except StartRefused as refusal:
        print(*refusal.sentences, sep="\n", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.")
    return 0


def _serve(stack: ExitStack, host: str, port: int, keycloak_url: str | None, keep: Path | None) -> None:
    """Everything that is started is left to `stack` to end, the latest first."""
    port = _announced(free_port(host, port), port, "MLflow")
    folder = _kept(keep) if keep is not None else _temporary(stack)
    print("Starting MLflow; it makes its database first, which takes some seconds.", flush=True)
    if keycloak_url is None:
        issuer, login = _own_login_service(stack, host, port)
    else:
        issuer, login = _keycloak(keycloak_url)
    server = TrackingServer(folder, host, port, login)
    stack.callback(server.stop)
    server.start()
    key = None
    if keycloak_url is None:
        for person in PEOPLE.values():
            introduce(server.base, person)
        key = first_key(server.base, ALICE)
    data = f"Data stays in {folder}." if keep is not None else "All data is deleted at the end."
    told = {"base": server.base, "issuer": issuer, "data": data, "database": server.database, "log": str(server.log)}
    print(text.page(key=key, **told), flush=True)
    while True:
        time.sleep(0.3)
        server.require_running()


def _own_login_service(stack: ExitStack, host: str, port: int) -> tuple[str, Mapping[str, str]]:
    """The demo's own, and what MLflow has to know of it."""
    bases = tuple(dict.fromkeys(f"http://{name}:{port}{PREFIX}" for name in (host, "localhost")))
    client = Client("mlflow-demo", secrets.token_urlsafe(32), bases)
    chosen = _announced(free_port(host, PROVIDER_PORT), PROVIDER_PORT, "The login service")
    provider = stack.enter_context(DemoProvider(host, chosen, client))
    return provider.issuer, {
        "OIDC_DISCOVERY_URL": provider.discovery_url,
        "OIDC_CLIENT_ID": client.client_id,
        "OIDC_CLIENT_SECRET": client.client_secret,
        "OIDC_PROVIDER_DISPLAY_NAME": "the demo login service",
    }


def _keycloak(address: str) -> tuple[str, Mapping[str, str]]:
    """A Keycloak that somebody else runs.

    Raises:
        StartRefused: it does not answer, or nobody said which client to be.
    """
    issuer = address.removesuffix(_WELL_KNOWN).rstrip("/")
    client = {name: os.environ.get(name, "") for name in ("OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET")}
    if not all(client.values()):
        raise StartRefused("With a Keycloak of your own, set OIDC_CLIENT_ID and OIDC_CLIENT_SECRET to its client.")
    try:
        requests.get(issuer + _WELL_KNOWN, timeout=10).raise_for_status()
    except requests.RequestException as error:
        raise StartRefused(f"No realm answers at {issuer} ({type(error).__name__}); is Keycloak running?") from error
    return issuer, client | {"OIDC_DISCOVERY_URL": issuer + _WELL_KNOWN, "OIDC_PROVIDER_DISPLAY_NAME": "Keycloak"}


def _announced(port: int, wanted: int, whose: str) -> int:
    if port != wanted:
        print(f"Port {wanted} is taken. {whose} listens on {port} instead.")
    return port


def _kept(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()


def _temporary(stack: ExitStack) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="mlflow-demo-"))
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    return folder


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """A closed terminal and a `kill` end the demo as Ctrl-C does; so does that, where a shell had it ignored."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
