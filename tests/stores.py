"""MLflow's real stores in this process, on a database of their own, with our tables beside.

    stores = Stores(databases.with_mlflow("sqlite"))
    with stores.decided(stores.alice):
        stores.tracking.create_experiment("a")        # alice owns it
    with stores.filtered(stores.bob):
        stores.tracking.search_experiments()          # bob sees none
    stores.close()

Row filter and ownership are attached to every session and engine of this process, until :meth:`Stores.close`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from mlflow.store.jobs.sqlalchemy_store import SqlAlchemyJobStore
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as RegistryStore
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as TrackingStore

from mlflow_oidc_auth import context
from mlflow_oidc_auth.bridge.judge import Judge
from mlflow_oidc_auth.bridge.ownership import Ownership
from mlflow_oidc_auth.bridge.row_filter import RowFilter
from mlflow_oidc_auth.database.engine import build_engine
from mlflow_oidc_auth.database.tables import (
    DEFAULT_WORKSPACE,
    experiment_grants,
    groups,
    memberships,
    named_grants,
    pattern_grants,
    users,
)
from mlflow_oidc_auth.permissions.resolver import Resolver
from mlflow_oidc_auth.vocabulary import Credential, CredentialKind, Identity, Kind, Level

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
"""What the clock of the stores says until a test turns it."""


class Stores:
    """One database with everything attached, and the people who use it.

    alice, bob and carol are users without an admin's rights, root is an admin; bob and carol are in group `team`.
    """

    def __init__(self, url: str, default: Level = Level.NO_PERMISSIONS) -> None:
        self.url = url
        self.now = NOW
        self.engine = build_engine(url)
        self.resolver = Resolver(self.engine, default)
        self.row_filter = RowFilter(self.resolver, lambda: self.now)
        self.ownership = Ownership(lambda: self.now)
        self.judge = Judge(self.engine, default)
        self._artifacts = tempfile.TemporaryDirectory(prefix="oidc-auth-artifacts-")
        with context.viewing(context.System("start")):
            self.tracking: Any = TrackingStore(url, self._artifacts.name)
            self.registry: Any = RegistryStore(url)
            self.jobs: Any = SqlAlchemyJobStore(url)
        for engine in self.engines:
            engine.dispose()
        self.row_filter.attach()
        self.ownership.attach()
        self.team = self.make_group("team")
        self.alice = self.make_user("alice")
        self.bob = self.make_user("bob", self.team)
        self.carol = self.make_user("carol", self.team)
        self.root = replace(self.make_user("root"), is_admin=True)

    @property
    def engines(self) -> tuple[sa.Engine, ...]:
        """MLflow's."""
        return (self.tracking.engine, self.registry.engine, self.jobs.engine)

    def close(self) -> None:
        """Detach, disconnect and forget."""
        self.ownership.detach()
        self.row_filter.detach()
        for engine in (*self.engines, self.engine):
            engine.dispose()
        for store in (TrackingStore, RegistryStore, SqlAlchemyJobStore):
            store._engine_map.pop(self.url, None)
        self._artifacts.cleanup()

    # --- who asks --------------------------------------------------------------------------------

    def filtered(self, identity: Identity) -> AbstractContextManager[None]:
        """As one request of this identity that the row filter guards."""
        return context.viewing(context.Filtered(identity, "192.0.2.1"))

    def decided(self, identity: Identity) -> AbstractContextManager[None]:
        """As one request of this identity that the gate decided."""
        return context.viewing(context.Decided(identity, "192.0.2.1"))

    def system(self) -> AbstractContextManager[None]:
        """As the server itself."""
        return context.viewing(context.System("test"))

    # --- what there is ---------------------------------------------------------------------------

    def make_user(self, name: str, *group_ids: int) -> Identity:
        """A user in groups, and the identity of a request of theirs."""
        with self.engine.begin() as connection:
            row = users.insert().values(username=f"{name}@example.test", created_at=NOW).returning(users.c.id)
            user_id = connection.execute(row).scalar_one()
            for group_id in group_ids:
                connection.execute(memberships.insert().values(user_id=user_id, group_id=group_id))
        credential = Credential(CredentialKind.TOKEN, user_id, NOW + timedelta(days=1))
        return Identity(user_id, f"{name}@example.test", name, False, False, frozenset(group_ids), credential)

    def make_group(self, name: str) -> int:
        """A team."""
        with self.engine.begin() as connection:
            row = groups.insert().values(source="team", name=name, created_at=NOW).returning(groups.c.id)
            return int(connection.execute(row).scalar_one())

    def grant(
        self, to: Identity | int, kind: Kind, key: str | int, level: Level, until: datetime | None = None
    ) -> None:
        """A grant to a user, or to a group by its id, on one resource."""
        table = named_grants if kind.named else experiment_grants
        on = {"name": key} if kind.named else {"experiment_id": int(key)}
        self._insert(table, to, level, until, on)

    def grant_pattern(
        self, to: Identity | int, kind: Kind, prefix: str, level: Level, until: datetime | None = None
    ) -> None:
        """A grant on every name that starts with `prefix`."""
        stored = Kind.REGISTERED_MODEL if kind.named else kind
        on = {"kind": str(stored), "workspace": DEFAULT_WORKSPACE, "prefix": prefix}
        self._insert(pattern_grants, to, level, until, on)

    def grants_on(self, key: str | int) -> list[tuple[str, int, str]]:
        """Username (or group id), level and giver of every exact grant on an experiment id, or on a name."""
        table, column = (
            (named_grants, named_grants.c.name)
            if isinstance(key, str)
            else (experiment_grants, experiment_grants.c.experiment_id)
        )
        rows = (
            sa.select(users.c.username, table.c.group_id, table.c.level, table.c.granted_by)
            .join_from(table, users, users.c.id == table.c.user_id, isouter=True)
            .where(column == key)
            .order_by(table.c.id)
        )
        with self.engine.connect() as connection:
            return [(row[0] or row[1], row[2], row[3]) for row in connection.execute(rows)]

    @contextmanager
    def another_process(self) -> Iterator[sa.Connection]:
        """A transaction of a process that knows nothing of us, such as `mlflow gc`."""
        with self.system(), self.engine.begin() as connection:
            yield connection

    def scalar(self, sql: str, **values: Any) -> Any:
        """One value, read past everything."""
        with self.system(), self.engine.connect() as connection:
            return connection.execute(sa.text(sql), values).scalar()

    def _insert(
        self, table: sa.Table, to: Identity | int, level: Level, until: datetime | None, on: dict[str, Any]
    ) -> None:
        whose = {"user_id": to.user_id} if isinstance(to, Identity) else {"group_id": to}
        said = {"level": int(level), "granted_by": "a test", "granted_at": NOW, "expires_at": until}
        with self.engine.begin() as connection:
            connection.execute(table.insert().values(**whose, **on, **said))


@contextmanager
def statements(*engines: sa.Engine) -> Iterator[list[str]]:
    """The statements that reach these databases meanwhile, without SQLite's pragmas."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, sql: str, *_more: Any) -> None:
        if not sql.startswith("PRAGMA"):
            seen.append(sql)

    for engine in engines:
        sa.event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        for engine in engines:
            sa.event.remove(engine, "before_cursor_execute", note)
