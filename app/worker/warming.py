"""A cache that knows nobody, new or flushed, is told the plans of the most active users before they ask.

Every request asks for its user's plan: without this the first minute after a flush has as many queries as there are
users about.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from uuid import UUID

import structlog

from app.auth.plans import SubscriptionPlans
from app.cache.answers import Tier
from app.cache.kinds import COLD
from app.cache.tiers import TieredCache
from app.data.database import Database
from app.worker.relay import wait

USERS = 10_000
"""Those who were active last, over all shards; logins note that."""
LOOK_SECONDS = 30.0
"""Between looks at whether the cache was flushed, give or take a half."""
MARK = "warmed"
"""What a flushed cache lacks. Of all processes one makes it, and that one warms."""

_MOST_ACTIVE = "SELECT id, last_active_at FROM users ORDER BY last_active_at DESC LIMIT $1"

_log = structlog.get_logger()


class Warmer:
    """Looks after the cache. Any number of processes may run one."""

    def __init__(self, database: Database, cache: TieredCache) -> None:
        """Take the shards and the cache."""
        self._database, self._cache = database, cache
        self._plans = SubscriptionPlans(database, cache)

    async def run(self, stop: asyncio.Event) -> None:
        """Look and warm until `stop`."""
        while not stop.is_set():
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 a cold cache is slower, and no reason to end a worker
                _log.warning("warming_failed", error_type=type(error).__name__)
            await wait(stop, LOOK_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311 nothing is kept secret by it

    async def look(self) -> int:
        """Warm the cache if nobody did since it was flushed; how many users it knows by that."""
        mark = await self._cache.get(COLD, MARK, _now)
        # Without Redis everybody makes a mark, and there is nowhere to keep anything.
        if mark.tier is not Tier.LOADER or not await self._cache.warm(COLD, [MARK], _all_now):
            return 0
        try:
            done = await self._warm()
        except BaseException:
            # Somebody tries again.
            await self._cache.invalidate(COLD, MARK)
            raise
        _log.info("cache_warmed", count=done)
        return done

    async def _warm(self) -> int:
        done = 0
        for shard, users in (await self._most_active()).items():
            done += await self._plans.warm(shard, users)
        return done

    async def _most_active(self) -> dict[int, list[UUID]]:
        """Users by shard; what a shard still has of users who moved to another one is old."""
        rows = []
        shards = self._database.shards
        for shard in shards.all:
            if shard.slots:
                async with self._database.system_reader(shard.id) as connection:
                    found = await connection.fetch(_MOST_ACTIVE, USERS)
                rows += [
                    (row["last_active_at"], shard.id, row["id"])
                    for row in found
                    if shards.to_read(row["id"]).id == shard.id
                ]
        by_shard: dict[int, list[UUID]] = {}
        for _, shard_id, user in sorted(rows, reverse=True)[:USERS]:
            by_shard.setdefault(shard_id, []).append(user)
        return by_shard


async def _now() -> float:
    return time.time()


async def _all_now(identifiers: Sequence[str]) -> dict[str, float]:
    return dict.fromkeys(identifiers, time.time())
