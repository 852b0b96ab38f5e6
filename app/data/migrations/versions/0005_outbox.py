"""The outbox by what is due alone, as a row that was sent is deleted; and the versions of providers' secrets.

`outbox.published_at` is asked for by nothing any more but the image before. It goes with a version of a later image.
"""

from __future__ import annotations

from alembic import op

from app.data.migrations.protection import protect

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# Each statement may be run again. What is dropped first is left of a building that was broken off.
UP = (
    "DROP INDEX CONCURRENTLY IF EXISTS outbox_due_idx",
    "CREATE INDEX CONCURRENTLY outbox_due_idx ON outbox (due_at, position)",
    "DROP INDEX CONCURRENTLY IF EXISTS outbox_due_at_position_idx",
    "DROP INDEX CONCURRENTLY IF EXISTS outbox_created_at_idx",
)
DOWN = (
    "DROP INDEX CONCURRENTLY IF EXISTS outbox_created_at_idx",
    "CREATE INDEX CONCURRENTLY outbox_created_at_idx ON outbox (created_at) WHERE published_at IS NULL",
    "DROP INDEX CONCURRENTLY IF EXISTS outbox_due_at_position_idx",
    """CREATE INDEX CONCURRENTLY outbox_due_at_position_idx ON outbox (due_at, position)
    WHERE published_at IS NULL""",
    "DROP INDEX CONCURRENTLY IF EXISTS outbox_due_idx",
)


def upgrade() -> None:
    """Build the new index beside the old ones, which the image before does without; then the table."""
    with op.get_context().autocommit_block():
        for statement in UP:
            op.execute(statement)
    # In the first shard. A provider without a row has version 1.
    op.execute("""CREATE TABLE webhook_providers (provider text PRIMARY KEY,
        secret_version integer NOT NULL CHECK (secret_version > 0), previous_until timestamptz)""")
    protect("webhook_providers", column=None)


def downgrade() -> None:
    """Build the old ones again."""
    op.execute("DROP TABLE webhook_providers")
    with op.get_context().autocommit_block():
        for statement in DOWN:
            op.execute(statement)
