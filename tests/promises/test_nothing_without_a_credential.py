"""Promise: without a credential that holds, nothing is served but the few operations that are public."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
import requests

from mlflow_oidc_auth.database.tables import tokens
from mlflow_oidc_auth.operations.ours import OURS
from mlflow_oidc_auth.operations.requirements import Entry, Public
from mlflow_oidc_auth.operations.table import TABLE
from mlflow_oidc_auth.tokens.format import _checksum, new_token
from tests.figures import Figures
from tests.people import SESSION_COOKIE, People, Person
from tests.promises.asks import address, ask_for, filled
from tests.promises.our_asks import nothing_of_ours, ours_in_order
from tests.promises.wire import Answer, Wire, basic, bearer

EVERY = (*TABLE, *OURS)
PUBLIC = {(entry.method, entry.path) for entry in EVERY if isinstance(entry.requirement, Public)}
PROGRAM = {"Accept": "*/*", "User-Agent": "mlflow-python-client/3.17.2"}
AJAX = {"User-Agent": "Mozilla/5.0 (X11) Chrome/156", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"}
NAVIGATION = {
    "User-Agent": "Mozilla/5.0 (X11) Chrome/156",
    "Accept": "text/html,application/xhtml+xml",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Site": "none",
}
BODY = b'{"experiment_id": "1", "name": "x", "run_id": "x"}'


def concrete(entry: Entry) -> str:
    """An address of this entry, with made-up values in it."""
    ask = ask_for(entry)
    return re.sub(r"{\w+}", "1", ask.path if ask is not None else address(entry.path))


def everything(prefix: str) -> Iterator[tuple[str, str]]:
    """(method, path) of every operation but the public ones."""
    for entry in EVERY:
        if (entry.method, entry.path) not in PUBLIC:
            yield entry.method, f"{prefix}{concrete(entry)}"


def everything_else(prefix: str) -> Iterator[tuple[str, str]]:
    """The same beside the prefix, and by the methods that frameworks answer of themselves."""
    for entry in EVERY:
        if (entry.method, entry.path) in PUBLIC:
            continue
        path = concrete(entry)
        yield entry.method, path
        if entry.method == "GET":
            yield "HEAD", f"{prefix}{path}"
        yield "OPTIONS", f"{prefix}{path}"


def junk(prefix: str) -> Iterator[tuple[str, str]]:
    """Spellings that one reader may take for an operation and another not."""
    for path in ("/api/2.0/mlflow/experiments/search", "/ajax-api/2.0/mlflow/experiments/search", "/version", "/"):
        for spelled in (
            f"/{prefix}{path}",
            f"//{prefix}{path}",
            f"{prefix}/{path}",
            f"{prefix}/.{path}",
            f"{prefix}/health/..{path}",
            f"{prefix}/static-files/..{path}",
            f"{prefix}/static-files/%2e%2e{path}",
            f"{prefix}/login/..{path}",
            f"{prefix}/health/ready/../..{path}",
            f"{prefix}{path};",
            f"{prefix}{path};a=b",
            f"{prefix}{path}%00",
            f"{prefix}{path}%2f",
            f"{prefix}{path}/",
            f"{prefix}{path}//",
            f"{prefix}%2f{path.lstrip('/')}",
            f"{prefix}/%61pi{path.removeprefix('/api')}",
            f"{prefix}{prefix}{path}",
            f"{prefix.upper()}{path}",
            f"{prefix}{path.upper()}",
            f"http://127.0.0.1{prefix}{path}",
            f"http://evil.example/static-files{path}",
            f"{prefix}/health?{path}",
            f"{prefix}/health#{path}",
            f"{prefix}\\{path}",
            f"{prefix}/\t{path}".replace("\t", "%09"),
        ):
            yield "GET", spelled
            yield "POST", spelled
    for method in ("TRACE", "CONNECT", "PROPFIND", "BREW"):
        yield method, f"{prefix}/api/2.0/mlflow/experiments/search"


def is_public(path: str, prefix: str) -> bool:
    """What is said to be public, as far as this walk spells it; and the ways to the start page, which serve nothing."""
    bare = path.split("?")[0].split("#")[0]
    return bare.removeprefix(prefix) in {"/health", "/health/ready", "/health/live", ""} or bare == "/"


def got_in(answer: Answer) -> bool:
    """Whether an answer is anything but a refusal."""
    return answer.status < 400 or answer.status >= 500


def walk(people: People, headers: dict[str, str]) -> tuple[int, list[str]]:
    """Ask for everything with these headers: how many requests, and which were not refused.

    Without any, also for all that one reader may take for an operation and another not.
    """
    prefix, wire = people.server.static_prefix, Wire(people.server)
    asked, wrong = 0, []
    oddities = () if headers else (*everything_else(prefix), *junk(prefix))
    for method, path in (*everything(prefix), *oddities):
        body = BODY if method in ("POST", "PUT", "PATCH", "DELETE") else None
        typed = {"Content-Type": "application/json"} if body else {}
        answer = wire.ask(method, path, {**PROGRAM, **headers, **typed}, body)
        asked += 1
        if got_in(answer) and not is_public(path, prefix):
            wrong.append(f"{method} {path}: {answer.status} {answer.text[:100]!r}")
    return asked, wrong


@pytest.fixture(scope="module")
def dead(people: People) -> dict[str, dict[str, str]]:
    """Credentials that do not hold, by why."""
    carol, dave = people.carol, people.dave
    revoked = carol.new_key()
    expired = carol.new_key()
    with people.server.engine.begin() as connection:
        public_id = expired.split("_")[1]
        past = datetime.now(UTC) - timedelta(seconds=1)
        changed = connection.execute(tokens.update().where(tokens.c.public_id == public_id).values(expires_at=past))
        assert changed.rowcount == 1
    good = carol.new_key()
    ended = logged_out_cookie(carol)
    return {
        "nothing": {},
        "wrong-key": basic(carol.email, key_of(good.split("_")[1], new_token().reveal().split("_")[2])),
        "no-key": basic(carol.email, "carol-pw"),
        "empty-password": basic(carol.email, ""),
        "expired": basic(carol.email, expired),
        "expired-bearer": bearer(expired),
        "revoked": basic(carol.email, revoked),
        "disabled": basic(dave.email, dave.key()),
        "somebody-elses-name": basic(people.alice.email, good),
        "good-cookie-bad-header": {**bearer("nonsense"), "Cookie": cookie_of(carol)},
        "unknown-cookie": {"Cookie": f"{SESSION_COOKIE}={'a' * 43}"},
        "ended-session": {"Cookie": f"{SESSION_COOKIE}={ended}"},
        "disabled-session": {"Cookie": cookie_of(dave)},
        "proxy-headers": {"X-Forwarded-User": "root@example.test", "Remote-User": "root", "X-Remote-User": "root"},
    }


def key_of(public_id: str, secret: str) -> str:
    """A well-formed key of these parts."""
    body = f"mlfpat_{public_id}_{secret}"
    return f"{body}_{_checksum(body)}"


def cookie_of(person: Person) -> str:
    """The session cookie of somebody, as a header."""
    return f"{SESSION_COOKIE}={person.browser.cookies[SESSION_COOKIE]}"


def logged_out_cookie(person: Person) -> str:
    """A session cookie that was good until its owner logged out."""
    browser = person.new_browser()
    cookie = str(browser.cookies[SESSION_COOKIE])
    browser.get(f"{person.server.url}/logout", timeout=30)
    return cookie


WALKED = ("nothing", "expired", "revoked", "disabled", "ended-session")


@pytest.mark.parametrize("why", WALKED)
def test_no_operation_is_served_to_who_proves_nothing(
    people: People, dead: dict[str, dict[str, str]], why: str, figures: Figures
) -> None:
    asked, wrong = walk(people, dead[why])
    figures.note(f"walk without a credential ({why})", f"{asked} requests, {len(wrong)} got in")
    assert wrong == []


@pytest.mark.parametrize("why", WALKED)
def test_our_json_asked_as_it_wants_to_be_answers_401_before_anything_else(
    people: People, dead: dict[str, dict[str, str]], why: str
) -> None:
    """Not 400 for what is asked, nor 404 for whom it is about: nothing of it has been read."""
    wire, wrong = Wire(people.server), []
    for entry, template in ours_in_order():
        ask = filled(template, nothing_of_ours("nobody"), "nobody")
        query = f"?{urlencode(ask.query)}" if ask.query else ""
        body = None if ask.body is None else json.dumps(ask.body).encode()
        typed = {} if body is None else {"Content-Type": "application/json"}
        sent = {**(AJAX if ask.path.startswith("/ajax-api/") else PROGRAM), **typed, **dead[why]}
        answer = wire.ask(ask.method, f"{people.server.static_prefix}{ask.path}{query}", sent, body)
        if (answer.status, answer.error_code) != (401, "UNAUTHENTICATED"):
            wrong.append(f"{entry.method} {entry.path}: {answer.status} {answer.text[:100]!r}")
    assert wrong == []


@pytest.mark.parametrize(
    "why",
    [
        "nothing",
        "wrong-key",
        "no-key",
        "empty-password",
        "expired",
        "expired-bearer",
        "revoked",
        "disabled",
        "somebody-elses-name",
        "good-cookie-bad-header",
        "unknown-cookie",
        "ended-session",
        "disabled-session",
        "proxy-headers",
    ],
)
def test_a_program_gets_401_json_with_a_challenge_and_no_cause(
    people: People, dead: dict[str, dict[str, str]], why: str
) -> None:
    path = f"{people.server.static_prefix}/api/2.0/mlflow/experiments/search?max_results=1"
    answer = Wire(people.server).ask("GET", path, {**PROGRAM, **dead[why]})
    assert answer.status == 401
    assert answer.error_code == "UNAUTHENTICATED"
    assert answer.headers["www-authenticate"].startswith("Basic realm=")
    assert answer.headers["content-type"] == "application/json"
    assert "location" not in answer.headers
    bare = Wire(people.server).ask("GET", path, PROGRAM)
    assert answer.text == bare.text, "the answer tells why"


@pytest.mark.parametrize("why", ["expired", "revoked", "disabled", "wrong-key", "unknown-cookie"])
def test_the_log_tells_the_cause(people: People, dead: dict[str, dict[str, str]], why: str) -> None:
    # Who is disabled lost the key in the same transaction.
    word = {"wrong-key": "wrong secret", "unknown-cookie": "unknown", "disabled": "revoked|disabled"}.get(why, why)
    before = len(people.server.log())
    path = f"{people.server.static_prefix}/api/2.0/mlflow/experiments/search?max_results=1"
    Wire(people.server).ask("GET", path, {**PROGRAM, **dead[why]})
    lines = [line for line in people.server.log()[before:].splitlines() if "401" in line]
    assert any(re.search(word.replace(" ", ".?"), line) for line in lines), lines


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
def test_probes_need_no_credential_and_tell_nothing(people: People, path: str) -> None:
    """The gate answers them itself, under the prefix and beside it."""
    for spelled in (path, f"{people.server.static_prefix}{path}"):
        answer = Wire(people.server).ask("GET", spelled, PROGRAM)
        assert (answer.status, answer.text.strip()) == (200, path.rsplit("/", 1)[1])


def test_the_root_of_the_host_only_leads_to_the_start_page(people: People) -> None:
    answer = Wire(people.server).ask("GET", "/", PROGRAM)
    assert (answer.status, answer.text) == (302, "")
    assert answer.headers["location"] == f"{people.server.static_prefix}/"


def test_the_control_a_good_key_is_let_in(people: People) -> None:
    assert people.carol.api("GET", "2.0/mlflow/experiments/search", params={"max_results": 1}).status_code == 200


def test_the_username_is_taken_in_any_case(people: People) -> None:
    headers = basic("Carol@EXAMPLE.test", people.carol.key())
    path = f"{people.server.static_prefix}/api/2.0/mlflow/experiments/search?max_results=1"
    assert Wire(people.server).ask("GET", path, headers).status == 200


@pytest.mark.parametrize("path", ["/ajax-api/2.0/mlflow/users/current", "/graphql", "/version", "/permissions"])
def test_a_call_of_a_browsers_page_gets_401_without_a_password_window(people: People, path: str) -> None:
    answer = Wire(people.server).ask("GET", f"{people.server.static_prefix}{path}", AJAX)
    assert answer.status == 401
    assert answer.error_code == "UNAUTHENTICATED"
    assert "www-authenticate" not in answer.headers
    assert "location" not in answer.headers


@pytest.mark.parametrize("path", ["/", "/permissions", "/get-artifact?run_id=x&path=a%20b"])
def test_who_opens_a_page_is_sent_to_the_login_and_back(people: People, path: str) -> None:
    prefix = people.server.static_prefix
    answer = Wire(people.server).ask("GET", f"{prefix}{path}", NAVIGATION)
    assert answer.status == 302
    location = requests.compat.urlsplit(answer.headers["location"])
    assert location.path == f"{prefix}/login"
    assert requests.compat.unquote(location.query) == f"next={prefix}{path}"


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("path", ["/api/2.0/mlflow/experiments/search", "/graphql", "/v1/traces"])
def test_an_api_call_is_never_redirected_whatever_it_accepts(people: People, method: str, path: str) -> None:
    answer = Wire(people.server).ask(method, f"{people.server.static_prefix}{path}", NAVIGATION)
    assert answer.status == 401
    assert "location" not in answer.headers


@pytest.mark.parametrize("entry", [entry for entry in EVERY if isinstance(entry.requirement, Public)], ids=str)
def test_what_is_public_tells_nothing_about_anybody(people: People, entry: Entry) -> None:
    people.alice.key()
    answer = Wire(people.server).ask(entry.method, f"{people.server.static_prefix}{concrete(entry)}", PROGRAM)
    assert answer.status < 500
    assert "example.test" not in answer.text


def test_the_list_of_public_operations_is_the_one_we_mean() -> None:
    assert {f"{method} {path}" for method, path in PUBLIC} == {
        "GET /health",
        "GET /static-files/<path:path>",
        "GET /api/3.0/mlflow/server-info",
        "GET /ajax-api/3.0/mlflow/server-info",
        "GET /login",
        "GET /login/start",
        "GET /callback",
        "GET /logout",
        "POST /logout",
        "POST /backchannel-logout",
        "GET /permissions/static/<path:filename>",
        "GET /api/2.0/mlflow/openapi.json",
        "GET /ajax-api/2.0/mlflow/openapi.json",
    }
