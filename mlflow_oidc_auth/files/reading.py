"""A file as text, read into what it says, with everything that is wrong with it at once. Pure.

    teams:
    - name: team-a
      description: forecasts
      members: [alice@example.com]
    service_accounts:
    - username: robot
      owner: alice@example.com
      purpose: nightly training
    grants:
    - user: bob@example.com          # or group: (of the login service), or team:
      experiment: team-a sales       # its name, its id, or both, which must then fit
      id: 7
      level: READ
      until: 2027-01-31              # the last day (UTC); may be left out
    - team: team-a
      models: team-a-*               # a pattern; or experiments:, or one model: or prompt:
      level: EDIT

All values are taken as they are written: a name such as `007` or `no` needs no quotes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import yaml

from mlflow_oidc_auth.database.tables import NAME_LENGTH
from mlflow_oidc_auth.files.values import Holder, Problem, Where, Who
from mlflow_oidc_auth.grants.values import Pattern
from mlflow_oidc_auth.vocabulary import Kind, Level
from mlflow_oidc_auth.web.moments import end_of_day

RESOURCES = {"experiment": Kind.EXPERIMENT, "model": Kind.REGISTERED_MODEL, "prompt": Kind.PROMPT}
"""The keys that name one resource."""

PATTERNS = {"experiments": Kind.EXPERIMENT, "models": Kind.REGISTERED_MODEL}
"""The keys that name many."""

_NULL = "tag:yaml.org,2002:null"
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where libyaml is there


@dataclass(frozen=True, slots=True)
class TeamEntry:
    """One team of the file."""

    line: int
    name: str
    description: str | None
    members: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class AccountEntry:
    """One service account of the file."""

    line: int
    username: str
    owner: str | None
    purpose: str | None


@dataclass(frozen=True, slots=True)
class GrantEntry:
    """One grant of the file; its resource is looked up later.

    `key` is an experiment's id, where the file has it, or a name or pattern; `name` what the file calls it.
    """

    line: int
    who: Who
    kind: Kind
    key: str | None
    name: str | None
    is_pattern: bool
    level: Level
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says; a part that it does not have is `None`."""

    teams: tuple[TeamEntry, ...] | None
    accounts: tuple[AccountEntry, ...] | None
    grants: tuple[GrantEntry, ...] | None
    problems: tuple[Problem, ...]


def read_document(text: str, now: datetime) -> Document:
    """What the text says.

    Args:
        text: YAML, as at the top of this module.
        now: the moment, to tell dates that are over.
    """
    reader = _Reader(now)
    try:
        root = yaml.compose(text, Loader=_LOADER)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or "it holds characters that a file cannot"
        return Document(None, None, None, (Problem(mark.line + 1 if mark else 1, f"This is no YAML: {what}."),))
    if root is None:
        return Document(None, None, None, (Problem(1, "The file is empty; it needs 'grants:'."),))
    top = reader.mapping(root, ("teams", "service_accounts", "grants"), "The file")
    return Document(
        _part(top, "teams", reader, reader.team),
        _part(top, "service_accounts", reader, reader.account),
        _part(top, "grants", reader, reader.grant),
        tuple(sorted(reader.problems, key=lambda problem: problem.line)),
    )


def _part(top: Mapping[str, yaml.Node], name: str, reader: _Reader, one: Any) -> Any:
    """One of the three lists; what is wrong in it is left out, and said."""
    if name not in top:
        return None
    return tuple(entry for node in reader.items(top[name], f"'{name}'") if (entry := one(node)) is not None)


class _Reader:
    """Walks the nodes of a file and keeps what is wrong."""

    def __init__(self, now: datetime) -> None:
        self.problems: list[Problem] = []
        self._now = now

    def team(self, node: yaml.Node) -> TeamEntry | None:
        """An entry of `teams`."""
        fields = self.mapping(node, ("name", "description", "members"), "A team")
        name, description = self._needed(node, fields, "name", "A team"), self._text(fields, "description")
        members = self.items(fields["members"], "'members'") if "members" in fields else ()
        named = tuple((_line(one), text.lower()) for one in members if (text := self._scalar(one, "A member")))
        return None if name is None else TeamEntry(_line(node), name, description, named)

    def account(self, node: yaml.Node) -> AccountEntry | None:
        """An entry of `service_accounts`."""
        fields = self.mapping(node, ("username", "owner", "purpose"), "A service account")
        name = self._needed(node, fields, "username", "A service account")
        owner, purpose = self._text(fields, "owner"), self._text(fields, "purpose")
        if name is None:
            return None
        return AccountEntry(_line(node), name.lower(), owner.lower() if owner else None, purpose)

    def grant(self, node: yaml.Node) -> GrantEntry | None:
        """An entry of `grants`."""
        known = (*Holder, *RESOURCES, "id", *PATTERNS, "level", "until")
        fields = self.mapping(node, known, "A grant")
        who, place, level = self._who(node, fields), self._place(node, fields), self._level(node, fields)
        until = self._until(fields)
        if who is None or place is None:
            return None
        kind, key, name, is_pattern = place
        # Where the level is wrong, nothing is applied; but who and what are looked up, so that all is said at once.
        return GrantEntry(_line(node), who, kind, key, name, is_pattern, level or Level.NO_PERMISSIONS, until)

    def mapping(self, node: yaml.Node, known: tuple[str, ...], what: str) -> dict[str, yaml.Node]:
        """The fields of a node; those without a value count as left out."""
        if not isinstance(node, yaml.MappingNode):
            self._say(node, f"{what} must have the fields {', '.join(known)}.")
            return {}
        found: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else "?"
            if name not in known:
                self._say(key, f"{what} has no field '{name}'; it may have {', '.join(known)}.")
            elif name in found:
                self._say(key, f"The field '{name}' is there twice.")
            elif value.tag != _NULL:
                found[name] = value
        return found

    def items(self, node: yaml.Node, what: str) -> Iterator[yaml.Node]:
        """The items of a list."""
        if isinstance(node, yaml.SequenceNode):
            yield from node.value
        else:
            self._say(node, f"{what} must be a list.")

    def _who(self, node: yaml.Node, fields: Mapping[str, yaml.Node]) -> Who | None:
        given = [holder for holder in Holder if holder in fields]
        if len(given) != 1:
            self._say(node, "A grant is for one holder: give one of user, group and team.")
            return None
        name = self._text(fields, given[0])
        if name is None:
            return None
        return Who(given[0], name.lower() if given[0] is Holder.USER else name)

    def _place(
        self, node: yaml.Node, fields: Mapping[str, yaml.Node]
    ) -> tuple[Kind, str | None, str | None, bool] | None:
        given = [name for name in (*RESOURCES, *PATTERNS) if name in fields]
        if len(given) > 1 or (not given and "id" not in fields):
            self._say(node, f"A grant is on one thing: give one of {', '.join((*RESOURCES, *PATTERNS))}, or an id.")
            return None
        if "id" in fields and given not in ([], ["experiment"]):
            self._say(fields["id"], "Only experiments have an id; leave it out.")
            return None
        if given and given[0] in PATTERNS:
            return self._pattern(fields, given[0])
        if given and given[0] != "experiment":
            name = self._text(fields, given[0])
            return None if name is None else (RESOURCES[given[0]], name, name, False)
        return self._experiment(fields)

    def _experiment(self, fields: Mapping[str, yaml.Node]) -> tuple[Kind, str | None, str | None, bool] | None:
        id_, name = self._text(fields, "id"), self._text(fields, "experiment")
        if id_ is not None and not (id_.isascii() and id_.isdigit() and len(id_) < 18):
            self._say(fields["id"], f"An experiment's id is a whole number; '{id_}' is none.")
            return None
        if id_ is None and name is None:
            return None
        return Kind.EXPERIMENT, None if id_ is None else str(int(id_)), name, False

    def _pattern(self, fields: Mapping[str, yaml.Node], key: str) -> tuple[Kind, str, str, bool] | None:
        text = self._text(fields, key)
        if text is None:
            return None
        try:
            Pattern.parse(PATTERNS[key], text)
        except ValueError as error:
            self._say(fields[key], f"The pattern '{text}' {error}")
            return None
        return PATTERNS[key], text, text, True

    def _level(self, node: yaml.Node, fields: Mapping[str, yaml.Node]) -> Level | None:
        text = self._needed(node, fields, "level", "A grant")
        try:
            return None if text is None else Level.parse(text)
        except ValueError as error:
            self._say(fields["level"], f"{error}")
            return None

    def _until(self, fields: Mapping[str, yaml.Node]) -> datetime | None:
        text = self._text(fields, "until")
        if text is None:
            return None
        try:
            until = _moment(text)
        except ValueError as error:
            self._say(fields["until"], f"'{text}' {error}")
            return None
        if until <= self._now:
            self._say(fields["until"], f"{text} is over; leave the grant out, or let it end later.")
        return until

    def _needed(self, node: yaml.Node, fields: Mapping[str, yaml.Node], name: str, what: str) -> str | None:
        if name not in fields:
            if isinstance(node, yaml.MappingNode):
                self._say(node, f"{what} needs '{name}'.")
            return None
        return self._text(fields, name)

    def _text(self, fields: Mapping[str, yaml.Node], name: str) -> str | None:
        return self._scalar(fields[name], f"'{name}'") if name in fields else None

    def _scalar(self, node: yaml.Node, what: str) -> str | None:
        if not isinstance(node, yaml.ScalarNode):
            self._say(node, f"{what} must be text.")
            return None
        text: str = node.value
        if not text.strip() or "\x00" in text:
            self._say(node, f"{what} is empty." if not text.strip() else f"{what} holds a NUL; leave it out.")
            return None
        if len(text) > 4 * NAME_LENGTH:
            self._say(node, f"{what} is longer than {4 * NAME_LENGTH} characters.")
            return None
        return text

    def _say(self, node: yaml.Node, sentence: str) -> None:
        self.problems.append(Problem(_line(node), sentence))


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _moment(text: str) -> datetime:
    """A day, whose last second it is, or a moment with its zone."""
    if "T" not in text:
        return end_of_day(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError("is not a date; write it as in 2027-01-31.")
    return moment


def place_of(entry: GrantEntry, key: str) -> Where:
    """On what the grant is, once its key is known."""
    return Where(Kind.REGISTERED_MODEL if entry.kind.named else entry.kind, key, entry.is_pattern)
