"""What jobs need: when an outbox row is due, which jobs are done, mail, uploads, webhooks, and erasures.

What stands in the first shard alone (suppressions, senders, erasures) references no user: that one may be in another
database.
"""

from __future__ import annotations

from typing import NamedTuple

from alembic import op

from app.data.migrations.protection import APPLICATION, SYSTEM, protect

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


class Table(NamedTuple):
    """A table, its indexes, and what the application may do with a user's own rows; None: the system's alone."""

    columns: str
    indexes: tuple[str, ...] = ()
    actions: str | None = None


USER = "user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE"
CREATED = "created_at timestamptz NOT NULL DEFAULT now()"

TABLES = {
    # One row a job whose effect is in this database, written in the same transaction as the effect. It says nothing
    # about a user, so it outlives one.
    "processed_jobs": Table(
        "job_id uuid PRIMARY KEY, processed_at timestamptz NOT NULL DEFAULT now()", ("(processed_at)",)
    ),
    # A mail is sent at most once: the row comes before the sending.
    "mail_sends": Table(
        f"""key text PRIMARY KEY, {USER}, state text NOT NULL CHECK (state IN ('sending', 'sent', 'refused')),
        {CREATED}""",
        ("(user_id)", "(created_at)"),
    ),
    # SHA-256 of the address: an erased user's must stay known, without being kept.
    "mail_suppressions": Table(
        f"""email_hash bytea PRIMARY KEY CHECK (length(email_hash) = 32),
        reason text NOT NULL CHECK (reason IN ('bounce', 'complaint')), {CREATED}"""
    ),
    "mail_senders": Table(
        """user_id uuid PRIMARY KEY, sent bigint NOT NULL DEFAULT 0, bounces bigint NOT NULL DEFAULT 0,
        complaints bigint NOT NULL DEFAULT 0, disabled_at timestamptz"""
    ),
    "uploads": Table(
        f"""id uuid PRIMARY KEY, {USER}, object_key text NOT NULL UNIQUE,
        kind text NOT NULL CHECK (kind IN ('image', 'video', 'file')), content_type text NOT NULL,
        size_bytes bigint NOT NULL CHECK (size_bytes > 0), sha256 bytea NOT NULL CHECK (length(sha256) = 32),
        name text NOT NULL, completed_at timestamptz, {CREATED}""",
        ("(user_id, created_at, id)",),
        actions="SELECT, INSERT, UPDATE, DELETE",
    ),
    # No secret: it is derived from the id and the version with the deployment's key.
    "webhook_endpoints": Table(
        f"""id uuid PRIMARY KEY DEFAULT gen_random_uuid(), {USER}, url text NOT NULL CHECK (length(url) <= 2048),
        secret_version integer NOT NULL DEFAULT 1, previous_until timestamptz, failures integer NOT NULL DEFAULT 0,
        disabled_at timestamptz, {CREATED}""",
        ("(user_id, created_at, id)",),
        actions="SELECT, INSERT, UPDATE, DELETE",
    ),
    "webhook_deliveries": Table(
        f"""id uuid PRIMARY KEY DEFAULT gen_random_uuid(), {USER},
        endpoint_id uuid NOT NULL REFERENCES webhook_endpoints (id) ON DELETE CASCADE, event_type text NOT NULL,
        payload jsonb NOT NULL, status text NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending', 'delivered', 'failed')), attempts integer NOT NULL DEFAULT 0,
        status_code smallint, {CREATED}""",
        ("(endpoint_id, created_at)", "(user_id)", "(created_at)"),
        actions="SELECT, INSERT",
    ),
    "erasures": Table(
        """user_id uuid PRIMARY KEY, requested_at timestamptz NOT NULL DEFAULT now(), due_at timestamptz NOT NULL,
        erased_at timestamptz""",
        ("(due_at) WHERE erased_at IS NULL",),
    ),
}

OUTBOX = (
    # Rows of one transaction have the same time; the position keeps their order. Without NOT NULL and with the default
    # set afterwards no row is rewritten.
    "CREATE SEQUENCE IF NOT EXISTS outbox_position",
    f"GRANT USAGE ON SEQUENCE outbox_position TO {APPLICATION}, {SYSTEM}",
    "ALTER TABLE outbox ADD COLUMN IF NOT EXISTS position bigint",
    "ALTER TABLE outbox ALTER COLUMN position SET DEFAULT nextval('outbox_position')",
    "ALTER TABLE outbox ADD COLUMN IF NOT EXISTS due_at timestamptz NOT NULL DEFAULT now()",
    # What is left of one whose building was broken off.
    "DROP INDEX CONCURRENTLY IF EXISTS outbox_due_at_position_idx",
    """CREATE INDEX CONCURRENTLY outbox_due_at_position_idx ON outbox (due_at, position)
    WHERE published_at IS NULL""",
)
"""Each statement may be run again: an index that locks nobody out is built outside of any transaction, so that what
came before it stays when the rest fails."""


def upgrade() -> None:
    """Add to the outbox when a row is due and which comes first, then the tables; administrators are marked."""
    with op.get_context().autocommit_block():
        for statement in OUTBOX:
            op.execute(statement)
    for name, table in TABLES.items():
        op.execute(f"CREATE TABLE {name} ({table.columns})")
        for definition in table.indexes:
            op.execute(f"CREATE INDEX ON {name} {definition}")
        protect(name, column="user_id" if table.actions else None, actions=table.actions or "")
    op.execute("ALTER TABLE auth_accounts ADD COLUMN administrator boolean NOT NULL DEFAULT false")


def downgrade() -> None:
    """Remove them with their rows."""
    op.execute("ALTER TABLE auth_accounts DROP COLUMN administrator")
    for name in reversed(TABLES):
        op.execute(f"DROP TABLE {name}")
    # With its index.
    op.execute("ALTER TABLE outbox DROP COLUMN due_at")
    op.execute("ALTER TABLE outbox DROP COLUMN position")
    op.execute("DROP SEQUENCE outbox_position")
