"""The provider's signing keys (JWKS): fetched when needed, kept five minutes, re-fetched for a key id nobody knows.

A provider that rotates its keys signs with one we have not seen; then the set is fetched anew, at most
once in ten seconds, since anybody can send a token with an invented key id. A key that the provider
took back is forgotten with the next fetch.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key, KeySet

from mlflow_oidc_auth.login.failures import ProviderDown
from mlflow_oidc_auth.login.wire import ProviderWire

_KEPT_SECONDS = 300.0
_REFETCH_SECONDS = 10.0
_KEY_TYPES = ("RSA", "EC", "OKP")


@dataclass(frozen=True, slots=True)
class _Fetched:
    source: str
    keys: KeySet
    at: float


class SigningKeys:
    """The keys of one provider, for all threads of a process; `clock` gives monotonic seconds."""

    def __init__(self, wire: ProviderWire, clock: Callable[[], float] = time.monotonic) -> None:
        self._wire = wire
        self._clock = clock
        self._lock = threading.Lock()
        self._fetched: _Fetched | None = None

    def current(self, jwks_uri: str) -> KeySet:
        """The keys as of the last five minutes.

        Raises:
            ProviderDown: they cannot be fetched.
        """
        return self._younger_than(_KEPT_SECONDS, jwks_uri)

    def fresh(self, jwks_uri: str) -> KeySet:
        """The keys as of the last ten seconds: for a token whose key is not among the :meth:`current` ones.

        Raises:
            ProviderDown: they cannot be fetched.
        """
        return self._younger_than(_REFETCH_SECONDS, jwks_uri)

    def _younger_than(self, seconds: float, jwks_uri: str) -> KeySet:
        with self._lock:
            fetched = self._fetched
            if fetched is None or fetched.source != jwks_uri or self._clock() - fetched.at >= seconds:
                fetched = _Fetched(jwks_uri, usable_keys(self._wire.json(jwks_uri)), self._clock())
                self._fetched = fetched
            return fetched.keys


def usable_keys(document: dict[str, Any]) -> KeySet:
    """The public signing keys in a JWK Set (RFC 7517); keys of other kinds and uses are left out.

    SECURITY: a symmetric key has no place here. One broken key must not lock everybody out.

    Raises:
        ProviderDown: there is none.
    """
    entries = document.get("keys")
    keys = [key for entry in (entries if isinstance(entries, list) else []) if (key := _key(entry)) is not None]
    if not keys:
        raise ProviderDown("the provider's key set holds no usable key")
    return KeySet(keys)


def _key(entry: Any) -> Key | None:
    if not isinstance(entry, dict) or entry.get("kty") not in _KEY_TYPES or entry.get("use", "sig") != "sig":
        return None
    try:
        return JWKRegistry.import_key(entry)
    except (JoseError, ValueError, TypeError, KeyError):
        return None
