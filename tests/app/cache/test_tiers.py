"""The cache on a real Redis: who answers, who loads, and what invalidation does."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from redis.crc import key_slot

from app.cache import leases, tiers
from app.cache.answers import Cached, Tier
from app.cache.kinds import PROFILE, Kind
from app.cache.lru import Lru
from app.cache.store import command
from app.cache.tiers import TieredCache
from tests.app.processes import count_loads, hear_invalidation, together
from tests.app.stores import Heard, caching, opened

pytestmark = pytest.mark.anyio


class Database:
    """Answers loads, counts them, fails on demand, and is as slow as told."""

    def __init__(self, value: Any = "value", seconds: float = 0) -> None:
        self.value, self.seconds = value, seconds
        self.loads = 0
        self.is_down = False

    async def load(self) -> Any:
        self.loads += 1
        value = self.value
        await asyncio.sleep(self.seconds)
        if self.is_down:
            raise ConnectionRefusedError
        return value

    async def load_many(self, identifiers: Sequence[str]) -> Mapping[str, Any]:
        self.loads += 1
        if self.is_down:
            raise ConnectionRefusedError
        return {one: f"{self.value} {one}" for one in identifiers if not one.startswith("no")}


class Clock:
    """Epoch seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


async def test_the_loader_answers_first_then_memory_and_another_process_by_redis(redis_url: str) -> None:
    database = Database({"name": "Ada"})
    async with caching(redis_url) as one, caching(redis_url) as other:
        assert await one.get(PROFILE, "1", database.load) == Cached({"name": "Ada"}, Tier.LOADER)
        assert await one.get(PROFILE, "1", database.load) == Cached({"name": "Ada"}, Tier.MEMORY)
        assert await other.get(PROFILE, "1", database.load) == Cached({"name": "Ada"}, Tier.REDIS)
        assert await other.get(PROFILE, "1", database.load) == Cached({"name": "Ada"}, Tier.MEMORY)
    assert database.loads == 1


async def test_what_a_caller_changes_in_an_answer_stays_its_own(redis_url: str) -> None:
    async with caching(redis_url) as cache:
        first = await cache.get(PROFILE, "1", Database({"tier": 1}).load)
        assert first.value is not None
        first.value["tier"] = 5
        assert (await cache.get(PROFILE, "1", Database().load)).value == {"tier": 1}


async def test_what_all_share_is_decoded_once_until_another_comes(redis_url: str) -> None:
    database, decoded = Database([1]), []

    def decode(value: Any) -> Any:
        decoded.append(value)
        return tuple(value)

    shared = Kind(name="shared", fresh_seconds=300, decode=decode, is_shared=True)
    async with caching(redis_url) as cache:
        answers = [await cache.get(shared, "1", database.load) for _ in range(10)]
        database.value = [2]
        await cache.invalidate(shared, "1")
        answers += [await cache.get(shared, "1", database.load) for _ in range(10)]

    assert [answer.value for answer in answers] == [(1,)] * 10 + [(2,)] * 10
    assert decoded == [[1], [2]]


async def test_a_hundred_readers_of_a_process_load_once(redis_url: str) -> None:
    database = Database(seconds=0.05)
    async with caching(redis_url) as cache:
        answers = await asyncio.gather(*(cache.get(PROFILE, "1", database.load) for _ in range(100)))
    assert {answer.value for answer in answers} == {"value"}
    assert database.loads == 1


async def test_a_reader_that_gives_up_takes_the_load_from_nobody(redis_url: str) -> None:
    database = Database(seconds=0.1)
    async with caching(redis_url) as cache:
        hasty = asyncio.create_task(cache.get(PROFILE, "1", database.load))
        await asyncio.sleep(0.02)
        patient = asyncio.create_task(cache.get(PROFILE, "1", database.load))
        hasty.cancel()
        assert (await patient).value == "value"
    assert database.loads == 1


@pytest.mark.parametrize("clustered", [False, True])
def test_four_processes_load_a_hot_key_once(
    clustered: bool, redis_url: str, redis_cluster_urls: list[str], tmp_path: Path
) -> None:
    url = redis_cluster_urls[0] if clustered else redis_url
    assert sum(together(count_loads, [(url, clustered, str(tmp_path), 4)] * 4)) == 1


@pytest.mark.parametrize("clustered", [False, True])
def test_each_of_two_processes_hears_one_invalidation_and_reads_the_new_value(
    clustered: bool, redis_url: str, redis_cluster_urls: list[str], tmp_path: Path
) -> None:
    url = redis_cluster_urls[0] if clustered else redis_url
    for heard in together(hear_invalidation, [(url, clustered, str(tmp_path), 2)] * 2):
        assert heard == [1, 2, [PROFILE.key("shared")]]


async def test_absence_is_remembered_for_a_short_time(redis_url: str) -> None:
    database, clock = Database(None), Clock()
    async with opened(redis_url) as store:
        cache = TieredCache(store, store, clock=clock)
        assert (await cache.get(PROFILE, "none", database.load)).value is None
        assert (await cache.get(PROFILE, "none", database.load)).tier is Tier.MEMORY
        assert database.loads == 1
        clock.now += PROFILE.negative_seconds
        database.value = "there now"
        assert (await cache.get(PROFILE, "none", database.load)).value == "there now"


async def test_memory_asks_redis_again_within_half_a_minute(redis_url: str) -> None:
    clock = Clock()
    async with opened(redis_url) as store:
        cache = TieredCache(store, store, clock=clock)
        await cache.get(PROFILE, "1", Database().load)
        clock.now += 4.9
        assert (await cache.get(PROFILE, "1", Database().load)).tier is Tier.MEMORY
        clock.now += 25.2
        assert (await cache.get(PROFILE, "1", Database().load)).tier is Tier.REDIS


async def test_a_value_is_stale_when_the_database_is_down_until_it_dies(redis_url: str) -> None:
    database, clock, heard = Database(), Clock(), Heard()
    async with opened(redis_url) as store:
        cache = TieredCache(store, store, heard, clock=clock)
        await cache.get(PROFILE, "1", database.load)
        database.is_down = True
        clock.now += PROFILE.fresh_seconds
        answer = await cache.get(PROFILE, "1", database.load)
        assert answer == Cached("value", Tier.STALE)
        assert answer.is_stale
        # A database that is down is not asked by every request.
        for _ in range(20):
            assert (await cache.get(PROFILE, "1", database.load)).tier is Tier.STALE
        assert database.loads == 2
        clock.now += tiers.STALE_RETRY_SECONDS
        assert (await cache.get(PROFILE, "1", database.load)).tier is Tier.STALE
        assert database.loads == 3
        clock.now += PROFILE.stale_seconds
        with pytest.raises(ConnectionRefusedError):
            await cache.get(PROFILE, "1", database.load)
        database.is_down = False
        assert (await cache.get(PROFILE, "1", database.load)).tier is Tier.LOADER
    assert heard.failures["load ConnectionRefusedError"] == 3


async def test_a_kind_with_a_fallback_never_fails(redis_url: str) -> None:
    gates: Kind[dict[str, str]] = Kind(name="gates", fresh_seconds=300, decode=dict, fallback={"tier": "free"})
    database = Database()
    database.is_down = True
    async with caching(redis_url) as cache:
        assert await cache.get(gates, "1", database.load) == Cached({"tier": "free"}, Tier.FALLBACK)
        many = await cache.get_many(gates, ["1", "2"], database.load_many)
        assert {answer.tier for answer in many.values()} == {Tier.FALLBACK}
        database.is_down, database.value = False, {"tier": "plus"}
        assert (await cache.get(gates, "1", database.load)).value == {"tier": "plus"}


async def test_a_hot_value_is_renewed_before_its_end_while_readers_get_the_old_one(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, clock = Database("old", seconds=0.01), Clock()
    async with opened(redis_url) as store:
        cache = TieredCache(store, store, clock=clock)
        await cache.get(PROFILE, "1", database.load)
        database.value = "new"
        monkeypatch.setattr("app.cache.envelope.Envelope.is_due", lambda *_: True)
        assert await cache.get(PROFILE, "1", database.load) == Cached("old", Tier.MEMORY)
        monkeypatch.undo()
        await asyncio.gather(*cache._tasks)
        assert await cache.get(PROFILE, "1", database.load) == Cached("new", Tier.MEMORY)


async def test_while_one_process_renews_the_others_serve_what_is_there(redis_url: str) -> None:
    slow, quick, clock = Database("new", seconds=0.3), Database("new"), Clock()
    async with opened(redis_url) as store:
        one, other = TieredCache(store, store, clock=clock), TieredCache(store, store, clock=clock)
        await one.get(PROFILE, "1", Database("old").load)
        clock.now += PROFILE.fresh_seconds
        renewing = asyncio.create_task(one.get(PROFILE, "1", slow.load))
        await asyncio.sleep(0.1)
        assert await other.get(PROFILE, "1", quick.load) == Cached("old", Tier.STALE)
        assert (await renewing).value == "new"
    assert quick.loads == 0


async def test_who_waits_for_a_load_that_never_ends_loads_itself(redis_url: str) -> None:
    database = Database()
    async with caching(redis_url) as cache, opened(redis_url) as store:
        await store.run([leases.take(PROFILE.key("1"), "of a process that died")])
        assert await cache.get(PROFILE, "1", database.load) == Cached("value", Tier.LOADER)


async def test_a_load_that_began_before_an_invalidation_is_stored_nowhere(redis_url: str) -> None:
    database = Database("old", seconds=0.2)
    async with caching(redis_url) as cache, caching(redis_url) as other:
        began_before = asyncio.create_task(cache.get(PROFILE, "1", database.load))
        await asyncio.sleep(0.05)
        database.value = "new"
        assert await other.invalidate(PROFILE, "1")
        cache._forget([PROFILE.key("1")])
        assert (await cache.get(PROFILE, "1", database.load)).value == "new"
        assert (await began_before).value == "old"
        assert (await cache.get(PROFILE, "1", database.load)).value == "new"
        assert await other.get(PROFILE, "1", database.load) == Cached("new", Tier.REDIS)


async def test_a_copy_of_redis_that_lags_does_not_bring_an_old_value_back(redis_url: str) -> None:
    async with caching(redis_url) as cache, opened(redis_url) as store:
        await cache.get(PROFILE, "1", Database("old").load)
        [old] = await store.run([command("GET", PROFILE.key("1"))])
        await cache.invalidate(PROFILE, "1")
        await store.run([command("SET", PROFILE.key("1"), old)])
        assert (await cache.get(PROFILE, "1", Database("new").load)).value == "new"


async def test_many_are_read_in_one_round_trip_and_the_missing_loaded_at_once(redis_url: str) -> None:
    database, heard = Database(), Heard()
    identifiers = [f"{index}" for index in range(98)] + ["none", "no"]
    async with caching(redis_url, heard) as cache, caching(redis_url) as other:
        await other.get_many(PROFILE, identifiers[:50], database.load_many)
        answers = await cache.get_many(PROFILE, [*identifiers, "0"], database.load_many)
        assert answers["3"] == Cached("value 3", Tier.REDIS)
        assert answers["97"] == Cached("value 97", Tier.LOADER)
        assert answers["none"] == Cached(None, Tier.LOADER)
        assert len(answers) == 100
        again = await cache.get_many(PROFILE, identifiers, database.load_many)
        assert {answer.tier for answer in again.values()} == {Tier.MEMORY}
    assert database.loads == 2
    assert heard.tiers == {"L2": 50, "DB": 50, "L1": 100}


async def test_many_are_stale_when_the_database_is_down(redis_url: str) -> None:
    database, clock = Database(), Clock()
    async with opened(redis_url) as store:
        cache = TieredCache(store, store, clock=clock)
        await cache.get_many(PROFILE, ["1", "2"], database.load_many)
        clock.now += PROFILE.fresh_seconds
        database.is_down = True
        answers = await cache.get_many(PROFILE, ["1", "2"], database.load_many)
        assert {answer.tier for answer in answers.values()} == {Tier.STALE}
        with pytest.raises(ConnectionRefusedError):
            await cache.get_many(PROFILE, ["1", "3"], database.load_many)


@pytest.mark.parametrize("clustered", [False, True])
async def test_a_deployment_warms_the_ten_thousand_most_active_users(
    clustered: bool, redis_url: str, redis_cluster_urls: list[str]
) -> None:
    url = redis_cluster_urls[0] if clustered else redis_url
    database = Database()
    async with opened(url, clustered=clustered, budget_seconds=5) as store:
        cache = TieredCache(store, store, lru=Lru(entries=0))
        users = [str(index) for index in range(10_000)]
        assert await cache.warm(PROFILE, users, database.load_many) == 10_000
        assert database.loads == 20
        assert await cache.warm(PROFILE, users, database.load_many) == 10_000
        assert database.loads == 20
        assert (await cache.get(PROFILE, "9999", database.load)).tier is Tier.REDIS


async def test_at_most_eight_loads_run_at_once(redis_url: str) -> None:
    running = most = 0

    async def load() -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1
        return 1

    async with caching(redis_url) as cache:
        await asyncio.gather(*(cache.get(PROFILE, str(index), load) for index in range(100)))
    assert most == tiers.CONCURRENT_LOADS


@pytest.mark.parametrize("identifier", ["1", "", "}", "a}b{c", "{x}", "é"])
async def test_value_and_lease_share_a_slot_and_work_in_a_cluster(
    identifier: str, redis_cluster_urls: list[str]
) -> None:
    key = PROFILE.key(identifier)
    assert key_slot(key.encode()) == key_slot(leases._lease(key).encode())
    async with caching(redis_cluster_urls[1], clustered=True) as cache:
        assert (await cache.get(PROFILE, identifier, Database().load)).tier is Tier.LOADER
        assert await cache.invalidate(PROFILE, identifier)
        assert (await cache.get(PROFILE, identifier, Database().load)).tier is Tier.LOADER
