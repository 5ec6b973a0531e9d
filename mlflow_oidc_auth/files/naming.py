"""Whether what a file names is there: its users, groups and resources, and all that is not, at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from mlflow_oidc_auth.accounts.groups import GroupSource
from mlflow_oidc_auth.files.present import Known, Resources
from mlflow_oidc_auth.files.reading import AccountEntry, Document, GrantEntry, TeamEntry, place_of
from mlflow_oidc_auth.files.values import Account, Called, Given, Holder, Problem, State, Team, Where, Who
from mlflow_oidc_auth.grants.rules import NOUNS, may_receive
from mlflow_oidc_auth.grants.store import Named
from mlflow_oidc_auth.vocabulary import Kind, Resource


@dataclass(slots=True)
class Naming:
    """Looks up what one document names, and keeps what is wrong."""

    known: Known
    present: State
    resources: Resources
    problems: list[Problem] = field(default_factory=list)

    def wanted(self, document: Document) -> State:
        """What the document says; :attr:`problems` has what it names and is not there."""
        accounts = None if document.accounts is None else self._accounts(document.accounts)
        teams = None if document.teams is None else self._teams(document.teams, accounts or {})
        if document.grants is None:
            return State(teams, accounts)
        grants, called = self._grants(document.grants, teams or {}, accounts or {})
        return State(teams, accounts, grants, called)

    def _accounts(self, entries: Iterable[AccountEntry]) -> dict[str, Account]:
        found: dict[str, Account] = {}
        for entry in entries:
            user, present = self.known.users.get(entry.username), (self.present.accounts or {}).get(entry.username)
            if user is not None and not user.is_service_account:
                self._say(entry.line, f"{entry.username} is a person, not a service account.")
            if entry.username in found:
                self._say(entry.line, f"The service account {entry.username} is there twice.")
            if entry.owner is None and present is None:
                self._say(entry.line, f"The new service account {entry.username} needs an 'owner'.")
            owner = self.known.users.get(entry.owner or "")
            if entry.owner is not None and (owner is None or owner.is_service_account):
                self._say(entry.line, f"There is no person {entry.owner} to be the owner; see 'users list'.")
            before = present or Account(None)
            purpose = before.purpose if entry.purpose is None else entry.purpose
            found[entry.username] = Account(entry.owner or before.owner, purpose)
        return found

    def _teams(self, entries: Iterable[TeamEntry], accounts: dict[str, Account]) -> dict[str, Team]:
        found: dict[str, Team] = {}
        for entry in entries:
            if entry.name in found:
                self._say(entry.line, f"The team {entry.name} is there twice.")
            present = (self.present.teams or {}).get(entry.name, Team())
            for line, username in entry.members:
                self._is_user(line, username, accounts)
                if username not in present.members and not self._is_active(username):
                    self._say(line, f"{username} is disabled; enable them first, or leave them out of the team.")
            description = present.description if entry.description is None else entry.description
            found[entry.name] = Team(description, frozenset(username for _, username in entry.members))
        return found

    def _grants(
        self, entries: tuple[GrantEntry, ...], teams: dict[str, Team], accounts: dict[str, Account]
    ) -> tuple[dict[tuple[Who, Where], Given], dict[Where, Called]]:
        lines: dict[tuple[Who, Where], int] = {}
        grants: dict[tuple[Who, Where], Given] = {}
        called: dict[Where, Called] = {}
        for entry, where, named in self._found(entries):
            self._is_holder(entry, teams, accounts)
            key = (entry.who, where)
            if key in lines:
                self._say(entry.line, f"{entry.who} has a grant on the same in line {lines[key]}; leave one out.")
            lines.setdefault(key, entry.line)
            grants[key] = Given(entry.level, entry.until)
            if (self.present.grants or {}).get(key) != grants[key]:
                active = entry.who.holder is not Holder.USER or self._is_active(entry.who.name)
                if not (verdict := may_receive(entry.level, is_active=active)):
                    self._say(entry.line, verdict.sentence)
            if named is not None:
                called[where] = Called(named.kind, named.name)
        return grants, called

    def _found(self, entries: tuple[GrantEntry, ...]) -> Iterator[tuple[GrantEntry, Where, Named | None]]:
        """Each entry with what it is on; those on what is not there are said."""
        unnumbered = {entry.name for entry in entries if entry.key is None and entry.name is not None}
        ids = self.resources.experiment_ids(unnumbered)
        keys = {entry: entry.key or str(ids.get(entry.name or "", "")) for entry in entries}
        exact = [entry for entry in entries if not entry.is_pattern and keys[entry]]
        names = self.resources.names({Resource(entry.kind, keys[entry]) for entry in exact})
        for entry in entries:
            where = place_of(entry, keys[entry])
            if entry.is_pattern:
                yield entry, where, None
                continue
            named = names.get(Resource(entry.kind, keys[entry])) if keys[entry] else None
            if wrong := _unlike(entry, named):
                self._say(entry.line, wrong)
            yield entry, where, named

    def _is_holder(self, entry: GrantEntry, teams: dict[str, Team], accounts: dict[str, Account]) -> None:
        who = entry.who
        match who.holder:
            case Holder.USER:
                self._is_user(entry.line, who.name, accounts)
            case Holder.TEAM:
                if who.name not in teams and (GroupSource.TEAM, who.name) not in self.known.groups:
                    self._say(entry.line, f"There is no team {who.name}; list it under 'teams:' to make it.")
            case Holder.GROUP:
                if (GroupSource.PROVIDER, who.name) not in self.known.groups:
                    hint = "Groups become known when a member logs in, or with 'groups make --provider'."
                    self._say(entry.line, f"There is no group {who.name}. {hint}")

    def _is_user(self, line: int, username: str, accounts: dict[str, Account]) -> None:
        if username not in self.known.users and username not in accounts:
            self._say(line, f"There is no user {username}. People become users at their first login.")

    def _is_active(self, username: str) -> bool:
        """Whether somebody can use what they are given; who is not there is told elsewhere."""
        return username not in self.known.users or self.known.users[username].is_active

    def _say(self, line: int, sentence: str) -> None:
        self.problems.append(Problem(line, sentence))


def _unlike(entry: GrantEntry, named: Named | None) -> str:
    """What is wrong with the resource that an entry names; empty if nothing is."""
    noun = NOUNS[entry.kind]
    if named is None or (entry.kind is Kind.PROMPT and named.kind is not Kind.PROMPT):
        return f"There is no {noun} {entry.key if entry.name is None else entry.name}."
    if entry.kind is Kind.EXPERIMENT and entry.name is not None and entry.name != named.name:
        return f"Experiment {entry.key} is called '{named.name}', not '{entry.name}'; leave out 'id' or the name."
    return ""
