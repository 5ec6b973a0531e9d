"""A file applied: read, looked up, compared and done in one transaction, with an audit record for each change.

SECURITY: all of it stands on what the database says while nobody else changes a grant: the transaction waits for
its turn first (`grants/rows.run_alone`), and reads after that. Killed in between, nothing of it is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from mlflow_oidc_auth.accounts import group_changes, service_accounts
from mlflow_oidc_auth.accounts.values import GroupSource
from mlflow_oidc_auth.files.naming import Naming
from mlflow_oidc_auth.files.present import Known, Present
from mlflow_oidc_auth.files.reading import read_document
from mlflow_oidc_auth.files.rules import difference, unspoken
from mlflow_oidc_auth.files.values import (
    AccountChange,
    Called,
    Change,
    GrantChange,
    Holder,
    MemberChange,
    Problem,
    TeamChange,
    Where,
    Who,
)
from mlflow_oidc_auth.grants.many import Wanted, change_many
from mlflow_oidc_auth.grants.rows import run_alone
from mlflow_oidc_auth.grants.store import GivenBy, Grantee, On, Pattern, Shareable
from mlflow_oidc_auth.vocabulary import Resource


class FileWrong(Exception):
    """The file cannot be applied; nothing was changed. `problems`: all that is wrong, by line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        super().__init__("the file cannot be applied")
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line))


@dataclass(frozen=True, slots=True)
class Applied:
    """What changed, or would; and how many more stand in the database alone."""

    changes: list[Change]
    called: Mapping[Where, Called]
    unspoken: int


@dataclass(frozen=True, slots=True)
class Applier:
    """Applies files, as somebody who may change everything."""

    engine: sa.Engine
    present: Present
    by: GivenBy

    def apply(self, text: str, now: datetime, *, prune: bool, dry_run: bool) -> Applied:
        """Make the database say what the file says: all of it, or nothing.

        Args:
            text: the file.
            now: the moment, UTC.
            prune: take away what the file lacks, in the parts that it has.
            dry_run: change nothing.

        Raises:
            FileWrong: something in it cannot be read, or is not there.
            BadRequest: an account rule refuses, such as a name that cannot be a team's.
        """
        document = read_document(text, now)
        with self.engine.begin() as connection:
            run_alone(connection)
            known = self.present.known()
            state = self.present.state(known, now)
            naming = Naming(known, state, self.present.resources)
            wanted = naming.wanted(document)
            if problems := [*document.problems, *naming.problems]:
                raise FileWrong(problems)
            changes = difference(state, wanted, prune=prune)
            if not dry_run:
                _Doing(connection, known, {**state.called, **wanted.called}, self.by, now).do(changes)
        left = 0 if prune else unspoken(state, wanted)
        return Applied(changes, {**state.called, **wanted.called}, left)


@dataclass(slots=True)
class _Doing:
    """Does changes within one transaction; what it makes on the way is known to what comes after."""

    connection: sa.Connection
    known: Known
    called: Mapping[Where, Called]
    by: GivenBy
    now: datetime
    users: dict[str, int] = field(default_factory=dict)
    groups: dict[tuple[GroupSource, str], int] = field(default_factory=dict)

    def do(self, changes: Iterable[Change]) -> None:
        """All of them, in their order; the grants together."""
        self.users = {name: user.id for name, user in self.known.users.items()}
        self.groups = {key: group.id for key, group in self.known.groups.items()}
        rest: list[Change] = []
        grants: list[GrantChange] = []
        for change in changes:
            match change:
                case GrantChange():
                    grants.append(change)
                case AccountChange() | MemberChange(joins=True):
                    self._do_one(change)
                case TeamChange(after=after) if after is not None:
                    self._do_one(change)
                case _:
                    rest.append(change)
        change_many(self.connection, self._wanted(grants), by=self.by, now=self.now)
        for change in rest:
            self._do_one(change)

    def _do_one(self, change: Change) -> None:
        match change:
            case AccountChange():
                self._account(change)
            case TeamChange():
                self._team(change)
            case MemberChange(team=team, username=username, joins=joins):
                act = group_changes.add_member if joins else group_changes.remove_member
                group_id = self.groups[GroupSource.TEAM, team]
                act(self.connection, group_id, self.users[username], by=self.by.username, now=self.now)
            case GrantChange():
                raise AssertionError("grants are changed together")

    def _account(self, change: AccountChange) -> None:
        owner_id = None if change.after.owner is None else self.users[change.after.owner]
        purpose, by, now = change.after.purpose, self.by.username, self.now
        if change.before is None:
            assert owner_id is not None  # `naming.py` asks for one
            made = service_accounts.create(self.connection, change.username, owner_id, purpose, by=by, now=now)
            self.users[change.username] = made.id
        else:
            user_id = self.users[change.username]
            service_accounts.change(self.connection, user_id, owner_id=owner_id, purpose=purpose, by=by, now=now)

    def _team(self, change: TeamChange) -> None:
        by, now, key = self.by.username, self.now, (GroupSource.TEAM, change.name)
        if change.after is None:
            group_changes.delete(self.connection, self.groups[key], by=by, now=now)
        elif change.before is None:
            description = change.after.description
            made = group_changes.make(
                self.connection, change.name, GroupSource.TEAM, by=by, now=now, description=description
            )
            self.groups[key] = made.id
        else:
            group_changes.change(
                self.connection,
                self.groups[key],
                name=change.name,
                description=change.after.description,
                by=by,
                now=now,
            )

    def _wanted(self, changes: Iterable[GrantChange]) -> Iterator[Wanted]:
        for change in changes:
            on, to, after = self._on(change.where), self._grantee(change.who), change.after
            yield Wanted(on, to, None if after is None else after.level, None if after is None else after.until)

    def _on(self, where: Where) -> On:
        if where.is_pattern:
            return Pattern.parse(where.kind, where.key)
        called = self.called[where]
        kind = where.kind if not where.kind.named else called.kind
        return Shareable(Resource(kind, where.key), called.name)

    def _grantee(self, who: Who) -> Grantee:
        if who.holder is Holder.USER:
            return Grantee(self.users[who.name], who.name)
        source = GroupSource.TEAM if who.holder is Holder.TEAM else GroupSource.PROVIDER
        return Grantee(self.groups[source, who.name], who.name, is_group=True)
