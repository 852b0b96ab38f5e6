"""Tables of authentication. Only transactions for no single user see them: who logs in is nobody yet.

They stand in the first shard's database, as a login knows an e-mail address and no user; in the others they stay empty.
So nothing references `users`, which may be in another database.
"""

from __future__ import annotations

from alembic import op

from app.data.migrations.protection import protect

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TABLES = (
    """
    CREATE TABLE auth_accounts (
        user_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        email text NOT NULL UNIQUE CHECK (email = lower(email) AND length(email) <= 254),
        password_hash text NOT NULL,
        second_factor_required boolean NOT NULL DEFAULT false,
        disabled_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    # One row a login. A refresh makes a token of the next generation; all of them are one family.
    """
    CREATE TABLE auth_sessions (
        session_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        user_id uuid NOT NULL REFERENCES auth_accounts ON DELETE CASCADE,
        user_agent text NOT NULL CHECK (length(user_agent) <= 256),
        second_factor boolean NOT NULL,
        idle_seconds integer NOT NULL CHECK (idle_seconds > 0),
        generation integer NOT NULL DEFAULT 0,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        used_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        expires_at timestamptz NOT NULL,
        revoked_at timestamptz,
        revoked_reason text,
        CHECK ((revoked_at IS NULL) = (revoked_reason IS NULL))
    )
    """,
    "CREATE INDEX auth_sessions_user_id_created_at ON auth_sessions (user_id, created_at)",
    "CREATE INDEX auth_sessions_revoked_at ON auth_sessions (revoked_at) WHERE revoked_at IS NOT NULL",
    "CREATE INDEX auth_sessions_expires_at ON auth_sessions (expires_at)",
    # SHA-256 of the token: 256 random bits need no slow hash.
    """
    CREATE TABLE auth_refresh_tokens (
        token_hash bytea PRIMARY KEY CHECK (length(token_hash) = 32),
        session_id uuid NOT NULL REFERENCES auth_sessions ON DELETE CASCADE,
        generation integer NOT NULL,
        expires_at timestamptz NOT NULL,
        used_at timestamptz,
        UNIQUE (session_id, generation)
    )
    """,
    "CREATE INDEX auth_refresh_tokens_expires_at ON auth_refresh_tokens (expires_at)",
    # `seed` is no secret without the key that it is derived with.
    """
    CREATE TABLE auth_totp (
        user_id uuid PRIMARY KEY REFERENCES auth_accounts ON DELETE CASCADE,
        seed bytea NOT NULL CHECK (length(seed) = 20),
        confirmed_at timestamptz,
        last_step bigint NOT NULL DEFAULT 0
    )
    """,
    """
    CREATE TABLE auth_backup_codes (
        user_id uuid NOT NULL REFERENCES auth_totp ON DELETE CASCADE,
        code_hash bytea NOT NULL CHECK (length(code_hash) = 32),
        used_at timestamptz,
        PRIMARY KEY (user_id, code_hash)
    )
    """,
)


def upgrade() -> None:
    """Make the tables, for the pods' transactions without a user only."""
    for statement in _TABLES:
        op.execute(statement)
    for table in ("auth_accounts", "auth_sessions", "auth_refresh_tokens", "auth_totp", "auth_backup_codes"):
        protect(table, column=None)


def downgrade() -> None:
    """Remove them, and with them every login."""
    for table in ("auth_backup_codes", "auth_totp", "auth_refresh_tokens", "auth_sessions", "auth_accounts"):
        op.execute(f"DROP TABLE {table}")
