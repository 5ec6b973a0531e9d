"""`mlflow server --app-name oidc-auth` calls :func:`create_app`: the only place that joins the parts.

Importing this module has no side effects; MLflow's parent process imports it too. Each worker then calls
`create_app`, which refuses what cannot be served before it opens anything.

The order is part of the contract: settings and stores are refused first; MLflow's stores are opened, and
migrate themselves, before our tables; listeners are attached only then, so that all of it runs as the server
itself; the routes are read last, when they are all there.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator, MutableMapping
from datetime import UTC, datetime, timedelta
from typing import Any

import flask
import sqlalchemy as sa
from starlette.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from mlflow_oidc_auth.accounts.groups import GroupStore
from mlflow_oidc_auth.accounts.groups_web import groups_api
from mlflow_oidc_auth.accounts.service_accounts import ServiceAccountStore
from mlflow_oidc_auth.accounts.service_accounts_web import service_accounts_api
from mlflow_oidc_auth.accounts.users import UserStore
from mlflow_oidc_auth.accounts.web import accounts_api
from mlflow_oidc_auth.audit import AuditLog
from mlflow_oidc_auth.bridge.answers import Answers
from mlflow_oidc_auth.bridge.asgi import GatedServer
from mlflow_oidc_auth.bridge.flask_side import FlaskSide
from mlflow_oidc_auth.bridge.judge import Judge
from mlflow_oidc_auth.bridge.lookups import ResourceLookup
from mlflow_oidc_auth.bridge.ownership import Ownership
from mlflow_oidc_auth.bridge.probes import Probes
from mlflow_oidc_auth.bridge.routing import LiveRoutes
from mlflow_oidc_auth.bridge.row_filter import RowFilter
from mlflow_oidc_auth.bridge.server import (
    mlflow_server,
    refuse_other_callback,
    refuse_other_servers,
    static_prefix,
    use_shipped_catalogues,
)
from mlflow_oidc_auth.bridge.stores import build_stores, refuse_unserved_stores
from mlflow_oidc_auth.credentials import Credentials
from mlflow_oidc_auth.database.engine import build_engine
from mlflow_oidc_auth.database.migrate import migrate
from mlflow_oidc_auth.errors import StartRefused
from mlflow_oidc_auth.gate import Gate
from mlflow_oidc_auth.grants.explain_web import Why, explain_api
from mlflow_oidc_auth.grants.listing import GrantListing
from mlflow_oidc_auth.grants.mlflow_web import mlflow_api
from mlflow_oidc_auth.grants.people_web import people_api
from mlflow_oidc_auth.grants.requests import RequestStore
from mlflow_oidc_auth.grants.requests_web import requests_api
from mlflow_oidc_auth.grants.roles import Roles
from mlflow_oidc_auth.grants.roles_web import roles_api
from mlflow_oidc_auth.grants.rules import WORDS
from mlflow_oidc_auth.grants.store import GrantStore
from mlflow_oidc_auth.grants.web import grants_api
from mlflow_oidc_auth.login.attempts import LoginAttempts
from mlflow_oidc_auth.login.provider import Provider
from mlflow_oidc_auth.login.sessions import SessionStore
from mlflow_oidc_auth.login.sessions_web import sessions_api
from mlflow_oidc_auth.login.web import login_pages
from mlflow_oidc_auth.operations.ours import OURS
from mlflow_oidc_auth.operations.table import TABLE
from mlflow_oidc_auth.pages.account import account_pages
from mlflow_oidc_auth.pages.audit import audit_pages
from mlflow_oidc_auth.pages.groups import groups_pages
from mlflow_oidc_auth.pages.parts import Parts
from mlflow_oidc_auth.pages.people import people_pages
from mlflow_oidc_auth.pages.permissions import permissions_pages
from mlflow_oidc_auth.pages.policy import policy_pages
from mlflow_oidc_auth.pages.requests import requests_pages
from mlflow_oidc_auth.pages.service_accounts import service_accounts_pages
from mlflow_oidc_auth.pages.sessions import sessions_pages
from mlflow_oidc_auth.pages.sharing import sharing_pages
from mlflow_oidc_auth.pages.unmanaged import unmanaged_pages
from mlflow_oidc_auth.pages.why import why_pages
from mlflow_oidc_auth.permissions.creating import CreatePolicy
from mlflow_oidc_auth.permissions.explain import Explainer
from mlflow_oidc_auth.permissions.resolver import Resolver
from mlflow_oidc_auth.settings import Settings, read_settings
from mlflow_oidc_auth.tokens.store import TokenStore
from mlflow_oidc_auth.tokens.web import token_api
from mlflow_oidc_auth.web.addresses import origin_of
from mlflow_oidc_auth.web.audit_api import audit_api
from mlflow_oidc_auth.web.openapi import document, openapi_api, routes_of
from mlflow_oidc_auth.web.page import Pages, menu_tag

_logger = logging.getLogger(__name__)

STARTUP_FAILURE = 3
"""uvicorn's exit status for a worker that cannot start: its supervisor then stops instead of trying again."""


def create_app() -> ASGIApp:
    """MLflow's server behind the gate, as an ASGI application.

    Raises:
        SystemExit: it cannot start; the sentences on standard error say how to mend it.
    """
    try:
        return _build(os.environ)
    except StartRefused as refusal:
        for sentence in refusal.sentences:
            print(f"mlflow-oidc-auth cannot start: {sentence}", file=sys.stderr)
        sys.exit(STARTUP_FAILURE)


def _build(environ: MutableMapping[str, str]) -> ASGIApp:
    settings = read_settings(environ)
    _write_logs(settings.log_level)
    refuse_other_servers(environ)
    refuse_other_callback(settings.oidc_redirect_uri, static_prefix(environ))
    use_shipped_catalogues(environ)
    engine = build_engine(refuse_unserved_stores(environ))
    build_stores()
    migrate(engine)
    RowFilter(Resolver(engine, settings.default_mlflow_permission)).attach()
    Ownership(team_level=settings.creator_team_permission).attach()
    return _serve(join(engine, settings, static_prefix(environ)))


def _write_logs(level: str) -> None:
    """Our log goes to standard error: MLflow and uvicorn give handlers to their own loggers only."""
    ours = logging.getLogger("mlflow_oidc_auth")
    ours.setLevel(level)
    if not ours.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s", "%Y/%m/%d %H:%M:%S"))
        ours.addHandler(handler)
        ours.propagate = False
    logging.getLogger("uvicorn.access").addFilter(_without_query)


def _without_query(record: logging.LogRecord) -> bool:
    """SECURITY: uvicorn's access log would keep the code that the provider sends to /callback."""
    match record.args:
        case (client, method, str(path), *rest):
            record.args = (client, method, path.split("?", 1)[0], *rest)
    return True


def _now() -> datetime:
    return datetime.now(UTC)


def join(engine: sa.Engine, settings: Settings, prefix: str, clock: Callable[[], datetime] = _now) -> Parts:
    """One of each store, on our engine."""
    default = settings.default_mlflow_permission
    login_age = timedelta(days=settings.max_login_age_days) if settings.max_login_age_days else None
    grants, resources = GrantStore(engine, default), ResourceLookup(engine)
    requests = RequestStore(engine, default, grants, resources)
    return Parts(
        engine=engine,
        settings=settings,
        prefix=prefix,
        clock=clock,
        pages=Pages(prefix, open_requests=lambda me: requests.count_to_decide(me, clock()), level_words=WORDS),
        users=UserStore(engine),
        groups=GroupStore(engine),
        service_accounts=ServiceAccountStore(engine),
        sessions=SessionStore(
            engine,
            settings.secret_key.get_secret_value(),
            idle=timedelta(seconds=settings.session_idle_seconds),
            absolute=timedelta(seconds=settings.session_cookie_max_age_seconds),
        ),
        tokens=TokenStore(
            engine, settings.max_tokens_per_user, login_age, timedelta(hours=settings.replaced_token_hours)
        ),
        grants=grants,
        listing=GrantListing(engine),
        resources=resources,
        judge=Judge(engine, default),
        requests=requests,
        explainer=Explainer(engine, default),
        audit=AuditLog(engine),
    )


def _serve(parts: Parts) -> ASGIApp:
    """MLflow's applications with our pages on them, and the gate in front."""
    settings, server = parts.settings, mlflow_server()
    gate = Gate(
        Judge(parts.engine, settings.default_mlflow_permission),
        CreatePolicy(settings.restrict_resource_creation, settings.resource_creator_groups, parts.engine),
    )
    answers = Answers(parts.pages, parts.prefix)
    menu = menu_tag(parts.prefix) if settings.extend_mlflow_menu else ""
    FlaskSide(gate, answers, menu).attach(server.flask_app)
    for blueprint in blueprints(parts):
        server.flask_app.register_blueprint(blueprint, url_prefix=parts.prefix or None)
    routes = LiveRoutes(server.fastapi_app, server.flask_app, parts.prefix, (*TABLE, *OURS))
    for served in routes.unlisted():
        _logger.warning("%s %s is not listed: refused to everybody but admins", served.method, served.path)
    gated = GatedServer(
        server.fastapi_app,
        routes=routes,
        credentials=Credentials(parts.tokens, parts.sessions, settings.session_cookie_name),
        gate=gate,
        answers=answers,
        probes=Probes(parts.engine),
        prefix=parts.prefix,
        own_origin=origin_of(settings.oidc_redirect_uri) if settings.oidc_redirect_uri else None,
    )
    return _behind_proxies(gated, settings)


def _behind_proxies(server: ASGIApp, settings: Settings) -> ASGIApp:
    """Behind the proxies we trust, the client's address and scheme are what they say."""
    if not settings.trusted_proxies:
        return server
    networks = [str(network) for network in settings.trusted_proxies]
    return ProxyHeadersMiddleware(server, trusted_hosts=networks)  # type: ignore[arg-type,return-value]


def blueprints(parts: Parts) -> Iterator[flask.Blueprint]:
    """Our pages and JSON; register each under the static prefix."""
    settings, clock = parts.settings, parts.clock
    yield login_pages(
        provider=Provider(settings),
        sessions=parts.sessions,
        attempts=LoginAttempts(parts.engine),
        users=parts.users,
        settings=settings,
        pages=parts.pages,
        static_prefix=parts.prefix,
        clock=clock,
    )
    yield token_api(store=parts.tokens, users=parts.users, max_days=settings.max_token_days, clock=clock)
    yield sessions_api(sessions=parts.sessions, users=parts.users, clock=clock)
    yield accounts_api(users=parts.users, groups=parts.groups, clock=clock)
    yield groups_api(groups=parts.groups, users=parts.users, clock=clock)
    yield service_accounts_api(accounts=parts.service_accounts, users=parts.users, clock=clock)
    yield people_api(grants=parts.grants, users=parts.users, resources=parts.resources, clock=clock)
    yield grants_api(parts.asked, parts.grants, parts.listing, clock)
    roles = Roles(parts.listing, parts.groups, parts.resources, clock)
    yield mlflow_api(parts.asked, parts.grants, roles, clock)
    yield roles_api(parts.asked, parts.grants, parts.listing, roles, clock)
    yield explain_api(Why(parts.asked, parts.explainer, clock))
    yield requests_api(requests=parts.requests, clock=clock)
    yield audit_api(parts.audit)
    yield openapi_api(entries=OURS, prefix=parts.prefix, cookie_name=settings.session_cookie_name)
    yield permissions_pages(parts)
    yield sharing_pages(parts)
    yield requests_pages(parts)
    yield sessions_pages(parts)
    yield people_pages(parts)
    yield account_pages(parts)
    yield groups_pages(parts)
    yield service_accounts_pages(parts)
    yield unmanaged_pages(parts)
    yield policy_pages(parts)
    yield why_pages(parts)
    yield audit_pages(parts)


def openapi_document() -> dict[str, Any]:
    """What a server with the default settings tells of its JSON at `openapi.json`. Opens nothing: nobody asks it."""
    settings = read_settings(_ANY_SETTINGS)
    described = flask.Flask("described")
    for blueprint in blueprints(join(sa.create_engine("sqlite://"), settings, "")):
        described.register_blueprint(blueprint)
    return document(routes_of(described), OURS, "", settings.session_cookie_name)


_ANY_SETTINGS = {
    "OIDC_DISCOVERY_URL": "https://login.invalid/.well-known/openid-configuration",
    "OIDC_CLIENT_ID": "described",
    "OIDC_PUBLIC_CLIENT": "true",
    "OIDC_GROUP_NAME": "described",
    "SECRET_KEY": "no server is started with this one",
}
