"""Who may give what to whom: each row of the table, asked through the JSON API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mlflow_oidc_auth.database.engine import build_engine
from tests.databases import Backend, Databases, PostgresMissing
from tests.http.api.site import Site
from tests.promises.sharing_rules import (
    END,
    EVERYTHING,
    GIVE,
    GIVERS,
    TABLE,
    TAKE,
    On,
    Row,
    check,
    email,
    expected,
    prepare,
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, databases: Databases) -> Iterator[Site]:
    """One for all rows: each sets up its own grants."""
    backend: Backend = request.param
    try:
        engine = build_engine(databases.migrated(backend))
    except PostgresMissing as missing:
        pytest.skip(f"PROMISE UNTESTED: the rules of sharing on PostgreSQL as on SQLite ({missing})")
    yield Site(engine)
    engine.dispose()


@pytest.mark.parametrize("on", EVERYTHING, ids=lambda on: str(on.kind))
@pytest.mark.parametrize("row", TABLE, ids=str)
def test_a_row_of_the_table_by_our_json(site: Site, row: Row, on: On) -> None:
    prepare(site.engine, row, on)
    what = {"pattern": on.pattern} if row.on_pattern else {"resource_id": on.key}
    whom = {"group": row.to} if row.to_group else {"username": email(row.to)}
    sent: dict[str, Any] = {"resource_type": str(on.kind), **what, **whom}
    if row.level is not None:
        sent |= {"permission": row.level.name} | ({"expires_at": END} if row.ends else {})
    person = site.person(row.person)
    answer = person.ask("POST" if row.act == GIVE else "DELETE", "2.0/mlflow/grants", sent)
    _judge(answer.status_code, answer.json, row, on)
    check(site.engine, row, on)


BY_MLFLOW = [row for row in TABLE if not (row.on_pattern or row.to_group or row.ends)]


@pytest.mark.parametrize("on", EVERYTHING, ids=lambda on: str(on.kind))
@pytest.mark.parametrize("row", BY_MLFLOW, ids=str)
def test_a_row_of_the_table_by_mlflows_own_api(site: Site, row: Row, on: On) -> None:
    """It knows users and resources, and no end dates."""
    prepare(site.engine, row, on)
    sent = {"resource_type": str(on.kind), "resource_id": on.key, "username": email(row.to)}
    if row.level is not None:
        sent |= {"permission": row.level.name}
    path = f"3.0/mlflow/users/permissions/{'grant' if row.act == GIVE else 'revoke'}"
    answer = site.person(row.person).post(path, sent)
    _judge(answer.status_code, answer.json, row, on)
    check(site.engine, row, on)


def _judge(status: int, told: Any, row: Row, on: On) -> None:
    if row.refusal:
        assert status in (400, 403, 404), told
        assert expected(row, on).search(told["message"]), told
    else:
        assert status == 200, told


def test_the_table_holds_everybody_and_both_acts_each_allowed_and_refused() -> None:
    assert {row.giver for row in TABLE} == set(GIVERS)
    assert {(row.act, bool(row.refusal)) for row in TABLE} == {
        (act, no) for act in (GIVE, TAKE) for no in (True, False)
    }
    assert len({str(row) + str(row.before) for row in TABLE}) == len(TABLE), "a row is there twice"
