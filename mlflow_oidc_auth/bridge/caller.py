"""Who calls, as far as method, path and headers tell: a person's browser, or a program.

It decides the form of a refusal (a redirect to the login, a page, JSON with or without a challenge) and
whether a write that a cookie proves may be what a page of ours asked for. It decides nothing about who
is let in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from starlette.datastructures import Headers

_READS = frozenset({"GET", "HEAD", "OPTIONS"})

# Below these nothing is a document, whatever a client says it accepts.
_PROGRAMS = ("/api/", "/ajax-api/", "/graphql", "/v1/", "/gateway/", "/health")


@dataclass(frozen=True, slots=True)
class Caller:
    """One request's outside.

    Attributes:
        path: as the router sees it, with the static prefix.
        address: the client's, as far as trusted proxies let us know it.
    """

    method: str
    path: str
    query: str
    headers: Headers
    scheme: str
    address: str
    below_prefix: str

    @classmethod
    def of(cls, scope: Mapping[str, Any], path: str, prefix: str) -> Caller:
        """The caller of one ASGI request."""
        client = scope.get("client")
        return cls(
            method=scope["method"],
            path=path,
            query=scope["query_string"].decode("latin-1"),
            headers=Headers(raw=scope["headers"]),
            scheme=scope.get("scheme", "http"),
            address=client[0] if client else "",
            below_prefix=path.removeprefix(prefix) if path.startswith(f"{prefix}/") else path,
        )

    @property
    def writes(self) -> bool:
        """Whether the method may change something."""
        return self.method not in _READS

    @property
    def opens_a_page(self) -> bool:
        """Whether somebody looks at the answer in a browser's window: a document, not a call."""
        if self.below_prefix.startswith(_PROGRAMS) or "authorization" in self.headers:
            return False
        mode = self.headers.get("sec-fetch-mode")
        if mode is not None:
            return mode == "navigate"
        return "text/html" in self.headers.get("accept", "")

    @property
    def is_browser(self) -> bool:
        """Whether a browser sends this. A challenge would make it open its own password window."""
        if "authorization" in self.headers:
            return False
        return "sec-fetch-mode" in self.headers or self.headers.get("user-agent", "").startswith("Mozilla/")

    @property
    def here(self) -> str:
        """The address to come back to: path and query."""
        return quote(self.path, safe="/:@!$&'()*+,;=~-._") + (f"?{self.query}" if self.query else "")

    def asked_by_our_page(self, own_origin: str | None) -> bool:
        """Whether a page of ours, and no other site's, sends this.

        SECURITY: the browser says so in `Sec-Fetch-Site`; older ones, and plain http, only send `Origin`, which
        must be ours to the letter. Without either, no.

        Args:
            own_origin: scheme and host under which browsers reach us, where that is configured.
        """
        site = self.headers.get("sec-fetch-site")
        if site is not None:
            return site == "same-origin"
        origin = self.headers.get("origin")
        ours = {f"{self.scheme}://{self.headers.get('host', '')}", own_origin}
        return origin is not None and origin != "null" and origin in ours
