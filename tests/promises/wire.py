"""Requests as they stand on the wire: no client library tidies the path up."""

from __future__ import annotations

import base64
import http.client
import json
from dataclasses import dataclass
from typing import Any

from tests.server import MlflowServer


@dataclass(frozen=True)
class Answer:
    """One answer."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def error_code(self) -> str | None:
        """Of an error in MLflow's shape; `None` if it is not of that shape."""
        try:
            body: Any = json.loads(self.text)
        except ValueError:
            return None
        if not isinstance(body, dict) or not isinstance(body.get("message"), str):
            return None
        code = body.get("error_code")
        return code if isinstance(code, str) else None


class Wire:
    """One kept connection to a server."""

    def __init__(self, server: MlflowServer) -> None:
        self._port = server.port
        self._connection: http.client.HTTPConnection | None = None

    def ask(self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes | None = None) -> Answer:
        """Send exactly this path."""
        for attempt in (1, 2):
            if self._connection is None:
                self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
            try:
                return self._send(self._connection, method, path, headers or {}, body)
            except (http.client.HTTPException, ConnectionError):
                self._connection.close()
                self._connection = None
                if attempt == 2:
                    raise
        raise AssertionError("unreachable")

    def _send(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes | None,
    ) -> Answer:
        connection.putrequest(method, path, skip_accept_encoding=True)
        length = (
            {"Content-Length": str(len(body or b""))} if body is not None or method in ("POST", "PUT", "PATCH") else {}
        )
        for name, value in {**length, **headers}.items():
            connection.putheader(name, value)
        connection.endheaders(body or b"")
        answer = connection.getresponse()
        text = answer.read().decode("utf-8", "replace")
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, text)


def basic(username: str, password: str) -> dict[str, str]:
    """The header of HTTP basic authentication."""
    return {"Authorization": "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()}


def bearer(key: str) -> dict[str, str]:
    """The header of a bearer token."""
    return {"Authorization": f"Bearer {key}"}
