"""Header or cookie -> identity, or why not.

What counts, in this order:

1. An `Authorization` header, if there is any, decides alone: `Basic` (RFC 7617; username, and an access key as
   the password) or `Bearer` with an access key. A cookie beside it is ignored: what a program presents must
   not be mended by what a browser happens to hold. Two such headers are malformed.
2. Else our session cookie. Of several of that name, those that prove nothing are passed over, and those of two
   people prove neither: another host of the same domain can plant one.
3. Else nothing was presented.

SECURITY: nothing else tells who somebody is; a header that a proxy adds is never read. No part of a credential
is logged or put into a refusal here, and whatever bytes arrive, the answer is a value.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from mlflow_oidc_auth.login.sessions import SessionStore
from mlflow_oidc_auth.tokens.format import TokenMalformed, parse
from mlflow_oidc_auth.tokens.store import TokenRefused, TokenStore
from mlflow_oidc_auth.vocabulary import CredentialKind, Identity

LONGEST_AUTHORIZATION = 8 * 1024
"""In bytes; a username and an access key are a few hundred."""

LONGEST_COOKIES = 64 * 1024
"""In bytes, of all `Cookie` headers together; other applications of the host have theirs too."""

RawHeaders = Iterable[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class NotIdentified:
    """Nobody is identified. Falsy.

    Attributes:
        cause: for the log; the answer never tells it.
        presented: by what kind of credential it was tried; `None` if none was there.
        credential_id: the row of the credential, if it was found ("token 12" in the audit is this one).
    """

    cause: str
    presented: CredentialKind | None
    credential_id: int | None = None

    def __bool__(self) -> bool:
        return False


ABSENT = NotIdentified("absent", None)


class Credentials:
    """Reads the credential of a request, once.

    Args:
        session_cookie_name: the session cookie's name (`SESSION_COOKIE_NAME`).
    """

    def __init__(self, tokens: TokenStore, sessions: SessionStore, session_cookie_name: str) -> None:
        self._tokens = tokens
        self._sessions = sessions
        self._cookie_name = session_cookie_name.encode("latin-1")

    def identify(self, headers: RawHeaders, now: datetime) -> Identity | NotIdentified:
        """Who asks, by the headers as ASGI gives them.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database does not answer.
        """
        named = [(name.lower(), value) for name, value in headers]
        authorizations = [value for name, value in named if name == b"authorization"]
        if authorizations:
            return self._by_token(authorizations, now)
        return self._by_session([value for name, value in named if name == b"cookie"], now)

    def _by_token(self, values: list[bytes], now: datetime) -> Identity | NotIdentified:
        presented = _one_key(values)
        if isinstance(presented, NotIdentified):
            return presented
        parsed = parse(presented.key)
        if isinstance(parsed, TokenMalformed):
            return _no_token(f"malformed: {parsed.cause}")
        found = self._tokens.identify(parsed, now, presented.username)
        if isinstance(found, TokenRefused):
            return NotIdentified(found.cause, CredentialKind.TOKEN, found.token_id)
        return found

    def _by_session(self, values: list[bytes], now: datetime) -> Identity | NotIdentified:
        if sum(map(len, values)) > LONGEST_COOKIES:
            return _no_session("malformed: cookies too long")
        cookies = [value.decode("latin-1") for name, value in _pairs(values) if name == self._cookie_name]
        if not cookies:
            return ABSENT
        found = self._sessions.identify_one_of(cookies, now)
        return found if isinstance(found, Identity) else _no_session(found.cause)


@dataclass(frozen=True, slots=True, repr=False)
class _Presented:
    """What an Authorization header holds. No repr: the key is in plain here."""

    key: str
    username: str | None


def _one_key(values: list[bytes]) -> _Presented | NotIdentified:
    """The key in the only Authorization header. The scheme is spelled in any case (RFC 9110, section 11.1)."""
    if len(values) > 1:
        return _no_token("malformed: two Authorization headers")
    if len(values[0]) > LONGEST_AUTHORIZATION:
        return _no_token("malformed: Authorization too long")
    scheme, _, rest = values[0].strip(b" \t").partition(b" ")
    match scheme.lower():
        case b"basic":
            return _basic(rest.strip(b" "))
        case b"bearer":
            return _Presented(rest.strip(b" ").decode("latin-1"), None)
        case _:
            return _no_token("malformed: unknown scheme")


def _basic(encoded: bytes) -> _Presented | NotIdentified:
    """Username and password of RFC 7617, in UTF-8; the first colon parts them."""
    try:
        text = base64.b64decode(encoded, validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return _no_token("malformed: not base64 of UTF-8")
    username, colon, password = text.partition(":")
    if not colon:
        return _no_token("malformed: no colon")
    return _Presented(password, username)


def _pairs(values: list[bytes]) -> Iterable[tuple[bytes, bytes]]:
    """Names and values of `Cookie` headers; HTTP/2 sends several (RFC 9113, section 8.2.3)."""
    for value in values:
        for part in value.split(b";"):
            name, equals, content = part.partition(b"=")
            if equals:
                yield name.strip(b" \t"), content.strip(b" \t")


def _no_token(cause: str) -> NotIdentified:
    return NotIdentified(cause, CredentialKind.TOKEN)


def _no_session(cause: str) -> NotIdentified:
    return NotIdentified(cause, CredentialKind.SESSION)
