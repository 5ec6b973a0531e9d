"""From environment variables to :class:`Settings`, or to everything that is wrong with them at once.

A setting is the environment variable of its name, or the content of the file that `NAME_FILE` names.
Nothing else is read: no `.env`, no other place.

SECURITY: no sentence repeats a value or a path. Somebody may have put a secret under the wrong name, and
sentences end up in logs.
"""

from __future__ import annotations

import difflib
import ipaddress
import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mlflow_oidc_auth.errors import StartRefused
from mlflow_oidc_auth.settings.table import IDLE_SECONDS, LIFETIME_SECONDS, TABLE, Settings
from mlflow_oidc_auth.settings.texts import NEW_KEY_COMMAND, NO, YES
from mlflow_oidc_auth.settings.upstream import UPSTREAM, answers

logger = logging.getLogger(__name__)

_WELL_KNOWN = "/.well-known/openid-configuration"
_LARGEST_FILE = 64 * 1024

# Other programs have settings of such names too, so that a near miss of them says nothing.
_COMMON = ("SECRET_KEY", "LOG_LEVEL")

# Kubernetes puts the addresses of services into the environment: one called `oidc` makes OIDC_PORT.
_SERVICE_LINK = re.compile(r"_SERVICE_HOST$|_SERVICE_PORT(_\w+)?$|_PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$")


def read_settings(environ: Mapping[str, str]) -> Settings:
    """The settings in these environment variables; what is ignored is said in the log.

    Raises:
        StartRefused: with one sentence for each thing that is wrong.
    """
    settings = parse_settings(environ)
    for remark in settings.remarks:
        logger.warning("%s", remark)
    return settings


def parse_settings(environ: Mapping[str, str]) -> Settings:
    """As :func:`read_settings`, without a word to the log.

    Raises:
        StartRefused: with one sentence for each thing that is wrong.
    """
    found = _Found()
    for name in TABLE:
        found.take(name, environ)
    found.problems += [*_missing(found), *_contradictions(found)]
    found.remarks += _warnings(found)
    for answer in answers(environ, _said_elsewhere(found)):
        (found.problems if answer.refused else found.remarks).append(answer.sentence)
    found.problems += _unknown(environ)
    if found.problems:
        raise StartRefused(*found.problems)
    lifetime = found.values.get("session_cookie_max_age_seconds", LIFETIME_SECONDS)
    found.values.setdefault("session_idle_seconds", min(IDLE_SECONDS, lifetime))
    return Settings(**found.values, remarks=tuple(found.remarks))


def parse_alone(environ: Mapping[str, str], *names: str) -> dict[str, Any]:
    """Some settings alone, for a command that has the database and not all settings of the server.

    Args:
        environ: the environment.
        names: of settings that have a default.

    Returns:
        What is set, or the default, by the attribute of :class:`Settings`.

    Raises:
        StartRefused: with one sentence for each of them that is wrong.
    """
    found = _Found()
    for name in names:
        found.take(name, environ)
    if found.problems:
        raise StartRefused(*found.problems)
    return {TABLE[name].attribute: found.get(name, TABLE[name].field.default) for name in names}


class _Found:
    """What was read so far: the values that hold, the names of those that do not, and what to say."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.broken: set[str] = set()
        self.problems: list[str] = []
        self.remarks: list[str] = []

    def take(self, name: str, environ: Mapping[str, str]) -> None:
        """Read one setting, if it is set."""
        row = TABLE[name]
        try:
            text = _text(name, environ, secret=row.is_secret)
            if text is not None:
                self.values[row.attribute] = row.setting.read(text)
        except _FileTrouble as trouble:
            self._break(name, str(trouble))
        except ValueError as error:
            self._break(name, f"{name} {error}.")

    def unbroken(self, *names: str) -> bool:
        """Whether nothing was said yet about these."""
        return self.broken.isdisjoint(names)

    def get(self, name: str, otherwise: Any = None) -> Any:
        """The value of a setting, by the name of its variable."""
        return self.values.get(name.lower(), otherwise)

    def _break(self, name: str, sentence: str) -> None:
        self.broken.add(name)
        self.problems.append(sentence)


class _FileTrouble(Exception):
    """A whole sentence about a `NAME_FILE`."""


def _text(name: str, environ: Mapping[str, str], *, secret: bool) -> str | None:
    """The text of a setting; `None` if it is not set.

    Compose files and charts hand on variables that nobody set as empty ones: those are not set. A secret
    keeps its spaces, but not a newline at its end, which it gets where it is read from a file by others.

    Raises:
        _FileTrouble: it is to be read from a file and cannot be.
    """
    text, path = environ.get(name, ""), environ.get(f"{name}_FILE", "").strip()
    if path:
        if text.strip():
            raise _FileTrouble(f"{name} and {name}_FILE are both set; remove one of them.")
        text = _content(f"{name}_FILE", path)
    return (text.rstrip("\r\n") if secret else text.strip()) if text.strip() else None


def _content(name: str, path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
        text = content.decode()
    except UnicodeDecodeError:
        raise _FileTrouble(f"{name} names a file that is no UTF-8 text; write the value into it as text.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no usable path"
        raise _FileTrouble(
            f"{name} names a file that cannot be read ({reason}); give the path of a readable file."
        ) from None
    if len(content) > _LARGEST_FILE or not text.strip():
        size = "an empty file" if not text.strip() else f"a file of more than {_LARGEST_FILE} bytes"
        raise _FileTrouble(f"{name} names {size}; give the path of a file that holds the value and nothing else.")
    return text


def _missing(found: _Found) -> Iterator[str]:
    """What must be set and is not; what is set wrongly was told already."""
    for name, row in TABLE.items():
        if row.field.is_required() and found.get(name) is None and found.unbroken(name):
            how = f"make one with: {NEW_KEY_COMMAND}" if name == "SECRET_KEY" else f"for example: {row.setting.example}"
            yield f"{name} (or {name}_FILE) is required; {how}."
    no_secret = found.get("OIDC_CLIENT_SECRET") is None and not found.get("OIDC_PUBLIC_CLIENT")
    if no_secret and found.unbroken("OIDC_CLIENT_SECRET", "OIDC_PUBLIC_CLIENT"):
        yield (
            "OIDC_CLIENT_SECRET (or OIDC_CLIENT_SECRET_FILE) is required; take it from the client at the provider, "
            "or set OIDC_PUBLIC_CLIENT=true if the client has none."
        )
    no_groups = not found.get("OIDC_GROUP_NAME") and not found.get("OIDC_ADMIN_GROUP_NAME")
    if no_groups and found.unbroken("OIDC_GROUP_NAME", "OIDC_ADMIN_GROUP_NAME"):
        yield (
            "OIDC_GROUP_NAME or OIDC_ADMIN_GROUP_NAME is required, or nobody could log in; name the groups whose "
            "members may use this server."
        )


def _contradictions(found: _Found) -> Iterator[str]:
    """Settings that are fine alone and not together."""
    if found.get("OIDC_PUBLIC_CLIENT") and found.get("OIDC_CLIENT_SECRET") is not None:
        yield "OIDC_PUBLIC_CLIENT is true, but there is an OIDC_CLIENT_SECRET; remove one of them."
    address = found.get("OIDC_DISCOVERY_URL", "")
    if address and not address.endswith(_WELL_KNOWN) and not found.get("OIDC_ISSUER") and found.unbroken("OIDC_ISSUER"):
        yield (
            f"OIDC_DISCOVERY_URL does not end in {_WELL_KNOWN}; append that to the issuer's address, "
            "or set OIDC_ISSUER if the provider keeps its metadata elsewhere."
        )
    if _in_the_clear(address) and found.get("OIDC_VERIFY_SSL", True) and found.unbroken("OIDC_VERIFY_SSL"):
        yield (
            "OIDC_DISCOVERY_URL is http on another machine, so whoever can reach into the network between could log "
            "in as anybody; use https, or set OIDC_VERIFY_SSL=false to accept that."
        )
    restricted = found.get("RESTRICT_RESOURCE_CREATION", False)
    if found.get("RESOURCE_CREATOR_GROUPS") and not restricted and found.unbroken("RESTRICT_RESOURCE_CREATION"):
        yield (
            "RESOURCE_CREATOR_GROUPS names who may make resources, but without RESTRICT_RESOURCE_CREATION=true "
            "everybody may; set that, or remove the groups."
        )
    lifetime = found.get("SESSION_COOKIE_MAX_AGE_SECONDS", LIFETIME_SECONDS)
    if found.get("SESSION_IDLE_SECONDS", 0) > lifetime and found.unbroken("SESSION_COOKIE_MAX_AGE_SECONDS"):
        yield (
            "SESSION_IDLE_SECONDS is longer than SESSION_COOKIE_MAX_AGE_SECONDS, so it would never matter; "
            "lower it, or raise the other."
        )


def _in_the_clear(address: str) -> bool:
    """Whether this is plain http to another machine."""
    host = urlsplit(address).hostname or ""
    if not address.startswith("http:") or host == "localhost" or host.endswith(".localhost"):
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True


def _warnings(found: _Found) -> Iterator[str]:
    if not found.get("OIDC_VERIFY_SSL", True):
        yield (
            "OIDC_VERIFY_SSL is false: whoever can reach into the network to the provider can log in as anybody; "
            "have the provider's certificate trusted, and remove it."
        )


def _said_elsewhere(found: _Found) -> dict[str, frozenset[str]]:
    """Values of upstream settings that ask for what settings of ours bring about."""
    client, redirect = found.get("OIDC_CLIENT_ID", ""), found.get("OIDC_REDIRECT_URI", "")
    return {
        "OIDC_AUDIENCE": frozenset({"".join(client.lower().split())}),
        "SESSION_COOKIE_SECURE": YES if redirect.startswith("https:") else NO,
    }


def _unknown(environ: Mapping[str, str]) -> Iterator[str]:
    """Names that look like a setting of ours and are none."""
    known = {*TABLE, *(setting.name for setting in UPSTREAM)}
    for name in sorted(environ):
        base = name.removesuffix("_FILE")
        if base in known or not environ[name].strip() or _SERVICE_LINK.search(name):
            continue
        meant = _meant(base.upper())
        if meant is not None:
            yield f"{name} is no setting; did you mean {meant}{name[len(base) :]}? Rename it, or remove it."
        elif name.startswith("OIDC_"):
            yield f"{name} is no setting; remove it ('mlflow-oidc-auth settings' lists them all)."


def _meant(name: str) -> str | None:
    """The setting that somebody who wrote `name` most likely meant."""
    ours = [setting for setting in TABLE if setting not in _COMMON]
    if name.startswith("OIDC_"):
        cutoff = 0.75  # nobody else's, so a guess costs nothing
    elif name.startswith(("MLFLOW_", "_MLFLOW_")) or any(name.endswith(f"_{setting}") for setting in ours):
        return None  # MLflow's own, or a setting of whatever has this prefix
    else:
        cutoff = 0.88
    return next(iter(difflib.get_close_matches(name, ours, 1, cutoff)), None)
