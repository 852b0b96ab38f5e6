"""Row-level security of one table, the same for all: who sees which rows, and what they may do with them."""

from __future__ import annotations

from alembic import op

APPLICATION = "headroom_app"
"""Role of the pods; owner of nothing. It sees the rows of the user that its transaction is for."""
SYSTEM = "headroom_system"
"""What a transaction of the pods becomes by SET LOCAL ROLE when it is for no single user: login, jobs, counts.

A role, not a flag in the policies: `user_id = x OR flag` uses no index, and each transaction has to ask for it.
"""
USER = "nullif(current_setting('app.user_id', true), '')::uuid"
"""The transaction's user; none outside of one: SET LOCAL leaves an empty string behind on the connection."""


def protect(table: str, *, column: str | None = "user_id", actions: str = "SELECT, INSERT, UPDATE, DELETE") -> None:
    """Enable and force row-level security on a table, and grant access to it.

    The owner is bound too (FORCE), and let through by a policy of its own, which constant folding removes: for the
    materialized view, the seed and later migrations.

    Args:
        table: new, of the migration's role.
        column: has the user whose row it is; without one, only `SYSTEM` has access.
        actions: of the application on a user's own rows.
    """
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY owner ON {table} TO CURRENT_USER USING (true) WITH CHECK (true)")
    op.execute(f"CREATE POLICY system ON {table} TO {SYSTEM} USING (true) WITH CHECK (true)")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {SYSTEM}")
    if column is not None:
        own = f"{column} = {USER}"
        op.execute(f"CREATE POLICY own_rows ON {table} TO {APPLICATION} USING ({own}) WITH CHECK ({own})")
        op.execute(f"GRANT {actions} ON {table} TO {APPLICATION}")
