"""The tripwire behind the row filter: it reads the SQL that is about to run, and trusts nothing else.

Each criterion of the row filter carries a mark, a constant comparison that shows in the SQL. A statement that
runs while rows are limited must hold one mark for each place where it reads one of MLflow's tables. If it
does not, SQLAlchemy left a criterion out (as 2.0 did in MLflow's trace search), or MLflow read a table past
its mapped classes: the statement is stopped instead of showing what it found.

Writes are stopped as well: they are the gate's to decide, and a filtered one would say 200 and do nothing.

SECURITY: marks and table names are looked for in the text that SQLAlchemy compiled. What a person sent is
never in it: values travel as parameters.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from mlflow_oidc_auth.bridge.resources import OWNERS

_logger = logging.getLogger(__name__)

OURS = "vis_"
"""How aliases start by which the criteria themselves, and our own queries, look MLflow's rows up."""

_TABLES = "|".join(sorted(OWNERS, key=len, reverse=True))

# A table's name where a FROM clause may hold it, not followed by "." or "(" as columns and functions are.
_READ = re.compile(
    rf'(?:\b(?:FROM|JOIN|LATERAL|ONLY)[\s(]+(?:"?\w+"?\.)?|[,(]\s*)"?({_TABLES})\b"?(?!\s*[.(])(?:\s+AS\s+"?(\w+))?',
    re.IGNORECASE,
)

# A SELECT of nothing: SQLAlchemy writes "false" for a condition with a false part in it, and leaves out the rest.
_NOTHING = re.compile(
    rf'\bFROM\s+"?({_TABLES})\b"?'
    r"(?:(?!\b(?:SELECT|FROM|WHERE|UNION)\b).)*?\bWHERE\s+(?:false|0 = 1)\b(?!\s+(?:AND|OR)\b)",
    re.DOTALL,
)
_MARK = re.compile(rf"'{OURS}(\w+)' =")
_WORD = re.compile(r"\w+")
_WRITE = re.compile(
    rf'\b(?:INSERT\s+(?:OR\s+\w+\s+)?INTO|UPDATE|DELETE\s+FROM|MERGE\s+INTO)\s+(?:ONLY\s+)?"?({_TABLES})\b"?',
    re.IGNORECASE,
)

_KEPT = "_oidc_auth_stopped"  # on the compiled statement, which SQLAlchemy keeps as long as it is in use


class StoppedStatement(RuntimeError):
    """A statement did not run, since it would have gone past the row filter."""


class UnfilteredRead(StoppedStatement):
    """It would have read rows without the row filter."""


class WriteUnderFilter(StoppedStatement):
    """It would have written rows in an operation that the gate did not decide."""


def mark(table: str) -> sa.ColumnElement[bool]:
    """What each criterion on `table` carries; always true."""
    text: sa.ColumnElement[str] = sa.literal_column(f"'{OURS}{table}'")
    again: sa.ColumnElement[str] = sa.literal_column(f"'{OURS}{table}'")
    return text == again


def stop_unmarked(sql: str, compiled: Any) -> None:
    """Let a statement pass if it reads MLflow's tables with the row filter, or not at all.

    Args:
        sql: its text.
        compiled: what SQLAlchemy compiled; `None` if it was handed a text.

    Raises:
        UnfilteredRead: it reads past the row filter.
        WriteUnderFilter: it writes.
    """
    if compiled is None or isinstance(compiled.statement, sa.TextClause):
        stopped = _judge_text(sql)
    else:
        if not hasattr(compiled, _KEPT):
            setattr(compiled, _KEPT, _judge_compiled(compiled.string))
        stopped = getattr(compiled, _KEPT)
    if stopped is not None:
        _logger.error("A statement past the row filter was stopped: %s.", stopped, extra={"sql": sql[:2000]})
        raise type(stopped)(*stopped.args)


def reads_of(sql: str) -> Counter[str]:
    """How often a compiled statement reads each of MLflow's tables, but for our own look-ups."""
    return Counter(table for table, alias in _READ.findall(sql) if not alias.startswith(OURS))


def marks_of(sql: str) -> Counter[str]:
    """How often a compiled statement marks each of MLflow's tables."""
    return Counter(_MARK.findall(sql))


def _judge_compiled(sql: str) -> StoppedStatement | None:
    if written := set(_WRITE.findall(sql)):
        return WriteUnderFilter(f"write to {_named(written)}")
    marks = marks_of(sql) + Counter(_NOTHING.findall(sql))
    missing = {table for table, times in reads_of(sql).items() if times > marks[table]}
    return UnfilteredRead(f"unfiltered read of {_named(missing)}") if missing else None


def _judge_text(sql: str) -> StoppedStatement | None:
    """Nothing is known of the form of a text, so it may not name one of MLflow's tables in any way."""
    named = set(OWNERS).intersection(_WORD.findall(sql))
    return UnfilteredRead(f"a text that names {_named(named)}") if named else None


def _named(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
