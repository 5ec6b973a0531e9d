"""Where a browser may be sent, and what our own addresses are: pure rules.

SECURITY: `next` comes from whoever made the link. It must be a path of this server, under the static
prefix, in every browser's reading of it: browsers take a backslash for a slash, drop tabs and line
breaks, and resolve dot segments.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_LONGEST = 2048
_DOT_SEGMENT = re.compile(r"(^|/)(\.|%2e){1,2}(/|$)", re.IGNORECASE)
# Going there after a login would end it, or begin it again.
_OWN = ("/login", "/logout", "/callback", "/backchannel-logout")


def home(prefix: str) -> str:
    """MLflow's start page."""
    return f"{prefix}/"


def safe_next(wanted: str | None, prefix: str) -> str:
    """The address to go to after a login: `wanted` if it is one of ours, else the start page.

    Args:
        prefix: the static prefix, empty or `/path` without a trailing slash.
    """
    if wanted is None or not _is_ours(wanted, prefix):
        return home(prefix)
    return wanted


def _is_ours(wanted: str, prefix: str) -> bool:
    if len(wanted) > _LONGEST or not wanted.startswith("/") or wanted.startswith("//"):
        return False
    if "\\" in wanted or " " in wanted or not wanted.isprintable():
        return False
    try:
        parts = urlsplit(wanted)
    except ValueError:
        return False
    if parts.scheme or parts.netloc or _DOT_SEGMENT.search(parts.path):
        return False
    if parts.path != prefix and not parts.path.startswith(f"{prefix}/"):
        return False
    below = parts.path.removeprefix(prefix)
    return not any(below == own or below.startswith(f"{own}/") for own in _OWN)


def own_address(root: str, prefix: str, path: str) -> str:
    """A full address of ours.

    Args:
        root: scheme and host, with or without a trailing slash.
    """
    return f"{root.rstrip('/')}{prefix}{path}"


def origin_of(address: str) -> str:
    """Scheme and host of an address."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"
