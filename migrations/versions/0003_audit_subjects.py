"""The audit's subjects are whole, however long the names in them are."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

SHORT = sa.String(512).with_variant(sa.String(512, collation="C"), "postgresql")
WHOLE = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    # SQLite cannot change a column: its table is written anew there.
    with op.batch_alter_table("oidc_auth_audit_records") as table:
        table.alter_column("subject", existing_type=SHORT, type_=WHOLE, existing_nullable=False)
