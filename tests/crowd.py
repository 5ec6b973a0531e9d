"""A server that has been in use for years: thousands of people, groups, resources and grants, made in seconds.

    crowd = fill(engine, now)           # our tables, and MLflow's of experiments and models, are there
    crowd.root, crowd.alice             # ids of an admin, and of somebody who owns and is given a lot

The rows are made by the database itself, from a column of numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from mlflow_oidc_auth.bridge.resources import experiments, registered_model_tags, registered_models
from mlflow_oidc_auth.database.tables import (
    Instant,
    access_requests,
    audit_records,
    experiment_grants,
    groups,
    memberships,
    named_grants,
    pattern_grants,
    sessions,
    tokens,
    users,
)
from mlflow_oidc_auth.operations.table import PROMPT_TAG
from mlflow_oidc_auth.vocabulary import Level

USERS, SERVICE_ACCOUNTS = 10_000, 300
GROUPS, TEAMS = 1_000, 200
EXPERIMENTS, MODELS = 2_000, 500
SESSIONS, TOKENS, AUDIT_RECORDS, OPEN_REQUESTS = 5_000, 8_000, 50_000, 2_000
HERS = 400
"""What alice owns of the experiments, and half as many models; she is in as many groups as a tenth of it."""

Number = sa.ColumnElement[int]
Columns = Mapping[str, Any]


@dataclass(frozen=True)
class Crowd:
    """Ids of those that pages are asked about.

    Attributes:
        busy_group: a group of the login service that everybody is in.
        team: a team with members and grants.
        service_account: one with an owner.
        experiment: one of alice's, that many people have.
        model: the name of one of alice's.
    """

    root: int
    alice: int
    bob: int
    busy_group: int
    team: int
    service_account: int
    experiment: int
    model: str


def fill(engine: sa.Engine, now: datetime) -> Crowd:
    """Make all of it, in one transaction."""
    with engine.begin() as connection:
        crowd = _Filling(connection, now).everything()
        connection.execute(sa.text("ANALYZE"))
    return crowd


class _Filling:
    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection, self._now = connection, now

    def everything(self) -> Crowd:
        root, alice, bob = (self._person(name, is_admin=name == "root") for name in ("root", "alice", "bob"))
        person = self._rows(users, USERS, self._people(alice))
        group = self._rows(groups, GROUPS, self._groups())
        experiment = self._rows(experiments, EXPERIMENTS, lambda n: {"name": _name("experiment", n), **_MLFLOW})
        self._rows(registered_models, MODELS, lambda n: {"name": _name("model", n), "workspace": _DEFAULT})
        prompt = {"workspace": _DEFAULT, "key": sa.literal(PROMPT_TAG), "value": sa.literal("true")}
        self._rows(registered_model_tags, MODELS // 5, lambda n: {"name": _name("model", n * 5), **prompt})
        self._memberships(person, group, (root, alice, bob))
        self._grants(person, group, experiment)
        self._hers(alice, experiment)
        self._keys_and_sessions(person)
        self._rows(audit_records, AUDIT_RECORDS, self._audit())
        self._rows(access_requests, OPEN_REQUESTS, self._requests(person, experiment))
        robot = person + USERS - SERVICE_ACCOUNTS + 1
        return Crowd(root, alice, bob, group, group + GROUPS - 1, robot, experiment, "team0-model-10000")

    # --- Who ---------------------------------------------------------------------------------------------

    def _person(self, name: str, *, is_admin: bool) -> int:
        row = {
            "username": f"{name}@example.test",
            "display_name": f"{name.capitalize()} Example",
            "issuer": "https://id.example.test",
            "subject": f"{name}-sub",
            "is_admin": is_admin,
            "created_at": self._now,
            "last_login_at": self._now,
        }
        return int(self._connection.execute(users.insert().values(row).returning(users.c.id)).scalar_one())

    def _people(self, owner: int) -> Callable[[Number], Columns]:
        """The last of them are service accounts; every fiftieth is disabled, every twentieth never logged in."""

        def columns(n: Number) -> Columns:
            robot = n >= USERS - SERVICE_ACCOUNTS
            kind = sa.case((robot, "pipeline"), else_="person")
            return {
                "username": kind.concat(_text(n)).concat(".lastname@example.test"),
                "display_name": sa.case((robot, ""), else_=sa.literal("Person ").concat(_text(n))),
                "issuer": sa.case((robot, sa.null()), else_=sa.literal("https://id.example.test")),
                "subject": sa.case((robot, sa.null()), else_=_text(n)),
                "is_active": n % 50 != 0,
                "is_service_account": robot,
                "owner_id": sa.case((robot, owner), else_=sa.null()),
                "purpose": sa.case((robot, "trains the forecast every night"), else_=""),
                "created_at": self._moment(-400),
                "last_login_at": sa.case((sa.or_(robot, n % 20 == 1), sa.null()), else_=self._moment(-1)),
            }

        return columns

    def _groups(self) -> Callable[[Number], Columns]:
        """The last of them are teams."""

        def columns(n: Number) -> Columns:
            team = n >= GROUPS - TEAMS
            return {
                "source": sa.case((team, "team"), else_="provider"),
                "name": sa.case((team, "team "), else_="/departments/research/group ").concat(_text(n)),
                "created_at": self._moment(-400),
                "description": sa.case((team, "who looks after the forecasts"), else_=""),
            }

        return columns

    def _memberships(self, person: int, group: int, known: tuple[int, int, int]) -> None:
        """Everybody is in the first group and in three others; alice in many."""
        self._rows(memberships, USERS, lambda n: {"user_id": n + person, "group_id": sa.literal(group)})
        for shift in (0, 337, 674):
            self._rows(memberships, USERS, _member(person, group + 1, shift))
        _, alice, _ = known
        self._connection.execute(memberships.insert(), [{"user_id": one, "group_id": group} for one in known])
        hers = {"user_id": sa.literal(alice)}
        self._rows(memberships, HERS // 10, lambda n: {**hers, "group_id": group + GROUPS - 1 - n * 2})

    # --- What they may -----------------------------------------------------------------------------------

    def _grants(self, person: int, group: int, experiment: int) -> None:
        """Thirty or forty people have each resource, and ten groups."""
        to_people, to_groups = ("user_id", person, USERS, 333), ("group_id", group, GROUPS, 337)
        for whom, each in ((to_people, 30), (to_groups, 10)):
            self._rows(experiment_grants, each * EXPERIMENTS, self._given(_experiment(experiment), EXPERIMENTS, *whom))
        for whom, each in ((to_people, 40), (to_groups, 10)):
            self._rows(named_grants, each * MODELS, self._given(_named, MODELS, *whom))
        for whom, many in ((to_people, 3_000), (to_groups, 2_000)):
            self._rows(pattern_grants, many, self._given(_pattern, 1_000, *whom))

    def _given(
        self, on: Callable[[Number], Columns], each: int, column: str, first: int, many: int, step: int
    ) -> Callable[[Number], Columns]:
        """The first of each resource owns it; one in twenty has ended, and one in twenty will.

        Args:
            each: how many resources there are, one after the other.
            column: whose the grants are; the ids in it begin at `first`, and there are `many`.
            step: how far apart the holders of one resource are.
        """

        def columns(n: Number) -> Columns:
            level = sa.case(
                (n // each == 0, int(Level.MANAGE)),
                (n % 11 == 0, int(Level.NO_PERMISSIONS)),
                (n % 3 == 0, int(Level.EDIT)),
                else_=int(Level.READ),
            )
            until = sa.case((n % 20 == 3, self._moment(-1)), (n % 20 == 4, self._moment(30)), else_=sa.null())
            whose = {column: (n + n // each * step) % many + first}
            by_alice = {"granted_by": sa.literal("alice@example.test"), "granted_at": self._moment(-100)}
            return {**on(n), **whose, **by_alice, "level": level, "expires_at": until}

        return columns

    def _hers(self, alice: int, experiment: int) -> None:
        """What alice owns, and a pattern besides."""
        by_alice = {"granted_by": sa.literal("system"), "granted_at": self._moment(-300), "user_id": sa.literal(alice)}
        owned = {**by_alice, "level": sa.literal(int(Level.MANAGE))}
        self._rows(experiment_grants, HERS, lambda n: {"experiment_id": n + experiment, **owned})
        self._rows(named_grants, HERS // 2, lambda n: {"name": _name("model", n), **owned})
        pattern = {"kind": sa.literal("experiment"), "prefix": sa.literal("team7-"), **owned}
        self._rows(pattern_grants, 1, lambda _: pattern)

    # --- What was done -----------------------------------------------------------------------------------

    def _keys_and_sessions(self, person: int) -> None:
        """One key for most people; some have ended, some were never used. A session for half of them."""
        self._rows(
            tokens,
            TOKENS,
            lambda n: {
                "public_id": sa.literal("Key000").concat(_text(n + 100_000)),
                "user_id": n + person,
                "digest": sa.literal("no digest"),
                "created_at": self._moment(-20),
                "created_by": sa.literal("alice@example.test"),
                "expires_at": sa.case(
                    (n % 5 == 0, self._moment(-1)), (n % 5 == 1, self._moment(9)), else_=self._moment(90)
                ),
                "last_used_at": sa.case((n % 7 == 0, sa.null()), else_=self._moment(-1)),
            },
        )
        self._rows(
            sessions,
            SESSIONS,
            lambda n: {
                "digest": sa.literal("session ").concat(_text(n)),
                "user_id": n + person,
                "created_at": self._moment(-1),
                "last_seen_at": self._moment(0),
                "expires_at": self._moment(1),
                "user_agent": sa.literal("Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0"),
            },
        )

    def _audit(self) -> Callable[[Number], Columns]:
        told = sa.literal({"permission": "READ", "expires_at": None}, sa.JSON)
        return lambda n: {
            "at": sa.case((n % 2 == 0, self._moment(-2)), else_=self._moment(-1)),
            "by": sa.literal("person").concat(_text(n % USERS)).concat(".lastname@example.test"),
            "credential": sa.literal("session 7"),
            "address": sa.literal("192.0.2.7"),
            "act": sa.case((n % 3 == 0, "grant.take"), else_="grant.give"),
            "subject": sa.literal("experiment ").concat(sa.cast(n % EXPERIMENTS, sa.String)).concat(" to somebody"),
            "after": told,
        }

    def _requests(self, person: int, experiment: int) -> Callable[[Number], Columns]:
        """One in five is for something that alice owns."""
        return lambda n: {
            "user_id": n + person,
            "kind": sa.literal("experiment"),
            "asked_for": _name("experiment", n),
            "experiment_id": n % EXPERIMENTS + experiment,
            "level": sa.literal(int(Level.READ)),
            "reason": sa.literal("I am to compare it with ours before Friday."),
            "asked_at": self._moment(-1),
            "state": sa.literal("open"),
        }

    # --- Rows --------------------------------------------------------------------------------------------

    def _rows(self, table: sa.Table, many: int, columns: Callable[[Number], Columns]) -> int:
        """So many rows; the id of the first, where they have one that counts up."""
        first = sa.select(sa.literal(0).label("n")).cte("numbers", recursive=True)
        numbers = first.union_all(sa.select(first.c.n + 1).where(first.c.n < many - 1))
        made = columns(numbers.c.n)
        rows = (
            sa.select(*(column.label(name) for name, column in made.items())).select_from(numbers).order_by(numbers.c.n)
        )
        before = self._highest(table)
        self._connection.execute(table.insert().from_select(list(made), rows, include_defaults=False))
        return before + 1

    def _highest(self, table: sa.Table) -> int:
        key = next(iter(table.primary_key))
        if not isinstance(key.type, sa.Integer):
            return 0
        return int(self._connection.execute(sa.select(sa.func.coalesce(sa.func.max(key), 0))).scalar_one())

    def _moment(self, days: int) -> sa.ColumnElement[datetime]:
        return sa.literal(self._now + timedelta(days=days), Instant)


_DEFAULT = sa.literal("default")
_MLFLOW = {"workspace": _DEFAULT, "lifecycle_stage": sa.literal("active")}


def _text(n: Number) -> sa.ColumnElement[str]:
    """The number in five digits."""
    return sa.cast(n + 10_000, sa.String)


def _name(what: str, n: Number) -> sa.ColumnElement[str]:
    """One of a hundred teams' names, such as `team7-experiment-10007`."""
    team = sa.literal("team").concat(sa.cast(n % 100, sa.String))
    return team.concat(f"-{what}-").concat(_text(n))


def _experiment(first: int) -> Callable[[Number], Columns]:
    return lambda n: {"experiment_id": n % EXPERIMENTS + first}


def _named(n: Number) -> Columns:
    return {"name": _name("model", n % MODELS)}


def _pattern(n: Number) -> Columns:
    team = sa.cast((n + n // 1_000 * 7) % 100, sa.String)
    kind = sa.case((n % 2 == 0, "experiment"), else_="registered_model")
    return {"kind": kind, "prefix": sa.literal("team").concat(team).concat("-")}


def _member(person: int, group: int, shift: int) -> Callable[[Number], Columns]:
    return lambda n: {"user_id": n + person, "group_id": (n + shift) % (GROUPS - 1) + group}
