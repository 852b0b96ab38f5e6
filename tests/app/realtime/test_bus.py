"""Subscriptions of one process, on a Redis that hangs, and left and taken up at once."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable

import pytest

from app.cache.store import Store, command
from app.realtime import bus
from app.realtime.bus import Bus
from app.realtime.frames import WsMessage
from app.realtime.publisher import LINKS, Publisher, channel, link_of
from tests.app.servers import Redis
from tests.app.stores import opened

pytestmark = pytest.mark.anyio
HELLO = WsMessage(type="hello")


class Heard:
    """What a bus tells."""

    def __init__(self) -> None:
        self.texts: list[tuple[str, str]] = []
        self.gaps: list[str] = []

    async def deliver(self, topic: str, text: str, published: float) -> None:
        assert published > 0
        self.texts.append((topic, text))


@contextlib.asynccontextmanager
async def listening(store: Store, heard: Heard) -> AsyncIterator[Bus]:
    made = Bus(store, heard.deliver, heard.gaps.append)
    made.start()
    try:
        yield made
    finally:
        await made.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not condition():  # noqa: ASYNC110 it is another's state
            await asyncio.sleep(0.02)


def test_topics_are_spread_over_all_links() -> None:
    found = [link_of(f"user:{number}") for number in range(16_000)]
    assert min(found.count(link) for link in range(LINKS)) > 800


async def test_a_redis_that_hangs_is_noticed_and_the_gap_is_told(
    redis_server: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus, "POLL_SECONDS", 0.3)
    heard = Heard()
    async with opened(redis_server.url, budget_seconds=1) as store, listening(store, heard) as made:
        assert await made.add("topic")
        assert redis_server.process is not None
        redis_server.process.send_signal(signal.SIGSTOP)
        await until(lambda: made._links[link_of("topic")]._subscriber is None)
        redis_server.process.send_signal(signal.SIGCONT)
        await until(lambda: heard.gaps == ["topic"])
        await until(lambda: store.is_up)
        assert await Publisher(store).publish("topic", HELLO)
        await until(lambda: heard.texts == [("topic", HELLO.text())])


async def test_without_redis_nothing_is_heard_and_then_a_gap_is_told(redis_server: Redis) -> None:
    redis_server.kill()
    heard = Heard()
    async with opened(redis_server.url, budget_seconds=1) as store, listening(store, heard) as made:
        assert not await made.add("topic")
        redis_server.start()
        await until(lambda: heard.gaps == ["topic"])


async def test_a_message_that_redis_did_not_take_is_a_gap_too(redis_server: Redis) -> None:
    heard = Heard()
    async with opened(redis_server.url) as store, listening(store, heard) as made:
        assert await made.add("topic")
        publisher = Publisher(store)
        assert redis_server.process is not None
        redis_server.process.send_signal(signal.SIGSTOP)
        assert not await publisher.publish("topic", HELLO)
        redis_server.process.send_signal(signal.SIGCONT)
        while not await publisher.publish("other", HELLO):  # noqa: ASYNC110 as above
            await asyncio.sleep(0.1)
        await until(lambda: any('"gap"' in text for _, text in heard.texts))
        await until(lambda: not publisher._owed)


async def test_what_cannot_be_read_does_not_end_the_listening(redis_url: str) -> None:
    heard = Heard()
    async with opened(redis_url, budget_seconds=1) as store, listening(store, heard) as made:
        assert await made.add("topic")
        await store.run([command("SPUBLISH", channel(link_of("topic"), "topic"), b"\xff")])
        await until(lambda: heard.gaps == ["topic"])
        await Publisher(store).publish("topic", HELLO)
        await until(lambda: len(heard.texts) == 1)


async def test_what_is_left_and_joined_again_at_once_is_heard_once(redis_url: str) -> None:
    heard = Heard()
    async with opened(redis_url, budget_seconds=1) as store, listening(store, heard) as made:
        publisher = Publisher(store)
        for _ in range(20):
            await asyncio.gather(made.add("topic"), made.add("topic"), made.remove("topic"), made.add("topic"))
        await until(lambda: "topic" in made._links[link_of("topic")]._confirmed)
        await asyncio.sleep(0.3)
        await publisher.publish("topic", HELLO)
        await until(lambda: heard.texts == [("topic", HELLO.text())])
        await made.remove("topic")
        await asyncio.sleep(0.3)
        await publisher.publish("topic", HELLO)
        await asyncio.sleep(0.3)
        assert len(heard.texts) == 1
