"""Absent, malformed and wrong are three outcomes; a header alone decides; no bytes bring it down."""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlflow_oidc_auth.accounts.users import UserStore
from mlflow_oidc_auth.credentials import LONGEST_AUTHORIZATION, LONGEST_COOKIES, Credentials, NotIdentified
from mlflow_oidc_auth.login.claims import Profile
from mlflow_oidc_auth.login.sessions import SessionStore
from mlflow_oidc_auth.tokens.format import new_token
from mlflow_oidc_auth.tokens.store import TokenStore
from mlflow_oidc_auth.vocabulary import CredentialKind, Identity

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
COOKIE = "mlflow_oidc_session"
TOKEN, SESSION = CredentialKind.TOKEN, CredentialKind.SESSION
Header = tuple[bytes, bytes]


@dataclass(frozen=True)
class People:
    """What alice and bob hold, and what reads it."""

    credentials: Credentials
    tokens: TokenStore
    sessions: SessionStore
    users: UserStore
    alice: int
    key: str
    cookie: str
    bobs_key: str
    bobs_cookie: str

    def identify(self, *headers: Header, now: datetime = NOW) -> Identity | NotIdentified:
        return self.credentials.identify(headers, now)


def user(users: UserStore, name: str) -> int:
    groups = frozenset({"/prokube users"})
    return users.record_login(
        Profile("https://id.example.test", f"{name}-sub", f"{name}@example.test", name, groups, False), NOW
    ).id


@pytest.fixture
def people(engine: sa.Engine) -> People:
    users, tokens = UserStore(engine), TokenStore(engine)
    sessions = SessionStore(engine, "a secret key that is long enough for tests", DAY, DAY)
    alice, bob = user(users, "alice"), user(users, "bob")
    keys = [tokens.create(who, NOW + DAY, by="root", now=NOW)[0].reveal() for who in (alice, bob)]
    cookies = [
        sessions.open(who, provider_sid=None, id_token="x", user_agent="Firefox", now=NOW) for who in (alice, bob)
    ]
    credentials = Credentials(tokens, sessions, COOKIE)
    return People(credentials, tokens, sessions, users, alice, keys[0], cookies[0], keys[1], cookies[1])


@contextmanager
def counted(engine: sa.Engine) -> Iterator[list[str]]:
    statements: list[str] = []

    def note(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    sa.event.listen(engine, "before_cursor_execute", note)
    yield statements
    sa.event.remove(engine, "before_cursor_execute", note)


def authorization(value: str | bytes) -> Header:
    return (b"authorization", value if isinstance(value, bytes) else value.encode())


def encoded(text: str | bytes) -> str:
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def basic(username: str, password: str) -> Header:
    return authorization(f"Basic {encoded(f'{username}:{password}')}")


def bearer(key: str) -> Header:
    return authorization(f"Bearer {key}")


def cookies(*pairs: str) -> Header:
    return (b"cookie", "; ".join(pairs).encode())


def session(value: str) -> Header:
    return cookies(f"{COOKIE}={value}")


def who(answer: Identity | NotIdentified) -> tuple[str, CredentialKind]:
    assert isinstance(answer, Identity), answer
    return answer.username, answer.credential.kind


def refusal(answer: Identity | NotIdentified) -> tuple[str, CredentialKind | None]:
    assert isinstance(answer, NotIdentified), answer
    assert not answer
    return answer.cause, answer.presented


# --- what identifies -------------------------------------------------------------------------------------


def test_a_key_identifies_as_the_password_of_basic(people: People) -> None:
    assert who(people.identify(basic("alice@example.test", people.key))) == ("alice@example.test", TOKEN)


def test_a_key_identifies_as_a_bearer(people: People) -> None:
    assert who(people.identify(bearer(people.key))) == ("alice@example.test", TOKEN)


def test_a_session_cookie_identifies(people: People) -> None:
    assert who(people.identify(session(people.cookie))) == ("alice@example.test", SESSION)


@pytest.mark.parametrize("scheme", ["basic", "BASIC", "bAsIc"])
def test_basic_is_spelled_in_any_case(people: People, scheme: str) -> None:
    header = authorization(f"{scheme} {encoded(f'alice@example.test:{people.key}')}")
    assert who(people.identify(header))[1] is TOKEN


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "bEaReR"])
def test_bearer_is_spelled_in_any_case(people: People, scheme: str) -> None:
    assert who(people.identify(authorization(f"{scheme} {people.key}")))[1] is TOKEN


@pytest.mark.parametrize("name", [b"Authorization", b"AUTHORIZATION"])
def test_a_headers_name_is_spelled_in_any_case(people: People, name: bytes) -> None:
    assert who(people.identify((name, f"Bearer {people.key}".encode())))[1] is TOKEN


def test_a_username_counts_in_any_case(people: People) -> None:
    assert who(people.identify(basic("Alice@Example.TEST", people.key)))[0] == "alice@example.test"


def test_a_username_beyond_ascii_is_read_as_utf_8(people: People) -> None:
    zoe = user(people.users, "zoë")
    key = people.tokens.create(zoe, NOW + DAY, by="root", now=NOW)[0].reveal()
    assert who(people.identify(basic("ZOË@example.test", key)))[0] == "zoë@example.test"
    latin_1 = authorization(f"Basic {encoded(f'zoë@example.test:{key}'.encode('latin-1'))}")
    assert refusal(people.identify(latin_1)) == ("malformed: not base64 of UTF-8", TOKEN)


@pytest.mark.parametrize("junk", ["!", "\n", " ", "\0", "é", "="])
def test_basic_is_strict_base64(people: People, junk: str) -> None:
    good = encoded(f"alice@example.test:{people.key}")
    assert isinstance(people.identify(authorization(f"Basic {good}")), Identity)
    answer = people.identify(authorization(f"Basic {good[:8]}{junk}{good[8:]}"))
    assert refusal(answer) == ("malformed: not base64 of UTF-8", TOKEN)


def test_our_cookie_is_found_among_others_and_over_several_headers(people: People) -> None:
    header = cookies("a=b", f"{COOKIE}={people.cookie}", f"{COOKIE}_login=x", "flag")
    assert who(people.identify(header))[1] is SESSION
    assert who(people.identify(cookies("a=b"), session(people.cookie), cookies("c=d")))[1] is SESSION


def test_the_same_cookie_twice_is_one(people: People) -> None:
    assert who(people.identify(cookies(f"{COOKIE}={people.cookie}", f"{COOKIE}={people.cookie}")))[1] is SESSION


# --- the header alone decides ----------------------------------------------------------------------------


def test_a_cookie_beside_a_header_is_ignored(people: People) -> None:
    assert who(people.identify(session(people.bobs_cookie), bearer(people.key))) == ("alice@example.test", TOKEN)


@pytest.mark.parametrize(
    "value",
    ["", "Basic", "Bearer", "Bearer nonsense", "Digest x", "Negotiate abc", "Basic !!!", f"Basic {encoded(':')}"],
)
def test_a_good_cookie_does_not_mend_a_bad_header(people: People, value: str) -> None:
    answer = people.identify(session(people.cookie), authorization(value))
    assert refusal(answer)[1] is TOKEN
    assert who(people.identify(session(people.cookie)))[1] is SESSION


def test_a_good_cookie_does_not_mend_a_revoked_key(people: People) -> None:
    people.tokens.revoke_all(people.alice, by="root", now=NOW)
    assert refusal(people.identify(session(people.cookie), bearer(people.key))) == ("revoked", TOKEN)


@pytest.mark.parametrize("order", [1, -1], ids=["good first", "good last"])
def test_two_authorization_headers_are_malformed(people: People, order: int) -> None:
    pair = [bearer(people.key), authorization("Bearer x")][::order]
    assert refusal(people.identify(*pair)) == ("malformed: two Authorization headers", TOKEN)
    assert refusal(people.identify(bearer(people.key), bearer(people.key)))[1] is TOKEN


@pytest.mark.parametrize("order", [1, -1], ids=["ours first", "ours last"])
def test_session_cookies_of_two_people_prove_neither(people: People, order: int) -> None:
    pair = [f"{COOKIE}={people.cookie}", f"{COOKIE}={people.bobs_cookie}"][::order]
    expected = ("session cookies of two people", SESSION)
    assert refusal(people.identify(cookies(*pair))) == expected
    assert refusal(people.identify(*map(cookies, pair))) == expected


@pytest.mark.parametrize("order", [1, -1], ids=["ours first", "ours last"])
def test_a_session_cookie_that_proves_nothing_is_passed_over(people: People, order: int) -> None:
    pair = [f"{COOKIE}={people.cookie}", f"{COOKIE}={'A' * 43}"][::order]
    assert who(people.identify(cookies(*pair))) == ("alice@example.test", SESSION)


def test_more_session_cookies_than_a_browser_has_reason_to_send_are_malformed(people: People) -> None:
    many = [f"{COOKIE}={people.cookie}", *(f"{COOKIE}={letter * 43}" for letter in "ABCD")]
    assert refusal(people.identify(cookies(*many))) == ("malformed: too many session cookies", SESSION)


@pytest.mark.parametrize(
    "name",
    [
        b"x-forwarded-user",
        b"x-forwarded-email",
        b"x-remote-user",
        b"remote-user",
        b"x-auth-request-email",
        b"x-mlflow-authorization",
        b"proxy-authorization",
        b"x-goog-authenticated-user-email",
        b"kubeflow-userid",
    ],
)
def test_no_other_header_tells_who_somebody_is(people: People, name: bytes) -> None:
    for value in (b"alice@example.test", f"Bearer {people.key}".encode(), f"{COOKIE}={people.cookie}".encode()):
        assert refusal(people.identify((name, value))) == ("absent", None)


# --- absent, malformed, wrong ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [[], [(b"accept", b"*/*")], [cookies("a=b")], [(b"cookie", b"")], [cookies(COOKIE)], [cookies(f"{COOKIE}x=1")]],
    ids=["no header", "another header", "another cookie", "no cookie", "a name alone", "a longer name"],
)
def test_nothing_presented_is_absent(people: People, headers: list[Header]) -> None:
    assert refusal(people.identify(*headers)) == ("absent", None)


MALFORMED = {
    "empty": ("", "malformed: unknown scheme"),
    "a key alone": ("{key}", "malformed: unknown scheme"),
    "another scheme": ("Digest {key}", "malformed: unknown scheme"),
    "Bearer without a key": ("Bearer", "malformed: no key"),
    "Bearer and blanks": ("Bearer    ", "malformed: no key"),
    "Bearer and a word": ("Bearer word", "malformed: not spelled as a key"),
    "Bearer and two keys": ("Bearer {key} {key}", "malformed: not spelled as a key"),
    "Bearer and two headers joined": ("Bearer {key}, Bearer {key}", "malformed: not spelled as a key"),
    "a mistyped key": ("Bearer {mistyped}", "malformed: mistyped or cut key"),
    "the upstream plugin's key": ("Bearer mlf_0123456789abcdef", "malformed: not spelled as a key"),
    "Basic without anything": ("Basic", "malformed: no colon"),
    "Basic and no base64": ("Basic {key}", "malformed: not base64 of UTF-8"),
    "Basic without a colon": ("Basic YWxpY2U=", "malformed: no colon"),
    "Basic without a password": ("Basic YWxpY2U6", "malformed: no key"),
    "Basic with a password": ("Basic YWxpY2U6cGFzc3dvcmQ=", "malformed: not spelled as a key"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_what_cannot_be_read_is_malformed_and_not_looked_up(engine: sa.Engine, people: People, case: str) -> None:
    template, cause = MALFORMED[case]
    mistyped = people.key[:-1] + ("0" if people.key[-1] != "0" else "1")
    with counted(engine) as statements:
        answer = people.identify(authorization(template.format(key=people.key, mistyped=mistyped)))
    assert refusal(answer) == (cause, TOKEN)
    assert statements == []


@pytest.mark.parametrize("value", ["", "x", "é" * 43, "A" * 44, '"{cookie}"', "{cookie} {cookie}"])
def test_a_cookie_that_cannot_be_read_is_malformed(engine: sa.Engine, people: People, value: str) -> None:
    with counted(engine) as statements:
        assert refusal(people.identify(session(value.format(cookie=people.cookie)))) == ("malformed", SESSION)
    assert statements == []


def test_headers_longer_than_any_credential_are_not_read(engine: sa.Engine, people: People) -> None:
    good = f"Bearer {people.key}"
    long_header = authorization(good + " " * (LONGEST_AUTHORIZATION - len(good)))
    assert isinstance(people.identify(long_header), Identity)
    other = cookies(f"{COOKIE}={people.cookie}", f"a={'b' * LONGEST_COOKIES}")
    with counted(engine) as statements:
        assert refusal(people.identify((long_header[0], long_header[1] + b" ")))[0].endswith("too long")
        assert refusal(people.identify(other))[0].endswith("too long")
        assert refusal(people.identify(*[other] * 3))[0].endswith("too long")
    assert statements == []


WRONG = {
    "a key nobody has": ("unknown", TOKEN),
    "another's username": ("the key of another username", TOKEN),
    "no username": ("the key of another username", TOKEN),
    "an expired key": ("expired", TOKEN),
    "a revoked key": ("revoked", TOKEN),
    "a disabled user's key": ("revoked", TOKEN),
    "a cookie nobody has": ("unknown", SESSION),
    "an expired session": ("expired", SESSION),
    "a disabled user's session": ("unknown", SESSION),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_read_and_does_not_hold_is_wrong(people: People, case: str) -> None:
    header, now = bearer(people.key), NOW
    match case:
        case "a key nobody has":
            header = bearer(new_token().reveal())
        case "another's username":
            header = basic("bob@example.test", people.key)
        case "no username":
            header = basic("", people.key)
        case "an expired key":
            now = NOW + DAY
        case "a revoked key":
            people.tokens.revoke_all(people.alice, by="root", now=NOW)
        case "a disabled user's key":
            people.users.disable(people.alice, NOW)
        case "a cookie nobody has":
            header = session("A" * 43)
        case "an expired session":
            header, now = session(people.cookie), NOW + DAY
        case "a disabled user's session":
            people.users.disable(people.alice, NOW)
            header = session(people.cookie)
    assert refusal(people.identify(header, now=now)) == WRONG[case]


def test_a_key_is_no_cookie_and_a_cookie_no_key(people: People) -> None:
    assert refusal(people.identify(session(people.key)))[1] is SESSION
    assert refusal(people.identify(bearer(people.cookie)))[1] is TOKEN


def test_each_credential_is_one_statement(engine: sa.Engine, people: People) -> None:
    headers = [bearer(people.key), basic("alice@example.test", people.key), session(people.cookie)]
    people.identify(headers[0])  # notes the first use
    for header in headers:
        with counted(engine) as statements:
            assert isinstance(people.identify(header), Identity)
        assert len(statements) == 1


# --- whatever arrives ------------------------------------------------------------------------------------

ANY_BYTES = st.binary(max_size=200)
ANY_HEADER = st.one_of(
    st.tuples(st.sampled_from([b"authorization", b"Authorization", b"cookie", b"host", b""]), ANY_BYTES),
    st.tuples(st.just(b"authorization"), st.tuples(st.sampled_from([b"Basic ", b"Bearer "]), ANY_BYTES).map(b"".join)),
    st.tuples(st.just(b"authorization"), ANY_BYTES.map(lambda raw: b"Basic " + base64.b64encode(raw))),
    st.tuples(st.just(b"cookie"), ANY_BYTES.map(lambda raw: COOKIE.encode() + b"=" + raw)),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
@given(headers=st.lists(ANY_HEADER, max_size=4))
def test_whatever_bytes_arrive_identify_nobody_and_bring_nothing_down(people: People, headers: list[Header]) -> None:
    cause, presented = refusal(people.identify(*headers))
    assert (cause == "absent") == (presented is None)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
@given(place=st.integers(0, 200), other=st.binary(min_size=1, max_size=1))
def test_a_good_header_with_one_byte_changed_is_alices_or_nobodys(people: People, place: int, other: bytes) -> None:
    for name, value in (basic("alice@example.test", people.key), bearer(people.key), session(people.cookie)):
        at = place % len(value)
        answer = people.identify((name, value[:at] + other + value[at + 1 :]))
        assert isinstance(answer, NotIdentified) or answer.user_id == people.alice


def test_no_part_of_a_credential_is_logged_or_in_a_refusal(people: People, caplog: pytest.LogCaptureFixture) -> None:
    tried = [
        bearer(people.key),
        bearer(people.key + "x"),
        basic("bob@example.test", people.key),
        session(people.cookie),
        session(people.cookie + "x"),
    ]
    with caplog.at_level(logging.DEBUG):
        answers = [people.identify(header) for header in tried]
        answers += [people.identify(header, now=NOW + 2 * DAY) for header in tried]
    told = caplog.text + repr(answers)
    assert people.key[7:] not in told
    assert people.key.split("_")[1] not in told
    assert people.key.split("_")[2] not in told
    assert people.cookie not in told
