"""What the gate said of one request, carried from the ASGI side to the Flask side.

The ASGI side judges what method, path and headers tell. Where the resource is named in a body that MLflow
parses, the passage is unsettled, no rows are visible, and the Flask side settles it before the handler.

SECURITY: a Flask request without a settled passage is refused. The passage travels in a context variable:
Flask runs in a thread that got a copy of the context, so settling changes nothing outside that request.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

from mlflow_oidc_auth import context
from mlflow_oidc_auth.bridge.caller import Caller
from mlflow_oidc_auth.bridge.routing import Routed
from mlflow_oidc_auth.gate import shows_rows_by_filter
from mlflow_oidc_auth.vocabulary import Identity


@dataclass(slots=True)
class Passage:
    """One request on its way in; `identity` is `None` for public operations only.

    `cookies` are the values of `Set-Cookie` on the way out: MLflow's security middleware keeps only the last of
    several headers of one name, so Flask's side hands them over and the ASGI side sends them.
    """

    caller: Caller
    routed: Routed
    identity: Identity | None
    settled: bool
    cookies: tuple[str, ...] = ()

    def view(self) -> context.View | None:
        """What rows the request may see now."""
        if self.identity is None or not self.settled:
            return None
        requirement = None if self.routed.entry is None else self.routed.entry.requirement
        if requirement is None or shows_rows_by_filter(requirement):
            return context.Filtered(self.identity, self.caller.address)
        return context.Decided(self.identity, self.caller.address)


running: ContextVar[Passage | None] = ContextVar("mlflow_oidc_auth_passage", default=None)
"""The passage of the running request."""
