"""Access requests: whoever manages it decides, and whoever asks is never told whether it is there."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from mlflow.store.model_registry.dbmodels import models as _registry_models  # noqa: F401 - maps its classes
from mlflow.store.tracking.dbmodels.models import Base

from mlflow_oidc_auth.bridge.lookups import ResourceLookup
from mlflow_oidc_auth.bridge.resources import experiments, registered_model_tags, registered_models
from mlflow_oidc_auth.database.tables import access_requests, audit_records
from mlflow_oidc_auth.errors import BadRequest, NotFound, TooManyRequests
from mlflow_oidc_auth.grants.requests import LASTS, LONGEST_REASON, MOST_A_DAY, MOST_OPEN, RequestStore
from mlflow_oidc_auth.grants.store import GivenBy, GrantStore, Shareable
from mlflow_oidc_auth.operations.table import PROMPT_TAG
from mlflow_oidc_auth.vocabulary import Kind, Level
from tests.unit.grants.world import EVERY_KIND, EXPERIMENT, MODEL, NOW, OTHER, PROMPT, World

DAY = timedelta(days=1)


class Asking:
    """The world with what MLflow knows of its resources, and requests."""

    def __init__(self, engine: sa.Engine, default: Level = Level.NO_PERMISSIONS) -> None:
        self.engine, self.world = engine, World(engine)
        Base.metadata.create_all(engine, tables=[experiments, registered_models, registered_model_tags])
        with engine.begin() as connection:
            for on in (EXPERIMENT, OTHER):
                made = {"experiment_id": on.resource.experiment_id, "name": on.name, "workspace": "default"}
                connection.execute(experiments.insert().values(made | {"lifecycle_stage": "active"}))
            for on in (MODEL, PROMPT):
                connection.execute(registered_models.insert().values(name=on.name, workspace="default"))
            tag = {"workspace": "default", "name": PROMPT.name, "key": PROMPT_TAG, "value": "true"}
            connection.execute(registered_model_tags.insert().values(tag))
        self.grants = GrantStore(engine, default)
        self.store = RequestStore(engine, default, self.grants, ResourceLookup(engine))
        self.root = GivenBy("root@example.test", True, 999)

    def by(self, name: str) -> GivenBy:
        return self.root if name == "root" else self.world.by(name)

    def ask(
        self, name: str, on: Shareable | str, level: Level = Level.READ, *, now: Any = NOW, kind: Any = None
    ) -> Any:
        """Somebody asks, by the name of the resource or by any text."""
        text, of = (on, kind or Kind.EXPERIMENT) if isinstance(on, str) else (on.name, on.kind)
        return self.store.ask(self.by(name), of, text, level, reason="please", now=now)

    def to_decide(self, name: str, now: Any = NOW) -> list[tuple[str, str, Level]]:
        """From whom, on what, which level."""
        found, total = self.store.to_decide(self.by(name), now, 0, 100)
        assert total == len(found) == self.store.count_to_decide(self.by(name), now)
        return [(asked.username.split("@")[0], asked.on.name, asked.level) for asked in found]

    def told(self, name: str, now: Any = NOW) -> list[tuple[str, Level, bool]]:
        """What somebody is told of what they asked for: what, which level, whether it is granted."""
        found, _ = self.store.of_user(self.by(name).user_id, now, 0, 1000)
        return [(asked.asked_for, asked.level, asked.granted_at is not None) for asked in found]

    def acts(self) -> list[tuple[str, str, str]]:
        """What is written down of requests."""
        row = audit_records.c
        statement = sa.select(row.by, row.act, row.subject).where(row.act.startswith("request.")).order_by(row.id)
        with self.engine.connect() as connection:
            return [(found.by.split("@")[0], found.act, found.subject) for found in connection.execute(statement)]


@pytest.fixture
def asking(engine: sa.Engine) -> Asking:
    return Asking(engine)


@pytest.mark.parametrize("on", EVERY_KIND, ids=lambda on: on.kind)
def test_who_manages_it_finds_the_request_and_grants_it(asking: Asking, on: Shareable) -> None:
    asked = asking.ask("carol", on)
    assert asking.to_decide("alice") == [("carol", on.name, Level.READ)]
    asking.store.grant(asked.id, by=asking.by("alice"), now=NOW, until=NOW + DAY)
    grant = asking.grants.read(on.resource, asking.world.to("carol"))
    assert grant is not None
    assert (grant.level, grant.granted_by, grant.expires_at) == (Level.READ, "alice@example.test", NOW + DAY)
    assert asking.to_decide("alice") == []
    assert asking.told("carol") == [(on.name, Level.READ, True)]
    assert [act for _, act, _ in asking.acts()] == ["request.ask", "request.grant"]


def test_an_experiment_is_asked_for_by_id_or_name_and_the_kind_of_a_name_is_found(asking: Asking) -> None:
    for text in ("7", "007", "team-a sales"):
        asking.ask("carol", text)
    asking.ask("bob", "greeting", kind=Kind.REGISTERED_MODEL)
    found, _ = asking.store.to_decide(asking.by("alice"), NOW, 0, 10)
    assert [(asked.on.resource.key, asked.kind) for asked in found] == [
        *[("7", Kind.EXPERIMENT)] * 3,
        ("greeting", Kind.PROMPT),
    ]


def test_nobody_decides_on_what_they_do_not_manage(asking: Asking) -> None:
    asked = asking.ask("carol", EXPERIMENT)
    asking.world.given(EXPERIMENT, Level.EDIT, asking.world.to("bob"))
    for name in ("bob", "dave", "carol"):
        assert asking.to_decide(name) == []
        for decide in (asking.store.grant, asking.store.decline):
            with pytest.raises(NotFound) as refused:
                decide(asked.id, by=asking.by(name), now=NOW)
            with pytest.raises(NotFound) as missing:
                decide(4711, by=asking.by(name), now=NOW)
            assert refused.value.message == missing.value.message
    assert asking.grants.read(EXPERIMENT.resource, asking.world.to("carol")) is None


def test_managing_by_a_group_a_pattern_or_as_an_admin_is_managing(asking: Asking) -> None:
    asking.ask("carol", EXPERIMENT)
    assert asking.to_decide("bob") == []
    asking.world.given_pattern(Kind.EXPERIMENT, "team-a", Level.MANAGE, asking.world.readers)
    assert asking.to_decide("bob") == asking.to_decide("root") == [("carol", EXPERIMENT.name, Level.READ)]
    asking.world.given(EXPERIMENT, Level.MANAGE, asking.world.to("dave"), NOW)
    assert asking.to_decide("dave") == [], "a grant that has ended manages nothing"


def test_a_name_that_leads_nowhere_is_answered_like_one_that_does_and_reaches_nobody(asking: Asking) -> None:
    there, missing = asking.ask("carol", EXPERIMENT), asking.ask("carol", "team-a salami")
    assert replace(there, id=0, asked_for="") == replace(missing, id=0, asked_for="")
    assert asking.to_decide("root") == [("carol", EXPERIMENT.name, Level.READ)]
    with pytest.raises(NotFound):
        asking.store.grant(missing.id, by=asking.root, now=NOW)


def test_the_asker_is_not_told_that_a_request_was_declined(asking: Asking) -> None:
    there, missing = asking.ask("carol", EXPERIMENT), asking.ask("carol", "team-a salami")
    asking.store.decline(there.id, by=asking.by("alice"), now=NOW)
    assert asking.to_decide("alice") == []
    told = asking.store.of_user(asking.by("carol").user_id, NOW, 0, 10)[0]
    assert [replace(asked, id=0, asked_for="") for asked in told[:1]] == [replace(missing, id=0, asked_for="")]
    assert [asked.id for asked in told] == [missing.id, there.id]
    for asked in (there, missing):
        asking.store.withdraw(asked.id, by=asking.by("carol"), now=NOW)
    assert asking.told("carol") == []


def test_requests_are_told_apart_by_what_was_written_so_that_two_names_of_one_stay_two(asking: Asking) -> None:
    asking.ask("carol", "7")
    asking.ask("carol", EXPERIMENT)
    assert len(asking.told("carol")) == 2


def test_asking_again_begins_anew_and_there_is_one_open_request(asking: Asking) -> None:
    first = asking.ask("carol", EXPERIMENT)
    asking.store.decline(first.id, by=asking.by("alice"), now=NOW)
    again = asking.ask("carol", EXPERIMENT, Level.EDIT, now=NOW + DAY)
    assert asking.told("carol", NOW + DAY) == [(EXPERIMENT.name, Level.EDIT, False)]
    assert asking.to_decide("alice", NOW + DAY) == [("carol", EXPERIMENT.name, Level.EDIT)]
    with pytest.raises(NotFound):
        asking.store.grant(first.id, by=asking.by("alice"), now=NOW + DAY)
    assert again.ends_at == NOW + DAY + LASTS


def test_a_request_ends(asking: Asking) -> None:
    asked = asking.ask("carol", EXPERIMENT)
    last, over = NOW + LASTS - timedelta(seconds=1), NOW + LASTS
    assert asking.to_decide("alice", last) != [] == asking.to_decide("alice", over)
    assert asking.told("carol", last) != [] == asking.told("carol", over)
    for decide in (asking.store.grant, asking.store.decline, asking.store.withdraw):
        with pytest.raises(NotFound):
            decide(asked.id, by=asking.by("carol" if decide == asking.store.withdraw else "alice"), now=over)


def test_at_most_so_many_asks_a_day_whatever_they_lead_to(asking: Asking) -> None:
    for number in range(MOST_A_DAY - 1):
        asking.ask("carol", f"name {number % 3}", now=NOW + number * timedelta(minutes=1))
    asking.ask("carol", EXPERIMENT)
    for text in ("another", EXPERIMENT.name, "name 1"):
        with pytest.raises(TooManyRequests):
            asking.ask("carol", text, now=NOW + timedelta(hours=1))
    asking.ask("bob", "another")
    asking.ask("carol", "another", now=NOW + DAY + timedelta(hours=1))


def test_at_most_so_many_open_ones_declined_ones_too(asking: Asking) -> None:
    declined = asking.ask("carol", EXPERIMENT)
    asking.store.decline(declined.id, by=asking.by("alice"), now=NOW)
    for number in range(1, MOST_OPEN):
        asking.ask("carol", f"name {number}", now=NOW + number * timedelta(hours=2))
    later = NOW + MOST_OPEN * timedelta(hours=2)
    with pytest.raises(TooManyRequests):
        asking.ask("carol", "one more", now=later)
    asking.ask("carol", "name 1", now=later)
    asking.store.withdraw(declined.id, by=asking.by("carol"), now=later)
    asking.ask("carol", "one more", now=later)


def test_what_one_has_is_not_asked_for(asking: Asking) -> None:
    asking.world.given(EXPERIMENT, Level.READ, asking.world.readers)
    with pytest.raises(BadRequest):
        asking.ask("bob", EXPERIMENT)
    asking.ask("bob", EXPERIMENT, Level.EDIT)
    with pytest.raises(BadRequest):
        asking.ask("root", "whatever")
    with pytest.raises(BadRequest):
        asking.ask("carol", EXPERIMENT, Level.NO_PERMISSIONS)
    with pytest.raises(BadRequest):
        asking.ask("carol", "x" * 257)


def test_a_reason_is_as_long_as_it_may_be_and_no_longer(asking: Asking) -> None:
    carol, longest = asking.by("carol"), "x" * LONGEST_REASON
    with pytest.raises(BadRequest, match=str(LONGEST_REASON)):
        asking.store.ask(carol, Kind.EXPERIMENT, "one", Level.READ, reason=longest + "x", now=NOW)
    assert asking.told("carol") == []
    assert asking.store.ask(carol, Kind.EXPERIMENT, "one", Level.READ, reason=longest, now=NOW).reason == longest


def test_a_grant_never_lowers_what_somebody_has_by_then(asking: Asking) -> None:
    asked = asking.ask("bob", EXPERIMENT)
    asking.world.given(EXPERIMENT, Level.EDIT, asking.world.readers)
    asking.store.grant(asked.id, by=asking.by("alice"), now=NOW)
    assert asking.grants.read(EXPERIMENT.resource, asking.world.to("bob")) is None
    assert asking.told("bob") == [(EXPERIMENT.name, Level.READ, True)]


def test_what_is_refused_leaves_the_request_open(asking: Asking) -> None:
    asked = asking.ask("carol", EXPERIMENT)
    with pytest.raises(BadRequest):
        asking.store.grant(asked.id, by=asking.by("alice"), now=NOW, level=Level.NO_PERMISSIONS)
    assert asking.to_decide("alice") == [("carol", EXPERIMENT.name, Level.READ)]
    assert [act for _, act, _ in asking.acts()] == ["request.ask"]


def test_who_has_it_until_a_date_is_granted_it_for_longer(asking: Asking) -> None:
    asked = asking.ask("bob", EXPERIMENT)
    asking.world.given(EXPERIMENT, Level.READ, asking.world.to("bob"), until=NOW + timedelta(days=2))
    asking.store.grant(asked.id, by=asking.by("alice"), now=NOW)
    grant = asking.grants.read(EXPERIMENT.resource, asking.world.to("bob"))
    assert grant is not None
    assert (grant.level, grant.expires_at) == (Level.READ, None)


def test_who_has_more_until_a_date_keeps_that(asking: Asking) -> None:
    asked = asking.ask("bob", EXPERIMENT)
    asking.world.given(EXPERIMENT, Level.EDIT, asking.world.to("bob"), until=NOW + timedelta(days=2))
    asking.store.grant(asked.id, by=asking.by("alice"), now=NOW)
    grant = asking.grants.read(EXPERIMENT.resource, asking.world.to("bob"))
    assert grant is not None
    assert grant.level is Level.EDIT


@pytest.mark.parametrize("has_it_by_now", [False, True])
def test_nothing_is_granted_until_a_moment_that_is_over(asking: Asking, has_it_by_now: bool) -> None:
    asked = asking.ask("bob", EXPERIMENT)
    if has_it_by_now:
        asking.world.given(EXPERIMENT, Level.EDIT, asking.world.readers)
    with pytest.raises(BadRequest, match="is over"):
        asking.store.grant(asked.id, by=asking.by("alice"), now=NOW, until=NOW)
    assert [act for _, act, _ in asking.acts()] == ["request.ask"]


def test_another_level_than_asked_for_can_be_granted(asking: Asking) -> None:
    asked = asking.ask("carol", MODEL, Level.MANAGE)
    asking.store.grant(asked.id, by=asking.by("alice"), now=NOW, level=Level.READ)
    grant = asking.grants.read(MODEL.resource, asking.world.to("carol"))
    assert grant is not None
    assert grant.level is Level.READ


def test_who_is_disabled_or_gone_asks_for_nothing(asking: Asking) -> None:
    asking.ask("carol", EXPERIMENT)
    asking.ask("dave", MODEL)
    asking.world.disable("dave")
    asking.world.delete("carol")
    assert asking.to_decide("alice") == []


def test_what_is_purged_takes_its_requests_along(asking: Asking) -> None:
    asked = asking.ask("carol", EXPERIMENT)
    with asking.engine.begin() as connection:
        connection.execute(experiments.delete())
    assert asking.to_decide("root") == []
    assert asking.told("carol") == [(EXPERIMENT.name, Level.READ, False)]
    with pytest.raises(NotFound):
        asking.store.grant(asked.id, by=asking.root, now=NOW)


def test_only_who_asked_withdraws(asking: Asking) -> None:
    asked = asking.ask("carol", EXPERIMENT)
    for name in ("bob", "alice", "root"):
        with pytest.raises(NotFound):
            asking.store.withdraw(asked.id, by=asking.by(name), now=NOW)
    asking.store.withdraw(asked.id, by=asking.by("carol"), now=NOW)
    assert asking.to_decide("alice") == []
    assert asking.acts()[-1] == (
        "carol",
        "request.withdraw",
        "experiment 'team-a sales' for user carol@example.test",
    )


def test_two_who_decide_at_once_decide_once(asking: Asking) -> None:
    asking.world.given(EXPERIMENT, Level.MANAGE, asking.world.to("dave"))
    asked, outcomes = asking.ask("carol", EXPERIMENT), []

    def decide(name: str) -> None:
        try:
            asking.store.grant(asked.id, by=asking.by(name), now=NOW)
            outcomes.append("granted")
        except NotFound:
            outcomes.append("too late")

    threads = [threading.Thread(target=decide, args=(name,)) for name in ("alice", "dave")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["granted", "too late"]
    assert [act for _, act, _ in asking.acts()] == ["request.ask", "request.grant"]


def test_a_page_costs_two_statements_with_a_thousand_open_requests(asking: Asking) -> None:
    carol = asking.by("carol").user_id
    with asking.engine.begin() as connection:
        rows = [
            {"user_id": carol, "kind": "experiment", "asked_for": f"7 {number}", "experiment_id": 7}
            | {"level": 10, "asked_at": NOW, "state": "open"}
            for number in range(1000)
        ]
        connection.execute(access_requests.insert(), rows)
    with counted(asking.engine) as statements:
        found, total = asking.store.to_decide(asking.by("alice"), NOW, 50, 50)
    assert (len(found), total) == (50, 1000)
    assert len(statements) <= 4, statements


class counted:
    """The statements that a block sends."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine, self._sent = engine, list[str]()

    def __enter__(self) -> list[str]:
        sa.event.listen(self._engine, "before_cursor_execute", self._hear)
        return self._sent

    def __exit__(self, *_: object) -> None:
        sa.event.remove(self._engine, "before_cursor_execute", self._hear)

    def _hear(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        self._sent.append(statement)
