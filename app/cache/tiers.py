"""The cache itself: memory, Redis, loader, with what keeps the third from being overrun."""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar, cast

from app.cache import leases
from app.cache.answers import Cached, Load, LoadMany, Tier
from app.cache.broadcast import Broadcast
from app.cache.envelope import Envelope, encode
from app.cache.events import Events
from app.cache.kinds import Kind, Nothing
from app.cache.lru import Lru
from app.cache.store import LOST, Store, command
from app.cache.tombstones import Tombstones

T = TypeVar("T")

LOCAL_SECONDS = (5.0, 30.0)
"""In memory before Redis is asked again, drawn from this range: bounds what a lost invalidation can do."""
LOAD_SECONDS = 5.0
"""Of a load, waiting for its turn included; half of what a request has."""
CONCURRENT_LOADS = 8
"""A process: without Redis every read would be a load, and the database's connections are few."""
STALE_RETRY_SECONDS = 1.0
"""Between attempts at a loader that failed, while there is something stale to serve."""
_OTHERS_LOAD_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16)
"""Pauses while another process loads what nobody has; after them this one loads, too."""
_OWED = 10_000
_BATCH = 500


Found = tuple[Envelope | None, Tier]


class TieredCache:
    """Reads through three tiers.

    A fresh value in memory or Redis is the answer. Otherwise one reader of a process, and by a lease one of all
    processes, loads; others get what is there, stale, or wait shortly. Where the loader fails, the stale value is
    the answer up to its death, then the kind's fallback. Without Redis everything works, by memory and loader.
    """

    def __init__(
        self,
        reader: Store,
        writer: Store,
        events: Events | None = None,
        lru: Lru | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Prepare; `start` listens.

        Args:
            reader: the region's own Redis.
            writer: the one that takes writes: the same, or home's where the region's is a copy of it.
            events: hears which tier answered, and what failed.
            lru: the memory.
            clock: epoch seconds; pods' clocks agree to milliseconds, which these times can bear.
        """
        self._reader, self._writer = reader, writer
        self._events = events or Events()
        self._lru = lru if lru is not None else Lru()
        self._clock = clock
        self._broadcast = Broadcast(writer, self._forget, self._lru.expire_all, self._events)
        self._flights: dict[str, asyncio.Task[Found]] = {}
        self._tasks: set[asyncio.Task[Found]] = set()
        self._tombstones = Tombstones(clock)
        self._owed: set[str] = set()
        self._loads = asyncio.Semaphore(CONCURRENT_LOADS)
        self._settling: asyncio.Task[None] | None = None
        writer.on_recovery(self._settle)

    def start(self) -> None:
        """Hear of invalidations."""
        self._broadcast.start()

    async def close(self) -> None:
        """Stop hearing, and end what runs in the background. The stores stay open."""
        await self._broadcast.close()
        tasks = [*self._tasks, *([self._settling] if self._settling else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def get(self, kind: Kind[T], identifier: str, load: Load[T]) -> Cached[T]:
        """A value.

        Args:
            kind: what it is.
            identifier: which one.
            load: asks the database; None means that there is none.

        Raises:
            Exception: the loader's own, when there is neither a stale value nor a fallback.
        """
        key = kind.key(identifier)
        now = self._clock()
        entry = self._lru.get(key)
        if entry is not None and self._lru.is_current(entry, now):
            envelope = entry.envelope
            if now >= envelope.fresh_until:
                return self._answer(kind, envelope, Tier.STALE)
            if envelope.is_due(now, random.random):
                self._flight(key, lambda: self._renew(kind, key, load, envelope))
            return self._answer(kind, envelope, Tier.MEMORY)
        # Shielded: a caller that gives up must not take the load from those who wait for it, too.
        found, tier = await asyncio.shield(self._flight(key, lambda: self._fetch(kind, key, load)))
        return self._answer(kind, found, tier)

    async def get_many(self, kind: Kind[T], identifiers: Sequence[str], load: LoadMany[T]) -> dict[str, Cached[T]]:
        """Values of one kind: one round trip to Redis for all, one load for all that are missing.

        Args:
            kind: what they are.
            identifiers: which ones.
            load: asks the database for several; what it leaves out does not exist.

        Raises:
            Exception: the loader's own, when a value has neither a stale one nor a fallback.
        """
        answers: dict[str, Cached[T]] = {}
        now = self._clock()
        stale: dict[str, Envelope] = {}
        unknown: list[str] = []
        for identifier in dict.fromkeys(identifiers):
            entry = self._lru.get(kind.key(identifier))
            if entry is not None and self._lru.is_current(entry, now) and now < entry.envelope.fresh_until:
                answers[identifier] = self._answer(kind, entry.envelope, Tier.MEMORY)
                continue
            unknown.append(identifier)
            if entry is not None and now < entry.envelope.stale_until:
                stale[identifier] = entry.envelope
        replies = await self._reader.run([command("GET", kind.key(identifier)) for identifier in unknown])
        missing: list[str] = []
        for identifier, reply in zip(unknown, replies, strict=True):
            envelope = self._admitted(kind.key(identifier), reply)
            if envelope is not None and now < envelope.fresh_until:
                self._keep(kind.key(identifier), envelope)
                answers[identifier] = self._answer(kind, envelope, Tier.REDIS)
                continue
            missing.append(identifier)
            if envelope is not None:
                stale[identifier] = envelope
        for identifier, (found, tier) in (await self._load_many(kind, missing, load, stale)).items():
            answers[identifier] = self._answer(kind, found, tier)
        return answers

    async def warm(self, kind: Kind[T], identifiers: Sequence[str], load: LoadMany[T]) -> int:
        """Load values into Redis before anybody asks, such as those of the 10,000 most active users.

        Returns:
            How many are in Redis afterwards, those that were there before included.
        """
        done = 0
        for start in range(0, len(identifiers), _BATCH):
            batch = identifiers[start : start + _BATCH]
            replies = await self._reader.run([command("EXISTS", kind.key(identifier)) for identifier in batch])
            missing = [one for one, reply in zip(batch, replies, strict=True) if reply != 1]
            await self._load_many(kind, missing, load, {})
            replies = await self._reader.run([command("EXISTS", kind.key(identifier)) for identifier in batch])
            done += replies.count(1)
        return done

    async def invalidate(self, kind: Kind[Any], *identifiers: str) -> bool:
        """Forget values everywhere: call it after the commit that changed them.

        Returns:
            Whether Redis heard. If not, it is told as soon as it is back; until then other processes' memories
            serve the old value for up to 30 seconds.
        """
        keys = [kind.key(identifier) for identifier in identifiers]
        self._forget(keys)
        return await self._tell(keys)

    async def _tell(self, keys: Sequence[str]) -> bool:
        # First Redis, then the others: who is told too early would read the old value again.
        replies = await self._writer.run([leases.revoke(key) for key in keys])
        heard = LOST not in replies and await self._broadcast.publish(keys)
        if not heard:
            self._events.failed("invalidate", "Lost")
            self._owed.update(keys[: max(0, _OWED - len(self._owed))])
        return heard

    def _settle(self) -> None:
        """Redis is back: tell it what it missed."""
        if self._owed and (self._settling is None or self._settling.done()):
            self._settling = asyncio.create_task(self._settle_all(), name="cache-settle")

    async def _settle_all(self) -> None:
        while self._owed:
            keys = [self._owed.pop() for _ in range(min(_BATCH, len(self._owed)))]
            if not await self._tell(keys):
                return

    def _forget(self, keys: Sequence[str]) -> None:
        for key in keys:
            self._lru.remove(key)
            self._tombstones.bury(key)
            self._flights.pop(key, None)  # who asks from now on shall not join a load that began before

    def _admitted(self, key: str, reply: Any) -> Envelope | None:
        """A reply of Redis as a value, unless it is dead, unreadable or known to be outdated."""
        if not isinstance(reply, bytes):
            return None
        envelope = Envelope.unpack(reply)
        if (
            envelope is None
            or self._clock() >= envelope.stale_until
            or self._tombstones.refuse(key, envelope.loaded_at)
        ):
            return None
        return envelope

    def _keep(self, key: str, envelope: Envelope) -> None:
        if not self._tombstones.refuse(key, envelope.loaded_at):
            until = self._clock() + random.uniform(*LOCAL_SECONDS)  # noqa: S311 spreads load, keeps no secret
            self._lru.put(key, envelope, min(until, envelope.fresh_until))

    def _flight(self, key: str, start: Callable[[], Coroutine[Any, Any, Found]]) -> asyncio.Task[Found]:
        """The one task of this process that is after a key."""
        task = self._flights.get(key)
        if task is None:
            task = self._flights[key] = asyncio.create_task(start())
            self._tasks.add(task)
            task.add_done_callback(lambda done: self._landed(key, done))
        return task

    def _landed(self, key: str, task: asyncio.Task[Found]) -> None:
        self._tasks.discard(task)
        if self._flights.get(key) is task:
            del self._flights[key]
        if not task.cancelled():
            task.exception()  # whoever waits gets it; nobody need wait

    async def _fetch(self, kind: Kind[T], key: str, load: Load[T]) -> Found:
        """Beyond memory."""
        [reply] = await self._reader.run([command("GET", key)])
        envelope = self._admitted(key, reply)
        if envelope is not None and self._clock() < envelope.fresh_until:
            self._keep(key, envelope)
            return envelope, Tier.REDIS
        return await self._renew(kind, key, load, envelope or self._remembered(key))

    def _remembered(self, key: str) -> Envelope | None:
        """What memory has of a key, if it is not dead."""
        entry = self._lru.get(key)
        return entry.envelope if entry is not None and self._clock() < entry.envelope.stale_until else None

    async def _renew(self, kind: Kind[T], key: str, load: Load[T], current: Envelope | None) -> Found:
        """Load, if no other process does; `current` is what there is until then."""
        token = secrets.token_hex(8)
        [reply] = await self._writer.run([leases.take(key, token)])
        if reply == 0:
            if current is not None:
                return self._as_found(current)
            found = await self._await_other(key)
            if found is not None:
                return found, Tier.REDIS
        newer = self._newer(key, reply, current)
        if newer is not None:
            await self._writer.run([leases.release(key, token)])
            return newer, Tier.REDIS
        started = self._clock()
        try:
            value = await self._load(load)
        except Exception as error:
            self._events.failed("load", type(error).__name__)
            if reply is not LOST:
                await self._writer.run([leases.release(key, token)])
            if current is None and isinstance(kind.fallback, Nothing):
                raise
            return self._survive(key, current)
        envelope = self._seal(kind, value, started)
        if reply is not LOST:
            await self._writer.run([leases.fill(key, token, envelope)])
        self._keep(key, envelope)
        return envelope, Tier.LOADER

    async def _load_many(
        self, kind: Kind[T], identifiers: Sequence[str], load: LoadMany[T], stale: Mapping[str, Envelope]
    ) -> dict[str, Found]:
        if not identifiers:
            return {}
        token = secrets.token_hex(8)
        keys = {identifier: kind.key(identifier) for identifier in identifiers}
        replies = await self._writer.run([leases.take(key, token) for key in keys.values()])
        leased = [one for one, reply in zip(identifiers, replies, strict=True) if reply not in {0, LOST}]
        came = {one: self._newer(keys[one], reply, stale.get(one)) for one, reply in zip(keys, replies, strict=True)}
        answers: dict[str, Found] = {one: (envelope, Tier.REDIS) for one, envelope in came.items() if envelope}
        missing = [one for one in identifiers if one not in answers]
        started = self._clock()
        try:
            values = await self._load(lambda: load(missing)) if missing else {}
        except Exception as error:
            self._events.failed("load", type(error).__name__)
            await self._writer.run([leases.release(keys[one], token) for one in leased])
            if isinstance(kind.fallback, Nothing) and any(one not in stale for one in missing):
                raise
            return answers | {one: self._survive(keys[one], stale.get(one)) for one in missing}
        loaded = {one: self._seal(kind, values.get(one), started) for one in missing}
        await self._writer.run(
            [
                leases.fill(keys[one], token, loaded[one]) if one in loaded else leases.release(keys[one], token)
                for one in leased
            ]
        )
        for one, envelope in loaded.items():
            self._keep(keys[one], envelope)
        return answers | {one: (envelope, Tier.LOADER) for one, envelope in loaded.items()}

    def _newer(self, key: str, reply: Any, current: Envelope | None) -> Envelope | None:
        """What came with a lease, if it makes a load needless: fresh, and newer than what there was."""
        envelope = self._admitted(key, reply)
        if envelope is None or self._clock() >= envelope.fresh_until:
            return None
        if current is not None and envelope.loaded_at <= current.loaded_at:
            return None
        self._keep(key, envelope)
        return envelope

    async def _load(self, load: Callable[[], Awaitable[Any]]) -> Any:
        async with asyncio.timeout(LOAD_SECONDS), self._loads:
            return await load()

    async def _await_other(self, key: str) -> Envelope | None:
        for pause in _OTHERS_LOAD_SECONDS:
            await asyncio.sleep(pause)
            [reply] = await self._reader.run([command("GET", key)])
            envelope = self._admitted(key, reply)
            if envelope is not None:
                self._keep(key, envelope)
                return envelope
        return None

    def _survive(self, key: str, current: Envelope | None) -> Found:
        """Serve what there is, and leave the loader alone for a moment."""
        if current is None:
            return None, Tier.FALLBACK
        self._lru.put(key, current, min(self._clock() + STALE_RETRY_SECONDS, current.stale_until))
        return self._as_found(current)

    def _as_found(self, envelope: Envelope) -> tuple[Envelope, Tier]:
        return envelope, Tier.REDIS if self._clock() < envelope.fresh_until else Tier.STALE

    def _seal(self, kind: Kind[T], value: T | None, started: float) -> Envelope:
        """A loaded value with its times; up to a tenth earlier at random, so that what was loaded together parts."""
        fresh = kind.negative_seconds if value is None else kind.fresh_seconds
        fresh *= random.uniform(0.9, 1.0)  # noqa: S311 spreads load, keeps no secret
        stale = fresh if value is None else kind.stale_seconds
        return Envelope(encode(value), started + fresh, started + stale, started, self._clock() - started)

    def _answer(self, kind: Kind[T], envelope: Envelope | None, tier: Tier) -> Cached[T]:
        self._events.looked_up(kind.name, tier)
        if envelope is None:
            return Cached(cast("T", kind.fallback), tier)
        return Cached(envelope.value(kind.decode, is_shared=kind.is_shared), tier)
