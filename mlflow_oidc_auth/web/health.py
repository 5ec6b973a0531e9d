"""Probes: `/health/live` says that the process runs, `/health/ready` that its database answers too."""

from __future__ import annotations

import logging

import flask
import sqlalchemy as sa

logger = logging.getLogger(__name__)


def health_probes(engine: sa.Engine) -> flask.Blueprint:
    """The blueprint; register it under the static prefix."""

    def live() -> flask.Response:
        return _plain("live", 200)

    def ready() -> flask.Response:
        try:
            with engine.connect() as connection:
                connection.execute(sa.select(1))
        except (sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
            logger.warning("Not ready: the database does not answer (%s)", type(error).__name__)
            return _plain("the database does not answer", 503)
        return _plain("ready", 200)

    blueprint = flask.Blueprint("oidc_auth_health", __name__)
    blueprint.add_url_rule("/health/live", "live", live, methods=["GET"])
    blueprint.add_url_rule("/health/ready", "ready", ready, methods=["GET"])
    return blueprint


def _plain(text: str, status: int) -> flask.Response:
    return flask.Response(f"{text}\n", status, {"Cache-Control": "no-store"}, mimetype="text/plain")
