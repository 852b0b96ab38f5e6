"""Several processes, a Redis that dies, a cluster, and processes that stop."""

from __future__ import annotations

import asyncio
import contextlib
import time
from contextlib import AsyncExitStack

import pytest
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.app.realtime.conftest import NewNode
from tests.app.realtime.world import People, Tab, tab
from tests.app.servers import Redis, wait_until

pytestmark = pytest.mark.anyio


async def test_a_message_reaches_the_tabs_of_all_processes_once(new_node: NewNode, people: People) -> None:
    person = await people.new()
    here, there = new_node(), new_node()
    async with tab(here, person) as one, tab(there, person) as other, tab(there, person) as third:
        for page in (one, other, third):
            await page.ask("join", room=person.room)
        message_id = await one.say(person.room, "hello")
        for page in (other, third):
            assert await page.copies() == [str(message_id)]
        assert there.metric("ws_topics") == 3  # two sockets of one user in one room, and the sessions that end
    wait_until(lambda: here.metric("ws_topics") == there.metric("ws_topics") == 1, "channels are left")
    assert there.metric("ws_delivery_seconds_count") >= 2


async def test_on_a_cluster_it_is_the_same(new_node: NewNode, people: People, redis_cluster_urls: list[str]) -> None:
    nodes = [new_node(redis_url=url, clustered=True) for url in redis_cluster_urls[:2]]
    users = [await people.new() for _ in range(4)]
    async with AsyncExitStack() as stack:
        # Enough rooms that each node of the cluster has some.
        pages = [[await stack.enter_async_context(tab(node, user)) for node in nodes] for user in users]
        for user, (one, other) in zip(users, pages, strict=True):
            assert (await one.ask("join", room=user.room))["data"]["is_live"]
            joined = await other.ask("join", room=user.room)
            assert joined["data"] == {
                "room": str(user.room), "is_live": True, "is_complete": True, "users": [str(user.user_id)]
            }  # fmt: skip
            message_id = await one.say(user.room, "hello")
            assert await other.copies() == [str(message_id)]


async def test_sockets_survive_the_death_of_redis_and_hear_again_after_it(
    new_node: NewNode, people: People, redis_server: Redis
) -> None:
    person = await people.new()
    here, there = new_node(redis_url=redis_server.url), new_node(redis_url=redis_server.url)
    async with tab(here, person) as one, tab(there, person) as other:
        await one.ask("join", room=person.room)
        await other.ask("join", room=person.room)
        first = await one.say(person.room, "before")
        await other.until("message")
        redis_server.kill()
        await asyncio.sleep(0.5)
        lost = await one.say(person.room, "meanwhile")
        assert (await other.ask("ping"))["type"] == "pong"
        redis_server.start()
        begin = time.monotonic()
        topics = {(await other.until("gap"))["data"]["topic"] for _ in range(2)}
        print(f"told of the gap {time.monotonic() - begin:.1f} s after Redis was back")  # noqa: T201 a measurement
        assert topics == {f"room:{person.room}", f"user:{person.user_id}"}
        await other.send("join", "again", room=person.room, after=first)
        assert (await other.until("message"))["id"] == str(lost)
        # Every connection has to be back, also the publisher's.
        async with asyncio.timeout(10):
            while True:
                message_id = await one.say(person.room, "after")
                if str(message_id) in {message["id"] for message in await other.all("message")}:
                    break


async def test_a_process_that_stops_sends_its_sockets_away_little_by_little(new_node: NewNode, people: People) -> None:
    person, others = await people.new(), [await people.new() for _ in range(3)]
    here, there = new_node(drain_seconds=2, capacity=200), new_node()
    async with AsyncExitStack() as stack:
        writer = await stack.enter_async_context(tab(there, person))
        page = await stack.enter_async_context(tab(here, person))
        await page.ask("join", room=person.room)
        last = await writer.say(person.room, "last")
        assert (await page.until("message"))["id"] == str(last)
        crowd = [await stack.enter_async_context(tab(here, user)) for user in others for _ in range(15)]
        here.stop()
        said: list[str] = []
        ends = await asyncio.gather(*(_away(one) for one in [page, *crowd]), _talk(writer, person.room, said))
        codes, hints, times = zip(*[end for end in ends if end is not None], strict=True)
        assert set(codes) == {(1012, "restart")}
        assert len({hint for hint in hints if hint >= 0}) > 5
        assert max(times) - min(times) > 0.1
        async with tab(there, person) as again:
            await again.send("join", "again", room=person.room, after=last)
            assert [(await again.until("message"))["id"] for _ in said] == said
    assert await asyncio.to_thread(here.process.wait, 20) in {0, -15}
    assert "failed" not in here.log


async def test_a_process_that_stops_takes_no_new_sockets(new_node: NewNode, people: People) -> None:
    person = await people.new()
    here = new_node(drain_seconds=3)
    async with tab(here, person) as page:
        here.stop()
        assert (await page.end())[0] == 1012
    # It may stop while it is asked.
    with pytest.raises((InvalidHandshake, OSError)):
        async with tab(here, person):
            pass
    assert await asyncio.to_thread(here.process.wait, 20) in {0, -15}


async def _away(page: Tab) -> tuple[tuple[int, str], int, float]:
    hint = -1
    with contextlib.suppress(ConnectionClosed):
        hint = (await page.until("reconnect"))["data"]["after_ms"]
    return await page.end(), hint, time.monotonic()


async def _talk(writer: Tab, room: object, said: list[str]) -> None:
    for number in range(5):
        said.append(str(await writer.say(room, f"meanwhile {number}")))  # type: ignore[arg-type]
        await asyncio.sleep(0.05)
