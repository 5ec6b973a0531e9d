"""What browsers hold of ours during and after a login: random values of which we store a digest only.

SECURITY: the plain value leaves this process in a cookie or in the `state` parameter and nowhere else;
never log it, never store it.
"""

from __future__ import annotations

import hashlib
import re
import secrets

# WIRE: 256 random bits, base64url without padding.
_SHAPE = re.compile(r"[A-Za-z0-9_-]{43}")


def new_secret() -> str:
    """256 random bits that fit in a cookie and in a URL."""
    return secrets.token_urlsafe(32)


def well_formed(text: str | None) -> bool:
    """Whether this can be one of ours at all."""
    return text is not None and _SHAPE.fullmatch(text) is not None


def digest(secret: str) -> str:
    """What we store. The input has full entropy, so a plain SHA-256 cannot be searched.

    Looking a digest up in an index leaks by its timing at most how much of a *hash* was right.
    """
    return hashlib.sha256(secret.encode("ascii")).hexdigest()
