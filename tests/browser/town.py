"""A few people with something of everything that our pages show: names long and odd, ends, requests, what was done."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from mlflow_oidc_auth.database.tables import (
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
from mlflow_oidc_auth.vocabulary import Kind, Level
from tests.browser.addresses import Known
from tests.browser.pages_site import PagesSite

LONG = "team-with-a-long-name-forecast-of-the-demand-in-all-regions-2026-" * 3
ODD = "<b>Ünï</b> & 'co' 100% _of_ it"
ROBOT = "nightly-training@service.example.test"
USERS, ADMINS, TEAM = "/prokube users", "/prokube admins", "Forecasting"


class Town:
    """The people, and what the addresses of our pages are about."""

    def __init__(self, site: PagesSite) -> None:
        self.site = site
        self.root = site.person("root", groups=(ADMINS,), is_admin=True)
        self.alice = site.person("alice")
        self.bob = site.person("bob", groups=(USERS, "/departments/research/vision"))
        self.carol = site.person("carol")
        self.dave = site.person("dave")

    def fill(self) -> Known:
        """All of it."""
        with self.site.engine.begin() as connection:
            connection.execute(users.update().where(users.c.id == self.dave.id).values(is_active=False))
            robot = self._add(connection, users, self._robot())
            team = self._add(
                connection, groups, self._now({"source": "team", "name": TEAM, "description": "Forecasts"})
            )
            members = [{"user_id": one, "group_id": team} for one in (self.alice.id, self.bob.id, robot)]
            connection.execute(memberships.insert(), members)
            group = connection.execute(sa.select(groups.c.id).where(groups.c.name == USERS)).scalar_one()
        self._resources(team, group, robot)
        self._keys_and_sessions(robot)
        self._asked_and_done()
        return self._known(group, team, robot)

    def found(self) -> Known:
        """Only what cannot be without: a team without members, a service account without a key."""
        with self.site.engine.begin() as connection:
            robot = self._add(connection, users, self._robot())
            team = self._add(connection, groups, self._now({"source": "team", "name": TEAM}))
            group = connection.execute(sa.select(groups.c.id).where(groups.c.name == USERS)).scalar_one()
        self.site.owns(self.alice, Kind.EXPERIMENT, "1", Level.MANAGE, "demand forecast")
        self.site.owns(self.alice, Kind.REGISTERED_MODEL, "forecast")
        return self._known(group, team, robot)

    def _known(self, group: int, team: int, robot: int) -> Known:
        return Known(self.alice.id, self.bob.id, group, team, robot, 1, "forecast", ROBOT)

    def _resources(self, team: int, group: int, robot: int) -> None:
        site = self.site
        for number, name in enumerate(("demand forecast", LONG, ODD, "teama-churn", "teama-returns"), start=1):
            site.owns(self.alice, Kind.EXPERIMENT, str(number), Level.MANAGE, name)
        site.owns(self.alice, Kind.REGISTERED_MODEL, "forecast")
        site.owns(self.alice, Kind.PROMPT, "greeting")
        site.owns(self.bob, Kind.EXPERIMENT, "6", Level.MANAGE, "bob's own")
        site.makes(Kind.EXPERIMENT, "7", "nobody's any more")
        soon = site.now() + timedelta(days=20)
        for whose, level, until in (
            ({"user_id": self.bob.id}, Level.READ, soon),
            ({"user_id": robot}, Level.EDIT, None),
            ({"user_id": self.dave.id}, Level.NO_PERMISSIONS, None),
            ({"group_id": team}, Level.EDIT, None),
            ({"group_id": group}, Level.READ, site.now() - timedelta(days=1)),
        ):
            given = {**whose, "level": int(level), **self._given(until)}
            with site.engine.begin() as connection:
                connection.execute(experiment_grants.insert().values(experiment_id=1, **given))
                connection.execute(named_grants.insert().values(name="forecast", **given))
        with site.engine.begin() as connection:
            for kind, prefix, whose in (
                ("experiment", "teama-", {"group_id": team}),
                ("experiment", "", {"user_id": robot}),
                ("registered_model", "fore", {"user_id": self.carol.id}),
                ("experiment", "demand", {"group_id": group}),
            ):
                on: dict[str, Any] = {"kind": kind, "prefix": prefix, **whose}
                connection.execute(pattern_grants.insert().values(level=int(Level.READ), **on, **self._given(None)))

    def _keys_and_sessions(self, robot: int) -> None:
        now = self.site.now()
        for user_id, public_id, ends, used in (
            (self.alice.id, "AlicesKey001", 9, now - timedelta(hours=2)),
            (self.bob.id, "BobsKey00001", 80, None),
            (robot, "RobotsKey001", 200, now - timedelta(days=3)),
        ):
            row = {"public_id": public_id, "user_id": user_id, "digest": "none", "created_by": "root@example.test"}
            times = {"created_at": now - timedelta(days=20), "expires_at": now + timedelta(days=ends)}
            with self.site.engine.begin() as connection:
                connection.execute(tokens.insert().values(**row, **times, last_used_at=used))
        agents = ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36", "")
        for number, agent in enumerate(agents):
            times = {"created_at": now - timedelta(hours=5), "last_seen_at": now - timedelta(hours=number)}
            row = {"digest": f"session {number}", "user_id": self.alice.id, "user_agent": agent}
            with self.site.engine.begin() as connection:
                connection.execute(sessions.insert().values(**row, **times, expires_at=now + timedelta(hours=7)))

    def _asked_and_done(self) -> None:
        now = self.site.now()
        with self.site.engine.begin() as connection:
            for user, on, name, state, reason in (
                (self.carol, 1, "demand forecast", "open", "I am to compare it with ours before Friday."),
                (self.bob, 2, LONG, "open", ""),
                (self.alice, 6, "bob's own", "open", "To see how you did it."),
                (self.alice, None, "no such experiment", "declined", ""),
                (self.alice, 7, "nobody's any more", "open", ""),
            ):
                row = {"user_id": user.id, "kind": "experiment", "asked_for": name[:256], "experiment_id": on}
                times = {"asked_at": now - timedelta(hours=3), "level": int(Level.READ), "state": state}
                decided = {} if state == "open" else {"decided_by": "bob@example.test", "decided_at": now}
                connection.execute(access_requests.insert().values(reason=reason, **row, **times, **decided))
            for act, before, after in (
                ("grant.give", None, {"permission": "READ", "expires_at": None}),
                ("grant.take", {"permission": "READ"}, None),
                ("group.change", {"name": "Forecast", "description": ODD}, {"name": TEAM, "description": LONG}),
            ):
                row = {"by": "alice@example.test", "act": act, "subject": "experiment 1 to bob@example.test"}
                where = {"credential": "session 7", "address": "192.0.2.7", "before": before, "after": after}
                connection.execute(audit_records.insert().values(at=now, **row, **where))

    def _robot(self) -> dict[str, Any]:
        row = {"username": ROBOT, "is_service_account": True}
        return self._now({**row, "owner_id": self.alice.id, "purpose": "trains the forecast every night"})

    def _now(self, row: dict[str, Any]) -> dict[str, Any]:
        return {**row, "created_at": self.site.now()}

    def _given(self, until: Any) -> dict[str, Any]:
        return {"granted_by": "alice@example.test", "granted_at": self.site.now(), "expires_at": until}

    def _add(self, connection: sa.Connection, table: sa.Table, row: dict[str, Any]) -> int:
        return int(connection.execute(table.insert().values(row).returning(table.c.id)).scalar_one())
