"""With 10,000 people, 1,000 groups and 100,000 grants our pages and JSON stay small, quick and cheap."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from mlflow_oidc_auth.database.engine import build_engine
from mlflow_oidc_auth.database.tables import users
from tests.browser.addresses import Example, Known, forms, json_operations, pages, without_example
from tests.browser.pages_site import PREFIX, PagesSite
from tests.crowd import Crowd, fill
from tests.databases import BACKENDS, Databases, PostgresMissing
from tests.figures import Figures
from tests.settings import SESSION
from tests.stores import statements

MOST_STATEMENTS = 9
LARGEST = 100_000
SLOWEST = 5.0
"""In seconds, on a busy machine; what it took is kept among the figures."""

WHOLE = (
    "2.0/mlflow/users/list",
    "3.0/mlflow/roles/",
    "3.0/mlflow/users/roles/list",
    "3.0/mlflow/users/permissions/list",
    "3.0/mlflow/users/current/permissions",
    "2.0/mlflow/openapi.json",
)
"""MLflow's pages and client ask for these in one piece."""


@dataclass
class Town:
    """The site, who is asked about, and what answers cost."""

    site: PagesSite
    crowd: Crowd
    known: Known
    costs: list[tuple[float, int, int, str]]

    def visitor(self, name: str) -> FlaskClient:
        """Somebody with a session."""
        client = self.site.app.test_client()
        user = self.site.users.by_username(f"{name}@example.test")
        assert user is not None
        client.set_cookie(SESSION, self.site.session(user), path=PREFIX)
        return client

    def ask(self, client: FlaskClient, name: str, example: Example) -> TestResponse:
        """The answer, with its cost kept and held against the limits."""
        address = example.address.format(**vars(self.known))
        with statements(self.site.engine) as seen:
            started = time.perf_counter()
            answer = client.get(f"{PREFIX}{address}")
            size = len(answer.data)
            took = time.perf_counter() - started
        self.costs.append((took, len(seen), size, f"{address} as {name}"))
        assert len(seen) <= MOST_STATEMENTS, "\n\n".join(sql[:300] for sql in seen)
        assert took < SLOWEST
        return answer


@pytest.fixture(scope="module", params=BACKENDS)
def town(request: pytest.FixtureRequest, databases: Databases, figures: Figures) -> Iterator[Town]:
    """Filled once for each database."""
    try:
        engine = build_engine(databases.migrated(request.param))
    except PostgresMissing as missing:
        pytest.skip(f"PROMISE UNTESTED: our pages with thousands of people on PostgreSQL ({missing})")
    site = PagesSite(engine)
    crowd = fill(engine, site.now())
    told = Town(site, crowd, _known(engine, crowd), [])
    yield told
    engine.dispose()
    if told.costs:
        slowest, most = max(told.costs), max(told.costs, key=lambda cost: cost[1])
        biggest = max(
            (cost for cost in told.costs if "ajax-api" not in cost[3]), key=lambda cost: cost[2], default=most
        )
        figures.note(f"a crowd on {request.param}, slowest answer of ours", f"{slowest[0]:.2f} s, {slowest[3]}")
        figures.note(f"a crowd on {request.param}, most statements", f"{most[1]}, {most[3]}")
        figures.note(f"a crowd on {request.param}, largest page", f"{biggest[2] / 1000:.0f} kB, {biggest[3]}")


def _known(engine: sa.Engine, crowd: Crowd) -> Known:
    with engine.connect() as connection:
        robot = connection.execute(sa.select(users.c.username).where(users.c.id == crowd.service_account)).scalar_one()
    return Known(
        crowd.alice,
        crowd.bob,
        crowd.busy_group,
        crowd.team,
        crowd.service_account,
        crowd.experiment,
        crowd.model,
        robot,
    )


def test_every_page_and_operation_has_an_example() -> None:
    assert without_example() == []


@pytest.mark.parametrize("address", forms())
def test_the_address_of_a_form_leads_back_to_its_page(town: Town, address: str) -> None:
    answer = town.visitor("root").get(f"{PREFIX}{address.format(**vars(town.known))}")
    assert answer.status_code == 303


@pytest.mark.parametrize("name", ["root", "alice", "bob"])
@pytest.mark.parametrize("example", pages(), ids=lambda example: example.address)
def test_a_page_is_small_and_asks_the_database_little(town: Town, example: Example, name: str) -> None:
    answer = town.ask(town.visitor(name), name, example)
    refused = {403} if example.admins_only and name != "root" else {200}
    if name == "bob" and "resource_id" in example.address:
        refused = {200, 403, 404}  # he may not manage it; one page whether it is there or not
    assert answer.status_code in refused, answer.text[:2000]
    assert answer.mimetype in ("text/html", "application/json", "application/jsonl")
    assert len(answer.data) <= LARGEST


@pytest.mark.parametrize("name", ["root", "alice", "bob"])
@pytest.mark.parametrize("example", json_operations(), ids=lambda example: example.address)
def test_a_list_is_cut_by_the_server_and_asks_the_database_little(town: Town, example: Example, name: str) -> None:
    client = town.visitor(name)
    answer = town.ask(client, name, example)
    if example.admins_only and name != "root":
        assert answer.status_code == 403
        return
    if name == "bob":  # what is alice's may be refused to him
        assert answer.status_code in (200, 403, 404)
    else:
        assert answer.status_code == 200, answer.text[:2000]
    if not example.address.startswith(tuple(f"/ajax-api/{path}" for path in WHOLE)):
        assert len(answer.data) <= LARGEST
    if answer.is_json and "next_page_token" in answer.json:  # type: ignore[operator]
        both = "&" if "?" in example.address else "?"
        one = town.ask(client, name, Example(example.path, f"{example.address}{both}max_results=1", False))
        (rows,) = (value for value in one.json.values() if isinstance(value, list))  # type: ignore[union-attr]
        assert len(rows) <= 1
