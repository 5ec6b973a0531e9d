"""What commands print: aligned tables for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeVar

import click

from mlflow_oidc_auth.web.moments import iso

Value = str | int | bool | datetime | None

_Function = TypeVar("_Function", bound=Callable[..., object])


def json_option(function: _Function) -> _Function:
    """`--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")(function)


def print_rows(rows: Sequence[Mapping[str, Value]], columns: Sequence[str], *, as_json: bool) -> None:
    """Print rows as a table of `columns`, or as a JSON list of all they hold."""
    if as_json:
        click.echo(json.dumps([{name: _json(value) for name, value in row.items()} for row in rows], indent=2))
        return
    lines = [[column.replace("_", " ").upper() for column in columns]]
    lines += [[_cell(row[column]) for column in columns] for row in rows]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def print_fields(fields: Mapping[str, Value], *, as_json: bool) -> None:
    """Print one thing: a line for each of its fields, or a JSON object."""
    if as_json:
        click.echo(json.dumps({name: _json(value) for name, value in fields.items()}, indent=2))
        return
    width = max(map(len, fields))
    for name, value in fields.items():
        click.echo(f"{name.replace('_', ' '):<{width}}  {_cell(value)}".rstrip())


def yes_option(function: _Function) -> _Function:
    """`--yes`."""
    return click.option("--yes", is_flag=True, help="Do not ask.")(function)


def make_sure(question: str, yes: bool) -> None:
    """Ask on standard error, unless told not to.

    Raises:
        click.Abort: the answer is no, or there is nobody to answer.
    """
    if not yes:
        click.confirm(question, abort=True, err=True)


def warn(sentence: str) -> None:
    """Say something on standard error: standard output is for who reads it with a program."""
    click.echo(f"Note: {sentence}", err=True)


def printable(text: str) -> str:
    """SECURITY: people name experiments, and a name must not steer the terminal of who lists them."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _cell(value: Value) -> str:
    match value:
        case None:
            return "-"
        case bool(flag):
            return "yes" if flag else "no"
        case datetime() as moment:
            return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"
        case other:
            return printable(str(other))


def _json(value: Value) -> str | int | bool | None:
    return iso(value) if isinstance(value, datetime) else value
