"""Who may give what to whom: each row of the table, asked through the forms of the share page.

A row's form names who has access by an id, so one form stands for "take away" and one, beside the form that gives,
for "change". Patterns are given on the admins' pages; a service account has no browser.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from mlflow_oidc_auth.database.engine import build_engine
from mlflow_oidc_auth.database.tables import groups, users
from tests.browser.pages_site import PREFIX, PagesSite
from tests.databases import Backend, Databases, PostgresMissing
from tests.promises.sharing_rules import (
    END,
    EVERYTHING,
    GIVE,
    LONG_AGO,
    TABLE,
    TAKE,
    On,
    Row,
    check,
    email,
    expected,
    prepare,
)
from tests.settings import SESSION

FOR_THE_PAGE = [row for row in TABLE if not row.on_pattern and row.person != "robot"]
CHANGES = [
    row
    for row in FOR_THE_PAGE
    if row.act == GIVE
    and any(holds.to == row.to and not (holds.on_pattern or holds.ends == LONG_AGO) for holds in row.holds)
]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, databases: Databases) -> Iterator[PagesSite]:
    """One for all rows: each sets up its own grants."""
    backend: Backend = request.param
    try:
        engine = build_engine(databases.migrated(backend))
    except PostgresMissing as missing:
        pytest.skip(f"PROMISE UNTESTED: the rules of sharing by the page on PostgreSQL as on SQLite ({missing})")
    yield PagesSite(engine)
    engine.dispose()


@pytest.mark.parametrize("on", EVERYTHING, ids=lambda on: str(on.kind))
@pytest.mark.parametrize("row", FOR_THE_PAGE, ids=str)
def test_a_row_of_the_table_by_the_share_page(site: PagesSite, row: Row, on: On) -> None:
    prepare(site.engine, row, on)
    to = row.to if row.to_group else email(row.to)
    form = {"do": "give", "to": to} if row.act == GIVE else {"do": "remove", "of": _holder(site.engine, row)}
    _judge(*_send(site, row, on, form), row, on)
    check(site.engine, row, on)


@pytest.mark.parametrize("on", EVERYTHING, ids=lambda on: str(on.kind))
@pytest.mark.parametrize("row", CHANGES, ids=str)
def test_a_row_of_the_table_changed_in_place(site: PagesSite, row: Row, on: On) -> None:
    prepare(site.engine, row, on)
    _judge(*_send(site, row, on, {"do": "change", "of": _holder(site.engine, row)}), row, on)
    check(site.engine, row, on)


def test_the_page_runs_both_acts_each_allowed_and_refused() -> None:
    assert {(row.act, bool(row.refusal)) for row in FOR_THE_PAGE} == {
        (act, no) for act in (GIVE, TAKE) for no in (True, False)
    }
    assert {bool(row.refusal) for row in CHANGES} == {True, False}


def _send(site: PagesSite, row: Row, on: On, form: dict[str, str]) -> tuple[TestResponse, str]:
    """The answer to a form, and what the person reads in the end."""
    terms = {} if row.level is None else {"permission": row.level.name}
    ends = {"expires_at": END} if row.ends else {}
    client, query = _browser(site, row.person), {"resource_type": str(on.kind), "resource_id": on.key}
    answer = client.post(f"{PREFIX}/permissions/sharing", query_string=query, data=form | terms | ends)
    page = client.get(answer.headers["Location"]) if answer.status_code == 303 else answer
    return answer, html.unescape(re.sub(r"<[^>]+>", "", page.text))


def _judge(answer: TestResponse, read: str, row: Row, on: On) -> None:
    if not row.refusal:
        assert answer.status_code == 303, read
        assert "notice=gone" not in answer.headers["Location"]
    elif row.act == TAKE and "notice=gone" in answer.headers.get("Location", ""):
        assert "No grant to take away" in read  # whoever it is, the page knows them by what they hold
        assert expected(row, on).search("No grant to take away") or row.to == "nobody"
    else:
        assert answer.status_code in (400, 403), read
        assert expected(row, on).search(read), read


def _browser(site: PagesSite, name: str) -> FlaskClient:
    user = site.users.by_username(email(name))
    assert user is not None
    client = site.app.test_client()
    client.set_cookie(SESSION, site.session(user), path=PREFIX)
    return client


def _holder(engine: sa.Engine, row: Row) -> str:
    """How the forms name whom the row is about, there or not."""
    table, name = (groups, groups.c.name) if row.to_group else (users, users.c.username)
    wanted = sa.select(table.c.id).where(name == (row.to if row.to_group else email(row.to)))
    with engine.connect() as connection:
        id_ = connection.execute(wanted).scalar_one_or_none()
    return f"{'group' if row.to_group else 'user'}-{id_ or 4711}"
