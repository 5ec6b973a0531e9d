"""The provider, as the login pages see it: where to send a browser, what to make of what comes back.

Authorization code flow with PKCE (S256), state and nonce, through Authlib's requests client; what
Authlib leaves to its caller is in `discovery.py`, `keys.py` and `id_token.py`.

SECURITY: state, nonce and verifier are kept by `attempts.py`, not here; this module must give out claims
only of an id_token that passed every check, and must log neither code nor token.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from pydantic import SecretStr

from mlflow_oidc_auth.login.attempts import LoginAttempt
from mlflow_oidc_auth.login.discovery import Discovery, Metadata
from mlflow_oidc_auth.login.failures import LoginFailed, LogoutTokenRefused, ProviderDown
from mlflow_oidc_auth.login.id_token import (
    Expected,
    KeyUnknown,
    SignedClaims,
    TokenInvalid,
    check_id_token,
    provider_sid,
    signed_claims,
    token_type,
)
from mlflow_oidc_auth.login.keys import SigningKeys
from mlflow_oidc_auth.login.logout_token import LOGOUT_TYPE, LogoutNotice, check_logout_token
from mlflow_oidc_auth.login.secrets import new_secret
from mlflow_oidc_auth.login.wire import ProviderWire

logger = logging.getLogger(__name__)

# A hint goes into a query string; many servers and proxies refuse lines past 8,000 bytes.
_LONGEST_HINT = 6000


class ProviderSettings(Protocol):
    """The settings that name the provider, and us to it."""

    @property
    def oidc_discovery_url(self) -> str: ...
    @property
    def oidc_issuer(self) -> str | None: ...
    @property
    def oidc_client_id(self) -> str: ...
    @property
    def oidc_client_secret(self) -> SecretStr | None: ...
    @property
    def oidc_scope(self) -> str: ...
    @property
    def oidc_verify_ssl(self) -> bool: ...
    @property
    def oidc_http_timeout_seconds(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Proof:
    """What a completed login proves: the checked claims, and what logout needs later."""

    claims: Mapping[str, Any]
    id_token: str
    sid: str | None

    def __repr__(self) -> str:
        return f"Proof(sub={self.claims.get('sub')!r})"


class Provider:
    """One OpenID Connect provider and our registration with it, for all threads of a process."""

    def __init__(self, settings: ProviderSettings) -> None:
        self._settings = settings
        wire = ProviderWire(settings.oidc_verify_ssl, settings.oidc_http_timeout_seconds)
        self._discovery = Discovery(wire, settings.oidc_discovery_url, settings.oidc_issuer)
        self._keys = SigningKeys(wire)

    def authorization_url(self, state: str, attempt: LoginAttempt, redirect_uri: str) -> str:
        """Where the browser goes to log in.

        Raises:
            ProviderDown: nobody knows.
        """
        metadata = self._discovery.metadata()
        with self._client(metadata, redirect_uri) as client:
            url, _ = client.create_authorization_url(
                metadata.authorization_endpoint,
                state=state,
                nonce=attempt.nonce,
                code_verifier=attempt.code_verifier,
            )
        return str(url)

    def check_callback_issuer(self, iss: str | None) -> None:
        """Whether the callback comes from this provider and no other (RFC 9207, section 2.4).

        Raises:
            LoginFailed: it names another one, or none although the provider announced that it would.
            ProviderDown: nobody knows who it should come from.
        """
        metadata = self._discovery.metadata()
        if iss is None and not metadata.announces_issuer:
            return
        if iss != metadata.issuer:
            raise LoginFailed("the callback's iss is missing or another provider's (RFC 9207)")

    def redeem(self, code: str, attempt: LoginAttempt, redirect_uri: str, now: datetime) -> Proof:
        """Trade the code for an id_token, and check it.

        Raises:
            LoginFailed: the provider does not take the code, or its id_token does not hold.
            ProviderDown: the provider does not answer.
        """
        metadata = self._discovery.metadata()
        answer = self._fetch_token(metadata, code, attempt, redirect_uri)
        id_token = answer.get("id_token")
        if not isinstance(id_token, str) or not id_token:
            raise LoginFailed("the provider sent no id_token (does OIDC_SCOPE hold openid?)")
        access_token = answer.get("access_token")
        try:
            signed = self._signed(id_token, metadata)
            claims = check_id_token(
                signed,
                self._expected(metadata, now),
                attempt.nonce,
                access_token if isinstance(access_token, str) else None,
            )
        except TokenInvalid as error:
            raise LoginFailed(f"id_token: {error}") from error
        return Proof(claims, id_token, provider_sid(claims))

    def logout_notice(self, logout_token: str, now: datetime) -> LogoutNotice:
        """What a back-channel logout request asks.

        Raises:
            LogoutTokenRefused: it must not be heeded, or cannot be checked now.
        """
        try:
            # Before the keys: nobody may make us fetch them with something that is no logout token.
            if token_type(logout_token) != LOGOUT_TYPE:
                raise TokenInvalid("not of the type logout+jwt")
            metadata = self._discovery.metadata()
            return check_logout_token(self._signed(logout_token, metadata), self._expected(metadata, now))
        except TokenInvalid as error:
            raise LogoutTokenRefused(str(error)) from error
        except ProviderDown as error:
            raise LogoutTokenRefused(f"it cannot be checked now: {error.detail}") from error

    def logout_url(self, id_token: str | None, return_to: str) -> str | None:
        """Where the browser goes to log out at the provider too (OpenID Connect RP-Initiated Logout 1.0).

        `None` when the provider offers no such place, or does not answer.
        """
        try:
            endpoint = self._discovery.metadata().end_session_endpoint
        except ProviderDown:
            return None
        if endpoint is None:
            return None
        params = {"client_id": self._settings.oidc_client_id, "post_logout_redirect_uri": return_to}
        if id_token is not None and len(id_token) <= _LONGEST_HINT:
            params["id_token_hint"] = id_token
        return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(params)}"

    def check(self) -> Metadata:
        """The provider's metadata, for a check of the configuration.

        Raises:
            ProviderDown: with the cause in its detail.
        """
        return self._discovery.metadata()

    def check_client(self, redirect_uri: str) -> None:
        """Whether the provider takes our client id and secret: it is asked to redeem a code that never was.

        Raises:
            ProviderDown: it does not, or does not answer; the cause is in its detail.
        """
        made_up = LoginAttempt(new_secret(), new_secret(), return_to="")
        with contextlib.suppress(LoginFailed):  # invalid_grant: it knows the client, and not the code
            self._fetch_token(self._discovery.metadata(), new_secret(), made_up, redirect_uri)

    def origins(self) -> tuple[str, ...]:
        """The origins a browser is sent to, as far as they are known without asking."""
        known = self._discovery.known
        addresses = [self._settings.oidc_discovery_url, self._settings.oidc_issuer or ""]
        if known is not None:
            addresses += [known.authorization_endpoint, known.end_session_endpoint or ""]
        parts = (urlsplit(address) for address in addresses if address)
        return tuple(sorted({f"{part.scheme}://{part.netloc}" for part in parts if part.netloc}))

    def _expected(self, metadata: Metadata, now: datetime) -> Expected:
        return Expected(metadata.issuer, self._settings.oidc_client_id, now)

    def _signed(self, token: str, metadata: Metadata) -> SignedClaims:
        try:
            return signed_claims(token, self._keys.current(metadata.jwks_uri), metadata.signatures)
        except KeyUnknown:
            return signed_claims(token, self._keys.fresh(metadata.jwks_uri), metadata.signatures)

    def _fetch_token(
        self, metadata: Metadata, code: str, attempt: LoginAttempt, redirect_uri: str
    ) -> Mapping[str, Any]:
        try:
            with self._client(metadata, redirect_uri) as client:
                answer: Mapping[str, Any] = client.fetch_token(
                    metadata.token_endpoint,
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=attempt.code_verifier,
                    allow_redirects=False,
                )
                return answer
        except AuthlibBaseError as error:
            raise _token_error(str(error.error)) from error
        except requests.RequestException as error:
            raise ProviderDown(f"token endpoint: {type(error).__name__}") from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ProviderDown("token endpoint: not an OAuth 2.0 answer") from error

    def _client(self, metadata: Metadata, redirect_uri: str) -> OAuth2Session:
        secret = self._settings.oidc_client_secret
        plain = secret.get_secret_value() if secret is not None else ""
        session = OAuth2Session(
            client_id=self._settings.oidc_client_id,
            client_secret=plain or None,
            token_endpoint_auth_method=_auth_method(metadata, plain),
            scope=self._settings.oidc_scope,
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
            default_timeout=self._settings.oidc_http_timeout_seconds,
        )
        session.verify = self._settings.oidc_verify_ssl
        return session


def _auth_method(metadata: Metadata, secret: str) -> str:
    if not secret:
        return "none"
    return "client_secret_basic" if metadata.takes_basic else "client_secret_post"


def _token_error(code: str) -> LoginFailed | ProviderDown:
    """A code that is not taken is the login's fault; anything else is ours or the provider's, for everybody."""
    if code == "invalid_grant":
        return LoginFailed("the provider does not take the code")
    # The code is the provider's own word, of a closed set (RFC 6749, section 5.2).
    shown = code if code.isascii() and code.replace("_", "").isalpha() else "malformed error"
    return ProviderDown(f"token endpoint: {shown[:64]} (are OIDC_CLIENT_ID and OIDC_CLIENT_SECRET right?)")
