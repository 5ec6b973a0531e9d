"""The gate's verdicts: tables of what an operation needs, what somebody has, and what the request names.

The allowed and the refused case differ in one argument. The gate knows no framework and no database, so the
parts it is handed here are plain values.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_oidc_auth.errors import BadRequest, Forbidden
from mlflow_oidc_auth.gate import (
    ALLOWED,
    Gate,
    Levels,
    Named,
    Source,
    creates,
    settled_early,
    shows_rows_by_filter,
)
from mlflow_oidc_auth.operations.requirements import (
    Admin,
    AdminInBrowser,
    AdminsOnlySet,
    AdminsOnlyTags,
    AllOf,
    Create,
    Deny,
    Entry,
    GraphQL,
    InBrowser,
    Listing,
    Move,
    NoGatewayModel,
    OwnSpans,
    Part,
    Probe,
    Public,
    ReadSource,
    Rename,
    Require,
    RequireIfThere,
    Requirement,
    SignedIn,
)
from mlflow_oidc_auth.operations.targets import IdKind, Target, Where, in_header, in_message, in_path
from mlflow_oidc_auth.permissions.verdicts import demand
from mlflow_oidc_auth.vocabulary import END_OF_TIME, Credential, CredentialKind, Identity, Kind, Level, Reason, Verdict

NOW = datetime(2026, 11, 25, tzinfo=UTC)
RUN, TRACE, MODEL, EXPERIMENT, NAME = IdKind.RUN, IdKind.TRACE, IdKind.LOGGED_MODEL, IdKind.EXPERIMENT, IdKind.NAME
NONE, READ, USE, EDIT, MANAGE = Level.NO_PERMISSIONS, Level.READ, Level.USE, Level.EDIT, Level.MANAGE

KEY = Credential(CredentialKind.TOKEN, 1, NOW)
ALICE = Identity(1, "alice@example.test", "Alice", False, False, frozenset(), KEY)
ROOT = replace(ALICE, user_id=2, username="root@example.test", is_admin=True)
BROWSING = replace(ALICE, credential=replace(KEY, kind=CredentialKind.SESSION))


@dataclass
class World:
    """What the database holds: levels on resources, and who has which name. Counts how often it is asked."""

    has: Levels = field(default_factory=dict)
    names: dict[str, Level] = field(default_factory=dict)
    may_create_: bool = True
    inside: bool = True
    moves: bool = False
    elsewhere: bool = False
    in_the_end: Levels | None = None
    located: int = 0
    leads_to: Named | None = field(default_factory=dict)
    asked: list[Named] = field(default_factory=list)
    managed_by: tuple[str, ...] = ()
    told: list[tuple[IdKind, str]] = field(default_factory=list)

    def levels(self, _identity: Identity, named: Named, now: datetime) -> Levels:
        assert now in (NOW, END_OF_TIME)
        self.asked.append(named)
        has = self.has if now == NOW or self.in_the_end is None else self.in_the_end
        return {(kind, id_): has[kind, id_] for kind, ids in named.items() for id_ in ids if (kind, id_) in has}

    def name_taken(self, _identity: Identity, _kind: Kind, name: str, _now: datetime) -> Level | None:
        return self.names.get(name)

    def moves_between_patterns(self, _kind: Kind, _key: str, _name: str, _now: datetime) -> bool:
        return self.moves

    def lies_elsewhere(self, _kind: IdKind, _id: str, _experiment_id: str) -> bool:
        self.located += 1
        return self.elsewhere

    def managers(self, kind: IdKind, id_: str, now: datetime) -> tuple[str, ...]:
        assert now == NOW
        self.told.append((kind, id_))
        return self.managed_by

    def source_named(self, _source: Source) -> Named | None:
        return self.leads_to

    def source_inside(self, _source: Source) -> bool:
        return self.inside

    def may_create(self, _identity: Identity, _kind: Kind) -> bool:
        return self.may_create_

    def who_may_create(self) -> str:
        return "MLflow admins and the members of leads may."


@dataclass
class Request:
    """What a request holds."""

    fields: dict[str, tuple[str, ...]] = field(default_factory=dict)
    tags: frozenset[str] = frozenset()
    unlisted: frozenset[str] = frozenset()
    gateway: bool = False

    def ids(self, target: Target) -> tuple[str, ...]:
        return tuple(id_ for name in target.fields for id_ in self.fields.get(name, ()))

    def sent(self, name: str) -> bool:
        return bool(self.fields.get(name))

    def keys(self, _fields: tuple[str, ...]) -> frozenset[str]:
        return self.tags

    def names_gateway(self, _field: str) -> bool:
        return self.gateway

    def source(self) -> Source:
        return Source("runs:/r/m", "r", "")

    def unlisted_fields(self) -> frozenset[str]:
        return self.unlisted


def entry(*parts: Part | Requirement) -> Entry:
    """An operation that needs these."""
    return Entry("POST", "/x", parts[0] if len(parts) == 1 else AllOf(parts))  # type: ignore[arg-type]


def judge(world: World, asked: Request, *parts: Part | Requirement, who: Identity = ALICE) -> Verdict:
    """The verdict."""
    return Gate(world, world).settle(who, entry(*parts), asked, NOW)


def one(id_: str) -> Request:
    """A request that names one run."""
    return Request({"run_id": (id_,)})


ON_RUN = in_message(RUN, "run_id")


# --- what needs no reading -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("needs", "with_key", "in_browser", "admin"),
    [
        (Public("a file"), Reason.PUBLIC, Reason.PUBLIC, Reason.PUBLIC),
        (Probe("says OK"), Reason.PUBLIC, Reason.PUBLIC, Reason.PUBLIC),
        (SignedIn(), Reason.SIGNED_IN, Reason.SIGNED_IN, Reason.SIGNED_IN),
        (InBrowser(), Reason.BROWSER_ONLY, Reason.SIGNED_IN, Reason.BROWSER_ONLY),
        (Listing(Kind.EXPERIMENT), Reason.ROWS_FILTERED, Reason.ROWS_FILTERED, Reason.ROWS_FILTERED),
        (Admin(), Reason.ADMINS_ONLY, Reason.ADMINS_ONLY, Reason.ADMIN),
        (AdminInBrowser(), Reason.ADMINS_ONLY, Reason.ADMINS_ONLY, Reason.BROWSER_ONLY),
        (Deny("Not here."), Reason.NOT_SERVED, Reason.NOT_SERVED, Reason.NOT_SERVED),
        (Require(READ, ON_RUN), None, None, Reason.ADMIN),
        (GraphQL(), None, None, Reason.ADMIN),
        (AllOf((Require(READ, ON_RUN),)), None, None, Reason.ADMIN),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, Reason) else str(value),
)
def test_method_and_path_alone_settle_what_they_can(
    needs: Requirement, with_key: Reason | None, in_browser: Reason | None, admin: Reason | None
) -> None:
    gate = Gate(World(), World())
    for who, expected in ((ALICE, with_key), (BROWSING, in_browser), (ROOT, admin)):
        verdict = gate.early(who, entry(needs))
        assert (None if verdict is None else verdict.reason) is expected


REFUSALS = {Reason.BROWSER_ONLY, Reason.ADMINS_ONLY, Reason.NOT_SERVED, Reason.UNLISTED}


@pytest.mark.parametrize(
    "needs", [InBrowser(), Admin(), AdminInBrowser(), Deny("Not here.")], ids=lambda needs: type(needs).__name__
)
def test_a_refusal_is_falsy_and_says_a_sentence(needs: Requirement) -> None:
    verdict = Gate(World(), World()).early(ALICE, entry(needs))
    assert verdict is not None
    assert not verdict
    assert verdict.reason in REFUSALS
    assert verdict.sentence.endswith(".")


def test_what_is_not_listed_is_refused_to_everybody_but_admins() -> None:
    gate = Gate(World(), World())
    for who in (ALICE, BROWSING):
        verdict = gate.early(who, None)
        assert verdict is not None
        assert not verdict
        assert verdict.reason is Reason.UNLISTED
    assert gate.early(ROOT, None) == Verdict(True, Reason.ADMIN)


def test_an_admin_is_refused_what_is_denied_and_a_key_what_needs_a_browser() -> None:
    assert not judge(World(), Request(), Deny("Not here."), who=ROOT)
    assert not judge(World(), Request(), InBrowser(), who=ROOT)
    assert not judge(World(), Request(), AdminInBrowser(), who=ROOT)


def test_an_admin_at_a_browser_may_what_no_key_may() -> None:
    at_a_browser = replace(ROOT, credential=BROWSING.credential)
    assert judge(World(), Request(), AdminInBrowser(), who=at_a_browser)
    assert not judge(World(), Request(), AdminInBrowser(), who=BROWSING)


# --- levels ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("has", Level)
@pytest.mark.parametrize("needed", Level)
def test_a_level_includes_the_lower_ones(needed: Level, has: Level) -> None:
    verdict = judge(World({(RUN, "r"): has}), one("r"), Require(needed, ON_RUN))
    assert bool(verdict) is (has >= needed)


def test_a_hidden_resource_and_one_that_does_not_exist_get_the_same_answer() -> None:
    hidden = judge(World({(RUN, "r"): NONE}), one("r"), Require(READ, ON_RUN))
    missing = judge(World(), one("r"), Require(READ, ON_RUN))
    assert not hidden
    assert hidden == missing


def test_the_same_id_of_another_kind_opens_nothing() -> None:
    assert not judge(World({(TRACE, "r"): MANAGE, (EXPERIMENT, "r"): MANAGE}), one("r"), Require(READ, ON_RUN))


@pytest.mark.parametrize("place", range(5))
def test_one_foreign_id_among_many_refuses_wherever_it_stands(place: int) -> None:
    ids = [f"mine-{number}" for number in range(5)]
    world = World({(TRACE, id_): MANAGE for id_ in ids})
    target = in_message(TRACE, "trace_ids")
    assert judge(world, Request({"trace_ids": tuple(ids)}), Require(READ, target))
    ids[place] = "yours"
    assert not judge(world, Request({"trace_ids": tuple(ids)}), Require(READ, target))


def test_both_of_two_fields_that_may_name_the_resource_are_judged() -> None:
    target = in_message(RUN, "run_id", "run_uuid")
    world = World({(RUN, "mine"): MANAGE})
    assert judge(world, Request({"run_id": ("mine",), "run_uuid": ("mine",)}), Require(READ, target))
    for mine, yours in (("run_id", "run_uuid"), ("run_uuid", "run_id")):
        assert not judge(world, Request({mine: ("mine",), yours: ("yours",)}), Require(READ, target))


def test_a_request_that_names_nothing_is_refused_unless_it_need_not() -> None:
    verdict = judge(World(), Request(), Require(READ, ON_RUN))
    assert (bool(verdict), verdict.reason) == (False, Reason.NO_TARGET)
    assert judge(World(), Request(), Require(READ, replace(ON_RUN, optional=True)))
    assert not judge(World(), one("yours"), Require(READ, replace(ON_RUN, optional=True)))


@given(
    has=st.dictionaries(st.sampled_from("abc"), st.sampled_from(Level)),
    named=st.lists(st.sampled_from("abcd"), min_size=1, max_size=4),
    needed=st.sampled_from([READ, USE, EDIT, MANAGE]),
)
def test_allowed_means_the_level_on_each_id(has: dict[str, Level], named: list[str], needed: Level) -> None:
    world = World({(RUN, id_): level for id_, level in has.items()})
    verdict = judge(world, Request({"run_id": tuple(named)}), Require(needed, ON_RUN))
    assert bool(verdict) is all(has.get(id_, NONE) >= needed for id_ in named)


def test_what_may_be_there_is_judged_only_if_it_is() -> None:
    part = RequireIfThere(EDIT, in_message(TRACE, "trace_id", optional=True))
    named = Request({"trace_id": ("t",)})
    assert judge(World(), named, part)
    assert judge(World(), Request(), part)
    assert judge(World({(TRACE, "t"): EDIT}), named, part)
    assert not judge(World({(TRACE, "t"): READ}), named, part)
    assert not judge(World({(TRACE, "t"): NONE}), named, part)


# --- several parts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("on_run", "on_trace", "allowed"),
    [(EDIT, READ, True), (READ, READ, False), (EDIT, NONE, False), (NONE, MANAGE, False), (None, READ, False)],
)
def test_each_part_must_hold(on_run: Level | None, on_trace: Level, allowed: bool) -> None:
    world = World({(TRACE, "t"): on_trace} | ({} if on_run is None else {(RUN, "r"): on_run}))
    asked = Request({"run_id": ("r",), "trace_ids": ("t",)})
    verdict = judge(world, asked, Require(EDIT, ON_RUN), Require(READ, in_message(TRACE, "trace_ids")))
    assert bool(verdict) is allowed


def test_the_database_is_asked_once_for_all_parts() -> None:
    world = World({(RUN, "r"): MANAGE, (TRACE, "a"): MANAGE, (TRACE, "b"): MANAGE, (RUN, "s"): READ})
    world.leads_to = {RUN: frozenset({"s"})}
    asked = Request({"run_id": ("r",), "trace_ids": ("a", "b")})
    parts = (Require(EDIT, ON_RUN), RequireIfThere(READ, in_message(TRACE, "trace_ids")), ReadSource())
    assert judge(world, asked, *parts)
    assert world.asked == [{RUN: {"r", "s"}, TRACE: {"a", "b"}}]


def test_where_nothing_is_named_the_database_is_not_asked() -> None:
    world = World()
    assert judge(world, Request(), AdminsOnlySet(("artifact_location",)))
    assert world.asked == []


def test_one_id_that_two_parts_need_at_two_levels_needs_the_higher() -> None:
    parts = (Require(READ, ON_RUN), Require(MANAGE, ON_RUN))
    assert not judge(World({(RUN, "r"): EDIT}), one("r"), *parts)
    assert judge(World({(RUN, "r"): MANAGE}), one("r"), *parts)


# --- creating -------------------------------------------------------------------------------------------

NEW = Create(Kind.EXPERIMENT, in_message(NAME, "name"))
NAMED = Request({"name": ("a name",)})


@pytest.mark.parametrize(
    ("level_on_it", "may", "reason"),
    [
        (None, True, Reason.LEVEL_REACHED),
        (READ, True, Reason.LEVEL_REACHED),
        (MANAGE, True, Reason.LEVEL_REACHED),
        (NONE, True, Reason.NAME_TAKEN),
        (None, False, Reason.MAY_NOT_CREATE),
    ],
    ids=["free", "taken and seen: MLflow says so", "one's own", "taken and hidden", "only admins create"],
)
def test_a_name_may_be_taken_if_it_is_free_or_seen(level_on_it: Level | None, may: bool, reason: Reason) -> None:
    world = World(names={} if level_on_it is None else {"a name": level_on_it}, may_create_=may)
    verdict = judge(world, NAMED, NEW)
    assert (bool(verdict), verdict.reason) == (reason is Reason.LEVEL_REACHED, reason)


def test_a_taken_name_is_told_without_saying_whose_or_what_it_is() -> None:
    verdict = judge(World(names={"a name": NONE}), NAMED, NEW)
    assert "a name" not in verdict.sentence
    assert "exist" not in verdict.sentence
    assert "choose another name" in verdict.sentence


def test_without_a_name_nothing_is_taken() -> None:
    assert judge(World(), Request(), NEW)


RENAME = Rename(Kind.EXPERIMENT, in_message(EXPERIMENT, "experiment_id"), in_message(NAME, "name"))
RENAMING = Request({"experiment_id": ("1",), "name": ("a name",)})


@pytest.mark.parametrize(
    ("level", "moves", "reason"),
    [
        pytest.param(EDIT, False, Reason.LEVEL_REACHED, id="EDIT, under the same patterns"),
        pytest.param(EDIT, True, Reason.LEVEL_MISSING, id="EDIT, under other patterns: that would be sharing"),
        pytest.param(MANAGE, True, Reason.LEVEL_REACHED, id="MANAGE without an end, under other patterns"),
        pytest.param(READ, False, Reason.LEVEL_MISSING, id="READ"),
    ],
)
def test_a_name_under_other_patterns_needs_manage(level: Level, moves: bool, reason: Reason) -> None:
    world = World(has={(EXPERIMENT, "1"): level}, moves=moves)
    needs = Require(EDIT, in_message(EXPERIMENT, "experiment_id"))
    assert judge(world, RENAMING, needs, RENAME).reason is reason


def test_a_name_under_other_patterns_needs_manage_that_does_not_end() -> None:
    world = World(has={(EXPERIMENT, "1"): MANAGE}, moves=True, in_the_end={(EXPERIMENT, "1"): EDIT})
    verdict = judge(world, RENAMING, RENAME)
    assert verdict.reason is Reason.LEVEL_MISSING
    assert "your own MANAGE on this experiment ends" in verdict.sentence
    assert judge(World(has=world.has, moves=False, in_the_end={}), RENAMING, RENAME)


MOVE = Move(in_message(TRACE, "trace_id", optional=True), in_message(EXPERIMENT, "experiment_id"))
MOVING = Request({"trace_id": ("t",), "experiment_id": ("1",)})


@pytest.mark.parametrize(
    ("has", "elsewhere", "reason"),
    [
        pytest.param({}, False, Reason.LEVEL_REACHED, id="not there yet"),
        pytest.param({(TRACE, "t"): READ}, False, Reason.LEVEL_REACHED, id="there already"),
        pytest.param({(TRACE, "t"): EDIT}, True, Reason.LEVEL_MISSING, id="elsewhere, EDIT"),
        pytest.param({(TRACE, "t"): MANAGE}, True, Reason.LEVEL_REACHED, id="elsewhere, MANAGE"),
    ],
)
def test_what_lies_in_another_experiment_is_moved_by_who_manages_it(
    has: dict[tuple[IdKind, str], Level], elsewhere: bool, reason: Reason
) -> None:
    assert judge(World(has=has, elsewhere=elsewhere), MOVING, MOVE).reason is reason


def test_where_something_lies_is_not_asked_of_what_is_new() -> None:
    world = World(elsewhere=True)
    assert judge(world, MOVING, MOVE)
    assert world.located == 0


def test_a_rename_onto_a_name_of_somebody_elses_is_told_as_a_create_is() -> None:
    assert judge(World(names={"a name": NONE}), RENAMING, RENAME).reason is Reason.NAME_TAKEN
    assert judge(World(names={"a name": READ}), RENAMING, RENAME)


def test_a_rename_is_no_create() -> None:
    assert judge(World(may_create_=False), RENAMING, RENAME)


def test_a_name_that_was_taken_meanwhile_is_judged_again() -> None:
    world = World()
    gate = Gate(world, world)
    assert gate.name_clash(ALICE, entry(NEW), NAMED, NOW) == ALLOWED
    world.names["a name"] = NONE
    assert gate.name_clash(ALICE, entry(NEW), NAMED, NOW).reason is Reason.NAME_TAKEN
    assert gate.name_clash(ROOT, entry(NEW), NAMED, NOW) == ALLOWED


# --- what only admins may -------------------------------------------------------------------------------


def test_fields_for_admins_may_be_left_out() -> None:
    part = AdminsOnlySet(("artifact_location", "other"))
    assert judge(World(), Request(), part)
    for name in ("artifact_location", "other"):
        verdict = judge(World(), Request({name: ("s3://x",)}), part)
        assert (bool(verdict), verdict.reason) == (False, Reason.ADMINS_ONLY)
        assert judge(World(), Request({name: ("s3://x",)}), part, who=ROOT)


def test_tags_for_admins_may_not_be_set_by_others() -> None:
    part = AdminsOnlyTags(("mlflow.artifactLocation", "mlflow.prompt.is_prompt"))
    assert judge(World(), Request(tags=frozenset({"mine", "mlflow.note"})), part)
    for key in part.keys:
        asked = Request(tags=frozenset({"mine", key}))
        verdict = judge(World(), asked, part)
        assert (bool(verdict), verdict.reason) == (False, Reason.ADMINS_ONLY)
        assert key in verdict.sentence
        assert judge(World(), asked, part, who=ROOT)


def test_a_gateway_endpoint_may_not_be_made_a_scorers_model_by_others() -> None:
    part = NoGatewayModel("serialized_scorer")
    assert judge(World(), Request(gateway=False), part)
    assert judge(World(), Request(gateway=True), part).reason is Reason.ADMINS_ONLY
    assert judge(World(), Request(gateway=True), part, who=ROOT)


# --- sources, documents, spans --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("leads_to", "level", "inside", "reason"),
    [
        ({RUN: frozenset({"r"})}, READ, True, Reason.LEVEL_REACHED),
        ({RUN: frozenset({"r"})}, NONE, True, Reason.LEVEL_MISSING),
        ({RUN: frozenset({"r"})}, None, True, Reason.LEVEL_MISSING),
        ({RUN: frozenset({"r"})}, MANAGE, False, Reason.FOREIGN_SOURCE),
        (None, MANAGE, True, Reason.FOREIGN_SOURCE),
        ({}, None, True, Reason.LEVEL_REACHED),
    ],
    ids=["readable", "hidden", "gone", "outside", "leads nowhere", "a prompt has none"],
)
def test_a_source_must_be_readable(leads_to: Named | None, level: Level | None, inside: bool, reason: Reason) -> None:
    world = World({} if level is None else {(RUN, "r"): level}, leads_to=leads_to, inside=inside)
    assert judge(world, Request(), ReadSource()).reason is reason


def test_every_resource_of_a_source_must_be_readable() -> None:
    world = World({(RUN, "r"): READ, (MODEL, "m"): READ}, leads_to={RUN: frozenset("r"), MODEL: frozenset("mn")})
    assert not judge(world, Request(), ReadSource())
    world.has = {**world.has, (MODEL, "n"): READ}
    assert judge(world, Request(), ReadSource())


def test_a_document_with_an_unlisted_field_is_refused() -> None:
    assert judge(World(), Request(), GraphQL())
    verdict = judge(World(), Request(unlisted=frozenset({"Query.b", "Query.a"})), GraphQL())
    assert (bool(verdict), verdict.reason) == (False, Reason.UNLISTED)
    assert "Query.a, Query.b" in verdict.sentence


@pytest.mark.parametrize(
    ("levels", "tags", "allowed"),
    [
        ({}, (), True),
        ({"a": EDIT, "b": EDIT}, (), True),
        ({"a": EDIT}, ("mine",), True),
        ({"a": EDIT, "b": READ}, (), False),
        ({"b": NONE}, (), False),
        ({}, ("mlflow.artifactLocation",), False),
        ({"a": MANAGE, "b": MANAGE}, ("mine", "mlflow.artifactLocation"), False),
    ],
)
def test_spans_go_to_new_traces_and_to_those_one_may_edit(
    levels: dict[str, Level], tags: tuple[str, ...], allowed: bool
) -> None:
    world = World({(TRACE, id_): level for id_, level in levels.items()})
    part = OwnSpans(EDIT, ("mlflow.artifactLocation",))
    verdict = Gate(world, world).settle_spans(ALICE, part, {"a", "b"}, frozenset(tags), NOW)
    assert bool(verdict) is allowed


# --- every requirement ----------------------------------------------------------------------------------

ALL: tuple[Requirement, ...] = (
    Public("a file"),
    Probe("says OK"),
    SignedIn(),
    InBrowser(),
    Require(READ, ON_RUN),
    RequireIfThere(READ, ON_RUN),
    NEW,
    RENAME,
    MOVE,
    AdminsOnlySet(("a",)),
    AdminsOnlyTags(("a",)),
    NoGatewayModel("a"),
    OwnSpans(EDIT, ()),
    ReadSource(),
    Listing(Kind.EXPERIMENT),
    GraphQL(),
    Admin(),
    AdminInBrowser(),
    Deny("Not here."),
    AllOf((Require(READ, ON_RUN),)),
)


def test_every_kind_of_requirement_is_in_this_list() -> None:
    assert {type(needs) for needs in ALL} == set(get_args(Requirement))


@pytest.mark.parametrize("needs", ALL, ids=lambda needs: type(needs).__name__)
def test_every_requirement_has_a_verdict_and_a_way_to_see_rows(needs: Requirement) -> None:
    verdict = Gate(World(), World()).settle(ALICE, entry(needs), Request(), NOW)
    assert isinstance(verdict, Verdict)
    assert isinstance(shows_rows_by_filter(needs), bool)
    assert not (shows_rows_by_filter(needs) and settled_early(needs))


@pytest.mark.parametrize("needs", ALL, ids=lambda needs: type(needs).__name__)
def test_an_admin_is_refused_only_what_is_denied_or_needs_a_browser(needs: Requirement) -> None:
    everything = Request({"run_id": ("r",), "a": ("x",), "name": ("a name",)}, frozenset("a"), frozenset("q"), True)
    world = World(names={"a name": NONE}, may_create_=False, inside=False, leads_to=None)
    verdict = Gate(world, world).settle(ROOT, entry(needs), everything, NOW)
    assert bool(verdict) is not isinstance(needs, Deny | InBrowser | AdminInBrowser)


@pytest.mark.parametrize("needs", ALL, ids=lambda needs: type(needs).__name__)
def test_rows_are_filtered_wherever_no_resource_was_judged(needs: Requirement) -> None:
    # An operation that lists or searches must not run unfiltered; one that was decided must not be filtered.
    assert shows_rows_by_filter(needs) is isinstance(needs, Listing | SignedIn | InBrowser | GraphQL | Public | Probe)


@pytest.mark.parametrize(
    ("parts", "early"),
    [
        ((Require(READ, in_path(RUN, "run_id")),), True),
        ((Require(READ, in_header(RUN, "x-run")), OwnSpans(EDIT, ())), True),
        ((RequireIfThere(READ, in_path(RUN, "run_id")),), True),
        ((Require(READ, ON_RUN),), False),
        ((Require(READ, Target(RUN, Where.QUERY, ("run_id",))),), False),
        ((Require(READ, Target(RUN, Where.JSON, ("run_id",))),), False),
        ((Require(READ, in_path(RUN, "run_id")), Require(READ, ON_RUN)), False),
        ((Require(READ, in_path(RUN, "run_id")), AdminsOnlyTags(("a",))), False),
        ((Require(READ, in_path(RUN, "run_id")), ReadSource()), False),
        ((Require(READ, in_path(RUN, "run_id")), NoGatewayModel("a")), False),
        ((NEW,), False),
        ((GraphQL(),), False),
    ],
)
def test_only_what_path_and_headers_hold_is_settled_before_the_body(parts: Iterable[Requirement], early: bool) -> None:
    assert settled_early(entry(*parts).requirement) is early


def test_what_takes_a_name_is_known() -> None:
    assert creates(NEW)
    assert creates(AllOf((Require(READ, ON_RUN), NEW)))
    assert not creates(Require(READ, ON_RUN))


# --- what people are told -------------------------------------------------------------------------------


def test_a_refusal_names_the_level_and_whom_to_ask_but_not_the_id() -> None:
    verdict = judge(World(), one("secret-id"), Require(EDIT, ON_RUN))
    assert "EDIT" in verdict.sentence
    assert "Ask" in verdict.sentence
    assert "secret-id" not in verdict.sentence
    assert "secret-id" in verdict.detail


def test_the_default_experiment_has_a_sentence_of_its_own() -> None:
    target = in_message(EXPERIMENT, "experiment_id")
    for id_, told in (("0", True), ("1", False)):
        verdict = judge(World(), Request({"experiment_id": (id_,)}), Require(EDIT, target))
        assert ("set_experiment" in verdict.sentence) is told


def test_demanding_stops_what_is_refused() -> None:
    demand(ALLOWED)
    with pytest.raises(Forbidden) as refused:
        demand(judge(World(), one("r"), Require(EDIT, ON_RUN)))
    assert "'r'" not in refused.value.message
    with pytest.raises(BadRequest):
        demand(judge(World(), Request(), Require(EDIT, ON_RUN)))
