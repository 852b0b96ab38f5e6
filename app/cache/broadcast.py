"""Tells every process, of every pod and region, which keys are no longer true."""

from __future__ import annotations

import asyncio
import random
import zlib
from collections.abc import Callable, Iterable, Sequence

import orjson
from redis.exceptions import ConnectionError as RedisConnectionError

from app.cache.events import Events
from app.cache.store import FAILURES, LOST, Store, command

CHANNELS = tuple(f"{{invalidate:{index}}}" for index in range(4))
"""Sharded, so that a cluster's nodes share the work: a classic message goes to every node, heard there or not."""
_POLL_SECONDS = 5.0
_RETRY_SECONDS = (0.2, 1.0)


def channel(key: str) -> str:
    """Where the end of a key is told."""
    return CHANNELS[zlib.crc32(key.encode()) % len(CHANNELS)]


class Broadcast:
    """Publishes, and listens on all channels by a connection each.

    Messages may be lost while a connection is; so each new one reports a gap, after which nothing that was learnt
    before may be trusted without asking.
    """

    def __init__(
        self,
        store: Store,
        on_keys: Callable[[Sequence[str]], None],
        on_gap: Callable[[], None],
        events: Events,
    ) -> None:
        """Prepare.

        Args:
            store: a region's own or another's: the one that is written to.
            on_keys: gets the keys of each message.
            on_gap: told when messages may have been missed.
            events: hears of failures.
        """
        self._store, self._on_keys, self._on_gap, self._events = store, on_keys, on_gap, events
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Listen from now on."""
        self._tasks = [asyncio.create_task(self._listen(name), name=f"broadcast-{name}") for name in CHANNELS]

    async def close(self) -> None:
        """Stop listening."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def publish(self, keys: Iterable[str]) -> bool:
        """Tell everybody.

        Returns:
            Whether Redis took every message.
        """
        groups: dict[str, list[str]] = {}
        for key in keys:
            groups.setdefault(channel(key), []).append(key)
        replies = await self._store.run(
            [command("SPUBLISH", name, orjson.dumps(group)) for name, group in groups.items()]
        )
        return LOST not in replies

    async def _listen(self, name: str) -> None:
        while True:
            try:
                async with self._store.subscription(name) as subscriber:
                    while True:
                        message = await subscriber.get_message(timeout=_POLL_SECONDS)
                        if message is not None:
                            self._hear(message["type"], message["data"])
            except FAILURES as error:
                self._events.failed("subscription", type(error).__name__)
            await asyncio.sleep(random.uniform(*_RETRY_SECONDS))  # noqa: S311 spreads load, keeps no secret

    def _hear(self, kind: str, data: bytes) -> None:
        if kind == "ssubscribe":
            self._on_gap()
        elif kind == "smessage":
            self._on_keys(orjson.loads(data))
        elif kind == "sunsubscribe":
            msg = "the channel's slot moved to another node"
            raise RedisConnectionError(msg)
