"""Resources by pattern and by part of a name, and those that nobody manages."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
import sqlalchemy as sa

from mlflow_oidc_auth.bridge.lookups import ResourceLookup
from mlflow_oidc_auth.bridge.resources import experiments, registered_model_tags, registered_models
from mlflow_oidc_auth.database.tables import experiment_grants, groups, memberships, pattern_grants, users
from mlflow_oidc_auth.grants.store import Matching, Pattern
from mlflow_oidc_auth.operations.table import PROMPT_TAG
from mlflow_oidc_auth.vocabulary import Kind, Level
from tests.http.api.site import EXPERIMENT, MODEL, NOW, PROMPT, Site
from tests.stores import statements


@pytest.fixture
def site(engine: sa.Engine) -> Site:
    return Site(engine)


@pytest.fixture
def lookup(engine: sa.Engine, site: Site) -> ResourceLookup:
    """alice's experiment, model and prompt are there."""
    return ResourceLookup(engine)


def make_experiments(engine: sa.Engine, names: dict[int, str], *, deleted: bool = False) -> None:
    stage = "deleted" if deleted else "active"
    rows = [
        {"experiment_id": number, "name": name, "workspace": "default", "lifecycle_stage": stage}
        for number, name in names.items()
    ]
    with engine.begin() as connection:
        connection.execute(experiments.insert(), rows)


def make_names(engine: sa.Engine, *names: str, prompts: bool = False) -> None:
    with engine.begin() as connection:
        connection.execute(registered_models.insert(), [{"name": name, "workspace": "default"} for name in names])
        if prompts:
            tags = [{"workspace": "default", "name": name, "key": PROMPT_TAG, "value": "true"} for name in names]
            connection.execute(registered_model_tags.insert(), tags)


# --- Patterns ---------------------------------------------------------------------------------------------


def test_a_pattern_is_counted_by_kind_and_shows_the_first_few_names(engine: sa.Engine, lookup: ResourceLookup) -> None:
    make_experiments(engine, {number: f"team-a {number}" for number in range(10, 17)})
    make_experiments(engine, {20: "team-a binned"}, deleted=True)
    make_names(engine, "team-a model", "team_a model", "Team-a model")
    make_names(engine, "team-a prompt", prompts=True)
    names = ("team-a 10", "team-a 11", "team-a 12", "team-a 13", "team-a 14")
    assert lookup.matching(Pattern(Kind.EXPERIMENT, "team-a ")) == Matching(9, 0, 0, names)
    for kind in (Kind.REGISTERED_MODEL, Kind.PROMPT):
        found = lookup.matching(Pattern(kind, "team-a "))
        assert found == Matching(0, 1, 1, ("team-a model", "team-a prompt"))


def test_a_pattern_without_a_prefix_covers_all_and_one_that_fits_nothing_none(lookup: ResourceLookup) -> None:
    assert lookup.matching(Pattern(Kind.EXPERIMENT, "")) == Matching(2, 0, 0, ("Default", "team-a sales"))
    assert lookup.matching(Pattern(Kind.REGISTERED_MODEL, "")) == Matching(0, 1, 1, ("forecast", "greeting"))
    assert lookup.matching(Pattern(Kind.EXPERIMENT, "%")) == Matching(0, 0, 0, ())


# --- Names ------------------------------------------------------------------------------------------------


def found(lookup: ResourceLookup, kind: Kind | None, text: str, offset: int = 0, size: int = 10) -> list[str]:
    return [one.name for one in lookup.search(kind, text, offset, size)[0]]


def test_a_part_of_a_name_finds_it_in_whatever_case(engine: sa.Engine, lookup: ResourceLookup) -> None:
    make_names(engine, "Sales%model")
    assert found(lookup, None, "SALES") == ["Sales%model", "team-a sales"]
    assert found(lookup, None, "%") == ["Sales%model"]
    assert found(lookup, None, "_") == []
    assert found(lookup, None, "") == ["Default", "Sales%model", "forecast", "greeting", "team-a sales"]


def test_a_kind_leaves_out_the_others_and_a_prompt_is_no_model(lookup: ResourceLookup) -> None:
    assert found(lookup, Kind.EXPERIMENT, "") == ["Default", "team-a sales"]
    assert found(lookup, Kind.REGISTERED_MODEL, "") == [MODEL.key]
    assert found(lookup, Kind.PROMPT, "") == [PROMPT.key]
    (prompt,), _ = lookup.search(None, PROMPT.key, 0, 10)
    assert (prompt.kind, prompt.resource.kind, prompt.deleted) == (Kind.PROMPT, Kind.REGISTERED_MODEL, False)


def test_a_number_finds_the_experiment_with_this_id(engine: sa.Engine, lookup: ResourceLookup) -> None:
    make_experiments(engine, {12: "seven 7"}, deleted=True)
    assert found(lookup, None, "7") == ["seven 7", "team-a sales"]
    (binned,), _ = lookup.search(Kind.EXPERIMENT, "12", 0, 10)
    assert (binned.resource.key, binned.deleted) == ("12", True)


def test_pages_are_cut_by_the_database_and_tell_how_many_there_are(engine: sa.Engine, lookup: ResourceLookup) -> None:
    make_experiments(engine, {number: f"n{number}" for number in range(10, 30)})
    with statements(engine) as seen:
        pages = [lookup.search(Kind.EXPERIMENT, "n", offset, 8) for offset in (0, 8, 16, 24)]
    assert [len(page) for page, _ in pages] == [8, 8, 4, 0]
    assert {total for _, total in pages} == {20}
    assert len(seen) == 4
    assert [one.name for page, _ in pages for one in page] == [f"n{number}" for number in range(10, 30)]


# --- Without a manager --------------------------------------------------------------------------------------


def unmanaged(lookup: ResourceLookup) -> list[str]:
    page, total = lookup.without_manager(0, 100, NOW)
    assert total == len(page)
    return [one.name for one in page]


EVERYTHING = [MODEL.key, PROMPT.key, "team-a sales"]


def test_what_somebody_manages_is_not_among_them_and_the_default_experiment_never_is(
    site: Site, lookup: ResourceLookup
) -> None:
    assert unmanaged(lookup) == []
    site.users.disable(site.people["alice"].id, NOW)
    assert unmanaged(lookup) == EVERYTHING


@pytest.mark.parametrize("level", [level for level in Level if level < Level.MANAGE])
def test_less_than_manage_manages_nothing(site: Site, lookup: ResourceLookup, level: Level) -> None:
    site.users.delete(site.people["alice"].id, NOW)
    site.grant(EXPERIMENT, level, user="bob")
    site.grant_pattern(Kind.REGISTERED_MODEL, "", level, group="/readers")
    assert unmanaged(lookup) == EVERYTHING


@pytest.mark.parametrize("way", ["a grant", "a group", "a pattern", "a group's pattern"])
def test_somebody_manages_it_in_whatever_way(site: Site, lookup: ResourceLookup, way: str) -> None:
    site.users.delete(site.people["alice"].id, NOW)
    match way:
        case "a grant":
            site.grant(EXPERIMENT, Level.MANAGE, user="bob")
        case "a group":
            site.grant(EXPERIMENT, Level.MANAGE, group="/readers")
        case "a pattern":
            site.grant_pattern(Kind.EXPERIMENT, "team-a", Level.MANAGE, user="bob")
        case "a group's pattern":
            site.grant_pattern(Kind.EXPERIMENT, "team-a", Level.MANAGE, group="/readers")
    assert unmanaged(lookup) == [MODEL.key, PROMPT.key]
    site.users.disable(site.people["bob"].id, NOW)
    assert unmanaged(lookup) == EVERYTHING


@pytest.mark.parametrize(
    "way", ["it has ended", "their own says less", "a group's says less", "a longer one says less"]
)
def test_a_manage_that_does_not_decide_manages_nothing(site: Site, lookup: ResourceLookup, way: str) -> None:
    site.users.delete(site.people["alice"].id, NOW)
    match way:
        case "it has ended":
            site.grant(EXPERIMENT, Level.MANAGE, user="bob", until=NOW)
            site.grant(EXPERIMENT, Level.MANAGE, group="/readers", until=NOW - timedelta(seconds=1))
        case "their own says less":
            site.grant(EXPERIMENT, Level.MANAGE, group="/readers")
            site.grant(EXPERIMENT, Level.EDIT, user="bob")
        case "a group's says less":
            site.grant_pattern(Kind.EXPERIMENT, "team-a", Level.MANAGE, user="bob")
            site.grant(EXPERIMENT, Level.EDIT, group="/readers")
        case "a longer one says less":
            site.grant_pattern(Kind.EXPERIMENT, "team-a", Level.MANAGE, group="/readers")
            site.grant_pattern(Kind.EXPERIMENT, "team-a s", Level.READ, group="/readers")
    assert "team-a sales" in unmanaged(lookup)


def test_the_highest_of_the_groups_manages_it(site: Site, lookup: ResourceLookup) -> None:
    site.users.delete(site.people["alice"].id, NOW)
    site.grant(EXPERIMENT, Level.READ, group="/prokube users")
    site.grant(EXPERIMENT, Level.MANAGE, group="/readers")
    assert "team-a sales" not in unmanaged(lookup)


def test_a_group_of_nobody_and_one_of_the_disabled_manage_nothing(site: Site, lookup: ResourceLookup) -> None:
    site.users.delete(site.people["alice"].id, NOW)
    site.grant(EXPERIMENT, Level.MANAGE, group="/empty")
    site.grant_pattern(Kind.REGISTERED_MODEL, "", Level.MANAGE, group="/empty")
    assert unmanaged(lookup) == EVERYTHING


def test_a_hundred_thousand_experiments_are_looked_through_in_one_quick_statement(
    engine: sa.Engine, site: Site, lookup: ResourceLookup
) -> None:
    """A third is owned, a third is a big group's, a third is nobody's but for a pattern or two."""
    _fill(engine, site.people["alice"].id)
    lookup.without_manager(0, 50, NOW)
    with statements(engine) as seen:
        started = time.perf_counter()
        page, total = lookup.without_manager(0, 50, NOW)
        took = time.perf_counter() - started
    assert (len(page), total, len(seen)) == (50, 32_634, 1)
    assert took < 10, f"{took:.1f} s"  # 0.3 s on SQLite and 0.6 s on PostgreSQL, on a quiet machine


def _fill(engine: sa.Engine, alice: int) -> None:
    said = {"level": int(Level.MANAGE), "granted_by": "t", "granted_at": NOW}
    make_experiments(engine, {number: f"e{number}" for number in range(1000, 101_000)})
    with engine.begin() as connection:
        people = [{"username": f"u{number}", "created_at": NOW} for number in range(1000)]
        connection.execute(users.insert(), people)
        group = connection.execute(
            groups.insert().values(source="team", name="big", created_at=NOW).returning(groups.c.id)
        )
        group_id = group.scalar_one()
        member = sa.select(users.c.id, sa.literal(group_id)).where(users.c.username.startswith("u"))
        connection.execute(memberships.insert().from_select(["user_id", "group_id"], member))
        owned = [{"experiment_id": number, "user_id": alice, **said} for number in range(1000, 101_000, 3)]
        shared = [{"experiment_id": number, "group_id": group_id, **said} for number in range(1001, 101_000, 3)]
        connection.execute(experiment_grants.insert(), owned)
        connection.execute(experiment_grants.insert(), shared)
        patterns = [{"kind": "experiment", "prefix": f"x{number}", "user_id": alice, **said} for number in range(20)]
        patterns.append({"kind": "experiment", "prefix": "e10", "user_id": alice, **said})
        connection.execute(pattern_grants.insert(), patterns)
        if engine.dialect.name == "postgresql":
            connection.execute(sa.text("ANALYZE"))
