"""A shard that takes users over makes the partitions that their rows need; its own begin when its database was made.

Pods own nothing, so this runs as the owner. It makes months of partitioned tables that the owner has, and nothing else.
"""

from __future__ import annotations

from alembic import op

from app.data.migrations.protection import SYSTEM

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# What is called is found in `public`, and never among the caller's temporary objects:
# https://www.postgresql.org/docs/15/sql-createfunction.html#SQL-CREATEFUNCTION-SECURITY
FUNCTION = """CREATE FUNCTION add_month_partition(parent regclass, month date) RETURNS text LANGUAGE sql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT create_month_partition(parent, month) FROM pg_class
    WHERE oid = parent AND relkind = 'p' AND relowner = current_user::regrole
$$"""


def upgrade() -> None:
    """Add the function, for transactions that are for no single user."""
    op.execute(FUNCTION)
    op.execute("REVOKE EXECUTE ON FUNCTION add_month_partition(regclass, date) FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION add_month_partition(regclass, date) TO {SYSTEM}")


def downgrade() -> None:
    """Remove it."""
    op.execute("DROP FUNCTION add_month_partition(regclass, date)")
