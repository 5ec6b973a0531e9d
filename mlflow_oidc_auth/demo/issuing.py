"""What the demo's login service hands out: codes, tokens and their keys, all in memory.

A code is good once, for a minute, and only with the verifier of whoever asked for it (RFC 7636).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from mlflow_oidc_auth.demo.people import Person

_LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
_CODE_SECONDS = 60
_TOKEN_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Client:
    """The one server that people log in to.

    Args:
        bases: its addresses with the static prefix, without a trailing slash; the first hears of logouts.
    """

    client_id: str
    client_secret: str
    bases: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Client({self.client_id!r})"

    @property
    def redirect_uris(self) -> Collection[str]:
        """Where codes may be sent."""
        return tuple(f"{base}/callback" for base in self.bases)

    @property
    def backchannel_uri(self) -> str:
        """Who hears of logouts."""
        return f"{self.bases[0]}/backchannel-logout"

    def may_return_to(self, address: str) -> bool:
        """Whether a logout may end there."""
        return any(address.startswith(f"{base}/") for base in self.bases)

    def holds(self, client_id: str | None, secret: str | None) -> bool:
        """Whether these are its id and its secret."""
        return client_id == self.client_id and hmac.compare_digest((secret or "").encode(), self.client_secret.encode())


@dataclass(frozen=True, slots=True)
class Login:
    """Somebody is logged in at the login service."""

    sid: str
    person: Person
    at: int


@dataclass(frozen=True, slots=True)
class _Code:
    login: Login
    nonce: str | None
    challenge: str
    redirect_uri: str
    until: int


class Issuing:
    """Everything that one login service has handed out. Its signing key is made here and never leaves."""

    def __init__(self, issuer: str, client: Client) -> None:
        self._issuer, self.client = issuer, client
        self._key = RSAKey.generate_key(2048, {"kid": secrets.token_hex(8), "use": "sig", "alg": "RS256"})
        self._logins: dict[str, Login] = {}
        self._codes: dict[str, _Code] = {}
        self._access_tokens: dict[str, tuple[Login, int]] = {}

    def metadata(self) -> dict[str, Any]:
        """The discovery document."""
        return {
            "issuer": self._issuer,
            "authorization_endpoint": f"{self._issuer}/authorize",
            "token_endpoint": f"{self._issuer}/token",
            "userinfo_endpoint": f"{self._issuer}/userinfo",
            "jwks_uri": f"{self._issuer}/keys",
            "end_session_endpoint": f"{self._issuer}/logout",
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "scopes_supported": ["openid", "profile", "email"],
            "claims_supported": ["sub", "email", "email_verified", "name", "preferred_username", "groups"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
            "backchannel_logout_supported": True,
            "backchannel_logout_session_supported": True,
        }

    def key_set(self) -> dict[str, Any]:
        """The public key."""
        return {"keys": [self._key.as_dict(private=False)]}

    # Logins.

    def begin(self, person: Person) -> Login:
        """Somebody proved who they are, in the demo's way."""
        login = Login(secrets.token_urlsafe(16), person, int(time.time()))
        self._logins[login.sid] = login
        return login

    def login(self, sid: str) -> Login | None:
        """A login that has not ended."""
        return self._logins.get(sid)

    def logins(self) -> list[Login]:
        """Who is logged in, the latest first."""
        return sorted(self._logins.values(), key=lambda login: -login.at)

    def end(self, sid: str) -> Login | None:
        """End one; `None` if there is none."""
        return self._logins.pop(sid, None)

    # Codes and tokens.

    @staticmethod
    def fault_of(asked: Mapping[str, str]) -> str | None:
        """The error code for a request that must not get a code (RFC 6749, section 4.1.2.1)."""
        if asked.get("response_type") != "code":
            return "unsupported_response_type"
        if "openid" not in asked.get("scope", "").split():
            return "invalid_scope"
        if asked.get("code_challenge_method") != "S256" or not asked.get("code_challenge"):
            return "invalid_request"
        return None

    def code(self, login: Login, asked: Mapping[str, str]) -> str:
        """A code for MLflow's request, in which :meth:`fault_of` found nothing."""
        code = secrets.token_urlsafe(32)
        until = int(time.time()) + _CODE_SECONDS
        self._codes[code] = _Code(login, asked.get("nonce"), asked["code_challenge"], asked["redirect_uri"], until)
        return code

    def redeem(self, code: str, verifier: str, redirect_uri: str) -> dict[str, Any] | None:
        """The tokens for a code; `None` if it is not good (any more). It never is again."""
        found = self._codes.pop(code, None)
        if found is None or found.until < time.time() or found.redirect_uri != redirect_uri:
            return None
        if not hmac.compare_digest(_challenge(verifier), found.challenge) or found.login.sid not in self._logins:
            return None
        access_token = secrets.token_urlsafe(32)
        self._access_tokens[access_token] = (found.login, int(time.time()) + _TOKEN_SECONDS)
        return {
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": _TOKEN_SECONDS,
            "scope": "openid profile email",
            "id_token": self._id_token(found, access_token),
        }

    def person_of(self, access_token: str) -> Person | None:
        """Whose access token this is, as long as their login lasts."""
        login, until = self._access_tokens.get(access_token, (None, 0))
        return login.person if login is not None and until > time.time() and login.sid in self._logins else None

    def logout_token(self, login: Login) -> str:
        """What tells MLflow that a login ended."""
        claims = self._common(login, 120) | {"jti": secrets.token_urlsafe(16), "events": {_LOGOUT_EVENT: {}}}
        return self._signed(claims, "logout+jwt")

    def sid_of_hint(self, id_token: str) -> str | None:
        """The login that an id_token of ours, however old, came from; `None` if it is not ours."""
        try:
            claims = jwt.decode(id_token, self._key, algorithms=["RS256"]).claims
        except (JoseError, ValueError):
            return None
        sid = claims.get("sid")
        return sid if claims.get("aud") == self.client.client_id and isinstance(sid, str) else None

    def _id_token(self, code: _Code, access_token: str) -> str:
        claims = self._common(code.login, _TOKEN_SECONDS) | {
            "azp": self.client.client_id,
            "auth_time": code.login.at,
            "at_hash": _unpadded(hashlib.sha256(access_token.encode()).digest()[:16]),
        }
        if code.nonce is not None:
            claims["nonce"] = code.nonce
        return self._signed(code.login.person.claims | claims, "JWT")

    def _common(self, login: Login, seconds: int) -> dict[str, Any]:
        now = int(time.time())
        return {
            "iss": self._issuer,
            "aud": self.client.client_id,
            "sub": login.person.claims["sub"],
            "sid": login.sid,
            "iat": now,
            "exp": now + seconds,
        }

    def _signed(self, claims: dict[str, Any], kind: str) -> str:
        return jwt.encode({"alg": "RS256", "typ": kind, "kid": self._key.kid}, claims, self._key)


def _challenge(verifier: str) -> str:
    return _unpadded(hashlib.sha256(verifier.encode()).digest())


def _unpadded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
