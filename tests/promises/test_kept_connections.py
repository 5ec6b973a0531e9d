"""Promise: a client that keeps its connection is answered at once, by a server of several workers too."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import requests

from tests.people import People

WAITS = 0.04
"""Seconds that a small answer waits where Nagle's algorithm meets a delayed acknowledgement (Linux)."""


def seconds(ask: Callable[[], requests.Response]) -> float:
    """How long an answer takes, at the median."""
    taken = []
    for _ in range(15):
        begin = time.perf_counter()
        assert ask().status_code == 200
        taken.append(time.perf_counter() - begin)
    return median(taken)


def test_a_connection_that_is_kept_is_no_slower_than_a_new_one(either_database: People) -> None:
    alice = either_database.alice
    address, auth = f"{alice.server.url}/api/2.0/mlflow/users/current", (alice.email, alice.key())
    new = seconds(lambda: requests.get(address, auth=auth, timeout=30))
    with requests.Session() as session:
        kept = seconds(lambda: session.get(address, auth=auth, timeout=30))
    assert kept < new + WAITS / 2
