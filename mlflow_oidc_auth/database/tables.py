"""The whole schema on one page.

Our tables live in MLflow's backend-store database (prefix `oidc_auth_`, own Alembic version table),
because the row filter joins MLflow's rows with grants and ownership writes in MLflow's transactions.
No foreign key points at MLflow's tables: MLflow's migrations drop and rebuild theirs.

A grant is given to a user or to a group (exactly one), on one experiment, on one named resource (a
registered model or prompt: one name space), or on a pattern: every name that starts with `prefix`.

Names compare byte for byte on both databases (SQLite's BINARY, PostgreSQL's "C").
"""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator


class Instant(TypeDecorator[datetime]):
    """An aware moment in UTC. SQLite forgets the zone; this puts it back."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def exact(length: int | None) -> sa.types.TypeEngine[str]:
    """Text that compares byte for byte whatever the database's collation; `None`: of whatever length."""
    text = sa.Text if length is None else sa.String
    return text(length).with_variant(text(length, collation="C"), "postgresql")


NAME_LENGTH = 256
BIGGEST_ID = 2**31 - 1
"""What our integer columns, and MLflow's, count to: a larger number is nothing's id."""

DEFAULT_WORKSPACE = "default"
VERSION_TABLE = "oidc_auth_alembic_version"

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

users = sa.Table(
    "oidc_auth_users",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("username", exact(NAME_LENGTH), nullable=False, unique=True),  # the login name: an e-mail, lower case
    sa.Column("display_name", sa.String(NAME_LENGTH), nullable=False, server_default=""),
    sa.Column("issuer", exact(1024)),  # with subject, who the provider says it is; both empty for service accounts
    sa.Column("subject", exact(NAME_LENGTH)),
    sa.Column("is_admin", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("is_active", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("is_service_account", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("owner_id", sa.ForeignKey("oidc_auth_users.id", ondelete="SET NULL")),
    sa.Column("purpose", sa.String(1024), nullable=False, server_default=""),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("last_login_at", Instant),
    sa.UniqueConstraint("issuer", "subject"),
    sqlite_autoincrement=True,  # an id is never given twice
)

groups = sa.Table(
    "oidc_auth_groups",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("source", exact(16), nullable=False),  # "provider" (from the claims) or "team" (made by admins)
    sa.Column("name", exact(NAME_LENGTH), nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("description", sa.String(1024), nullable=False, server_default=""),  # of a team
    sa.CheckConstraint("source IN ('provider', 'team')", name="source"),
    sa.UniqueConstraint("source", "name"),
    sqlite_autoincrement=True,  # an id is never given twice
)

memberships = sa.Table(
    "oidc_auth_memberships",
    metadata,
    sa.Column("user_id", sa.ForeignKey("oidc_auth_users.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("group_id", sa.ForeignKey("oidc_auth_groups.id", ondelete="CASCADE"), primary_key=True, index=True),
)


def _grant_columns() -> list[sa.schema.SchemaItem]:
    """To whom, how much, by whom, until when: the same for the three kinds of grant."""
    return [
        sa.Column("user_id", sa.ForeignKey("oidc_auth_users.id", ondelete="CASCADE")),
        sa.Column("group_id", sa.ForeignKey("oidc_auth_groups.id", ondelete="CASCADE")),
        sa.Column("level", sa.SmallInteger, nullable=False),
        sa.Column("granted_by", exact(NAME_LENGTH), nullable=False),  # a username, kept when that user is gone
        sa.Column("granted_at", Instant, nullable=False),
        sa.Column("expires_at", Instant),
        sa.CheckConstraint("(user_id IS NULL) <> (group_id IS NULL)", name="one_grantee"),
    ]


experiment_grants = sa.Table(
    "oidc_auth_experiment_grants",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("experiment_id", sa.Integer, nullable=False),
    *_grant_columns(),
    sa.UniqueConstraint("user_id", "experiment_id"),
    sa.UniqueConstraint("group_id", "experiment_id"),
    sa.Index(None, "experiment_id"),
)

named_grants = sa.Table(
    "oidc_auth_named_grants",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("workspace", exact(63), nullable=False, server_default=DEFAULT_WORKSPACE),
    sa.Column("name", exact(NAME_LENGTH), nullable=False),
    *_grant_columns(),
    sa.UniqueConstraint("user_id", "workspace", "name"),
    sa.UniqueConstraint("group_id", "workspace", "name"),
    sa.Index(None, "workspace", "name"),
)

pattern_grants = sa.Table(
    "oidc_auth_pattern_grants",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("kind", exact(32), nullable=False),  # "experiment", or "registered_model" for models and prompts
    sa.Column("workspace", exact(63), nullable=False, server_default=DEFAULT_WORKSPACE),
    sa.Column("prefix", exact(NAME_LENGTH), nullable=False),  # the pattern without its trailing "*"
    *_grant_columns(),
    sa.CheckConstraint("kind IN ('experiment', 'registered_model')", name="kind"),
    sa.UniqueConstraint("user_id", "kind", "workspace", "prefix"),
    sa.UniqueConstraint("group_id", "kind", "workspace", "prefix"),
)

access_requests = sa.Table(
    "oidc_auth_access_requests",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("user_id", sa.ForeignKey("oidc_auth_users.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("kind", exact(32), nullable=False),  # "experiment", or "registered_model" for models and prompts
    sa.Column("asked_for", exact(NAME_LENGTH), nullable=False),  # the name or id, as the person wrote it
    sa.Column("experiment_id", sa.Integer, index=True),  # what it led to when it was asked; both empty: to nothing
    sa.Column("name", exact(NAME_LENGTH), index=True),
    sa.Column("level", sa.SmallInteger, nullable=False),
    sa.Column("reason", sa.String(1024), nullable=False, server_default=""),
    sa.Column("asked_at", Instant, nullable=False),
    sa.Column("state", exact(16), nullable=False),  # "open", "granted", "declined" or "withdrawn"
    sa.Column("decided_by", exact(NAME_LENGTH)),
    sa.Column("decided_at", Instant),
    sa.CheckConstraint("kind IN ('experiment', 'registered_model')", name="kind"),
    sa.CheckConstraint("state IN ('open', 'granted', 'declined', 'withdrawn')", name="state"),
    sqlite_autoincrement=True,  # an id is never given twice
)

tokens = sa.Table(
    "oidc_auth_tokens",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("public_id", exact(32), nullable=False, unique=True),
    sa.Column("user_id", sa.ForeignKey("oidc_auth_users.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("digest", exact(256), nullable=False),  # of the secret, salted; the secret itself is never stored
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("created_by", exact(NAME_LENGTH), nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
    sa.Column("last_used_at", Instant),
    sa.Column("revoked_at", Instant),
    sa.Column("name", sa.String(64), nullable=False, server_default=""),  # what it is for, where a user may have many
    sa.Column("replaced_at", Instant),  # since then a newer key stands in its place, and it ends early
    sqlite_autoincrement=True,  # an id is never given twice
)

sessions = sa.Table(
    "oidc_auth_sessions",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("digest", exact(64), nullable=False, unique=True),  # SHA-256 of the cookie's 256 random bits
    sa.Column("user_id", sa.ForeignKey("oidc_auth_users.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("last_seen_at", Instant, nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
    sa.Column("provider_sid", exact(NAME_LENGTH), index=True),  # the provider's session, for back-channel logout
    sa.Column("sealed_id_token", sa.Text),  # encrypted with SECRET_KEY; the hint that logout sends
    sa.Column("user_agent", sa.String(256), nullable=False, server_default=""),
    sqlite_autoincrement=True,  # an id is never given twice
)

login_attempts = sa.Table(
    "oidc_auth_login_attempts",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("state_digest", exact(64), nullable=False, unique=True),
    sa.Column("browser_digest", exact(64), nullable=False),  # of the short-lived cookie that binds it to one browser
    sa.Column("nonce", exact(128), nullable=False),
    sa.Column("code_verifier", exact(128), nullable=False),
    sa.Column("return_to", sa.String(4096), nullable=False),
    sa.Column("expires_at", Instant, nullable=False, index=True),
)

seen_logout_tokens = sa.Table(
    "oidc_auth_seen_logout_tokens",
    metadata,
    sa.Column("jti_digest", exact(64), primary_key=True),
    sa.Column("expires_at", Instant, nullable=False, index=True),
)

last_ids = sa.Table(
    "oidc_auth_last_ids",
    metadata,
    sa.Column("kind", exact(32), primary_key=True),  # "experiment"
    sa.Column("last", sa.Integer, nullable=False),  # the highest id ever given, whatever was purged since
)

audit_records = sa.Table(
    "oidc_auth_audit_records",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", Instant, nullable=False, index=True),
    sa.Column("by", exact(NAME_LENGTH), nullable=False, index=True),  # a username, or "system"
    sa.Column("credential", exact(64), nullable=False, server_default=""),  # "token 12", "session 7", "shell"
    sa.Column("address", exact(64), nullable=False, server_default=""),
    sa.Column("act", exact(64), nullable=False),  # "grant.give", "token.create", ...
    sa.Column("subject", exact(None), nullable=False),  # to whom or what
    sa.Column("before", sa.JSON),
    sa.Column("after", sa.JSON),
)
