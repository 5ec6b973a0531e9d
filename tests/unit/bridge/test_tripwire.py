"""What the tripwire reads out of SQL: reads, marks, writes, and selects of nothing."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from mlflow_oidc_auth.bridge.tripwire import UnfilteredRead, WriteUnderFilter, mark, marks_of, reads_of, stop_unmarked

READS = {
    "SELECT runs.run_uuid FROM runs": {"runs": 1},
    "SELECT tags.key \nFROM tags JOIN runs ON runs.run_uuid = tags.run_uuid": {"tags": 1, "runs": 1},
    "SELECT 1 FROM runs AS runs_1, runs AS runs_2 WHERE 1 = 1": {"runs": 2},
    "SELECT 1 FROM runs LEFT OUTER JOIN (tags AS t JOIN params AS p ON 1 = 1) ON 1 = 1": {
        "runs": 1,
        "tags": 1,
        "params": 1,
    },
    "select * from runs": {"runs": 1},
    'SELECT 1 FROM "runs"': {"runs": 1},
    "SELECT 1 FROM public.runs": {"runs": 1},
    "SELECT 1 FROM runs AS vis_runs": {},
    "SELECT 1 FROM experiments AS vis_experiments, runs AS r": {"runs": 1},
    "SELECT runs.x, tags.key, count(metrics.value) FROM other": {},
    "SELECT 1 FROM runs_of_somebody": {},
    "SELECT 1 FROM oidc_auth_users JOIN experiment_tags ON 1 = 1": {"experiment_tags": 1},
    "SELECT 1 WHERE EXISTS (SELECT * FROM tags WHERE tags.run_uuid = runs.run_uuid)": {"tags": 1},
    "SELECT a.x FROM runs UNION ALL SELECT b.x FROM runs": {"runs": 2},
}


class Compiled:
    """What SQLAlchemy compiles a statement to, as far as the tripwire looks at it."""

    def __init__(self, sql: str) -> None:
        self.string, self.statement = sql, sa.select(sa.literal(1))


@pytest.mark.parametrize("sql", READS)
def test_every_place_where_a_table_is_read_is_counted(sql: str) -> None:
    assert dict(reads_of(sql)) == READS[sql]
    if READS[sql]:
        with pytest.raises(UnfilteredRead):
            stop_unmarked(sql, Compiled(sql))
    else:
        stop_unmarked(sql, Compiled(sql))


@pytest.mark.parametrize("dialect", [sqlite.dialect(), postgresql.dialect()], ids=["SQLite", "PostgreSQL"])
def test_a_mark_shows_in_the_sql_once(dialect: sa.Dialect) -> None:
    sql = str(sa.select(sa.literal(1)).where(mark("runs"), mark("tags"), mark("runs")).compile(dialect=dialect))
    assert dict(marks_of(sql)) == {"runs": 2, "tags": 1}


def test_one_mark_too_few_stops() -> None:
    sql = "SELECT 1 FROM runs, runs AS other WHERE 'vis_runs' = 'vis_runs'"
    with pytest.raises(UnfilteredRead, match="unfiltered read of runs"):
        stop_unmarked(sql, Compiled(sql))
    stop_unmarked(sql, Compiled(f"{sql} AND 'vis_runs' = 'vis_runs'"))


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO runs (run_uuid) VALUES (?)",
        "INSERT OR REPLACE INTO runs (run_uuid) VALUES (?)",
        "UPDATE runs SET name=? WHERE 'vis_runs' = 'vis_runs'",
        "DELETE FROM runs WHERE 'vis_runs' = 'vis_runs'",
        "WITH x AS (SELECT 1) INSERT INTO runs SELECT * FROM x",
    ],
)
def test_writes_are_stopped_marked_or_not(sql: str) -> None:
    with pytest.raises(WriteUnderFilter, match="write to runs"):
        stop_unmarked(sql, Compiled(sql))


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO oidc_auth_tokens (public_id) VALUES (?)",
        "UPDATE oidc_auth_sessions SET last_seen_at=?",
        "SELECT 1 FROM oidc_auth_named_grants WHERE oidc_auth_named_grants.name = ?",
    ],
)
def test_our_own_tables_are_no_concern_of_it(sql: str) -> None:
    stop_unmarked(sql, Compiled(sql))
    stop_unmarked(sql, None)


def test_a_select_of_nothing_needs_no_mark_but_hides_no_other() -> None:
    for false in ("false", "0 = 1"):
        nothing = f"SELECT 1 FROM runs \nWHERE {false}"
        stop_unmarked(nothing, Compiled(nothing))
        for more in (f"{nothing} OR 1 = 1", f"{nothing} UNION ALL SELECT 1 FROM runs", f"{nothing} AND true"):
            with pytest.raises(UnfilteredRead):
                stop_unmarked(more, Compiled(more))


def test_a_text_may_not_name_a_table_at_all() -> None:
    for text in ("SELECT 1 /* runs */", "PRAGMA table_info(runs)", "select name from experiments"):
        with pytest.raises(UnfilteredRead):
            stop_unmarked(text, None)
    stop_unmarked("PRAGMA foreign_keys = ON", None)
