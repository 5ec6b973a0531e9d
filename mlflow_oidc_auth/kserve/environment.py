"""Where the server is and who asks: read from the environment, as MLflow's client reads it.

SECURITY: the password and the token are in no representation of what is here.
"""

from __future__ import annotations

import ssl
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from mlflow_oidc_auth.kserve.failures import Failure, Status

_TRUE = ("true", "1", "yes")
_BUNDLE = "cabundle.crt"


@dataclass(frozen=True, slots=True)
class Server:
    """An MLflow server, and the credentials for it.

    Attributes:
        address: the tracking URI, without a slash at the end.
        authorization: the header's value.
        certificates: a file of certificates to trust; `None` for the system's.
        more_certificates: a file of certificates to trust besides.
        insecure: whether any certificate will do.
    """

    address: str
    authorization: str = field(repr=False)
    certificates: Path | None = None
    more_certificates: Path | None = None
    insecure: bool = False

    def tls(self) -> ssl.SSLContext:
        """How its certificate is checked.

        Raises:
            Failure: a file of certificates cannot be read.
        """
        try:
            context = ssl.create_default_context(cafile=self.certificates)
            if self.more_certificates is not None:
                context.load_verify_locations(self.more_certificates)
        except OSError as error:  # ssl.SSLError is one
            wanted = self.more_certificates or self.certificates
            raise _wrong(f"the certificates in {wanted} cannot be read ({type(error).__name__})") from None
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def read_environment(environ: Mapping[str, str]) -> Server:
    """The server that the environment names.

    Raises:
        Failure: something is missing or contradicts itself (`Status.CONFIGURATION`).
    """
    return Server(
        address=_address(environ.get("MLFLOW_TRACKING_URI", "").strip()),
        authorization=_authorization(environ),
        certificates=_file(environ, "MLFLOW_TRACKING_SERVER_CERT_PATH"),
        more_certificates=_bundle(environ),
        insecure=environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").strip().lower() in _TRUE,
    )


def _address(text: str) -> str:
    if not text:
        raise _wrong("MLFLOW_TRACKING_URI is not set; it is the address of the MLflow server")
    parts = urlsplit(text)
    if parts.username is not None or parts.password is not None:
        raise _wrong("MLFLOW_TRACKING_URI holds credentials; put them into MLFLOW_TRACKING_USERNAME and _PASSWORD")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise _wrong("MLFLOW_TRACKING_URI must be an http or https address, without a query")
    return text.rstrip("/")


def _authorization(environ: Mapping[str, str]) -> str:
    token = environ.get("MLFLOW_TRACKING_TOKEN", "").strip()
    username = environ.get("MLFLOW_TRACKING_USERNAME", "").strip()
    password = environ.get("MLFLOW_TRACKING_PASSWORD", "").strip()
    if username and password:
        return "Basic " + b64encode(f"{username}:{password}".encode()).decode()
    if username or password:
        missing = "PASSWORD" if username else "USERNAME"
        raise _wrong(f"MLFLOW_TRACKING_{missing} is not set; it belongs to the other half")
    if token:
        return f"Bearer {token}"
    raise _wrong("no credentials: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN")


def _bundle(environ: Mapping[str, str]) -> Path | None:
    """KServe's own bundle: a configuration map that it mounts into the container."""
    folder = environ.get("CA_BUNDLE_VOLUME_MOUNT_POINT", "").strip()
    if not environ.get("CA_BUNDLE_CONFIGMAP_NAME", "").strip() or not folder:
        return None
    return _there(Path(folder) / _BUNDLE, "CA_BUNDLE_VOLUME_MOUNT_POINT")


def _file(environ: Mapping[str, str], name: str) -> Path | None:
    text = environ.get(name, "").strip()
    return _there(Path(text), name) if text else None


def _there(path: Path, name: str) -> Path:
    if not path.is_file():
        raise _wrong(f"{name} leads to {path}, and there is no such file")
    return path


def _wrong(why: str) -> Failure:
    return Failure(Status.CONFIGURATION, f"The environment is not complete: {why}.")
