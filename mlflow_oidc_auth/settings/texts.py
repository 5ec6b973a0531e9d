"""How the text of a setting is read. Pure.

Each function here gives the value, or raises `ValueError` with the rest of a sentence that begins with the
name of the setting and says how to mend it.

SECURITY: no sentence repeats a text. Somebody may have put a secret under the wrong name, and sentences
end up in logs.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from urllib.parse import SplitResult, urlsplit

from pydantic import SecretStr

from mlflow_oidc_auth.vocabulary import Level, is_plain_number

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

YES = frozenset({"true", "1", "yes", "on"})
NO = frozenset({"false", "0", "no", "off"})

SHORTEST_SECRET_KEY = 32
NEW_KEY_COMMAND = 'python3 -c "import secrets; print(secrets.token_urlsafe(48))"'

_LONGEST_NAME = 256  # of a group: what the database keeps


def plain(text: str) -> str:
    if not text.isprintable():
        raise ValueError("holds characters that cannot be printed; write it on one line")
    return text


def secret(text: str) -> SecretStr:
    return SecretStr(text)


def secret_key(text: str) -> SecretStr:
    if len(text) < SHORTEST_SECRET_KEY:
        raise ValueError(f"must have at least {SHORTEST_SECRET_KEY} characters; make one with: {NEW_KEY_COMMAND}")
    return SecretStr(text)


def boolean(text: str) -> bool:
    if text.lower() not in YES | NO:
        raise ValueError("must be true or false")
    return text.lower() in YES


def whole(least: int, most: int, unit: str) -> Callable[[str], int]:
    """A whole number of `unit`."""

    def read(text: str) -> int:
        # Nine digits are enough for all of them, and int() refuses to read very long ones in its own words.
        if not (is_plain_number(text) and len(text) < 10 and least <= int(text) <= most):
            raise ValueError(f"must be a whole number of {unit} from {least} to {most}")
        return int(text)

    return read


def seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0.1 <= number <= 60.0:
        raise ValueError("must be a number of seconds from 0.1 to 60")
    return number


def group_names(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name for part in text.split(",") if (name := part.strip())))
    if any(len(name) > _LONGEST_NAME or not name.isprintable() for name in names):
        raise ValueError(
            f"holds a name that no group has: longer than {_LONGEST_NAME} characters, or with ones that cannot be "
            "printed; separate names with commas"
        )
    return names


def claim_name(text: str) -> str:
    if "," in plain(text):
        raise ValueError("must name one claim, not a list")
    return text


def scope(text: str) -> str:
    scopes = dict.fromkeys(plain(text).replace(",", " ").split())
    if "openid" not in scopes:
        raise ValueError("must hold openid, or the provider sends no id_token; for example: openid profile email")
    return " ".join(scopes)


def provider_name(text: str) -> str:
    """The name alone: for the upstream plugin it is the whole text of the button."""
    name = re.sub(r"^(log|sign)[ -]?in (with|via|using) ", "", plain(text), flags=re.IGNORECASE).strip()
    if not name or len(name) > 64:
        raise ValueError("must be a name of at most 64 characters: the button says 'Log in with' before it")
    return name


def _address(text: str) -> SplitResult:
    """An http or https address that names no user."""
    try:
        parts = urlsplit(plain(text))
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port  # raises ValueError where it is no number
    except ValueError:
        usable = False
    if not usable or " " in text or "@" in parts.netloc or parts.fragment:
        raise ValueError("must be a full address that begins with https:// (or http://) and names no user")
    return parts


def discovery_url(text: str) -> str:
    _address(text)
    return text


def issuer(text: str) -> str:
    if _address(text).query:
        raise ValueError("must be an address without a query, exactly as the provider's metadata spells its issuer")
    return text


def redirect_uri(text: str) -> str:
    parts = _address(text)
    if parts.query or not parts.path.endswith("/callback"):
        raise ValueError(
            "must end in /callback: the address under which browsers reach this server, its static prefix, "
            "and /callback; register the same one with the provider"
        )
    return text


def cookie_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", text):
        raise ValueError("must be 1 to 64 letters, digits, '_', '.' or '-', and begin with a letter or digit")
    return text


def level(text: str) -> Level:
    try:
        return Level.parse(text)
    except ValueError:
        raise ValueError(f"must be one of {', '.join(level.name for level in Level)}") from None


def networks(text: str) -> tuple[Network, ...]:
    """SECURITY: who is trusted here may say where a request comes from and whether it came over https."""
    found = []
    for place, part in enumerate(filter(None, (part.strip() for part in text.split(","))), start=1):
        try:
            found.append(ipaddress.ip_network(part))
        except ValueError:
            raise ValueError(
                f"holds no network at place {place}; write the proxies' addresses or networks, such as 10.0.0.0/8"
            ) from None
        if found[-1].prefixlen == 0:
            raise ValueError("trusts every address, so anybody could pretend to be a proxy; name the proxies' networks")
    return tuple(found)


def log_level(text: str) -> str:
    if text.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"):
        raise ValueError("must be one of DEBUG, INFO, WARNING, ERROR, CRITICAL")
    return text.upper()
