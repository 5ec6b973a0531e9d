"""A service account has a person who answers for it and a purpose; nobody logs in as it, and it is never an admin."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from mlflow_oidc_auth.accounts.service_accounts import ServiceAccountStore
from mlflow_oidc_auth.accounts.users import UserStore
from mlflow_oidc_auth.audit import AuditFilter, AuditLog
from mlflow_oidc_auth.database.tables import users as users_table
from mlflow_oidc_auth.errors import AlreadyExists, BadRequest, Forbidden, NotFound
from mlflow_oidc_auth.login.claims import Profile
from mlflow_oidc_auth.tokens.store import TokenStore

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
ROOT = "root@example.test"


@pytest.fixture
def store(engine: sa.Engine) -> ServiceAccountStore:
    return ServiceAccountStore(engine)


@pytest.fixture
def users(engine: sa.Engine) -> UserStore:
    return UserStore(engine)


@pytest.fixture
def alice(users: UserStore) -> int:
    return log_in(users, "alice")


@pytest.fixture
def bob(users: UserStore) -> int:
    return log_in(users, "bob")


@pytest.fixture
def robot(store: ServiceAccountStore, alice: int) -> int:
    """alice answers for it."""
    return store.create("robot", alice, "trains at night", by=ROOT, now=NOW).id


def profile(name: str, username: str = "") -> Profile:
    return Profile("https://id.example.test", name, username or f"{name}@example.test", name, frozenset(), False)


def log_in(users: UserStore, name: str) -> int:
    return users.record_login(profile(name), NOW).id


def written(engine: sa.Engine) -> list[tuple[str, str, Any, Any]]:
    """What the audit has of service accounts, the oldest first."""
    records = AuditLog(engine).page(AuditFilter(), None, 100)
    return [
        (record.act, record.subject, record.before, record.after)
        for record in reversed(records)
        if record.act.startswith("service_account.")
    ]


def test_it_is_made_with_nothing_but_an_owner_and_a_purpose(
    engine: sa.Engine, store: ServiceAccountStore, users: UserStore, alice: int
) -> None:
    made = store.create("robot", alice, "trains at night", by=ROOT, now=NOW)
    assert users.by_username("robot") == made
    assert (made.is_service_account, made.is_active, made.is_admin, made.last_login_at) == (True, True, False, None)
    assert (made.owner_id, made.purpose) == (alice, "trains at night")
    assert TokenStore(engine).active_of(made.id, NOW) == []
    after = {"owner": "alice@example.test", "purpose": "trains at night"}
    assert written(engine) == [("service_account.create", "robot", None, after)]


@pytest.mark.usefixtures("robot")
def test_no_two_accounts_are_called_alike(engine: sa.Engine, store: ServiceAccountStore, bob: int) -> None:
    before = written(engine)
    with pytest.raises(AlreadyExists, match="of this name already"):
        store.create("robot", bob, "another", by=ROOT, now=NOW)
    assert written(engine) == before


def test_of_two_admins_who_make_the_same_at_once_one_makes_it(
    engine: sa.Engine, store: ServiceAccountStore, alice: int
) -> None:
    start, told = threading.Barrier(2), list[str]()

    def make() -> None:
        start.wait(30)
        try:
            store.create("robot", alice, "x", by=ROOT, now=NOW)
        except AlreadyExists:
            told.append("exists")
        else:
            told.append("made")

    both = [threading.Thread(target=make) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join(60)
    assert sorted(told) == ["exists", "made"]
    assert len(written(engine)) == 1


def test_who_is_disabled_is_gone_or_is_a_program_owns_none(
    engine: sa.Engine, store: ServiceAccountStore, users: UserStore, bob: int, robot: int
) -> None:
    users.disable(bob, NOW, ROOT)
    before = written(engine)
    for owner in (bob, robot, -1, 4711, 2**31, 2**64):
        with pytest.raises(BadRequest, match="active person"):
            store.create("another", owner, "x", by=ROOT, now=NOW)
        with pytest.raises(BadRequest, match="active person"):
            store.change(robot, owner_id=owner, purpose="x", by=ROOT, now=NOW)
    assert written(engine) == before
    assert users.by_username("another") is None


def test_it_gets_another_owner_and_purpose(engine: sa.Engine, store: ServiceAccountStore, bob: int, robot: int) -> None:
    changed = store.change(robot, owner_id=bob, purpose="trains by day", by=ROOT, now=NOW)
    assert (changed.owner_id, changed.purpose) == (bob, "trains by day")
    assert written(engine)[-1] == (
        "service_account.change",
        "robot",
        {"owner": "alice@example.test", "purpose": "trains at night"},
        {"owner": "bob@example.test", "purpose": "trains by day"},
    )


def test_what_does_not_change_is_not_written_down(
    engine: sa.Engine, store: ServiceAccountStore, alice: int, robot: int
) -> None:
    store.change(robot, owner_id=alice, purpose="trains at night", by=ROOT, now=NOW)
    assert len(written(engine)) == 1


def test_it_is_never_without_an_owner_by_choice(store: ServiceAccountStore, users: UserStore, robot: int) -> None:
    with pytest.raises(BadRequest, match="has an owner"):
        store.change(robot, owner_id=None, purpose="trains at night", by=ROOT, now=NOW)
    found = users.by_id(robot)
    assert found is not None
    assert found.owner_id is not None


def test_it_outlives_its_owner_and_the_audit_tells_so(
    engine: sa.Engine, store: ServiceAccountStore, users: UserStore, alice: int, bob: int, robot: int
) -> None:
    users.delete(alice, NOW, ROOT)
    found = users.by_id(robot)
    assert found is not None
    assert (found.is_active, found.owner_id) == (True, None)
    assert written(engine)[-1] == (
        "service_account.change",
        "robot",
        {"owner": "alice@example.test"},
        {"owner": None},
    )
    assert store.change(robot, owner_id=None, purpose="another", by=ROOT, now=NOW).purpose == "another"
    assert store.change(robot, owner_id=bob, purpose="another", by=ROOT, now=NOW).owner_id == bob


@pytest.mark.parametrize("user_id", [-1, 4711, 2**31, 2**64], ids=str)
def test_what_is_not_there_is_not_found(store: ServiceAccountStore, alice: int, user_id: int) -> None:
    with pytest.raises(NotFound):
        store.change(user_id, owner_id=alice, purpose="x", by=ROOT, now=NOW)


def test_a_person_is_none(engine: sa.Engine, store: ServiceAccountStore, alice: int, bob: int) -> None:
    with pytest.raises(NotFound, match="no such service account"):
        store.change(bob, owner_id=alice, purpose="x", by=ROOT, now=NOW)
    assert written(engine) == []


def test_a_login_of_that_name_does_not_take_it_over(engine: sa.Engine, users: UserStore, robot: int) -> None:
    with pytest.raises(Forbidden, match="belongs to another account"):
        users.record_login(profile("stranger", "robot"), NOW)
    with engine.connect() as connection:
        row = connection.execute(sa.select(users_table).where(users_table.c.id == robot)).one()
    assert (row.issuer, row.subject, row.last_login_at, row.is_service_account) == (None, None, None, True)


def test_it_is_made_no_admin(users: UserStore, robot: int) -> None:
    with pytest.raises(BadRequest, match="service account is no admin"):
        users.make_admin("robot", NOW, ROOT)
    found = users.by_id(robot)
    assert found is not None
    assert not found.is_admin


@pytest.mark.parametrize("ending", ["disable", "delete"])
def test_its_keys_end_with_it(engine: sa.Engine, users: UserStore, robot: int, ending: str) -> None:
    tokens = TokenStore(engine)
    tokens.create(robot, NOW + timedelta(days=9), by=ROOT, now=NOW)
    assert len(tokens.active_of(robot, NOW)) == 1
    getattr(users, ending)(robot, NOW, ROOT)
    assert tokens.active_of(robot, NOW) == []
