"""`login()`: asks for address, e-mail and access key, tries them, and keeps them where MLflow's client looks.

The server is asked as MLflow's client asks, with its settings for TLS and proxies, but once and with little patience:
that client tries for minutes where there is no server.

SECURITY: the key goes to the address alone, follows no redirect, and is in no message. Nothing is written before the
server has said whose it is.
"""

from __future__ import annotations

import getpass
import ipaddress
import os
import re
import shlex
from collections.abc import Callable
from typing import NoReturn
from urllib.parse import SplitResult, urlsplit

import mlflow
import requests
from mlflow.environment_variables import (
    MLFLOW_TRACKING_CLIENT_CERT_PATH,
    MLFLOW_TRACKING_INSECURE_TLS,
    MLFLOW_TRACKING_PASSWORD,
    MLFLOW_TRACKING_SERVER_CERT_PATH,
    MLFLOW_TRACKING_TOKEN,
    MLFLOW_TRACKING_URI,
    MLFLOW_TRACKING_USERNAME,
)
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    INVALID_PARAMETER_VALUE,
    PERMISSION_DENIED,
    TEMPORARILY_UNAVAILABLE,
    UNAUTHENTICATED,
)
from mlflow.utils.rest_utils import MlflowHostCreds, http_request

from mlflow_oidc_auth.client.credentials_file import SHOWN, PlainKey, save

_CURRENT_USER = "/api/2.0/mlflow/users/current"
_EXAMPLE = "https://mlflow.example.com/mlflow"
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SECONDS = 5
"""For the connection, and for each wait for the answer."""


def login(*, tracking_uri: str | None = None, username: str | None = None, access_key: str | None = None) -> None:
    """Log this machine in: what is not given is asked for, and the key is not shown while it is typed.

    Once the server has taken them, e-mail and key are in `~/.mlflow/credentials`, for you alone to read, where every
    MLflow client finds them; this session uses the server from here on.

    Args:
        tracking_uri: the server's address, with its prefix if it has one; `MLFLOW_TRACKING_URI` is offered.
        username: your e-mail, or the name of a service account.
        access_key: made on the Permissions page.

    Raises:
        MlflowException: they do not hold, or the server cannot be asked; the message says what to do, and nothing
            was written.
    """
    given = None if access_key is None else PlainKey(access_key)
    del access_key  # SECURITY: a traceback may show what the arguments were
    address = _address(_asked_address() if tracking_uri is None else tracking_uri)
    if address.startswith("http:") and not _is_this_machine(urlsplit(address).hostname or ""):
        print(f"Careful: {address} has no TLS, so whoever is on the way can read your access key. Ask for https.")
    name = (_asked("E-mail: ") if username is None else username).strip()
    key = PlainKey(_asked("Access key (not shown): ", getpass.getpass)) if given is None else given
    if not _is_one_line(name) or not _is_one_line(key.reveal()):
        raise _wrong("The e-mail and the access key are one line each, and neither is empty.")
    ends = _try(address, name, key)
    save(name, key)
    mlflow.set_tracking_uri(address)
    print(
        f"You are {name} at {address}. Your access key is kept in {SHOWN}{f', and ends on {ends}' if ends else ''}; "
        f"other sessions need one line: export {MLFLOW_TRACKING_URI.name}={shlex.quote(address)}"
    )
    _tell_what_else_is_set()


def _asked(prompt: str, ask: Callable[[str], str] | None = None) -> str:
    """What somebody types. `input` is looked up at each call: notebooks put their own in its place.

    Raises:
        MlflowException: nobody is there.
    """
    try:
        return (ask or input)(prompt)
    except (EOFError, NotImplementedError):  # the latter: a notebook that runs by itself
        pass
    raise _wrong("Nobody is here to answer: login(tracking_uri=..., username=..., access_key=...) asks nothing.")


def _asked_address() -> str:
    offered = MLFLOW_TRACKING_URI.get() or ""
    if not offered.startswith(("http://", "https://")) or "@" in offered:
        return _asked(f"Address of MLflow, such as {_EXAMPLE}: ")
    return _asked(f"Address of MLflow [{offered}]: ").strip() or offered


def _address(text: str) -> str:
    """The address without a slash at its end.

    SECURITY: what is refused is not repeated: it may hold a password, or be the key in the wrong place.
    """
    text = text.strip()
    parts = _split(text)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise _wrong(f"The address of MLflow begins with https://, as in {_EXAMPLE}.")
    if "@" in parts.netloc:
        raise _wrong(f"Leave user and password out of the address, as in {_EXAMPLE}: they are asked for apart.")
    if "?" in text or "#" in text:
        raise _wrong(f"Leave out of the address what follows ? or #: {_EXAMPLE} is a whole one.")
    return text.rstrip("/")


def _split(text: str) -> SplitResult | None:
    if "\\" in text or not _is_one_line(text) or any(char.isspace() for char in text):
        return None
    try:
        parts = urlsplit(text)
        return parts if parts.port != 0 else None
    except ValueError:
        return None


def _is_one_line(text: str) -> bool:
    return bool(text) and text.isprintable()


def _is_this_machine(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _try(address: str, name: str, key: PlainKey) -> str:
    """Ask the server who this is.

    Returns:
        The day on which the key ends; empty if it is not told.

    Raises:
        MlflowException: it is not `name`, or that cannot be told.
    """
    if requests.utils.get_netrc_auth(address) is not None:
        raise _wrong(
            f"Your netrc file has a login for {urlsplit(address).hostname}, and MLflow's client sends that in place "
            "of an access key. Take it out there first."
        )
    answer = _answer(address, name, key)
    if isinstance(answer, Exception):
        _not_reached(address, answer)
    with answer:
        if answer.status_code != 200:
            _refused(address, answer)
        told = _current_user(answer)
    if told is None:
        _no_mlflow(address)
    username, ends = told
    if username.casefold() != name.casefold():
        raise MlflowException(
            f"This access key belongs to another account of {address} than the e-mail. Give the one that it was "
            "made for.",
            error_code=UNAUTHENTICATED,
        )
    return ends


def _answer(address: str, name: str, key: PlainKey) -> requests.Response | Exception:
    """What the server says, its body unread; or why nothing came.

    SECURITY: given, not raised: in the frames of a traceback the key stands in plain.
    """
    try:
        creds = MlflowHostCreds(
            host=address,
            username=name,
            password=key.reveal(),
            ignore_tls_verification=MLFLOW_TRACKING_INSECURE_TLS.get(),
            client_cert_path=MLFLOW_TRACKING_CLIENT_CERT_PATH.get(),
            server_cert_path=MLFLOW_TRACKING_SERVER_CERT_PATH.get(),
        )
        patience = {"max_retries": 0, "retry_codes": frozenset(), "timeout": _SECONDS}
        sent = {"allow_redirects": False, "stream": True}
        answer: requests.Response = http_request(creds, _CURRENT_USER, "GET", **patience, **sent)
    except MlflowException as error:
        cause = error.__cause__ or error.__context__
        return cause if isinstance(cause, Exception) else error
    return answer


def _current_user(answer: requests.Response) -> tuple[str, str] | None:
    """Who the server says this is, and the day on which the key ends; `None` if it does not speak as MLflow with
    logins does.
    """
    if "json" not in answer.headers.get("Content-Type", ""):
        return None
    try:
        told = answer.json()
        username, ends = str(told["user"]["username"]), str(told.get("expires_at", ""))[:10]
    except (ValueError, KeyError, TypeError, AttributeError, requests.RequestException):
        return None
    return username, ends if _DAY.fullmatch(ends) else ""


def _not_reached(address: str, error: Exception) -> NoReturn:
    match error:
        case requests.exceptions.SSLError():
            raise _wrong(
                f"{address} has no certificate that this machine trusts. See whether the address is right; if the "
                f"certificate is of a CA of your own, set {MLFLOW_TRACKING_SERVER_CERT_PATH.name} to that CA's file."
            )
        case requests.RequestException():
            raise MlflowException(
                f"{address} does not answer ({type(error).__name__}). See whether the address is right, whether it "
                "needs a VPN or a proxy, and whether the server runs.",
                error_code=TEMPORARILY_UNAVAILABLE,
            )
        case MlflowException():
            raise _wrong(error.message)
        case _:
            raise _wrong(
                f"{address} was not asked ({type(error).__name__}). See whether the files exist that "
                f"{MLFLOW_TRACKING_SERVER_CERT_PATH.name} and {MLFLOW_TRACKING_CLIENT_CERT_PATH.name} name."
            )


def _refused(address: str, answer: requests.Response) -> NoReturn:
    """SECURITY: nothing that the other side wrote is repeated but where it leads to: it may repeat the key."""
    status = answer.status_code
    if status == 401:
        raise MlflowException(
            f"{address} does not take this e-mail with this access key. The key may have ended or been replaced: make "
            f"a new one at {address}/permissions. If that does not help, ask an MLflow admin whether your account is "
            "disabled.",
            error_code=UNAUTHENTICATED,
        )
    if 300 <= status < 400:
        raise _wrong(
            f"{address} leads elsewhere{_where(answer)}; your access key was not sent there. If that is your MLflow, "
            "give its address."
        )
    if status == 403:
        raise MlflowException(
            f"{address} refuses to be asked from here (HTTP 403). Ask who runs it.", error_code=PERMISSION_DENIED
        )
    if status == 429 or status >= 500:
        raise MlflowException(
            f"{address} cannot answer at this moment (HTTP {status}). Try again in a minute.",
            error_code=TEMPORARILY_UNAVAILABLE,
        )
    _no_mlflow(address)


def _where(answer: requests.Response) -> str:
    """Scheme and host that a redirect names, if it names any."""
    parts = _split(answer.headers.get("Location", ""))
    if parts is None or not parts.hostname or parts.scheme not in ("http", "https"):
        return ""
    port = f":{parts.port}" if parts.port else ""
    return f", to {parts.scheme}://{parts.hostname}{port}"


def _no_mlflow(address: str) -> NoReturn:
    raise _wrong(
        f"What answers at {address} is no MLflow server with logins. Copy the address from where you made the access "
        f"key, with its prefix, as in {_EXAMPLE}."
    )


def _wrong(sentence: str) -> MlflowException:
    return MlflowException(sentence, error_code=INVALID_PARAMETER_VALUE)


def _tell_what_else_is_set() -> None:
    """What MLflow's client prefers to the file, and what it does not."""
    first = [name for name in (MLFLOW_TRACKING_USERNAME.name, MLFLOW_TRACKING_PASSWORD.name) if os.environ.get(name)]
    if first:
        print(f"But MLflow takes {' and '.join(first)} of the environment before that file: unset what is not to win.")
    if os.environ.get(MLFLOW_TRACKING_TOKEN.name):
        print(f"{MLFLOW_TRACKING_TOKEN.name} is not used any more: MLflow takes e-mail and access key before it.")
