"""Who may give what to whom, as tables and as properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_oidc_auth.grants.rules import NOUNS, Giver, Managed, may_give, may_know, may_share, may_take_away
from mlflow_oidc_auth.vocabulary import Kind, Level, Reason

MANAGED, UNMANAGED = Managed(now=True, lasting=True), Managed(now=False, lasting=False)
ENDING = Managed(now=True, lasting=False)
ADMIN = Giver(Level.NO_PERMISSIONS, is_admin=True)

levels, kinds = st.sampled_from(Level), st.sampled_from(Kind)
managed = st.builds(Managed, now=st.booleans(), lasting=st.booleans())


def by_level(expected: str) -> list[tuple[Level, bool]]:
    """One column of a table: `-` or `+` for each level, the lowest first."""
    return list(zip(Level, (mark == "+" for mark in expected), strict=True))


@pytest.mark.parametrize(("level", "allowed"), by_level("----+"))
def test_sharing_needs_manage(level: Level, allowed: bool) -> None:
    assert bool(may_share(Giver(level, is_admin=False), Kind.EXPERIMENT)) is allowed


@pytest.mark.parametrize(("level", "allowed"), by_level("-++++"))
def test_ones_own_level_is_told_to_whoever_can_read(level: Level, allowed: bool) -> None:
    assert bool(may_know(Giver(level, is_admin=False), Kind.PROMPT)) is allowed


@given(giver=levels, level=levels, present=st.none() | levels, kind=kinds)
def test_giving_needs_manage_whatever_is_given(giver: Level, level: Level, present: Level | None, kind: Kind) -> None:
    by = Giver(giver, is_admin=False)
    verdict = may_give(by, level, kind=kind, present=present, at_end=giver, before=MANAGED, after=MANAGED)
    assert bool(verdict) is (giver is Level.MANAGE)


@given(level=levels, at_end=levels, kind=kinds)
def test_nothing_that_is_changed_outlasts_the_givers_manage(level: Level, at_end: Level, kind: Kind) -> None:
    giver = Giver(Level.MANAGE, is_admin=False)
    given_ = may_give(giver, level, kind=kind, present=None, at_end=at_end, before=MANAGED, after=MANAGED)
    taken = may_take_away(giver, kind=kind, present=level, at_end=at_end, before=MANAGED, after=MANAGED)
    assert bool(given_) is bool(taken) is (at_end is Level.MANAGE)


@given(giver=levels, present=levels, kind=kinds)
def test_taking_away_needs_manage_whatever_is_taken(giver: Level, present: Level, kind: Kind) -> None:
    verdict = may_take_away(
        Giver(giver, is_admin=False), kind=kind, present=present, at_end=giver, before=MANAGED, after=MANAGED
    )
    assert bool(verdict) is (giver is Level.MANAGE)


@pytest.mark.parametrize(
    ("before", "after", "allowed"),
    [
        pytest.param(MANAGED, MANAGED, True, id="managed as before"),
        pytest.param(MANAGED, UNMANAGED, False, id="nobody is left"),
        pytest.param(MANAGED, ENDING, False, id="nobody is left once dates pass"),
        pytest.param(MANAGED, Managed(now=False, lasting=True), False, id="nobody for a while"),
        pytest.param(ENDING, UNMANAGED, False, id="nobody is left, not even until a date"),
        pytest.param(ENDING, ENDING, True, id="until a date, as before"),
        pytest.param(ENDING, MANAGED, True, id="managed for longer"),
        pytest.param(UNMANAGED, UNMANAGED, True, id="nobody was there either"),
        pytest.param(UNMANAGED, MANAGED, True, id="managed again"),
    ],
)
def test_somebody_must_be_left_who_manages(before: Managed, after: Managed, allowed: bool) -> None:
    giver = Giver(Level.MANAGE, is_admin=False)
    kept = (
        may_give(
            giver, Level.READ, kind=Kind.EXPERIMENT, present=None, at_end=Level.MANAGE, before=before, after=after
        ),
        may_take_away(
            giver, kind=Kind.EXPERIMENT, present=Level.MANAGE, at_end=Level.MANAGE, before=before, after=after
        ),
    )
    assert [bool(verdict) for verdict in kept] == [allowed, allowed]


@given(level=levels, present=levels, kind=kinds, before=managed, after=managed)
def test_admins_may_do_all_of_it(level: Level, present: Level, kind: Kind, before: Managed, after: Managed) -> None:
    verdicts = (
        may_share(ADMIN, kind),
        may_know(ADMIN, kind),
        may_give(ADMIN, level, kind=kind, present=present, at_end=present, before=before, after=after),
        may_take_away(ADMIN, kind=kind, present=present, at_end=present, before=before, after=after),
    )
    assert {verdict.reason for verdict in verdicts if verdict} == {Reason.ADMIN}
    assert all(verdicts)


@given(kind=kinds)
def test_who_cannot_see_it_is_told_the_same_as_if_it_were_not_there_and_nobodys_name(kind: Kind) -> None:
    verdict = may_share(Giver(Level.NO_PERMISSIONS, is_admin=False, managers=("Alice",)), kind)
    assert f"or there is no such {NOUNS[kind]}" in verdict.sentence
    assert "Alice" not in verdict.sentence


@given(kind=kinds, level=levels.filter(lambda level: Level.READ <= level < Level.MANAGE))
def test_who_can_see_it_is_told_what_they_have_and_whom_to_ask(kind: Kind, level: Level) -> None:
    verdict = may_share(Giver(level, is_admin=False, managers=("Alice", "Bob")), kind)
    assert f"and have {level.name}. Ask Alice or Bob or an MLflow admin to give it to you." in verdict.sentence


def test_a_refusal_says_what_to_do_next() -> None:
    alone = may_take_away(
        Giver(Level.MANAGE, is_admin=False),
        kind=Kind.EXPERIMENT,
        present=Level.MANAGE,
        at_end=Level.MANAGE,
        before=MANAGED,
        after=UNMANAGED,
    )
    assert "Give MANAGE to somebody else first" in alone.sentence
    assert "Ask" in may_know(Giver(Level.NO_PERMISSIONS, is_admin=False), Kind.PROMPT).sentence
