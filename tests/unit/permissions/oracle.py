"""The permission model once more, in plain Python: what SQL is compared with.

Written from the rule's words alone, without a look at the resolver: the most specific grant decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mlflow_oidc_auth.vocabulary import Kind, Level, Rung


@dataclass(frozen=True)
class To:
    """Who has a grant: a user or a group, by id."""

    is_group: bool
    id: int


@dataclass(frozen=True)
class Said:
    """What a grant says, and until when."""

    level: Level
    until: datetime | None


@dataclass(frozen=True)
class Grants:
    """Every grant there is."""

    on_experiments: dict[tuple[To, int], Said]
    on_names: dict[tuple[To, str], Said]
    on_patterns: dict[tuple[To, Kind, str], Said]
    default: Level


@dataclass(frozen=True)
class Asker:
    """Whose level is asked."""

    user_id: int
    group_ids: frozenset[int]


def level_of(asker: Asker, kind: Kind, key: int | str, name: str, grants: Grants, now: datetime) -> tuple[Level, Rung]:
    """The level, and the step at which the decision fell."""

    def mine(to: To) -> bool:
        return not to.is_group and to.id == asker.user_id

    def of_my_groups(to: To) -> bool:
        return to.is_group and to.id in asker.group_ids

    exact = grants.on_experiments if kind is Kind.EXPERIMENT else grants.on_names
    for whose, rung in ((mine, Rung.USER), (of_my_groups, Rung.GROUP)):
        levels = [said.level for (to, on), said in exact.items() if whose(to) and on == key and _holds(said, now)]
        if levels:
            return max(levels), rung
    for whose, rung in ((mine, Rung.USER_PATTERN), (of_my_groups, Rung.GROUP_PATTERN)):
        fitting = [
            (len(prefix), said.level)
            for (to, of_kind, prefix), said in grants.on_patterns.items()
            if whose(to) and of_kind is kind and name[: len(prefix)] == prefix and _holds(said, now)
        ]
        if fitting:
            return max(fitting)[1], rung
    belongs_to_nobody = kind is Kind.EXPERIMENT and key == 0
    return (Level.NO_PERMISSIONS if belongs_to_nobody else grants.default), Rung.DEFAULT


def _holds(said: Said, now: datetime) -> bool:
    return said.until is None or now < said.until
