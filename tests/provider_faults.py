"""A small OpenID Connect provider that can do everything wrong, one thing at a time.

Right by default: code flow, PKCE S256, RS256, metadata, RFC 9207. `faults` says what is wrong with the
next answers; `log` tells what was asked. It logs everybody in at once as `person`, without a page.
Keycloak (`provider.py`) stays the truth about real behaviour.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self
from urllib.parse import urlencode

import flask
from joserfc import jwt
from joserfc.jwk import RSAKey
from joserfc.jws import JWSRegistry
from werkzeug.serving import BaseWSGIServer, make_server

CLIENT_ID = "mlflow"
CLIENT_SECRET = "faulty-provider-secret-of-the-client"
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"


class Absent:
    """Put this where a claim, header or parameter is to be left out."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent()

ALICE: dict[str, Any] = {
    "sub": "alice-sub",
    "email": "alice@example.test",
    "email_verified": True,
    "name": "Alice Adams",
    "preferred_username": "alice",
    "groups": ["/prokube users"],
}


@dataclass
class Faults:
    """What is wrong. Every default is right."""

    claims: dict[str, Any] = field(default_factory=dict)  # over the id_token's claims
    header: dict[str, Any] = field(default_factory=dict)  # over the id_token's header
    signer: str = "own"  # own | stranger | none | hs256 with the client secret | hs256 with the public key
    callback: dict[str, Any] = field(default_factory=dict)  # over the callback's query
    metadata: dict[str, Any] = field(default_factory=dict)  # over the discovery document
    token: dict[str, Any] = field(default_factory=dict)  # over the token answer
    status: dict[str, int] = field(default_factory=dict)  # of "/token", "/jwks", ...
    body: dict[str, str] = field(default_factory=dict)  # of "/token", ... instead of the right one
    slow: dict[str, float] = field(default_factory=dict)  # seconds before "/token", ... answers
    keys: list[dict[str, Any]] | None = None  # the key set instead of the right one


class _AnyHeader(JWSRegistry):
    """Signs what should not be signed."""

    def __init__(self, algorithms: list[str]) -> None:
        super().__init__(algorithms=algorithms)

    def check_header(self, header: Any) -> None:
        """Nothing is refused."""


@dataclass
class _Code:
    nonce: str | None
    challenge: str
    redirect_uri: str
    used: bool = False


class FaultyProvider:
    """One provider on a loopback port."""

    def __init__(self) -> None:
        self._server: BaseWSGIServer = make_server("127.0.0.1", 0, self._app(), threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._first_key = RSAKey.generate_key(2048, {"kid": "first"})
        self.stranger = RSAKey.generate_key(2048, {"kid": "first"})
        self.reset()

    def reset(self) -> None:
        """Everything right again, and Alice at the keyboard."""
        self.faults = Faults()
        self.key = self._first_key
        self.person: dict[str, Any] = dict(ALICE)
        self.log: list[str] = []
        self._codes: dict[str, _Code] = {}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    @property
    def issuer(self) -> str:
        """Scheme, host and port, and the realm's path."""
        return f"http://127.0.0.1:{self._server.server_port}/realms/faulty"

    @property
    def discovery_url(self) -> str:
        """For OIDC_DISCOVERY_URL."""
        return f"{self.issuer}/.well-known/openid-configuration"

    def asked(self, path: str) -> int:
        """How often a path was asked."""
        return sum(1 for entry in self.log if entry == path)

    def rotate(self, kid: str) -> None:
        """Sign with another key from now on, and list that one alone."""
        self.key = RSAKey.generate_key(2048, {"kid": kid})

    def id_token(self, nonce: str | None, access_token: str) -> str:
        """An id_token for the person at the keyboard."""
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "azp": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": nonce,
            "sid": "faulty-session-of-this-login",
            "at_hash": _half_hash(access_token),
        } | self.person
        return self._sign(claims, {"alg": "RS256", "typ": "JWT", "kid": self.key.kid})

    def logout_token(self, claims: Mapping[str, Any] | None = None) -> str:
        """A logout token for the person at the keyboard; `faults` and `claims` go over it."""
        now = int(time.time())
        right = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 120,
            "jti": secrets.token_hex(16),
            "sub": self.person["sub"],
            "sid": "faulty-session-of-this-login",
            "events": {LOGOUT_EVENT: {}},
        }
        return self._sign(right | dict(claims or {}), {"alg": "RS256", "typ": "logout+jwt", "kid": self.key.kid})

    def _sign(self, claims: dict[str, Any], header: dict[str, Any]) -> str:
        claims, header = _without_absent(claims | self.faults.claims), _without_absent(header | self.faults.header)
        match self.faults.signer:
            case "own":
                return jwt.encode(header, claims, self.key, registry=_AnyHeader([header["alg"]]), default_type=None)
            case "stranger":
                return jwt.encode(
                    header, claims, self.stranger, registry=_AnyHeader([header["alg"]]), default_type=None
                )
            case "none":
                return f"{_segment(header | {'alg': 'none'})}.{_segment(claims)}."
            case "hs256 with the client secret":
                return _hs256(header, claims, CLIENT_SECRET.encode())
            case "hs256 with the public key":
                return _hs256(header, claims, self.key.as_pem(private=False))
            case unknown:
                raise ValueError(unknown)

    def _app(self) -> flask.Flask:
        app = flask.Flask("faulty")
        realm = flask.Blueprint("realm", __name__, url_prefix="/realms/faulty")
        realm.add_url_rule("/.well-known/openid-configuration", "discovery", self._discovery)
        realm.add_url_rule("/jwks", "jwks", self._jwks)
        realm.add_url_rule("/authorize", "authorize", self._authorize)
        realm.add_url_rule("/token", "token", self._token, methods=["POST"])
        realm.add_url_rule("/logout", "logout", self._logout)
        realm.add_url_rule("/elsewhere", "elsewhere", self._elsewhere)
        realm.before_request(self._interfere)
        app.register_blueprint(realm)
        return app

    def _interfere(self) -> flask.Response | None:
        path = flask.request.path.removeprefix("/realms/faulty")
        self.log.append(path)
        if path in self.faults.slow:
            time.sleep(self.faults.slow[path])
        status, body = self.faults.status.get(path, 200), self.faults.body.get(path)
        if status != 200 or body is not None:
            answer = flask.Response(body or "broken on purpose", status=status, mimetype="application/json")
            if status == 302:
                answer.headers["Location"] = f"{self.issuer}/elsewhere"
            return answer
        return None

    def _discovery(self) -> flask.Response:
        right = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "end_session_endpoint": f"{self.issuer}/logout",
            "id_token_signing_alg_values_supported": ["RS256", "PS256", "HS256", "none"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
            "backchannel_logout_supported": True,
        }
        return flask.jsonify(_without_absent(right | self.faults.metadata))

    def _jwks(self) -> flask.Response:
        encryption = RSAKey.generate_key(2048, {"kid": "for-encryption", "use": "enc"}).as_dict(private=False)
        own = self.key.as_dict(private=False) | {"use": "sig", "alg": "RS256"}
        return flask.jsonify(keys=self.faults.keys if self.faults.keys is not None else [encryption, own])

    def _authorize(self) -> flask.typing.ResponseReturnValue:
        args = flask.request.args
        if args.get("code_challenge_method") != "S256" or args.get("client_id") != CLIENT_ID:
            return "no PKCE, or an unknown client", 400
        code = secrets.token_hex(16)
        self._codes[code] = _Code(args.get("nonce"), args["code_challenge"], args["redirect_uri"])
        query = {"code": code, "state": args["state"], "iss": self.issuer} | self.faults.callback
        return flask.redirect(f"{args['redirect_uri']}?{urlencode(_without_absent(query))}")

    def _token(self) -> flask.typing.ResponseReturnValue:
        form, login = flask.request.form, flask.request.authorization
        if login is None or (login.username, login.password) != (CLIENT_ID, CLIENT_SECRET):
            return {"error": "invalid_client"}, 401
        code = self._codes.get(form.get("code", ""))
        if code is None or code.used or form.get("redirect_uri") != code.redirect_uri:
            return {"error": "invalid_grant"}, 400
        code.used = True
        if _challenge(form.get("code_verifier", "")) != code.challenge:
            return {"error": "invalid_grant"}, 400
        access_token = secrets.token_hex(16)
        right = {"access_token": access_token, "token_type": "Bearer", "expires_in": 300}
        right["id_token"] = self.id_token(code.nonce, access_token)
        return flask.jsonify(_without_absent(right | self.faults.token))

    def _elsewhere(self) -> dict[str, str]:
        """Where nobody should ever ask."""
        return {"id_token": "from elsewhere", "access_token": "from elsewhere"}

    def _logout(self) -> str:
        return "logged out at the provider"


def _without_absent(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not ABSENT}


def _challenge(verifier: str) -> str:
    return _unpadded(hashlib.sha256(verifier.encode()).digest())


def _half_hash(text: str) -> str:
    return _unpadded(hashlib.sha256(text.encode()).digest()[:16])


def _hs256(header: dict[str, Any], claims: dict[str, Any], secret: bytes) -> str:
    signed = f"{_segment(header | {'alg': 'HS256'})}.{_segment(claims)}"
    return f"{signed}.{_unpadded(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


def _segment(values: Mapping[str, Any]) -> str:
    return _unpadded(json.dumps(values).encode())


def _unpadded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
