"""The words of this project, as frozen types.

identity    who is asking: a user or service account, with groups, and by which credential
credential  what proves it: a PAT or a session
level       NO_PERMISSIONS < READ < USE < EDIT < MANAGE, MLflow's own names and meaning
resource    an experiment, a registered model or a prompt
verdict     allowed or refused, always with its reason

(operation and requirement: `operations/requirements.py`; grant: `database/tables.py`.)
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, IntEnum, StrEnum

END_OF_TIME = datetime.max.replace(tzinfo=UTC)
"""The moment at which a level is asked for that is not to end."""


class Level(IntEnum):
    """What somebody may do with a resource; a higher level includes the lower ones.

    The numbers are stored. WIRE: never renumber; leave gaps for levels MLflow may add.
    """

    NO_PERMISSIONS = 0
    READ = 10
    USE = 20
    EDIT = 30
    MANAGE = 40

    @classmethod
    def parse(cls, name: str) -> Level:
        """The level called `name`, as MLflow spells it.

        Raises:
            ValueError: no level has this name.
        """
        try:
            return cls[name]
        except KeyError:
            raise ValueError(f"'{name}' is no level; choose one of {', '.join(level.name for level in cls)}.") from None


class Kind(StrEnum):
    """The kinds of resource that carry grants, spelled as MLflow's REST API does.

    A prompt is a registered model with MLflow's prompt tag: one name space and one grants
    table for both (:attr:`named`), two kinds for people.
    """

    EXPERIMENT = "experiment"
    REGISTERED_MODEL = "registered_model"
    PROMPT = "prompt"

    @property
    def named(self) -> bool:
        """Whether grants on this kind are keyed by name (and workspace), not by number."""
        return self is not Kind.EXPERIMENT


def is_plain_number(text: str) -> bool:
    """Whether the text is a whole number from 0 in plain digits.

    SECURITY: Python reads numbers that no database does (`３`, `1_0`): two readers would see two ids.
    """
    return text.isascii() and text.isdigit()


@dataclass(frozen=True, slots=True)
class Resource:
    """One thing that carries grants: an experiment by its decimal id, a model or prompt by its name.

    Raises:
        ValueError: an experiment's key is no whole number.
    """

    kind: Kind
    key: str

    def __post_init__(self) -> None:
        if self.kind is Kind.EXPERIMENT and not is_plain_number(self.key):
            raise ValueError("an experiment id is a whole number")

    @property
    def experiment_id(self) -> int:
        """The number of an experiment: `01` and `1` are one."""
        return int(self.key)


class CredentialKind(StrEnum):
    """By what an identity is proven."""

    TOKEN = "token"  # noqa: S105 - a kind, not a secret
    SESSION = "session"


@dataclass(frozen=True, slots=True)
class Credential:
    """The credential of one request: its kind and the row it was found in, never its secret."""

    kind: CredentialKind
    id: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is asking.

    `user_id` is ours; `username` is the login name (the e-mail, lower case). `group_ids` are the
    groups and teams of the last login. An admin is above every grant.
    """

    user_id: int
    username: str
    display_name: str
    is_admin: bool
    is_service_account: bool
    group_ids: frozenset[int]
    credential: Credential


class Rung(Enum):
    """Which step of the precedence decided, from the most specific to the default.

    The order is the rule (`permissions/resolver.py`): a person's own grant on the resource;
    else the highest of their groups' on it; else their pattern; else a group's pattern; else
    the default. WIRE: the values are selected in SQL beside the level.
    """

    ADMIN = 0
    USER = 1
    GROUP = 2
    USER_PATTERN = 3
    GROUP_PATTERN = 4
    DEFAULT = 5


class Reason(StrEnum):
    """Why a verdict fell as it did. The value is what the log and "why?" show."""

    PUBLIC = "public"
    ADMIN = "admin"
    SIGNED_IN = "signed in"
    LEVEL_REACHED = "level reached"
    ROWS_FILTERED = "rows filtered"
    LEVEL_MISSING = "level missing or no such resource"
    NAME_TAKEN = "name taken by somebody else"
    ADMINS_ONLY = "admins only"
    BROWSER_ONLY = "needs a browser session"
    NOT_SERVED = "not served here"
    UNLISTED = "operation not listed"
    NO_TARGET = "the request names no resource"
    MAY_NOT_CREATE = "may not create"
    FOREIGN_SOURCE = "source not readable"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Allowed or refused, with its reason. A refusal is falsy.

    `sentence` is what the person is told; it never says whether a hidden resource exists.
    `detail` is for the log only.
    """

    allowed: bool
    reason: Reason
    sentence: str = ""
    detail: str = ""

    def __bool__(self) -> bool:
        return self.allowed
