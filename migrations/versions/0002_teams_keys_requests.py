"""Teams have a description, keys a name and a successor, and people can ask for access."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

INSTANT = sa.DateTime(timezone=True)


def exact(length: int) -> sa.types.TypeEngine[str]:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("oidc_auth_groups", sa.Column("description", sa.String(1024), server_default="", nullable=False))
    op.add_column("oidc_auth_tokens", sa.Column("name", sa.String(64), server_default="", nullable=False))
    op.add_column("oidc_auth_tokens", sa.Column("replaced_at", INSTANT, nullable=True))
    op.create_table(
        "oidc_auth_access_requests",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("kind", exact(32), nullable=False),
        sa.Column("asked_for", exact(256), nullable=False),
        sa.Column("experiment_id", sa.Integer(), nullable=True),
        sa.Column("name", exact(256), nullable=True),
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.Column("reason", sa.String(1024), server_default="", nullable=False),
        sa.Column("asked_at", INSTANT, nullable=False),
        sa.Column("state", exact(16), nullable=False),
        sa.Column("decided_by", exact(256), nullable=True),
        sa.Column("decided_at", INSTANT, nullable=True),
        sa.CheckConstraint(
            "kind IN ('experiment', 'registered_model')", name=op.f("ck_oidc_auth_access_requests_kind")
        ),
        sa.CheckConstraint(
            "state IN ('open', 'granted', 'declined', 'withdrawn')", name=op.f("ck_oidc_auth_access_requests_state")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["oidc_auth_users.id"],
            name=op.f("fk_oidc_auth_access_requests_user_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oidc_auth_access_requests")),
        sqlite_autoincrement=True,
    )
    for column in ("experiment_id", "name", "user_id"):
        op.create_index(
            op.f(f"ix_oidc_auth_access_requests_{column}"), "oidc_auth_access_requests", [column], unique=False
        )
