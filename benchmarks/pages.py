"""What each page and JSON list of ours costs on a server with 10,000 people, 1,000 groups and 100,000 grants.

    python benchmarks/pages.py [--backend sqlite postgresql] [--rounds 5] [--as root alice]

Statements are all that a request sends to the database, the one that finds the session included. Shared machines are
noisy: each time is the fastest of some rounds.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from dataclasses import asdict
from pathlib import Path

import sqlalchemy as sa
from flask.testing import FlaskClient

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mlflow_oidc_auth.database.engine import build_engine
from mlflow_oidc_auth.database.tables import users
from tests.browser.addresses import Example, Known, json_operations, pages
from tests.browser.pages_site import PREFIX, PagesSite
from tests.crowd import fill
from tests.databases import BACKENDS, Databases
from tests.settings import SESSION
from tests.stores import statements


def main() -> None:
    """Fill a database of each kind and print a row for each address."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", nargs="+", choices=BACKENDS, default=list(BACKENDS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--as", dest="names", nargs="+", default=["root", "alice"])
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    databases = Databases()
    try:
        for backend in arguments.backend:
            measure(databases, backend, arguments.names, arguments.rounds)
    finally:
        databases.close()


def measure(databases: Databases, backend: str, names: list[str], rounds: int) -> None:
    """One database."""
    engine = build_engine(databases.migrated(backend))  # type: ignore[arg-type]
    site = PagesSite(engine)
    started = time.perf_counter()
    crowd = fill(engine, site.now())
    print(f"\n{backend}, filled in {time.perf_counter() - started:.1f} s")
    with engine.connect() as connection:
        robot = connection.execute(sa.select(users.c.username).where(users.c.id == crowd.service_account)).scalar_one()
    told = {name: value for name, value in asdict(crowd).items() if name != "root"}
    known = Known(robot=robot, **told)
    for name in names:
        client = visitor(site, name)
        for example in [*pages(), *json_operations()]:
            if name == "root" or not example.admins_only:
                print(row(site, client, name, example, known, rounds))
    engine.dispose()


def visitor(site: PagesSite, name: str) -> FlaskClient:
    """Somebody with a session."""
    user = site.users.by_username(f"{name}@example.test")
    assert user is not None
    client = site.app.test_client()
    client.set_cookie(SESSION, site.session(user), path=PREFIX)
    return client


def row(site: PagesSite, client: FlaskClient, name: str, example: Example, known: Known, rounds: int) -> str:
    """Milliseconds, statements, kilobytes, and the address."""
    address, times = example.address.format(**vars(known)), []
    for _ in range(rounds):
        with statements(site.engine) as seen:
            started = time.perf_counter()
            answer = client.get(f"{PREFIX}{address}")
            size = len(answer.data)
            times.append(time.perf_counter() - started)
    cost = f"{min(times) * 1000:8.1f} ms {len(seen):3} statements {size / 1000:8.1f} kB"
    return f"{cost} {answer.status_code} {name:6} {address}"


if __name__ == "__main__":
    main()
