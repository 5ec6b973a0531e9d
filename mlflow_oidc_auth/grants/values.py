"""What is said of grants, as values: on what, to whom, by whom, how much."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from mlflow_oidc_auth.database.tables import NAME_LENGTH
from mlflow_oidc_auth.vocabulary import Kind, Level, Resource, Rung


@dataclass(frozen=True, slots=True)
class Shareable:
    """A resource that is there, and the name that patterns match."""

    resource: Resource
    name: str

    @property
    def kind(self) -> Kind:
        """The resource's."""
        return self.resource.kind


@dataclass(frozen=True, slots=True)
class Pattern:
    """Every name that starts with `prefix`; all of them where it is empty.

    Models and prompts share one name space: a pattern on either covers both.
    """

    kind: Kind
    prefix: str

    @classmethod
    def parse(cls, kind: Kind, text: str) -> Pattern:
        """The pattern that somebody wrote, such as `teama-*`.

        Raises:
            ValueError: it is none; the text is the end of a sentence.
        """
        if not text.endswith("*"):
            raise ValueError("must end in '*', as in teama-*.")
        if "*" in text[:-1]:
            raise ValueError("may hold one '*' only, at its end.")
        if len(text) > NAME_LENGTH:
            raise ValueError(f"is longer than {NAME_LENGTH} characters.")
        return cls(kind, text[:-1])

    def __str__(self) -> str:
        return f"{self.prefix}*"


On = Shareable | Pattern
"""What a grant is given on."""


@dataclass(frozen=True, slots=True)
class Named:
    """What a resource is called and which kind it is: grants alone do not tell a model from a prompt.

    `deleted`: it is in MLflow's bin, where no page of MLflow shows it.
    """

    kind: Kind
    name: str
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """A resource that a search found. `kind` tells a prompt from a model; `deleted`: see :class:`Named`."""

    resource: Resource
    kind: Kind
    name: str
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Matching:
    """How many resources a pattern covers at this moment, those in MLflow's bin too, and the names of a few."""

    experiments: int
    registered_models: int
    prompts: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Grantee:
    """To whom a grant is given: the id and name of a user, or of a group or team."""

    id: int
    name: str
    is_group: bool = False

    def __str__(self) -> str:
        return f"{'group' if self.is_group else 'user'} {self.name}"


@dataclass(frozen=True, slots=True)
class GivenBy:
    """Who changes a grant. An admin may do it without being a user here (the shell, with the database alone)."""

    username: str
    is_admin: bool
    user_id: int = 0
    group_ids: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Grant:
    """What one grant says, by whom and until when (`None`: without an end). `id` is a number that no other has."""

    level: Level
    granted_by: str
    granted_at: datetime
    expires_at: datetime | None
    id: int = field(default=0, compare=False)

    def told(self) -> dict[str, str | None]:
        """As the audit tells it: what was given, to which date."""
        return {"level": self.level.name, "expires_at": self.expires_at.isoformat() if self.expires_at else None}


@dataclass(frozen=True, slots=True)
class Held:
    """A resource that somebody owns or was given, the winning level, and whose grant it is (`USER` or `GROUP`).

    A model and a prompt share one name space: the kind of both is `REGISTERED_MODEL` here.
    """

    resource: Resource
    level: Level
    rung: Rung
