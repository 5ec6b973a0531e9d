"""Asks the MLflow server: its REST API, and its artifact proxy. Nothing else is ever asked.

Broken connections, 429 and 5xx are tried again with growing pauses; a redirect is never followed, since it would
carry the credentials to wherever it leads.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol
from urllib.parse import quote, urlencode

import urllib3
from urllib3.util import Retry, Timeout

from mlflow_oidc_auth.kserve.environment import Server
from mlflow_oidc_auth.kserve.failures import Failure, Status

TRIES = 6
"""How often one request is sent at most."""

PAUSE = 0.3
"""Seconds before the second try; each later pause is twice as long."""

_BUSY = frozenset({429, 500, 502, 503, 504})
_NO_SUCH = (
    "RESOURCE_DOES_NOT_EXIST",
    "NOT_FOUND",
    "INVALID_PARAMETER_VALUE",
)  # the last: of an alias that is not there
_LARGEST_ANSWER = 64 * 1024 * 1024
_ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"


class Answer(Protocol):
    """A streaming answer, as `urllib3` gives it."""

    status: int
    headers: Any

    def stream(self, amt: int) -> Iterator[bytes]:
        """The body in pieces."""


class Missing(Exception):
    """The server says that there is no such thing; whoever asked knows what that means."""


class Broken(Exception):
    """The connection broke off in the middle of a file; what arrived is good, and the rest can be asked for."""


class MlflowServer:
    """One server, asked with the credentials of the environment; used by many threads at once.

    Args:
        server: which, and who asks.
        at_once: how many connections are kept.
    """

    def __init__(self, server: Server, at_once: int) -> None:
        self._server = server
        self._pool = urllib3.PoolManager(
            num_pools=2,
            maxsize=at_once,
            block=True,
            ssl_context=server.tls() if server.address.startswith("https:") else None,
            timeout=Timeout(connect=10, read=60),
            headers={"Authorization": server.authorization, "User-Agent": "mlflow-storage-initializer"},
        )
        if server.insecure:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)

    def get(self, path: str, query: Mapping[str, str], what: str) -> Any:
        """The JSON of a GET below the tracking URI; `what` is asked for, in words.

        Raises:
            Missing: the server knows no such thing.
            Failure: it refuses, cannot be reached, or does not answer in JSON.
        """
        return self._json(f"{self._server.address}{path}?{urlencode(query)}", what)

    def listing(self, folder: tuple[str, ...]) -> Any:
        """What the artifact proxy lists below a folder."""
        return self.get(_ARTIFACTS, {"path": "/".join(folder)}, "the files in " + "/".join(folder))

    @contextmanager
    def open(self, path: tuple[str, ...], headers: dict[str, str]) -> Iterator[Answer]:
        """The bytes of one artifact, once: whoever reads them tries again, from where it was.

        Raises:
            Missing: there is no such file.
            Broken: the connection broke off while the bytes were read.
            Failure: the server refuses, or cannot be reached.
        """
        address = f"{self._server.address}{_ARTIFACTS}/{'/'.join(quote(part, safe='') for part in path)}"
        answer = self._request(address, headers | {"Accept-Encoding": "identity"})
        try:
            self._refuse(answer, "/".join(path))
            yield answer
            answer.release_conn()
        except urllib3.exceptions.HTTPError as error:
            raise Broken(type(error).__name__) from None
        finally:
            answer.close()

    def _json(self, address: str, what: str) -> Any:
        answer = self._request(address, {"Accept": "application/json"})
        try:
            self._refuse(answer, what)
            return json.loads(answer.read(_LARGEST_ANSWER))
        except ValueError:
            raise Failure(
                Status.NETWORK,
                f"What answers at {self._server.address} is no MLflow server, or a proxy in front of it: no JSON. "
                "See MLFLOW_TRACKING_URI.",
            ) from None
        except urllib3.exceptions.HTTPError as error:
            raise self._unreached(error) from None
        finally:
            answer.close()

    def _request(self, address: str, headers: dict[str, str]) -> Any:
        retry = Retry(
            total=TRIES - 1,
            status_forcelist=_BUSY,
            allowed_methods=None,
            backoff_factor=PAUSE,
            backoff_max=10,
            respect_retry_after_header=True,
            redirect=0,
            raise_on_redirect=False,
            raise_on_status=False,
        )
        try:
            return self._pool.request(
                "GET",
                address,
                headers={**self._pool.headers, **headers},
                retries=retry,
                redirect=False,
                preload_content=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise self._unreached(error) from None

    def _refuse(self, answer: Any, what: str) -> None:
        """Stop what did not succeed.

        Raises:
            Missing: 404, or MLflow says so in another status.
            Failure: anything else.
        """
        if answer.status in (200, 206, 416):
            return
        code, message = _told(answer)
        if answer.status == 404 or code in _NO_SUCH:
            raise Missing(message)
        raise _failure(answer.status, code, message, self._server.address, what)

    def _unreached(self, error: Exception) -> Failure:
        reason = getattr(error, "reason", None) or error
        return Failure(
            Status.NETWORK,
            f"{self._server.address} cannot be reached, or breaks off ({type(reason).__name__}), tried {TRIES} times.",
        )


def _told(answer: Any) -> tuple[str, str]:
    """The error code and message of MLflow's error shape; empty where the answer has none."""
    try:
        body = json.loads(answer.read(65536))
        return str(body.get("error_code", "")), str(body.get("message", ""))[:400]
    except (ValueError, AttributeError, urllib3.exceptions.HTTPError):
        return "", ""


def _failure(status: int, code: str, message: str, address: str, what: str) -> Failure:
    """WIRE: which exit status each answer becomes."""
    if status == 401:
        return Failure(
            Status.UNAUTHENTICATED,
            f"{address} does not take the credentials: the access key may have ended or been replaced. Make a new one "
            "on the Permissions page (an MLflow admin makes those of service accounts), and put it into the secret.",
        )
    if status == 403:
        return Failure(Status.FORBIDDEN, f"No permission for {what}: {message or 'it must be shared first.'}")
    if 300 <= status < 400:
        return Failure(
            Status.CONFIGURATION, f"{address} sends elsewhere (HTTP {status}). See MLFLOW_TRACKING_URI and its prefix."
        )
    if status in _BUSY:
        return Failure(Status.NETWORK, f"{address} answers {status} for {what}, tried {TRIES} times. {message}")
    return Failure(Status.UNEXPECTED, f"{address} answers {status} {code} for {what}: {message}")
