"""Who has access to one resource, as the share page tells it: one row for each grant, where it comes from, and what
removing it would do.

Nothing is decided here: `grants/rules.py` says what may be removed, and says so again when it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mlflow_oidc_auth.accounts.directory import Directory, Entry, Gathered
from mlflow_oidc_auth.grants.last_manager import LastManager, Outlook
from mlflow_oidc_auth.grants.listing import ListedGrant
from mlflow_oidc_auth.grants.rules import NOUNS, Giver, may_take_away
from mlflow_oidc_auth.grants.store import Grantee, Shareable
from mlflow_oidc_auth.pages.parts import Parts
from mlflow_oidc_auth.vocabulary import END_OF_TIME, Identity, Level

ROWS = 40
"""How many grants one page tells of: it stays below 100 kB with its style and scripts."""

_ADMINS = 20


@dataclass(frozen=True, slots=True)
class Row:
    """One grant as the page tells it.

    Attributes:
        of: how forms name the holder, such as `user-12`.
        sort: what a holder that is no person is; empty for people.
        people: how many are in the group or team.
        mine: whether it is the reader's own, or one of their groups'.
        warning: what removing it would do.
        refused: whether the rules keep the reader from removing it; `warning` says why.
        last: whether nobody would manage the resource without it.
        wrong: what is wrong with what was asked of this row, by the field's name.
        said: what was asked of it, by the field's name.
    """

    of: str
    name: str
    level: str
    granted_by: str
    granted_at: datetime
    expires_at: datetime | None
    holder_id: int
    display_name: str = ""
    sort: str = ""
    people: int = 0
    pattern: str = ""
    mine: bool = False
    warning: str = ""
    refused: bool = False
    last: bool = False
    wrong: Mapping[str, str] = field(default_factory=dict)
    said: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_group(self) -> bool:
        """Whether a group or team holds it."""
        return bool(self.sort)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a form asked of one row, and what is wrong with it."""

    of: str = ""
    said: Mapping[str, str] = field(default_factory=dict)
    wrong: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Access:
    """All of one page of it.

    Attributes:
        direct: grants to people and service accounts.
        by_group: grants to groups and teams.
        by_pattern: grants on patterns that cover it.
        admins: named to admins alone.
        more_admins: whether there are others.
        page: the number of the page.
        more: whether there is another page.
        lasting: whether the reader manages it without an end.
    """

    direct: list[Row]
    by_group: list[Row]
    by_pattern: list[Row]
    admins: list[Entry]
    more_admins: bool
    page: int
    more: bool
    lasting: bool

    @property
    def only_mine(self) -> bool:
        """Whether nobody but the reader and the admins has access by a grant."""
        rows = [*self.direct, *self.by_group, *self.by_pattern]
        return self.page == 1 and all(row.mine and not row.is_group for row in rows)


class AccessReader:
    """Reads it, in four statements at most."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._directory = Directory(parts.engine)
        self._last_manager = LastManager(parts.engine)

    def read(self, on: Shareable, me: Identity, giver: Giver, page: int, asked: Asked, now: datetime) -> Access:
        """One page of who has access to a resource that the reader manages."""
        found = self._parts.listing.find(
            now, resource=on.resource, name=on.name, offset=(page - 1) * ROWS, size=ROWS + 1
        )
        grants = found[:ROWS]
        gathered = self._directory.gathered({grant.group_id for grant in grants if grant.group_id is not None})
        managing = [_holder(grant) for grant in grants if grant.level is Level.MANAGE and not grant.is_pattern]
        outlook = self._last_manager.outlook(on.resource, managing, now)
        admins = self._directory.admins(_ADMINS + 1) if me.is_admin else []
        lasting = me.is_admin or self._lasting(on, me)
        teller = _Teller(on, me, giver, gathered, outlook, asked, lasting)
        rows = [(grant, teller.row(grant)) for grant in grants]
        return Access(
            direct=[row for grant, row in rows if not grant.is_pattern and grant.group_id is None],
            by_group=[row for grant, row in rows if not grant.is_pattern and grant.group_id is not None],
            by_pattern=[row for grant, row in rows if grant.is_pattern],
            admins=admins[:_ADMINS],
            more_admins=len(admins) > _ADMINS,
            page=page,
            more=len(found) > ROWS,
            lasting=lasting,
        )

    def _lasting(self, on: Shareable, me: Identity) -> bool:
        found = self._parts.judge.level_on(me.user_id, me.group_ids, on.resource, END_OF_TIME)
        return found is not None and found[0] is Level.MANAGE


def holder_code(grant: ListedGrant) -> str:
    """How forms name who holds it."""
    return f"user-{grant.user_id}" if grant.user_id is not None else f"group-{grant.group_id}"


@dataclass(frozen=True, slots=True)
class _Teller:
    on: Shareable
    me: Identity
    giver: Giver
    gathered: Mapping[int, Gathered]
    outlook: Outlook
    asked: Asked
    lasting: bool

    def row(self, grant: ListedGrant) -> Row:
        of = holder_code(grant)
        group = self.gathered.get(grant.group_id) if grant.group_id is not None else None
        told = {} if grant.is_pattern else self._removal(grant, group)
        if of == self.asked.of and not grant.is_pattern:
            told |= {"wrong": self.asked.wrong, "said": self.asked.said}
        return Row(
            of=of,
            name=grant.to,
            level=grant.level.name,
            granted_by=grant.granted_by,
            granted_at=grant.granted_at,
            expires_at=grant.expires_at,
            holder_id=grant.user_id or grant.group_id or 0,
            display_name="" if grant.display_name == grant.to else grant.display_name,
            sort=str(group.sort) if group else "",
            people=group.people if group else 0,
            pattern=grant.on if grant.is_pattern else "",
            mine=grant.user_id == self.me.user_id or grant.group_id in self.me.group_ids,
            **told,
        )

    def _removal(self, grant: ListedGrant, group: Gathered | None) -> dict[str, Any]:
        """What removing it would do, as the rules see it."""
        before = self.outlook.present
        after = self.outlook.without.get(_holder(grant), before)
        last = before.lost_by(after)
        # Of a grant that ends it is known when it is removed.
        at_end = Level.MANAGE if self.lasting or grant.expires_at else Level.NO_PERMISSIONS
        held = grant.level
        verdict = may_take_away(self.giver, kind=self.on.kind, present=held, at_end=at_end, before=before, after=after)
        if not verdict:
            return {"warning": verdict.sentence, "refused": True, "last": last}
        if last:
            sentence = f"Nobody but the admins would manage this {NOUNS[self.on.kind]} any more."
            return {"warning": sentence, "last": True}
        return {"warning": self._loss(grant, group)}

    def _loss(self, grant: ListedGrant, group: Gathered | None) -> str:
        if grant.level is Level.NO_PERMISSIONS:
            return f"{grant.to} is no longer kept out: what a group, a pattern or the default says counts again."
        if grant.user_id == self.me.user_id:
            return "This is your own: you lose it at once, unless a group or a pattern lets you in."
        if group is not None:
            people = "1 person loses" if group.people == 1 else f"{group.people} people lose"
            return f"{people} it at once, unless they are let in by another way."
        return f"{grant.to} loses it at once, unless a group or a pattern lets them in."


def _holder(grant: ListedGrant) -> Grantee:
    if grant.user_id is not None:
        return Grantee(grant.user_id, grant.to)
    assert grant.group_id is not None
    return Grantee(grant.group_id, grant.to, is_group=True)
