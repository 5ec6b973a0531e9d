"""Our pages as a browser meets them: login, Permissions, and MLflow's own page with our menu; a real database.

The bridge and MLflow's server are left out: the session cookie says who asks, the gate decides on what is ours, and
what MLflow's own page asks of its server is answered with an empty list.
"""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import flask
import sqlalchemy as sa
from mlflow.store.model_registry.dbmodels import models as _registry_models  # noqa: F401 - maps its classes
from mlflow.store.tracking.dbmodels.models import Base
from playwright.sync_api import Browser, BrowserContext, Page
from werkzeug.serving import make_server

from mlflow_oidc_auth import context
from mlflow_oidc_auth.accounts.users import User
from mlflow_oidc_auth.app import blueprints, join
from mlflow_oidc_auth.bridge.judge import Judge
from mlflow_oidc_auth.bridge.resources import experiments, registered_model_tags, registered_models
from mlflow_oidc_auth.database.tables import experiment_grants, named_grants, sessions
from mlflow_oidc_auth.errors import Forbidden, Refusal, Unauthenticated
from mlflow_oidc_auth.gate import Gate
from mlflow_oidc_auth.login.claims import Profile
from mlflow_oidc_auth.operations.ours import OURS
from mlflow_oidc_auth.operations.requirements import Entry, Public
from mlflow_oidc_auth.operations.table import PROMPT_TAG
from mlflow_oidc_auth.permissions.creating import CreatePolicy
from mlflow_oidc_auth.settings import Settings
from mlflow_oidc_auth.vocabulary import Identity, Kind, Level
from mlflow_oidc_auth.web.page import menu_tag
from tests.settings import SESSION
from tests.settings import settings as usual_settings

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
_ENTRIES = {(entry.method, entry.path): entry for entry in OURS}
SCREENSHOTS = Path(__file__).parents[2] / "test-output"


class PagesSite:
    """A server of nothing but our pages and JSON, with what they read of MLflow's tables."""

    def __init__(self, engine: sa.Engine, settings: Settings | None = None, prefix: str = PREFIX) -> None:
        self.engine, self.settings, self.prefix = engine, settings or usual_settings(), prefix
        self.parts = join(engine, self.settings, prefix, self.now)
        self.users, self.tokens, self.grants = self.parts.users, self.parts.tokens, self.parts.grants
        self.sessions, self.pages = self.parts.sessions, self.parts.pages
        self._gate = Gate(Judge(engine, Level.NO_PERMISSIONS), CreatePolicy(admins_only=False))
        Base.metadata.create_all(engine, tables=[experiments, registered_models, registered_model_tags])
        self.app = flask.Flask("pages_site")
        self.app.before_request(self._enter)
        self.app.teardown_request(lambda _: context.enter(None) and None)
        self.app.register_error_handler(Refusal, self._refused)
        for blueprint in blueprints(self.parts):
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
        self.makes(kind, key, name or key)

    def makes(self, kind: Kind, key: str, name: str = "", *, deleted: bool = False) -> None:
        """Let MLflow know a resource, which nobody owns by this alone."""
        with self.engine.begin() as connection:
            if kind is Kind.EXPERIMENT:
                stage = "deleted" if deleted else "active"
                row = {"experiment_id": int(key), "name": name or key, "workspace": "default", "lifecycle_stage": stage}
                _put(connection, experiments, row)
                return
            _put(connection, registered_models, {"name": key, "workspace": "default"})
            if kind is Kind.PROMPT:
                tag = {"workspace": "default", "name": key, "key": PROMPT_TAG, "value": "true"}
                _put(connection, registered_model_tags, tag)

    def purges(self, experiment_id: str) -> None:
        """Let MLflow forget an experiment."""
        with self.engine.begin() as connection:
            connection.execute(experiments.delete().where(experiments.c.experiment_id == int(experiment_id)))

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

    def _enter(self) -> None:
        """Who asks, by the session cookie; nobody reaches what is not public."""
        cookie = flask.request.cookies.get(self.settings.session_cookie_name, "")
        found = self.sessions.identify(cookie, self.now())
        if isinstance(found, Identity):
            context.enter(context.Filtered(found))
            entry = self._entry()
            verdict = None if entry is None else self._gate.early(found, entry)
            if verdict is not None and not verdict:
                raise Forbidden(verdict.sentence)
            return
        context.enter(None)
        entry = self._entry()
        files = flask.request.path.startswith(f"{self.prefix}/static-files/")
        if not files and (entry is None or not isinstance(entry.requirement, Public)):
            raise Unauthenticated("Log in first.")

    def _entry(self) -> Entry | None:
        """What the request asks for, where it is ours."""
        rule = "" if flask.request.url_rule is None else flask.request.url_rule.rule
        return _ENTRIES.get((flask.request.method, rule.removeprefix(self.prefix)))

    def _refused(self, refusal: Refusal) -> flask.Response:
        if "/ajax-api/" in flask.request.path or "/api/" in flask.request.path:
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
            self.context.add_cookies([{"name": SESSION, "value": cookie, **host}])  # type: ignore[typeddict-item]
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


def _put(connection: sa.Connection, table: Any, row: dict[str, Any]) -> None:
    """Make a row, in place of one that has its key."""
    keys = [column == row[column.name] for column in table.primary_key]
    connection.execute(table.delete().where(*keys))
    connection.execute(table.insert().values(row))


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
