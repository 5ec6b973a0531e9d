"""`make demo KEYCLOAK=1`: the demo with the real Keycloak of the tests instead of the demo's login service."""

from __future__ import annotations

import os
import sys

from mlflow_oidc_auth.demo.main import PORT, PROVIDER_PORT, run
from mlflow_oidc_auth.demo.ports import free_port
from mlflow_oidc_auth.demo.tracking_server import PREFIX
from tests.provider import Keycloak, KeycloakMissing

HOST = "127.0.0.1"


def main() -> int:
    """Start Keycloak, tell it where MLflow will be, run the demo, stop Keycloak."""
    print("Starting Keycloak; the very first time it is fetched and prepared, which takes about a minute.", flush=True)
    port = free_port(HOST, PORT)
    try:
        keycloak = Keycloak(port=free_port(HOST, PROVIDER_PORT))
    except KeycloakMissing as missing:
        print(f"There is no Keycloak: {missing}", file=sys.stderr)
        return 1
    with keycloak:
        keycloak.register(f"http://{HOST}:{port}{PREFIX}", f"http://localhost:{port}{PREFIX}")
        os.environ |= keycloak.environment()
        return run(HOST, port, keycloak.issuer)


if __name__ == "__main__":
    sys.exit(main())
