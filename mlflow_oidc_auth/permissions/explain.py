"""Why can, or can't, somebody see it? The rungs of `resolver.py` once more, each with the grants that stand on it.

SECURITY: level and rung are those of :func:`resolver.code`, read in the same statement as the grants, which are
found by the same conditions. Which grant decides is worked out from what was read; where that does not lead to
the same level and rung, nothing is told (:class:`Disagreement`). Whoever asks must have been judged before: what
is told here holds names of people and groups.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import sqlalchemy as sa

from mlflow_oidc_auth.database.tables import groups
from mlflow_oidc_auth.permissions.resolver import (
    HERE,
    Asking,
    Value,
    code_of,
    covering_grants,
    decode,
    exact_grants,
    holds,
    whose,
)
from mlflow_oidc_auth.permissions.sentences import Facts, Told, answer, step_sentence
from mlflow_oidc_auth.vocabulary import Level, Resource, Rung


class Person(Protocol):
    """Of whom it is asked (`accounts/users.py`)."""

    @property
    def id(self) -> int: ...
    @property
    def username(self) -> str: ...
    @property
    def is_admin(self) -> bool: ...
    @property
    def is_active(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Step:
    """One rung: what it says, whether it decides, and the grants on it, those that decide first, ended ones last."""

    rung: Rung
    sentence: str
    decides: bool
    grants: tuple[Told, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """The level somebody has on a resource, and why: the answer in words, and all rungs in order of precedence.

    A disabled user has the level that their grants say, and the sentence says that they do not get in.
    """

    level: Level
    rung: Rung
    sentence: str
    steps: tuple[Step, ...]


class Disagreement(RuntimeError):
    """The grants that were read do not lead to the level that every check finds: a fault in this program."""


class Explainer:
    """Reads the rungs with our own engine, on the primary.

    Args:
        engine: ours.
        default: the level where no grant speaks.
    """

    def __init__(self, engine: sa.Engine, default: Level) -> None:
        self._engine = engine
        self._default = default

    def explain(
        self, user: Person, group_ids: Iterable[int], resource: Resource, name: str, now: datetime
    ) -> Explanation:
        """Why this user has the level they have on a resource that is there.

        Args:
            user: of whom it is asked.
            group_ids: the groups and teams they are in.
            resource: what it is about.
            name: what the resource is called, which patterns match.
            now: the moment, UTC.

        Raises:
            Disagreement: see there.
        """
        ids = frozenset(group_ids)
        with self._engine.connect() as connection:
            rows = connection.execute(_statement(resource, name, Asking.of(user.id, ids, self._default, now))).all()
        level, rung = decode(rows[0].code)
        found = [_told(row) for row in rows if row.id is not None]
        told = {each: _ordered(each, found) for each in _WITH_GRANTS}
        _compare(told, level, rung)
        if user.is_admin:
            level, rung = Level.MANAGE, Rung.ADMIN
        facts = Facts(user.username, user.is_admin, user.is_active, bool(ids), self._default, resource, level, rung)
        return Explanation(
            level, rung, answer(facts, told), tuple(_step(facts, each, told.get(each, ())) for each in Rung)
        )


_WITH_GRANTS = (Rung.USER, Rung.GROUP, Rung.USER_PATTERN, Rung.GROUP_PATTERN)


def _step(facts: Facts, rung: Rung, grants: tuple[Told, ...]) -> Step:
    return Step(rung, step_sentence(facts, rung, grants), facts.rung is rung, grants)


def _statement(resource: Resource, name: str, asking: Asking) -> sa.Select[Any]:
    """The code of the level, and beside it each grant that reaches the person, ended ones too; at least one row."""
    kind, called = resource.kind, sa.literal(name)
    key: Value = sa.literal(resource.key) if kind.named else sa.literal(resource.experiment_id)
    of_each = [
        _on_rung(rung, *grants, asking)
        for rung, grants in (
            (Rung.USER, exact_grants(kind, key, HERE)),
            (Rung.GROUP, exact_grants(kind, key, HERE)),
            (Rung.USER_PATTERN, covering_grants(kind, called, HERE)),
            (Rung.GROUP_PATTERN, covering_grants(kind, called, HERE)),
        )
    ]
    found, one = sa.union_all(*of_each).subquery("found"), sa.select(sa.literal(1).label("one")).subquery("one")
    return (
        sa.select(code_of(resource, name, asking).label("code"), found, groups.c.name.label("group_name"))
        .select_from(one)
        .join(found, sa.true(), isouter=True)
        .join(groups, groups.c.id == found.c.group_id, isouter=True)
        .order_by(found.c.rung, groups.c.name, found.c.id)
    )


def _on_rung(rung: Rung, grants: sa.FromClause, on_it: list[sa.ColumnElement[bool]], asking: Asking) -> sa.Select[Any]:
    by_group, by_pattern = rung in (Rung.GROUP, Rung.GROUP_PATTERN), rung in (Rung.USER_PATTERN, Rung.GROUP_PATTERN)
    return sa.select(
        sa.literal(rung.value).label("rung"),
        grants.c.id,
        (grants.c.prefix if by_pattern else sa.cast(sa.null(), sa.String)).label("prefix"),
        grants.c.group_id,
        grants.c.level,
        grants.c.granted_by,
        grants.c.granted_at,
        grants.c.expires_at,
        holds(grants, asking.now).label("holds"),
    ).where(*on_it, whose(grants, asking, by_group=by_group))


def _told(row: sa.Row[Any]) -> Told:
    return Told(
        id=row.id,
        rung=Rung(row.rung),
        level=Level(row.level),
        prefix=row.prefix,
        group_id=row.group_id,
        group=row.group_name,
        granted_by=row.granted_by,
        granted_at=row.granted_at,
        expires_at=row.expires_at,
        ended=not row.holds,
    )


def _ordered(rung: Rung, found: Collection[Told]) -> tuple[Told, ...]:
    """The grants on a rung, the strongest first: the longest pattern, then the highest level; ended ones last."""
    return tuple(
        sorted((grant for grant in found if grant.rung is rung), key=lambda grant: grant.strength, reverse=True)
    )


def _compare(told: dict[Rung, tuple[Told, ...]], level: Level, rung: Rung) -> None:
    """Check that the first grant that has not ended is the one that the expression found."""
    first = next((grants[0] for grants in told.values() if grants and not grants[0].ended), None)
    agreed = rung is Rung.DEFAULT if first is None else (first.level, first.rung) == (level, rung)
    if not agreed:
        raise Disagreement(f"the grants do not lead to {level.name} by {rung.name}")
