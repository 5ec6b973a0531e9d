"""Is this token the provider's, and is it meant for us? Pure: keys and the moment come in.

What Authlib checks: signature-independent claims of an id_token (presence of iss, sub, aud, exp, iat;
their types and times; nonce, azp, at_hash). What it leaves to its caller, and is done here: which
algorithms and JWS types are taken at all, the value of `iss` and `aud` (both must be given, else
neither is compared), a leeway of 60 s instead of 120, a nonce that must be there, a `sub` that is not
empty.

SECURITY: nothing may read a claim before :func:`signed_claims` gave it out.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

LEEWAY_SECONDS = 60
_SUBJECT_LENGTH = 255  # OpenID Connect Core 1.0, section 2
_SID_LENGTH = 256


class TokenInvalid(Exception):
    """The token proves nothing; the text says why, for the log, and quotes nothing of it."""


class KeyUnknown(TokenInvalid):
    """The token's key is not among the keys at hand; a fresh set may hold it."""


@dataclass(frozen=True, slots=True)
class SignedClaims:
    """Header and claims whose signature holds. Everything else is still to be checked."""

    header: dict[str, Any]
    claims: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token of this provider for us must say."""

    issuer: str
    client_id: str
    now: datetime

    @property
    def seconds(self) -> int:
        """The moment as NumericDate."""
        return int(self.now.timestamp())

    @property
    def options(self) -> dict[str, dict[str, Any]]:
        """Authlib's `claims_options`. Both values: with `aud` alone it stops comparing `iss`."""
        return {
            "iss": {"essential": True, "value": self.issuer},
            "aud": {"essential": True, "value": self.client_id},
            "sub": {"essential": True},
        }


class _Registry(JWSRegistry):
    """Headers may carry a certificate chain (`x5c`)."""

    max_header_length = 16_384


def token_type(token: str) -> str:
    """The JWS header's `typ`, lower case and without `application/`; empty if there is none. Not verified.

    Raises:
        TokenInvalid: this is no JWS.
    """
    head = token.split(".", 1)[0]
    try:
        header = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except (ValueError, binascii.Error, RecursionError) as error:
        raise TokenInvalid("not a JWS") from error
    if not isinstance(header, dict):
        raise TokenInvalid("not a JWS")
    return _type_in(header)


def signed_claims(token: str, keys: KeySet, signatures: Collection[str]) -> SignedClaims:
    """The claims of a token that one of `keys` signed with one of `signatures`.

    Raises:
        KeyUnknown: it names a key that is not in the set.
        TokenInvalid: the signature does not hold, or there is none.
    """
    registry = _Registry(algorithms=sorted(signatures), strict_check_header=False)
    try:
        decoded = jwt.decode(token, key=keys, registry=registry)
    except InvalidKeyIdError as error:
        raise KeyUnknown("signed with a key that the provider does not list") from error
    except JoseError as error:
        raise TokenInvalid(f"not accepted: {error.error}") from error
    except (ValueError, TypeError, RecursionError) as error:
        raise TokenInvalid("not a JWS") from error
    return SignedClaims(dict(decoded.header), dict(decoded.claims))


def check_id_token(signed: SignedClaims, expected: Expected, nonce: str, access_token: str | None) -> dict[str, Any]:
    """The claims of an id_token that is meant for this login (OpenID Connect Core 1.0, section 3.1.3.7).

    Raises:
        TokenInvalid: it is another kind of token, or for somebody else, or for another login, or too old.
    """
    if token_type_of(signed) not in ("", "jwt"):
        raise TokenInvalid("another type of token than an id_token")
    if not nonce:
        raise TokenInvalid("no nonce to compare with")
    params = {"nonce": nonce, "client_id": expected.client_id, "access_token": access_token}
    _validate(CodeIDToken(signed.claims, signed.header, expected.options, params), expected)
    return signed.claims


def check_common(signed: SignedClaims, expected: Expected) -> None:
    """What a logout token shares with an id_token: for us, from the provider, at this time."""
    options = expected.options
    del options["sub"]  # a logout token may name a session instead
    claims = _LogoutClaims(signed.claims, signed.header, options, {"client_id": expected.client_id})
    _validate(claims, expected)


def token_type_of(signed: SignedClaims) -> str:
    """The verified `typ`, as :func:`token_type` spells it."""
    return _type_in(signed.header)


def provider_sid(claims: dict[str, Any]) -> str | None:
    """The provider's session id, if there is one that can be kept."""
    sid = claims.get("sid")
    return sid if isinstance(sid, str) and 0 < len(sid) <= _SID_LENGTH and sid.isprintable() else None


def check_subject(subject: Any) -> None:
    """A subject that can be a key: not empty, at most 255 characters, all printable.

    Raises:
        TokenInvalid: it cannot.
    """
    if not isinstance(subject, str) or not 0 < len(subject) <= _SUBJECT_LENGTH or not subject.isprintable():
        raise TokenInvalid("not accepted: sub")


def _type_in(header: dict[str, Any]) -> str:
    return str(header.get("typ") or "").lower().removeprefix("application/")


class _LogoutClaims(CodeIDToken):  # type: ignore[misc]  # Authlib has no types
    ESSENTIAL_CLAIMS = ["iss", "aud", "exp", "iat"]


def _validate(claims: CodeIDToken, expected: Expected) -> None:
    try:
        claims.validate(now=expected.seconds, leeway=LEEWAY_SECONDS)
    except JoseError as error:
        raise TokenInvalid(f"not accepted: {error.error} {getattr(error, 'claim', '')}".strip()) from error
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        raise TokenInvalid("claims of the wrong type") from error
    if "sub" in claims:
        check_subject(claims["sub"])
