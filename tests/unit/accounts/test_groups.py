"""Teams are what admins make of them; groups of the login service are filled there; no name is given twice."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from mlflow_oidc_auth.accounts import group_changes
from mlflow_oidc_auth.accounts.groups import Group, GroupSource, GroupStore
from mlflow_oidc_auth.accounts.users import UserStore
from mlflow_oidc_auth.audit import AuditFilter, AuditLog
from mlflow_oidc_auth.database.tables import experiment_grants, groups, memberships, named_grants, pattern_grants
from mlflow_oidc_auth.database.tables import users as users_table
from mlflow_oidc_auth.database.turns import write_first
from mlflow_oidc_auth.errors import AlreadyExists, BadRequest, NotFound
from mlflow_oidc_auth.login.claims import Profile
from mlflow_oidc_auth.vocabulary import Level

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
ROOT = "root@example.test"
TEAM, PROVIDER = GroupSource.TEAM, GroupSource.PROVIDER


@pytest.fixture
def store(engine: sa.Engine) -> GroupStore:
    return GroupStore(engine)


@pytest.fixture
def users(engine: sa.Engine) -> UserStore:
    return UserStore(engine)


@pytest.fixture
def bob(users: UserStore) -> int:
    """He is in a group of the login service."""
    return log_in(users, "bob", "/readers")


@pytest.fixture
def team(store: GroupStore) -> Group:
    return store.make("vision", TEAM, by=ROOT, now=NOW, description="sees")


def log_in(users: UserStore, name: str, *of: str) -> int:
    profile = Profile("https://id.example.test", name, f"{name}@example.test", name, frozenset(of), False)
    return users.record_login(profile, NOW).id


def group_of_login(store: GroupStore) -> Group:
    found = store.by_name("/readers", PROVIDER)
    assert found is not None
    return found


def written(engine: sa.Engine) -> list[tuple[str, str, Any, Any]]:
    """What the audit has of groups, the oldest first."""
    records = AuditLog(engine).page(AuditFilter(), None, 100)
    return [
        (record.act, record.subject, record.before, record.after)
        for record in reversed(records)
        if record.act.startswith("group.")
    ]


def usernames(store: GroupStore, group: Group) -> list[str]:
    return [user.username for user in store.members(group.id, 0, 10)[0]]


def all_at_once(acts: list[Callable[[], object]]) -> list[object]:
    """What each gave or raised."""
    start, given = threading.Barrier(len(acts)), list[object]()

    def run(act: Callable[[], object]) -> None:
        start.wait(30)
        try:
            given.append(act())
        except Exception as failure:
            given.append(failure)

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(given) == len(acts)
    return given


def begun(act: Callable[[], object]) -> Callable[[], object]:
    """Start what must wait for an open transaction; the result, called after that one, tells what it gave or raised."""
    given = list[object]()

    def run() -> None:
        try:
            given.append(act())
        except Exception as failure:
            given.append(failure)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(0.5)
    assert thread.is_alive(), given

    def end() -> object:
        thread.join(60)
        return given[0]

    return end


# --- Names -----------------------------------------------------------------------------------------------------


def test_a_team_is_made_with_a_description_and_told_of(engine: sa.Engine, store: GroupStore, team: Group) -> None:
    row = store.by_id(team.id)
    assert row is not None
    assert (row.source, row.name, row.description, row.members) == (TEAM, "vision", "sees", 0)
    assert written(engine) == [("group.create", "team vision", None, {"description": "sees"})]


@pytest.mark.usefixtures("team", "bob")
@pytest.mark.parametrize(
    ("name", "source"),
    [("vision", TEAM), ("vision", PROVIDER), ("/readers", PROVIDER)],
    ids=["a team twice", "a group called as a team is", "a group twice"],
)
def test_no_two_are_called_alike(engine: sa.Engine, store: GroupStore, name: str, source: GroupSource) -> None:
    before = store.every(), written(engine)
    with pytest.raises(AlreadyExists, match="of this name already"):
        store.make(name, source, by=ROOT, now=NOW)
    assert (store.every(), written(engine)) == before


def test_names_that_differ_in_case_are_two_teams(store: GroupStore, team: Group) -> None:
    assert store.make("Vision", TEAM, by=ROOT, now=NOW).id != team.id


def test_of_many_admins_who_make_the_same_team_at_once_one_makes_it(engine: sa.Engine, store: GroupStore) -> None:
    for turn in range(3):
        make = [lambda name=f"team {turn}": store.make(name, TEAM, by=ROOT, now=NOW) for _ in range(4)]
        kinds = sorted(type(given).__name__ for given in all_at_once(list(make)))
        assert kinds == ["AlreadyExists"] * 3 + ["Group"]
    assert len(written(engine)) == 3


@pytest.mark.parametrize("first", ["made", "renamed"])
def test_a_group_made_known_while_a_team_gets_its_name_waits_and_is_told(
    engine: sa.Engine, store: GroupStore, team: Group, first: str
) -> None:
    with engine.begin() as connection:
        if first == "made":
            group_changes.make(connection, "seeing", TEAM, by=ROOT, now=NOW)
        else:
            group_changes.change(connection, team.id, name="seeing", description="", by=ROOT, now=NOW)
        waiting = begun(lambda: store.make("seeing", PROVIDER, by=ROOT, now=NOW))
    assert isinstance(waiting(), AlreadyExists)
    assert [group.source for group in store.every() if group.name == "seeing"] == [TEAM]


def test_a_group_that_an_admin_made_known_is_the_one_its_people_log_in_with(
    store: GroupStore, users: UserStore
) -> None:
    made = store.make("/data science", PROVIDER, by=ROOT, now=NOW)
    carol = log_in(users, "carol", "/data science")
    assert store.of_user(carol) == [made]


def test_a_group_of_the_login_service_has_no_description(store: GroupStore) -> None:
    with pytest.raises(BadRequest, match="Only teams"):
        store.make("/new", PROVIDER, by=ROOT, now=NOW, description="new")
    assert store.every() == []


# --- Changes ---------------------------------------------------------------------------------------------------


def test_a_change_of_name_keeps_who_is_in_it(engine: sa.Engine, store: GroupStore, team: Group, bob: int) -> None:
    store.add_member(team.id, bob, by=ROOT, now=NOW)
    store.change(team.id, name="seeing", description="", by=ROOT, now=NOW)
    assert [group.name for group in store.of_user(bob)] == ["/readers", "seeing"]
    assert written(engine)[-1] == (
        "group.change",
        "team vision",
        {"name": "vision", "description": "sees"},
        {"name": "seeing", "description": ""},
    )


def test_what_does_not_change_is_not_written_down(engine: sa.Engine, store: GroupStore, team: Group, bob: int) -> None:
    store.add_member(team.id, bob, by=ROOT, now=NOW)
    before = written(engine)
    store.change(team.id, name="vision", description="sees", by=ROOT, now=NOW)
    store.add_member(team.id, bob, by=ROOT, now=NOW)
    assert written(engine) == before


def test_members_are_taken_in_and_let_go(engine: sa.Engine, store: GroupStore, team: Group, bob: int) -> None:
    store.add_member(team.id, bob, by=ROOT, now=NOW)
    assert usernames(store, team) == ["bob@example.test"]
    store.remove_member(team.id, bob, by=ROOT, now=NOW)
    assert usernames(store, team) == []
    with pytest.raises(NotFound, match="not in this team"):
        store.remove_member(team.id, bob, by=ROOT, now=NOW)
    assert [(act, subject) for act, subject, *_ in written(engine)[1:]] == [
        ("group.add_member", "user bob@example.test in team vision"),
        ("group.remove_member", "user bob@example.test in team vision"),
    ]


def test_a_login_never_changes_who_is_in_a_team(store: GroupStore, users: UserStore, team: Group, bob: int) -> None:
    store.add_member(team.id, bob, by=ROOT, now=NOW)
    assert log_in(users, "bob", "/others") == bob
    assert [group.name for group in store.of_user(bob)] == ["/others", "vision"]
    users.shut_out("https://id.example.test", "bob", frozenset(), NOW)
    assert [group.name for group in store.of_user(bob)] == ["vision"]


def test_who_is_disabled_is_taken_into_no_team(store: GroupStore, users: UserStore, team: Group, bob: int) -> None:
    users.disable(bob, NOW, ROOT)
    with pytest.raises(BadRequest, match="disabled"):
        store.add_member(team.id, bob, by=ROOT, now=NOW)
    assert usernames(store, team) == []


REFUSED: dict[str, Callable[[GroupStore, int, int], object]] = {
    "name": lambda store, group, _: store.change(group, name="x", description="", by=ROOT, now=NOW),
    "in": lambda store, group, user: store.add_member(group, user, by=ROOT, now=NOW),
    "out": lambda store, group, user: store.remove_member(group, user, by=ROOT, now=NOW),
    "deletion": lambda store, group, _: store.delete(group, by=ROOT, now=NOW),
}


@pytest.mark.parametrize("what", REFUSED)
def test_of_a_group_of_the_login_service_with_people_nothing_is_changed_here(
    engine: sa.Engine, store: GroupStore, bob: int, what: str
) -> None:
    group = group_of_login(store)
    with pytest.raises(BadRequest, match="login service"):
        REFUSED[what](store, group.id, bob)
    assert usernames(store, group) == ["bob@example.test"]
    assert written(engine) == []


@pytest.mark.parametrize("what", REFUSED)
@pytest.mark.parametrize("group_id", [-1, 0, 4711, 2**31, 2**64], ids=str)
def test_what_is_not_there_is_not_found(store: GroupStore, bob: int, what: str, group_id: int) -> None:
    with pytest.raises(NotFound):
        REFUSED[what](store, group_id, bob)
    assert store.by_id(group_id) is None


@pytest.mark.parametrize("user_id", [-1, 0, 4711, 2**31, 2**64], ids=str)
def test_who_is_not_there_is_taken_into_no_team(store: GroupStore, team: Group, user_id: int) -> None:
    with pytest.raises(NotFound, match="no such user"):
        store.add_member(team.id, user_id, by=ROOT, now=NOW)


# --- The end ---------------------------------------------------------------------------------------------------


def give(engine: sa.Engine, group_id: int) -> None:
    """One grant of each sort."""
    common = {"group_id": group_id, "granted_by": "root", "granted_at": NOW}
    with engine.begin() as connection:
        connection.execute(experiment_grants.insert().values(experiment_id=7, level=Level.READ, **common))
        connection.execute(named_grants.insert().values(name="forecast", level=Level.MANAGE, **common))
        pattern = {"kind": "experiment", "prefix": "teama-", "level": Level.EDIT}
        connection.execute(pattern_grants.insert().values(**pattern, **common))


def left_of(engine: sa.Engine, group_id: int) -> int:
    tables = (experiment_grants, named_grants, pattern_grants, memberships)
    with engine.connect() as connection:
        return sum(len(connection.execute(sa.select(t).where(t.c.group_id == group_id)).all()) for t in tables)


def test_a_team_leaves_nothing_and_the_audit_tells_what_went(
    engine: sa.Engine, store: GroupStore, team: Group, bob: int
) -> None:
    store.add_member(team.id, bob, by=ROOT, now=NOW)
    give(engine, team.id)
    assert left_of(engine, team.id) == 4
    store.delete(team.id, by=ROOT, now=NOW)
    assert left_of(engine, team.id) == 0
    assert store.by_id(team.id) is None
    act, subject, before, _ = written(engine)[-1]
    assert (act, subject) == ("group.delete", "team vision")
    assert (before["members"], before["grants"]) == (["bob@example.test"], 3)
    assert sorted(before["grants_on"]) == [
        "experiment 7: READ",
        "experiment pattern 'teama-*': EDIT",
        "registered model 'forecast': MANAGE",
    ]


def test_an_id_is_never_given_twice(engine: sa.Engine, store: GroupStore, team: Group) -> None:
    store.delete(team.id, by=ROOT, now=NOW)
    assert store.make("other", TEAM, by=ROOT, now=NOW).id > team.id
    with engine.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(groups)).scalar_one() == 1


def test_a_group_of_the_login_service_that_nobody_is_in_may_go(store: GroupStore, users: UserStore, bob: int) -> None:
    group = group_of_login(store)
    assert log_in(users, "bob") == bob
    store.delete(group.id, by=ROOT, now=NOW)
    assert store.every() == []


def test_who_is_taken_in_while_the_team_is_deleted_waits_and_is_told(
    engine: sa.Engine, store: GroupStore, team: Group, bob: int
) -> None:
    with engine.begin() as connection:
        group_changes.delete(connection, team.id, by=ROOT, now=NOW)
        waiting = begun(lambda: store.add_member(team.id, bob, by=ROOT, now=NOW))
    assert isinstance(waiting(), NotFound)
    assert left_of(engine, team.id) == 0


def test_a_team_deleted_while_somebody_is_taken_in_waits_and_the_audit_tells_of_them(
    engine: sa.Engine, store: GroupStore, team: Group, bob: int
) -> None:
    with engine.begin() as connection:
        group_changes.add_member(connection, team.id, bob, by=ROOT, now=NOW)
        waiting = begun(lambda: store.delete(team.id, by=ROOT, now=NOW))
    assert waiting() is None
    assert written(engine)[-1][2]["members"] == ["bob@example.test"]
    assert left_of(engine, team.id) == 0


def test_who_is_disabled_while_they_are_taken_in_is_in_no_team(
    engine: sa.Engine, store: GroupStore, team: Group, bob: int
) -> None:
    with engine.begin() as connection:
        write_first(connection)
        connection.execute(sa.select(users_table.c.id).where(users_table.c.id == bob).with_for_update())
        connection.execute(users_table.update().where(users_table.c.id == bob).values(is_active=False))
        waiting = begun(lambda: store.add_member(team.id, bob, by=ROOT, now=NOW))
    assert isinstance(waiting(), BadRequest)
    assert usernames(store, team) == []


# --- Lists -----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("team", "bob")
def test_a_page_is_searched_by_name_source_and_who_is_in_it(store: GroupStore, bob: int) -> None:
    def found(search: str = "", **more: Any) -> tuple[list[str], int]:
        rows, count = store.page(search, 0, 10, **more)
        return [row.name for row in rows], count

    assert found() == (["/readers", "vision"], 2)
    assert found("VIS") == (["vision"], 1)
    assert found("%") == found("_") == ([], 0)
    assert found(source=TEAM) == (["vision"], 1)
    assert found(of_user=bob) == (["/readers"], 1)
    assert store.page("", 1, 1)[0][0].name == "vision"
