"""Why can, or can't, somebody see it: each rung with its grants, in words, and the answer of every check."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from mlflow_oidc_auth.accounts.users import UserStore
from mlflow_oidc_auth.database.tables import experiment_grants, users
from mlflow_oidc_auth.grants.store import Shareable
from mlflow_oidc_auth.permissions import explain, sentences
from mlflow_oidc_auth.permissions.explain import Disagreement, Explainer, Explanation
from mlflow_oidc_auth.vocabulary import Kind, Level, Resource, Rung
from mlflow_oidc_auth.web import moments
from tests.unit.grants.world import EVERY_KIND, EXPERIMENT, MODEL, NOW, World

DEFAULT_EXPERIMENT = Shareable(Resource(Kind.EXPERIMENT, "0"), "Default")
BOB = "bob@example.test"


@pytest.fixture
def world(engine: sa.Engine) -> World:
    return World(engine)


def why(world: World, name: str, on: Shareable = EXPERIMENT, default: Level = Level.NO_PERMISSIONS) -> Explanation:
    """What is told of one of the people."""
    user = UserStore(world.engine).by_username(f"{name}@example.test")
    assert user is not None
    return Explainer(world.engine, default).explain(user, world.by(name).group_ids, on.resource, on.name, NOW)


def test_every_rung_is_told_in_order_of_precedence_and_one_decides(world: World) -> None:
    told = why(world, "alice")
    assert [step.rung for step in told.steps] == list(Rung)
    assert [step.rung for step in told.steps if step.decides] == [Rung.USER]
    assert (told.level, told.rung) == (Level.MANAGE, Rung.USER)


@pytest.mark.parametrize("on", EVERY_KIND, ids=lambda on: on.kind)
def test_the_winner_and_what_lost_are_told_with_the_rule(world: World, on: Shareable) -> None:
    world.given(on, Level.READ, world.readers)
    pattern_kind = Kind.REGISTERED_MODEL if on.kind.named else Kind.EXPERIMENT
    world.given_pattern(pattern_kind, on.name[:4], Level.EDIT, world.to("bob"))
    told = why(world, "bob", on)
    assert told.sentence == (
        f"{BOB} can see and download it, because the group readers was given READ on it by system on 1 June 2026. "
        f"A pattern of their own, {on.name[:4]}*, says EDIT, but a grant on the resource itself goes before patterns."
    )
    assert [(grant.group, grant.level) for grant in told.steps[2].grants] == [("readers", Level.READ)]
    assert [grant.pattern for grant in told.steps[3].grants] == [f"{on.name[:4]}*"]


def test_a_lower_group_and_a_shorter_pattern_lose_on_their_own_rung(world: World) -> None:
    world.given(EXPERIMENT, Level.READ, world.readers)
    world.given(EXPERIMENT, Level.EDIT, world.group("writers", "bob"))
    told = why(world, "bob")
    assert told.level is Level.EDIT
    assert "The group readers says READ, but among groups the highest level counts." in told.sentence
    assert [grant.group for grant in told.steps[2].grants] == ["writers", "readers"]
    world.given_pattern(Kind.REGISTERED_MODEL, "fore", Level.READ, world.to("bob"))
    world.given_pattern(Kind.REGISTERED_MODEL, "", Level.MANAGE, world.to("bob"))
    told = why(world, "bob", MODEL)
    assert (told.level, told.rung) == (Level.READ, Rung.USER_PATTERN)
    assert "A pattern of their own, *, says MANAGE, but among patterns the longest counts." in told.sentence


def test_two_groups_that_say_the_same_are_both_the_cause(world: World) -> None:
    for name in ("first", "second"):
        world.given(EXPERIMENT, Level.READ, world.group(name, "bob"))
    sentence = why(world, "bob").sentence
    assert "the group first was given READ" in sentence
    assert ", and the group second was given READ" in sentence


def test_a_grant_that_has_ended_is_told_as_ended_and_decides_nothing(world: World) -> None:
    world.given(EXPERIMENT, Level.EDIT, world.to("bob"), NOW)
    told = why(world, "bob")
    assert told.level is Level.NO_PERMISSIONS
    assert told.sentence.endswith("Their own grant of EDIT ended on 1 June 2026.")
    assert [grant.ended for grant in told.steps[1].grants] == [True]
    assert told.steps[1].sentence.startswith("No grant of their own on it.")
    world.given(MODEL, Level.EDIT, world.to("bob"), NOW + timedelta(seconds=1))
    assert why(world, "bob", MODEL).level is Level.EDIT


def test_being_kept_out_is_an_answer_with_its_cause(world: World) -> None:
    world.given(EXPERIMENT, Level.NO_PERMISSIONS, world.to("bob"))
    world.given(EXPERIMENT, Level.READ, world.readers)
    told = why(world, "bob")
    assert (told.level, told.rung) == (Level.NO_PERMISSIONS, Rung.USER)
    assert "cannot see it, because they were given NO_PERMISSIONS on it" in told.sentence
    assert "a grant of one's own goes before those of groups" in told.sentence


def test_nothing_given_is_answered_by_the_default_which_never_opens_experiment_0(world: World) -> None:
    closed, opened = why(world, "carol"), why(world, "carol", default=Level.READ)
    assert "what no grant speaks of is closed on this server" in closed.sentence
    assert (opened.level, opened.rung) == (Level.READ, Rung.DEFAULT)
    assert "everybody on this server has READ" in opened.sentence
    nobodys = why(world, "carol", DEFAULT_EXPERIMENT, default=Level.READ)
    assert nobodys.level is Level.NO_PERMISSIONS
    assert "belongs to nobody" in nobodys.sentence
    assert "is in no group or team" in nobodys.steps[2].sentence


def test_an_admin_is_above_the_grants_which_are_told_all_the_same(world: World) -> None:
    world.given(EXPERIMENT, Level.NO_PERMISSIONS, world.to("bob"))
    with world.engine.begin() as connection:
        connection.execute(users.update().where(users.c.username == BOB).values(is_admin=True))
    told = why(world, "bob")
    assert (told.level, told.rung) == (Level.MANAGE, Rung.ADMIN)
    assert "because they are an MLflow admin" in told.sentence
    assert [step.decides for step in told.steps] == [True, False, False, False, False, False]
    assert told.steps[1].grants[0].level is Level.NO_PERMISSIONS


def test_a_disabled_user_is_told_as_one(world: World) -> None:
    world.given(EXPERIMENT, Level.READ, world.to("dave"))
    world.disable("dave")
    told = why(world, "dave")
    assert told.level is Level.READ
    assert told.sentence.startswith("dave@example.test is disabled and cannot log in. Once enabled: dave")


def test_a_hundred_groups_still_make_a_sentence_one_can_read(world: World) -> None:
    for number in range(100):
        world.given(EXPERIMENT, Level.READ, world.group(f"group {number}", "bob"))
    told = why(world, "bob")
    assert "97 more like these" in told.sentence
    assert len(told.sentence) < 500
    assert len(told.steps[2].grants) == 100


def test_nothing_is_told_where_the_grants_do_not_lead_to_the_checks_answer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.given(EXPERIMENT, Level.READ, world.to("bob"))
    monkeypatch.setattr(explain, "decode", lambda _number: (Level.EDIT, Rung.USER))
    with pytest.raises(Disagreement):
        why(world, "bob")


def test_one_statement_however_many_grants(world: World) -> None:
    for number in range(20):
        world.given(EXPERIMENT, Level.READ, world.group(f"group {number}", "bob"))
    user = UserStore(world.engine).by_username(BOB)
    assert user is not None
    groups, asked = world.by("bob").group_ids, []
    sa.event.listen(world.engine, "before_cursor_execute", lambda *_: asked.append(1))
    Explainer(world.engine, Level.READ).explain(user, groups, EXPERIMENT.resource, EXPERIMENT.name, NOW)
    assert len(asked) == 1


def test_a_grant_of_another_experiment_or_person_is_not_told(world: World) -> None:
    world.given(EXPERIMENT, Level.READ, world.to("carol"))
    world.given(EXPERIMENT, Level.READ, world.group("others", "carol"))
    told = why(world, "bob")
    assert [step.grants for step in told.steps] == [()] * 6
    with world.engine.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(experiment_grants)).scalar_one() > 2


def test_a_day_is_told_as_everywhere_else() -> None:
    for month in range(1, 13):
        moment = datetime(2026, month, 3, 23, 59, tzinfo=UTC)
        assert sentences.day(moment) == moments.day(moment)
