"""Who somebody is comes from the provider at each login; an e-mail is never taken over."""

from __future__ import annotations

import dataclasses
import threading
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from mlflow_oidc_auth.accounts.groups import GroupSource, GroupStore
from mlflow_oidc_auth.accounts.users import UserStore
from mlflow_oidc_auth.database.tables import audit_records, groups, memberships, tokens
from mlflow_oidc_auth.database.tables import sessions as sessions_table
from mlflow_oidc_auth.database.tables import users as users_table
from mlflow_oidc_auth.errors import Forbidden, NotFound
from mlflow_oidc_auth.login.claims import Profile

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
ALICE = Profile(
    "https://id.example.test", "alice-sub", "alice@example.test", "Alice Adams", frozenset({"/prokube users"}), False
)


@pytest.fixture
def users(engine: sa.Engine) -> UserStore:
    return UserStore(engine)


@pytest.fixture
def group_store(engine: sa.Engine) -> GroupStore:
    return GroupStore(engine)


def but(profile: Profile, **changes: object) -> Profile:
    return dataclasses.replace(profile, **changes)


def names(group_store: GroupStore, user_id: int) -> list[str]:
    return [group.name for group in group_store.of_user(user_id)]


def test_the_first_login_makes_the_user(users: UserStore, group_store: GroupStore) -> None:
    alice = users.record_login(ALICE, NOW)
    assert users.by_username("alice@example.test") == alice
    assert (alice.display_name, alice.is_admin, alice.is_active) == ("Alice Adams", False, True)
    assert (alice.created_at, alice.last_login_at, alice.is_service_account) == (NOW, NOW, False)
    assert names(group_store, alice.id) == ["/prokube users"]


def test_the_next_login_finds_the_same_user(users: UserStore) -> None:
    first, later = users.record_login(ALICE, NOW), NOW + timedelta(days=1)
    second = users.record_login(but(ALICE, display_name="Alice Ames"), later)
    assert (second.id, second.display_name) == (first.id, "Alice Ames")
    assert (second.created_at, second.last_login_at) == (NOW, later)


def test_a_username_is_found_in_any_case(users: UserStore) -> None:
    assert users.by_username("ALICE@example.TEST") is None
    users.record_login(ALICE, NOW)
    assert users.by_username("ALICE@example.TEST") is not None


def test_groups_are_replaced_at_each_login(users: UserStore, group_store: GroupStore) -> None:
    alice = users.record_login(but(ALICE, groups=frozenset({"/a", "/b"})), NOW)
    users.record_login(but(ALICE, groups=frozenset({"/b", "/c"})), NOW)
    assert names(group_store, alice.id) == ["/b", "/c"]
    users.record_login(but(ALICE, groups=frozenset()), NOW)
    assert names(group_store, alice.id) == []


def test_a_group_keeps_its_id_when_its_last_member_leaves(users: UserStore, group_store: GroupStore) -> None:
    users.record_login(but(ALICE, groups=frozenset({"/a"})), NOW)
    before = group_store.by_name("/a")
    users.record_login(but(ALICE, groups=frozenset()), NOW)
    users.record_login(but(ALICE, groups=frozenset({"/a"})), NOW)
    assert group_store.by_name("/a") == before


def test_teams_stay_at_a_login(engine: sa.Engine, users: UserStore, group_store: GroupStore) -> None:
    alice = users.record_login(ALICE, NOW)
    with engine.begin() as connection:
        team = connection.execute(
            groups.insert().values(source="team", name="/prokube users", created_at=NOW).returning(groups.c.id)
        ).scalar_one()
        connection.execute(memberships.insert().values(user_id=alice.id, group_id=team))
    users.record_login(but(ALICE, groups=frozenset({"/b"})), NOW)
    assert [(group.source, group.name) for group in group_store.of_user(alice.id)] == [
        (GroupSource.PROVIDER, "/b"),
        (GroupSource.TEAM, "/prokube users"),
    ]


def test_groups_of_other_people_stay(users: UserStore, group_store: GroupStore) -> None:
    alice = users.record_login(ALICE, NOW)
    users.record_login(but(ALICE, subject="bob-sub", username="bob@example.test", groups=frozenset()), NOW)
    assert names(group_store, alice.id) == ["/prokube users"]


def test_admin_follows_the_group(users: UserStore) -> None:
    assert users.record_login(but(ALICE, is_admin=True), NOW).is_admin
    assert not users.record_login(ALICE, NOW).is_admin


def test_an_email_is_not_taken_over_by_another_subject(users: UserStore, group_store: GroupStore) -> None:
    alice = users.record_login(ALICE, NOW)
    for stranger in (but(ALICE, subject="stranger-sub"), but(ALICE, issuer="https://evil.example.test")):
        with pytest.raises(Forbidden, match="belongs to another account"):
            users.record_login(but(stranger, is_admin=True, groups=frozenset({"/x"})), NOW)
    assert users.by_username("alice@example.test") == alice
    assert names(group_store, alice.id) == ["/prokube users"]
    assert users.page("", 0, 10)[1] == 1


def test_somebody_known_cannot_move_to_the_email_of_another(users: UserStore) -> None:
    users.record_login(ALICE, NOW)
    bob = but(ALICE, subject="bob-sub", username="bob@example.test")
    users.record_login(bob, NOW)
    with pytest.raises(Forbidden, match="belongs to another account"):
        users.record_login(but(bob, username="alice@example.test"), NOW)
    assert users.by_username("bob@example.test") is not None


def test_the_name_of_a_service_account_is_not_taken_over(engine: sa.Engine, users: UserStore) -> None:
    with engine.begin() as connection:
        connection.execute(
            users_table.insert().values(username="alice@example.test", is_service_account=True, created_at=NOW)
        )
    with pytest.raises(Forbidden):
        users.record_login(ALICE, NOW)


def test_a_new_email_of_the_same_subject_becomes_the_username(users: UserStore) -> None:
    alice = users.record_login(ALICE, NOW)
    renamed = users.record_login(but(ALICE, username="alice.ames@example.test"), NOW)
    assert renamed.id == alice.id
    assert users.by_username("alice@example.test") is None


def test_a_disabled_user_cannot_log_in_until_enabled(users: UserStore) -> None:
    alice = users.record_login(ALICE, NOW)
    users.disable(alice.id, NOW)
    with pytest.raises(Forbidden, match="is disabled"):
        users.record_login(but(ALICE, is_admin=True), NOW)
    found = users.by_id(alice.id)
    assert found is not None
    assert (found.is_active, found.is_admin) == (False, False)
    users.enable(alice.id, NOW)
    assert users.record_login(ALICE, NOW).is_active


def _give_credentials(engine: sa.Engine, user_id: int, name: str) -> None:
    with engine.begin() as connection:
        connection.execute(
            sessions_table.insert().values(
                digest=name, user_id=user_id, created_at=NOW, last_seen_at=NOW, expires_at=NOW + timedelta(hours=1)
            )
        )
        connection.execute(
            tokens.insert().values(
                public_id=name, user_id=user_id, digest="x", created_at=NOW, created_by=name, expires_at=NOW
            )
        )


def _live_credentials(engine: sa.Engine, user_id: int) -> tuple[int, int]:
    count = sa.select(sa.func.count())
    with engine.connect() as connection:
        sessions = connection.execute(count.where(sessions_table.c.user_id == user_id)).scalar_one()
        live = connection.execute(count.where(tokens.c.user_id == user_id, tokens.c.revoked_at.is_(None))).scalar_one()
    return sessions, live


def test_disabling_ends_sessions_and_revokes_tokens(engine: sa.Engine, users: UserStore) -> None:
    dave = users.record_login(but(ALICE, subject="dave-sub", username="dave@example.test"), NOW)
    alice = users.record_login(ALICE, NOW)
    _give_credentials(engine, dave.id, "dave")
    _give_credentials(engine, alice.id, "alice")
    users.disable(dave.id, NOW)
    assert _live_credentials(engine, dave.id) == (0, 0)
    assert _live_credentials(engine, alice.id) == (1, 1)


def test_a_disabling_that_fails_halfway_leaves_everything_as_it_was(engine: sa.Engine, users: UserStore) -> None:
    dave = users.record_login(ALICE, NOW)
    _give_credentials(engine, dave.id, "dave")

    def broken(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        if "oidc_auth_audit_records" in statement:
            raise RuntimeError("the database went away")

    sa.event.listen(engine, "before_cursor_execute", broken)
    with pytest.raises(RuntimeError):
        users.disable(dave.id, NOW)
    sa.event.remove(engine, "before_cursor_execute", broken)
    assert _live_credentials(engine, dave.id) == (1, 1)
    found = users.by_id(dave.id)
    assert found is not None
    assert found.is_active


def test_a_deleted_user_takes_everything_along(engine: sa.Engine, users: UserStore, group_store: GroupStore) -> None:
    alice = users.record_login(ALICE, NOW)
    _give_credentials(engine, alice.id, "alice")
    users.delete(alice.id, NOW)
    assert users.by_id(alice.id) is None
    assert _live_credentials(engine, alice.id) == (0, 0)
    assert names(group_store, alice.id) == []
    assert users.record_login(ALICE, NOW).id != alice.id  # an id is never given twice


def test_who_is_not_there_cannot_be_changed(users: UserStore) -> None:
    for change in (users.disable, users.enable, users.delete):
        with pytest.raises(NotFound):
            change(999, NOW)


def test_who_fell_out_of_the_groups_loses_sessions_groups_and_admin_but_not_the_account(
    engine: sa.Engine, users: UserStore, group_store: GroupStore
) -> None:
    alice = users.record_login(but(ALICE, is_admin=True), NOW)
    _give_credentials(engine, alice.id, "alice")
    users.shut_out(ALICE.issuer, ALICE.subject, frozenset({"/other"}), NOW)
    found = users.by_id(alice.id)
    assert found is not None
    assert (found.is_admin, found.is_active) == (False, True)
    assert names(group_store, alice.id) == ["/other"]
    assert _live_credentials(engine, alice.id) == (0, 1)
    users.shut_out(ALICE.issuer, "nobody", frozenset({"/other"}), NOW)
    assert users.page("", 0, 10)[1] == 1


def test_what_changed_is_written_down_and_what_did_not_is_not(engine: sa.Engine, users: UserStore) -> None:
    users.record_login(ALICE, NOW)
    users.record_login(ALICE, NOW + timedelta(days=1))
    users.record_login(but(ALICE, is_admin=True, groups=frozenset({"/a"})), NOW)
    with engine.connect() as connection:
        rows = connection.execute(sa.select(audit_records).order_by(audit_records.c.id)).all()
    assert [row.act for row in rows] == ["user.create", "user.update"]
    assert rows[1].before == {"username": "alice@example.test", "is_admin": False, "groups": ["/prokube users"]}
    assert rows[1].after == {"username": "alice@example.test", "is_admin": True, "groups": ["/a"]}


@pytest.mark.parametrize(
    ("search", "found"),
    [("", 3), ("BOB", 1), ("example.test", 3), ("%", 0), ("_", 1), ("Zed", 1), ("'", 0)],
    ids=["nothing", "other case", "all", "percent", "underscore", "display name", "quote"],
)
def test_a_search_means_what_is_typed(users: UserStore, search: str, found: int) -> None:
    for name in ("alice", "bob", "ca_rol"):
        display = "Zed" if name == "bob" else name
        users.record_login(but(ALICE, subject=name, username=f"{name}@example.test", display_name=display), NOW)
    rows, count = users.page(search, 0, 2)
    assert count == found
    assert len(rows) == min(found, 2)
    assert [row.username for row in rows] == sorted(row.username for row in rows)
    assert len(users.page(search, 2, 2)[0]) == max(found - 2, 0)


def test_the_same_first_login_in_many_tabs_makes_one_user(engine: sa.Engine, users: UserStore) -> None:
    ids: list[int] = []
    errors: list[BaseException] = []
    together = threading.Barrier(6)

    def log_in(number: int) -> None:
        try:
            together.wait()
            ids.append(users.record_login(but(ALICE, groups=frozenset({"/a", "/b", f"/{number}"})), NOW).id)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=log_in, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(set(ids)) == 1
    assert users.page("", 0, 10)[1] == 1
