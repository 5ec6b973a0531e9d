"""A server that serves one model, and can be wrong in every way that a real one cannot be asked to be."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

ROOT = "7/models/m-x/artifacts"
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
DOWNLOAD_URI = "/api/2.0/mlflow/model-versions/get-download-uri"


@dataclass
class Faulty:
    """What it serves, and how it is wrong.

    Attributes:
        files: what lies below the version, by path.
        listed: names that its root lists beside them, as they are.
        sizes: sizes that it lists in place of the true ones.
        uri: where it says that the version lies.
        refuse: statuses to answer with first, one for each request.
        break_at: after so many bytes of a file it breaks off, as often as `breaks` says.
        ranges: whether it answers ranges.
        tags: the ETag of the files, one after the other with each request.
        revoke_after: so many files are served before the key is revoked.
    """

    files: dict[str, bytes]
    listed: list[Any] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)
    uri: str = f"mlflow-artifacts:/{ROOT}"
    refuse: list[int] = field(default_factory=list)
    break_at: int = 0
    breaks: int = 0
    ranges: bool = True
    tags: list[str] = field(default_factory=lambda: ['"one"'])
    revoke_after: int = -1
    redirect: str = ""
    asked: Counter[str] = field(default_factory=Counter)
    ranges_asked: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def served(self) -> Iterator[str]:
        """Serve on loopback, and give the address."""
        faulty = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                faulty.answer(self)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join(5)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """One request."""
        parts = urlsplit(request.path)
        with self.lock:
            self.asked[parts.path] += 1
            refusal = self.refuse.pop(0) if self.refuse else None
        if self.redirect:
            return _send(request, 302, b"", {"Location": self.redirect})
        if refusal is not None:
            return _json(request, {"error_code": "TEMPORARILY_UNAVAILABLE", "message": "not now"}, refusal)
        if parts.path == DOWNLOAD_URI:
            return _json(request, {"artifact_uri": self.uri})
        if parts.path == ARTIFACTS:
            return _json(request, {"files": self._listing(parse_qs(parts.query)["path"][0])})
        return self._file(request, unquote(parts.path.removeprefix(f"{ARTIFACTS}/{ROOT}/")))

    def _listing(self, folder: str) -> list[Any]:
        below = folder.removeprefix(ROOT).strip("/")
        found: dict[str, Any] = {}
        for path, content in self.files.items():
            rest = path.removeprefix(f"{below}/" if below else "")
            if rest == path and below:
                continue
            name, _, deeper = rest.partition("/")
            found[name] = {"path": name, "is_dir": bool(deeper)}
            if not deeper:
                found[name]["file_size"] = self.sizes.get(path, len(content))
        return [*found.values(), *(self.listed if not below else [])]

    def _file(self, request: BaseHTTPRequestHandler, path: str) -> None:
        with self.lock:
            if self.revoke_after == 0:
                return _json(request, {"error_code": "UNAUTHENTICATED", "message": "Log in first."}, 401)
            self.revoke_after -= 1
            breaks = self.breaks > 0
            self.breaks -= 1
            tag = self.tags.pop(0) if len(self.tags) > 1 else self.tags[0]
            asked = request.headers.get("Range", "")
            self.ranges_asked.append(asked)
        content = self.files[path]
        headers = {"ETag": tag, "Content-Length": str(len(content))}
        start, status = 0, 200
        if asked and self.ranges and request.headers.get("If-Range") == tag:
            start, status = int(asked.removeprefix("bytes=").removesuffix("-")), 206
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            headers["Content-Length"] = str(len(content) - start)
        rest = content[start:]
        _send(request, status, rest[: self.break_at] if breaks else rest, headers)
        if breaks:
            request.close_connection = True
        return None


def _json(request: BaseHTTPRequestHandler, value: Any, status: int = 200) -> None:
    body = json.dumps(value).encode()
    _send(request, status, body, {"Content-Type": "application/json", "Content-Length": str(len(body))})


def _send(request: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str]) -> None:
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name, value)
    if "Content-Length" not in headers:
        request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)
