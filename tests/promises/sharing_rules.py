"""The rules of sharing as one table: who gives or takes away what, from whom, and what comes of it.

The page, the JSON, the client and the shell all run it. Each way of asking does three things for each row:

    prepare(engine, row, on)     # the people and grants of the row, and nothing else, in the database
    ...                          # ask, as `row.giver`
    check(engine, row, on)       # the grants are as the row says; a refusal changed nothing

`row.refusal` is a pattern for the sentence that a refusal holds; where it is empty the change is made. `{noun}` in it
stands for what the resource is called (`expected` fills it in).

The shell asks as somebody who has the database: rows of other givers than the admin are not for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from mlflow_oidc_auth.bridge.resources import experiments, registered_model_tags, registered_models
from mlflow_oidc_auth.database.tables import (
    experiment_grants,
    groups,
    memberships,
    named_grants,
    pattern_grants,
    users,
)
from mlflow_oidc_auth.grants.rules import NOUNS
from mlflow_oidc_auth.operations.table import PROMPT_TAG
from mlflow_oidc_auth.vocabulary import Kind, Level

GIVE, TAKE = "give", "take away"
"""To give somebody who has a grant already is to change it."""

BEGINNING, LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 2, 1, tzinfo=UTC)

END = "2999-12-31"
"""The day until which a row gives; it counts to its last second."""

SOONER, THEN = datetime(2999, 12, 30, 23, 59, 59, tzinfo=UTC), datetime(2999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""A day before a grant until :data:`END` ends, and the moment at which it does."""

READERS, NO_GROUP = "the readers", "no such group"
"""A team with bob in it, and one that is not there."""

NO_PERMISSIONS, READ, USE, EDIT, MANAGE = Level


@dataclass(frozen=True)
class On:
    """What is shared: alice manages it, unless a row says otherwise."""

    kind: Kind
    key: str
    name: str

    @property
    def pattern(self) -> str:
        """A pattern that covers it."""
        return f"{self.name[:4]}*"


EXPERIMENT = On(Kind.EXPERIMENT, "7", "team-a sales")
MODEL = On(Kind.REGISTERED_MODEL, "forecast", "forecast")
PROMPT = On(Kind.PROMPT, "greeting", "greeting")
EVERYTHING = (EXPERIMENT, MODEL, PROMPT)


@dataclass(frozen=True)
class Holds:
    """A grant that is there before: `to` is a person, or :data:`READERS`."""

    to: str
    level: Level
    on_pattern: bool = False
    ends: datetime | None = None


@dataclass(frozen=True)
class Giver:
    """Who asks, and what they hold."""

    person: str
    holds: tuple[Holds, ...] = ()


ALICE_MANAGES = Holds("alice", MANAGE)

GIVERS = {
    "the owner": Giver("alice"),
    "who may edit": Giver("bob", (Holds("bob", EDIT),)),
    "who may use": Giver("bob", (Holds("bob", USE),)),
    "who may read by a group": Giver("bob", (Holds(READERS, READ),)),
    "a stranger": Giver("carol"),
    "who is in no group": Giver("mallory"),
    "who is kept out": Giver("bob", (Holds("bob", NO_PERMISSIONS), Holds(READERS, MANAGE))),
    "a manager by a group": Giver("bob", (Holds(READERS, MANAGE),)),
    "a manager by a pattern": Giver("bob", (Holds("bob", MANAGE, on_pattern=True),)),
    "a manager by a group's pattern": Giver("bob", (Holds(READERS, MANAGE, on_pattern=True),)),
    "whose own grant says less than the group's": Giver("bob", (Holds(READERS, MANAGE), Holds("bob", EDIT))),
    "whose MANAGE has ended": Giver("bob", (Holds("bob", MANAGE, ends=LONG_AGO),)),
    "whose MANAGE ends sooner": Giver("bob", (Holds("bob", MANAGE, ends=SOONER),)),
    "whose MANAGE ends then": Giver("bob", (Holds("bob", MANAGE, ends=THEN),)),
    "whose group's MANAGE ends sooner": Giver("bob", (Holds(READERS, MANAGE, ends=SOONER),)),
    "whose MANAGE by a pattern ends sooner": Giver("bob", (Holds("bob", MANAGE, on_pattern=True, ends=SOONER),)),
    "whose MANAGE goes on by a pattern": Giver(
        "bob", (Holds("bob", MANAGE, ends=SOONER), Holds("bob", MANAGE, on_pattern=True))
    ),
    "a service account that manages it": Giver("robot", (Holds("robot", MANAGE),)),
    "an admin": Giver("root"),
}

NEEDS_MANAGE = "You need MANAGE on this {noun} to say who may use it, or there is no such {noun}"
SEES_AND_NEEDS_MANAGE = "You need MANAGE on this {noun} to say who may use it, and have (READ|USE|EDIT). Ask "
LAST_MANAGER = "This would leave the {noun} without anybody who manages it"
LASTING_MANAGER = LAST_MANAGER + ".*without an end date"
OUTLASTS = "Your own MANAGE on this {noun} ends before that"
ADMINS_PATTERNS = "Only MLflow admins may give access to a pattern"
DISABLED = "This user is disabled"
NO_USER = "no (such )?(user|person)"
NO_SUCH_GROUP = "no (such )?(user, )?(group|team)"
NONE_OF_THEIR_OWN = "No grant (of their own )?to take away"


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    giver: str
    act: str
    level: Level | None
    to: str
    refusal: str = ""
    before: tuple[Holds, ...] = (ALICE_MANAGES,)
    on_pattern: bool = False
    ends: bool = False

    @property
    def person(self) -> str:
        """Who asks."""
        return GIVERS[self.giver].person

    @property
    def holds(self) -> tuple[Holds, ...]:
        """All grants that are there before."""
        return (*self.before, *GIVERS[self.giver].holds)

    @property
    def to_group(self) -> bool:
        """Whether `to` names a group."""
        return self.to in (READERS, NO_GROUP)

    def __str__(self) -> str:
        what = f"{self.level.name} " if self.level is not None else ""
        where = " on a pattern" if self.on_pattern else ""
        became = "no" if self.refusal else "yes"
        ends = " until a date" if self.ends else ""
        return f"{self.giver}: {self.act} {what}{'to' if self.act == GIVE else 'from'} {self.to}{where}{ends}: {became}"


def _each_level(giver: str, to: str, refusal: str = "", **more: Any) -> Iterator[Row]:
    """Give every level there is."""
    yield from (Row(giver, GIVE, level, to, refusal, **more) for level in Level)


CAROL_READS, CAROL_MANAGES = (ALICE_MANAGES, Holds("carol", READ)), (ALICE_MANAGES, Holds("carol", MANAGE))
READERS_READ = (ALICE_MANAGES, Holds(READERS, READ))
DAVE_READS = (ALICE_MANAGES, Holds("dave", READ))
CAROL_READS_UNTIL_THEN = (ALICE_MANAGES, Holds("carol", READ, ends=THEN))
BOB_KEPT_OUT_BY_GROUP = (ALICE_MANAGES, Holds(READERS, NO_PERMISSIONS))
OF_NOBODY: tuple[Holds, ...] = ()

TABLE: tuple[Row, ...] = (
    # --- Who manages it gives every level, to everybody -------------------------------------------------------
    *_each_level("the owner", "carol"),
    *_each_level("the owner", READERS),
    *_each_level("an admin", "carol"),
    *_each_level("an admin", READERS),
    Row("the owner", GIVE, READ, "robot"),
    Row("the owner", GIVE, READ, "carol", ends=True),
    Row("an admin", GIVE, READ, READERS, ends=True),
    Row("a manager by a group", GIVE, MANAGE, "carol"),
    Row("a manager by a pattern", GIVE, MANAGE, "carol"),
    Row("a manager by a group's pattern", GIVE, READ, READERS),
    Row("a service account that manages it", GIVE, EDIT, "carol"),
    # --- Who does not manage it gives nothing, whatever the level ----------------------------------------------
    *_each_level("who may edit", "carol", SEES_AND_NEEDS_MANAGE),
    Row("who may edit", GIVE, MANAGE, "bob", SEES_AND_NEEDS_MANAGE),
    Row("who may edit", GIVE, READ, READERS, SEES_AND_NEEDS_MANAGE),
    Row("who may use", GIVE, READ, "carol", SEES_AND_NEEDS_MANAGE),
    *_each_level("who may read by a group", "carol", SEES_AND_NEEDS_MANAGE),
    Row("who may read by a group", GIVE, EDIT, READERS, SEES_AND_NEEDS_MANAGE),
    Row("a stranger", GIVE, READ, "carol", NEEDS_MANAGE),
    Row("a stranger", GIVE, MANAGE, "bob", NEEDS_MANAGE),
    Row("a stranger", GIVE, NO_PERMISSIONS, "alice", NEEDS_MANAGE),
    Row("who is in no group", GIVE, READ, "mallory", NEEDS_MANAGE),
    Row("who is kept out", GIVE, READ, "bob", NEEDS_MANAGE),
    Row("whose own grant says less than the group's", GIVE, READ, "carol", SEES_AND_NEEDS_MANAGE),
    Row("whose MANAGE has ended", GIVE, READ, "carol", NEEDS_MANAGE),
    Row("whose MANAGE has ended", GIVE, MANAGE, "bob", NEEDS_MANAGE),
    # --- ... nor does anybody who does not manage it take away -------------------------------------------------
    Row("who may edit", TAKE, None, "carol", SEES_AND_NEEDS_MANAGE, CAROL_READS),
    Row("who may edit", TAKE, None, "bob", SEES_AND_NEEDS_MANAGE),
    Row("who may read by a group", TAKE, None, READERS, SEES_AND_NEEDS_MANAGE),
    Row("a stranger", TAKE, None, "alice", NEEDS_MANAGE),
    Row("whose MANAGE has ended", TAKE, None, "alice", NEEDS_MANAGE),
    # --- What is there is changed, up and down, and taken away ---------------------------------------------------
    Row("the owner", GIVE, EDIT, "carol", before=CAROL_READS),
    Row("the owner", GIVE, READ, "carol", before=CAROL_MANAGES),
    Row("the owner", GIVE, NO_PERMISSIONS, "carol", before=CAROL_READS),
    Row("the owner", GIVE, USE, READERS, before=READERS_READ),
    Row("the owner", TAKE, None, "carol", before=CAROL_READS),
    Row("the owner", TAKE, None, "carol", before=CAROL_MANAGES),
    Row("the owner", TAKE, None, READERS, before=READERS_READ),
    Row("a manager by a group", TAKE, None, "carol", before=CAROL_MANAGES),
    Row("a manager by a pattern", TAKE, None, "carol", before=CAROL_READS),
    Row("a service account that manages it", TAKE, None, "carol", before=CAROL_READS),
    Row("an admin", TAKE, None, "carol", before=CAROL_READS),
    # --- What is not there cannot be taken away ------------------------------------------------------------------
    Row("the owner", TAKE, None, "carol", NONE_OF_THEIR_OWN),
    Row("the owner", TAKE, None, "bob", NONE_OF_THEIR_OWN, READERS_READ),
    Row("an admin", TAKE, None, READERS, NONE_OF_THEIR_OWN),
    # --- The last manager stays, by whoever's hand, unless an admin says so --------------------------------------
    Row("the owner", TAKE, None, "alice", LAST_MANAGER),
    Row("the owner", GIVE, EDIT, "alice", LAST_MANAGER),
    Row("the owner", GIVE, NO_PERMISSIONS, "alice", LAST_MANAGER),
    Row("the owner", GIVE, MANAGE, "alice", LASTING_MANAGER, ends=True),
    Row("the owner", TAKE, None, "alice", LAST_MANAGER, DAVE_READS),
    Row("the owner", TAKE, None, "alice", LAST_MANAGER, (ALICE_MANAGES, Holds("dave", MANAGE))),
    Row("a manager by a group", TAKE, None, READERS, LAST_MANAGER, OF_NOBODY),
    Row("a manager by a group", GIVE, READ, "bob", LAST_MANAGER, OF_NOBODY),
    Row("a manager by a pattern", TAKE, None, "alice", LAST_MANAGER),
    Row("an admin", TAKE, None, "alice"),
    Row("an admin", GIVE, READ, "alice"),
    Row("an admin", GIVE, MANAGE, "alice", ends=True),
    # --- ... and may go when somebody stays ----------------------------------------------------------------------
    Row("the owner", TAKE, None, "alice", before=CAROL_MANAGES),
    Row("the owner", GIVE, READ, "alice", before=CAROL_MANAGES),
    Row("a manager by a group", TAKE, None, "alice"),
    Row("a service account that manages it", TAKE, None, "alice"),
    # --- Nothing that lets in outlasts the giver's own level -----------------------------------------------------
    Row("whose MANAGE ends sooner", GIVE, READ, "carol", OUTLASTS),
    Row("whose MANAGE ends sooner", GIVE, READ, "carol", OUTLASTS, ends=True),
    Row("whose MANAGE ends sooner", GIVE, READ, READERS, OUTLASTS),
    Row("whose MANAGE ends sooner", GIVE, MANAGE, "bob", OUTLASTS),
    Row("whose MANAGE ends sooner", GIVE, MANAGE, "bob", OUTLASTS, ends=True),
    Row("whose MANAGE ends sooner", GIVE, EDIT, "bob", OUTLASTS),
    Row("whose MANAGE ends sooner", GIVE, EDIT, "carol", OUTLASTS, CAROL_READS),
    Row("whose MANAGE ends sooner", GIVE, NO_PERMISSIONS, "carol", OUTLASTS),
    Row("whose MANAGE ends sooner", GIVE, MANAGE, "bob", OUTLASTS, BOB_KEPT_OUT_BY_GROUP),
    Row("whose MANAGE ends sooner", TAKE, None, "carol", OUTLASTS, CAROL_READS),
    Row("whose MANAGE ends sooner", TAKE, None, "carol", OUTLASTS, CAROL_READS_UNTIL_THEN),
    Row("whose MANAGE ends sooner", TAKE, None, READERS, OUTLASTS, BOB_KEPT_OUT_BY_GROUP),
    Row("whose MANAGE ends sooner", GIVE, NO_PERMISSIONS, READERS, OUTLASTS, BOB_KEPT_OUT_BY_GROUP, ends=True),
    Row("whose MANAGE ends sooner", TAKE, None, "alice", OUTLASTS),
    Row("whose MANAGE ends sooner", TAKE, None, "bob"),
    Row("whose MANAGE ends then", GIVE, READ, "carol", OUTLASTS),
    Row("whose MANAGE ends then", GIVE, READ, "carol", ends=True),
    Row("whose MANAGE ends then", GIVE, MANAGE, "carol", ends=True),
    Row("whose MANAGE ends then", GIVE, NO_PERMISSIONS, "carol", ends=True),
    Row("whose MANAGE ends then", GIVE, EDIT, "carol", OUTLASTS, CAROL_READS, ends=True),
    Row("whose MANAGE ends then", GIVE, EDIT, "carol", before=CAROL_READS_UNTIL_THEN, ends=True),
    Row("whose MANAGE ends then", TAKE, None, "carol", before=CAROL_READS_UNTIL_THEN),
    Row("whose group's MANAGE ends sooner", GIVE, MANAGE, "bob", OUTLASTS),
    Row("whose MANAGE by a pattern ends sooner", GIVE, MANAGE, "bob", OUTLASTS),
    Row("whose MANAGE goes on by a pattern", GIVE, READ, "carol"),
    Row("an admin", GIVE, MANAGE, "carol", before=(Holds("root", MANAGE, ends=SOONER), ALICE_MANAGES)),
    # --- Somebody who cannot log in is given nothing; what they have can be taken ---------------------------------
    Row("the owner", GIVE, READ, "dave", DISABLED),
    Row("an admin", GIVE, MANAGE, "dave", DISABLED),
    Row("a stranger", GIVE, READ, "dave", NEEDS_MANAGE),
    Row("the owner", GIVE, NO_PERMISSIONS, "dave"),
    Row("the owner", TAKE, None, "dave", before=DAVE_READS),
    # --- Somebody who is not there: only who manages it is told --------------------------------------------------
    Row("the owner", GIVE, READ, "nobody", NO_USER),
    Row("an admin", GIVE, READ, "nobody", NO_USER),
    Row("the owner", TAKE, None, "nobody", NO_USER),
    Row("the owner", GIVE, READ, NO_GROUP, NO_SUCH_GROUP),
    Row("an admin", GIVE, READ, NO_GROUP, NO_SUCH_GROUP),
    Row("who may edit", GIVE, READ, "nobody", SEES_AND_NEEDS_MANAGE),
    Row("a stranger", GIVE, READ, "nobody", NEEDS_MANAGE),
    Row("a stranger", GIVE, READ, NO_GROUP, NEEDS_MANAGE),
    # --- Patterns are for admins ---------------------------------------------------------------------------------
    *_each_level("an admin", "carol", on_pattern=True),
    Row("an admin", GIVE, EDIT, READERS, on_pattern=True),
    Row("an admin", GIVE, READ, "carol", on_pattern=True, ends=True),
    Row("an admin", GIVE, READ, "carol", before=(Holds("carol", MANAGE, on_pattern=True),), on_pattern=True),
    Row("an admin", TAKE, None, "carol", before=(Holds("carol", READ, on_pattern=True),), on_pattern=True),
    Row("an admin", TAKE, None, "carol", NONE_OF_THEIR_OWN, CAROL_READS, on_pattern=True),
    Row("an admin", GIVE, READ, "dave", DISABLED, on_pattern=True),
    Row("the owner", GIVE, READ, "carol", ADMINS_PATTERNS, on_pattern=True),
    Row("a manager by a pattern", GIVE, READ, "carol", ADMINS_PATTERNS, on_pattern=True),
    Row("a manager by a pattern", TAKE, None, "bob", ADMINS_PATTERNS, on_pattern=True),
    Row("a stranger", GIVE, READ, "carol", ADMINS_PATTERNS, on_pattern=True),
)


def expected(row: Row, on: On) -> re.Pattern[str]:
    """What the sentence of a refusal holds."""
    return re.compile(row.refusal.format(noun=NOUNS[on.kind]), re.DOTALL)


def email(name: str) -> str:
    """How somebody logs in."""
    return f"{name}@example.test"


PEOPLE = ("alice", "bob", "carol", "dave", "mallory", "root", "robot")


def prepare(engine: sa.Engine, row: Row, on: On) -> dict[str, int]:
    """Let the database hold the people, the resource and the grants of a row, and no other grants; ids of people."""
    with engine.begin() as connection:
        ids = {name: _person(connection, name) for name in PEOPLE}
        readers = _readers(connection, ids["bob"])
        _make(connection, on)
        for table in (experiment_grants, named_grants, pattern_grants):
            connection.execute(table.delete())
        for holds in row.holds:
            whose = {"group_id": readers} if holds.to == READERS else {"user_id": ids[holds.to]}
            said = {
                "level": int(holds.level),
                "granted_by": "before",
                "granted_at": BEGINNING,
                "expires_at": holds.ends,
            }
            table, key = _place(on, holds.on_pattern)
            connection.execute(table.insert().values(whose | said | key))
    return ids


def check(engine: sa.Engine, row: Row, on: On) -> None:
    """The grants are those of before and what the row changed."""
    wanted = {(holds.to, holds.on_pattern): (holds.level, holds.ends is not None) for holds in row.holds}
    if not row.refusal and row.level is None:
        del wanted[row.to, row.on_pattern]
    elif not row.refusal and row.level is not None:
        wanted[row.to, row.on_pattern] = row.level, row.ends
    assert _grants(engine, on) == wanted


def _grants(engine: sa.Engine, on: On) -> dict[tuple[str, bool], tuple[Level, bool]]:
    """Who has which level on the resource and the pattern, and whether it has an end."""
    found = {}
    with engine.connect() as connection:
        for on_pattern in (False, True):
            table, key = _place(on, on_pattern)
            rows = (
                sa.select(sa.func.coalesce(users.c.username, groups.c.name), table.c.level, table.c.expires_at)
                .join_from(table, users, users.c.id == table.c.user_id, isouter=True)
                .join(groups, groups.c.id == table.c.group_id, isouter=True)
                .where(*(table.c[column] == value for column, value in key.items()))
            )
            for name, level, expires_at in connection.execute(rows):
                found[name.removesuffix("@example.test"), on_pattern] = (Level(level), expires_at is not None)
    return found


def _place(on: On, on_pattern: bool) -> tuple[sa.Table, dict[str, Any]]:
    if on_pattern:
        kind = Kind.REGISTERED_MODEL if on.kind.named else on.kind
        return pattern_grants, {"kind": str(kind), "prefix": on.pattern[:-1]}
    if on.kind.named:
        return named_grants, {"name": on.key}
    return experiment_grants, {"experiment_id": int(on.key)}


def _person(connection: sa.Connection, name: str) -> int:
    stands = {"is_admin": name == "root", "is_active": name != "dave"}
    id_ = connection.execute(sa.select(users.c.id).where(users.c.username == email(name))).scalar_one_or_none()
    if id_ is not None:
        connection.execute(users.update().where(users.c.id == id_).values(stands))
        return int(id_)
    robot = name == "robot"
    proven = {} if robot else {"issuer": "https://id.example.test", "subject": name}
    row = {"username": email(name), "is_service_account": robot, "created_at": BEGINNING} | proven | stands
    return int(connection.execute(users.insert().values(row).returning(users.c.id)).scalar_one())


def _readers(connection: sa.Connection, bob: int) -> int:
    id_ = connection.execute(sa.select(groups.c.id).where(groups.c.name == READERS)).scalar_one_or_none()
    if id_ is None:
        made = groups.insert().values(source="team", name=READERS, created_at=BEGINNING).returning(groups.c.id)
        id_ = connection.execute(made).scalar_one()
        connection.execute(memberships.insert().values(user_id=bob, group_id=id_))
    return int(id_)


def _make(connection: sa.Connection, on: On) -> None:
    """Let MLflow know it."""
    if on.kind is Kind.EXPERIMENT:
        row = {"experiment_id": int(on.key), "name": on.name, "workspace": "default", "lifecycle_stage": "active"}
        _put(connection, experiments, row, "experiment_id")
        return
    _put(connection, registered_models, {"name": on.name, "workspace": "default"}, "name")
    if on.kind is Kind.PROMPT:
        tag = {"workspace": "default", "name": on.name, "key": PROMPT_TAG, "value": "true"}
        _put(connection, registered_model_tags, tag, "name")


def _put(connection: sa.Connection, table: sa.Table, row: dict[str, Any], key: str) -> None:
    if connection.execute(sa.select(table.c[key]).where(table.c[key] == row[key])).first() is None:
        connection.execute(table.insert().values(row))
