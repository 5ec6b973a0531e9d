"""What the database says, as text: sorted, so that two files of one state are the same, and one change is one change.

SECURITY: a cell of CSV that a spreadsheet would take for a formula begins with an apostrophe, and what a terminal would
obey or cannot print is left out: names are people's.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import yaml

from mlflow_oidc_auth.files.rules import ends
from mlflow_oidc_auth.files.values import Account, Called, Given, State, Team, Where, Who
from mlflow_oidc_auth.vocabulary import Kind

_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_KEYS = {Kind.EXPERIMENT: "experiment", Kind.REGISTERED_MODEL: "model", Kind.PROMPT: "prompt"}
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")

Row = tuple[Who, Where, Given]


def yaml_text(state: State) -> Iterator[str]:
    """The whole state as a file that `apply` reads, piece by piece."""
    yield from _part("teams", (_team(name, team) for name, team in sorted((state.teams or {}).items())))
    accounts = sorted((state.accounts or {}).items())
    yield from _part("service_accounts", (_account(name, account) for name, account in accounts))
    yield from _part("grants", (_grant(*row, state.called.get(row[1])) for row in ordered(state)))


def csv_text(state: State) -> Iterator[str]:
    """The grants alone, as a table."""
    yield csv_line(["to", "name", "kind", "id", "resource", "level", "until"])
    for who, where, given in ordered(state):
        named = state.called.get(where)
        kind = _KEYS[named.kind if named else where.kind] + (" pattern" if where.is_pattern else "")
        id_ = where.key if where.kind is Kind.EXPERIMENT and not where.is_pattern else ""
        resource = named.name if named else "" if id_ else where.key
        until = ends(given) if given.until else ""
        yield csv_line([str(who.holder), who.name, kind, id_, resource, given.level.name, until])


def ordered(state: State) -> list[Row]:
    """The grants by what they are on: experiments by number, then names, then patterns; on each by holder."""
    rows = [(who, where, given) for (who, where), given in (state.grants or {}).items()]
    return sorted(rows, key=_order)


def csv_line(cells: Sequence[str]) -> str:
    """One row with its line end."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow([_cell(cell) for cell in cells])
    return line.getvalue()


def _cell(text: str) -> str:
    shown = "".join(char if char.isprintable() else " " for char in text)
    return f"'{shown}" if text.startswith(_FORMULA) or shown.startswith(_FORMULA) else shown


def yaml_item(fields: dict[str, Any]) -> str:
    """One item of a list."""
    text: str = yaml.dump([fields], Dumper=_DUMPER, sort_keys=False, allow_unicode=True, width=2**31 - 1)
    return text


def _order(row: Row) -> tuple[bool, bool, int, str, str, str]:
    who, where, _ = row
    number = int(where.key) if where.kind is Kind.EXPERIMENT and not where.is_pattern else 0
    return where.is_pattern, where.kind is not Kind.EXPERIMENT, number, where.key, str(who.holder), who.name


def _part(name: str, items: Iterable[dict[str, Any]]) -> Iterator[str]:
    pieces = iter(items)
    first = next(pieces, None)
    if first is None:
        yield f"{name}: []\n"
        return
    yield f"{name}:\n{yaml_item(first)}"
    yield from map(yaml_item, pieces)


def _team(name: str, team: Team) -> dict[str, Any]:
    described = {"description": team.description} if team.description else {}
    return {"name": name, **described, "members": sorted(team.members)}


def _account(username: str, account: Account) -> dict[str, Any]:
    fields = {"username": username, "owner": account.owner, "purpose": account.purpose}
    return {name: value for name, value in fields.items() if value}


def _grant(who: Who, where: Where, given: Given, named: Called | None) -> dict[str, Any]:
    until = {"until": _plain(ends(given))} if given.until else {}
    return {str(who.holder): who.name, **_on(where, named), "level": given.level.name, **until}


def _on(where: Where, named: Called | None) -> dict[str, Any]:
    if where.is_pattern:
        return {f"{_KEYS[where.kind]}s": where.key}
    if where.kind is Kind.EXPERIMENT:
        return ({"experiment": named.name} if named else {}) | {"id": int(where.key)}
    return {_KEYS[named.kind if named else where.kind]: where.key}


def _plain(text: str) -> Any:
    """A day is written without quotes."""
    return yaml.safe_load(text) if "T" not in text else text
