"""What users paid for, by the cache."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from app.auth.privileges import Plan, Tier
from app.cache.kinds import PRIVILEGES
from app.cache.tiers import TieredCache
from app.data.connection import Reading
from app.data.database import Database
from app.data.errors import UnavailableError

_BEST = """
    SELECT tier, expires_at FROM subscriptions
    WHERE user_id = $1 AND status IN ('trialing', 'active') AND (expires_at IS NULL OR expires_at > now())
    ORDER BY tier DESC, expires_at DESC NULLS FIRST LIMIT 1
"""
"""As the view `active_subscriptions` has them, without its minute of delay."""


class SubscriptionPlans:
    """`Plans` of `app.auth.privileges`. Who changes a subscription invalidates `PRIVILEGES` of the user's id."""

    def __init__(self, database: Database, cache: TieredCache) -> None:
        """Keep both."""
        self._database, self._cache = database, cache

    async def plan(self, user_id: UUID) -> Plan:
        """A user's plan; free if there is none.

        Raises:
            Exception: the database is away, and the cache does not know the user.
        """
        found = await self._cache.get(PRIVILEGES, str(user_id), lambda: self._load(user_id))
        value = found.value or {"tier": Tier.FREE, "expires_at": None}
        expires_at = value["expires_at"]
        return Plan(Tier(value["tier"]), None if expires_at is None else datetime.fromisoformat(expires_at))

    async def _load(self, user_id: UUID) -> dict[str, Any]:
        """From the primary: a replica may lag behind the change that just invalidated what was cached."""
        try:
            async with self._database.writer(user_id) as connection:
                return await _read(connection, user_id)
        except UnavailableError:
            async with self._database.reader(user_id) as connection:
                return await _read(connection, user_id)


async def _read(connection: Reading, user_id: UUID) -> dict[str, Any]:
    row = await connection.fetchrow(_BEST, user_id)
    if row is None:
        return {"tier": Tier.FREE, "expires_at": None}
    expires_at = row["expires_at"]
    return {"tier": row["tier"], "expires_at": None if expires_at is None else expires_at.isoformat()}
