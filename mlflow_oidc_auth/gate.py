"""One request: credential -> operation -> requirement -> verdict.

What it owns: the decision. It knows no framework and no database; parts come in as arguments.

What it must never do: allow what it does not know. An operation without an entry is refused to everybody
but admins; a target that finds nothing, an id that leads nowhere and an unknown requirement are refused.
Every id that a request names is judged, not the first: inserts and merges are never row-filtered, so
this is all that stands before them.

SECURITY: a resource that does not exist and one that is hidden get the same verdict and the same sentence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Protocol, assert_never

from mlflow_oidc_auth.operations.requirements import (
    Admin,
    AdminInBrowser,
    AdminsOnlySet,
    AdminsOnlyTags,
    AllOf,
    Create,
    Deny,
    Entry,
    GraphQL,
    InBrowser,
    Listing,
    Move,
    NoGatewayModel,
    OwnSpans,
    Probe,
    Public,
    ReadSource,
    Rename,
    Require,
    RequireIfThere,
    Requirement,
    SignedIn,
)
from mlflow_oidc_auth.operations.targets import EARLY, IdKind, Target
from mlflow_oidc_auth.permissions.verdicts import ASK, REQUESTS, ask
from mlflow_oidc_auth.vocabulary import END_OF_TIME, CredentialKind, Identity, Kind, Level, Reason, Verdict

DEFAULT_EXPERIMENT = (
    "The default experiment (id 0) belongs to nobody. Choose one of your own first: in Python, "
    'mlflow.set_experiment("a name"); in the shell, MLFLOW_EXPERIMENT_NAME.'
)
NO_GATEWAY = "Only MLflow admins may make a gateway endpoint the model of a scorer. Choose another model."
ADMINS_ONLY = "Only MLflow admins may do this. Ask an MLflow admin."

_OTHER_PATTERNS = (
    "This name falls under other patterns than the present one, which says for good who may use it, and your own "
    "MANAGE on this {kind} ends. Ask somebody who manages it without an end date, or an MLflow admin."
)

Named = Mapping[IdKind, frozenset[str]]
Levels = Mapping[tuple[IdKind, str], Level]


@dataclass(frozen=True, slots=True)
class Source:
    """What a model version is to be made from, as the request names it."""

    uri: str
    run_id: str
    model_id: str


class Judging(Protocol):
    """What the gate asks of the database."""

    def levels(self, identity: Identity, named: Named, now: datetime) -> Levels:
        """The level on each id that leads to a resource; ids that lead nowhere are absent."""

    def name_taken(self, identity: Identity, kind: Kind, name: str, now: datetime) -> Level | None:
        """The level on the resource that has this name; `None` if the name is free."""

    def moves_between_patterns(self, kind: Kind, key: str, name: str, now: datetime) -> bool:
        """Whether a pattern covers the resource as it is called now and not as `name`, or the other way round."""

    def lies_elsewhere(self, kind: IdKind, id_: str, experiment_id: str) -> bool:
        """Whether this id leads to something in another experiment."""

    def managers(self, kind: IdKind, id_: str, now: datetime) -> tuple[str, ...]:
        """The names of a few who manage what this id leads to, for somebody who can see it."""

    def source_named(self, source: Source) -> Named | None:
        """The resources a source is read from; `None` if it is none that only MLflow's own paths lead to."""

    def source_inside(self, source: Source) -> bool:
        """Whether the source lies in the artifacts of the run or logged model it names."""


class Reading(Protocol):
    """What can be read from the request at this moment."""

    def ids(self, target: Target) -> tuple[str, ...]:
        """Every id the target finds."""

    def sent(self, field: str) -> bool:
        """Whether the request holds this field with a value."""

    def keys(self, fields: tuple[str, ...]) -> frozenset[str]:
        """The tag keys at these fields; a map counts by its keys."""

    def names_gateway(self, field: str) -> bool:
        """Whether the scorer in this field has a gateway endpoint as its model."""

    def source(self) -> Source:
        """The source of a new model version."""

    def unlisted_fields(self) -> frozenset[str]:
        """The GraphQL fields of the document that are in no entry."""


class CreatePolicy(Protocol):
    """Who may create resources."""

    def may_create(self, identity: Identity, kind: Kind) -> bool:
        """Whether this identity may create a resource of this kind."""

    def who_may_create(self) -> str:
        """In words, for who may not."""


ALLOWED = Verdict(True, Reason.LEVEL_REACHED)


@dataclass(slots=True)
class _Found:
    """The levels a request needs: on what must be there, and on what may be."""

    needed: list[tuple[Level, IdKind, str]] = field(default_factory=list)
    if_there: list[tuple[Level, IdKind, str]] = field(default_factory=list)
    for_good: list[tuple[IdKind, str]] = field(default_factory=list)  # MANAGE that does not end
    moved: list[tuple[IdKind, str, tuple[str, ...]]] = field(default_factory=list)  # what, into which experiments

    def ids(self) -> Iterator[tuple[IdKind, str]]:
        """All that levels are needed on."""
        yield from ((kind, id_) for _, kind, id_ in chain(self.needed, self.if_there))
        yield from ((kind, id_) for kind, id_, _ in self.moved)


class Gate:
    """Decides. One instance serves all threads of a process."""

    def __init__(self, judging: Judging, policy: CreatePolicy) -> None:
        self._judging = judging
        self._policy = policy

    def early(self, identity: Identity, entry: Entry | None) -> Verdict | None:
        """The verdict as far as method, path and headers tell; `None` while the request must be read for it."""
        if entry is None:
            if identity.is_admin:
                return Verdict(True, Reason.ADMIN)
            return _refused(Reason.UNLISTED, "This address is not open to you. Ask an MLflow admin.")
        return _without_reading(identity, entry.requirement)

    def settle(self, identity: Identity, entry: Entry, reading: Reading, now: datetime) -> Verdict:
        """The verdict, now that the request can be read."""
        verdict = self.early(identity, entry)
        if verdict is not None:
            return verdict
        parts = _parts(entry.requirement)
        return next((refusal for refusal in self._refusals(identity, parts, reading, now)), ALLOWED)

    def settle_spans(
        self, identity: Identity, part: OwnSpans, trace_ids: Iterable[str], tag_keys: frozenset[str], now: datetime
    ) -> Verdict:
        """The verdict on the spans of an OTLP body: the traces they belong to, and the tags they set."""
        found = _Found(if_there=[(part.level, IdKind.TRACE, id_) for id_ in trace_ids])
        against = chain(_admins_tags(frozenset(part.tags) & tag_keys), self._missing_levels(identity, found, now))
        return next(against, ALLOWED)

    def name_clash(self, identity: Identity, entry: Entry, reading: Reading, now: datetime) -> Verdict:
        """Judge the names again that MLflow found taken: somebody may have taken one after the verdict."""
        if identity.is_admin:  # sees what has the name
            return ALLOWED
        takers = [part for part in _parts(entry.requirement) if isinstance(part, Create | Rename)]
        return next((refusal for part in takers for refusal in self._name(identity, part, reading, now)), ALLOWED)

    def _refusals(
        self, identity: Identity, parts: tuple[Requirement, ...], reading: Reading, now: datetime
    ) -> Iterator[Verdict]:
        """What stands against the request; nothing means it is allowed."""
        yield from _needs_admin(parts, reading)
        found = _Found()
        for part in parts:
            yield from self._collect(part, reading, now, found)
        yield from self._missing_levels(identity, found, now)
        for part in parts:
            match part:
                case ReadSource():
                    if not self._judging.source_inside(reading.source()):
                        yield _foreign_source()
                case Create():
                    yield from self._create(identity, part, reading, now)
                case Rename():
                    yield from self._name(identity, part, reading, now)
                case GraphQL():
                    if unlisted := reading.unlisted_fields():
                        names = ", ".join(sorted(unlisted))
                        yield _refused(Reason.UNLISTED, f"These GraphQL fields are not open to you: {names}.")
                case _:
                    pass

    def _collect(self, part: Requirement, reading: Reading, now: datetime, found: _Found) -> Iterator[Verdict]:
        """Gather what a part needs levels on; what it names in vain stands against the request."""
        match part:
            case Require(level, target):
                ids = reading.ids(target)
                if not ids and not target.optional:
                    yield _refused(Reason.NO_TARGET, _missing_target(target))
                found.needed += [(level, target.kind, id_) for id_ in ids]
            case RequireIfThere(level, target):
                found.if_there += [(level, target.kind, id_) for id_ in reading.ids(target)]
            case Rename(kind, whose, target):
                moves = self._judging.moves_between_patterns
                owned = [
                    id_ for id_ in reading.ids(whose) for name in reading.ids(target) if moves(kind, id_, name, now)
                ]
                found.needed += [(Level.MANAGE, whose.kind, id_) for id_ in owned]
                found.for_good += [(whose.kind, id_) for id_ in owned]
            case Move(whose, target):
                found.moved += [(whose.kind, id_, reading.ids(target)) for id_ in reading.ids(whose)]
            case ReadSource():
                readable = self._judging.source_named(reading.source())
                if readable is None:
                    yield _foreign_source()
                else:
                    found.needed += [(Level.READ, kind, id_) for kind, ids in readable.items() for id_ in ids]
            case _:
                pass

    def _missing_levels(self, identity: Identity, found: _Found, now: datetime) -> Iterator[Verdict]:
        named: dict[IdKind, set[str]] = {}
        for kind, id_ in found.ids():
            named.setdefault(kind, set()).add(id_)
        if not named:
            return
        levels = self._judging.levels(identity, {kind: frozenset(ids) for kind, ids in named.items()}, now)
        judged = [(found.needed, Level.NO_PERMISSIONS), (found.if_there, Level.MANAGE)]
        for wanted, where_absent in judged:
            for needed, kind, id_ in wanted:
                level = levels.get((kind, id_), where_absent)
                if level < needed:
                    yield self._missing_level(needed, level, kind, id_, now)
        for kind, id_, into in found.moved:
            # The statement is for what is there: most traces are new, and this is where all of them come in.
            level = levels.get((kind, id_), Level.MANAGE)
            if level < Level.MANAGE and any(self._judging.lies_elsewhere(kind, id_, one) for one in into):
                yield self._missing_level(Level.MANAGE, level, kind, id_, now)
        for kind, id_ in found.for_good:
            if self._judging.levels(identity, {kind: frozenset({id_})}, END_OF_TIME).get((kind, id_), 0) < Level.MANAGE:
                yield _refused(Reason.LEVEL_MISSING, _OTHER_PATTERNS.format(kind=kind), detail=f"{id_[:64]!r} for good")

    def _missing_level(self, needed: Level, level: Level, kind: IdKind, id_: str, now: datetime) -> Verdict:
        """SECURITY: who manages it is told to those alone who can see it; to others it may as well not be there."""
        sentence = f"You need {needed.name} on this {kind}, or there is no such {kind}. {ASK}"
        if kind is IdKind.EXPERIMENT and id_ == "0":
            sentence = DEFAULT_EXPERIMENT
        elif level >= Level.READ:
            managers = self._judging.managers(kind, id_, now)
            sentence = f"You need {needed.name} on this {kind}, and have {level.name}. {ask(managers)}"
        return _refused(Reason.LEVEL_MISSING, sentence, detail=f"{needed.name} on {kind} {id_[:64]!r}")

    def _create(self, identity: Identity, part: Create, reading: Reading, now: datetime) -> Iterator[Verdict]:
        if not self._policy.may_create(identity, part.kind):
            sentence = (
                f"You may not create {_many(part.kind)} here. {self._policy.who_may_create()} Ask an MLflow admin."
            )
            yield _refused(Reason.MAY_NOT_CREATE, sentence)
        yield from self._name(identity, part, reading, now)

    def _name(self, identity: Identity, part: Create | Rename, reading: Reading, now: datetime) -> Iterator[Verdict]:
        for name in reading.ids(part.target):
            level = self._judging.name_taken(identity, part.kind, name, now)
            if level is not None and level < Level.READ:
                yield _refused(
                    Reason.NAME_TAKEN,
                    f"This name cannot be used for your {_noun(part.kind)}: choose another name, or ask an MLflow "
                    f"admin for access. {REQUESTS}",
                    detail=f"name {name[:64]!r} is somebody else's",
                )


def _noun(kind: Kind) -> str:
    return "experiment" if kind is Kind.EXPERIMENT else "registered model or prompt"


def _many(kind: Kind) -> str:
    return "experiments" if kind is Kind.EXPERIMENT else "registered models or prompts"


def _without_reading(identity: Identity, requirement: Requirement) -> Verdict | None:
    """The verdict that method, path and identity alone give; `None` where the request must be read."""
    match requirement:
        case Public() | Probe():
            return Verdict(True, Reason.PUBLIC)
        case Deny(why):
            return _refused(Reason.NOT_SERVED, why)
        case InBrowser():
            return Verdict(True, Reason.SIGNED_IN) if _in_browser(identity) else _BROWSER_ONLY
        case AdminInBrowser() if identity.is_admin:
            return Verdict(True, Reason.ADMIN) if _in_browser(identity) else _BROWSER_ONLY
        case SignedIn():
            return Verdict(True, Reason.SIGNED_IN)
        case Listing():
            return Verdict(True, Reason.ROWS_FILTERED)
        case _ if identity.is_admin:
            return Verdict(True, Reason.ADMIN)
        case Admin() | AdminInBrowser():
            return _refused(Reason.ADMINS_ONLY, ADMINS_ONLY)
        case (
            Require()
            | RequireIfThere()
            | Create()
            | Rename()
            | Move()
            | AdminsOnlySet()
            | AdminsOnlyTags()
            | NoGatewayModel()
        ):
            return None
        case OwnSpans() | ReadSource() | GraphQL() | AllOf():
            return None
        case _:
            assert_never(requirement)


def _in_browser(identity: Identity) -> bool:
    return identity.credential.kind is CredentialKind.SESSION


def shows_rows_by_filter(requirement: Requirement | None) -> bool:
    """Whether an allowed operation runs with the row filter: all that the gate did not decide id by id."""
    return isinstance(requirement, Listing | SignedIn | InBrowser | GraphQL | Public | Probe)


def settled_early(requirement: Requirement) -> bool:
    """Whether path and headers hold all that this requirement reads (`OwnSpans` is kept by `bridge/spans.py`)."""
    return all(
        isinstance(part, OwnSpans) or (isinstance(part, Require | RequireIfThere) and part.target.where in EARLY)
        for part in _parts(requirement)
    )


def creates(requirement: Requirement) -> bool:
    """Whether this operation takes a name."""
    return any(isinstance(part, Create | Rename) for part in _parts(requirement))


def _parts(requirement: Requirement) -> tuple[Requirement, ...]:
    return requirement.parts if isinstance(requirement, AllOf) else (requirement,)


def _needs_admin(parts: Iterable[Requirement], reading: Reading) -> Iterator[Verdict]:
    for part in parts:
        match part:
            case AdminsOnlySet(fields):
                for name in fields:
                    if reading.sent(name):
                        yield _refused(Reason.ADMINS_ONLY, f"Only MLflow admins may choose '{name}'. Leave it out.")
            case AdminsOnlyTags(keys, fields):
                yield from _admins_tags(frozenset(keys) & reading.keys(fields))
            case NoGatewayModel(field):
                if reading.names_gateway(field):
                    yield _refused(Reason.ADMINS_ONLY, NO_GATEWAY)
            case _:
                pass


def _admins_tags(keys: frozenset[str]) -> Iterator[Verdict]:
    for key in sorted(keys):
        yield _refused(Reason.ADMINS_ONLY, f"Only MLflow admins may set or remove the tag '{key}'. Leave it out.")


def _missing_target(target: Target) -> str:
    return f"This request names no {target.kind}: give {' or '.join(target.fields)}."


def _foreign_source() -> Verdict:
    return _refused(
        Reason.FOREIGN_SOURCE,
        "The source of a model version must be a logged model or model version that you can read, or a folder inside "
        "the artifacts of such a run; name it with run_id or model_id. Ask an MLflow admin to register any other.",
    )


def _refused(reason: Reason, sentence: str, *, detail: str = "") -> Verdict:
    return Verdict(False, reason, sentence, detail)


_BROWSER_ONLY = _refused(
    Reason.BROWSER_ONLY, "An access key cannot do this. Log in with your browser and open Permissions."
)
