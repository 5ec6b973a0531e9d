"""`mlflow server --app-name oidc-auth` calls :func:`create_app`: the only place that joins the parts.

Importing this module has no side effects; MLflow's parent process imports it too. Each worker then calls
`create_app`, which refuses what cannot be served before it opens anything.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from mlflow_oidc_auth.errors import StartRefused

if TYPE_CHECKING:
    import flask
    import sqlalchemy as sa
    from starlette.types import ASGIApp

    from mlflow_oidc_auth.settings import Settings

_logger = logging.getLogger(__name__)

STARTUP_FAILURE = 3
"""uvicorn's exit status for a worker that cannot start: its supervisor then stops instead of trying again."""


def create_app() -> ASGIApp:
    """MLflow's server behind the gate, as an ASGI application.

    Raises:
        SystemExit: it cannot start; the sentences on standard error say how to mend it.
    """
    try:
        return build(os.environ)
    except StartRefused as refusal:
        for sentence in refusal.sentences:
            print(f"mlflow-oidc-auth cannot start: {sentence}", file=sys.stderr)
        sys.exit(STARTUP_FAILURE)


def build(environ: Mapping[str, str]) -> ASGIApp:
    """The application for one process.

    Raises:
        StartRefused: settings or environment do not allow a start.
    """
    from mlflow_oidc_auth.bridge.server import refuse_other_servers
    from mlflow_oidc_auth.bridge.stores import build_stores, refuse_unserved_stores
    from mlflow_oidc_auth.database.engine import build_engine
    from mlflow_oidc_auth.database.migrate import migrate
    from mlflow_oidc_auth.settings import read_settings

    settings = read_settings(environ)
    logging.getLogger("mlflow_oidc_auth").setLevel(settings.log_level)
    refuse_other_servers(environ)
    engine = build_engine(refuse_unserved_stores(environ))
    build_stores()
    migrate(engine)
    _attach_to_stores(engine, settings)
    return _serve(engine, settings)


def _attach_to_stores(engine: sa.Engine, settings: Settings) -> None:
    """From here on MLflow's rows are filtered, and what is made has an owner."""
    from mlflow_oidc_auth.bridge.ownership import Ownership
    from mlflow_oidc_auth.bridge.row_filter import RowFilter
    from mlflow_oidc_auth.permissions.resolver import Resolver

    RowFilter(Resolver(engine, settings.default_mlflow_permission)).attach()
    Ownership().attach()


def _serve(engine: sa.Engine, settings: Settings) -> ASGIApp:
    """Join gate, pages and MLflow's applications."""
    from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

    from mlflow_oidc_auth.bridge.answers import Answers
    from mlflow_oidc_auth.bridge.asgi import GatedServer
    from mlflow_oidc_auth.bridge.flask_side import FlaskSide
    from mlflow_oidc_auth.bridge.judge import Judge
    from mlflow_oidc_auth.bridge.routing import LiveRoutes
    from mlflow_oidc_auth.bridge.server import mlflow_server, static_prefix
    from mlflow_oidc_auth.credentials import Credentials
    from mlflow_oidc_auth.gate import Gate
    from mlflow_oidc_auth.login.addresses import origin_of
    from mlflow_oidc_auth.login.sessions import SessionStore
    from mlflow_oidc_auth.operations.ours import OURS
    from mlflow_oidc_auth.operations.table import TABLE
    from mlflow_oidc_auth.permissions.creating import CreatePolicy
    from mlflow_oidc_auth.tokens.store import TokenStore
    from mlflow_oidc_auth.web.page import Pages, menu_tag

    prefix = static_prefix()
    server = mlflow_server()
    pages = Pages(static_prefix=prefix)
    answers = Answers(pages, prefix)
    sessions = SessionStore(
        engine,
        settings.secret_key.get_secret_value(),
        timedelta(seconds=settings.session_idle_seconds),
        timedelta(seconds=settings.session_cookie_max_age_seconds),
    )
    tokens = TokenStore(engine, settings.max_tokens_per_user, settings.max_login_age)
    judge = Judge(engine, settings.default_mlflow_permission)
    gate = Gate(judge, CreatePolicy(settings.restrict_resource_creation))

    menu = menu_tag(prefix) if settings.extend_mlflow_menu else ""
    FlaskSide(gate, answers, menu).attach(server.flask_app)
    _register_pages(server.flask_app, engine, settings, pages, sessions, tokens, judge, prefix)
    routes = LiveRoutes(server.fastapi_app, server.flask_app, prefix, (*TABLE, *OURS))
    for served in routes.unlisted():
        _logger.warning("%s %s is not listed and refused to everybody but admins.", served.method, served.path)

    gated = GatedServer(
        server.fastapi_app,
        routes=routes,
        credentials=Credentials(tokens, sessions, settings.session_cookie_name),
        gate=gate,
        answers=answers,
        prefix=prefix,
        own_origin=origin_of(settings.oidc_redirect_uri) if settings.oidc_redirect_uri else None,
    )
    if not settings.trusted_proxies:
        return gated
    return ProxyHeadersMiddleware(gated, [str(network) for network in settings.trusted_proxies])  # type: ignore[arg-type,return-value]


def _register_pages(app: flask.Flask, *parts: object) -> None:
    """Our pages and JSON, on MLflow's Flask application and so behind the same gate."""
