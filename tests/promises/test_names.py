"""Promise: a name is one person's. A stranger is told to choose another; who may see it gets MLflow's own answer."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.people import People, Person
from tests.promises.belongings import PROMPT_TAGS
from tests.promises.test_ownership import KINDS, make


def create(person: Person, kind: str, name: str) -> requests.Response:
    """Ask for a new resource."""
    if kind == "experiment":
        return person.api("POST", "2.0/mlflow/experiments/create", json={"name": name})
    tags = PROMPT_TAGS if kind == "prompt" else []
    return person.api("POST", "2.0/mlflow/registered-models/create", json={"name": name, "tags": tags})


def assert_taken_by_a_stranger(answer: requests.Response) -> None:
    """403, with what to do next."""
    assert answer.status_code == 403, answer.text
    assert answer.json()["error_code"] == "PERMISSION_DENIED"
    assert "choose another name, or ask an MLflow admin for access" in answer.json()["message"]


def assert_exists(answer: requests.Response) -> None:
    """MLflow's own answer."""
    assert answer.status_code == 400, answer.text
    assert answer.json()["error_code"] == "RESOURCE_ALREADY_EXISTS"


@pytest.mark.parametrize("kind", KINDS)
def test_a_name_that_a_stranger_took(either_database: People, kind: str) -> None:
    name = f"taken-{secrets.token_hex(4)}"
    make(either_database.alice, kind, name)
    assert_taken_by_a_stranger(create(either_database.carol, kind, name))


@pytest.mark.parametrize("kind", KINDS)
def test_ones_own_name_and_one_that_is_visible(either_database: People, kind: str) -> None:
    people, name = either_database, f"known-{secrets.token_hex(4)}"
    id_ = make(people.alice, kind, name)
    assert_exists(create(people.alice, kind, name))
    people.grant(people.alice, people.bob, "READ", kind, id_)
    assert_exists(create(people.bob, kind, name))
    assert_exists(create(people.root, kind, name))


def test_a_model_and_a_prompt_share_their_names(people: People) -> None:
    name = f"both-{secrets.token_hex(4)}"
    make(people.alice, "prompt", name)
    assert_taken_by_a_stranger(create(people.carol, "registered_model", name))


def test_renaming_onto_a_strangers_name(either_database: People) -> None:
    people, taken = either_database, f"taken-{secrets.token_hex(4)}"
    make(people.alice, "experiment", taken)
    make(people.alice, "registered_model", taken)
    mine = make(people.carol, "experiment", f"mine-{secrets.token_hex(4)}")
    body = {"experiment_id": mine, "new_name": taken}
    assert_taken_by_a_stranger(people.carol.api("POST", "2.0/mlflow/experiments/update", json=body))
    name = make(people.carol, "registered_model", f"mine-{secrets.token_hex(4)}")
    body = {"name": name, "new_name": taken}
    assert_taken_by_a_stranger(people.carol.api("POST", "2.0/mlflow/registered-models/rename", json=body))
    own = make(people.carol, "registered_model", f"mine-{secrets.token_hex(4)}")
    assert_exists(people.carol.api("POST", "2.0/mlflow/registered-models/rename", json={"name": name, "new_name": own}))


def test_a_soft_deleted_experiment_keeps_its_name(people: People) -> None:
    name = f"deleted-{secrets.token_hex(4)}"
    id_ = make(people.alice, "experiment", name)
    people.alice.must("POST", "2.0/mlflow/experiments/delete", json={"experiment_id": id_})
    assert_taken_by_a_stranger(create(people.carol, "experiment", name))
    assert_exists(create(people.alice, "experiment", name))


@pytest.mark.parametrize("kind", KINDS)
def test_two_people_who_create_one_name_at_once(either_database: People, kind: str) -> None:
    """One gets it, the other is told what a stranger is told: no 500, no second row, no shared grant."""
    people = either_database
    for person in (people.alice, people.carol):
        person.key()
    with ThreadPoolExecutor(2) as pool:
        for _ in range(8):
            name = f"race-{secrets.token_hex(4)}"
            answers = list(pool.map(lambda person: create(person, kind, name), (people.alice, people.carol)))  # noqa: B023
            statuses = sorted(answer.status_code for answer in answers)
            assert statuses == [200, 403], [answer.text for answer in answers]
            assert_taken_by_a_stranger(next(answer for answer in answers if answer.status_code == 403))
            loser = people.alice if answers[0].status_code == 403 else people.carol
            path, query = ("experiments/get-by-name", {"experiment_name": name})
            if kind != "experiment":
                path, query = "registered-models/get", {"name": name}
            assert not loser.api("GET", f"2.0/mlflow/{path}", params=query).ok


CLIENT = """
    import mlflow
    from mlflow.exceptions import MlflowException

    def outcome(call):
        try:
            call()
        except MlflowException as error:
            return f"{error.error_code}: {error.message}"
        return "done"

    for name in NAMES:
        print("set_experiment", "|", outcome(lambda: mlflow.set_experiment(name)))
        print("register_prompt", "|", outcome(lambda: mlflow.genai.register_prompt(name=name, template="hi {{you}}")))
        client = mlflow.MlflowClient()
        def register():
            experiment = client.create_experiment(name + "-runs-" + WHO)
            run = client.create_run(experiment)
            client.log_text(run.info.run_id, "x", "model/MLmodel")
            mlflow.register_model(f"runs:/{run.info.run_id}/model", name + "-model")
        print("register_model", "|", outcome(register))
"""


def test_the_client_says_something_sensible_on_a_strangers_name_and_works_on_ones_own(people: People) -> None:
    name = f"client-{secrets.token_hex(4)}"

    def outcomes(person: Person) -> list[str]:
        code = f"NAMES = [{name!r}]\nWHO = {person.name + secrets.token_hex(2)!r}\n" + CLIENT.replace("\n    ", "\n")
        printed = person.run(code)
        return [line for line in printed.splitlines() if " | " in line]

    first = outcomes(people.alice)
    assert first == ["set_experiment | done", "register_prompt | done", "register_model | done"]
    again = outcomes(people.alice)  # one's own: use it, and a second version
    assert again == first
    stranger = outcomes(people.carol)
    for line in stranger:
        assert "PERMISSION_DENIED" in line, stranger
        assert "choose another name" in line or "Ask its owner or an MLflow admin" in line, stranger
