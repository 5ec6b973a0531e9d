"""What `explain.py` found, in words for people: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from mlflow_oidc_auth.vocabulary import Level, Resource, Rung

_MOST = 3
"""So many grants are told in one sentence; the others are counted."""

_CAN = {
    Level.NO_PERMISSIONS: "cannot see it",
    Level.READ: "can see and download it",
    Level.USE: "can see, download and use it",
    Level.EDIT: "can see and download it, use it, log to it, tag and rename it",
    Level.MANAGE: "can do everything with it, delete and share it too",
}

_GOES_BEFORE = {
    (Rung.USER, Rung.GROUP): "a grant of one's own goes before those of groups",
    (Rung.USER_PATTERN, Rung.GROUP_PATTERN): "a pattern of one's own goes before those of groups",
}
_BEFORE_PATTERNS = "a grant on the resource itself goes before patterns"
_INSIDE = {
    Rung.GROUP: "among groups the highest level counts",
    Rung.USER_PATTERN: "among patterns the longest counts",
    Rung.GROUP_PATTERN: "among patterns the longest counts, then the highest level",
}


@dataclass(frozen=True, slots=True)
class Told:
    """One grant that reaches somebody, or did until it `ended`. `id` is that of its table's row.

    `prefix`: of a pattern, without its `*`; `None` for a grant on the resource itself. `group`: through which it
    comes; `None` for a grant of one's own.
    """

    id: int
    rung: Rung
    level: Level
    prefix: str | None
    group_id: int | None
    group: str | None
    granted_by: str
    granted_at: datetime
    expires_at: datetime | None
    ended: bool

    @property
    def strength(self) -> tuple[bool, int, int]:
        """How it compares with the others on its rung."""
        return not self.ended, len(self.prefix or ""), int(self.level)

    @property
    def pattern(self) -> str | None:
        """As people write it, with its `*`."""
        return None if self.prefix is None else f"{self.prefix}*"


@dataclass(frozen=True, slots=True)
class Facts:
    """Of whom and what it is asked, and what the answer is."""

    username: str
    is_admin: bool
    is_active: bool
    in_groups: bool
    default: Level
    resource: Resource
    level: Level
    rung: Rung

    @property
    def is_default_experiment(self) -> bool:
        """The one that belongs to nobody."""
        return not self.resource.kind.named and self.resource.experiment_id == 0


def answer(facts: Facts, told: Mapping[Rung, Sequence[Told]]) -> str:
    """The answer and its cause; then what spoke otherwise and lost, and what would have decided and has ended."""
    said = f"{facts.username} {_CAN[facts.level]}, because {_cause(facts, told.get(facts.rung, ()))}."
    if not facts.is_active:
        said = f"{facts.username} is disabled and cannot log in. Once enabled: {said}"
    if facts.rung is Rung.ADMIN:
        return said
    return " ".join([said, *_lost(facts, told), *_ended(facts, told)])


def step_sentence(facts: Facts, rung: Rung, grants: Sequence[Told]) -> str:
    """What one rung says by itself."""
    match rung:
        case Rung.ADMIN if facts.is_admin:
            return f"{facts.username} is an MLflow admin: admins can do everything, whatever the grants say."
        case Rung.ADMIN:
            return f"{facts.username} is no MLflow admin."
        case Rung.DEFAULT:
            return _capital(f"{_default(facts)}.")
        case Rung.GROUP | Rung.GROUP_PATTERN if not facts.in_groups:
            return f"{facts.username} is in no group or team."
    live = [grant for grant in grants if not grant.ended]
    parts = [_capital(f"{part}.") for part in _some([_given(facts, grant) for grant in live])]
    if len({grant.strength for grant in live}) > 1:
        parts.append(f"{_capital(_INSIDE[rung])}.")
    parts += [f"{part}." for part in _some([_has_ended(grant) for grant in grants[len(live) :]])]
    return " ".join(parts) if live else " ".join([f"{_NOTHING[rung]}.", *parts])


_NOTHING = {
    Rung.USER: "No grant of their own on it",
    Rung.GROUP: "None of their groups has a grant on it",
    Rung.USER_PATTERN: "No pattern of their own covers it",
    Rung.GROUP_PATTERN: "No pattern of their groups covers it",
}


def _cause(facts: Facts, grants: Sequence[Told]) -> str:
    if facts.rung is Rung.ADMIN:
        return "they are an MLflow admin"
    if facts.rung is Rung.DEFAULT:
        return _default(facts)
    return ", and ".join(_some([_given(facts, grant) for grant in grants if grant.strength == grants[0].strength]))


def _default(facts: Facts) -> str:
    if facts.is_default_experiment:
        return "the default experiment belongs to nobody: it is open only to those who were given it"
    if facts.default is Level.NO_PERMISSIONS:
        return "what no grant speaks of is closed on this server"
    return f"everybody on this server has {facts.default.name} on what no grant speaks of"


def _given(facts: Facts, grant: Told) -> str:
    """The clause that tells a grant: what was given, to whom, by whom and when."""
    level, ways = grant.level.name, f"{_by(grant)}{_until(grant)}"
    match grant.rung:
        case Rung.USER if grant.granted_by == facts.username:
            return f"they made it, or gave themselves {level} on it, on {day(grant.granted_at)}{_until(grant)}"
        case Rung.USER:
            return f"they were given {level} on it {ways}"
        case Rung.GROUP:
            return f"the group {grant.group} was given {level} on it {ways}"
        case Rung.USER_PATTERN:
            return f"they were given {level} on the pattern {grant.pattern} {ways}"
    return f"the group {grant.group} was given {level} on the pattern {grant.pattern} {ways}"


def _by(grant: Told) -> str:
    return f"by {grant.granted_by} on {day(grant.granted_at)}"


def _until(grant: Told) -> str:
    return "" if grant.expires_at is None else f", until {day(grant.expires_at)}"


def _says(grant: Told) -> str:
    """A grant that lost, in short."""
    match grant.rung:
        case Rung.USER | Rung.USER_PATTERN:
            return f"A pattern of their own, {grant.pattern}, says {grant.level.name}"
        case Rung.GROUP:
            return f"The group {grant.group} says {grant.level.name}"
    return f"The group {grant.group} says {grant.level.name} on the pattern {grant.pattern}"


def _lost(facts: Facts, told: Mapping[Rung, Sequence[Told]]) -> list[str]:
    """What says another level and does not count, with the rule by which it does not."""
    lost = [
        f"{_says(grant)}, but {_rule(facts.rung, rung)}"
        for rung, grants in told.items()
        if rung.value >= facts.rung.value
        for grant in grants
        if not grant.ended and grant.level is not facts.level
    ]
    return [f"{said}." for said in _some(lost)]


def _rule(winner: Rung, loser: Rung) -> str:
    return _INSIDE[winner] if winner is loser else _GOES_BEFORE.get((winner, loser), _BEFORE_PATTERNS)


def _ended(facts: Facts, told: Mapping[Rung, Sequence[Told]]) -> list[str]:
    """What would stand at or above the rung that decided."""
    ended = (
        grant for rung, grants in told.items() if rung.value <= facts.rung.value for grant in grants if grant.ended
    )
    return [f"{said}." for said in _some([_has_ended(grant) for grant in ended])]


def _has_ended(grant: Told) -> str:
    ends = "" if grant.expires_at is None else f" ended on {day(grant.expires_at)}"
    match grant.rung:
        case Rung.USER:
            return f"Their own grant of {grant.level.name}{ends}"
        case Rung.GROUP:
            return f"The grant of {grant.level.name} to the group {grant.group}{ends}"
        case Rung.USER_PATTERN:
            return f"Their own grant of {grant.level.name} on the pattern {grant.pattern}{ends}"
    return f"The grant of {grant.level.name} to the group {grant.group} on the pattern {grant.pattern}{ends}"


def _some(every: list[str]) -> list[str]:
    """The first few, and how many more there are."""
    rest = len(every) - _MOST
    return every if rest <= 0 else [*every[:_MOST], f"{rest} more like these"]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def day(moment: datetime) -> str:
    """3 May 2026, as `web/moments.py`, which stands above, has it."""
    moment = moment.astimezone(UTC)
    return f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}"
