"""What this process hears of Redis: one subscription a topic, however many sockets want it."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import structlog
from redis.asyncio.client import PubSub
from redis.exceptions import ConnectionError as RedisConnectionError

from app.cache.events import Events
from app.cache.store import FAILURES, Store
from app.realtime import measures
from app.realtime.publisher import LINKS, channel, link_of

Deliver = Callable[[str, str, float], Awaitable[None]]
"""Takes topic, text, and when it was published (seconds since 1970)."""
CONFIRM_SECONDS = 2.0
POLL_SECONDS = 5.0
"""Without a sound for so long Redis is asked whether it is there; twice, and the connection counts as lost."""
_RETRY_SECONDS = (0.2, 1.0)
_BATCH = 500
_log = structlog.get_logger()


class Bus:
    """Listens by a connection a link. Works the same on one Redis and on a cluster."""

    def __init__(
        self, store: Store, deliver: Deliver, on_gap: Callable[[str], None], events: Events | None = None
    ) -> None:
        """Prepare.

        Args:
            store: where everybody publishes.
            deliver: gets each message; a topic's messages in order, the next one when it returns.
            on_gap: told a topic that was not heard for a while.
            events: hears of failures.
        """
        self._links = [_Link(number, store, deliver, on_gap, events or Events()) for number in range(LINKS)]
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Listen from now on."""
        self._tasks = [
            asyncio.create_task(link.listen(), name=f"realtime-link-{number}")
            for number, link in enumerate(self._links)
        ]

    async def close(self) -> None:
        """Stop listening."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def add(self, topic: str) -> bool:
        """Hear a topic.

        Returns:
            Whether Redis confirmed it; if not, the gap is told as soon as it does.
        """
        return await self._links[link_of(topic)].add(topic)

    async def remove(self, topic: str) -> None:
        """Hear it no more."""
        await self._links[link_of(topic)].remove(topic)


class _Link:
    """One connection, and the topics whose channels share its slot."""

    def __init__(
        self, number: int, store: Store, deliver: Deliver, on_gap: Callable[[str], None], events: Events
    ) -> None:
        self._number, self._store, self._events = number, store, events
        self._deliver, self._on_gap = deliver, on_gap
        self._topics: set[str] = set()
        self._confirmed: set[str] = set()
        self._asked: set[str] = set()
        self._leaving: Counter[str] = Counter()
        # Somebody believes to hear these since before the next confirmation.
        self._missed: set[str] = set()
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._subscriber: PubSub | None = None
        # Commands in the order of the calls: a topic that is left and joined again must end up joined.
        self._lock = asyncio.Lock()

    async def add(self, topic: str) -> bool:
        if topic in self._confirmed:
            return True
        waiting = self._waiting.get(topic)
        if waiting is None:
            waiting = self._waiting[topic] = asyncio.get_running_loop().create_future()
            if topic not in self._topics:
                self._topics.add(topic)
                measures.topics.add(1)
            async with self._lock:
                # Also for those who wait for the lock: when many clients come at once, a command takes many of them.
                await self._ask(list(self._waiting))
        try:
            async with asyncio.timeout(CONFIRM_SECONDS):
                await asyncio.shield(waiting)
        except TimeoutError:
            if topic in self._topics:
                self._missed.add(topic)
            return False
        return True

    async def remove(self, topic: str) -> None:
        if topic not in self._topics:
            return
        self._topics.discard(topic)
        self._confirmed.discard(topic)
        self._missed.discard(topic)
        self._waiting.pop(topic, None)
        measures.topics.add(-1)
        async with self._lock:
            if self._subscriber is not None and topic in self._asked:
                self._asked.discard(topic)
                self._leaving[topic] += 1
                with suppress(*FAILURES):
                    await self._subscriber.sunsubscribe(self._channel(topic))

    async def listen(self) -> None:
        while True:
            try:
                async with self._store.subscription(self._channel("")) as subscriber:
                    async with self._lock:
                        self._asked.clear()
                        self._leaving.clear()
                        self._subscriber = subscriber
                        await self._ask(list(self._topics))
                    await self._read(subscriber)
            except FAILURES as error:
                self._events.failed("subscription", type(error).__name__)
            except Exception:  # noqa: BLE001 what cannot be read must not end the listening
                _log.exception("subscription_failed")
            finally:
                self._subscriber = None
                self._missed |= self._confirmed
                self._confirmed.clear()
            await asyncio.sleep(random.uniform(*_RETRY_SECONDS))  # noqa: S311 spreads load, keeps no secret

    async def _ask(self, topics: list[str]) -> None:
        """Subscribe to those that this connection has not; one slot has them all, so a command takes many."""
        if self._subscriber is None:
            return
        missing = [topic for topic in topics if topic not in self._asked]
        self._asked.update(missing)
        for start in range(0, len(missing), _BATCH):
            # The reader finds out that the connection is lost, and begins anew with all topics.
            with suppress(*FAILURES):
                await self._subscriber.ssubscribe(*map(self._channel, missing[start : start + _BATCH]))

    async def _read(self, subscriber: PubSub) -> None:
        is_quiet = False
        while True:
            message = await subscriber.get_message(timeout=POLL_SECONDS)
            if message is not None:
                is_quiet = False
                await self._hear(message)
            elif is_quiet:
                msg = "the connection is silent"
                raise RedisConnectionError(msg)
            else:
                is_quiet = True
                async with self._lock:
                    await subscriber.ping()

    async def _hear(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "pong":
            return
        topic = message["channel"].decode().split(":", 2)[2]
        if kind == "smessage":
            published, _, text = message["data"].decode().partition("\n")
            await self._deliver(topic, text, float(published))
        elif kind == "ssubscribe" and topic in self._topics:
            self._confirmed.add(topic)
            waiting = self._waiting.pop(topic, None)
            if waiting is not None and not waiting.done():
                waiting.set_result(None)
            if topic in self._missed:
                self._missed.discard(topic)
                measures.gaps.add(1)
                self._on_gap(topic)
        elif kind == "sunsubscribe":
            if not self._leaving[topic]:
                msg = "the channel's slot moved to another node"
                raise RedisConnectionError(msg)
            self._leaving[topic] -= 1
            if not self._leaving[topic]:
                del self._leaving[topic]
            if topic in self._confirmed:
                # Left and joined again at once: what was confirmed was the subscription that ends here.
                self._confirmed.discard(topic)
                self._missed.add(topic)

    def _channel(self, topic: str) -> str:
        return channel(self._number, topic)
