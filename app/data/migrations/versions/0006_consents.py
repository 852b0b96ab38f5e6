"""Consents, who wants no mail of which sender, what came of a campaign; and contacts and deals that users change.

Whoever unsubscribed from a sender is known by a keyed hash of the address, on the sender's shard: a lead may be deleted
and come back, and still wants no mail.
"""

from __future__ import annotations

from typing import NamedTuple

from alembic import op

from app.data.migrations.protection import SYSTEM, protect

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

VERSIONED = ("contacts", "deals")
"""Who changes a row names the version that was read."""
USER = "user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE"


class Table(NamedTuple):
    """A table, its indexes, and what the application may do with a user's own rows; None: the system's alone."""

    columns: str
    indexes: tuple[str, ...] = ()
    actions: str | None = None


TABLES = {
    # Appended to, also by a link in a mail. It outlives the account, as what proves that its mail was wanted.
    "consents": Table(
        """id uuid PRIMARY KEY DEFAULT gen_random_uuid(), user_id uuid NOT NULL, purpose text NOT NULL,
        text_version text NOT NULL, given boolean NOT NULL,
        source text NOT NULL CHECK (source IN ('account', 'unsubscribe-link')),
        created_at timestamptz NOT NULL DEFAULT clock_timestamp()""",
        ("(user_id, purpose, created_at DESC)", "(created_at)"),
        actions="SELECT, INSERT",
    ),
    "mail_unsubscribes": Table(
        f"""{USER}, recipient bytea NOT NULL CHECK (length(recipient) = 32),
        created_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (user_id, recipient)"""
    ),
    # Counts, since single mails are forgotten after a month.
    "campaign_statistics": Table(
        f"""id uuid PRIMARY KEY REFERENCES campaigns (id) ON DELETE CASCADE, {USER}, sent bigint NOT NULL DEFAULT 0,
        bounced bigint NOT NULL DEFAULT 0, complained bigint NOT NULL DEFAULT 0,
        unsubscribed bigint NOT NULL DEFAULT 0""",
        ("(user_id)",),
        actions="SELECT",
    ),
}


def upgrade() -> None:
    """Add the indexes outside of a transaction, which locks nobody out and may be done again; then the rest."""
    with op.get_context().autocommit_block():
        for table in VERSIONED:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {table}_user_id_created_at_id_idx")
            op.execute(
                f"CREATE INDEX CONCURRENTLY {table}_user_id_created_at_id_idx ON {table} (user_id, created_at, id)"
            )
        # The new one begins with the same column.
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS contacts_user_id_idx")
    for table in VERSIONED:
        op.execute(f"ALTER TABLE {table} ADD COLUMN version integer NOT NULL DEFAULT 1")
    for name, made in TABLES.items():
        op.execute(f"CREATE TABLE {name} ({made.columns})")
        for definition in made.indexes:
            op.execute(f"CREATE INDEX ON {name} {definition}")
        protect(name, column="user_id" if made.actions else None, actions=made.actions or "")
    op.execute(f"REVOKE UPDATE, DELETE ON consents FROM {SYSTEM}")


def downgrade() -> None:
    """Remove them with their rows."""
    for name in reversed(TABLES):
        op.execute(f"DROP TABLE {name}")
    for table in VERSIONED:
        op.execute(f"ALTER TABLE {table} DROP COLUMN version")
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS contacts_user_id_idx")
        op.execute("CREATE INDEX CONCURRENTLY contacts_user_id_idx ON contacts (user_id)")
        for table in VERSIONED:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {table}_user_id_created_at_id_idx")
