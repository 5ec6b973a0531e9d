"""Promise: who creates an experiment, model or prompt has MANAGE on it; nobody else sees it; admins see everything."""

from __future__ import annotations

import secrets
import subprocess
from typing import Any

import pytest

from tests.people import People, Person
from tests.promises.belongings import PROMPT_TAGS
from tests.server import MLFLOW, base_environment

KINDS = ("experiment", "registered_model", "prompt")


def make(person: Person, kind: str, name: str) -> str:
    """A new resource; the id that grants name it by."""
    if kind == "experiment":
        made = person.must("POST", "2.0/mlflow/experiments/create", json={"name": name})
        return str(made["experiment_id"])
    tags = PROMPT_TAGS if kind == "prompt" else []
    person.must("POST", "2.0/mlflow/registered-models/create", json={"name": name, "tags": tags})
    return name


def level(asking: Person, of: Person, kind: str, id_: str) -> Any:
    """The level that somebody has, as MLflow's own client reads it."""
    query = {"username": of.email, "resource_type": kind, "resource_id": id_}
    answer = asking.api("GET", "3.0/mlflow/users/permissions/get", params=query)
    return answer.json().get("permission") if answer.ok else answer.status_code


def sees(person: Person, kind: str, name: str, id_: str) -> dict[str, bool]:
    """In which ways somebody sees a resource."""
    if kind == "experiment":
        by_id = person.api("GET", "2.0/mlflow/experiments/get", params={"experiment_id": id_})
        by_name = person.api("GET", "2.0/mlflow/experiments/get-by-name", params={"experiment_name": name})
        search = {"filter": f"name = '{name}'", "max_results": 10}
        found = person.must("POST", "2.0/mlflow/experiments/search", json=search)
        document = '{ mlflowGetExperiment(input: {experimentId: "%s"}) { experiment { name } } }'
        graphql = person.ask("POST", "graphql", json={"query": document % id_})
        return {
            "by id": by_id.ok,
            "by name": by_name.ok,
            "in a search": bool(found.get("experiments")),
            "by GraphQL": name in graphql.text,
        }
    by_name = person.api("GET", "2.0/mlflow/registered-models/get", params={"name": name})
    where = f"name = '{name}'" + (" AND tags.`mlflow.prompt.is_prompt` = 'true'" if kind == "prompt" else "")
    found = person.must("GET", "2.0/mlflow/registered-models/search", params={"filter": where})
    return {"by name": by_name.ok, "in a search": bool(found.get("registered_models"))}


@pytest.mark.parametrize("kind", KINDS)
def test_the_creator_manages_it_and_nobody_else_sees_it(either_database: People, kind: str) -> None:
    people, name = either_database, f"own-{kind}-{secrets.token_hex(4)}"
    id_ = make(people.alice, kind, name)
    assert level(people.alice, people.alice, kind, id_) == "MANAGE"
    assert all(sees(people.alice, kind, name, id_).values())
    assert not any(sees(people.bob, kind, name, id_).values())
    assert not any(sees(people.carol, kind, name, id_).values())
    assert all(sees(people.root, kind, name, id_).values())


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_granted_is_seen_and_what_is_revoked_is_not(either_database: People, kind: str) -> None:
    people, name = either_database, f"shared-{kind}-{secrets.token_hex(4)}"
    id_ = make(people.alice, kind, name)
    people.grant(people.alice, people.bob, "READ", kind, id_)
    assert all(sees(people.bob, kind, name, id_).values())
    assert not any(sees(people.carol, kind, name, id_).values())
    body = {"username": people.bob.email, "resource_type": kind, "resource_id": id_}
    people.alice.must("POST", "3.0/mlflow/users/permissions/revoke", json=body)
    assert not any(sees(people.bob, kind, name, id_).values())


WRITES = {
    "READ": ("GET", "2.0/mlflow/experiments/get", {"experiment_id": "{id}"}),
    "EDIT": ("POST", "2.0/mlflow/experiments/set-experiment-tag", {"experiment_id": "{id}", "key": "a", "value": "b"}),
    "MANAGE": ("POST", "2.0/mlflow/experiments/delete", {"experiment_id": "{id}"}),
}


@pytest.mark.parametrize("has", ["READ", "EDIT", "MANAGE"])
def test_a_level_opens_what_it_says_and_no_more(people: People, has: str) -> None:
    levels = ["READ", "EDIT", "MANAGE"]
    id_ = make(people.alice, "experiment", f"levels-{secrets.token_hex(4)}")
    people.grant(people.alice, people.bob, has, "experiment", id_)
    for needed in levels:
        method, path, template = WRITES[needed]
        sent = {key: value.format(id=id_) for key, value in template.items()}
        answer = people.bob.api(method, path, **({"params": sent} if method == "GET" else {"json": sent}))
        if levels.index(has) >= levels.index(needed):
            assert answer.status_code == 200, f"{has} for {needed}: {answer.text}"
        else:
            assert answer.status_code == 403, f"{has} for {needed}: {answer.text}"
            assert answer.json()["error_code"] == "PERMISSION_DENIED"
            assert needed in answer.json()["message"]


def test_a_grant_follows_a_rename(either_database: People) -> None:
    people, old, new = either_database, f"old-{secrets.token_hex(4)}", f"new-{secrets.token_hex(4)}"
    make(people.alice, "registered_model", old)
    people.grant(people.alice, people.bob, "READ", "registered_model", old)
    people.alice.must("POST", "2.0/mlflow/registered-models/rename", json={"name": old, "new_name": new})
    assert all(sees(people.bob, "registered_model", new, new).values())
    assert all(sees(people.alice, "registered_model", new, new).values())
    make(people.carol, "registered_model", old)
    assert not any(sees(people.bob, "registered_model", old, old).values())
    assert not any(sees(people.alice, "registered_model", old, old).values())


def test_a_name_that_was_deleted_brings_no_old_grants_back(either_database: People) -> None:
    people, name = either_database, f"again-{secrets.token_hex(4)}"
    make(people.alice, "registered_model", name)
    people.grant(people.alice, people.bob, "MANAGE", "registered_model", name)
    people.alice.must("DELETE", "2.0/mlflow/registered-models/delete", json={"name": name})
    make(people.carol, "registered_model", name)
    assert not any(sees(people.bob, "registered_model", name, name).values())
    assert not any(sees(people.alice, "registered_model", name, name).values())


def test_an_experiment_that_was_deleted_can_be_restored_by_its_owner_only(people: People) -> None:
    id_ = make(people.alice, "experiment", f"restored-{secrets.token_hex(4)}")
    people.alice.must("POST", "2.0/mlflow/experiments/delete", json={"experiment_id": id_})
    refused = people.carol.api("POST", "2.0/mlflow/experiments/restore", json={"experiment_id": id_})
    assert refused.status_code == 403
    people.alice.must("POST", "2.0/mlflow/experiments/restore", json={"experiment_id": id_})


def test_what_mlflow_gc_purged_brings_no_old_grants_back(people: People) -> None:
    """`mlflow gc` runs in another process, without us, and leaves our grants; SQLite alone would give the id again."""
    alice, carol = people.alice, people.carol
    run = {"experiment_id": make(alice, "experiment", f"purged-{secrets.token_hex(4)}"), "start_time": 1}
    alice.must("POST", "2.0/mlflow/experiments/delete", json={"experiment_id": run["experiment_id"]})
    purge = [str(MLFLOW), "gc", "--backend-store-uri", people.server.database]
    purge += ["--artifacts-destination", people.server.artifacts, "--experiment-ids", str(run["experiment_id"])]
    environment = {**base_environment(people.server.folder), **alice.environment()}
    done = subprocess.run(purge, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    name = f"reborn-{secrets.token_hex(4)}"
    reborn = make(carol, "experiment", name)
    assert reborn != run["experiment_id"]
    assert all(sees(carol, "experiment", name, reborn).values())
    assert not any(sees(alice, "experiment", name, reborn).values())


def test_a_run_is_whose_who_made_it_whatever_the_client_says(people: People) -> None:
    id_ = make(people.alice, "experiment", f"whose-{secrets.token_hex(4)}")
    body = {
        "experiment_id": id_,
        "user_id": "root@example.test",
        "start_time": 1,
        "tags": [{"key": "mlflow.user", "value": "root@example.test"}],
    }
    run_id = people.alice.must("POST", "2.0/mlflow/runs/create", json=body)["run"]["info"]["run_id"]
    for key in ("mlflow.note", "mlflow.user"):
        tag = {"run_id": run_id, "key": key, "value": "root@example.test"}
        run = people.alice.must("GET", "2.0/mlflow/runs/get", params={"run_id": run_id})["run"]
        assert run["info"]["user_id"] == people.alice.email
        assert {tag["key"]: tag["value"] for tag in run["data"]["tags"]}["mlflow.user"] == people.alice.email
        people.alice.must("POST", "2.0/mlflow/runs/set-tag", json=tag)


def test_only_admins_choose_where_artifacts_lie(people: People) -> None:
    body = {"name": f"where-{secrets.token_hex(4)}", "artifact_location": "/tmp/somewhere"}
    refused = people.alice.api("POST", "2.0/mlflow/experiments/create", json=body)
    assert refused.status_code == 403
    assert refused.json()["error_code"] == "PERMISSION_DENIED"
    people.root.must("POST", "2.0/mlflow/experiments/create", json=body)


def test_a_model_version_is_made_only_of_what_its_maker_may_read(people: People) -> None:
    secret = make(people.alice, "experiment", f"source-{secrets.token_hex(4)}")
    run = people.alice.must("POST", "2.0/mlflow/runs/create", json={"experiment_id": secret, "start_time": 1})
    run_id = run["run"]["info"]["run_id"]
    name = make(people.carol, "registered_model", f"thief-{secrets.token_hex(4)}")
    sources = [f"runs:/{run_id}/model", f"mlflow-artifacts:/{secret}/{run_id}/artifacts", "/etc", "file:///etc"]
    sources += [f"mlflow-artifacts:/{secret}/../{secret}/{run_id}", "s3://bucket/anything", "models:/nothing/1"]
    for source in sources:
        for more in ({}, {"run_id": run_id}):
            body = {"name": name, "source": source, **more}
            answer = people.carol.api("POST", "2.0/mlflow/model-versions/create", json=body)
            assert 400 <= answer.status_code < 500, f"{body}: {answer.status_code} {answer.text}"


def test_the_default_experiment_is_nobodys(people: People) -> None:
    for person in (people.alice, people.carol):
        answer = person.api("GET", "2.0/mlflow/experiments/get", params={"experiment_id": "0"})
        assert answer.status_code == 403
    people.root.must("GET", "2.0/mlflow/experiments/get", params={"experiment_id": "0"})


def test_a_page_of_a_search_is_full_of_what_one_may_see(either_database: People) -> None:
    """Nothing is filtered after the fact: pages are full, and their tokens lead to all of it and no more."""
    people, mark = either_database, secrets.token_hex(4)
    for number in range(12):
        make(people.alice if number % 3 else people.bob, "experiment", f"page-{mark}-{number:02}")
    names, token = [], None
    while True:
        body = {"filter": f"name LIKE 'page-{mark}-%'", "max_results": 3, "order_by": ["name"]}
        page = people.bob.must(
            "POST", "2.0/mlflow/experiments/search", json=body | ({"page_token": token} if token else {})
        )
        names.append([experiment["name"] for experiment in page.get("experiments", [])])
        token = page.get("next_page_token")
        if not token:
            break
    assert [name for page in names for name in page] == [f"page-{mark}-{number:02}" for number in (0, 3, 6, 9)]
    assert len(names[0]) == 3
