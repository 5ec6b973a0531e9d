"""Promise: one active key a person. A new one kills the old at once, on every worker."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import requests

from tests.people import OUR_PAGE, TOKENS, People, Person

PATH = "api/2.0/mlflow/experiments/search?max_results=1"


def statuses(person: Person, key: str, times: int) -> set[int]:
    """What many connections at once get with a key: all workers answer some of them."""

    def ask(_: int) -> int:
        answer = requests.get(f"{person.server.url}/{PATH}", auth=(person.email, key), timeout=60)
        return answer.status_code

    with ThreadPoolExecutor(8) as pool:
        return set(pool.map(ask, range(times)))


def test_a_new_key_kills_the_old_one_on_every_worker_at_once(four_workers: People) -> None:
    carol = four_workers.carol
    for _ in range(3):
        old = carol.new_key()
        assert statuses(carol, old, 24) == {200}
        new = carol.new_key()
        assert statuses(carol, old, 40) == {401}
        assert statuses(carol, new, 24) == {200}


def test_a_revoked_key_is_dead_on_every_worker_at_once(four_workers: People) -> None:
    carol = four_workers.carol
    key = carol.new_key()
    assert statuses(carol, key, 16) == {200}
    answer = carol.browser.delete(f"{carol.server.url}/{TOKENS}/{key.split('_')[1]}", headers=OUR_PAGE, timeout=60)
    assert answer.status_code == 200, answer.text
    assert statuses(carol, key, 40) == {401}
    carol.new_key()


def test_many_keys_made_at_once_leave_one(either_database: People) -> None:
    carol = either_database.carol
    expires_at = (datetime.now(UTC) + timedelta(days=7)).date().isoformat()
    cookies = dict(carol.browser.cookies)

    def make(_: int) -> str:
        answer = requests.post(
            f"{carol.server.url}/{TOKENS}",
            json={"expires_at": expires_at},
            cookies=cookies,
            headers=OUR_PAGE,
            timeout=60,
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["token"])

    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(make, range(8)))
    carol.server.secrets.update(keys)
    alive = [key for key in keys if statuses(carol, key, 1) == {200}]
    assert len(set(keys)) == 8
    assert len(alive) == 1
    carol.new_key()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_key_cannot_list_or_make_keys(people: People, method: str) -> None:
    body = {"expires_at": (datetime.now(UTC) + timedelta(days=7)).date().isoformat()}
    answer = people.carol.api(method, "2.0/mlflow/users/current/tokens", json=body if method == "POST" else None)
    assert answer.status_code == 403
    assert "An access key cannot do this" in answer.json()["message"]
    assert people.carol.api("GET", "2.0/mlflow/users/current").status_code == 200


@pytest.mark.parametrize(
    "expires_at",
    [
        None,
        "",
        "tomorrow",
        "2020-01-01",
        (datetime.now(UTC) + timedelta(days=367)).date().isoformat(),
        7,
        ["2027-01-01"],
    ],
    ids=["missing", "empty", "words", "past", "too-late", "number", "list"],
)
def test_an_expiry_is_required_and_at_most_a_year_away(people: People, expires_at: object) -> None:
    key = people.carol.key()
    body = {} if expires_at is None else {"expires_at": expires_at}
    answer = people.carol.ajax("POST", "2.0/mlflow/users/current/tokens", json=body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"
    assert statuses(people.carol, key, 1) == {200}, "the refused request cost the old key"


def test_the_list_of_keys_holds_no_secret(people: People) -> None:
    key = people.carol.new_key()
    listed = people.carol.ajax("GET", "2.0/mlflow/users/current/tokens")
    assert listed.status_code == 200
    assert [row["id"] for row in listed.json()["tokens"]] == [key.split("_")[1]]
    assert key.split("_")[2] not in listed.text
    assert listed.headers["Cache-Control"] == "no-store"
