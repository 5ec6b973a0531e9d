"""Promise: what cannot be read, or read in two ways, is refused with 4xx in MLflow's shape, and changes nothing.

Every JSON operation of MLflow that is open to users is asked by its owner, with one thing wrong at a time.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mlflow_oidc_auth.operations.requirements import Admin, Deny, Listing, Public, SignedIn
from mlflow_oidc_auth.operations.table import TABLE
from tests.figures import Figures
from tests.people import People
from tests.promises.asks import Ask, ask_for, family, filled, in_order
from tests.promises.belongings import make_everything, missing
from tests.promises.conftest import Corners
from tests.promises.snapshot import Snapshot, snapshot
from tests.promises.test_a_stranger_sees_nothing import beside_the_prefix
from tests.promises.wire import Answer, Wire, basic

OPEN = tuple(entry for entry in TABLE if not isinstance(entry.requirement, Admin | Deny | Public))
WITH_BODY = tuple(entry for entry in OPEN if (ask := ask_for(entry)) is not None and ask.body is not None)
# The handler does not look at the body.
IGNORES_THE_BODY = {"/api/3.0/mlflow/ui-telemetry"}
# MLflow's OpenTelemetry route answers `{"detail": ...}`.
ANSWERS_OTHERWISE = {"/v1/traces"}
NOT_WITH_THESE_ARTIFACTS = 501
# Plain JSON: a field has one spelling.
NO_MESSAGE = {"/api/2.0/mlflow/runs/create-promptlab-run", "/v1/traces"}


def _camel(name: str) -> str:
    return re.sub(r"_(\w)", lambda found: found[1].upper(), name)


def _doubled(body: dict[str, Any]) -> Iterator[str]:
    """One field in both of protobuf's spellings."""
    for name, value in body.items():
        if _camel(name) != name:
            yield json.dumps({**body, _camel(name): value})


def _repeated(body: dict[str, Any]) -> Iterator[str]:
    """One key twice, with the same value and with another."""
    text = json.dumps(body)
    for name, value in body.items():
        yield text[:-1] + f", {json.dumps(name)}: {json.dumps(value)}}}"
        yield text[:-1] + f', {json.dumps(name)}: "another"}}'
        yield f'{{{json.dumps(name)}: "another", ' + text[1:]


def _wrong_type(body: dict[str, Any]) -> Iterator[str]:
    """One value of another type. (Not `true`: where a number or one of a list of words belongs, protobuf reads 1.)"""
    for name, value in body.items():
        for other in ({"a": {"b": 1}}, [[1, 2]], [{"x": None}], "word" if isinstance(value, int | float) else 7.5):
            if type(other) is not type(value):
                yield json.dumps({**body, name: other})


def _missing_field(body: dict[str, Any]) -> Iterator[str]:
    """One field less, and none at all."""
    for name in body:
        yield json.dumps({other: value for other, value in body.items() if other != name})
    yield "{}"


def _not_json(body: dict[str, Any]) -> Iterator[str]:
    """A body that is no JSON object."""
    text = json.dumps(body)
    yield text[:-1]
    yield text + text
    yield text.replace('"', "'")
    yield f"[{text}]"
    yield json.dumps(text)
    yield "null"
    yield "7"
    yield "name=value&other=value"
    yield "\x00"
    yield '{"a": ' * 20000
    yield "<xml/>"


def _unstorable(body: dict[str, Any]) -> Iterator[str]:
    """Texts that no database stores."""
    for name, value in body.items():
        if isinstance(value, str):
            yield json.dumps({**body, name: f"{value}\x00"})
            yield json.dumps({**body, name: "half \ud800"})


KINDS: dict[str, Callable[[dict[str, Any]], Iterator[str]]] = {
    "a-doubled-field": _doubled,
    "a-repeated-key": _repeated,
    "a-wrong-type": _wrong_type,
    "not-json": _not_json,
    "unstorable-text": _unstorable,
    "a-missing-field": _missing_field,
}
# Not every field is required: what is read then may be done.
MAY_PASS = {"a-missing-field"}


@pytest.fixture(scope="module")
def alices() -> dict[str, dict[str, str]]:
    """What alice made on each server, by its address."""
    return {}


def things_of(people: People, alices: dict[str, dict[str, str]]) -> dict[str, str]:
    """alice's things on a server."""
    url = people.server.url
    if url not in alices:
        alices[url] = make_everything(people.alice, "bad-input")
    return alices[url]


@pytest.fixture
def things(either_database: People, alices: dict[str, dict[str, str]]) -> dict[str, str]:
    """alice's things on this server."""
    return things_of(either_database, alices)


def send(people: People, wire: Wire, ask: Ask, body: str | None, *, prefix: str | None = None) -> Answer:
    """Send a body as it stands, as alice."""
    headers = {**basic(people.alice.email, people.alice.key()), "Content-Type": "application/json", **ask.headers}
    query = "&".join(f"{name}={value}" for name, value in (ask.query or {}).items())
    path = f"{people.server.static_prefix if prefix is None else prefix}{ask.path}" + (f"?{query}" if query else "")
    sent = None if body is None else body.encode("utf-8", "surrogatepass")
    return wire.ask(ask.method, path, headers, sent)


def changes(before: Snapshot, after: Snapshot) -> Counter[tuple[str, str]]:
    """What is there now and was not, and the other way round."""
    return (after - before) + (before - after)


# What is refused before any database is asked is asked on SQLite alone; what a database may stumble over, on both.
ON_BOTH = ("unstorable-text", "a-wrong-type")


@pytest.mark.parametrize(
    ("kind", "make"),
    [(kind, "one-worker-prefix-sqlite") for kind in KINDS]
    + [(kind, "four-workers-prefix-postgresql") for kind in ON_BOTH],
)
def test_a_broken_body_is_refused_and_changes_nothing(
    corners: Corners, alices: dict[str, dict[str, str]], kind: str, make: str, figures: Figures
) -> None:
    people = corners.people(make)
    things, wire = things_of(people, alices), Wire(people.server)
    wrong, passed, asked = [], [], 0
    before = snapshot(people.server)
    for entry, template in in_order(WITH_BODY):
        if family(entry.path) in IGNORES_THE_BODY or (entry.path.startswith("/ajax-api/") and _has_twin(entry.path)):
            continue
        ask = filled(template, things, "bad")
        if kind == "a-doubled-field" and family(entry.path) in NO_MESSAGE:
            continue
        for body in KINDS[kind](ask.body):
            answer = send(people, wire, ask, body)
            asked += 1
            told = f"{entry.method} {entry.path} {body[:120]!r}: {answer.status} {answer.text[:200]}"
            if answer.status >= 500 and answer.status != NOT_WITH_THESE_ARTIFACTS:
                wrong.append(told)
            elif answer.status >= 400 and answer.error_code is None and entry.path not in ANSWERS_OTHERWISE:
                wrong.append(f"not MLflow's shape: {told}")
            elif answer.status < 400:
                passed.append(told)
    after = snapshot(people.server)
    figures.note(f"bad input, {kind} ({people.server.database.split(':')[0]})", f"{asked} requests, {len(passed)} read")
    assert wrong == []
    if kind not in MAY_PASS:
        assert passed == []
        assert changes(before, after) == Counter()


def _has_twin(path: str) -> bool:
    return any(entry.path == family(path) for entry in TABLE)


def test_an_id_that_does_not_exist_is_refused_and_changes_nothing(
    either_database: People, things: dict[str, str]
) -> None:
    """To the one who may see everything too: an admin."""
    people, wire, absent = either_database, Wire(either_database.server), missing("nowhere")
    people.alice.key()
    wrong = []
    before = snapshot(people.server)
    for entry, template in in_order(OPEN):
        ask = filled(template, absent, "nobody")
        texts = {text for value in (template.query, template.body, template.path) for text in [json.dumps(value)]}
        if not any(f"{{{name}}}" in text for text in texts for name in absent if name != "suffix"):
            continue
        body = json.dumps(ask.body) if ask.body is not None else ask.data
        answer = send(people, wire, ask, body, prefix="" if beside_the_prefix(entry) else None)
        if answer.status >= 500 or (answer.status >= 400 and answer.error_code is None):  # the gate answers: no 501
            wrong.append(f"{entry.method} {entry.path}: {answer.status} {answer.text[:200]}")
        if answer.status < 400 and not isinstance(entry.requirement, Listing | SignedIn):
            wrong.append(f"it went well: {entry.method} {entry.path}: {answer.status} {answer.text[:200]}")
    assert wrong == []
    assert changes(before, snapshot(people.server)) == Counter()


def test_a_query_that_names_a_thing_twice_is_refused(either_database: People, things: dict[str, str]) -> None:
    """A single value that stands twice in the query is read in two ways."""
    people, wire = either_database, Wire(either_database.server)
    many = {"run_ids", "trace_ids", "experiment_ids", "scorer_ids", "metric_key"}  # the last is no id
    wrong = []
    for entry, template in in_order(tuple(entry for entry in OPEN if entry.method == "GET")):
        ask = filled(template, things)
        for name, value in (ask.query or {}).items():
            if name in many or (name == "run_id" and "bulk" in ask.path) or isinstance(entry.requirement, SignedIn):
                continue
            twice = Ask(ask.method, f"{ask.path}?{name}=another&{name}={value}", None)
            rest = "&".join(f"{other}={text}" for other, text in ask.query.items() if other != name)
            twice = Ask(ask.method, twice.path + (f"&{rest}" if rest else ""))
            answer = send(people, wire, twice, None)
            if not 400 <= answer.status < 500 or answer.error_code is None:
                wrong.append(f"{entry.method} {twice.path}: {answer.status} {answer.text[:200]}")
    assert wrong == []


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "", "multipart/form-data"])
def test_another_content_type_opens_no_second_reading(
    people: People, content_type: str, request: pytest.FixtureRequest
) -> None:
    """MLflow reads JSON whatever the content type says, so the gate must too: a stranger gains nothing by it."""
    secret = people.alice.must("POST", "2.0/mlflow/experiments/create", json={"name": request.node.name})
    body = json.dumps({"experiment_id": secret["experiment_id"], "key": "a", "value": "b"}).encode()
    headers = {**basic(people.carol.email, people.carol.key())}
    if content_type:
        headers["Content-Type"] = content_type
    path = f"{people.server.static_prefix}/api/2.0/mlflow/experiments/set-experiment-tag"
    answer = Wire(people.server).ask("POST", path, headers, body)
    assert answer.status in (400, 403), answer.text
    assert answer.error_code is not None
