"""Stores and caches on real servers, opened and closed by tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.cache.events import Events
from app.cache.store import Access, Store
from app.cache.tiers import TieredCache


class Heard(Events):
    """Counts what is told."""

    def __init__(self) -> None:
        self.tiers: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.circuits: list[tuple[str, bool]] = []

    def looked_up(self, kind: str, tier: str) -> None:
        del kind
        self.tiers[tier] += 1

    def limited(self, policy: str, outcome: str) -> None:
        del policy
        self.outcomes[outcome] += 1

    def failed(self, operation: str, error: str) -> None:
        self.failures[f"{operation} {error}"] += 1

    def circuit(self, node: str, *, is_open: bool) -> None:
        self.circuits.append((node, is_open))


@asynccontextmanager
async def opened(
    url: str, events: Events | None = None, *, clustered: bool = False, budget_seconds: float = 0.1
) -> AsyncIterator[Store]:
    """A store, closed afterwards."""
    store = Store(Access(url=url, clustered=clustered), events, budget_seconds)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def caching(
    url: str,
    events: Events | None = None,
    *,
    clustered: bool = False,
    listening: bool = False,
    budget_seconds: float = 0.1,
) -> AsyncIterator[TieredCache]:
    """A cache on a store of its own, which hears of invalidations if `listening`."""
    async with opened(url, events, clustered=clustered, budget_seconds=budget_seconds) as store:
        cache = TieredCache(store, store, events)
        if listening:
            cache.start()
        try:
            yield cache
        finally:
            await cache.close()
