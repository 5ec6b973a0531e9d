"""One request to the server, as MLflow's own client makes it: its credentials, its retries, its errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request, verify_rest_response


class Asking:
    """Asks one server.

    Args:
        tracking_uri: the server's address, with its prefix if it has one.
    """

    def __init__(self, tracking_uri: str) -> None:
        self.tracking_uri = tracking_uri

    def _request(self, method: str, path: str, **sent: Any) -> dict[str, Any]:
        """The JSON that the server answers with; `sent` is `json` or `params`."""
        answer = http_request(get_default_host_creds(self.tracking_uri), path, method, **sent)
        told: dict[str, Any] = verify_rest_response(answer, path).json()
        return told

    def _every(self, path: str, what: str, **params: Any) -> Iterator[dict[str, Any]]:
        """All pages of a list, as they are asked for."""
        wanted = given(**params)
        while True:
            told = self._request("GET", path, params=wanted)
            yield from told[what]
            token = told.get("next_page_token", "")
            if not token:
                return
            wanted = wanted | {"page_token": token}


def given(**values: Any) -> dict[str, Any]:
    """What is not `None`."""
    return {name: value for name, value in values.items() if value is not None}
