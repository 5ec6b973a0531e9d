"""May they? The rungs of precedence as SQL: a level, and the rung that gave it.

The rule (the most specific grant decides): a person's own grant on the resource; else the highest of
their groups' on it; else their pattern; else a group's pattern; else the default. Among several
patterns the longest prefix wins, then the highest level. A grant past its end does not count.
NO_PERMISSIONS is a real answer at any rung. The default never opens the default experiment (id 0),
which belongs to nobody.

List, check and explain (`explain.py`) come from here, so they cannot differ:

- :func:`code` is the correlated expression: one number for one row, the level and its rung;
- :class:`Sight` is the same rule for all rows at once, resolved in Python from the few grants a person
  has: what the row filter uses while they fit (:data:`FEW_GRANTS`).

SECURITY: patterns compare `substr(name, 1, length(prefix)) = prefix`, never LIKE: SQLite's ignores case,
and `_` and `%` in a name would be wildcards.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from mlflow_oidc_auth.database.tables import (
    DEFAULT_WORKSPACE,
    Instant,
    experiment_grants,
    named_grants,
    pattern_grants,
)
from mlflow_oidc_auth.vocabulary import Identity, Kind, Level, Resource, Rung

FEW_GRANTS = 1000
"""As long as a person's exact grants are at most this many, the row filter names them literally."""

_RUNG_BASE = 8  # code = level * 8 + rung: one number travels through COALESCE, and still tells both

READABLE = int(Level.READ) * _RUNG_BASE
"""The lowest :func:`code` that shows a row."""

MANAGED = int(Level.MANAGE) * _RUNG_BASE
"""The lowest :func:`code` of somebody who manages a row."""

Value = sa.ColumnElement[Any]
Condition = sa.ColumnElement[bool]

HERE: Value = sa.literal(DEFAULT_WORKSPACE)
"""The one workspace there is."""


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks, as SQL values: bind parameters of whatever making."""

    user_id: Value
    group_ids: Value
    now: Value
    default: Value

    @classmethod
    def of(cls, user_id: int, group_ids: Iterable[int], default: Level, now: datetime) -> Asking:
        """Values that are known now."""
        return cls(
            sa.bindparam("asking_user", user_id, sa.Integer, unique=True),
            sa.bindparam("asking_groups", sorted(group_ids), sa.Integer, expanding=True, unique=True),
            sa.bindparam("asking_now", now, Instant, unique=True),
            sa.bindparam("asking_default", int(default), sa.Integer, unique=True),
        )


ASKED = Asking(
    sa.bindparam("asking_user", type_=sa.Integer),
    sa.bindparam("asking_groups", type_=sa.Integer, expanding=True),
    sa.bindparam("asking_now", type_=Instant),
    sa.bindparam("asking_default", type_=sa.Integer),
)
"""Values that :func:`asked` gives when a statement runs, for statements that are built once."""


def asked(user_id: int, group_ids: Iterable[int], default: Level, now: datetime) -> dict[str, Any]:
    """The parameters for :data:`ASKED`."""
    return {
        "asking_user": user_id,
        "asking_groups": sorted(group_ids),
        "asking_now": now,
        "asking_default": int(default),
    }


def decode(number: int) -> tuple[Level, Rung]:
    """The level and rung that :func:`code` put into one number."""
    return Level(number // _RUNG_BASE), Rung(number % _RUNG_BASE)


def code(kind: Kind, key: Value, name: Value, asking: Asking, workspace: Value | None = None) -> Value:
    """The level of one row and the rung that gave it, as one number (see :func:`decode`).

    Args:
        kind: experiments are keyed by number; models and prompts share one name space.
        key: the row's experiment id, or its name.
        name: the row's name, which patterns match.
        asking: who asks.
        workspace: the row's workspace, for named resources.
    """
    workspace = HERE if workspace is None else workspace
    default = asking.default * _RUNG_BASE + Rung.DEFAULT.value
    if not kind.named:
        default = sa.case((key == 0, Rung.DEFAULT.value), else_=default)
    return sa.func.coalesce(
        _exact(kind, key, workspace, asking, by_group=False),
        _exact(kind, key, workspace, asking, by_group=True),
        _pattern(kind, name, workspace, asking, by_group=False),
        _pattern(kind, name, workspace, asking, by_group=True),
        default,
        type_=sa.Integer,
    )


def code_of(resource: Resource, name: str, asking: Asking) -> Value:
    """:func:`code` of one resource that is known, and called `name`."""
    key = sa.literal(resource.key if resource.kind.named else resource.experiment_id)
    return code(resource.kind, key, sa.literal(name), asking)


def _rung(level: Value, rung: Rung) -> Value:
    return level * _RUNG_BASE + rung.value


def whose(grants: sa.FromClause, asking: Asking, *, by_group: bool) -> Condition:
    """Which grants are this person's own, or their groups'."""
    return grants.c.group_id.in_(asking.group_ids) if by_group else grants.c.user_id == asking.user_id


def holds(grants: sa.FromClause, now: Value) -> Condition:
    """Which grants have not ended."""
    return sa.or_(grants.c.expires_at.is_(None), grants.c.expires_at > now)


def exact_grants(kind: Kind, key: Value, workspace: Value) -> tuple[sa.FromClause, list[Condition]]:
    """The table of grants on single resources of a kind, and which of them are on this one."""
    if kind.named:
        grants = named_grants.alias()
        return grants, [grants.c.workspace == workspace, grants.c.name == key]
    grants = experiment_grants.alias()
    return grants, [grants.c.experiment_id == key]


def covering_grants(kind: Kind, name: Value, workspace: Value) -> tuple[sa.FromClause, list[Condition]]:
    """The table of grants on patterns, and which of them cover this name."""
    grants = pattern_grants.alias()
    covers = sa.func.substr(name, 1, sa.func.length(grants.c.prefix)) == grants.c.prefix
    return grants, [grants.c.kind == pattern_kind(kind), grants.c.workspace == workspace, covers]


def _live(grants: sa.FromClause, asking: Asking, *, by_group: bool) -> list[Condition]:
    """This person's (or their groups') grants that have not ended."""
    return [whose(grants, asking, by_group=by_group), holds(grants, asking.now)]


def _exact(kind: Kind, key: Value, workspace: Value, asking: Asking, *, by_group: bool) -> Value:
    grants, on_it = exact_grants(kind, key, workspace)
    rung = Rung.GROUP if by_group else Rung.USER
    level = sa.func.max(grants.c.level) if by_group else grants.c.level
    return sa.select(_rung(level, rung)).where(*on_it, *_live(grants, asking, by_group=by_group)).scalar_subquery()


def _pattern(kind: Kind, name: Value, workspace: Value, asking: Asking, *, by_group: bool) -> Value:
    grants, on_it = covering_grants(kind, name, workspace)
    rung = Rung.GROUP_PATTERN if by_group else Rung.USER_PATTERN
    return (
        sa.select(_rung(grants.c.level, rung))
        .where(*on_it, *_live(grants, asking, by_group=by_group))
        .order_by(sa.func.length(grants.c.prefix).desc(), grants.c.level.desc())
        .limit(1)
        .scalar_subquery()
    )


def pattern_between(kind: Kind, name: Value, other: Value, now: datetime) -> sa.ColumnElement[bool]:
    """Whether somebody's pattern covers exactly one of two names."""
    grants = pattern_grants.alias()
    length = sa.func.length(grants.c.prefix)
    covers, covers_other = (sa.func.substr(each, 1, length) == grants.c.prefix for each in (name, other))
    return sa.exists().where(
        grants.c.kind == pattern_kind(kind),
        grants.c.workspace == DEFAULT_WORKSPACE,
        sa.or_(grants.c.expires_at.is_(None), grants.c.expires_at > now),
        sa.or_(sa.and_(covers, sa.not_(covers_other)), sa.and_(covers_other, sa.not_(covers))),
    )


def pattern_kind(kind: Kind) -> str:
    """How a pattern grant on this kind is stored: models and prompts share one name space."""
    return str(Kind.REGISTERED_MODEL if kind.named else Kind.EXPERIMENT)


@dataclass(frozen=True, slots=True)
class Sight:
    """What one person may read of one kind, as values.

    Visible is: in `shown`; or not in `hidden`, and the first of `patterns` that fits says so, else `default`.
    """

    shown: frozenset[int | str]
    hidden: frozenset[int | str]
    patterns: tuple[tuple[str, bool], ...]
    default: bool

    def shows(self, key: int | str, name: str) -> bool:
        """Whether the row with this key and name is visible."""
        if key in self.shown or key in self.hidden:
            return key in self.shown
        fits = next((visible for prefix, visible in self.patterns if name.startswith(prefix)), None)
        return (self.default and key != 0) if fits is None else fits


class Resolver:
    """Reads what a person may see from our database."""

    def __init__(self, engine: sa.Engine, default: Level) -> None:
        self._engine = engine
        self.default = default
        self.dialect = engine.dialect.name

    def sight(self, identity: Identity, kind: Kind, now: datetime) -> Sight | None:
        """What this person may read of a kind, in one statement; `None` if they have too many grants to name.

        SECURITY: read from our own engine on the primary for each request; nothing is kept beyond it.
        """
        rows = self._grants_of(identity, kind, now)
        if len(rows) > FEW_GRANTS:
            return None
        exact = [row for row in rows if row.key is not None]
        return _sight(exact, [row for row in rows if row.key is None], default=self.default >= Level.READ)

    def _grants_of(self, identity: Identity, kind: Kind, now: datetime) -> list[sa.Row[Any]]:
        values = asked(identity.user_id, identity.group_ids, self.default, now)
        statement = _grants(kind.named, with_groups=bool(identity.group_ids))
        with self._engine.connect() as connection:
            return list(connection.execute(statement, {**values, "most": FEW_GRANTS + 1}).all())


@functools.cache
def _grants(named: bool, *, with_groups: bool) -> sa.CompoundSelect[Any]:
    """A person's and their groups' grants on one kind, at most `most` of each sort. Built once: that took 1 ms."""
    kind = Kind.REGISTERED_MODEL if named else Kind.EXPERIMENT
    most = sa.bindparam("most", type_=sa.Integer)
    return sa.union_all(
        *(
            rows(kind, by_group=by_group).limit(most).subquery().select()
            for by_group in ((False, True) if with_groups else (False,))
            for rows in (_exact_rows, _pattern_rows)
        )
    )


def _exact_rows(kind: Kind, *, by_group: bool) -> sa.Select[Any]:
    grants = named_grants if kind.named else experiment_grants
    key: Value = grants.c.name if kind.named else grants.c.experiment_id
    mine = [named_grants.c.workspace == DEFAULT_WORKSPACE] if kind.named else []
    return sa.select(
        sa.literal(int(by_group)).label("by_group"), key.label("key"), sa.null().label("prefix"), grants.c.level
    ).where(*mine, *_live(grants, ASKED, by_group=by_group))


def _pattern_rows(kind: Kind, *, by_group: bool) -> sa.Select[Any]:
    no_key = sa.cast(sa.null(), sa.String if kind.named else sa.Integer)
    return sa.select(
        sa.literal(int(by_group)).label("by_group"),
        no_key.label("key"),
        pattern_grants.c.prefix.label("prefix"),
        pattern_grants.c.level,
    ).where(
        pattern_grants.c.kind == pattern_kind(kind),
        pattern_grants.c.workspace == DEFAULT_WORKSPACE,
        *_live(pattern_grants, ASKED, by_group=by_group),
    )


def _sight(exact: list[sa.Row[Any]], patterns: list[sa.Row[Any]], *, default: bool) -> Sight:
    levels: dict[int | str, tuple[int, int]] = {}
    for row in exact:  # a person's own grant beats a group's; among groups the highest wins
        levels[row.key] = max(levels.get(row.key, (-1, -1)), (1 - row.by_group, row.level))
    ordered: dict[str, bool] = {}
    for row in sorted(patterns, key=lambda row: (row.by_group, -len(row.prefix), -row.level)):
        ordered.setdefault(row.prefix, row.level >= Level.READ)
    return Sight(
        shown=frozenset(key for key, (_, level) in levels.items() if level >= Level.READ),
        hidden=frozenset(key for key, (_, level) in levels.items() if level < Level.READ),
        patterns=tuple(ordered.items()),
        default=default,
    )
