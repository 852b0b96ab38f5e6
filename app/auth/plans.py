"""What users paid for, by the cache."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from app.auth.privileges import Plan, Tier
from app.cache.kinds import PRIVILEGES
from app.cache.tiers import TieredCache
from app.data.connection import Reading, Row
from app.data.database import Database
from app.data.errors import UnavailableError

_BEST = """
    SELECT tier, expires_at FROM subscriptions
    WHERE user_id = $1 AND status IN ('trialing', 'active') AND (expires_at IS NULL OR expires_at > now())
    ORDER BY tier DESC, expires_at DESC NULLS FIRST LIMIT 1
"""
"""As the view `active_subscriptions` has them, without its minute of delay."""
_BEST_OF_EACH = """
    SELECT DISTINCT ON (user_id) user_id, tier, expires_at FROM subscriptions
    WHERE user_id = ANY($1) AND status IN ('trialing', 'active') AND (expires_at IS NULL OR expires_at > now())
    ORDER BY user_id, tier DESC, expires_at DESC NULLS FIRST
"""


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

    async def warm(self, shard: int, user_ids: Sequence[UUID]) -> int:
        """Have the cache know plans of users of one shard before they are asked for; how many Redis has afterwards."""

        async def load(identifiers: Sequence[str]) -> dict[str, dict[str, Any]]:
            async with self._database.system_writer(shard) as connection:
                rows = await connection.fetch(_BEST_OF_EACH, [UUID(one) for one in identifiers])
            found = {str(row["user_id"]): _value(row) for row in rows}
            return {one: found.get(one, _value(None)) for one in identifiers}

        return await self._cache.warm(PRIVILEGES, [str(one) for one in user_ids], load)

    async def _load(self, user_id: UUID) -> dict[str, Any]:
        """From the primary: a replica may lag behind the change that just invalidated what was cached."""
        try:
            async with self._database.writer(user_id) as connection:
                return await _read(connection, user_id)
        except UnavailableError:
            async with self._database.reader(user_id) as connection:
                return await _read(connection, user_id)


async def _read(connection: Reading, user_id: UUID) -> dict[str, Any]:
    return _value(await connection.fetchrow(_BEST, user_id))


def _value(row: Row | None) -> dict[str, Any]:
    """As it is cached."""
    if row is None:
        return {"tier": Tier.FREE, "expires_at": None}
    expires_at = row["expires_at"]
    return {"tier": row["tier"], "expires_at": None if expires_at is None else expires_at.isoformat()}
