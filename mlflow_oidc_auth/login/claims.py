"""The provider's claims -> who somebody is here, or why they are not admitted. Pure.

Groups match exactly. A configured name without a leading `/` also means the top-level path of that
name, since Keycloak sends full paths (`prokube users` matches `/prokube users`); a nested group
(`/prokube users/team a`) only matches where it is spelled in full, and being in it does not make
anybody a member of what is above it.

SECURITY: whoever is in no allowed group is not admitted; an absent claim, one of another type and an
empty configuration admit nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from mlflow_oidc_auth.accounts.rules import is_reserved
from mlflow_oidc_auth.accounts.search import login_name
from mlflow_oidc_auth.database.tables import NAME_LENGTH

Claims = Mapping[str, Any]


class ClaimSettings(Protocol):
    """The settings that say how claims are read."""

    @property
    def oidc_groups_attribute(self) -> str: ...
    @property
    def oidc_group_name(self) -> tuple[str, ...]: ...
    @property
    def oidc_admin_group_name(self) -> tuple[str, ...]: ...
    @property
    def oidc_username_field(self) -> str: ...
    @property
    def oidc_display_name_field(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Profile:
    """Somebody who is admitted, as the provider describes them."""

    issuer: str
    subject: str
    username: str
    display_name: str
    groups: frozenset[str]
    is_admin: bool


class Cause(StrEnum):
    """Why somebody is not admitted. The value is what the log says."""

    NO_GROUPS_CLAIM = "the provider sent no groups"
    MALFORMED_GROUPS = "the groups claim is neither a list nor a string"
    NO_ALLOWED_GROUP = "in no allowed group"
    NO_USERNAME = "the provider sent no login name"
    UNVERIFIED_EMAIL = "the e-mail address is not verified"
    UNUSABLE_USERNAME = "the login name cannot be used"

    @property
    def about_groups(self) -> bool:
        """Whether the person is simply in no allowed group."""
        return self in (Cause.NO_GROUPS_CLAIM, Cause.MALFORMED_GROUPS, Cause.NO_ALLOWED_GROUP)


@dataclass(frozen=True, slots=True)
class NotAdmitted:
    """The provider knows them, we do not let them in. Falsy.

    `sentence` is for the person; `groups_needed` names the groups that would admit them, where that is
    what is missing; `groups` are the ones they have.
    """

    cause: Cause
    sentence: str
    groups_needed: tuple[str, ...] = ()
    groups: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return False


def profile_from(claims: Claims, settings: ClaimSettings) -> Profile | NotAdmitted:
    """Who the claims of a verified id_token describe, or why they are not admitted.

    Args:
        claims: with a verified `iss` and `sub`.
    """
    groups = _groups(claims, settings.oidc_groups_attribute)
    if isinstance(groups, Cause):
        return _needs_group(groups, frozenset(), settings)
    is_admin = in_any(groups, settings.oidc_admin_group_name)
    if not is_admin and not in_any(groups, settings.oidc_group_name):
        return _needs_group(Cause.NO_ALLOWED_GROUP, groups, settings)
    username = _username(claims, settings.oidc_username_field)
    if isinstance(username, NotAdmitted):
        return username
    display_name = _display_name(claims, settings.oidc_display_name_field) or username
    return Profile(claims["iss"], claims["sub"], username, display_name, groups, is_admin)


def in_any(groups: frozenset[str], wanted: Iterable[str]) -> bool:
    """Whether one of `groups`, as the provider spells them, is one of `wanted`, as a setting spells them."""
    return any(name in groups or (not name.startswith("/") and f"/{name}" in groups) for name in wanted if name)


def _groups(claims: Claims, attribute: str) -> frozenset[str] | Cause:
    """The group names in the claim. One name may come as a plain string; what is no name is left out."""
    match claims.get(attribute):
        case None:
            return Cause.NO_GROUPS_CLAIM
        case str(name):
            return frozenset({name}) if _storable(name) else frozenset()
        case list(entries):
            return frozenset(entry for entry in entries if isinstance(entry, str) and _storable(entry))
        case _:
            return Cause.MALFORMED_GROUPS


def _storable(name: str) -> bool:
    """What every database takes as a name: printable (so no NUL, no lone surrogate), neither empty nor too long."""
    return 0 < len(name) <= NAME_LENGTH and name.isprintable()


def _username(claims: Claims, field: str) -> str | NotAdmitted:
    noun = "e-mail address" if field == "email" else f"'{field}'"
    value = claims.get(field)
    if not isinstance(value, str) or not value:
        return NotAdmitted(
            Cause.NO_USERNAME,
            f"Your login carries no {noun}, which is your login name here. Ask whoever runs the login service for one.",
        )
    # Absent is fine (many providers never say), and some send a string; anything else is a no.
    if field == "email" and claims.get("email_verified") not in (None, True, "true"):
        return NotAdmitted(
            Cause.UNVERIFIED_EMAIL,
            "Your e-mail address is not verified. Verify it with your login service, then log in again.",
        )
    if not _usable(value):
        return NotAdmitted(
            Cause.UNUSABLE_USERNAME,
            f"Your {noun} holds characters that a login name here cannot have. Ask an MLflow admin.",
        )
    if is_reserved(login_name(value)):
        return NotAdmitted(
            Cause.UNUSABLE_USERNAME,
            f"Your {noun} is a word that has a meaning of its own here. Ask whoever runs the login service to change "
            "it, or an MLflow admin.",
        )
    return login_name(value)


def _usable(username: str) -> bool:
    """HTTP basic (RFC 7617) ends the name at the first colon, and a name must survive being lower-cased.

    SECURITY: lower-casing turns some letters into plain ones (the Kelvin sign into `k`), so that two
    addresses would become one name.
    """
    turns_plain = any(not c.isascii() and any(d.isascii() for d in c.lower()) for c in username)
    return (
        _storable(username)
        and len(login_name(username)) <= NAME_LENGTH
        and ":" not in username
        and not any(c.isspace() for c in username)
        and not turns_plain
    )


def _display_name(claims: Claims, field: str) -> str:
    value = claims.get(field)
    if not isinstance(value, str):
        return ""
    return "".join(c for c in value if c.isprintable()).strip()[:NAME_LENGTH]


def _needs_group(cause: Cause, groups: frozenset[str], settings: ClaimSettings) -> NotAdmitted:
    needed = tuple(dict.fromkeys((*settings.oidc_group_name, *settings.oidc_admin_group_name)))
    sentence = "You are logged in, but in none of the groups that may use this MLflow server."
    return NotAdmitted(cause, sentence, needed, groups)
