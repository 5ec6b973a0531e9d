"""Promise: a refusal says what is missing, what to do and whom to ask, and tells nobody what is hidden from them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from mlflow_oidc_auth.accounts.users import UserStore
from mlflow_oidc_auth.database.tables import groups, memberships, users
from tests.people import People, Person
from tests.promises.test_ownership import make
from tests.server import Servers

WAY_OUT = "You can also ask for access by name on the Requests page (permissions/requests)."


def refusal(person: Person, method: str, path: str, **arguments: object) -> str:
    """What somebody is told who is refused."""
    answer = person.api(method, path, **arguments)
    assert answer.status_code == 403, answer.text
    assert answer.json()["error_code"] == "PERMISSION_DENIED"
    return str(answer.json()["message"])


def run_in(person: Person, experiment_id: str) -> str:
    run = person.must("POST", "2.0/mlflow/runs/create", json={"experiment_id": experiment_id, "start_time": 1})
    return str(run["run"]["info"]["run_id"])


def log_metric(run_id: str) -> dict[str, object]:
    return {"json": {"run_id": run_id, "key": "a", "value": 1, "timestamp": 1}}


def test_who_can_see_it_is_told_who_can_give_more(people: People) -> None:
    alice, bob = people.alice, people.bob
    experiment = make(alice, "experiment", f"way-out-{secrets.token_hex(4)}")
    run = run_in(alice, experiment)
    people.grant(alice, bob, "READ", "experiment", experiment)
    owner = UserStore(people.server.engine).by_username(alice.email)
    assert owner is not None
    assert refusal(bob, "POST", "2.0/mlflow/runs/log-metric", **log_metric(run)) == (
        f"You need EDIT on this run, and have READ. Ask {owner.display_name} or an MLflow admin to give it to you."
    )
    named = make(alice, "registered_model", f"way-out-{secrets.token_hex(4)}")
    people.grant(alice, bob, "USE", "registered_model", named)
    told = refusal(bob, "DELETE", "2.0/mlflow/registered-models/delete", json={"name": named})
    assert told.startswith("You need MANAGE on this ")
    assert f"and have USE. Ask {owner.display_name} or an MLflow admin" in told


@pytest.mark.parametrize("kind", ["experiment", "registered_model"])
def test_who_cannot_see_it_is_told_the_same_as_of_what_is_not_there(people: People, kind: str) -> None:
    key = make(people.alice, kind, f"way-out-{secrets.token_hex(4)}")
    if kind == "experiment":
        asks = [{"params": {"experiment_id": id_}} for id_ in (key, "999999")]
        told = [refusal(people.carol, "GET", "2.0/mlflow/experiments/get", **ask) for ask in asks]
    else:
        asks = [{"params": {"name": name}} for name in (key, "no-such-model")]
        told = [refusal(people.carol, "GET", "2.0/mlflow/registered-models/get", **ask) for ask in asks]
    assert told[0] == told[1]
    assert "alice" not in told[0].lower()
    assert told[0].endswith(f"Ask its owner or an MLflow admin to share it with you. {WAY_OUT}")


def test_the_real_client_shows_it(people: People) -> None:
    experiment = make(people.alice, "experiment", f"way-out-{secrets.token_hex(4)}")
    shown = people.carol.run(f"""
        import mlflow
        try:
            mlflow.get_experiment("{experiment}")
        except mlflow.MlflowException as refused:
            print(refused.message)
    """)
    assert "You need READ on this experiment, or there is no such experiment." in shown
    assert WAY_OUT in shown


def test_a_name_that_is_taken_can_be_asked_for(people: People) -> None:
    name = f"way-out-{secrets.token_hex(4)}"
    make(people.alice, "experiment", name)
    told = refusal(people.carol, "POST", "2.0/mlflow/experiments/create", json={"name": name})
    assert "choose another name" in told
    assert told.endswith(WAY_OUT)


# --- Where not everybody creates ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def restricted(servers: Servers) -> Iterator[People]:
    """A server where the team of creators makes things, and shares them with its members at once."""
    environment = {
        "RESTRICT_RESOURCE_CREATION": "true",
        "RESOURCE_CREATOR_GROUPS": "the creators",
        "CREATOR_TEAM_PERMISSION": "READ",
    }
    server = servers.start(environment=environment)
    people = People(server, servers.keycloak)
    for person in (people.alice, people.bob, people.carol):
        person.key()
    with server.engine.begin() as connection:
        made = groups.insert().values(source="team", name="the creators", created_at=datetime.now(UTC))
        team = connection.execute(made.returning(groups.c.id)).scalar_one()
        ids = sa.select(users.c.id, sa.literal(team)).where(
            users.c.username.in_([people.alice.email, people.bob.email])
        )
        connection.execute(memberships.insert().from_select(["user_id", "group_id"], ids))
    yield people
    servers.stop(server)


def test_members_create_and_their_team_reads_it_at_once(restricted: People) -> None:
    experiment = make(restricted.alice, "experiment", "made by a creator")
    model = make(restricted.alice, "registered_model", "made-by-a-creator")
    restricted.bob.must("GET", "2.0/mlflow/experiments/get", params={"experiment_id": experiment})
    restricted.bob.must("GET", "2.0/mlflow/registered-models/get", params={"name": model})
    told = refusal(restricted.bob, "DELETE", "2.0/mlflow/registered-models/delete", json={"name": model})
    assert "and have READ" in told
    refusal(restricted.carol, "GET", "2.0/mlflow/experiments/get", params={"experiment_id": experiment})


def test_others_are_told_who_may_create(restricted: People) -> None:
    for path, what in (("experiments", "experiments"), ("registered-models", "registered models or prompts")):
        told = refusal(restricted.carol, "POST", f"2.0/mlflow/{path}/create", json={"name": "carol's own"})
        assert told == (
            f"You may not create {what} here. MLflow admins and the members of the creators may. Ask an MLflow admin."
        )
    make(restricted.root, "experiment", "an admin's own")
