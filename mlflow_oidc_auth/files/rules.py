"""What must change so that the database says what a file says: pure, and in the order in which it is done.

- What the file has and the database lacks is given or made; what differs is changed.
- What the database has and the file lacks stays, unless asked to prune; and where the file does not speak of a
  part at all (it has no `teams:`), nothing of that part is pruned.
- Users are never deleted: a service account that the file lacks stays, with its access keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlflow_oidc_auth.files.values import (
    Account,
    AccountChange,
    Called,
    Change,
    Given,
    GrantChange,
    MemberChange,
    State,
    Team,
    TeamChange,
    Where,
)
from mlflow_oidc_auth.grants.rules import NOUNS
from mlflow_oidc_auth.vocabulary import Kind


def difference(present: State, wanted: State, *, prune: bool) -> list[Change]:
    """The changes that make `present` what `wanted` says."""
    return [
        *_accounts(present.accounts or {}, wanted.accounts or {}),
        *_teams(present.teams or {}, wanted.teams or {}),
        *_grants(present, wanted, prune=prune and wanted.grants is not None),
        *(_gone_teams(present.teams or {}, wanted.teams) if prune and wanted.teams is not None else ()),
    ]


def unspoken(present: State, wanted: State) -> int:
    """How many grants, teams and memberships a prune would take away."""
    pruned = difference(present, wanted, prune=True)
    return len(pruned) - len(difference(present, wanted, prune=False))


def _accounts(present: Mapping[str, Account], wanted: Mapping[str, Account]) -> Iterator[Change]:
    for username in sorted(wanted):
        if present.get(username) != wanted[username]:
            yield AccountChange(username, present.get(username), wanted[username])


def _teams(present: Mapping[str, Team], wanted: Mapping[str, Team]) -> Iterator[Change]:
    for name in sorted(wanted):
        before, after = present.get(name), wanted[name]
        if before is None or before.description != after.description:
            yield TeamChange(name, before, after)
        for username in sorted(after.members - (before.members if before else frozenset())):
            yield MemberChange(name, username, joins=True)


def _grants(present: State, wanted: State, *, prune: bool) -> Iterator[Change]:
    have, want = present.grants or {}, wanted.grants or {}
    for key in want:
        before = have.get(key)
        if before != want[key]:
            yield GrantChange(*key, before, want[key])
    if prune:
        yield from (GrantChange(*key, have[key], None) for key in have if key not in want)


def _gone_teams(present: Mapping[str, Team], wanted: Mapping[str, Team]) -> Iterator[Change]:
    for name in sorted(present):
        if name not in wanted:
            yield TeamChange(name, present[name], None)
            continue
        for username in sorted(present[name].members - wanted[name].members):
            yield MemberChange(name, username, joins=False)


def sign(change: Change) -> str:
    """`+` what is given or made, `~` what changes, `-` what is taken away."""
    match change:
        case MemberChange(joins=joins):
            return "+" if joins else "-"
        case GrantChange(before=before, after=after) | TeamChange(before=before, after=after):
            return "+" if before is None else "-" if after is None else "~"
        case AccountChange(before=account):
            return "+" if account is None else "~"


def told(change: Change, called: Mapping[Where, Called]) -> str:
    """The change in words, beginning with its sign."""
    return f"{sign(change)} {_words(change, called)}"


def _words(change: Change, called: Mapping[Where, Called]) -> str:
    match change:
        case GrantChange(who=who, where=where, before=None, after=Given() as after):
            return f"give {who} {_said(after)} on {_place(where, called)}"
        case GrantChange(who=who, where=where, before=Given() as before, after=Given() as after):
            return f"change {who} from {_said(before)} to {_said(after)} on {_place(where, called)}"
        case GrantChange(who=who, where=where, before=before):
            return f"take away from {who} {_said(before) if before else ''} on {_place(where, called)}"
        case TeamChange(name=name, before=None):
            return f"make team {name}"
        case TeamChange(name=name, after=None):
            return f"delete team {name}"
        case TeamChange(name=name):
            return f"describe team {name} anew"
        case MemberChange(team=team, username=username, joins=joins):
            return f"{'add' if joins else 'remove'} {username} {'to' if joins else 'from'} team {team}"
        case AccountChange(username=username, before=before_account, after=account):
            made = "make" if before_account is None else "change"
            return f"{made} service account {username}, owner {account.owner}, for: {account.purpose or '-'}"


def _said(given: Given) -> str:
    if given.until is None:
        return given.level.name
    return f"{given.level.name} until {ends(given)}"


def ends(given: Given) -> str:
    """The end as a file has it: a day where it is the last second of one, else the moment."""
    assert given.until is not None
    at_end_of_day = (given.until.hour, given.until.minute, given.until.second) == (23, 59, 59)
    return given.until.date().isoformat() if at_end_of_day else given.until.isoformat()


def _place(where: Where, called: Mapping[Where, Called]) -> str:
    noun = NOUNS[where.kind]
    if where.is_pattern:
        return f"{noun}s {where.key}"
    named = called.get(where)
    if where.kind is Kind.EXPERIMENT:
        return f"{noun} {where.key}" + (f" '{named.name}'" if named else "")
    return f"{NOUNS[named.kind] if named else noun} '{where.key}'"
