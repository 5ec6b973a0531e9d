"""One active key a user; what is revoked is dead on the next request; recognising a key is one statement."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from mlflow_oidc_auth.accounts.users import UserStore
from mlflow_oidc_auth.database.engine import build_engine
from mlflow_oidc_auth.database.tables import audit_records, tokens
from mlflow_oidc_auth.database.tables import users as users_table
from mlflow_oidc_auth.errors import BadRequest, Forbidden, NotFound
from mlflow_oidc_auth.tokens.format import ParsedToken, PlainToken, new_token, parse
from mlflow_oidc_auth.tokens.store import Cause, TokenRefused, TokenRow, TokenStore
from mlflow_oidc_auth.vocabulary import CredentialKind, Identity
from tests.unit.tokens.conftest import NOW, profile

MONTH, MINUTE, SECOND = timedelta(days=30), timedelta(minutes=1), timedelta(seconds=1)


def read(token: PlainToken | str) -> ParsedToken:
    found = parse(token if isinstance(token, str) else token.reveal())
    assert isinstance(found, ParsedToken)
    return found


def made(
    store: TokenStore, user_id: int, now: datetime = NOW, lives: timedelta = MONTH
) -> tuple[ParsedToken, TokenRow]:
    token, row = store.create(user_id, now + lives, by="alice@example.test", now=now)
    return read(token), row


def cause(answer: Identity | TokenRefused) -> Cause:
    assert isinstance(answer, TokenRefused), answer
    assert not answer
    return answer.cause


@contextmanager
def counted(engine: sa.Engine) -> Iterator[list[str]]:
    statements: list[str] = []

    def note(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    sa.event.listen(engine, "before_cursor_execute", note)
    yield statements
    sa.event.remove(engine, "before_cursor_execute", note)


def change_users(engine: sa.Engine, **values: object) -> None:
    with engine.begin() as connection:
        connection.execute(users_table.update().values(**values))


def acts(engine: sa.Engine) -> list[tuple[str, str, str]]:
    with engine.connect() as connection:
        rows = connection.execute(sa.select(audit_records).order_by(audit_records.c.id))
        return [(row.by, row.act, row.subject) for row in rows if row.act.startswith("token.")]


# --- who has this key ------------------------------------------------------------------------------------


def test_a_key_tells_who_somebody_is(store: TokenStore, alice: int) -> None:
    key, row = made(store, alice)
    identity = store.identify(key, NOW)
    assert isinstance(identity, Identity)
    assert (identity.user_id, identity.username, identity.is_admin) == (alice, "alice@example.test", False)
    assert len(identity.group_ids) == 2
    credential = identity.credential
    assert (credential.kind, credential.id, credential.expires_at) == (CredentialKind.TOKEN, row.id, NOW + MONTH)


def test_somebody_without_groups_has_a_key_too(store: TokenStore, users: UserStore) -> None:
    carol = users.record_login(profile("carol"), NOW).id
    identity = store.identify(made(store, carol)[0], NOW)
    assert isinstance(identity, Identity)
    assert identity.group_ids == frozenset()


def test_an_admins_key_is_an_admins(engine: sa.Engine, store: TokenStore, alice: int) -> None:
    key, _ = made(store, alice)
    change_users(engine, is_admin=True)
    identity = store.identify(key, NOW)
    assert isinstance(identity, Identity)
    assert identity.is_admin


def test_of_several_keys_each_is_its_own_users(store: TokenStore, alice: int, bob: int) -> None:
    mine, theirs = made(store, alice)[0], made(store, bob)[0]
    answers = [store.identify(key, NOW) for key in (mine, theirs)]
    assert [answer.user_id for answer in answers if isinstance(answer, Identity)] == [alice, bob]


CAUSES = {
    "nobody ever had it": Cause.UNKNOWN,
    "its id with another secret": Cause.WRONG_SECRET,
    "under another username": Cause.WRONG_USERNAME,
    "revoked": Cause.REVOKED,
    "replaced": Cause.REVOKED,
    "at its very end": Cause.EXPIRED,
    "long after its end": Cause.EXPIRED,
    "its user is disabled": Cause.REVOKED,
    "its user is disabled, the key was left": Cause.DISABLED,
    "its user is deleted": Cause.UNKNOWN,
    "a login too long ago": Cause.LOGIN_TOO_OLD,
    "never a login": Cause.LOGIN_TOO_OLD,
    "its digest is damaged": Cause.WRONG_SECRET,
}


@pytest.mark.parametrize("case", CAUSES)
def test_a_key_is_refused_for_a_cause(
    engine: sa.Engine, store: TokenStore, users: UserStore, alice: int, case: str
) -> None:
    key, row = made(store, alice)
    now, username = NOW, None
    match case:
        case "nobody ever had it":
            key = read(new_token())
        case "its id with another secret":
            key = ParsedToken(key.public_id, read(new_token()).secret)
        case "under another username":
            username = "bob@example.test"
        case "revoked":
            store.revoke(alice, row.public_id, by="root", now=NOW)
        case "replaced":
            made(store, alice)
        case "at its very end":
            now = NOW + MONTH
        case "long after its end":
            now = NOW + 3 * MONTH
        case "its user is disabled":
            users.disable(alice, NOW)
        case "its user is disabled, the key was left":
            change_users(engine, is_active=False)
        case "its user is deleted":
            users.delete(alice, NOW)
        case "a login too long ago":
            store, now = TokenStore(engine, max_login_age=timedelta(days=7)), NOW + timedelta(days=7)
        case "never a login":
            store = TokenStore(engine, max_login_age=timedelta(days=7))
            change_users(engine, last_login_at=None)
        case "its digest is damaged":
            with engine.begin() as connection:
                connection.execute(tokens.update().values(digest="damaged"))
    answer = store.identify(key, now, username)
    assert cause(answer) is CAUSES[case]
    assert isinstance(answer, TokenRefused)
    assert answer.token_id == (None if answer.cause is Cause.UNKNOWN else row.id)


@pytest.mark.parametrize("lived", [timedelta(0), MONTH - SECOND], ids=["at once", "a second before its end"])
def test_a_key_holds_until_its_end(store: TokenStore, alice: int, lived: timedelta) -> None:
    assert isinstance(store.identify(made(store, alice)[0], NOW + lived), Identity)


def test_a_key_holds_as_long_as_the_login_it_rests_on(engine: sa.Engine, users: UserStore, alice: int) -> None:
    store, week = TokenStore(engine, max_login_age=timedelta(days=7)), timedelta(days=7)
    key, _ = made(store, alice)
    assert isinstance(store.identify(key, NOW + week - SECOND), Identity)
    assert cause(store.identify(key, NOW + week)) is Cause.LOGIN_TOO_OLD
    users.record_login(profile("alice", "/prokube users"), NOW + week)
    assert isinstance(store.identify(key, NOW + week), Identity)


def test_a_service_account_needs_no_login(engine: sa.Engine, alice: int) -> None:
    store = TokenStore(engine, max_login_age=timedelta(days=7))
    key, _ = made(store, alice)
    change_users(engine, is_service_account=True, last_login_at=None)
    assert isinstance(store.identify(key, NOW + timedelta(days=20)), Identity)


def test_who_lacks_the_secret_is_not_told_that_a_key_was_revoked(store: TokenStore, alice: int) -> None:
    key, row = made(store, alice)
    store.revoke(alice, row.public_id, by="root", now=NOW)
    stolen_id = ParsedToken(key.public_id, read(new_token()).secret)
    assert cause(store.identify(stolen_id, NOW)) is Cause.WRONG_SECRET
    assert cause(store.identify(stolen_id, NOW + 2 * MONTH)) is Cause.WRONG_SECRET


@pytest.mark.parametrize("spelled", ["alice@example.test", "Alice@Example.TEST"])
def test_a_username_counts_in_any_case(store: TokenStore, alice: int, spelled: str) -> None:
    assert isinstance(store.identify(made(store, alice)[0], NOW, spelled), Identity)


@pytest.mark.parametrize("spelled", ["", "alice", "bob@example.test", "alice@example.test ", "alice@example.test\0"])
def test_another_username_does_not(store: TokenStore, alice: int, spelled: str) -> None:
    assert cause(store.identify(made(store, alice)[0], NOW, spelled)) is Cause.WRONG_USERNAME


# --- what it costs ---------------------------------------------------------------------------------------


def test_recognising_a_key_in_use_is_one_statement(engine: sa.Engine, store: TokenStore, alice: int) -> None:
    key, _ = made(store, alice)
    store.identify(key, NOW)
    with counted(engine) as statements:
        assert isinstance(store.identify(key, NOW + 59 * SECOND), Identity)
    assert len(statements) == 1


def test_its_use_is_noted_once_a_minute(engine: sa.Engine, store: TokenStore, alice: int) -> None:
    key, row = made(store, alice)
    assert row.last_used_at is None
    with counted(engine) as statements:
        for second in (0, 1, 30, 59, 60, 61, 119):
            store.identify(key, NOW + second * SECOND)
    assert len(statements) == 9  # seven reads, two notes
    assert store.active_of(alice, NOW)[0].last_used_at == NOW + MINUTE


@pytest.mark.parametrize("refused", ["wrong secret", "another username"])
def test_the_use_of_a_refused_key_is_not_noted(engine: sa.Engine, store: TokenStore, alice: int, refused: str) -> None:
    key, _ = made(store, alice)
    if refused == "wrong secret":
        key = ParsedToken(key.public_id, read(new_token()).secret)
    with counted(engine) as statements:
        assert not store.identify(key, NOW, "bob@example.test")
    assert len(statements) == 1
    assert store.active_of(alice, NOW)[0].last_used_at is None


def test_a_busy_database_costs_the_note_and_not_the_request(
    engine: sa.Engine, store: TokenStore, alice: int, caplog: pytest.LogCaptureFixture
) -> None:
    key, row = made(store, alice)
    held = engine.connect()
    if engine.dialect.name == "sqlite":
        held.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        held.execute(sa.select(tokens.c.id).where(tokens.c.id == row.id).with_for_update())
    with held, caplog.at_level(logging.WARNING):
        start = time.monotonic()
        assert isinstance(store.identify(key, NOW), Identity)
        assert time.monotonic() - start < 3
        assert store.active_of(alice, NOW)[0].last_used_at is None
        held.rollback()
    assert ("not noted" in caplog.text) == (engine.dialect.name == "sqlite")  # PostgreSQL steps over the row
    assert isinstance(store.identify(key, NOW), Identity)
    assert store.active_of(alice, NOW)[0].last_used_at == NOW


def test_sqlite_is_as_patient_as_before_once_a_use_was_noted(engine: sa.Engine, store: TokenStore, alice: int) -> None:
    if engine.dialect.name != "sqlite":
        assert store.identify(made(store, alice)[0], NOW)
        return
    store.identify(made(store, alice)[0], NOW)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 20000


# --- made and revoked ------------------------------------------------------------------------------------


def test_making_a_key_revokes_the_last_one(store: TokenStore, alice: int, bob: int) -> None:
    first, _ = made(store, alice)
    bobs, _ = made(store, bob)
    second, row = made(store, alice, NOW + MINUTE)
    assert cause(store.identify(first, NOW + MINUTE)) is Cause.REVOKED
    assert isinstance(store.identify(second, NOW + MINUTE), Identity)
    assert isinstance(store.identify(bobs, NOW + MINUTE), Identity)
    assert store.active_of(alice, NOW + MINUTE) == [
        TokenRow(
            row.id, second.public_id, alice, NOW + MINUTE, "alice@example.test", NOW + MINUTE + MONTH, NOW + MINUTE
        )
    ]


def named(store: TokenStore, user_id: int, name: str, now: datetime = NOW) -> ParsedToken:
    token, _ = store.create(user_id, now + MONTH, by="alice@example.test", now=now, name=name)
    return read(token)


def names(store: TokenStore, user_id: int, now: datetime = NOW) -> list[str]:
    return [row.name for row in store.active_of(user_id, now)]


def test_where_several_keys_are_allowed_each_has_a_name_and_none_ends_another(engine: sa.Engine, alice: int) -> None:
    store = TokenStore(engine, max_per_user=3)
    keys = [named(store, alice, name, NOW + number * SECOND) for number, name in enumerate(("laptop", "ci", "nightly"))]
    assert names(store, alice, NOW + MINUTE) == ["nightly", "ci", "laptop"]
    assert all(isinstance(store.identify(key, NOW + MINUTE), Identity) for key in keys)


def test_a_new_key_of_a_name_replaces_the_one_that_has_it_and_no_other(engine: sa.Engine, alice: int) -> None:
    store = TokenStore(engine, max_per_user=2)
    laptop, ci = named(store, alice, "laptop"), named(store, alice, "ci")
    again = named(store, alice, "laptop", NOW + MINUTE)
    assert cause(store.identify(laptop, NOW + MINUTE)) is Cause.REVOKED
    assert all(isinstance(store.identify(key, NOW + MINUTE), Identity) for key in (ci, again))
    assert sorted(names(store, alice, NOW + MINUTE)) == ["ci", "laptop"]


def test_when_there_are_as_many_keys_as_there_may_be_none_is_ended_to_make_room(engine: sa.Engine, alice: int) -> None:
    store = TokenStore(engine, max_per_user=2)
    keys = [named(store, alice, "laptop"), named(store, alice, "ci")]
    with pytest.raises(BadRequest, match=r"has 2 access keys, and may have 2\. .* revoke one first"):
        named(store, alice, "nightly")
    assert all(isinstance(store.identify(key, NOW), Identity) for key in keys)
    store.revoke(alice, keys[0].public_id, by="alice@example.test", now=NOW)
    named(store, alice, "nightly")
    assert sorted(names(store, alice)) == ["ci", "nightly"]


def test_a_limit_that_was_lowered_ends_nothing_until_one_key_is_allowed(engine: sa.Engine, alice: int) -> None:
    for name in ("laptop", "ci", "nightly"):
        named(TokenStore(engine, max_per_user=3), alice, name)
    with pytest.raises(BadRequest, match="Revoke one that is not needed first"):
        named(TokenStore(engine, max_per_user=2), alice, "ci")
    made(TokenStore(engine), alice, NOW + MINUTE)
    assert names(TokenStore(engine), alice, NOW + MINUTE) == [""]


@pytest.mark.parametrize(
    "name",
    ["", " ", "a" * 65, " a", "a ", "a\0b", "a\nb", "\ud800", "\u202etxt"],
    ids=["empty", "blank", "long", "space before", "space after", "NUL", "two lines", "half a pair", "backwards"],
)
def test_what_can_be_no_name_makes_no_key(engine: sa.Engine, alice: int, name: str) -> None:
    store = TokenStore(engine, max_per_user=2)
    with pytest.raises(BadRequest):
        named(store, alice, name)
    assert store.active_of(alice, NOW) == []
    named(store, alice, "é" * 64)


# --- a replaced key that lives on ------------------------------------------------------------------------

HOUR = timedelta(hours=1)


@pytest.mark.parametrize("limit", [1, 3])
def test_a_replaced_key_lives_on_for_as_long_as_is_set(engine: sa.Engine, alice: int, limit: int) -> None:
    store = TokenStore(engine, limit, overlap=6 * HOUR)
    old, new = named(store, alice, "ci"), named(store, alice, "ci", NOW + HOUR)
    last_moment = NOW + 7 * HOUR - SECOND
    assert all(isinstance(store.identify(key, last_moment), Identity) for key in (old, new))
    assert cause(store.identify(old, NOW + 7 * HOUR)) is Cause.EXPIRED
    standing, replaced = store.active_of(alice, last_moment)
    assert (standing.replaced_at, replaced.replaced_at, replaced.expires_at) == (None, NOW + HOUR, NOW + 7 * HOUR)


def test_a_replaced_key_never_lives_longer_than_it_would_have(engine: sa.Engine, alice: int) -> None:
    store = TokenStore(engine, overlap=6 * HOUR)
    old, _ = made(store, alice, lives=2 * HOUR)
    made(store, alice, NOW + HOUR)
    assert cause(store.identify(old, NOW + 2 * HOUR)) is Cause.EXPIRED


def test_replacing_again_ends_what_was_replaced_before_at_once(engine: sa.Engine, alice: int) -> None:
    store = TokenStore(engine, max_per_user=2, overlap=6 * HOUR)
    first, other = named(store, alice, "ci"), named(store, alice, "laptop")
    second, others_second = named(store, alice, "ci"), named(store, alice, "laptop")
    third = named(store, alice, "ci", NOW + MINUTE)
    assert cause(store.identify(first, NOW + MINUTE)) is Cause.REVOKED
    alive = (other, second, others_second, third)
    assert all(isinstance(store.identify(key, NOW + MINUTE), Identity) for key in alive)


def test_a_replaced_key_does_not_count_towards_the_limit(engine: sa.Engine, alice: int) -> None:
    store = TokenStore(engine, max_per_user=2, overlap=6 * HOUR)
    named(store, alice, "ci")
    named(store, alice, "ci")
    named(store, alice, "laptop")
    with pytest.raises(BadRequest):
        named(store, alice, "nightly")
    assert sorted(names(store, alice)) == ["ci", "ci", "laptop"]


@pytest.mark.parametrize("by", ["revoking it", "revoking all", "disabling", "deleting"])
def test_what_ends_a_key_ends_one_that_lives_on_too(engine: sa.Engine, users: UserStore, alice: int, by: str) -> None:
    store = TokenStore(engine, overlap=6 * HOUR)
    old, row = made(store, alice)
    made(store, alice)
    assert isinstance(store.identify(old, NOW), Identity)
    match by:
        case "revoking it":
            store.revoke(alice, row.public_id, by="alice@example.test", now=NOW)
        case "revoking all":
            assert store.revoke_all(alice, by="root@example.test", now=NOW) == 2
        case "disabling":
            users.disable(alice, NOW)
        case "deleting":
            users.delete(alice, NOW)
    assert not store.identify(old, NOW)


def test_the_audit_tells_of_a_replaced_key_when_it_would_have_ended_and_when_it_does(
    engine: sa.Engine, alice: int
) -> None:
    store = TokenStore(engine, overlap=6 * HOUR)
    _, row = made(store, alice)
    made(store, alice)
    with engine.connect() as connection:
        found = sa.select(audit_records).where(audit_records.c.act == "token.replace")
        (told,) = connection.execute(found).all()
    assert told.subject == f"access key {row.public_id} of alice@example.test"
    assert (told.before, told.after) == (
        {"expires_at": "2026-07-01T12:00:00+00:00"},
        {"expires_at": "2026-06-01T18:00:00+00:00"},
    )


def test_an_expired_key_stays_expired_when_a_new_one_is_made(store: TokenStore, alice: int) -> None:
    old, _ = made(store, alice)
    made(store, alice, NOW + 2 * MONTH)
    assert cause(store.identify(old, NOW + 2 * MONTH)) is Cause.EXPIRED


def test_nobody_makes_a_key_for_who_is_disabled_or_gone(
    engine: sa.Engine, store: TokenStore, users: UserStore, alice: int
) -> None:
    users.disable(alice, NOW)
    with pytest.raises(Forbidden):
        made(store, alice)
    with pytest.raises(NotFound):
        made(store, alice + 1000)
    assert store.active_of(alice, NOW) == []
    assert acts(engine) == []


@pytest.mark.parametrize(
    ("limit", "overlap", "names_", "left"),
    [(1, False, [""], 1), (1, True, [""], 2), (2, False, ["a", "b", "c", "a"], 2), (2, True, ["a"], 2)],
    ids=["one", "one and its overlap", "two names of three", "one name and its overlap"],
)
def test_keys_made_at_once_are_never_more_than_there_may_be(
    engine: sa.Engine, alice: int, limit: int, overlap: bool, names_: list[str], left: int
) -> None:
    store = TokenStore(engine, limit, overlap=6 * HOUR * overlap)
    at_once, rounds = 4, 4
    barrier = threading.Barrier(at_once)
    failures: list[BaseException] = []

    def make(number: int) -> None:
        try:
            for turn in range(rounds):
                barrier.wait(30)
                with suppress(BadRequest):  # as many as there may be
                    named(store, alice, names_[number % len(names_)], NOW + (turn * at_once + number) * SECOND)
        except BaseException as failure:
            failures.append(failure)
            barrier.abort()

    threads = [threading.Thread(target=make, args=(number,)) for number in range(at_once)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures
    assert len(store.active_of(alice, NOW + MINUTE)) == left
    with engine.connect() as connection:
        everything = connection.execute(sa.select(sa.func.count()).select_from(tokens)).scalar()
    assert len(names_) > limit or everything == at_once * rounds


def test_a_key_made_while_its_user_is_disabled_does_not_survive(
    engine: sa.Engine, store: TokenStore, users: UserStore, alice: int
) -> None:
    for _ in range(5):
        users.enable(alice, NOW)
        barrier = threading.Barrier(2)

        def make(barrier: threading.Barrier = barrier) -> None:
            barrier.wait(30)
            with suppress(Forbidden):
                made(store, alice)

        thread = threading.Thread(target=make)
        thread.start()
        barrier.wait(30)
        users.disable(alice, NOW)
        thread.join(60)
        assert store.active_of(alice, NOW) == []


@pytest.mark.parametrize("by", ["one", "all", "disabling", "replacing"])
def test_what_is_revoked_is_dead_on_the_next_request_of_another_worker(
    engine: sa.Engine, store: TokenStore, users: UserStore, alice: int, by: str
) -> None:
    key, row = made(store, alice)
    other = build_engine(engine.url)
    try:
        elsewhere = TokenStore(other)
        assert isinstance(elsewhere.identify(key, NOW), Identity)
        match by:
            case "one":
                store.revoke(alice, row.public_id, by="root", now=NOW)
            case "all":
                assert store.revoke_all(alice, by="root", now=NOW) == 1
            case "disabling":
                users.disable(alice, NOW)
            case "replacing":
                made(store, alice)
        assert cause(elsewhere.identify(key, NOW)) is Cause.REVOKED
    finally:
        other.dispose()


@pytest.mark.parametrize(
    "public_id",
    ["", "x", "A" * 12, "A" * 13, "' OR 1=1 --", "\0" * 12, "\ud800" * 12, "é" * 12],
)
def test_a_key_that_is_not_there_cannot_be_revoked(store: TokenStore, alice: int, public_id: str) -> None:
    made(store, alice)
    with pytest.raises(NotFound):
        store.revoke(alice, public_id, by="alice@example.test", now=NOW)
    assert len(store.active_of(alice, NOW)) == 1


def test_nobody_revokes_the_key_of_another(store: TokenStore, alice: int, bob: int) -> None:
    key, row = made(store, alice)
    with pytest.raises(NotFound):
        store.revoke(bob, row.public_id, by="bob@example.test", now=NOW)
    assert store.revoke_all(bob, by="bob@example.test", now=NOW) == 0
    assert isinstance(store.identify(key, NOW), Identity)


def test_a_key_is_revoked_once(engine: sa.Engine, store: TokenStore, alice: int) -> None:
    _, row = made(store, alice)
    store.revoke(alice, row.public_id, by="alice@example.test", now=NOW)
    with pytest.raises(NotFound):
        store.revoke(alice, row.public_id, by="alice@example.test", now=NOW + MINUTE)
    with engine.connect() as connection:
        assert connection.execute(sa.select(tokens.c.revoked_at)).scalar() == NOW


# --- what is written down --------------------------------------------------------------------------------


def test_the_audit_tells_who_made_and_revoked_which_key(engine: sa.Engine, store: TokenStore, alice: int) -> None:
    first = store.create(alice, NOW + MONTH, by="alice@example.test", now=NOW)[1]
    second = store.create(alice, NOW + MONTH, by="root@example.test", now=NOW)[1]
    store.revoke_all(alice, by="root@example.test", now=NOW)
    named = [f"access key {row.public_id} of alice@example.test" for row in (first, second)]
    assert acts(engine) == [
        ("alice@example.test", "token.create", named[0]),
        ("root@example.test", "token.revoke", named[0]),
        ("root@example.test", "token.create", named[1]),
        ("root@example.test", "token.revoke", named[1]),
    ]
    assert second.created_by == "root@example.test"


def test_a_change_and_its_audit_are_there_together_or_not_at_all(
    engine: sa.Engine, store: TokenStore, alice: int
) -> None:
    key, row = made(store, alice)
    with engine.begin() as connection:
        audit_records.drop(connection)
    with pytest.raises(sa.exc.DBAPIError):
        store.revoke(alice, row.public_id, by="root", now=NOW)
    with pytest.raises(sa.exc.DBAPIError):
        made(store, alice)
    assert isinstance(store.identify(key, NOW), Identity)
    assert [kept.public_id for kept in store.active_of(alice, NOW)] == [row.public_id]


def test_no_secret_is_in_the_database_or_the_log(
    engine: sa.Engine, store: TokenStore, alice: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        key, row = made(store, alice)
        answers = [store.identify(key, NOW), store.identify(key, NOW, "x"), store.identify(key, NOW + 2 * MONTH), row]
    with engine.connect() as connection:
        stored = [str(line) for table in (tokens, audit_records) for line in connection.execute(sa.select(table))]
    assert key.secret not in " ".join(stored) + caplog.text + repr(answers)
