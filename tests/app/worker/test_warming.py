"""A cache that was flushed, on a real Redis, and who fills it again."""

from __future__ import annotations

import asyncio
from uuid import UUID

import asyncpg
import psycopg
import pytest

from app.auth.plans import SubscriptionPlans
from app.auth.privileges import Tier
from app.cache import answers
from app.data.database import Database
from app.worker import warming
from app.worker.warming import Warmer
from tests.app.data.conftest import Opener, open_database
from tests.app.servers import Redis
from tests.app.stores import Heard, caching
from tests.app.worker.conftest import new_user

__all__ = ["open_database"]
pytestmark = pytest.mark.anyio
BUDGET = 2.0


async def somebody(database: Database, owner: psycopg.Connection, minutes: int) -> UUID:
    """Active so long ago, with the second tier."""
    user = await new_user(database)
    owner.execute(
        "UPDATE users SET last_active_at = now() - make_interval(mins => %s) WHERE id = %s",
        (minutes, user),
    )
    owner.execute("INSERT INTO subscriptions (user_id, tier, status) VALUES (%s, 2, 'active')", (user,))
    return user


async def test_a_flushed_cache_is_told_the_most_active_users_by_one_process(
    open_database: Opener, database_url: str, redis_url: str, shared_redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warming, "USERS", 2)
    heard = Heard()
    with psycopg.connect(database_url, autocommit=True) as owner:
        async with open_database() as database:
            users = [await somebody(database, owner, minutes) for minutes in (1, 2, 3)]
            free = await new_user(database)
            owner.execute("UPDATE users SET last_active_at = now() + interval '1 minute' WHERE id = %s", (free,))
            async with (
                caching(redis_url, budget_seconds=BUDGET) as one,
                caching(redis_url, budget_seconds=BUDGET) as two,
                caching(redis_url, heard, budget_seconds=BUDGET) as asking,
            ):
                found = await asyncio.gather(Warmer(database, one).look(), Warmer(database, two).look())
                assert sorted(found) == [0, 2]
                plans = SubscriptionPlans(database, asking)
                # Without the database, so out of the cache.
                owner.execute("DELETE FROM subscriptions")
                assert (await plans.plan(users[0])).tier is Tier.TIER_2
                assert (await plans.plan(free)).tier is Tier.FREE
                assert heard.tiers == {answers.Tier.REDIS: 2}
                assert (await plans.plan(users[1])).tier is Tier.FREE
                assert heard.tiers[answers.Tier.LOADER] == 1

            shared_redis.flush()
            async with caching(redis_url, budget_seconds=BUDGET) as anew:
                assert await Warmer(database, anew).look() == 2


async def test_what_failed_is_tried_again(
    open_database: Opener, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_database() as database, caching(redis_url, budget_seconds=BUDGET) as cache:
        await new_user(database)
        warmer = Warmer(database, cache)
        with monkeypatch.context() as patch:
            patch.setattr(warming, "_MOST_ACTIVE", "SELECT broken")
            with pytest.raises(asyncpg.PostgresError):
                await warmer.look()
        assert await warmer.look() == 1
        assert await warmer.look() == 0


async def test_without_redis_the_database_is_left_alone_and_the_worker_goes_on(
    open_database: Opener, redis_server: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warming, "LOOK_SECONDS", 0.05)
    async with open_database() as database, caching(redis_server.url, budget_seconds=BUDGET) as cache:
        await new_user(database)
        warmer = Warmer(database, cache)
        redis_server.kill()
        reads = database.counters.primary_reads + database.counters.replica_reads
        assert await warmer.look() == 0
        assert database.counters.primary_reads + database.counters.replica_reads == reads

        stop = asyncio.Event()
        running = asyncio.create_task(warmer.run(stop))
        await asyncio.sleep(0.2)
        assert not running.done()
        stop.set()
        await running
