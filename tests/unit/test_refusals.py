"""What a refusal tells: the missing level, what to do and whom to ask; and nothing of what is hidden."""

from __future__ import annotations

import pytest

from mlflow_oidc_auth.operations.requirements import AllOf, Create, Require, RequireIfThere
from mlflow_oidc_auth.vocabulary import Kind, Level
from tests.unit.test_gate import ON_RUN, RUN, Request, World, judge, one

NAMES = ("Alice Example", "Erin Example")


@pytest.mark.parametrize("has", [Level.READ, Level.USE])
def test_who_can_see_it_is_told_what_they_have_what_is_missing_and_whom_to_ask(has: Level) -> None:
    world = World({(RUN, "r"): has}, managed_by=NAMES)
    verdict = judge(world, one("r"), Require(Level.EDIT, ON_RUN))
    assert verdict.sentence == (
        f"You need EDIT on this run, and have {has.name}. "
        "Ask Alice Example or Erin Example or an MLflow admin to give it to you."
    )
    assert world.told == [(RUN, "r")]


def test_where_nobody_manages_it_an_admin_is_to_be_asked() -> None:
    verdict = judge(World({(RUN, "r"): Level.READ}), one("r"), Require(Level.EDIT, ON_RUN))
    assert verdict.sentence.endswith("Ask an MLflow admin to give it to you.")


@pytest.mark.parametrize("has", [{(RUN, "r"): Level.NO_PERMISSIONS}, {}], ids=["hidden", "missing"])
@pytest.mark.parametrize("needed", [Level.READ, Level.MANAGE])
def test_who_cannot_see_it_is_told_how_to_ask_and_nobodys_name_is_looked_up(
    has: dict[object, Level], needed: Level
) -> None:
    world = World(has, managed_by=NAMES)  # type: ignore[arg-type]
    verdict = judge(world, one("r"), Require(needed, ON_RUN))
    assert verdict.sentence == (
        f"You need {needed.name} on this run, or there is no such run. Ask its owner or an MLflow admin to share it "
        "with you. You can also ask for access by name on the Requests page (permissions/requests)."
    )
    assert world.told == []


def test_what_may_be_there_is_told_in_the_same_way() -> None:
    world = World({(RUN, "r"): Level.READ}, managed_by=NAMES)
    assert "Ask Alice Example" in judge(world, one("r"), RequireIfThere(Level.EDIT, ON_RUN)).sentence


def test_an_allowed_request_looks_nobody_up_and_a_refused_one_looks_up_once() -> None:
    world = World({(RUN, "mine"): Level.MANAGE, (RUN, "r"): Level.READ}, managed_by=NAMES)
    assert judge(world, one("mine"), Require(Level.EDIT, ON_RUN))
    assert world.told == []
    many = Request({"run_id": ("r", "other", "mine")})
    assert not judge(world, many, Require(Level.EDIT, ON_RUN))
    assert len(world.told) == 1


def test_who_may_not_create_is_told_who_may() -> None:
    verdict = judge(World(may_create_=False), Request(), AllOf((Create(Kind.EXPERIMENT, ON_RUN),)))
    assert verdict.sentence == (
        "You may not create experiments here. MLflow admins and the members of leads may. Ask an MLflow admin."
    )


def test_a_name_of_somebody_elses_can_be_asked_for() -> None:
    verdict = judge(World(names={"r": Level.NO_PERMISSIONS}), one("r"), Create(Kind.EXPERIMENT, ON_RUN))
    assert "choose another name, or ask an MLflow admin for access. You can also ask for access by name" in (
        verdict.sentence
    )
