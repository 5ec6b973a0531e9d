"""A session lives until it is idle, old or ended; reading it takes one statement."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from mlflow_oidc_auth.accounts.service_accounts import ServiceAccountStore
from mlflow_oidc_auth.accounts.users import UserStore
from mlflow_oidc_auth.database.tables import audit_records
from mlflow_oidc_auth.database.tables import sessions as sessions_table
from mlflow_oidc_auth.database.tables import users as users_table
from mlflow_oidc_auth.database.turns import write_first
from mlflow_oidc_auth.errors import Forbidden, NotFound
from mlflow_oidc_auth.login.claims import Profile
from mlflow_oidc_auth.login.logout_token import LogoutNotice
from mlflow_oidc_auth.login.sessions import SessionRefused, SessionStore
from mlflow_oidc_auth.vocabulary import CredentialKind, Identity

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
IDLE, ABSOLUTE = timedelta(minutes=30), timedelta(hours=8)
MINUTE = timedelta(minutes=1)


def profile(name: str, *groups: str) -> Profile:
    return Profile("https://id.example.test", f"{name}-sub", f"{name}@example.test", name, frozenset(groups), False)


@pytest.fixture
def users(engine: sa.Engine) -> UserStore:
    return UserStore(engine)


@pytest.fixture
def sessions(engine: sa.Engine) -> SessionStore:
    return SessionStore(engine, "a secret key that is long enough for tests", IDLE, ABSOLUTE)


@pytest.fixture
def alice(users: UserStore) -> int:
    return users.record_login(profile("alice", "/prokube users", "/prokube users/team a"), NOW).id


def opened(sessions: SessionStore, user_id: int, now: datetime = NOW, sid: str | None = "sid-1") -> str:
    return sessions.open(user_id, provider_sid=sid, id_token="header.claims.signature", user_agent="Firefox", now=now)


@contextmanager
def counted(engine: sa.Engine) -> Iterator[list[str]]:
    statements: list[str] = []

    def note(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    sa.event.listen(engine, "before_cursor_execute", note)
    yield statements
    sa.event.remove(engine, "before_cursor_execute", note)


def cause(answer: Identity | SessionRefused) -> str:
    assert isinstance(answer, SessionRefused), answer
    assert not answer
    return answer.cause


def test_a_session_tells_who_somebody_is(sessions: SessionStore, alice: int) -> None:
    identity = sessions.identify(opened(sessions, alice), NOW)
    assert isinstance(identity, Identity)
    assert (identity.user_id, identity.username) == (alice, "alice@example.test")
    assert len(identity.group_ids) == 2
    assert identity.credential.kind is CredentialKind.SESSION
    assert identity.credential.expires_at == NOW + ABSOLUTE


def test_somebody_without_groups_has_a_session_too(sessions: SessionStore, users: UserStore) -> None:
    carol = users.record_login(profile("carol"), NOW).id
    identity = sessions.identify(opened(sessions, carol), NOW)
    assert isinstance(identity, Identity)
    assert identity.group_ids == frozenset()


def test_reading_a_session_is_one_statement(engine: sa.Engine, sessions: SessionStore, alice: int) -> None:
    cookie = opened(sessions, alice)
    with counted(engine) as statements:
        sessions.identify(cookie, NOW + timedelta(seconds=59))
    assert len(statements) == 1


def test_a_visit_is_noted_once_a_minute(engine: sa.Engine, sessions: SessionStore, alice: int) -> None:
    cookie = opened(sessions, alice)
    with counted(engine) as statements:
        for second in (60, 70, 119):
            sessions.identify(cookie, NOW + timedelta(seconds=second))
    assert len(statements) == 4  # three reads, one note
    assert sessions.listing(alice, NOW)[0].last_seen_at == NOW + MINUTE


@pytest.mark.parametrize(("after", "alive"), [(IDLE - MINUTE, True), (IDLE, False)], ids=["just before", "idle"])
def test_a_session_ends_when_nobody_uses_it(sessions: SessionStore, alice: int, after: timedelta, alive: bool) -> None:
    answer = sessions.identify(opened(sessions, alice), NOW + after)
    assert isinstance(answer, Identity) if alive else cause(answer) == "idle"


def test_a_session_in_use_is_not_idle_and_ends_when_it_is_old(sessions: SessionStore, alice: int) -> None:
    cookie, at = opened(sessions, alice), NOW
    while at + 20 * MINUTE < NOW + ABSOLUTE:
        at += 20 * MINUTE
        assert isinstance(sessions.identify(cookie, at), Identity), at - NOW
    assert cause(sessions.identify(cookie, NOW + ABSOLUTE)) == "expired"


@pytest.mark.parametrize("text", ["", "x", "\u00e9" * 43, "A" * 42, "A" * 44, "A" * 43 + "\n", "'" * 43])
def test_what_is_no_cookie_of_ours_is_not_looked_up(engine: sa.Engine, sessions: SessionStore, text: str) -> None:
    with counted(engine) as statements:
        assert cause(sessions.identify(text, NOW)) == "malformed"
    assert statements == []


def test_a_cookie_of_ours_that_nobody_has_is_unknown(sessions: SessionStore, alice: int) -> None:
    opened(sessions, alice)
    assert cause(sessions.identify("A" * 43, NOW)) == "unknown"


def test_who_is_disabled_is_refused_even_if_a_session_were_left(
    engine: sa.Engine, sessions: SessionStore, alice: int
) -> None:
    cookie = opened(sessions, alice)
    with engine.begin() as connection:
        connection.execute(users_table.update().values(is_active=False))
    assert cause(sessions.identify(cookie, NOW)) == "disabled"


def test_the_database_holds_neither_the_cookie_nor_the_id_token(
    engine: sa.Engine, sessions: SessionStore, alice: int
) -> None:
    cookie = opened(sessions, alice)
    with engine.connect() as connection:
        stored = " ".join(str(value) for value in connection.execute(sa.select(sessions_table)).one())
    assert cookie not in stored
    assert "header.claims.signature" not in stored


def test_no_two_cookies_are_alike(sessions: SessionStore, alice: int) -> None:
    cookies = {opened(sessions, alice) for _ in range(20)}
    assert len(cookies) == 20
    assert {len(cookie) for cookie in cookies} == {43}  # 256 bits, base64url


def test_ending_by_cookie_gives_the_hint_once(sessions: SessionStore, alice: int) -> None:
    cookie = opened(sessions, alice)
    ended = sessions.end_by_cookie(cookie)
    assert ended is not None
    assert (ended.username, ended.id_token) == ("alice@example.test", "header.claims.signature")
    assert "header" not in repr(ended)
    assert sessions.end_by_cookie(cookie) is None
    assert cause(sessions.identify(cookie, NOW)) == "unknown"


def test_with_another_secret_key_the_session_ends_without_a_hint(
    engine: sa.Engine, sessions: SessionStore, alice: int
) -> None:
    cookie = opened(sessions, alice)
    other = SessionStore(engine, "another secret key that is as long as that", IDLE, ABSOLUTE)
    ended = other.end_by_cookie(cookie)
    assert ended is not None
    assert ended.id_token is None


def test_one_session_or_all_can_be_ended(sessions: SessionStore, users: UserStore, alice: int) -> None:
    bob = users.record_login(profile("bob"), NOW).id
    first, second, bobs = opened(sessions, alice), opened(sessions, alice), opened(sessions, bob)
    sessions.end(alice, sessions.listing(alice, NOW)[-1].id, by="alice@example.test", now=NOW)
    assert [bool(sessions.identify(cookie, NOW)) for cookie in (first, second, bobs)] == [False, True, True]
    assert sessions.end_all(alice, by="root@example.test", now=NOW) == 1
    assert [bool(sessions.identify(cookie, NOW)) for cookie in (first, second, bobs)] == [False, False, True]


def test_all_but_one_can_be_ended(sessions: SessionStore, alice: int) -> None:
    first, second, third = (opened(sessions, alice) for _ in range(3))
    identity = sessions.identify(second, NOW)
    assert isinstance(identity, Identity)
    assert sessions.end_all(alice, by="alice@example.test", now=NOW, but=identity.credential.id) == 2
    assert [bool(sessions.identify(cookie, NOW)) for cookie in (first, second, third)] == [False, True, False]


@pytest.mark.parametrize("which", ["somebody else's", "ended", "no such", "beyond every number"])
def test_a_session_that_is_not_theirs_is_not_ended(
    sessions: SessionStore, users: UserStore, alice: int, which: str
) -> None:
    bob = users.record_login(profile("bob"), NOW).id
    bobs, alices = opened(sessions, bob), opened(sessions, alice)
    ids = {
        "somebody else's": sessions.listing(bob, NOW)[0].id,
        "ended": sessions.listing(alice, NOW)[0].id,
        "no such": 4711,
        "beyond every number": int("9" * 30),
    }
    if which == "ended":
        sessions.end_by_cookie(alices)
    with pytest.raises(NotFound):
        sessions.end(alice, ids[which], by="alice@example.test", now=NOW)
    assert sessions.identify(bobs, NOW)


def test_who_ended_whose_session_is_written_down(engine: sa.Engine, sessions: SessionStore, alice: int) -> None:
    opened(sessions, alice)
    opened(sessions, alice)
    ids = sorted(row.id for row in sessions.listing(alice, NOW))
    sessions.end(alice, ids[0], by="alice@example.test", now=NOW)
    sessions.end_all(alice, by="root@example.test", now=NOW)
    with engine.connect() as connection:
        rows = connection.execute(sa.select(audit_records).where(audit_records.c.act == "session.end")).all()
    assert [(row.by, row.subject) for row in rows] == [
        ("alice@example.test", f"session {ids[0]} of alice@example.test"),
        ("root@example.test", f"session {ids[1]} of alice@example.test"),
    ]


def test_the_provider_names_a_session_or_a_subject_of_its_own(
    engine: sa.Engine, sessions: SessionStore, users: UserStore, alice: int
) -> None:
    issuer = "https://id.example.test"
    opened(sessions, alice, sid="one")
    opened(sessions, alice, sid="two")
    numbers = itertools.count()

    def ended(issuer: str, sid: str | None, sub: str | None) -> int | None:
        notice = LogoutNotice(issuer, sid, sub, f"digest {next(numbers)}", NOW + MINUTE)
        return sessions.heed(notice, NOW)

    assert ended("https://evil.example.test", "one", None) == 0
    assert ended("https://evil.example.test", None, "alice-sub") == 0
    assert ended(issuer, "one", "bob-sub") == 0
    assert ended(issuer, None, None) == 0
    assert ended(issuer, "one", None) == 1
    assert ended(issuer, None, "alice-sub") == 1


def test_a_listing_shows_live_sessions_only(sessions: SessionStore, alice: int) -> None:
    opened(sessions, alice, NOW - IDLE)
    opened(sessions, alice, NOW)
    assert [row.user_agent for row in sessions.listing(alice, NOW)] == ["Firefox"]


def test_sessions_that_are_over_are_swept_out_at_the_next_login(
    engine: sa.Engine, sessions: SessionStore, alice: int
) -> None:
    opened(sessions, alice, NOW)
    opened(sessions, alice, NOW + IDLE)
    with engine.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(sessions_table)).scalar_one() == 1


def test_a_long_or_strange_user_agent_is_kept_in_part(sessions: SessionStore, alice: int) -> None:
    sessions.open(alice, provider_sid=None, id_token="x", user_agent="\x00\ud800" + "a" * 999, now=NOW)
    assert sessions.listing(alice, NOW)[0].user_agent == "a" * 256


def count(engine: sa.Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(sessions_table)).scalar_one())


def test_no_session_is_opened_for_a_service_account(engine: sa.Engine, sessions: SessionStore, alice: int) -> None:
    robot = ServiceAccountStore(engine).create("robot", alice, "nightly training", by="root@example.test", now=NOW)
    with pytest.raises(Forbidden, match="account of a program"):
        opened(sessions, robot.id)
    assert count(engine) == 0


@pytest.mark.parametrize("ending", ["disable", "delete"])
def test_no_session_is_opened_for_who_was_disabled_or_deleted_a_moment_ago(
    engine: sa.Engine, users: UserStore, sessions: SessionStore, alice: int, ending: str
) -> None:
    getattr(users, ending)(alice, NOW)
    with pytest.raises(Forbidden, match="disabled"):
        opened(sessions, alice)
    assert count(engine) == 0


def test_a_session_opened_while_its_user_is_disabled_does_not_survive(
    engine: sa.Engine, users: UserStore, sessions: SessionStore, alice: int
) -> None:
    for _ in range(5):
        users.enable(alice, NOW)
        barrier = threading.Barrier(2)

        def log_in(barrier: threading.Barrier = barrier) -> None:
            barrier.wait(30)
            with suppress(Forbidden):
                opened(sessions, alice)

        thread = threading.Thread(target=log_in)
        thread.start()
        barrier.wait(30)
        users.disable(alice, NOW)
        thread.join(60)
        assert not thread.is_alive()
        assert count(engine) == 0


def test_a_session_waits_for_who_disables_its_user(
    engine: sa.Engine, users: UserStore, sessions: SessionStore, alice: int
) -> None:
    refused: list[Forbidden] = []

    def log_in() -> None:
        try:
            opened(sessions, alice)
        except Forbidden as refusal:
            refused.append(refusal)

    thread = threading.Thread(target=log_in)
    with engine.begin() as connection:
        write_first(connection)
        connection.execute(sa.select(users_table.c.id).where(users_table.c.id == alice).with_for_update())
        connection.execute(users_table.update().where(users_table.c.id == alice).values(is_active=False))
        thread.start()
        thread.join(0.5)
        assert thread.is_alive()
    thread.join(60)
    assert len(refused) == 1
    assert count(engine) == 0


def test_a_database_too_busy_to_note_the_visit_does_not_cost_the_page(
    sessions: SessionStore, alice: int, engine: sa.Engine
) -> None:
    cookie = opened(sessions, alice)

    def busy(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("UPDATE"):
            raise sa.exc.OperationalError(statement, {}, Exception("database is locked"))

    sa.event.listen(engine, "before_cursor_execute", busy)
    assert isinstance(sessions.identify(cookie, NOW + 5 * MINUTE), Identity)
    sa.event.remove(engine, "before_cursor_execute", busy)
