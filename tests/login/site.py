"""The login pages alone, on a real engine, in a small Flask app; and somebody who clicks through them."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from urllib.parse import urlsplit

import flask
import jinja2
import requests
import sqlalchemy as sa
from flask.testing import FlaskClient
from pydantic import SecretStr
from werkzeug.serving import make_server
from werkzeug.test import TestResponse

from mlflow_oidc_auth.accounts.users import UserStore
from mlflow_oidc_auth.database.tables import sessions as sessions_table
from mlflow_oidc_auth.login.attempts import LoginAttempts
from mlflow_oidc_auth.login.provider import Provider
from mlflow_oidc_auth.login.sessions import SessionStore
from mlflow_oidc_auth.login.web import login_pages
from mlflow_oidc_auth.vocabulary import Identity

SECRET_KEY = "a secret key that is long enough for tests"
SESSION = "mlflow_oidc_session"
ATTEMPT = "mlflow_oidc_session_login"
PREFIX = "/mlflow"
IDLE, ABSOLUTE = timedelta(minutes=60), timedelta(hours=12)


@dataclass(frozen=True)
class Settings:
    """The settings that a login reads, as they are on a server for `prokube users` and `prokube admins`."""

    oidc_discovery_url: str = "http://127.0.0.1:9/.well-known/openid-configuration"
    oidc_issuer: str | None = None
    oidc_client_id: str = "mlflow"
    oidc_client_secret: SecretStr | None = None
    oidc_redirect_uri: str | None = None
    oidc_scope: str = "openid profile email"
    oidc_provider_display_name: str = "Keycloak"
    oidc_groups_attribute: str = "groups"
    oidc_group_name: tuple[str, ...] = ("prokube users",)
    oidc_admin_group_name: tuple[str, ...] = ("prokube admins",)
    oidc_username_field: str = "email"
    oidc_display_name_field: str = "name"
    oidc_verify_ssl: bool = True
    oidc_http_timeout_seconds: float = 2.0
    session_cookie_name: str = SESSION
    automatic_login_redirect: bool = False

    def but(self, **changes: Any) -> Self:
        """These settings with changes."""
        return dataclasses.replace(self, **changes)


class Pages:
    """The templates of the login, in the plainest layout."""

    _LAYOUT = "<!doctype html><title>{% block title %}{% endblock %}</title><main>{% block main %}{% endblock %}</main>"

    def __init__(self) -> None:
        package = jinja2.PackageLoader("mlflow_oidc_auth.web")
        loader = jinja2.ChoiceLoader([jinja2.DictLoader({"layout.html": self._LAYOUT}), package])
        self._templates = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)

    def render(self, template: str, **values: Any) -> flask.Response:
        """The page, with a strict policy."""
        values = {"post_to": None, "link": None} | values
        page = flask.Response(self._templates.get_template(template).render(**values))
        page.headers["Content-Security-Policy"] = "default-src 'none'; form-action 'self'; frame-ancestors 'self'"
        return page


class Site:
    """A server that knows nothing but logins; its start page says who is logged in."""

    def __init__(
        self,
        engine: sa.Engine,
        settings: Settings,
        prefix: str = PREFIX,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.engine, self.settings, self.prefix, self.clock = engine, settings, prefix, clock
        self.sessions = SessionStore(engine, SECRET_KEY, IDLE, ABSOLUTE)
        self.users = UserStore(engine)
        self.app = flask.Flask("site")
        pages = login_pages(
            provider=Provider(settings),
            sessions=self.sessions,
            attempts=LoginAttempts(engine),
            users=self.users,
            settings=settings,
            pages=Pages(),
            static_prefix=prefix,
            clock=clock,
        )
        self.app.register_blueprint(pages, url_prefix=prefix or None)
        self.app.add_url_rule(f"{prefix}/", "start_page", self._start_page)
        self.app.add_url_rule(f"{prefix}/<path:page>", "some_page", self._start_page)

    def browser(self) -> Browser:
        """Somebody's browser, without a cookie."""
        return Browser(self)

    def open_sessions(self) -> int:
        """How many sessions there are, of whomever."""
        with self.engine.connect() as connection:
            return connection.execute(sa.select(sa.func.count()).select_from(sessions_table)).scalar_one()

    @contextmanager
    def served(self, port: int = 0) -> Iterator[str]:
        """Serve on loopback, and give the address with the prefix."""
        server = make_server("127.0.0.1", port, self.app, threaded=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}{self.prefix}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join(5)

    def _start_page(self, page: str = "") -> str:
        cookie = flask.request.cookies.get(self.settings.session_cookie_name, "")
        found = self.sessions.identify(cookie, self.clock())
        if isinstance(found, Identity):
            return f"{found.username} admin={found.is_admin} groups={len(found.group_ids)} at={page}"
        return f"nobody ({found.cause})"


class Browser:
    """Clicks through our pages, and asks the provider over HTTP."""

    def __init__(self, site: Site, host: str = "http://mlflow.example.test") -> None:
        self.site, self.host = site, host
        self.client: FlaskClient = site.app.test_client()

    def get(self, address: str, **headers: str) -> TestResponse:
        """One page of ours; redirects are shown, not followed."""
        return self.client.get(address, base_url=self.host, headers=_header_names(headers))

    def post(self, address: str, data: dict[str, str] | None = None, **headers: str) -> TestResponse:
        """A form sent to us."""
        return self.client.post(address, base_url=self.host, data=data, headers=_header_names(headers))

    def start(self, wanted: str = "") -> str:
        """Press the button; the provider's address."""
        query = {"next": wanted} if wanted else {}
        answer = self.client.get(f"{self.site.prefix}/login/start", base_url=self.host, query_string=query)
        assert answer.status_code == 303, answer.text
        return answer.headers["Location"]

    def to_callback(self, wanted: str = "") -> str:
        """Press the button and go through the provider; the callback it sends the browser to."""
        answer = requests.get(self.start(wanted), allow_redirects=False, timeout=10)
        assert answer.status_code == 302, answer.text
        return answer.headers["Location"]

    def login(self, wanted: str = "") -> TestResponse:
        """A whole login; our answer to the callback."""
        return self.follow(self.to_callback(wanted))

    def follow(self, callback: str) -> TestResponse:
        """Open a callback address."""
        parts = urlsplit(callback)
        return self.get(f"{parts.path}?{parts.query}")

    def who(self) -> str:
        """What the start page says."""
        return self.get(f"{self.site.prefix}/").text

    def cookie(self, name: str = SESSION) -> str | None:
        """One cookie's value."""
        host = urlsplit(self.host).hostname or ""
        found = self.client.get_cookie(name, domain=host, path=self.site.prefix or "/")
        return None if found is None else found.value

    def set_cookie(self, name: str, value: str) -> None:
        """Put a cookie into the browser."""
        host = urlsplit(self.host).hostname or ""
        self.client.set_cookie(name, value, domain=host, path=self.site.prefix or "/")


def _header_names(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
