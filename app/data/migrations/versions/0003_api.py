"""What the API needs beside the product's tables: versions of rows, headers of stored answers, and columns kept apart.

Adding a column with a constant default rewrites nothing
(https://www.postgresql.org/docs/15/ddl-alter.html#DDL-ALTER-ADDING-A-COLUMN).
"""

from __future__ import annotations

from alembic import op

from app.data.migrations.protection import APPLICATION

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

VERSIONED = ("posts", "leads", "companies", "campaigns", "conversations", "videos")
"""Tables whose rows users change: who changes one names the version that was read."""
OWN_COLUMNS = {
    "users": ("id, email", "email, updated_at, last_active_at"),
    "profiles": ("id, display_name", "display_name, updated_at"),
}
"""What users insert and update of their own rows. The tier and its end are written by who takes the money."""


def upgrade() -> None:
    """Add the columns; take the paid ones from the users' own transactions."""
    for table in VERSIONED:
        op.execute(f"ALTER TABLE {table} ADD COLUMN version integer NOT NULL DEFAULT 1")
    op.execute("ALTER TABLE idempotency_keys ADD COLUMN response_headers jsonb NOT NULL DEFAULT '{}'")
    for table, (inserted, updated) in OWN_COLUMNS.items():
        op.execute(f"REVOKE INSERT, UPDATE ON {table} FROM {APPLICATION}")
        op.execute(f"GRANT INSERT ({inserted}), UPDATE ({updated}) ON {table} TO {APPLICATION}")


def downgrade() -> None:
    """Take them away again."""
    for table, (inserted, updated) in OWN_COLUMNS.items():
        op.execute(f"REVOKE INSERT ({inserted}), UPDATE ({updated}) ON {table} FROM {APPLICATION}")
        op.execute(f"GRANT INSERT, UPDATE ON {table} TO {APPLICATION}")
    op.execute("ALTER TABLE idempotency_keys DROP COLUMN response_headers")
    for table in VERSIONED:
        op.execute(f"ALTER TABLE {table} DROP COLUMN version")
