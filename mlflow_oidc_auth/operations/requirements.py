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
class Probe:
    """Anybody, without a credential; the gate itself answers and no router serves it."""

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
class RequireIfThere:
    """At least `level` on every resource that `target` finds, as far as it is there yet.

    For requests that make a resource under an id of the caller's choice, or change the one that has
    it already (MLflow moves an existing trace into the experiment that the request names). An id that
    leads nowhere is allowed, and so is a request that names none.
    """

    level: Level
    target: Target


@dataclass(frozen=True, slots=True)
class Create:
    """May make a resource of this kind; `target` finds its name.

    A name that somebody else's hidden resource has is refused as such; one that the identity can see
    is left to MLflow, which answers RESOURCE_ALREADY_EXISTS.
    """

    kind: Kind
    target: Target


@dataclass(frozen=True, slots=True)
class Rename:
    """May give what `whose` finds the name that `target` finds, if it is one that `Create` would allow.

    SECURITY: a name that falls under other patterns changes who may do what, which is sharing: it needs MANAGE, and
    one without an end, since the name has none.
    """

    kind: Kind
    whose: Target
    target: Target


@dataclass(frozen=True, slots=True)
class Move:
    """May have what `whose` finds in the experiment that `target` finds, wherever it is now; it may be nowhere yet.

    SECURITY: to whoever had it in another experiment it is as if it were deleted there: that needs MANAGE, as
    deleting it does.
    """

    whose: Target
    target: Target


@dataclass(frozen=True, slots=True)
class AdminsOnlySet:
    """Everybody may, but only admins may send these fields of the message."""

    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AdminsOnlyTags:
    """Everybody may, but only admins may set or remove the tags called `keys`.

    SECURITY: MLflow acts on such a tag: it says where a trace's files lie, what kind of resource a name
    is, or what the server runs by itself. `fields` are the dotted places of the message that hold tag
    keys; lists on the way are walked, and a map field counts by its keys.
    """

    keys: tuple[str, ...]
    fields: tuple[str, ...] = ("key",)


@dataclass(frozen=True, slots=True)
class NoGatewayModel:
    """Everybody may, but only admins may name a gateway endpoint as the model of the scorer in `field`.

    SECURITY: MLflow looks the endpoint up and binds the scorer to it, whoever asks; endpoints are the admins'.
    """

    field: str


@dataclass(frozen=True, slots=True)
class OwnSpans:
    """`level` on every trace that an OTLP body adds spans to, as far as it is there yet.

    SECURITY: MLflow adds spans to whatever trace they name, in any experiment, and turns attributes of
    a root span called `mlflow.traceTag.<key>` into tags: `tags` are refused there to all but admins.
    The ids must be read by MLflow's own parser (`Span.from_otel_proto`), after its own decompression.
    """

    level: Level
    tags: tuple[str, ...]


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
class AdminInBrowser:
    """Admins only, and by session: an admin's token cannot make tokens for others either."""


@dataclass(frozen=True, slots=True)
class Deny:
    """Nobody; `why` is the sentence everybody gets."""

    why: str


Part = (
    Require
    | RequireIfThere
    | Create
    | Rename
    | Move
    | AdminsOnlySet
    | AdminsOnlyTags
    | NoGatewayModel
    | OwnSpans
    | ReadSource
)


@dataclass(frozen=True, slots=True)
class AllOf:
    """Each of its parts."""

    parts: tuple[Part, ...]


Requirement = Public | Probe | SignedIn | InBrowser | Part | Listing | GraphQL | Admin | AdminInBrowser | Deny | AllOf


@dataclass(frozen=True, slots=True)
class Entry:
    """One operation of the table: how it is asked, and what it needs.

    `path` is spelled as the server's router spells it (Flask's `<path:x>`, FastAPI's `{x:path}`), without
    the static prefix. `ours`: we serve it, not MLflow. `since`: the MLflow version that first serves it;
    empty for what the oldest supported version serves already.
    """

    method: str
    path: str
    requirement: Requirement
    ours: bool = False
    since: str = ""
