"""What accounts, groups and teams may be called, and who may end whose account: pure.

Each function gives the sentence that says what is wrong; empty if nothing is.
"""

from __future__ import annotations

import re

from mlflow_oidc_auth.accounts.values import GroupSource, User
from mlflow_oidc_auth.database.tables import NAME_LENGTH
from mlflow_oidc_auth.web.strict_json import storable

LONGEST_TEXT = 1024
"""Of a purpose or description, in characters."""

CHOSEN_AT_THE_LOGIN_SERVICE = (
    "This is a group of the login service: what it is called and who is in it is chosen there, and comes here when "
    "its people log in. Make a team for what is chosen here."
)

_ACCOUNT_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])")
_OWN_ROLE = re.compile(r"__user_[0-9]+__")
_RESERVED = ("current", "provider", "shell", "system")


def account_name_wrong(name: str) -> str:
    """Of a new service account. It never looks like an e-mail, which is how people log in."""
    if not _ACCOUNT_NAME.fullmatch(name):
        return (
            "A service account's name has 2 to 64 characters: small letters, digits, and '.', '_' or '-' between them."
        )
    if is_reserved(name):
        return "This name has a meaning of its own here; choose another one."
    return ""


def is_reserved(username: str) -> bool:
    """Whether no account, of a person or a service, may be called so.

    SECURITY: the API calls who asks `current`; the others are in the audit where no account did it.
    """
    return username in _RESERVED


def purpose_wrong(purpose: str) -> str:
    """Of a service account."""
    if not purpose.strip():
        return "Say what the service account does, for whoever finds it a year from now."
    return _text_wrong(purpose, "purpose")


def description_wrong(description: str) -> str:
    """Of a team; it may be empty."""
    return _text_wrong(description, "description")


def group_name_wrong(name: str, source: GroupSource) -> str:
    """Of a team; or of a group of the login service, which is spelled as the login service sends it."""
    if not name.strip():
        return "The name is empty."
    if len(name) > NAME_LENGTH:
        return f"The name is longer than {NAME_LENGTH} characters."
    if not name.isprintable() or name != name.strip():
        return "The name begins or ends with a space, or holds characters that cannot be printed."
    if source is GroupSource.TEAM and name.startswith("/"):
        return "A team's name does not begin with '/': groups of the login service do."
    if source is GroupSource.TEAM and _OWN_ROLE.fullmatch(name):
        return "This name means what a user was granted by name; choose another one."
    return ""


def may_not_be_admin(user: User) -> str:
    """Why an account cannot be made an admin."""
    if user.is_service_account:
        return "A service account is no admin: it would stay one, since it never logs in."
    if not user.is_active:
        return "This user is disabled. Enable them first."
    return ""


def may_not_end(username: str, by: str, what: str) -> str:
    """Whether `by` may disable or delete the account of `username`: anybody's but their own.

    Args:
        what: such as "disable".
    """
    if username == by:
        return f"You cannot {what} your own account. Ask another MLflow admin to do it."
    return ""


def _text_wrong(text: str, what: str) -> str:
    if len(text) > LONGEST_TEXT:
        return f"The {what} is longer than {LONGEST_TEXT} characters."
    if not storable(text):
        return f"The {what} holds a NUL or half of a character pair; leave it out."
    return ""
