"""Who may create resources."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from mlflow_oidc_auth.database.tables import groups
from mlflow_oidc_auth.permissions.creating import CreatePolicy
from mlflow_oidc_auth.vocabulary import Credential, CredentialKind, Identity, Kind
from tests.stores import NOW

ALICE = Identity(1, "alice@example.test", "Alice", False, False, frozenset(), Credential(CredentialKind.TOKEN, 1, NOW))
ROBOT = replace(ALICE, user_id=2, is_service_account=True)
ROOT = replace(ALICE, user_id=3, is_admin=True)


@pytest.mark.parametrize("kind", list(Kind))
def test_everybody_may_create_unless_it_is_restricted_to_admins(kind: Kind) -> None:
    assert [CreatePolicy(False).may_create(who, kind) for who in (ALICE, ROBOT, ROOT)] == [True, True, True]
    assert [CreatePolicy(True).may_create(who, kind) for who in (ALICE, ROBOT, ROOT)] == [False, False, True]


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize(
    ("named", "source", "lets"),
    [
        ("leads", "team", True),
        ("leads", "provider", True),
        ("/leads", "provider", True),
        ("/data/leads", "provider", False),
        ("Leads", "team", False),
        ("leads ", "team", False),
        ("others", "team", False),
    ],
)
def test_members_of_a_group_that_is_named_may_create_all_the_same(
    engine: sa.Engine, kind: Kind, named: str, source: str, lets: bool
) -> None:
    policy = CreatePolicy(True, ("leads",), engine)
    member = replace(ALICE, group_ids=frozenset({_make(engine, named, source), _make(engine, "everybody", "team")}))
    assert policy.may_create(member, kind) is lets
    assert [policy.may_create(who, kind) for who in (ALICE, ROBOT, ROOT)] == [False, False, True]


def test_that_others_are_in_the_group_lets_nobody_else_create(engine: sa.Engine) -> None:
    policy = CreatePolicy(True, ("leads",), engine)
    _make(engine, "leads", "team")
    outsider = replace(ALICE, group_ids=frozenset({_make(engine, "everybody", "team")}))
    assert not policy.may_create(outsider, Kind.EXPERIMENT)


def test_a_nested_group_is_spelled_in_full(engine: sa.Engine) -> None:
    member = replace(ALICE, group_ids=frozenset({_make(engine, "/data/leads", "provider")}))
    assert CreatePolicy(True, ("/data/leads",), engine).may_create(member, Kind.EXPERIMENT)


def test_a_group_that_is_renamed_lets_nobody_create(engine: sa.Engine) -> None:
    policy = CreatePolicy(True, ("leads",), engine)
    member = replace(ALICE, group_ids=frozenset({_make(engine, "leads", "team")}))
    assert policy.may_create(member, Kind.EXPERIMENT)
    with engine.begin() as connection:
        connection.execute(groups.update().values(name="former leads"))
    assert not policy.may_create(member, Kind.EXPERIMENT)


def test_who_may_create_is_told_in_words() -> None:
    assert CreatePolicy(True).who_may_create() == "Only MLflow admins may."
    told = CreatePolicy(True, ("leads", "data science")).who_may_create()
    assert told == "MLflow admins and the members of leads and data science may."


def _make(engine: sa.Engine, name: str, source: str) -> int:
    with engine.begin() as connection:
        row = groups.insert().values(source=source, name=name, created_at=NOW).returning(groups.c.id)
        return int(connection.execute(row).scalar_one())
