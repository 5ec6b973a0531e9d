"""Promise: who has nothing on a resource sees nothing of it and changes nothing, whatever they ask with its ids.

alice makes one of everything; carol walks every operation with alice's ids in it.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

import mlflow
import pytest
import requests

from mlflow_oidc_auth.operations.coverage import release
from mlflow_oidc_auth.operations.ours import OURS
from mlflow_oidc_auth.operations.requirements import Admin, AdminInBrowser, Deny, Entry, InBrowser, Public
from mlflow_oidc_auth.operations.table import TABLE
from tests.figures import Figures
from tests.people import OUR_PAGE, People, Person
from tests.promises.asks import GRAPHQL, Ask, address, ask_for, family, filled, in_order
from tests.promises.belongings import MARK, Ids, make_everything, missing
from tests.promises.snapshot import snapshot

# MLflow serves these with an S3-like store only; `test_the_story.py` asks them there.
NEEDS_S3 = {
    "/api/2.0/mlflow/artifacts/presigned-download-url",
    "/api/2.0/mlflow/artifacts/presigned-upload-url",
    "/api/2.0/mlflow-artifacts/presigned/<path:artifact_path>",
    "/api/2.0/mlflow-artifacts/mpu/create/<path:artifact_path>",
    "/api/2.0/mlflow-artifacts/mpu/complete/<path:artifact_path>",
    "/api/2.0/mlflow-artifacts/mpu/abort/<path:artifact_path>",
}
# MLflow compares a number with text there, which psycopg 3 does not let pass; it fails without us too.
FAILS_ON_POSTGRESQL = {"/api/3.0/mlflow/datasets/<dataset_id>/add-experiments"}
WALKED = tuple(entry for entry in TABLE if ask_for(entry) is not None)
ADMINS = tuple(
    entry
    for entry in (*TABLE, *OURS)
    if isinstance(entry.requirement, Admin | Deny) and release(entry.since or "0") <= release(mlflow.__version__)
)


@dataclass
class Walk:
    """What came back from a walk."""

    asked: int = 0
    seen: list[str] = field(default_factory=list)  # answers that hold something they must not
    failed: list[str] = field(default_factory=list)  # 5xx
    succeeded: Counter[tuple[str, str]] = field(default_factory=Counter)  # (method, family) with a 2xx
    answers: dict[tuple[str, str], requests.Response] = field(default_factory=dict)

    def take(self, entry: Entry, ask: Ask, answer: requests.Response, hidden: set[str]) -> None:
        """Judge one answer."""
        self.asked += 1
        at = f"{entry.method} {entry.path}: {answer.status_code}"
        text = answer.text
        for sent in sorted(ask.texts(), key=len, reverse=True):
            text = text.replace(sent, "")
        found = sorted(item for item in hidden if item in text)
        if found:
            self.seen.append(f"{at} shows {found}: {answer.text[:300]}")
        if answer.status_code >= 500 and answer.status_code != 501:
            self.failed.append(f"{at} {answer.text[:300]}")
        if answer.ok:
            self.succeeded[entry.method, family(entry.path)] += 1
        self.answers[entry.method, entry.path] = answer


def walk(person: Person, sets: dict[str, Ids], hidden: set[str]) -> Walk:
    """Ask for everything: `/ajax-api/` operations with one set of ids, the others with another."""
    result = Walk()
    for entry, template in in_order(WALKED):
        ask = filled(template, sets["ajax" if entry.path.startswith("/ajax-api/") else "api"], person.name)
        result.take(entry, ask, send(person, entry, ask), hidden)
    return result


def send(person: Person, entry: Entry, ask: Ask) -> requests.Response:
    """Some of MLflow's routes are not below the static prefix."""
    arguments = ask.arguments()
    if beside_the_prefix(entry):
        address_ = f"{person.server.host}{ask.path}"
        auth = (person.email, person.key())
        return requests.request(ask.method, address_, auth=auth, timeout=60, **arguments)
    return person.ask(ask.method, ask.path, **arguments)


def beside_the_prefix(entry: Entry) -> bool:
    """MLflow's native artifact routes, and Flask's own for files."""
    return "{artifact_path:path}" in entry.path or entry.path.startswith("/build/")


def secrets_of(*sets: Ids) -> set[str]:
    """What tells of somebody's things: the mark, and every id that is long enough to be no accident."""
    return {MARK, "424242"} | {value for ids in sets for value in ids.values() if len(value) > 12}


@pytest.fixture(scope="module")
def belongings() -> dict[str, dict[str, dict[str, str]]]:
    """What alice made on each server, by the server's address."""
    return {}


@pytest.fixture
def alices(either_database: People, belongings: dict[str, dict[str, dict[str, str]]]) -> dict[str, dict[str, str]]:
    """alice's things on this server: a set for each walk."""
    url = either_database.server.url
    if url not in belongings:
        names = ("api", "ajax", "root-api", "root-ajax")
        belongings[url] = {name: make_everything(either_database.alice, name) for name in names}
    return belongings[url]


def test_a_stranger_walks_every_operation_and_sees_and_changes_nothing(
    either_database: People, alices: dict[str, dict[str, str]], figures: Figures
) -> None:
    people = either_database
    people.carol.key()
    before = snapshot(people.server)
    result = walk(people.carol, alices, secrets_of(*alices.values()))
    after = snapshot(people.server)
    assert result.seen == []
    assert result.failed == []
    lost = before - after
    assert lost == Counter(), "the stranger changed something"
    gained = [f"{table}: {row}" for table, row in after - before if not _of_carols_own(table, row)]
    assert gained == []
    served = sum(1 for answer in result.answers.values() if answer.ok)
    figures.note(
        f"walk of a stranger ({people.server.database.split(':')[0]})",
        f"{result.asked} requests with somebody's ids, {served} answered 2xx, 0 of them with anything of theirs",
    )


def _of_carols_own(table: str, row: str) -> bool:
    """What carol's creates left: an experiment and a model of her own."""
    if table in ("experiments", "registered_models"):
        return "-carol" in row
    if table in ("oidc_auth_experiment_grants", "oidc_auth_named_grants", "oidc_auth_audit_records"):
        return "carol@example.test" in row
    return False


def test_graphql_shows_a_stranger_nothing(either_database: People, alices: dict[str, dict[str, str]]) -> None:
    people = either_database
    for field_, document in GRAPHQL.items():
        query = document.format_map(alices["api"])
        mine = people.alice.ask("POST", "graphql", json={"query": query})
        assert mine.status_code == 200, f"{field_}: {mine.text}"
        assert mine.json()["data"][field_.split(".")[1]], f"{field_}: {mine.text}"
        assert "424242" in mine.text or MARK in mine.text or alices["api"]["run"] in mine.text, f"{field_}: {mine.text}"
        theirs = people.carol.ask("POST", "graphql", json={"query": query})
        assert theirs.status_code < 500, f"{field_}: {theirs.text}"
        text = theirs.text
        for sent in alices["api"].values():
            text = text.replace(sent, "")
        assert MARK not in text, f"{field_}: {theirs.text}"
        assert "424242" not in text, f"{field_}: {theirs.text}"
        assert "files" not in text or '"path"' not in text, f"{field_}: {theirs.text}"


@pytest.mark.parametrize("sent_by", ["key", "session"])
def test_admins_operations_are_refused_to_everybody_else(either_database: People, sent_by: str) -> None:
    carol = either_database.carol
    wrong = []
    for entry in ADMINS:
        path = address(entry.path).replace("{", "").replace("}", "")
        url = f"{carol.server.host if beside_the_prefix(entry) else carol.server.url}{path}"
        if sent_by == "key":
            answer = requests.request(entry.method, url, auth=(carol.email, carol.key()), timeout=60)
        elif beside_the_prefix(entry):
            continue  # the cookie is not sent there
        else:
            answer = carol.browser.request(entry.method, url, headers=OUR_PAGE, allow_redirects=False, timeout=60)
        if answer.status_code != 403 or answer.json()["error_code"] != "PERMISSION_DENIED":
            wrong.append(f"{entry.method} {entry.path}: {answer.status_code} {answer.text[:200]}")
    assert wrong == []


def test_what_is_hidden_and_what_is_missing_are_answered_alike(
    either_database: People, alices: dict[str, dict[str, str]]
) -> None:
    people, hidden, absent = either_database, alices["api"], missing("absent")
    different = []
    for entry, template in in_order(WALKED):
        if entry.path.startswith("/ajax-api/") and "/api/" in family(entry.path) and _has_twin(entry):
            continue
        first, second = filled(template, hidden, "carol-1"), filled(template, absent, "carol-2")
        if first == second or _names_nothing(template):
            continue
        one, other = send(people.carol, entry, first), send(people.carol, entry, second)
        if (one.status_code, _neutral(one.text, hidden)) != (other.status_code, _neutral(other.text, absent)):
            different.append(
                f"{entry.method} {entry.path}: hidden {one.status_code} {one.text[:200]} / "
                f"missing {other.status_code} {other.text[:200]}"
            )
    assert different == []


def _has_twin(entry: Entry) -> bool:
    return any(other.method == entry.method and other.path == family(entry.path) for other in TABLE)


def _names_nothing(template: Ask) -> bool:
    texts = [text for text in template.texts() if "{" in text]
    return all("{suffix}" in text or "{who}" in text for text in texts)


def _neutral(text: str, ids: Ids) -> str:
    """The answer with a name for each id that was sent."""
    for name, value in sorted(ids.items(), key=lambda item: len(item[1]), reverse=True):
        text = re.sub(rf"(?<![\w-]){re.escape(value)}(?![\w-])", f"<{name}>", text)
    return text.replace("carol-1", "<who>").replace("carol-2", "<who>")


@pytest.mark.parametrize("who", ["root", "alice"])
def test_the_control_the_walk_works_for_owner_and_admin(
    either_database: People, alices: dict[str, dict[str, str]], who: str, figures: Figures
) -> None:
    """Comes last: it deletes what it walks over."""
    people = either_database
    person: Person = getattr(people, who)
    prefix = "root-" if who == "root" else ""
    result = walk(person, {"api": alices[f"{prefix}api"], "ajax": alices[f"{prefix}ajax"]}, set())
    families = {(entry.method, family(entry.path)) for entry in WALKED}
    not_served = sorted(f"{method} {path}" for method, path in families - result.succeeded.keys())
    known = NEEDS_S3 | (FAILS_ON_POSTGRESQL if people.server.database.startswith("postgresql") else set())
    assert [item for item in not_served if item.split(" ", 1)[1] not in known] == []
    assert result.failed == []
    figures.note(
        f"the same walk as {'the owner' if who == 'alice' else 'an admin'} ({people.server.database.split(':')[0]})",
        f"{len(families) - len(not_served)} of {len(families)} operations answered 2xx",
    )


def test_every_operation_that_is_open_to_users_is_walked() -> None:
    """A new operation must be put into the walk, or this fails."""
    asked_otherwise = {"/graphql", "/health", "/static-files/<path:path>"}
    left_out = [
        f"{entry.method} {entry.path}"
        for entry in TABLE
        if not isinstance(entry.requirement, Admin | AdminInBrowser | Deny | Public | InBrowser)
        and ask_for(entry) is None
        and entry.path not in asked_otherwise
    ]
    assert left_out == []
