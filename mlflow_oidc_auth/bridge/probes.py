"""Probes: `/health/live` says that the process runs, `/health/ready` that its database answers too.

The ASGI side answers them by itself, on a thread of its own where one is needed: a server whose threads are
all at work is busy, not dead, and must not be killed for it. MLflow's host check does not apply either, since
a cluster asks by a pod's address.
"""

from __future__ import annotations

import logging

import anyio
import anyio.to_thread
import sqlalchemy as sa
from werkzeug.wrappers import Response

from mlflow_oidc_auth.database.engine import NO_ANSWER

_logger = logging.getLogger(__name__)


class Probes:
    """Answers probes.

    Args:
        engine: ours.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._one_at_a_time: anyio.CapacityLimiter | None = None

    async def answer(self, path: str) -> Response:
        """The answer at an address of `operations/ours.py`."""
        if path.endswith("/live"):
            return _plain("live", 200)
        if self._one_at_a_time is None:
            self._one_at_a_time = anyio.CapacityLimiter(1)
        if await anyio.to_thread.run_sync(self._database_answers, limiter=self._one_at_a_time):
            return _plain("ready", 200)
        return _plain("the database does not answer", 503)

    def _database_answers(self) -> bool:
        try:
            with self._engine.connect() as connection:
                connection.execute(sa.select(1))
        except NO_ANSWER as error:
            _logger.warning("Not ready: the database does not answer (%s)", type(error).__name__)
            return False
        return True


def _plain(text: str, status: int) -> Response:
    return Response(f"{text}\n", status, {"Cache-Control": "no-store"}, mimetype="text/plain")
