"""People, groups and grants, written straight into the database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from mlflow_oidc_auth.accounts.users import UserStore
from mlflow_oidc_auth.database.tables import (
    audit_records,
    experiment_grants,
    groups,
    memberships,
    named_grants,
    pattern_grants,
)
from mlflow_oidc_auth.grants.managers import managers
from mlflow_oidc_auth.grants.rows import live, table_of
from mlflow_oidc_auth.grants.store import GivenBy, Grantee, Shareable
from mlflow_oidc_auth.login.claims import Profile
from mlflow_oidc_auth.vocabulary import Kind, Level, Resource

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)

EXPERIMENT = Shareable(Resource(Kind.EXPERIMENT, "7"), "team-a sales")
OTHER = Shareable(Resource(Kind.EXPERIMENT, "8"), "team-a costs")
MODEL = Shareable(Resource(Kind.REGISTERED_MODEL, "forecast"), "forecast")
PROMPT = Shareable(Resource(Kind.PROMPT, "greeting"), "greeting")
EVERY_KIND = (EXPERIMENT, MODEL, PROMPT)


class World:
    """alice manages each resource; bob, carol and dave have nothing; bob is in the readers."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self._users = UserStore(engine)
        self._ids = {name: self._log_in(name) for name in ("alice", "bob", "carol", "dave")}
        self.readers = self.group("readers", "bob")
        for on in (*EVERY_KIND, OTHER):
            self.given(on, Level.MANAGE, self.to("alice"))

    def to(self, name: str) -> Grantee:
        """A user as somebody to give to."""
        return Grantee(self._ids[name], f"{name}@example.test")

    def by(self, name: str) -> GivenBy:
        """A user as somebody who gives."""
        statement = sa.select(memberships.c.group_id).where(memberships.c.user_id == self._ids[name])
        with self.engine.connect() as connection:
            ids = frozenset(connection.execute(statement).scalars())
        return GivenBy(f"{name}@example.test", False, self._ids[name], ids)

    def group(self, name: str, *members: str) -> Grantee:
        """A new group with these members."""
        with self.engine.begin() as connection:
            made = groups.insert().values(source="team", name=name, created_at=NOW).returning(groups.c.id)
            id_ = connection.execute(made).scalar_one()
            for member in members:
                connection.execute(memberships.insert().values(user_id=self._ids[member], group_id=id_))
        return Grantee(id_, name, is_group=True)

    def given(self, on: Shareable, level: Level, to: Grantee, until: datetime | None = None) -> None:
        """A grant on a resource, without asking anybody."""
        key: dict[str, Any] = (
            {"name": on.resource.key} if on.resource.kind.named else {"experiment_id": on.resource.experiment_id}
        )
        self._write(named_grants if on.resource.kind.named else experiment_grants, key, level, to, until)

    def given_pattern(self, kind: Kind, prefix: str, level: Level, to: Grantee, until: datetime | None = None) -> None:
        """A grant on a pattern."""
        self._write(pattern_grants, {"kind": str(kind), "prefix": prefix}, level, to, until)

    def disable(self, name: str) -> None:
        """Somebody gets in no more."""
        self._users.disable(self._ids[name], NOW)

    def delete(self, name: str) -> None:
        """Somebody is gone."""
        self._users.delete(self._ids[name], NOW)

    def managers(self, on: Shareable) -> list[str]:
        """The active users whose MANAGE comes from grants on the resource alone, by username."""
        statement = managers(on.resource, live(table_of(on.resource), NOW))
        with self.engine.connect() as connection:
            return sorted(row.username for row in connection.execute(statement))

    def acts(self) -> list[tuple[str, str, str, Any, Any]]:
        """What is written down of grants: by whom, what, on what, before and after."""
        columns = (audit_records.c[name] for name in ("by", "act", "subject", "before", "after"))
        statement = sa.select(*columns).where(audit_records.c.act.startswith("grant.")).order_by(audit_records.c.id)
        with self.engine.connect() as connection:
            return [(row.by, row.act, row.subject, row.before, row.after) for row in connection.execute(statement)]

    def _write(self, table: sa.Table, key: dict[str, Any], level: Level, to: Grantee, until: datetime | None) -> None:
        whose = {"group_id" if to.is_group else "user_id": to.id}
        said = {"level": int(level), "granted_by": "system", "granted_at": NOW, "expires_at": until}
        with self.engine.begin() as connection:
            connection.execute(table.insert().values(key | whose | said))

    def _log_in(self, name: str) -> int:
        profile = Profile("https://id.example.test", name, f"{name}@example.test", name, frozenset(), False)
        return self._users.record_login(profile, NOW).id
