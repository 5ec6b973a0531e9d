"""One's own keys as JSON: made once, listed without secrets, revoked by their public id."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import flask
import pytest
from flask.testing import FlaskClient

from mlflow_oidc_auth import context
from mlflow_oidc_auth.errors import Refusal
from mlflow_oidc_auth.operations.ours import OURS
from mlflow_oidc_auth.operations.requirements import InBrowser
from mlflow_oidc_auth.tokens.format import ParsedToken, parse
from mlflow_oidc_auth.tokens.store import TokenStore
from mlflow_oidc_auth.tokens.web import token_api
from mlflow_oidc_auth.vocabulary import Credential, CredentialKind, Identity
from tests.unit.tokens.conftest import NOW

PREFIX = "/mlflow"


@pytest.fixture(params=["api", "ajax-api"])
def path(request: pytest.FixtureRequest) -> str:
    """Each of the two addresses, under a static prefix."""
    return f"{PREFIX}/{request.param}/2.0/mlflow/users/current/tokens"


@pytest.fixture
def client(store: TokenStore) -> FlaskClient:
    app = flask.Flask(__name__)
    app.register_blueprint(token_api(store=store, max_days=365, clock=lambda: NOW), url_prefix=PREFIX)

    @app.errorhandler(Refusal)
    def refused(refusal: Refusal) -> tuple[flask.Response, int]:
        return flask.jsonify(refusal.body()), refusal.status

    return app.test_client()


def seen_as(user_id: int, name: str) -> context.Filtered:
    credential = Credential(CredentialKind.SESSION, 1, NOW + timedelta(hours=1))
    return context.Filtered(Identity(user_id, f"{name}@example.test", name, False, False, frozenset(), credential))


@pytest.fixture
def as_alice(alice: int) -> Iterator[None]:
    with context.viewing(seen_as(alice, "alice")):
        yield


@pytest.mark.usefixtures("as_alice")
def test_a_key_is_made_shown_once_and_works(client: FlaskClient, store: TokenStore, alice: int, path: str) -> None:
    answer = client.post(path, json={"expires_at": "2027-01-31"})
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.get_json()
    key = parse(body["token"])
    assert isinstance(key, ParsedToken)
    assert body == {
        "token": body["token"],
        "id": key.public_id,
        "created_at": "2026-06-01T12:00:00+00:00",
        "expires_at": "2027-01-31T23:59:59+00:00",
        "last_used_at": None,
    }
    identity = store.identify(key, NOW)
    assert isinstance(identity, Identity)
    assert identity.user_id == alice

    listed = client.get(path)
    assert listed.headers["Cache-Control"] == "no-store"
    assert key.secret not in listed.get_data(as_text=True)
    assert listed.get_json() == {
        "tokens": [
            {
                "id": key.public_id,
                "created_at": "2026-06-01T12:00:00+00:00",
                "expires_at": "2027-01-31T23:59:59+00:00",
                "last_used_at": "2026-06-01T12:00:00+00:00",
            }
        ]
    }


@pytest.mark.usefixtures("as_alice")
def test_a_key_is_revoked_by_its_public_id(client: FlaskClient, store: TokenStore, path: str) -> None:
    made = client.post(path, json={"expires_at": "2027-01-31"}).get_json()
    answer = client.delete(f"{path}/{made['id']}")
    assert (answer.status_code, answer.get_json()) == (200, {})
    key = parse(made["token"])
    assert isinstance(key, ParsedToken)
    assert not store.identify(key, NOW)
    assert client.get(path).get_json() == {"tokens": []}
    again = client.delete(f"{path}/{made['id']}")
    assert (again.status_code, again.get_json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")


def test_nobody_sees_or_revokes_the_keys_of_another(
    client: FlaskClient, store: TokenStore, alice: int, bob: int, path: str
) -> None:
    row = store.create(alice, NOW + timedelta(days=1), by="alice@example.test", now=NOW)[1]
    with context.viewing(seen_as(bob, "bob")):
        assert client.get(path).get_json() == {"tokens": []}
        assert client.delete(f"{path}/{row.public_id}").status_code == 404
        assert client.post(path, json={"expires_at": "2027-01-31"}).status_code == 200
    assert [kept.public_id for kept in store.active_of(alice, NOW)] == [row.public_id]


BAD_BODIES: dict[str, Any] = {
    "nothing": b"",
    "no JSON": b"expires_at=2027-01-31",
    "a list": b'["2027-01-31"]',
    "no field": b"{}",
    "another field": b'{"expires_at": "2027-01-31", "user": "bob@example.test"}',
    "a doubled field": b'{"expires_at": "2027-01-31", "expiresAt": "2027-01-31"}',
    "a repeated key": b'{"expires_at": "2027-01-31", "expires_at": "2026-06-02"}',
    "a number": b'{"expires_at": 20270131}',
    "null": b'{"expires_at": null}',
    "empty": b'{"expires_at": ""}',
    "NUL": b'{"expires_at": "2027-01-31\\u0000"}',
    "not a date": b'{"expires_at": "next year"}',
    "the past": b'{"expires_at": "2026-05-31"}',
    "too far": b'{"expires_at": "2027-06-02"}',
}


@pytest.mark.usefixtures("as_alice")
@pytest.mark.parametrize("case", BAD_BODIES)
def test_a_bad_request_makes_nothing_and_revokes_nothing(
    client: FlaskClient, store: TokenStore, alice: int, path: str, case: str
) -> None:
    row = store.create(alice, NOW + timedelta(days=1), by="alice@example.test", now=NOW)[1]
    answer = client.post(path, data=BAD_BODIES[case], content_type="application/json")
    assert (answer.status_code, answer.get_json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert [kept.public_id for kept in store.active_of(alice, NOW)] == [row.public_id]


@pytest.mark.usefixtures("as_alice")
def test_a_date_that_may_not_be_chosen_is_answered_with_those_that_may(client: FlaskClient, path: str) -> None:
    answer = client.post(path, json={"expires_at": "2027-06-02"}).get_json()
    assert "from 2026-06-01 to 2027-06-01" in answer["message"]


@pytest.mark.usefixtures("as_alice")
@pytest.mark.parametrize("token_id", ["x", "%00%00", "%ff%fe", "1", "..", "A" * 12, "A" * 5000])
def test_an_id_that_is_not_there_is_not_found(client: FlaskClient, path: str, token_id: str) -> None:
    assert client.delete(f"{path}/{token_id}").status_code == 404


def test_without_an_identity_there_is_nothing(client: FlaskClient, path: str) -> None:
    for view in (None, context.System("a test")):
        with context.viewing(view):
            answers = [
                client.get(path),
                client.post(path, json={"expires_at": "2027-01-31"}),
                client.delete(f"{path}/x"),
            ]
        assert [answer.status_code for answer in answers] == [401, 401, 401]


def test_each_operation_needs_a_browser_session(client: FlaskClient) -> None:
    served = {
        (method, rule.rule.removeprefix(PREFIX))
        for rule in client.application.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.endpoint.startswith("oidc_auth_tokens.")
    }
    listed = {(entry.method, entry.path) for entry in OURS if entry.requirement == InBrowser()}
    assert len(served) == 6
    assert served <= listed
