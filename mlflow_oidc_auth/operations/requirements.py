"""What an operation needs: a closed union, one requirement for each entry of the table.

How they combine: an entry has exactly one requirement; `AllOf` needs each of its parts; nothing else
nests. An operation without an entry is refused to everybody but admins, and `Deny` refuses them too.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlflow_oidc_auth.operations.targets import Target
from mlflow_oidc_auth.vocabulary import Kind, Level


@dataclass(frozen=True, slots=True)
class Public:
    """Anybody, without a credential; `why` that is harmless."""

    why: str


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Any identity. What it reads is row-filtered."""


@dataclass(frozen=True, slots=True)
class InBrowser:
    """Any identity by session, not by token: a token cannot make a stronger or longer one."""


@dataclass(frozen=True, slots=True)
class Require:
    """At least `level` on every resource that `target` finds. Runs unfiltered once decided."""

    level: Level
    target: Target


@dataclass(frozen=True, slots=True)
class Create:
    """May make (or rename to) a resource of this kind; `target` finds the new name.

    A name that somebody else's hidden resource has is refused as such; one that the identity can see
    is left to MLflow, which answers RESOURCE_ALREADY_EXISTS.
    """

    kind: Kind
    target: Target


@dataclass(frozen=True, slots=True)
class AdminsOnlySet:
    """Everybody may, but only admins may send these fields of the message."""

    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReadSource:
    """READ on what a new model version is made from: its source, run and logged model."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Any identity; the row filter shows what it may read of `kind`."""

    kind: Kind


@dataclass(frozen=True, slots=True)
class GraphQL:
    """Any identity; every top-level field of the document must be listed; rows are filtered."""


@dataclass(frozen=True, slots=True)
class Admin:
    """Admins only."""


@dataclass(frozen=True, slots=True)
class Deny:
    """Nobody; `why` is the sentence everybody gets."""

    why: str


@dataclass(frozen=True, slots=True)
class AllOf:
    """Each of its parts."""

    parts: tuple[Require | Create | AdminsOnlySet | ReadSource, ...]


Requirement = (
    Public
    | SignedIn
    | InBrowser
    | Require
    | Create
    | AdminsOnlySet
    | ReadSource
    | Listing
    | GraphQL
    | Admin
    | Deny
    | AllOf
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One operation of the table: how it is asked, and what it needs.

    `path` is spelled as the server's router spells it, without the static prefix; `family` is the
    operations that share the requirement because they are one operation at several addresses.
    """

    method: str
    path: str
    requirement: Requirement
    ours: bool = False
