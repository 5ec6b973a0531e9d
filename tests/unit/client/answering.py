"""A server that knows one login, and can be wrong in the ways that a real one cannot be asked to be."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

CURRENT_USER = "/mlflow/api/2.0/mlflow/users/current"


@dataclass
class Answering:
    """What it takes, and how it is wrong.

    Attributes:
        login: the e-mail and key that it takes.
        known_as: who it says that this is, if that is not the e-mail.
        status: answers this to everything.
        page: answers this page to everything.
        location: sends everybody here.
        certificate: a file with key and certificate; then it speaks TLS.
        silent: takes connections and never answers.
        asked: path and `Authorization` of each request.
    """

    login: tuple[str, str]
    known_as: str = ""
    status: int = 0
    page: bytes = b""
    location: str = ""
    certificate: Path | None = None
    silent: bool = False
    asked: list[tuple[str, str]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def served(self) -> Iterator[str]:
        """Serve on loopback, and give the address with its prefix."""
        answering = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answering.answer(self)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if self.certificate is not None:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(self.certificate)
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            scheme = "http" if self.certificate is None else "https"
            yield f"{scheme}://127.0.0.1:{server.server_port}/mlflow"
        finally:
            self.over.set()
            server.shutdown()
            server.server_close()
            thread.join(5)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """One request. A refusal repeats what was sent, as a careless server would."""
        sent = request.headers.get("Authorization", "")
        self.asked.append((request.path, sent))
        if self.silent:
            self.over.wait(60)
        elif self.location:
            _send(request, 302, b"", {"Location": self.location})
        elif self.page:
            _send(request, 200, self.page, {"Content-Type": "text/html"})
        elif self.status:
            _json(request, self.status, {"error_code": "SOME", "message": f"you sent {_plain(sent)}"})
        elif request.path != CURRENT_USER:
            _json(request, 404, {"error_code": "ENDPOINT_NOT_FOUND", "message": "no such path"})
        elif _plain(sent) != ":".join(self.login):
            _json(request, 401, {"error_code": "UNAUTHENTICATED", "message": f"you sent {_plain(sent)}"})
        else:
            user = {"id": 1, "username": self.known_as or self.login[0], "is_admin": False}
            _json(request, 200, {"user": user, "is_basic_auth": False})


def certificate(folder: Path) -> Path:
    """A key with a certificate for 127.0.0.1 that nobody signed, in one file."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=True)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    path = folder / "server.pem"
    path.write_bytes(pem + made.public_bytes(serialization.Encoding.PEM))
    return path


def _plain(authorization: str) -> str:
    return base64.b64decode(authorization.removeprefix("Basic ")).decode()


def _json(request: BaseHTTPRequestHandler, status: int, value: Any) -> None:
    _send(request, status, json.dumps(value).encode(), {"Content-Type": "application/json"})


def _send(request: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str]) -> None:
    request.send_response(status)
    for name, value in {**headers, "Content-Length": str(len(body))}.items():
        request.send_header(name, value)
    request.end_headers()
    request.wfile.write(body)
