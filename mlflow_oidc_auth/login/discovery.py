"""The provider's metadata (OpenID Connect Discovery 1.0): fetched when first needed, kept an hour, checked.

The server starts, and access keys work, while the provider is down; whoever logs in meanwhile gets a
page that says so. After a failure the provider is left alone for two seconds, so that a crowd of
logins does not wait for one timeout each.

SECURITY: the issuer must be the configured one, and the one that the discovery address belongs to
(Discovery 1.0, section 4.3): otherwise whoever can change the document can name themselves. Where the
document came over https, so must everything it names.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from mlflow_oidc_auth.login.failures import ProviderDown
from mlflow_oidc_auth.login.wire import ProviderWire

logger = logging.getLogger(__name__)

_WELL_KNOWN = "/.well-known/openid-configuration"
_KEPT_SECONDS = 3600.0
_LEFT_ALONE_SECONDS = 2.0

# SECURITY: asymmetric signatures only. With HS256 the client secret, or a public key taken for one, signs
# a login; "none" needs nothing at all. EdDSA has two names: RFC 8037's and RFC 9864's.
SIGNATURES = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"}
)


@dataclass(frozen=True, slots=True)
class Metadata:
    """What the provider says of itself, checked."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    end_session_endpoint: str | None
    announces_issuer: bool  # RFC 9207: the callback carries `iss`
    signatures: frozenset[str]
    takes_basic: bool  # the client secret by HTTP basic, else in the form


class Discovery:
    """The metadata of one provider, for all threads of a process.

    Args:
        address: OIDC_DISCOVERY_URL.
        issuer: OIDC_ISSUER; `None` takes the one that the address belongs to.
        clock: monotonic seconds.
    """

    def __init__(
        self, wire: ProviderWire, address: str, issuer: str | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._wire = wire
        self._address = address
        self._issuer = issuer or _issuer_of(address)
        self._clock = clock
        self._lock = threading.Lock()
        self._metadata: Metadata | None = None
        self._fetched_at = 0.0
        self._failure: ProviderDown | None = None
        self._failed_at = 0.0

    @property
    def known(self) -> Metadata | None:
        """The metadata if it is there, however old; asks nobody."""
        return self._metadata

    def metadata(self) -> Metadata:
        """The metadata, fetched if need be. What was fetched before outlives an outage.

        Raises:
            ProviderDown: the provider does not answer, or its answer must not be trusted.
        """
        with self._lock:
            if self._metadata is not None and self._clock() - self._fetched_at < _KEPT_SECONDS:
                return self._metadata
            if self._failure is not None and self._clock() - self._failed_at < _LEFT_ALONE_SECONDS:
                return self._older_or_raise(self._failure)
            return self._fetch()

    def _fetch(self) -> Metadata:
        try:
            found = checked(self._wire.json(self._address), self._address, self._issuer)
        except ProviderDown as failure:
            self._failure, self._failed_at = failure, self._clock()
            logger.warning("The provider's metadata could not be used: %s", failure.detail)
            return self._older_or_raise(failure)
        self._metadata, self._fetched_at, self._failure = found, self._clock(), None
        return found

    def _older_or_raise(self, failure: ProviderDown) -> Metadata:
        if self._metadata is None:
            raise ProviderDown(failure.detail)
        return self._metadata


def checked(document: Mapping[str, Any], address: str, issuer: str | None) -> Metadata:
    """The metadata in a discovery document.

    Raises:
        ProviderDown: another issuer than expected, or something needed is missing or in the clear.
    """
    named = document.get("issuer")
    if not isinstance(named, str) or not named:
        raise ProviderDown("the metadata names no issuer")
    if issuer is not None and named != issuer:
        raise ProviderDown(f"the metadata names the issuer {named!r}, expected is {issuer!r} (see OIDC_ISSUER)")
    return Metadata(
        issuer=named,
        authorization_endpoint=_endpoint(document, "authorization_endpoint", address),
        token_endpoint=_endpoint(document, "token_endpoint", address),
        jwks_uri=_endpoint(document, "jwks_uri", address),
        end_session_endpoint=(
            _endpoint(document, "end_session_endpoint", address) if document.get("end_session_endpoint") else None
        ),
        announces_issuer=document.get("authorization_response_iss_parameter_supported") is True,
        signatures=_signatures(document),
        takes_basic=_takes_basic(document),
    )


def _issuer_of(address: str) -> str | None:
    """The issuer a discovery address belongs to; `None` where the address does not tell."""
    return address.removesuffix(_WELL_KNOWN) if address.endswith(_WELL_KNOWN) else None


def _endpoint(document: Mapping[str, Any], name: str, address: str) -> str:
    url = document.get(name)
    parts = urlsplit(url) if isinstance(url, str) else None
    if parts is None or parts.scheme not in ("http", "https") or not parts.netloc:
        raise ProviderDown(f"the metadata names no usable {name}")
    if parts.scheme == "http" and urlsplit(address).scheme == "https":
        raise ProviderDown(f"the metadata came over https, but its {name} is in the clear")
    return str(url)


def _signatures(document: Mapping[str, Any]) -> frozenset[str]:
    """Those the provider uses, of those we take."""
    announced = document.get("id_token_signing_alg_values_supported")
    if not isinstance(announced, list):
        return SIGNATURES
    usable = SIGNATURES.intersection(name for name in announced if isinstance(name, str))
    if not usable:
        raise ProviderDown("the provider signs id_tokens with none of the algorithms that are accepted")
    return usable


def _takes_basic(document: Mapping[str, Any]) -> bool:
    """HTTP basic is the default where the document is silent (Discovery 1.0, section 3)."""
    methods = document.get("token_endpoint_auth_methods_supported")
    return not isinstance(methods, list) or "client_secret_basic" in methods or "client_secret_post" not in methods
