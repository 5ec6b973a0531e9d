"""Grants as JSON on a whole server: what is given is seen by MLflow's own client, until it is taken away."""

from __future__ import annotations

import secrets

import pytest

from tests.http.api.site import GRANTS, PREVIEW
from tests.people import People
from tests.promises.test_ownership import make


def shows(people: People, experiment: str) -> bool:
    answer = people.bob.api("GET", "2.0/mlflow/experiments/get", params={"experiment_id": experiment})
    return answer.status_code == 200


@pytest.mark.parametrize("by_browser", [False, True], ids=["by key", "by browser"])
def test_a_group_is_let_in_and_out_again(people: People, by_browser: bool) -> None:
    people.bob.key()
    experiment = make(people.alice, "experiment", f"grants-{secrets.token_hex(4)}")
    ask = people.alice.ajax if by_browser else people.alice.api
    on = {"resource_type": "experiment", "resource_id": experiment, "group": "/prokube users"}
    assert not shows(people, experiment)
    assert ask("POST", GRANTS, json=on | {"permission": "READ", "expires_at": "2999-12-31"}).status_code == 200
    assert shows(people, experiment)
    told = ask("GET", GRANTS, params={"resource_type": "experiment", "resource_id": experiment}).json()
    assert [(one["username"], one["group"]) for one in told["grants"]] == [
        (people.alice.email, None),
        (None, "/prokube users"),
    ]
    assert ask("DELETE", GRANTS, json=on).json() == {}
    assert not shows(people, experiment)


def test_an_admin_opens_what_is_named_alike_and_what_will_be(people: People) -> None:
    people.bob.key()
    start = f"alike-{secrets.token_hex(4)}-"
    first = make(people.alice, "experiment", f"{start}1")
    on = {"resource_type": "experiment", "pattern": f"{start}*", "username": people.bob.email}
    preview = people.root.must("GET", PREVIEW, params=on)
    assert (preview["experiments"], preview["people"], preview["examples"]) == (1, 1, [f"{start}1"])
    people.root.must("POST", GRANTS, json=on | {"permission": "READ"})
    second = make(people.alice, "experiment", f"{start}2")
    assert shows(people, first)
    assert shows(people, second)
    people.root.must("DELETE", GRANTS, json=on)
    assert not shows(people, first)
    assert not shows(people, second)


def test_previews_and_patterns_are_for_admins(people: People) -> None:
    on = {"resource_type": "experiment", "pattern": "*", "username": people.alice.email}
    assert people.alice.api("GET", PREVIEW, params=on).status_code == 403
    assert people.alice.api("POST", GRANTS, json=on | {"permission": "READ"}).status_code == 403
