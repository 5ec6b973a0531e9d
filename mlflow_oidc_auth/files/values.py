"""What a file says, and what the database says, in the same words, so that they can be compared.

A prompt and a registered model of one name are one thing to a grant: the kind of both is `REGISTERED_MODEL` here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from mlflow_oidc_auth.vocabulary import Kind, Level


class Holder(StrEnum):
    """Who holds a grant: a person or service account, a group of the login service, or a team.

    WIRE: the values are the keys of a file.
    """

    USER = "user"
    GROUP = "group"
    TEAM = "team"


@dataclass(frozen=True, slots=True)
class Who:
    """A holder, by name."""

    holder: Holder
    name: str

    def __str__(self) -> str:
        return f"{self.holder} {self.name}"


@dataclass(frozen=True, slots=True)
class Where:
    """On what: an experiment's id in decimal, a name, or a pattern with its trailing `*`."""

    kind: Kind
    key: str
    is_pattern: bool = False


@dataclass(frozen=True, slots=True)
class Called:
    """What a resource is called, and which kind it is for people."""

    kind: Kind
    name: str


@dataclass(frozen=True, slots=True)
class Given:
    """What a grant says: a level, and until when (`None`: without an end)."""

    level: Level
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Team:
    """A team and the usernames in it."""

    description: str = ""
    members: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Account:
    """A service account: its owner's username, and what it is for."""

    owner: str | None
    purpose: str = ""


Grants = Mapping[tuple[Who, Where], Given]


@dataclass(frozen=True, slots=True)
class State:
    """Teams by name, service accounts by username, grants by holder and place.

    A part that is `None` is not spoken of: a file need not hold all three. `called` has the names of what the
    grants are on, where it is known.
    """

    teams: Mapping[str, Team] | None = None
    accounts: Mapping[str, Account] | None = None
    grants: Grants | None = None
    called: Mapping[Where, Called] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GrantChange:
    """A grant that is given (`before` is `None`), changed, or taken away (`after` is `None`)."""

    who: Who
    where: Where
    before: Given | None
    after: Given | None


@dataclass(frozen=True, slots=True)
class TeamChange:
    """A team that is made, described anew, or deleted."""

    name: str
    before: Team | None
    after: Team | None


@dataclass(frozen=True, slots=True)
class MemberChange:
    """Somebody who joins a team or leaves it."""

    team: str
    username: str
    joins: bool


@dataclass(frozen=True, slots=True)
class AccountChange:
    """A service account that is made, or whose owner or purpose changes."""

    username: str
    before: Account | None
    after: Account


Change = GrantChange | TeamChange | MemberChange | AccountChange


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a file, and in which line (from 1)."""

    line: int
    sentence: str
