"""${message}."""

from __future__ import annotations

from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add to the schema; nothing that the image before still uses is renamed, retyped or dropped."""
    ${upgrades if upgrades else "op.execute(\"\")"}


def downgrade() -> None:
    """Take away what `upgrade` added."""
    ${downgrades if downgrades else "op.execute(\"\")"}
