"""Roles, functions, the product's tables with their indexes, and who sees which rows.

Every table has the id of the user whose row it is, since that is what rows are sharded by: a user's rows are in one
database, and a foreign key never leaves it.
"""

from __future__ import annotations

from typing import NamedTuple

from alembic import op

from app.data.migrations.protection import APPLICATION, SYSTEM, protect

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


class Table(NamedTuple):
    """A table: its columns, the indexes beside its keys, and the column with the user whose row it is."""

    columns: str
    indexes: tuple[str, ...] = ()
    owner: str | None = "user_id"
    actions: str = "SELECT, INSERT, UPDATE, DELETE"
    partition_by: str | None = None


ID = "id uuid PRIMARY KEY DEFAULT gen_random_uuid()"
USER = "user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE"
CREATED = "created_at timestamptz NOT NULL DEFAULT now()"
UPDATED = "updated_at timestamptz NOT NULL DEFAULT now()"

TABLES = {
    "users": Table(
        f"""{ID}, email text NOT NULL UNIQUE CHECK (email = lower(email)),
        tier smallint NOT NULL DEFAULT 0 CHECK (tier BETWEEN 0 AND 5), {CREATED}, {UPDATED},
        last_active_at timestamptz NOT NULL DEFAULT now()""",
        ("(tier)", "(created_at DESC)", "(last_active_at DESC)", "(user_slot(id))"),
        owner="id",
    ),
    "profiles": Table(
        f"""id uuid PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE, display_name text NOT NULL DEFAULT '',
        subscription_tier text NOT NULL DEFAULT 'free' CHECK (subscription_tier IN ('free', 'plus')),
        subscription_expires_at timestamptz, {CREATED}, {UPDATED}""",
        (
            "(subscription_tier) WHERE subscription_tier = 'plus'",
            "(id, subscription_tier, subscription_expires_at)",
        ),
        owner="id",
    ),
    "subscriptions": Table(
        f"""{ID}, {USER}, tier smallint NOT NULL CHECK (tier BETWEEN 1 AND 5),
        status text NOT NULL CHECK (status IN ('trialing', 'active', 'past_due', 'cancelled')),
        started_at timestamptz NOT NULL DEFAULT now(), expires_at timestamptz, {CREATED}, {UPDATED}""",
        ("(user_id, status)",),
        # What somebody has paid for is written by the payment's webhook alone.
        actions="SELECT",
    ),
    "posts": Table(
        f"""{ID}, {USER}, slug text NOT NULL UNIQUE, title text NOT NULL, body text NOT NULL,
        categories text[] NOT NULL DEFAULT '{{}}', likes integer NOT NULL DEFAULT 0 CHECK (likes >= 0),
        published_at timestamptz NOT NULL DEFAULT now(), {CREATED}, {UPDATED},
        search tsvector NOT NULL GENERATED ALWAYS AS (to_tsvector('english', title || ' ' || body)) STORED""",
        (
            "(published_at DESC, id)",
            "(user_id, published_at DESC)",
            "(likes DESC, id)",
            "USING gin (categories)",
            "USING gin (search)",
        ),
    ),
    "leads": Table(
        f"""{ID}, {USER}, email text NOT NULL, name text NOT NULL DEFAULT '', company text NOT NULL DEFAULT '',
        status text NOT NULL DEFAULT 'new', score smallint CHECK (score BETWEEN 0 AND 100), {CREATED}, {UPDATED}""",
        ("(user_id, created_at, id)", "(user_id, status)", "(email)", "(status)", "(created_at)"),
    ),
    "campaigns": Table(
        f"{ID}, {USER}, name text NOT NULL, status text NOT NULL DEFAULT 'draft', {CREATED}, {UPDATED}",
        ("(user_id, created_at, id)", "(status)"),
    ),
    "conversations": Table(
        f"""{ID}, {USER}, lead_id uuid REFERENCES leads (id) ON DELETE SET NULL, channel text NOT NULL,
        subject text NOT NULL DEFAULT '', {CREATED}, {UPDATED}""",
        ("(user_id, created_at, id)", "(channel)", "(lead_id)"),
    ),
    "messages": Table(
        f"""{ID}, {USER}, conversation_id uuid NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
        direction text NOT NULL CHECK (direction IN ('in', 'out')), body text NOT NULL, {CREATED}""",
        ("(conversation_id, created_at, id)", "(user_id)"),
    ),
    "companies": Table(
        f"{ID}, {USER}, name text NOT NULL, domain text NOT NULL DEFAULT '', {CREATED}, {UPDATED}", ("(user_id)",)
    ),
    "contacts": Table(
        f"""{ID}, {USER}, company_id uuid NOT NULL REFERENCES companies (id) ON DELETE CASCADE,
        name text NOT NULL, email text NOT NULL DEFAULT '', {CREATED}, {UPDATED}""",
        ("(company_id)", "(user_id)"),
    ),
    "deals": Table(
        f"""{ID}, {USER}, company_id uuid NOT NULL REFERENCES companies (id) ON DELETE CASCADE,
        stage text NOT NULL DEFAULT 'new', status text NOT NULL DEFAULT 'open',
        amount_cents bigint NOT NULL DEFAULT 0, {CREATED}, {UPDATED}""",
        ("(company_id)", "(stage)", "(user_id, status)"),
    ),
    "videos": Table(
        f"""{ID}, {USER}, title text NOT NULL, object_key text NOT NULL, status text NOT NULL DEFAULT 'uploaded',
        duration_seconds integer CHECK (duration_seconds >= 0), {CREATED}, {UPDATED}""",
        ("(user_id, created_at, id)",),
    ),
    # Partitioned tables have no foreign keys: they are only appended to, and each key is a look-up a row.
    "video_views": Table(
        # `user_id` is the video's owner, on whose shard the row is; `viewer_id` may be anybody's, or nobody's.
        """id uuid NOT NULL DEFAULT gen_random_uuid(), user_id uuid NOT NULL, video_id uuid NOT NULL, viewer_id uuid,
        watched_seconds integer NOT NULL DEFAULT 0, created_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (id, created_at)""",
        ("(video_id, created_at)", "(user_id)"),
        actions="SELECT",
        partition_by="created_at",
    ),
    "analytics.analytics_events": Table(
        """id uuid NOT NULL DEFAULT gen_random_uuid(), user_id uuid, session_id text, event_type text NOT NULL,
        "timestamp" timestamptz NOT NULL DEFAULT now(), properties jsonb NOT NULL DEFAULT '{}',
        PRIMARY KEY (id, "timestamp")""",
        ('("timestamp" DESC)', '(user_id, "timestamp" DESC)', '(event_type, "timestamp" DESC)'),
        actions="SELECT, INSERT",
        partition_by='"timestamp"',
    ),
    "audit_log": Table(
        # Nobody but the owner changes or deletes what is written here; the user is kept after the account is gone.
        """id uuid NOT NULL DEFAULT gen_random_uuid(), user_id uuid NOT NULL, action text NOT NULL,
        subject text NOT NULL DEFAULT '', details jsonb NOT NULL DEFAULT '{}',
        created_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (id, created_at)""",
        ("(user_id, created_at DESC)",),
        actions="SELECT, INSERT",
        partition_by="created_at",
    ),
    "idempotency_keys": Table(
        """user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE, endpoint text NOT NULL, key text NOT NULL,
        fingerprint bytea NOT NULL, status_code smallint, response bytea,
        created_at timestamptz NOT NULL DEFAULT now(), expires_at timestamptz NOT NULL,
        PRIMARY KEY (user_id, endpoint, key)""",
        ("(expires_at)",),
    ),
    "webhook_events": Table(
        """provider text NOT NULL, event_id text NOT NULL, received_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (provider, event_id)""",
        ("(received_at)",),
        owner=None,
    ),
    "outbox": Table(
        f"{ID}, {USER}, topic text NOT NULL, payload jsonb NOT NULL, {CREATED}, published_at timestamptz",
        ("(created_at) WHERE published_at IS NULL", "(user_id)"),
        actions="INSERT",
    ),
    "jobs": Table(
        f"""{ID}, {USER}, kind text NOT NULL, status text NOT NULL DEFAULT 'queued'
        CHECK (status IN ('queued', 'running', 'done', 'failed')), result jsonb, {CREATED}, {UPDATED}""",
        ("(user_id, created_at, id)",),
        actions="SELECT, INSERT",
    ),
    "newsletter_subscribers": Table(
        f"""{ID}, email text NOT NULL UNIQUE CHECK (email = lower(email)), status text NOT NULL DEFAULT 'pending',
        {CREATED}""",
        ("(created_at DESC)", "(status)"),
        owner=None,
    ),
}

FUNCTIONS = (
    # As app.data.shards.slot_of: the first byte of SHA-256 of the id as text.
    """CREATE FUNCTION user_slot(id uuid) RETURNS integer LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN get_byte(sha256(id::text::bytea), 0)""",
    # LIKE and ATTACH, since CREATE TABLE PARTITION OF would lock out everybody who reads or writes the table. The
    # partition has no grants: it is reached through its table, whose policies hold.
    """CREATE FUNCTION create_month_partition(parent regclass, month date) RETURNS text LANGUAGE plpgsql AS $$
    DECLARE
        schema name := (SELECT relnamespace::regnamespace::text FROM pg_class WHERE oid = parent);
        child name := (SELECT relname FROM pg_class WHERE oid = parent) || to_char(month, '_YYYY_MM');
        start date := date_trunc('month', month);
    BEGIN
        IF to_regclass(format('%I.%I', schema, child)) IS NOT NULL THEN
            RETURN NULL;
        END IF;
        EXECUTE format('CREATE TABLE %I.%I (LIKE %s INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', schema, child, parent);
        EXECUTE format('ALTER TABLE %I.%I ENABLE ROW LEVEL SECURITY', schema, child);
        EXECUTE format('ALTER TABLE %s ATTACH PARTITION %I.%I FOR VALUES FROM (%L) TO (%L)', parent, schema, child,
            start::timestamp AT TIME ZONE 'UTC', (start + interval '1 month') AT TIME ZONE 'UTC');
        RETURN child;
    END $$""",
)

ACTIVE_SUBSCRIPTIONS = (
    """CREATE MATERIALIZED VIEW active_subscriptions AS
    SELECT DISTINCT ON (user_id) user_id, tier, status, expires_at FROM subscriptions
    WHERE status IN ('trialing', 'active') AND (expires_at IS NULL OR expires_at > now())
    ORDER BY user_id, tier DESC, expires_at DESC NULLS FIRST""",
    # REFRESH ... CONCURRENTLY needs one.
    "CREATE UNIQUE INDEX active_subscriptions_user_id_key ON active_subscriptions (user_id)",
    # A materialized view has no row-level security: it is no user's.
    f"GRANT SELECT ON active_subscriptions TO {SYSTEM}",
    # Only its owner may refresh a view before PostgreSQL 17.
    """CREATE FUNCTION refresh_active_subscriptions() RETURNS void LANGUAGE sql SECURITY DEFINER
    SET search_path = public, pg_temp AS 'REFRESH MATERIALIZED VIEW CONCURRENTLY public.active_subscriptions'""",
    "REVOKE EXECUTE ON FUNCTION refresh_active_subscriptions() FROM PUBLIC",
    f"GRANT EXECUTE ON FUNCTION refresh_active_subscriptions() TO {SYSTEM}",
)


def upgrade() -> None:
    """Make the roles where they are missing (they are the cluster's, which has several databases), then the rest."""
    for role in (APPLICATION, SYSTEM):
        op.execute(f"DO $$ BEGIN CREATE ROLE {role} NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    # Without NOINHERIT every transaction of the application would see what SYSTEM sees.
    op.execute(f"ALTER ROLE {APPLICATION} NOINHERIT")
    op.execute(f"GRANT {SYSTEM} TO {APPLICATION}")
    op.execute("CREATE SCHEMA analytics")
    op.execute(f"GRANT USAGE ON SCHEMA analytics TO {APPLICATION}, {SYSTEM}")
    for statement in FUNCTIONS:
        op.execute(statement)
    for name, table in TABLES.items():
        _create(name, table)
    # Everybody reads what is published. A true condition is removed before planning; any other would keep `@@` and
    # `@>` from the GIN indexes, as operators that are not leakproof must not run before a policy.
    op.execute(f"CREATE POLICY everybody_reads ON posts FOR SELECT TO {APPLICATION} USING (true)")
    op.execute(f"REVOKE UPDATE, DELETE ON audit_log FROM {SYSTEM}")
    for statement in ACTIVE_SUBSCRIPTIONS:
        op.execute(statement)
    op.execute("ALTER TABLE alembic_version ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE alembic_version FORCE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY owner ON alembic_version TO CURRENT_USER USING (true) WITH CHECK (true)")
    op.execute(f"CREATE POLICY everybody_reads ON alembic_version FOR SELECT TO {APPLICATION}, {SYSTEM} USING (true)")
    op.execute(f"GRANT SELECT ON alembic_version TO {APPLICATION}, {SYSTEM}")


def _create(name: str, table: Table) -> None:
    partitioned = f" PARTITION BY RANGE ({table.partition_by})" if table.partition_by else ""
    op.execute(f"CREATE TABLE {name} ({table.columns}){partitioned}")
    for definition in table.indexes:
        op.execute(f"CREATE INDEX ON {name} {definition}")
    protect(name, column=table.owner, actions=table.actions)
    if table.partition_by:
        month = "(date_trunc('month', now()) + step * interval '1 month')::date"
        op.execute(
            f"SELECT create_month_partition('{name}', {month}) FROM generate_series(-1, 2) step"  # noqa: S608 of this file
        )


def downgrade() -> None:
    """Remove everything with its rows; the roles stay, other databases of the cluster have them too."""
    op.execute(f"REVOKE ALL ON alembic_version FROM {APPLICATION}, {SYSTEM}")
    op.execute("DROP POLICY everybody_reads ON alembic_version")
    op.execute("DROP POLICY owner ON alembic_version")
    op.execute("ALTER TABLE alembic_version NO FORCE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE alembic_version DISABLE ROW LEVEL SECURITY")
    op.execute("DROP FUNCTION refresh_active_subscriptions()")
    op.execute("DROP MATERIALIZED VIEW active_subscriptions")
    for name in reversed(TABLES):
        op.execute(f"DROP TABLE {name}")
    op.execute("DROP FUNCTION create_month_partition(regclass, date)")
    op.execute("DROP FUNCTION user_slot(uuid)")
    op.execute("DROP SCHEMA analytics")
