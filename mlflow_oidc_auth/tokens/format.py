"""How an access key is spelled, read and hashed: `mlfpat_<id>_<secret>_<crc>`.

id      finds the row; random, and no secret
secret  256 random bits; only a salted hash of it is stored
crc     CRC-32 of everything before it: scanners and typos are told without a database

The parts are base62, each as long as any other of its kind. The upstream plugin's keys begin with `mlf_`
and are malformed here.

SECURITY: a plain key exists in two places only: in :class:`PlainToken`, which shows itself to nobody but who
calls `reveal()`, and in the request that presents it. The hash is salted and fast: a slow one adds nothing
to 256 random bits, and would cost every request 50 ms and more.
"""

from __future__ import annotations

import re
import secrets
import string
import zlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType, NoReturn

from passlib.context import CryptContext

# WIRE: keys that were handed out are spelled so, and so are the digests of what is stored.
_PREFIX = "mlfpat"
_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_ID_LENGTH, _SECRET_LENGTH, _CRC_LENGTH = 12, 43, 6  # 71 bits; 256 bits; 32 bits
_SECRET_BITS = 256
_SHAPE = re.compile(
    rf"({_PREFIX}_([0-9A-Za-z]{{{_ID_LENGTH}}})_([0-9A-Za-z]{{{_SECRET_LENGTH}}}))_([0-9A-Za-z]{{{_CRC_LENGTH}}})"
)
_PUBLIC_ID = re.compile(rf"[0-9A-Za-z]{{{_ID_LENGTH}}}")

_hashing = CryptContext(schemes=["ldap_salted_sha256"], ldap_salted_sha256__salt_size=16)

TokenDigest = NewType("TokenDigest", str)
"""The salted hash of a secret: what is stored."""


class PlainToken:
    """A whole key in plain, to be shown once to whom it is for.

    Nothing that prints, formats or logs it shows more than its public id.
    """

    __slots__ = ("_text", "public_id")

    def __init__(self, public_id: str, text: str) -> None:
        self.public_id = public_id
        self._text = text

    def reveal(self) -> str:
        """The key itself."""
        return self._text

    def __repr__(self) -> str:
        return f"PlainToken({self.public_id})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a plain key is not to be pickled: whatever holds the pickle would hold the key")


class Flaw(StrEnum):
    """Why a text is no key of ours."""

    ABSENT = "no key"
    MALFORMED = "not spelled as a key"
    CHECKSUM = "mistyped or cut key"


@dataclass(frozen=True, slots=True)
class TokenMalformed:
    """This text is no key of ours. Falsy."""

    cause: Flaw

    def __bool__(self) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class ParsedToken:
    """A text that is spelled as a key; whether anybody has it is for the store to say."""

    public_id: str
    secret: str = field(repr=False)


def new_token() -> PlainToken:
    """A key that nobody ever had."""
    public_id = "".join(secrets.choice(_DIGITS) for _ in range(_ID_LENGTH))
    body = f"{_PREFIX}_{public_id}_{_base62(secrets.randbits(_SECRET_BITS), _SECRET_LENGTH)}"
    return PlainToken(public_id, f"{body}_{_checksum(body)}")


def parse(text: str) -> ParsedToken | TokenMalformed:
    """Read a key, whatever text somebody sends."""
    if not text:
        return TokenMalformed(Flaw.ABSENT)
    match = _SHAPE.fullmatch(text)
    if match is None:
        return TokenMalformed(Flaw.MALFORMED)
    body, public_id, secret, checksum = match.groups()
    if checksum != _checksum(body):
        return TokenMalformed(Flaw.CHECKSUM)
    return ParsedToken(public_id, secret)


def is_public_id(text: str) -> bool:
    """Whether this can be the public id of a key at all."""
    return _PUBLIC_ID.fullmatch(text) is not None


def hash_secret(token: PlainToken) -> TokenDigest:
    """What is stored of a new key."""
    parsed = parse(token.reveal())
    assert isinstance(parsed, ParsedToken), "we spelled it ourselves"
    return TokenDigest(str(_hashing.hash(parsed.secret)))


def verify(parsed: ParsedToken, digest: TokenDigest | None) -> bool:
    """Whether this key has the secret that was hashed.

    SECURITY: constant time (`hmac.compare_digest` inside), and as long for a key that nobody has, where `digest`
    is `None`. What cannot be read as a digest proves nothing.
    """
    try:
        return bool(_hashing.verify(parsed.secret, digest))
    except ValueError:
        return False


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode("ascii")), _CRC_LENGTH)


def _base62(number: int, length: int) -> str:
    """`number` in base 62, with leading zeros."""
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
