"""Logout tokens (OpenID Connect Back-Channel Logout 1.0): what a provider sends when a session of its ends. Pure.

SECURITY: anybody can reach the address, so a token must be signed by the provider, for us, of the type
`logout+jwt`, recent, and never seen before. A token with a nonce is an id_token in disguise (section
2.4), and one that names neither a session nor a subject means nobody.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from mlflow_oidc_auth.login.id_token import (
    LEEWAY_SECONDS,
    Expected,
    SignedClaims,
    TokenInvalid,
    check_common,
    check_subject,
    provider_sid,
    token_type_of,
)

LOGOUT_TYPE = "logout+jwt"
EVENT = "http://schemas.openid.net/event/backchannel-logout"
_OLDEST = timedelta(minutes=10)
_JTI_LENGTH = 4096


@dataclass(frozen=True, slots=True)
class LogoutNotice:
    """What a verified logout token asks: end the session `sid`, or all of `subject`; never neither."""

    issuer: str
    sid: str | None
    subject: str | None
    jti_digest: str
    remember_until: datetime


def check_logout_token(signed: SignedClaims, expected: Expected) -> LogoutNotice:
    """The notice in a logout token whose signature holds (section 2.6). Whether it is a replay is the store's to say.

    Raises:
        TokenInvalid: it must not be heeded.
    """
    claims = signed.claims
    if token_type_of(signed) != LOGOUT_TYPE:
        raise TokenInvalid("not of the type logout+jwt")
    check_common(signed, expected)
    if "nonce" in claims:
        raise TokenInvalid("holds a nonce, so it is no logout token")
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(EVENT), dict):
        raise TokenInvalid("tells of no logout")
    if expected.seconds - claims["iat"] > _OLDEST.total_seconds():
        raise TokenInvalid("issued too long ago")
    sid, subject = _named(claims)
    return LogoutNotice(expected.issuer, sid, subject, _jti_digest(claims), _remember_until(claims, expected))


def _named(claims: dict[str, Any]) -> tuple[str | None, str | None]:
    """Session and subject. One that is there but unusable must not turn "this session" into "all of them"."""
    sid, subject = provider_sid(claims), claims.get("sub")
    if "sid" in claims and sid is None:
        raise TokenInvalid("not accepted: sid")
    if subject is not None:
        check_subject(subject)
    if sid is None and subject is None:
        raise TokenInvalid("names neither a session nor a subject")
    return sid, subject


def _jti_digest(claims: dict[str, Any]) -> str:
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= _JTI_LENGTH:
        raise TokenInvalid("not accepted: jti")
    return hashlib.sha256(jti.encode("utf-8", "surrogatepass")).hexdigest()


def _remember_until(claims: dict[str, Any], expected: Expected) -> datetime:
    """As long as the same token would be taken again: until it expires, or is too old."""
    end = min(claims["exp"] + LEEWAY_SECONDS, expected.seconds + _OLDEST.total_seconds() + 2 * LEEWAY_SECONDS)
    return datetime.fromtimestamp(end, UTC)
