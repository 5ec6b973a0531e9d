"""One's own keys as JSON: made once, listed without secrets, revoked by their public id."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import flask
import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from mlflow_oidc_auth import context
from mlflow_oidc_auth.accounts.users import UserStore
from mlflow_oidc_auth.database.tables import users as users_table
from mlflow_oidc_auth.errors import Refusal
from mlflow_oidc_auth.login.claims import Profile
from mlflow_oidc_auth.operations.ours import OURS
from mlflow_oidc_auth.operations.requirements import Admin, AdminInBrowser, InBrowser
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


def client_of(store: TokenStore, users: UserStore) -> FlaskClient:
    app = flask.Flask(__name__)
    app.register_blueprint(token_api(store=store, users=users, max_days=365, clock=lambda: NOW), url_prefix=PREFIX)

    @app.errorhandler(Refusal)
    def refused(refusal: Refusal) -> tuple[flask.Response, int]:
        return flask.jsonify(refusal.body()), refusal.status

    return app.test_client()


@pytest.fixture
def client(store: TokenStore, users: UserStore) -> FlaskClient:
    return client_of(store, users)


def seen_as(user_id: int, name: str, *, is_admin: bool = False) -> context.Filtered:
    credential = Credential(CredentialKind.SESSION, 1, NOW + timedelta(hours=1))
    return context.Filtered(Identity(user_id, f"{name}@example.test", name, is_admin, False, frozenset(), credential))


@pytest.fixture
def as_root(users: UserStore) -> Iterator[None]:
    root = Profile("https://id.example.test", "root-sub", "root@example.test", "root", frozenset(), True)
    with context.viewing(seen_as(users.record_login(root, NOW).id, "root", is_admin=True)):
        yield


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
        "name": "",
        "created_at": "2026-06-01T12:00:00+00:00",
        "expires_at": "2027-01-31T23:59:59+00:00",
        "last_used_at": None,
        "replaced_at": None,
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
                "name": "",
                "created_at": "2026-06-01T12:00:00+00:00",
                "expires_at": "2027-01-31T23:59:59+00:00",
                "last_used_at": "2026-06-01T12:00:00+00:00",
                "replaced_at": None,
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
    "an empty name": b'{"expires_at": "2027-01-31", "name": ""}',
    "a long name": b'{"expires_at": "2027-01-31", "name": "%s"}' % (b"x" * 65),
    "a name of two lines": b'{"expires_at": "2027-01-31", "name": "a\\nb"}',
    "a name that is no text": b'{"expires_at": "2027-01-31", "name": 7}',
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


@pytest.mark.usefixtures("as_alice")
def test_where_several_keys_are_allowed_a_key_is_named(
    engine: sa.Engine, users: UserStore, alice: int, path: str
) -> None:
    store = TokenStore(engine, max_per_user=2)
    client = client_of(store, users)
    nameless = client.post(path, json={"expires_at": "2027-01-31"})
    assert (nameless.status_code, "a name" in nameless.get_json()["message"]) == (400, True)
    for name in ("laptop", "ci"):
        assert client.post(path, json={"expires_at": "2027-01-31", "name": name}).get_json()["name"] == name
    full = client.post(path, json={"expires_at": "2027-01-31", "name": "nightly"})
    assert (full.status_code, "may have 2" in full.get_json()["message"]) == (400, True)
    assert client.post(path, json={"expires_at": "2027-01-31", "name": "ci"}).status_code == 200
    assert [key["name"] for key in client.get(path).get_json()["tokens"]] == ["ci", "laptop"]
    assert len(store.active_of(alice, NOW)) == 2


# --- those of others -------------------------------------------------------------------------------------


def of(path: str, name: str) -> str:
    """The address of the keys of somebody."""
    return path.replace("/current/", f"/{name}@example.test/")


@pytest.mark.usefixtures("as_root")
def test_an_admin_makes_a_key_for_a_service_account(
    engine: sa.Engine, client: FlaskClient, store: TokenStore, alice: int, path: str
) -> None:
    with engine.begin() as connection:
        connection.execute(users_table.update().where(users_table.c.id == alice).values(is_service_account=True))
    made = client.post(of(path, "alice"), json={"expires_at": "2027-01-31"})
    assert (made.status_code, made.headers["Cache-Control"]) == (200, "no-store")
    (row,) = store.active_of(alice, NOW)
    assert (row.public_id, row.created_by) == (made.get_json()["id"], "root@example.test")
    key = parse(made.get_json()["token"])
    assert isinstance(key, ParsedToken)
    assert isinstance(store.identify(key, NOW), Identity)


@pytest.mark.usefixtures("as_root")
def test_an_admin_makes_no_key_for_a_person_in_whose_name_it_would_act(
    client: FlaskClient, store: TokenStore, alice: int, path: str
) -> None:
    answer = client.post(of(path, "alice"), json={"expires_at": "2027-01-31"})
    assert (answer.status_code, answer.get_json()["error_code"]) == (403, "PERMISSION_DENIED")
    assert "People make their own access keys" in answer.get_json()["message"]
    assert store.active_of(alice, NOW) == []


@pytest.mark.usefixtures("as_root")
def test_an_admin_sees_and_revokes_the_keys_of_anybody(
    client: FlaskClient, store: TokenStore, alice: int, bob: int, path: str
) -> None:
    rows = [store.create(user, NOW + timedelta(days=1), by="x", now=NOW)[1] for user in (alice, bob)]
    assert [key["id"] for key in client.get(of(path, "alice")).get_json()["tokens"]] == [rows[0].public_id]
    assert client.delete(f"{of(path, 'bob')}/{rows[0].public_id}").status_code == 404
    assert client.delete(f"{of(path, 'alice')}/{rows[0].public_id}").status_code == 200
    assert (store.active_of(alice, NOW), len(store.active_of(bob, NOW))) == ([], 1)


@pytest.mark.usefixtures("as_root")
def test_the_keys_of_nobody_are_not_found(client: FlaskClient, path: str) -> None:
    for answer in (
        client.get(of(path, "nobody")),
        client.post(of(path, "nobody"), json={"expires_at": "2027-01-31"}),
        client.delete(f"{of(path, 'nobody')}/x"),
    ):
        assert (answer.status_code, answer.get_json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")


def test_no_key_lists_or_makes_keys_and_those_of_others_are_for_admins(client: FlaskClient) -> None:
    served = {
        (method, rule.rule.removeprefix(PREFIX))
        for rule in client.application.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.endpoint.startswith("oidc_auth_tokens.")
    }
    assert len(served) == 12
    needs = {(entry.method, entry.path): entry.requirement for entry in OURS}
    for method, path in served:
        of_others = "<username>" in path
        others = Admin() if method == "DELETE" else AdminInBrowser()
        assert needs[method, path] == (others if of_others else InBrowser()), f"{method} {path}"
