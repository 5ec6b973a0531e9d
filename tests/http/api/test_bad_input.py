"""Whatever is wrong with a request: 4xx in MLflow's error shape, never 5xx, and nothing changed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import flask
import pytest
import sqlalchemy as sa
from werkzeug.test import TestResponse

from mlflow_oidc_auth.app import blueprints, join
from mlflow_oidc_auth.web.json_api import JsonRoute
from mlflow_oidc_auth.web.openapi import routes_of
from tests.http.api.site import (
    CURRENT,
    LIST_USERS,
    MY_PERMISSIONS,
    PREFIX,
    ROLE_LIST,
    Person,
    Site,
    email,
)
from tests.settings import settings


@dataclass(frozen=True)
class Asked:
    """One operation, and fields with which it works."""

    method: str
    path: str
    fields: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.method} {self.path.rsplit('mlflow/', 1)[1].replace('/', ' ')}"


def routes() -> list[JsonRoute]:
    """All our JSON operations, as their handlers declare them."""
    described = flask.Flask("described")
    for blueprint in blueprints(join(sa.create_engine("sqlite://"), settings(), "")):
        described.register_blueprint(blueprint)
    return routes_of(described)


# What a field holds with which a request makes sense.
GOOD: dict[str, Any] = {
    "username": email("alice"),
    "owner": email("alice"),
    "to": email("bob"),
    "resource_type": "experiment",
    "resource_id": "7",
    "resource_pattern": "7",
    "pattern": "team-*",
    "permission": "MANAGE",
    "name": "something",
    "workspace": "default",
    "purpose": "tests",
    "expires_at": "2026-12-31",
    "is_active": True,
    "role_id": 1,
    "role_permission_id": 1,
}
# Fields that a request needs though none of them is needed by itself.
ALSO = {
    ("POST", "2.0/mlflow/grants"): ("resource_id", "username"),
    ("DELETE", "2.0/mlflow/grants"): ("resource_id", "username"),
    ("GET", "2.0/mlflow/grants/preview"): ("username",),
    ("PATCH", "2.0/mlflow/groups/1"): ("name",),
    ("PATCH", f"2.0/mlflow/service-accounts/{email('alice')}"): ("purpose",),
}
_PATH_PARTS = {"username": email("alice"), "token_id": "x"}


def asked_of(route: JsonRoute) -> Asked:
    """The operation, with the fields that it needs."""
    model = route.body or route.query
    path = re.sub(r"<(?:int:)?(\w+)>", lambda part: _PATH_PARTS.get(part[1], "1"), route.path)
    needed = [name for name, field in model.model_fields.items() if field.is_required()] if model else []
    names = (*needed, *ALSO.get((route.method, path), ()))
    text = str if route.body is None else lambda value: value
    return Asked(route.method, path, {name: text(GOOD[name]) for name in names})


EVERY = [asked_of(route) for route in routes()]
WITH_FIELDS = [asked for asked in EVERY if asked.fields]
WITHOUT_FIELDS = tuple(Asked("GET", path, {}) for path in (CURRENT, LIST_USERS, MY_PERMISSIONS, ROLE_LIST))
BY_BODY = [asked for asked in WITH_FIELDS if asked.method != "GET"]
BY_QUERY = [asked for asked in WITH_FIELDS if asked.method == "GET"]

LONG = "x" * 2000
HALF_A_PAIR = "\ud83d"
BAD_TEXT = {
    "empty": "",
    "blank": "  ",
    "NUL": "al\0ice",
    "half of a character pair": HALF_A_PAIR,
    "long": LONG,
}
WRONG_TYPES: dict[str, Any] = {
    "null": None,
    "number": 7,
    "fraction": 7.5,
    "true": True,
    "list": ["alice@example.test"],
    "object": {"username": "alice@example.test"},
}
NOWHERE = {
    "no such user": {"username": "nobody@example.test"},
    "no such experiment": {"resource_id": "4711"},
    "an experiment id beyond every number": {"resource_id": "9" * 1000},
    "a negative experiment id": {"resource_id": "-7"},
    "an experiment id that is a name": {"resource_id": "team-a sales"},
    "no such model": {"resource_type": "registered_model", "resource_id": "nothing"},
    "no such prompt": {"resource_type": "prompt", "resource_id": "nothing"},
    "no such role": {"role_id": "4711"},
    "a role id beyond every number": {"role_id": "9" * 1000},
    "a role id beyond the database's numbers": {"role_id": str(2**40)},
    "a negative role id": {"role_id": "-1"},
    "a role's name": {"role_id": "/readers"},
    "a user's own role": {"role_id": "0"},
    "no such type": {"resource_type": "kettle"},
    "no such permission": {"permission": "OWN"},
    "a permission in lower case": {"permission": "manage"},
    "MLflow's DENY": {"permission": "DENY"},
    "no pattern": {"pattern": "team"},
}
NO_JSON = {
    "nothing": b"",
    "text": b"username=alice@example.test",
    "half": b'{"username": "alice@ex',
    "bytes": b"\xff\xfe\x00",
    "list": b"[]",
    "string": b'"alice"',
    "null": b"null",
    "NaN": b'{"username": NaN}',
    "deep": b"[" * 20_000,
    "big": b'{"username": "' + b"x" * 70_000 + b'"}',
}


@pytest.fixture
def people(site: Site) -> list[Person]:
    """Those for whom the request would otherwise work."""
    return [site.person("alice"), site.person("root")]


@pytest.fixture(autouse=True)
def nothing_changes(site: Site) -> Iterator[None]:
    """After every test here, everything is as it was."""
    before = site.everything()
    yield
    assert site.everything() == before


def each(values: Iterable[Asked]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("asked", values, ids=str)


def refused(answer: TestResponse, what: object, status: int | None = None) -> None:
    assert 400 <= answer.status_code < 500, f"{what}: {answer.status_code} {answer.text}"
    assert status in (None, answer.status_code), f"{what}: {answer.status_code}"
    told = answer.json
    assert isinstance(told, dict), what
    assert set(told) == {"error_code", "message"}, what
    assert all(isinstance(text, str) and text for text in told.values()), what
    assert LONG not in told["message"], what


def test_what_takes_fields_is_here() -> None:
    assert len(EVERY) > 50
    assert {str(asked) for asked in BY_BODY} >= {"POST grants", "POST groups", "PATCH roles update"}


@each(WITH_FIELDS)
def test_a_field_is_missing(people: list[Person], asked: Asked) -> None:
    for person, field in product(people, asked.fields):
        rest = {name: value for name, value in asked.fields.items() if name != field}
        refused(person.ask(asked.method, asked.path, rest), field, 400)
        refused(person.ask(asked.method, asked.path, {}), field, 400)


@each(BY_BODY)
def test_a_field_has_the_wrong_type(people: list[Person], asked: Asked) -> None:
    for person, field, (what, value) in product(people, asked.fields, WRONG_TYPES.items()):
        if type(value) is type(GOOD[field]):
            continue
        refused(person.ask(asked.method, asked.path, asked.fields | {field: value}), f"{field}: {what}", 400)


@each(WITH_FIELDS)
def test_a_field_holds_text_that_can_be_nothing(people: list[Person], asked: Asked) -> None:
    for person, field, (what, text) in product(people, asked.fields, BAD_TEXT.items()):
        if asked.method != "GET" or text != HALF_A_PAIR:  # no address can hold that
            refused(person.ask(asked.method, asked.path, asked.fields | {field: text}), f"{field}: {what}", 400)


@each(WITH_FIELDS)
def test_a_field_names_what_is_not_there(people: list[Person], asked: Asked) -> None:
    for person, (what, wrong) in product(people, NOWHERE.items()):
        if what == "MLflow's DENY" and "roles/" in asked.path:
            continue  # what its own page calls NO_PERMISSIONS
        if wrong.keys() <= asked.fields.keys():
            refused(person.ask(asked.method, asked.path, asked.fields | wrong), what)


@each(BY_BODY)
def test_the_body_is_no_json_object(people: list[Person], asked: Asked) -> None:
    for person, (what, raw) in product(people, NO_JSON.items()):
        refused(person.send(asked.method, asked.path, raw), what, 400)


@each(BY_BODY)
def test_a_key_is_there_twice(people: list[Person], asked: Asked) -> None:
    whole = json.dumps(asked.fields)
    for person, (field, value) in product(people, asked.fields.items()):
        for again in (value, "something else"):
            twice = f"{whole[:-1]}, {json.dumps(field)}: {json.dumps(again)}}}"
            refused(person.send(asked.method, asked.path, twice.encode()), field, 400)


@each(BY_BODY)
def test_a_field_is_spelled_twice_or_unknown(people: list[Person], asked: Asked) -> None:
    for person, more in product(people, ("resourceId", "resource_ID", "userName", "expires_at", LONG, "é\n")):
        if more in asked.fields:
            continue
        refused(person.ask(asked.method, asked.path, asked.fields | {more: "4711"}), more, 400)


@each(BY_QUERY)
def test_a_parameter_is_there_twice(people: list[Person], asked: Asked) -> None:
    for person, (field, value) in product(people, asked.fields.items()):
        for again in (value, "something else"):
            refused(person.get(asked.path, **(asked.fields | {field: [value, again]})), field, 400)


@each(BY_QUERY)
def test_a_parameter_is_no_text(site: Site, asked: Asked) -> None:
    raw = "&".join(f"{field}=%ff%fe" for field in asked.fields)
    refused(site.app.test_client().get(f"{PREFIX}/api/{asked.path}?{raw}", auth=(email("root"), "key")), raw)


@each(BY_BODY)
def test_a_form_is_no_json(site: Site, asked: Asked) -> None:
    client = site.app.test_client()
    address, auth = f"{PREFIX}/api/{asked.path}", (email("root"), "key")
    refused(client.open(address, method=asked.method, data=asked.fields, auth=auth), "a form", 400)


@each(WITHOUT_FIELDS)
def test_what_needs_no_fields_ignores_them(people: list[Person], asked: Asked) -> None:
    for person in people:
        answer = person.get(asked.path, username="nobody@example.test")
        assert (answer.status_code, answer.json) == (200, person.get(asked.path).json)
