"""All that a server keeps, to compare before and after: the rows of MLflow's tables and ours, and the artifacts."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import sqlalchemy as sa

from mlflow_oidc_auth.database.tables import sessions, tokens, users
from tests.server import MlflowServer

# Asking is enough to change these: a visit, a use of a key. And which ids were given is counted on.
_ABOUT_ASKING = frozenset(
    {
        "oidc_auth_users",
        "oidc_auth_sessions",
        "oidc_auth_tokens",
        "oidc_auth_login_attempts",
        "oidc_auth_seen_logout_tokens",
        "oidc_auth_last_ids",
    }
)

Snapshot = Counter[tuple[str, str]]
"""(table or folder, row or file) and how often it is there."""


def snapshot(server: MlflowServer) -> Snapshot:
    """Everything as it is now."""
    found: Snapshot = Counter()
    with server.engine.connect() as connection:
        for table in sa.inspect(connection).get_table_names():
            if table not in _ABOUT_ASKING:
                rows = connection.exec_driver_sql(f'SELECT * FROM "{table}"')
                found.update((table, repr(tuple(row))) for row in rows)
    root = Path(server.artifacts)
    files = [path for path in root.rglob("*") if path.is_file()] if root.is_dir() else []
    digests = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    found.update(("artifacts", f"{path.relative_to(root)} {digest}") for path, digest in digests.items())
    return found


def accounts(server: MlflowServer, but: str) -> Snapshot:
    """What asking does not change of everybody's accounts, access keys and sessions but one person's own."""
    others = sa.select(users.c.id).where(users.c.username != but)
    about_asking = {"last_login_at", "last_used_at", "last_seen_at"}
    found: Snapshot = Counter()
    with server.engine.connect() as connection:
        for table, whose in ((users, users.c.id), (tokens, tokens.c.user_id), (sessions, sessions.c.user_id)):
            kept = [column for column in table.c if column.name not in about_asking]
            rows = connection.execute(sa.select(*kept).where(whose.in_(others)))
            found.update((table.name, repr(tuple(row))) for row in rows)
    return found
