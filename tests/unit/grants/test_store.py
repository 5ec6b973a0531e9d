"""Grants on one resource: given, replaced, taken away, and never left without a manager."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from mlflow_oidc_auth.errors import Forbidden, NotFound
from mlflow_oidc_auth.grants.store import GivenBy, Grant, Grantee, GrantStore, Held, Shareable
from mlflow_oidc_auth.vocabulary import Kind, Level, Resource, Rung
from tests.unit.grants.world import EVERY_KIND, EXPERIMENT, MODEL, NOW, OTHER, PROMPT, World

SHELL = GivenBy("root", is_admin=True)
TOMORROW, YESTERDAY = NOW + timedelta(days=1), NOW - timedelta(days=1)

every_kind = pytest.mark.parametrize("on", EVERY_KIND, ids=lambda on: str(on.resource.kind))


@every_kind
def test_a_grant_is_read_as_it_was_given(world: World, store: GrantStore, on: Shareable) -> None:
    given = store.give(on, world.to("bob"), Level.EDIT, by=world.by("alice"), now=NOW, until=TOMORROW)
    assert given == Grant(Level.EDIT, "alice@example.test", NOW, TOMORROW)
    assert store.read(on.resource, world.to("bob")) == given


@every_kind
def test_a_group_is_given_like_a_user(world: World, store: GrantStore, on: Shareable) -> None:
    store.give(on, world.readers, Level.READ, by=world.by("alice"), now=NOW)
    assert store.read(on.resource, world.readers) is not None
    assert store.read(on.resource, world.to("bob")) is None


def test_models_and_prompts_share_one_name_space(world: World, store: GrantStore) -> None:
    store.give(PROMPT, world.to("bob"), Level.READ, by=world.by("alice"), now=NOW)
    assert store.read(Resource(Kind.REGISTERED_MODEL, "greeting"), world.to("bob")) is not None


def test_experiment_ids_compare_as_numbers(world: World, store: GrantStore) -> None:
    store.give(Shareable(Resource(Kind.EXPERIMENT, "007"), ""), world.to("bob"), Level.READ, by=SHELL, now=NOW)
    assert store.read(EXPERIMENT.resource, world.to("bob")) is not None


def test_a_second_grant_replaces_the_first_and_one_that_says_the_same_stays(world: World, store: GrantStore) -> None:
    later = NOW + timedelta(hours=1)
    store.give(EXPERIMENT, world.to("bob"), Level.READ, by=world.by("alice"), now=NOW, until=TOMORROW)
    replaced = store.give(EXPERIMENT, world.to("bob"), Level.READ, by=SHELL, now=later)
    assert replaced == Grant(Level.READ, "root", later, None)
    again = store.give(EXPERIMENT, world.to("bob"), Level.READ, by=world.by("alice"), now=later + timedelta(hours=1))
    assert again == store.read(EXPERIMENT.resource, world.to("bob")) == replaced


def test_each_change_is_written_down_and_nothing_else(world: World, store: GrantStore) -> None:
    for level in (Level.READ, Level.READ, Level.EDIT):
        store.give(MODEL, world.readers, level, by=world.by("alice"), now=NOW)
    store.take_away(MODEL, world.readers, by=SHELL, now=NOW)
    read, edit = ({"level": name, "expires_at": None} for name in ("READ", "EDIT"))
    on = "registered model 'forecast' for group readers"
    assert world.acts() == [
        ("alice@example.test", "grant.give", on, None, read),
        ("alice@example.test", "grant.give", on, read, edit),
        ("root", "grant.take_away", on, edit, None),
    ]


# --- Who may -----------------------------------------------------------------------------------------


@every_kind
@pytest.mark.parametrize("level", [level for level in Level if level < Level.MANAGE])
def test_who_does_not_manage_it_changes_nothing(world: World, store: GrantStore, on: Shareable, level: Level) -> None:
    world.given(on, level, world.to("bob"))
    for name in ("bob", "carol", "alice"):
        with pytest.raises(Forbidden):
            store.give(on, world.to(name), Level.READ, by=world.by("bob"), now=NOW)
        with pytest.raises(Forbidden):
            store.take_away(on, world.to(name), by=world.by("bob"), now=NOW)
    assert store.read(on.resource, world.to("bob")) == Grant(level, "system", NOW, None)
    assert store.read(on.resource, world.to("carol")) is None
    assert world.acts() == []


@pytest.mark.parametrize("rung", ["group", "pattern", "group pattern", "default"])
def test_manage_counts_from_wherever_it_comes(world: World, engine: sa.Engine, rung: str) -> None:
    store = GrantStore(engine, Level.MANAGE if rung == "default" else Level.NO_PERMISSIONS)
    match rung:
        case "group":
            world.given(EXPERIMENT, Level.MANAGE, world.readers)
        case "pattern":
            world.given_pattern(Kind.EXPERIMENT, "team-a ", Level.MANAGE, world.to("bob"))
        case "group pattern":
            world.given_pattern(Kind.EXPERIMENT, "team-", Level.MANAGE, world.readers)
    store.give(EXPERIMENT, world.to("carol"), Level.READ, by=world.by("bob"), now=NOW)
    world.given(EXPERIMENT, Level.EDIT, world.to("bob"))  # the most specific grant decides
    with pytest.raises(Forbidden):
        store.give(EXPERIMENT, world.to("carol"), Level.EDIT, by=world.by("bob"), now=NOW)


def test_a_managers_grant_that_has_ended_lets_nobody_give(world: World, store: GrantStore) -> None:
    world.given(EXPERIMENT, Level.MANAGE, world.to("bob"), until=NOW)
    with pytest.raises(Forbidden):
        store.give(EXPERIMENT, world.to("carol"), Level.READ, by=world.by("bob"), now=NOW)


def test_an_admin_needs_to_be_no_user(world: World, store: GrantStore) -> None:
    store.give(EXPERIMENT, world.to("carol"), Level.MANAGE, by=SHELL, now=NOW)
    assert store.read(EXPERIMENT.resource, world.to("carol")) is not None


def test_whether_there_was_a_grant_is_told_to_managers_alone(world: World, store: GrantStore) -> None:
    with pytest.raises(Forbidden) as to_stranger:
        store.take_away(EXPERIMENT, world.to("carol"), by=world.by("bob"), now=NOW)
    with pytest.raises(Forbidden) as of_a_grant:
        store.take_away(EXPERIMENT, world.to("alice"), by=world.by("bob"), now=NOW)
    assert to_stranger.value.message == of_a_grant.value.message
    with pytest.raises(NotFound, match="No grant of their own"):
        store.take_away(EXPERIMENT, world.to("carol"), by=world.by("alice"), now=NOW)


@pytest.mark.parametrize("grantee", [Grantee(4711, "gone"), Grantee(4711, "gone", is_group=True)], ids=str)
@every_kind
def test_nothing_is_given_to_who_is_gone(world: World, store: GrantStore, on: Shareable, grantee: Grantee) -> None:
    with pytest.raises(NotFound, match="gone"):
        store.give(on, grantee, Level.READ, by=world.by("alice"), now=NOW)
    assert world.acts() == []


# --- The last manager -----------------------------------------------------------------------------------


@every_kind
def test_the_last_manager_cannot_go_but_an_admin_may_send_them(world: World, store: GrantStore, on: Shareable) -> None:
    alice = world.to("alice")
    with pytest.raises(Forbidden, match="without anybody who manages it"):
        store.take_away(on, alice, by=world.by("alice"), now=NOW)
    for level in (level for level in Level if level < Level.MANAGE):
        with pytest.raises(Forbidden, match="without anybody who manages it"):
            store.give(on, alice, level, by=world.by("alice"), now=NOW)
    with pytest.raises(Forbidden, match="without an end date"):
        store.give(on, alice, Level.MANAGE, by=world.by("alice"), now=NOW, until=TOMORROW)
    assert store.read(on.resource, alice) == Grant(Level.MANAGE, "system", NOW, None)
    store.take_away(on, alice, by=SHELL, now=NOW)
    assert world.managers(on) == []


@pytest.mark.parametrize(
    ("who", "stays"),
    [
        pytest.param("another user", True, id="another user"),
        pytest.param("a group with somebody in it", True, id="a group with somebody in it"),
        pytest.param("an empty group", False, id="an empty group"),
        pytest.param("somebody disabled", False, id="somebody disabled"),
        pytest.param("somebody until tomorrow", False, id="somebody until tomorrow"),
        pytest.param("somebody until yesterday", False, id="somebody until yesterday"),
        pytest.param("a group whose only member has a lower grant", False, id="a group that its member is not let by"),
        pytest.param("a pattern", False, id="a pattern"),
    ],
)
def test_a_manager_may_go_when_somebody_stays(world: World, store: GrantStore, who: str, stays: bool) -> None:
    match who:
        case "another user":
            world.given(EXPERIMENT, Level.MANAGE, world.to("bob"))
        case "a group with somebody in it":
            world.given(EXPERIMENT, Level.MANAGE, world.readers)
        case "an empty group":
            world.given(EXPERIMENT, Level.MANAGE, world.group("nobody"))
        case "somebody disabled":
            world.given(EXPERIMENT, Level.MANAGE, world.to("dave"))
            world.disable("dave")
        case "somebody until tomorrow":
            world.given(EXPERIMENT, Level.MANAGE, world.to("bob"), until=TOMORROW)
        case "somebody until yesterday":
            world.given(EXPERIMENT, Level.MANAGE, world.to("bob"), until=YESTERDAY)
        case "a group whose only member has a lower grant":
            world.given(EXPERIMENT, Level.MANAGE, world.readers)
            world.given(EXPERIMENT, Level.READ, world.to("bob"))
        case "a pattern":
            world.given_pattern(Kind.EXPERIMENT, "team-a ", Level.MANAGE, world.to("bob"))
    if stays:
        store.take_away(EXPERIMENT, world.to("alice"), by=world.by("alice"), now=NOW)
        assert store.read(EXPERIMENT.resource, world.to("alice")) is None
    else:
        with pytest.raises(Forbidden):
            store.take_away(EXPERIMENT, world.to("alice"), by=world.by("alice"), now=NOW)


def test_somebody_elses_grant_can_be_what_keeps_the_last_manager_out(world: World, store: GrantStore) -> None:
    """The only manager is bob, by his group; a grant of his own would beat it."""
    world.given(EXPERIMENT, Level.MANAGE, world.readers)
    store.take_away(EXPERIMENT, world.to("alice"), by=world.by("alice"), now=NOW)
    with pytest.raises(Forbidden, match="without anybody who manages it"):
        store.give(EXPERIMENT, world.to("bob"), Level.READ, by=world.by("bob"), now=NOW)
    with pytest.raises(Forbidden, match="without anybody who manages it"):
        store.give(EXPERIMENT, world.readers, Level.READ, by=world.by("bob"), now=NOW)


def test_what_had_no_manager_need_not_get_one(world: World, store: GrantStore) -> None:
    store.take_away(EXPERIMENT, world.to("alice"), by=SHELL, now=NOW)
    world.given_pattern(Kind.EXPERIMENT, "team-a ", Level.MANAGE, world.to("bob"))
    store.give(EXPERIMENT, world.to("carol"), Level.READ, by=world.by("bob"), now=NOW)
    store.take_away(EXPERIMENT, world.to("carol"), by=world.by("bob"), now=NOW)


# --- What is read -----------------------------------------------------------------------------------------


def test_managers_are_active_users_by_their_own_grant_or_a_groups(world: World) -> None:
    world.given(EXPERIMENT, Level.MANAGE, world.group("leads", "carol", "dave", "alice"))
    world.given(EXPERIMENT, Level.MANAGE, world.to("bob"), until=NOW)
    world.disable("dave")
    assert world.managers(EXPERIMENT) == ["alice@example.test", "carol@example.test"]


def _page(world: World, store: GrantStore, offset: int = 0, size: int = 10) -> tuple[list[Held], int]:
    bob = world.by("bob")
    return store.owned_and_shared(bob.user_id, bob.group_ids, offset, size, NOW)


def test_what_somebody_holds_the_highest_level_first(world: World, store: GrantStore) -> None:
    world.given(OTHER, Level.MANAGE, world.to("bob"))
    world.given(EXPERIMENT, Level.READ, world.readers)
    world.given(MODEL, Level.READ, world.to("bob"))
    world.given(PROMPT, Level.EDIT, world.readers)
    held, total = _page(world, store)
    assert total == 4
    assert held == [
        Held(OTHER.resource, Level.MANAGE, Rung.USER),
        Held(Resource(Kind.REGISTERED_MODEL, "greeting"), Level.EDIT, Rung.GROUP),
        Held(EXPERIMENT.resource, Level.READ, Rung.GROUP),
        Held(MODEL.resource, Level.READ, Rung.USER),
    ]
    pages = [_page(world, store, offset, 3) for offset in (0, 3, 6)]
    assert [held for page, _ in pages for held in page] == held
    assert {total for _, total in pages} == {4}


def test_what_somebody_holds_is_what_the_deciding_grant_says(world: World, store: GrantStore) -> None:
    world.given(EXPERIMENT, Level.MANAGE, world.readers)
    world.given(EXPERIMENT, Level.READ, world.group("guests", "bob"))
    world.given(OTHER, Level.MANAGE, world.readers)
    world.given(OTHER, Level.READ, world.to("bob"))
    world.given(MODEL, Level.READ, world.readers)
    world.given(MODEL, Level.NO_PERMISSIONS, world.to("bob"))
    world.given(PROMPT, Level.EDIT, world.to("bob"), until=NOW)
    held, total = _page(world, store)
    assert held == [
        Held(EXPERIMENT.resource, Level.MANAGE, Rung.GROUP),
        Held(OTHER.resource, Level.READ, Rung.USER),
    ]
    assert total == 2


def test_somebody_without_groups_or_grants_holds_nothing(world: World, store: GrantStore) -> None:
    assert store.owned_and_shared(world.by("carol").user_id, frozenset(), 0, 10, NOW) == ([], 0)
