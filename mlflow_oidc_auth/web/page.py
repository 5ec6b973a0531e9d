"""Our pages: templates, the headers that every page carries, and the files beside them.

SECURITY: pages hold what people and the provider wrote: everything is escaped, and nothing inline runs. The
policy lets a page load and send to this server alone, so that text which somebody smuggled in can do nothing.
Pages are never stored, neither by a cache nor by the browser.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import cache
from html import escape
from pathlib import Path
from types import MappingProxyType
from typing import Any

import flask
import jinja2
import werkzeug.exceptions

from mlflow_oidc_auth import context
from mlflow_oidc_auth.errors import NotFound, Refusal, Unauthenticated, Unavailable
from mlflow_oidc_auth.vocabulary import CredentialKind, Identity, Level
from mlflow_oidc_auth.web import moments

_STATIC = Path(__file__).parent / "static"
_STATIC_PATH = "/permissions/static"

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}

# What an error page says above the refusal's own sentence, and what to do next where the sentence is not enough.
_ERRORS: Mapping[int, tuple[str, str]] = {
    400: ("This request cannot be understood", "Nothing was changed."),
    401: ("You are not logged in", "Nothing was changed. Log in, then try again."),
    403: ("You may not do this", ""),
    404: ("There is nothing here", "It may be gone, or you may not see it."),
    413: ("This is too large", "Nothing was changed."),
    429: ("That was too often", "Nothing was changed."),
    503: ("Not available at the moment", "Wait a moment, then try again."),
}
_UNEXPECTED = ("Something went wrong", "Try again. If it happens again, tell an MLflow admin when it happened.")


class Pages:
    """Renders our templates.

    Args:
        static_prefix: empty, or `/path`.
        open_requests: how many requests for access somebody is to decide; asked once for each page with a navigation.
        level_words: what each level lets somebody do, in words.
    """

    def __init__(
        self,
        static_prefix: str,
        open_requests: Callable[[Identity], int] = lambda _: 0,
        level_words: Mapping[Level, str] = MappingProxyType({}),
    ) -> None:
        self._prefix = static_prefix.rstrip("/")
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader("mlflow_oidc_auth.web"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals |= {
            "asset": self._asset,
            "prefix": self._prefix,
            "open_requests": open_requests,
            "level_words": {level.name: words for level, words in level_words.items()},
        }
        self._templates.filters |= {"day": moments.day, "minute": moments.minute, "machine": moments.machine}

    def render(self, template: str, **values: Any) -> flask.Response:
        """The page made of `template`, with the headers of every page of ours."""
        me = context.identity()
        in_browser = me is not None and me.credential.kind is CredentialKind.SESSION
        text = self._templates.get_template(template).render(me=me, in_browser=in_browser, **values)
        page = flask.Response(text)
        page.headers.update(_HEADERS)
        return page

    def error(self, refusal: Refusal) -> flask.Response:
        """The page that tells a person of a refusal: what happened, and what to do next. Needs no request."""
        heading, advice = _ERRORS.get(refusal.status, _UNEXPECTED)
        log_in = isinstance(refusal, Unauthenticated)
        page = self.render("error.html", heading=heading, sentence=refusal.message, advice=advice, log_in=log_in)
        page.status_code = refusal.status
        if isinstance(refusal, Unavailable):
            page.headers["Retry-After"] = "5"
        return page

    def _asset(self, filename: str) -> str:
        return asset(self._prefix, filename)


def asset(prefix: str, filename: str) -> str:
    """The address of one of our static files; it changes when any of them does."""
    return f"{prefix}{_STATIC_PATH}/{filename}?v={assets_version()}"


def menu_tag(static_prefix: str) -> str:
    """The HTML that puts our menu into MLflow's own page, for its `<head>`."""
    prefix = static_prefix.rstrip("/")
    style, script = (escape(asset(prefix, name)) for name in ("menu.css", "menu.js"))
    return (
        f'<link rel="stylesheet" href="{style}"><script defer src="{script}" data-prefix="{escape(prefix)}"></script>'
    )


def static_file(filename: str) -> flask.Response:
    """One of our static files. Kept for a year where the address names the version, else asked for again.

    Raises:
        NotFound: there is no such file.
    """
    try:
        answer = flask.send_from_directory(_STATIC, filename)
    except (werkzeug.exceptions.NotFound, ValueError):  # ValueError: a NUL in the name
        raise NotFound("There is no such file.") from None
    versioned = flask.request.args.get("v") == assets_version()
    answer.headers["Cache-Control"] = "public, max-age=31536000, immutable" if versioned else "no-cache"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer


@cache
def assets_version() -> str:
    """A short digest of all static files."""
    digest = hashlib.sha256()
    for path in sorted(_STATIC.iterdir()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]
