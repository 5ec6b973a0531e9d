"""Who may give what to whom: each row of the table, asked in the shell, by what the giver may do (`--as`).

Who runs the shell has the database: whether the user or group that is named is there, it says before it asks whether
the giver may give.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from mlflow.store.model_registry.dbmodels import models as _registry_models  # noqa: F401 - maps its classes
from mlflow.store.tracking.dbmodels.models import Base

from mlflow_oidc_auth.bridge.resources import experiments, registered_model_tags, registered_models
from mlflow_oidc_auth.cli import main
from mlflow_oidc_auth.database.engine import build_engine
from mlflow_oidc_auth.vocabulary import Kind
from tests.databases import Backend, Databases, PostgresMissing
from tests.promises.sharing_rules import (
    END,
    EVERYTHING,
    GIVE,
    NO_GROUP,
    TABLE,
    TAKE,
    On,
    Row,
    check,
    email,
    expected,
    prepare,
)

ABSENT = ("nobody", NO_GROUP)
OPTION = {Kind.EXPERIMENT: "experiment", Kind.REGISTERED_MODEL: "model", Kind.PROMPT: "prompt"}


@dataclass(frozen=True)
class Shell:
    """Our command on one database."""

    url: str
    engine: sa.Engine

    def run(self, words: list[str]) -> Result:
        """The command with these words."""
        return CliRunner().invoke(main, [*words, "--backend-store-uri", self.url])


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shell(request: pytest.FixtureRequest, databases: Databases) -> Iterator[Shell]:
    """One for all rows: each sets up its own grants."""
    backend: Backend = request.param
    try:
        url = databases.migrated(backend)
    except PostgresMissing as missing:
        pytest.skip(f"PROMISE UNTESTED: the rules of sharing in the shell on PostgreSQL as on SQLite ({missing})")
    engine = build_engine(url)
    Base.metadata.create_all(engine, tables=[experiments, registered_models, registered_model_tags])
    yield Shell(url, engine)
    engine.dispose()


@pytest.mark.parametrize("on", EVERYTHING, ids=lambda on: str(on.kind))
@pytest.mark.parametrize("row", TABLE, ids=str)
def test_a_row_of_the_table_by_the_shell(shell: Shell, row: Row, on: On) -> None:
    prepare(shell.engine, row, on)
    done = shell.run(words(row, on))
    if row.refusal:
        assert done.exit_code == 1, done.output
        assert done.stdout == ""
        wanted = re.compile("There is no (user|group)") if row.to in ABSENT else expected(row, on)
        assert wanted.search(done.stderr), done.stderr
    else:
        assert done.exit_code == 0, done.output
    check(shell.engine, row, on)


def test_the_table_holds_both_acts_each_allowed_and_refused() -> None:
    assert {(row.act, bool(row.refusal)) for row in TABLE} == {
        (act, no) for act in (GIVE, TAKE) for no in (True, False)
    }


def words(row: Row, on: On) -> list[str]:
    """The command line of a row."""
    what = ["--pattern", on.pattern, "--kind", OPTION[on.kind]] if row.on_pattern else [f"--{OPTION[on.kind]}", on.key]
    whom = ["--group", row.to] if row.to_group else ["--user", email(row.to)]
    level = [] if row.level is None else ["--level", row.level.name]
    until = ["--until", END] if row.ends else []
    act = "give" if row.act == GIVE else "take-away"
    return ["grants", act, *whom, *what, *level, *until, "--as", email(row.person)]
