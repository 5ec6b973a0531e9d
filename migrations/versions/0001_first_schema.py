"""The first schema: people, groups, grants, tokens, sessions, login attempts, audit."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

INSTANT = sa.DateTime(timezone=True)


def exact(length: int) -> sa.types.TypeEngine[str]:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "oidc_auth_audit_records",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("by", exact(256), nullable=False),
        sa.Column("credential", exact(64), server_default="", nullable=False),
        sa.Column("address", exact(64), server_default="", nullable=False),
        sa.Column("act", exact(64), nullable=False),
        sa.Column("subject", exact(512), nullable=False),
        sa.Column("before", sa.JSON(), nullable=True),
        sa.Column("after", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oidc_auth_audit_records")),
    )
    op.create_index(op.f("ix_oidc_auth_audit_records_at"), "oidc_auth_audit_records", ["at"], unique=False)
    op.create_index(op.f("ix_oidc_auth_audit_records_by"), "oidc_auth_audit_records", ["by"], unique=False)
    op.create_table(
        "oidc_auth_groups",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("source", exact(16), nullable=False),
        sa.Column("name", exact(256), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.CheckConstraint("source IN ('provider', 'team')", name=op.f("ck_oidc_auth_groups_source")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oidc_auth_groups")),
        sa.UniqueConstraint("source", "name", name=op.f("uq_oidc_auth_groups_source_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "oidc_auth_last_ids",
        sa.Column("kind", exact(32), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("kind", name=op.f("pk_oidc_auth_last_ids")),
    )
    op.create_table(
        "oidc_auth_login_attempts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("state_digest", exact(64), nullable=False),
        sa.Column("browser_digest", exact(64), nullable=False),
        sa.Column("nonce", exact(128), nullable=False),
        sa.Column("code_verifier", exact(128), nullable=False),
        sa.Column("return_to", sa.String(length=4096), nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oidc_auth_login_attempts")),
        sa.UniqueConstraint("state_digest", name=op.f("uq_oidc_auth_login_attempts_state_digest")),
    )
    op.create_index(
        op.f("ix_oidc_auth_login_attempts_expires_at"), "oidc_auth_login_attempts", ["expires_at"], unique=False
    )
    op.create_table(
        "oidc_auth_seen_logout_tokens",
        sa.Column("jti_digest", exact(64), nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("jti_digest", name=op.f("pk_oidc_auth_seen_logout_tokens")),
    )
    op.create_index(
        op.f("ix_oidc_auth_seen_logout_tokens_expires_at"), "oidc_auth_seen_logout_tokens", ["expires_at"], unique=False
    )
    op.create_table(
        "oidc_auth_users",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("username", exact(256), nullable=False),
        sa.Column("display_name", sa.String(length=256), server_default="", nullable=False),
        sa.Column("issuer", exact(1024), nullable=True),
        sa.Column("subject", exact(256), nullable=True),
        sa.Column("is_admin", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("is_service_account", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=True),
        sa.Column("purpose", sa.String(length=1024), server_default="", nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("last_login_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["oidc_auth_users.id"], name=op.f("fk_oidc_auth_users_owner_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oidc_auth_users")),
        sa.UniqueConstraint("issuer", "subject", name=op.f("uq_oidc_auth_users_issuer_subject")),
        sa.UniqueConstraint("username", name=op.f("uq_oidc_auth_users_username")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "oidc_auth_experiment_grants",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("experiment_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("group_id", sa.Integer(), nullable=True),
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.Column("granted_by", exact(256), nullable=False),
        sa.Column("granted_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=True),
        sa.CheckConstraint(
            "(user_id IS NULL) <> (group_id IS NULL)", name=op.f("ck_oidc_auth_experiment_grants_one_grantee")
        ),
        sa.ForeignKeyConstraint(
            ["group_id"],
            ["oidc_auth_groups.id"],
            name=op.f("fk_oidc_auth_experiment_grants_group_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["oidc_auth_users.id"], name=op.f("fk_oidc_auth_experiment_grants_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oidc_auth_experiment_grants")),
        sa.UniqueConstraint(
            "group_id", "experiment_id", name=op.f("uq_oidc_auth_experiment_grants_group_id_experiment_id")
        ),
        sa.UniqueConstraint(
            "user_id", "experiment_id", name=op.f("uq_oidc_auth_experiment_grants_user_id_experiment_id")
        ),
    )
    op.create_index(
        op.f("ix_oidc_auth_experiment_grants_experiment_id"),
        "oidc_auth_experiment_grants",
        ["experiment_id"],
        unique=False,
    )
    op.create_table(
        "oidc_auth_memberships",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("group_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["oidc_auth_groups.id"], name=op.f("fk_oidc_auth_memberships_group_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["oidc_auth_users.id"], name=op.f("fk_oidc_auth_memberships_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "group_id", name=op.f("pk_oidc_auth_memberships")),
    )
    op.create_index(op.f("ix_oidc_auth_memberships_group_id"), "oidc_auth_memberships", ["group_id"], unique=False)
    op.create_table(
        "oidc_auth_named_grants",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("workspace", exact(63), server_default="default", nullable=False),
        sa.Column("name", exact(256), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("group_id", sa.Integer(), nullable=True),
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.Column("granted_by", exact(256), nullable=False),
        sa.Column("granted_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=True),
        sa.CheckConstraint(
            "(user_id IS NULL) <> (group_id IS NULL)", name=op.f("ck_oidc_auth_named_grants_one_grantee")
        ),
        sa.ForeignKeyConstraint(
            ["group_id"], ["oidc_auth_groups.id"], name=op.f("fk_oidc_auth_named_grants_group_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["oidc_auth_users.id"], name=op.f("fk_oidc_auth_named_grants_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oidc_auth_named_grants")),
        sa.UniqueConstraint(
            "group_id", "workspace", "name", name=op.f("uq_oidc_auth_named_grants_group_id_workspace_name")
        ),
        sa.UniqueConstraint(
            "user_id", "workspace", "name", name=op.f("uq_oidc_auth_named_grants_user_id_workspace_name")
        ),
    )
    op.create_index(
        op.f("ix_oidc_auth_named_grants_workspace_name"), "oidc_auth_named_grants", ["workspace", "name"], unique=False
    )
    op.create_table(
        "oidc_auth_pattern_grants",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", exact(32), nullable=False),
        sa.Column("workspace", exact(63), server_default="default", nullable=False),
        sa.Column("prefix", exact(256), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("group_id", sa.Integer(), nullable=True),
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.Column("granted_by", exact(256), nullable=False),
        sa.Column("granted_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=True),
        sa.CheckConstraint("kind IN ('experiment', 'registered_model')", name=op.f("ck_oidc_auth_pattern_grants_kind")),
        sa.CheckConstraint(
            "(user_id IS NULL) <> (group_id IS NULL)", name=op.f("ck_oidc_auth_pattern_grants_one_grantee")
        ),
        sa.ForeignKeyConstraint(
            ["group_id"], ["oidc_auth_groups.id"], name=op.f("fk_oidc_auth_pattern_grants_group_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["oidc_auth_users.id"], name=op.f("fk_oidc_auth_pattern_grants_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oidc_auth_pattern_grants")),
        sa.UniqueConstraint(
            "group_id",
            "kind",
            "workspace",
            "prefix",
            name=op.f("uq_oidc_auth_pattern_grants_group_id_kind_workspace_prefix"),
        ),
        sa.UniqueConstraint(
            "user_id",
            "kind",
            "workspace",
            "prefix",
            name=op.f("uq_oidc_auth_pattern_grants_user_id_kind_workspace_prefix"),
        ),
    )
    op.create_table(
        "oidc_auth_sessions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("digest", exact(64), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("last_seen_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("provider_sid", exact(256), nullable=True),
        sa.Column("sealed_id_token", sa.Text(), nullable=True),
        sa.Column("user_agent", sa.String(length=256), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["oidc_auth_users.id"], name=op.f("fk_oidc_auth_sessions_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oidc_auth_sessions")),
        sa.UniqueConstraint("digest", name=op.f("uq_oidc_auth_sessions_digest")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_oidc_auth_sessions_provider_sid"), "oidc_auth_sessions", ["provider_sid"], unique=False)
    op.create_index(op.f("ix_oidc_auth_sessions_user_id"), "oidc_auth_sessions", ["user_id"], unique=False)
    op.create_table(
        "oidc_auth_tokens",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", exact(32), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("digest", exact(256), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("created_by", exact(256), nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("last_used_at", INSTANT, nullable=True),
        sa.Column("revoked_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["oidc_auth_users.id"], name=op.f("fk_oidc_auth_tokens_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oidc_auth_tokens")),
        sa.UniqueConstraint("public_id", name=op.f("uq_oidc_auth_tokens_public_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_oidc_auth_tokens_user_id"), "oidc_auth_tokens", ["user_id"], unique=False)
