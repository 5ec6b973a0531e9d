"""Grants one by one: whose, on what, and in which order."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mlflow_oidc_auth.grants.listing import GrantListing, Holders
from mlflow_oidc_auth.vocabulary import Kind, Level
from tests.unit.grants.world import EVERY_KIND, EXPERIMENT, MODEL, NOW, OTHER, PROMPT, World


@pytest.fixture
def filled(world: World) -> World:
    """Some of each kind, for bob, his group and carol."""
    world.given(MODEL, Level.READ, world.to("bob"))
    world.given(OTHER, Level.EDIT, world.to("bob"), until=NOW + timedelta(days=1))
    world.given(EXPERIMENT, Level.READ, world.readers)
    world.given_pattern(Kind.EXPERIMENT, "team-a ", Level.USE, world.readers)
    world.given_pattern(Kind.REGISTERED_MODEL, "", Level.READ, world.to("bob"))
    world.given(PROMPT, Level.READ, world.to("carol"))
    return world


def told(listing: GrantListing, **wanted: object) -> list[tuple[str, str, str, str]]:
    found = listing.find(NOW, **wanted)  # type: ignore[arg-type]
    return [(grant.to.split("@")[0], str(grant.kind), grant.on, grant.level.name) for grant in found]


def test_all_of_them_users_first_then_by_name_then_experiments_names_and_patterns(
    filled: World, listing: GrantListing
) -> None:
    assert told(listing) == [
        ("alice", "experiment", "7", "MANAGE"),
        ("alice", "experiment", "8", "MANAGE"),
        ("alice", "registered_model", "forecast", "MANAGE"),
        ("alice", "registered_model", "greeting", "MANAGE"),
        ("bob", "experiment", "8", "EDIT"),
        ("bob", "registered_model", "forecast", "READ"),
        ("bob", "registered_model", "*", "READ"),
        ("carol", "registered_model", "greeting", "READ"),
        ("readers", "experiment", "7", "READ"),
        ("readers", "experiment", "team-a *", "USE"),
    ]


def test_those_of_a_user_of_groups_or_of_both(filled: World, listing: GrantListing) -> None:
    bob, readers = filled.by("bob").user_id, frozenset({filled.readers.id})
    of_bob = told(listing, holders=Holders(bob))
    of_readers = told(listing, holders=Holders(group_ids=readers))
    assert {who for who, *_ in of_bob} == {"bob"}
    assert {who for who, *_ in of_readers} == {"readers"}
    assert told(listing, holders=Holders(bob, readers)) == of_bob + of_readers
    assert told(listing, holders=Holders()) == []


@pytest.mark.parametrize("on", EVERY_KIND, ids=lambda on: str(on.resource.kind))
def test_those_on_one_resource_without_patterns(filled: World, listing: GrantListing, on: object) -> None:
    expected = {EXPERIMENT: ["alice", "readers"], MODEL: ["alice", "bob"], PROMPT: ["alice", "carol"]}
    assert [who for who, *_ in told(listing, resource=on.resource)] == expected[on]  # type: ignore[attr-defined,index]


def test_one_that_has_ended_is_not_told(filled: World, listing: GrantListing) -> None:
    bob = Holders(filled.by("bob").user_id)
    last = NOW + timedelta(days=1) - timedelta(seconds=1)
    assert len(listing.find(last, holders=bob)) == 3
    assert len(listing.find(last + timedelta(seconds=1), holders=bob)) == 2


def test_each_has_a_number_of_its_own(filled: World, listing: GrantListing) -> None:
    ids = [grant.id for grant in listing.find(NOW)]
    assert len(set(ids)) == len(ids) == 10


def test_one_tells_by_whom_and_until_when(filled: World, listing: GrantListing) -> None:
    (grant,) = listing.find(NOW, holders=Holders(filled.by("bob").user_id), resource=OTHER.resource)
    assert (grant.user_id, grant.group_id, grant.is_pattern) == (filled.by("bob").user_id, None, False)
    assert (grant.granted_by, grant.granted_at, grant.expires_at) == ("system", NOW, NOW + timedelta(days=1))
