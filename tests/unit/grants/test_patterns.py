"""Grants on patterns: by admins alone, on every name with a prefix, one grant each."""

from __future__ import annotations

import threading
from datetime import timedelta
from itertools import pairwise

import pytest
import sqlalchemy as sa

from mlflow_oidc_auth.database.tables import NAME_LENGTH, pattern_grants
from mlflow_oidc_auth.errors import BadRequest, Forbidden, NotFound
from mlflow_oidc_auth.grants.listing import GrantListing
from mlflow_oidc_auth.grants.store import GivenBy, Grant, Grantee, GrantStore, Pattern, take_turns
from mlflow_oidc_auth.vocabulary import Kind, Level
from tests.unit.grants.test_races import at_once
from tests.unit.grants.world import EXPERIMENT, MODEL, NOW, PROMPT, World

ADMIN = GivenBy("root@example.test", is_admin=True)
TEAM_A = Pattern(Kind.EXPERIMENT, "team-a")


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("text", ["teama-*", "*", "te%*", "t_*", " *", "ünï*", "x" * (NAME_LENGTH - 1) + "*"])
def test_a_pattern_is_a_prefix_and_a_star(kind: Kind, text: str) -> None:
    parsed = Pattern.parse(kind, text)
    assert (parsed.kind, parsed.prefix, str(parsed)) == (kind, text[:-1], text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "must end in '*'"),
        ("teama", "must end in '*'"),
        ("*teama", "must end in '*'"),
        ("team*a*", "one '*' only"),
        ("**", "one '*' only"),
        ("x" * NAME_LENGTH + "*", "longer than 256"),
    ],
)
def test_what_is_no_pattern_is_refused_with_what_is_wrong(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why.replace("*", r"\*")):
        Pattern.parse(Kind.EXPERIMENT, text)


def test_a_pattern_is_given_changed_and_taken_away_like_a_resource(world: World, store: GrantStore) -> None:
    tomorrow = NOW + timedelta(days=1)
    for to in (world.to("bob"), world.readers):
        given = store.give(TEAM_A, to, Level.READ, by=ADMIN, now=NOW)
        changed = store.give(TEAM_A, to, Level.EDIT, by=ADMIN, now=NOW, until=tomorrow)
        assert store.read(TEAM_A, to) == changed == Grant(Level.EDIT, "root@example.test", NOW, tomorrow)
        assert given.id == changed.id
        store.take_away(TEAM_A, to, by=ADMIN, now=NOW)
        assert store.read(TEAM_A, to) is None
        with pytest.raises(NotFound, match="has none on this pattern"):
            store.take_away(TEAM_A, to, by=ADMIN, now=NOW)


def test_each_change_of_a_pattern_is_written_down(world: World, store: GrantStore) -> None:
    for pattern in (TEAM_A, Pattern(Kind.PROMPT, "")):
        store.give(pattern, world.readers, Level.READ, by=ADMIN, now=NOW)
        store.take_away(pattern, world.readers, by=ADMIN, now=NOW)
    read = {"level": "READ", "expires_at": None}
    on = ("experiment pattern 'team-a*' for group readers", "registered model pattern '*' for group readers")
    assert world.acts() == [
        (ADMIN.username, "grant.give", on[0], None, read),
        (ADMIN.username, "grant.take_away", on[0], read, None),
        (ADMIN.username, "grant.give", on[1], None, read),
        (ADMIN.username, "grant.take_away", on[1], read, None),
    ]


def test_models_and_prompts_share_their_patterns_and_experiments_have_their_own(
    world: World, store: GrantStore
) -> None:
    store.give(Pattern(Kind.PROMPT, "gre"), world.to("bob"), Level.READ, by=ADMIN, now=NOW)
    assert store.read(Pattern(Kind.REGISTERED_MODEL, "gre"), world.to("bob")) is not None
    assert store.read(Pattern(Kind.EXPERIMENT, "gre"), world.to("bob")) is None


def test_whoever_manages_all_of_it_gives_no_pattern(world: World, store: GrantStore) -> None:
    world.given_pattern(Kind.EXPERIMENT, "team-a", Level.MANAGE, world.to("bob"))
    for name in ("alice", "bob", "carol"):
        with pytest.raises(Forbidden, match="Only MLflow admins may give access to a pattern"):
            store.give(TEAM_A, world.to("carol"), Level.READ, by=world.by(name), now=NOW)
        with pytest.raises(Forbidden, match="Only MLflow admins may give access to a pattern"):
            store.take_away(TEAM_A, world.to("bob"), by=world.by(name), now=NOW)
    assert store.read(TEAM_A, world.to("bob")) is not None
    assert world.acts() == []


@pytest.mark.parametrize("gone", [Grantee(4711, "gone"), Grantee(4711, "gone", is_group=True)], ids=str)
def test_nothing_is_given_to_who_is_gone(store: GrantStore, gone: Grantee) -> None:
    with pytest.raises(NotFound, match="gone"):
        store.give(TEAM_A, gone, Level.READ, by=ADMIN, now=NOW)


def test_somebody_disabled_is_given_nothing_but_kept_out(world: World, store: GrantStore) -> None:
    world.disable("dave")
    for on in (TEAM_A, EXPERIMENT, MODEL):
        with pytest.raises(BadRequest, match="disabled"):
            store.give(on, world.to("dave"), Level.READ, by=ADMIN, now=NOW)
        store.give(on, world.to("dave"), Level.NO_PERMISSIONS, by=ADMIN, now=NOW)
        store.take_away(on, world.to("dave"), by=ADMIN, now=NOW)


def test_many_who_give_on_one_pattern_at_once_leave_one_grant(
    world: World, store: GrantStore, engine: sa.Engine
) -> None:
    levels = list(Level) * 2
    outcomes = at_once(
        *(lambda level=level: store.give(TEAM_A, world.readers, level, by=ADMIN, now=NOW) for level in levels)  # type: ignore[misc]
    )
    assert outcomes == ["done"] * len(levels)
    with engine.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(pattern_grants)).scalar_one() == 1
    acts = world.acts()
    assert all(later[3] == earlier[4] for earlier, later in pairwise(acts))


# --- Listed ------------------------------------------------------------------------------------------------


def test_with_its_name_a_resource_is_listed_with_the_patterns_that_cover_it(
    world: World, store: GrantStore, listing: GrantListing
) -> None:
    for prefix in ("", "team", "team-a sales", "team-a sales!", "Team", "te_m"):
        store.give(Pattern(Kind.EXPERIMENT, prefix), world.readers, Level.READ, by=ADMIN, now=NOW)
    store.give(Pattern(Kind.REGISTERED_MODEL, ""), world.to("bob"), Level.READ, by=ADMIN, now=NOW)
    on = listing.find(NOW, resource=EXPERIMENT.resource, name=EXPERIMENT.name)
    assert [(one.to, one.on) for one in on] == [
        ("alice@example.test", "7"),
        ("readers", "*"),
        ("readers", "team*"),
        ("readers", "team-a sales*"),
    ]
    named = listing.find(NOW, resource=PROMPT.resource, name=PROMPT.name)
    assert [one.on for one in named] == ["greeting", "*"]


def test_a_list_is_cut_by_the_database(world: World, store: GrantStore, listing: GrantListing) -> None:
    for number in range(10):
        store.give(Pattern(Kind.EXPERIMENT, f"p{number}"), world.readers, Level.READ, by=ADMIN, now=NOW)
        store.give(Pattern(Kind.PROMPT, f"p{number}"), world.readers, Level.READ, by=ADMIN, now=NOW)
    every = listing.find(NOW)
    pages = [listing.find(NOW, offset=offset, size=7) for offset in range(0, 28, 7)]
    assert [one.id for page in pages for one in page] == [one.id for one in every]
    assert [len(page) for page in pages] == [7, 7, 7, 3]


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)  # SQLite has one writer at a time
def test_a_lock_of_a_pattern_is_no_lock_of_another(world: World, store: GrantStore, engine: sa.Engine) -> None:
    held, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        with engine.begin() as connection:
            take_turns(connection, TEAM_A)
            held.set()
            let_go.wait(30)

    holding = threading.Thread(target=hold)
    holding.start()
    held.wait(30)
    other = Pattern(Kind.REGISTERED_MODEL, "team-a")
    try:
        assert at_once(lambda: store.give(other, world.readers, Level.READ, by=ADMIN, now=NOW)) == ["done"]
    finally:
        let_go.set()
        holding.join(30)
