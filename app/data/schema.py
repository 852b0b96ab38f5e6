"""Which version of the schema this image needs."""

from __future__ import annotations

from pathlib import Path

from app.data.connection import Reading

MIGRATIONS = Path(__file__).parent / "migrations"
REQUIRED = max(path.name[:4] for path in (MIGRATIONS / "versions").glob("[0-9]*_*.py"))
"""Newest version in the image, such as `0002`. Versions are four digits, so they compare as text."""


async def is_ready(connection: Reading) -> bool:
    """Whether the database has this version or a newer one, which only adds to it."""
    found = await connection.fetchval("SELECT version_num FROM alembic_version")
    return found is not None and str(found) >= REQUIRED
