"""The levels on whatever a request names, in one statement; what leads nowhere has none."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from mlflow_oidc_auth.bridge.judge import MOST_IDS, experiment_number
from mlflow_oidc_auth.errors import BadRequest
from mlflow_oidc_auth.gate import Source
from mlflow_oidc_auth.operations.targets import IdKind
from mlflow_oidc_auth.vocabulary import Identity, Kind, Level, Resource, Rung
from tests.stores import NOW, Stores, statements
from tests.unit.bridge.belongings import Belongings, make_belongings

UNKNOWN = "'; DROP TABLE runs; --"


@pytest.fixture
def hers(stores: Stores) -> Belongings:
    """One of everything, alice's."""
    return make_belongings(stores, stores.alice, "hers")


def everything(hers: Belongings) -> dict[IdKind, frozenset[str]]:
    return {
        IdKind.EXPERIMENT: frozenset({hers.experiment}),
        IdKind.RUN: frozenset({hers.run, hers.second_run}),
        IdKind.TRACE: frozenset({hers.trace}),
        IdKind.ASSESSMENT: frozenset({hers.assessment}),
        IdKind.LOGGED_MODEL: frozenset({hers.model}),
        IdKind.DATASET: frozenset({hers.dataset}),
        IdKind.ISSUE: frozenset({hers.issue}),
        IdKind.LABEL_SCHEMA: frozenset({hers.schema}),
        IdKind.REVIEW_QUEUE: frozenset({hers.queue}),
        IdKind.NAME: frozenset({hers.registered_model, hers.prompt}),
        IdKind.ARTIFACT_PATH: frozenset({f"{hers.experiment}/{hers.run}/artifacts/model", f"{hers.experiment}"}),
    }


def test_every_kind_of_id_is_named_here(hers: Belongings) -> None:
    assert set(everything(hers)) == set(IdKind)


def test_one_statement_tells_the_level_on_everything(stores: Stores, hers: Belongings) -> None:
    named = everything(hers)
    with statements(stores.engine) as ran:
        levels = stores.judge.levels(stores.alice, named, NOW)
    assert len(ran) == 1
    assert levels == {(kind, id_): Level.MANAGE for kind, ids in named.items() for id_ in ids}


def test_a_strangers_level_is_none_and_a_groups_is_the_groups(stores: Stores, hers: Belongings) -> None:
    named = everything(hers)
    assert set(stores.judge.levels(stores.bob, named, NOW).values()) == {Level.NO_PERMISSIONS}
    stores.grant(stores.team, Kind.EXPERIMENT, hers.experiment, Level.EDIT)
    levels = stores.judge.levels(stores.bob, named, NOW)
    for (kind, id_), level in levels.items():
        assert level is (Level.NO_PERMISSIONS if kind is IdKind.NAME else Level.EDIT), (kind, id_)


def test_what_leads_nowhere_has_no_level(stores: Stores, hers: Belongings) -> None:
    for odd in (UNKNOWN, "", "nul\0", "half \ud800", "%", "_", "9" * 40, "-1", "1.0", "x" * 10_000, "ünï", "1/../2"):
        named = {kind: frozenset({odd}) for kind in IdKind}
        assert stores.judge.levels(stores.alice, named, NOW) == {}, odd
        assert stores.judge.name_taken(stores.alice, Kind.EXPERIMENT, odd, NOW) is None
        assert stores.judge.name_taken(stores.alice, Kind.PROMPT, odd, NOW) is None
    assert stores.judge.levels(stores.alice, {}, NOW) == {}


def test_ids_that_lead_somewhere_and_ids_that_do_not_are_told_apart(stores: Stores, hers: Belongings) -> None:
    named = {kind: ids | {UNKNOWN} for kind, ids in everything(hers).items()}
    levels = stores.judge.levels(stores.alice, named, NOW)
    assert {key for key in levels if key[1] == UNKNOWN} == set()
    assert len(levels) == sum(len(ids) for ids in everything(hers).values())


@pytest.mark.parametrize("spelling", ["{}", "0{}", "00000000000{}"])
def test_an_experiment_is_judged_however_its_id_is_spelled(stores: Stores, hers: Belongings, spelling: str) -> None:
    spelled = spelling.format(hers.experiment)
    named = {IdKind.EXPERIMENT: frozenset({spelled})}
    assert stores.judge.levels(stores.alice, named, NOW)[IdKind.EXPERIMENT, spelled] is Level.MANAGE
    assert stores.judge.levels(stores.bob, named, NOW)[IdKind.EXPERIMENT, spelled] is Level.NO_PERMISSIONS


def test_only_plain_digits_are_an_experiment_id() -> None:
    assert [experiment_number(id_) for id_ in ("0", "1", "01", "2147483647")] == [0, 1, 1, 2147483647]
    for odd in ("+1", " 1", "1 ", "1_0", "²", "３", "-1", "2147483648", "", "1e3", "9" * 5000):
        assert experiment_number(odd) is None, odd


def test_too_many_ids_are_refused(stores: Stores) -> None:
    most = frozenset(str(number) for number in range(MOST_IDS))
    assert set(stores.judge.levels(stores.alice, {IdKind.EXPERIMENT: most}, NOW)) == {(IdKind.EXPERIMENT, "0")}
    with pytest.raises(BadRequest, match="more than 5000"):
        stores.judge.levels(stores.alice, {IdKind.EXPERIMENT: most, IdKind.RUN: frozenset({"one more"})}, NOW)


def test_a_dataset_has_the_lowest_level_of_its_experiments(stores: Stores, hers: Belongings) -> None:
    with stores.decided(stores.bob):
        other = stores.tracking.create_experiment("bob's")
    with stores.system():
        dataset = stores.tracking.create_dataset("both", experiment_ids=[hers.experiment, other]).dataset_id
        alone = stores.tracking.create_dataset("of none").dataset_id
    named = {IdKind.DATASET: frozenset({dataset, alone})}

    def level_of(who: Identity) -> Level | None:
        levels = stores.judge.levels(who, named, NOW)
        assert (IdKind.DATASET, alone) not in levels
        return levels.get((IdKind.DATASET, dataset))

    assert level_of(stores.alice) is level_of(stores.bob) is level_of(stores.carol) is Level.NO_PERMISSIONS
    stores.grant(stores.carol, Kind.EXPERIMENT, hers.experiment, Level.MANAGE)
    assert level_of(stores.carol) is Level.NO_PERMISSIONS
    stores.grant(stores.carol, Kind.EXPERIMENT, other, Level.READ)
    assert level_of(stores.carol) is Level.READ
    with stores.another_process() as connection:
        for table in ("experiment_tags", "experiments"):
            connection.execute(sa.text(f"DELETE FROM {table} WHERE experiment_id = {other}"))
    assert level_of(stores.carol) is Level.NO_PERMISSIONS


def test_a_name_that_is_taken_is_told_with_the_level_on_it(stores: Stores, hers: Belongings) -> None:
    name = "hers experiment"
    taken = stores.judge.name_taken
    assert taken(stores.alice, Kind.EXPERIMENT, name, NOW) is Level.MANAGE
    assert taken(stores.bob, Kind.EXPERIMENT, name, NOW) is Level.NO_PERMISSIONS
    assert taken(stores.bob, Kind.EXPERIMENT, "free", NOW) is None
    assert taken(stores.bob, Kind.EXPERIMENT, name.upper(), NOW) is None
    assert taken(stores.bob, Kind.REGISTERED_MODEL, hers.prompt, NOW) is Level.NO_PERMISSIONS
    with stores.decided(stores.alice):
        stores.tracking.delete_experiment(hers.experiment)
    assert taken(stores.bob, Kind.EXPERIMENT, name, NOW) is Level.NO_PERMISSIONS


def test_why_somebody_has_a_level_is_the_rung_that_gave_it(stores: Stores, hers: Belongings) -> None:
    resource = Resource(Kind.EXPERIMENT, hers.experiment)

    def of(who: Identity) -> tuple[Level, Rung] | None:
        return stores.judge.level_on(who.user_id, who.group_ids, resource, NOW)

    assert of(stores.alice) == (Level.MANAGE, Rung.USER)
    assert of(stores.bob) == (Level.NO_PERMISSIONS, Rung.DEFAULT)
    stores.grant_pattern(stores.team, Kind.EXPERIMENT, "hers", Level.READ)
    assert of(stores.bob) == (Level.READ, Rung.GROUP_PATTERN)
    stores.grant_pattern(stores.bob, Kind.EXPERIMENT, "", Level.EDIT)
    assert of(stores.bob) == (Level.EDIT, Rung.USER_PATTERN)
    stores.grant(stores.team, Kind.EXPERIMENT, hers.experiment, Level.USE)
    assert of(stores.bob) == (Level.USE, Rung.GROUP)
    stores.grant(stores.bob, Kind.EXPERIMENT, hers.experiment, Level.NO_PERMISSIONS)
    assert of(stores.bob) == (Level.NO_PERMISSIONS, Rung.USER)
    gone = Resource(Kind.EXPERIMENT, "4711")
    assert stores.judge.level_on(stores.alice.user_id, (), gone, NOW) is None
    unnamed = Resource(Kind.PROMPT, "no such")
    assert stores.judge.level_on(stores.alice.user_id, (), unnamed, NOW) is None


# --- artifacts -----------------------------------------------------------------------------------------


def test_an_artifact_path_follows_its_experiment_or_a_version_made_of_it(stores: Stores, hers: Belongings) -> None:
    root = f"{hers.experiment}/{hers.run}/artifacts/model"
    with stores.decided(stores.alice):
        stores.registry.create_registered_model("shared")
        stores.registry.create_model_version("shared", f"mlflow-artifacts:/{root}", hers.run)

    def level_of(path: str) -> Level | None:
        return stores.judge.levels(stores.bob, {IdKind.ARTIFACT_PATH: frozenset({path})}, NOW).get(
            (IdKind.ARTIFACT_PATH, path)
        )

    paths = (root, f"{root}/MLmodel", f"{root}/data/model.pkl")
    outside = (f"{hers.experiment}/{hers.run}/artifacts/other", f"{root}-2/MLmodel", hers.experiment)
    assert {level_of(path) for path in (*paths, *outside)} == {Level.NO_PERMISSIONS}
    stores.grant(stores.bob, Kind.REGISTERED_MODEL, "shared", Level.MANAGE)
    assert {level_of(path) for path in paths} == {Level.READ}
    assert {level_of(path) for path in outside} == {Level.NO_PERMISSIONS}
    stores.grant(stores.bob, Kind.EXPERIMENT, hers.experiment, Level.EDIT)
    assert {level_of(path) for path in (*paths, *outside)} == {Level.EDIT}
    assert level_of(f"{root}/../../x") is None
    assert level_of("skills/x") is None


def test_a_deleted_version_opens_nothing(stores: Stores, hers: Belongings) -> None:
    root = f"{hers.experiment}/{hers.run}/artifacts/model"
    with stores.decided(stores.alice):
        stores.registry.create_registered_model("shared")
        stores.registry.create_model_version("shared", f"mlflow-artifacts:/{root}", hers.run)
        stores.registry.delete_model_version("shared", "1")
    stores.grant(stores.bob, Kind.REGISTERED_MODEL, "shared", Level.READ)
    named = {IdKind.ARTIFACT_PATH: frozenset({root})}
    assert set(stores.judge.levels(stores.bob, named, NOW).values()) == {Level.NO_PERMISSIONS}


def test_a_source_lies_inside_the_run_or_model_it_names(stores: Stores, hers: Belongings) -> None:
    with stores.system():
        run_root = stores.tracking.get_run(hers.run).info.artifact_uri
        model_root = stores.tracking.get_logged_model(hers.model).artifact_location
    inside = stores.judge.source_inside
    assert inside(Source(f"{run_root}/model", hers.run, ""))
    assert inside(Source(f"{model_root}", "", hers.model))
    assert not inside(Source(f"{run_root}/model", "", hers.model))
    assert not inside(Source(f"{run_root}/../other", hers.run, ""))
    assert not inside(Source("s3://elsewhere/model", hers.run, hers.model))
    assert not inside(Source(f"{run_root}/model", "no such run", ""))
