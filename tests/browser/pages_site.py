"""Our pages as a browser meets them: login, Permissions, and MLflow's own page with our menu; a real database.

The gate, the bridge and MLflow's server are left out: the session cookie says who asks, and what MLflow's own
page asks of its server is answered with an empty list.
"""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import flask
import sqlalchemy as sa
from playwright.sync_api import Browser, BrowserContext, Page
from werkzeug.serving import make_server

from mlflow_oidc_auth import context
from mlflow_oidc_auth.accounts.groups import GroupStore
from mlflow_oidc_auth.accounts.users import User, UserStore
from mlflow_oidc_auth.accounts.web import accounts_api
from mlflow_oidc_auth.database.tables import experiment_grants, named_grants, sessions
from mlflow_oidc_auth.errors import Refusal, Unauthenticated
from mlflow_oidc_auth.grants.store import GrantStore, Named
from mlflow_oidc_auth.login.attempts import LoginAttempts
from mlflow_oidc_auth.login.claims import Profile
from mlflow_oidc_auth.login.provider import Provider
from mlflow_oidc_auth.login.sessions import SessionStore
from mlflow_oidc_auth.login.web import login_pages
from mlflow_oidc_auth.pages.permissions import permissions_pages
from mlflow_oidc_auth.tokens.store import TokenStore
from mlflow_oidc_auth.tokens.web import token_api
from mlflow_oidc_auth.vocabulary import Identity, Kind, Level, Resource
from mlflow_oidc_auth.web.page import Pages, menu_tag
from tests.login import site as login_site

PREFIX = "/mlflow"
CHROMIUM = "/usr/bin/chromium"
CHROMIUM_ARGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
SCREENSHOTS = Path(__file__).parents[2] / "test-output"


@dataclass(frozen=True)
class Settings(login_site.Settings):
    """The settings of the login and of the Permissions page."""

    max_token_days: int = 365
    max_tokens_per_user: int = 1
    default_mlflow_permission: Level = Level.NO_PERMISSIONS


class PagesSite:
    """A server of nothing but pages. `names` are MLflow's names of experiments, models and prompts."""

    def __init__(self, engine: sa.Engine, settings: Settings | None = None, prefix: str = PREFIX) -> None:
        self.engine, self.settings, self.prefix = engine, settings or Settings(), prefix
        self.users, self.tokens, self.grants = UserStore(engine), TokenStore(engine), GrantStore(engine)
        self.sessions = SessionStore(engine, login_site.SECRET_KEY, login_site.IDLE, login_site.ABSOLUTE)
        self.names: dict[Resource, Named] = {}
        self.pages = Pages(prefix)
        self.app = flask.Flask("pages_site")
        self.app.before_request(self._enter)
        self.app.teardown_request(lambda _: context.enter(None) and None)
        self.app.register_error_handler(Refusal, self._refused)
        for blueprint in self._blueprints():
            self.app.register_blueprint(blueprint, url_prefix=prefix or None)
        self.app.add_url_rule(f"{prefix}/", "mlflow", _mlflow_page, defaults={"prefix": prefix})
        self.app.add_url_rule(f"{prefix}/static-files/<path:filename>", "mlflow_files", _mlflow_file)
        for method in ("GET", "POST"):
            path = f"{prefix}/ajax-api/<path:operation>"
            self.app.add_url_rule(path, f"mlflow_{method}", lambda operation: {}, methods=[method])

    def now(self) -> datetime:
        """This moment."""
        return datetime.now(UTC)

    def person(self, name: str, *, groups: Sequence[str] = ("/prokube users",), is_admin: bool = False) -> User:
        """Somebody who logged in once."""
        email, full = f"{name}@example.test", f"{name.capitalize()} Example"
        profile = Profile("https://id.example.test", f"{name}-sub", email, full, frozenset(groups), is_admin)
        return self.users.record_login(profile, self.now())

    def session(self, user: User) -> str:
        """The cookie of a new session."""
        return self.sessions.open(user.id, provider_sid=None, id_token="", user_agent="test", now=self.now())

    def end_sessions(self) -> None:
        """End everybody's, as time does."""
        with self.engine.begin() as connection:
            connection.execute(sessions.delete())

    def owns(self, user: User, kind: Kind, key: str, level: Level = Level.MANAGE, name: str = "") -> None:
        """Give somebody a grant on a resource that MLflow knows as `name`."""
        table = named_grants if kind.named else experiment_grants
        on: dict[str, Any] = {"name": key} if kind.named else {"experiment_id": int(key)}
        values = {"user_id": user.id, "level": int(level), "granted_by": "test", "granted_at": self.now()} | on
        with self.engine.begin() as connection:
            connection.execute(table.insert().values(values))
        held = Kind.REGISTERED_MODEL if kind.named else kind
        self.names[Resource(held, key)] = Named(kind, name or key)

    @contextmanager
    def served(self) -> Iterator[str]:
        """Serve on loopback, and give the address with the prefix."""
        server = make_server("127.0.0.1", 0, self.app, threaded=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}{self.prefix}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join(5)

    def _blueprints(self) -> list[flask.Blueprint]:
        groups, settings, clock = GroupStore(self.engine), self.settings, self.now
        return [
            login_pages(
                provider=Provider(settings),
                sessions=self.sessions,
                attempts=LoginAttempts(self.engine),
                users=self.users,
                settings=settings,
                pages=self.pages,
                static_prefix=self.prefix,
                clock=clock,
            ),
            permissions_pages(
                pages=self.pages,
                tokens=self.tokens,
                grants=self.grants,
                groups=groups,
                names=self._names,
                settings=settings,
                static_prefix=self.prefix,
                clock=clock,
            ),
            token_api(store=self.tokens, max_days=settings.max_token_days, clock=clock),
            accounts_api(users=self.users, groups=groups),
        ]

    def _names(self, resources: Sequence[Resource]) -> Mapping[Resource, Named]:
        return {resource: self.names[resource] for resource in resources if resource in self.names}

    def _enter(self) -> None:
        """Who asks, by the session cookie; nobody reaches what is not public."""
        cookie = flask.request.cookies.get(self.settings.session_cookie_name, "")
        found = self.sessions.identify(cookie, self.now())
        if isinstance(found, Identity):
            context.enter(context.Filtered(found))
            return
        context.enter(None)
        below = flask.request.path.removeprefix(self.prefix)
        if not below.startswith(("/login", "/callback", "/logout", "/permissions/static/", "/static-files/")):
            raise Unauthenticated("Log in first.")

    def _refused(self, refusal: Refusal) -> flask.Response:
        if "/ajax-api/" in flask.request.path:
            answer = flask.jsonify(refusal.body())
            answer.status_code = refusal.status
            return answer
        if isinstance(refusal, Unauthenticated) and flask.request.method == "GET":
            return flask.redirect(f"{self.prefix}/login?next={flask.request.path}")  # type: ignore[return-value]
        return self.pages.error(refusal)


class Visitor:
    """A person at a browser; `troubles` are what the console complains of."""

    def __init__(self, browser: Browser, address: str, cookie: str | None = None, **options: Any) -> None:
        self.address = address
        self.context: BrowserContext = browser.new_context(**options)
        if cookie is not None:
            host = {"domain": "127.0.0.1", "path": PREFIX}
            self.context.add_cookies([{"name": login_site.SESSION, "value": cookie, **host}])  # type: ignore[typeddict-item]
        self.page: Page = self.context.new_page()
        self.troubles: list[str] = []
        self.page.on("console", lambda line: self._heard(line.type, line.text))
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))

    def open(self, path: str) -> Page:
        """Go to a page of ours."""
        self.page.goto(f"{self.address}{path}")
        return self.page

    def picture(self, name: str) -> None:
        """Keep a screenshot."""
        SCREENSHOTS.mkdir(exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)

    def _heard(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.troubles.append(text)


def _mlflow_build() -> Path:
    """MLflow's own pages, as its package ships them."""
    found = importlib.util.find_spec("mlflow")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "server" / "js" / "build"


def _mlflow_page(prefix: str) -> str:
    """MLflow's start page with our menu, as the bridge puts it in."""
    page = (_mlflow_build() / "index.html").read_text()
    return page.replace("</title>", f"</title>{menu_tag(prefix)}", 1)


def _mlflow_file(filename: str) -> flask.Response:
    return flask.send_from_directory(_mlflow_build(), filename)
