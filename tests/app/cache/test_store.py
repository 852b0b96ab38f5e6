"""Commands of many requests that go to Redis together."""

from __future__ import annotations

import asyncio
import time

import pytest
from redis import Redis

from app.cache.store import CONNECTIONS, LOST, Script, call, command
from tests.app.stores import Heard, opened

pytestmark = pytest.mark.anyio

SLOW = Script("local t = redis.call('TIME')[1] repeat until redis.call('TIME')[1] - t >= 2 return 1")


def reads(redis: Redis) -> int:
    """Of the server: how often it read from a connection."""
    found: int = redis.info("stats")["total_reads_processed"]
    return found


async def test_what_is_asked_at_the_same_time_goes_in_one_round_trip_and_everybody_gets_their_own(
    redis_url: str,
) -> None:
    async with opened(redis_url) as store:
        await store.run([command("SET", f"k{index}", index) for index in range(100)])
        with Redis.from_url(redis_url) as watching:
            before = reads(watching)
            replies = await asyncio.gather(
                *(store.run([command("GET", f"k{index}"), command("GET", "none")]) for index in range(100))
            )
            after = reads(watching)

    assert replies == [[b"%d" % index, None] for index in range(100)]
    # One of them is the question itself.
    assert after - before <= 2


async def test_a_question_goes_with_what_is_asked_before_its_reply_is_wanted(redis_url: str) -> None:
    async with opened(redis_url) as store:
        await store.run([command("SET", "a", "1"), command("SET", "b", "2")])
        with Redis.from_url(redis_url) as watching:
            before = reads(watching)
            early = store.ask(command("GET", "a"))
            late = await store.run([command("GET", "b")])
            found = [await early, late]
            after = reads(watching)

    assert (found, after - before) == ([[b"1"], [b"2"]], 2)


async def test_who_gives_up_takes_nobody_along(redis_url: str) -> None:
    async with opened(redis_url) as store:
        await store.run([command("SET", "a", "1")])
        waiting = [asyncio.create_task(store.run([command("GET", "a")])) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[1].cancel()
        replies = await asyncio.gather(*waiting, return_exceptions=True)

    assert replies[0] == replies[2] == [b"1"]
    assert isinstance(replies[1], asyncio.CancelledError)


@pytest.mark.parametrize("anyio_backend", [("asyncio", {"use_uvloop": loop}) for loop in (False, True)])
async def test_what_came_while_this_process_stalled_is_not_lost(redis_url: str, anyio_backend: object) -> None:
    assert anyio_backend
    heard = Heard()
    async with opened(redis_url, heard, budget_seconds=0.2) as store:
        for _ in range(5):
            asked = store.ask(command("BLPOP", "none", "0.1"))
            await asyncio.sleep(0.05)
            time.sleep(0.3)  # noqa: ASYNC251 as a process without processor time does
            assert await asked == [None]
    assert not heard.failures


async def test_whoever_waits_at_the_end_hears_that_there_is_no_reply(redis_url: str) -> None:
    async with opened(redis_url, budget_seconds=30) as store:
        waiting = [asyncio.create_task(store.run([call(SLOW, ["a"])])) for _ in range(3)]
        await asyncio.sleep(0.1)

    assert await asyncio.gather(*waiting) == [[LOST]] * 3


async def test_while_all_connections_are_busy_the_rest_gathers_for_no_longer_than_the_budget(redis_url: str) -> None:
    heard = Heard()
    async with opened(redis_url, heard, budget_seconds=0.3) as store:
        busy = []
        for _ in range(CONNECTIONS):
            busy.append(asyncio.create_task(store.run([call(SLOW, ["a"])])))
            await asyncio.sleep(0.01)
        begin = asyncio.get_running_loop().time()
        replies = await asyncio.gather(*(store.run([command("GET", "a")]) for _ in range(50)))
        seconds = asyncio.get_running_loop().time() - begin
        await asyncio.gather(*busy)

    assert replies == [[LOST]] * 50
    assert seconds < 2
    # Those that hold a connection, and the one batch of all others.
    assert heard.failures.total() == CONNECTIONS + 1
