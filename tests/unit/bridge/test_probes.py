"""Probes: who asks whether we are well gets an answer, however busy the server is."""

from __future__ import annotations

import anyio
import anyio.to_thread
import pytest
import sqlalchemy as sa

from mlflow_oidc_auth.bridge.probes import Probes
from mlflow_oidc_auth.database.engine import build_engine


async def _answers(engine: sa.Engine) -> tuple[int, int]:
    probes = Probes(engine)
    live, ready = await probes.answer("/mlflow/health/live"), await probes.answer("/mlflow/health/ready")
    return live.status_code, ready.status_code


def test_a_server_with_its_database_is_live_and_ready(engine: sa.Engine) -> None:
    assert anyio.run(_answers, engine) == (200, 200)


def test_a_server_without_its_database_is_live_and_not_ready() -> None:
    assert anyio.run(_answers, build_engine("postgresql+psycopg://nobody@127.0.0.1:9/none")) == (200, 503)


def test_a_server_whose_threads_are_all_at_work_still_answers(engine: sa.Engine) -> None:
    async def busy() -> tuple[int, int]:
        threads = anyio.to_thread.current_default_thread_limiter()
        for worker in range(int(threads.total_tokens)):
            threads.acquire_on_behalf_of_nowait(worker)
        with anyio.fail_after(5):
            return await _answers(engine)

    assert anyio.run(busy) == (200, 200)


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
def test_nothing_keeps_an_answer(engine: sa.Engine, path: str) -> None:
    async def one() -> str:
        return (await Probes(engine).answer(path)).headers["Cache-Control"]

    assert anyio.run(one) == "no-store"
