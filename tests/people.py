"""The people in every test: a person is a client of one server.

    people = People(server, keycloak)
    people.alice.api("POST", "2.0/mlflow/experiments/create", json={"name": "a"})   # e-mail and access key
    people.alice.browser.get(f"{server.url}/permissions")                          # a session
    people.alice.run("import mlflow; mlflow.set_experiment('b')")                  # the real client, as its own process

alice owns, bob reads what is granted to him, carol has nothing, dave is disabled, mallory is in no allowed group,
root is an admin. The password of each at Keycloak is `<name>-pw`.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import requests
import sqlalchemy as sa

from mlflow_oidc_auth.accounts.users import UserStore
from mlflow_oidc_auth.database.tables import tokens, users
from tests.provider import Keycloak, KeycloakBrowser
from tests.server import MlflowServer, base_environment

TIMEOUT = 60
OUR_PAGE = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}
"""What a browser sends along when one of our own pages asks."""

TOKENS = "ajax-api/2.0/mlflow/users/current/tokens"
SESSION_COOKIE = "mlflow_oidc_session"


class ClientFailed(AssertionError):
    """A client process ended with an error; the text is what it wrote."""


class Person:
    """One person and the server they use. Session and key are made when first needed, and kept."""

    def __init__(self, name: str, server: MlflowServer) -> None:
        self.name, self.server = name, server
        self.email = f"{name}@example.test"
        self.password = f"{name}-pw"
        self._key: str | None = None

    @cached_property
    def browser(self) -> KeycloakBrowser:
        """A browser that is logged in."""
        return self.new_browser()

    def new_browser(self) -> KeycloakBrowser:
        """Another browser that is logged in, with a session of its own."""
        browser = KeycloakBrowser()
        page = browser.login(f"{self.server.url}/login/start", self.name, self.password)
        assert page.status_code == 200, f"{self.name} could not log in: {page.status_code} {page.text[:500]}"
        self.server.secrets.update(value for name, value in browser.cookies.items() if name.startswith(SESSION_COOKIE))
        return browser

    def key(self) -> str:
        """The access key: made at the first call, and again when somebody has revoked or replaced it."""
        if self._key is None or not self._lives(self._key):
            self._key = self.new_key()
        return self._key

    def _lives(self, key: str) -> bool:
        """Whether a key was not revoked; who is disabled gets no other, and a database that is down cannot tell."""
        found = (
            sa.select(tokens.c.id)
            .join(users)
            .where(tokens.c.public_id == key.split("_")[1])
            .where(sa.or_(tokens.c.revoked_at.is_(None), sa.not_(users.c.is_active)))
        )
        try:
            with self.server.engine.connect() as connection:
                return connection.execute(found).first() is not None
        except sa.exc.OperationalError:
            return True

    def new_key(self, days: int = 30) -> str:
        """A new access key, made in the browser: the one before it is dead."""
        expires_at = (datetime.now(UTC) + timedelta(days=days)).date().isoformat()
        address, body = f"{self.server.url}/{TOKENS}", {"expires_at": expires_at}
        answer = self.browser.post(address, json=body, headers=OUR_PAGE, timeout=TIMEOUT)
        assert answer.status_code == 200, f"{self.name} got no key: {answer.status_code} {answer.text[:500]}"
        self._key = str(answer.json()["token"])
        self.server.secrets.add(self._key)
        return self._key

    def ask(self, method: str, path: str, **arguments: Any) -> requests.Response:
        """One request with e-mail and key; `path` is below the static prefix. Redirects are shown, not followed."""
        address = f"{self.server.url}/{path.removeprefix('/')}"
        if "auth" not in arguments:
            arguments["auth"] = (self.email, self.key())
        arguments = {"allow_redirects": False, "timeout": TIMEOUT} | arguments
        return requests.request(method, address, **arguments)

    def api(self, method: str, path: str, **arguments: Any) -> requests.Response:
        """One request below `/api/`."""
        return self.ask(method, f"api/{path}", **arguments)

    def ajax(self, method: str, path: str, **arguments: Any) -> requests.Response:
        """One request below `/ajax-api/` as a page of ours sends it: by session."""
        headers = {**OUR_PAGE, **arguments.pop("headers", {})}
        arguments = {"allow_redirects": False, "timeout": TIMEOUT} | arguments
        return self.browser.request(method, f"{self.server.url}/ajax-api/{path}", headers=headers, **arguments)

    def must(self, method: str, path: str, **arguments: Any) -> Any:
        """The JSON of a request below `/api/` that has to succeed."""
        answer = self.api(method, path, **arguments)
        assert answer.status_code == 200, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json()

    def environment(self) -> dict[str, str]:
        """What the MLflow client reads: address, e-mail and key."""
        return {
            "MLFLOW_TRACKING_URI": self.server.url,
            "MLFLOW_TRACKING_USERNAME": self.email,
            "MLFLOW_TRACKING_PASSWORD": self.key(),
        }

    def run(self, code: str, *, environment: dict[str, str] | None = None, seconds: float = 180.0) -> str:
        """Run Python with the real MLflow client in a process of its own, and give what it printed.

        Args:
            environment: instead of :meth:`environment`.

        Raises:
            ClientFailed: it did not end well.
        """
        client = {
            **base_environment(self.server.folder),
            "GIT_PYTHON_REFRESH": "quiet",
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
            "MLFLOW_ENABLE_ASYNC_TRACE_LOGGING": "false",
            **(self.environment() if environment is None else environment),
        }
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code)],
            env=client,
            cwd=self.server.folder,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        if done.returncode != 0:
            raise ClientFailed(f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
        return done.stdout


@dataclass
class People:
    """Everybody, as clients of one server."""

    server: MlflowServer
    keycloak: Keycloak

    def __post_init__(self) -> None:
        self.alice = Person("alice", self.server)
        self.bob = Person("bob", self.server)
        self.carol = Person("carol", self.server)
        self.root = Person("root", self.server)

    @cached_property
    def dave(self) -> Person:
        """Had a session and a key before he was disabled here; Keycloak still knows him as enabled."""
        dave = Person("dave", self.server)
        dave.key()
        store = UserStore(self.server.engine)
        row = store.by_username(dave.email)
        assert row is not None
        store.disable(row.id, datetime.now(UTC))
        return dave

    def grant(self, giver: Person, to: Person, level: str, resource_type: str, resource_id: str) -> None:
        """Share something, as MLflow's own client does it, with somebody who has logged in."""
        to.key()
        path = "3.0/mlflow/users/permissions/grant"
        body = {"username": to.email, "resource_type": resource_type, "resource_id": resource_id, "permission": level}
        giver.must("POST", path, json=body)
