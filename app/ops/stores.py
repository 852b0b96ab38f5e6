"""Metrics of what keeps data: caches and limits as they tell, pools of connections as they are found every second."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.cache.events import Events
from app.data.database import Database
from app.ops.metrics import Counter, Gauge

INTERVAL_SECONDS = 1.0

lookups = Counter("cache_lookups_total", "Values by kind and the tier that answered.", ("kind", "tier"))
decisions = Counter("rate_limit_decisions_total", "Requests by policy and outcome.", ("policy", "outcome"))
failures = Counter("redis_failures_total", "What failed and was survived.", ("operation", "error"))
circuits = Gauge("redis_circuits_open", "Nodes that are left alone because they do not answer.")
connections = Gauge("database_pool_connections", "Connections to the poolers.", ("pool", "state"))
utilisation = Gauge("database_pool_utilisation_ratio", "Share of a pool's connections at work.", ("pool",))
reads = Counter("database_reads_total", "Reading transactions by who served or refused them.", ("server",))


class Measured(Events):
    """What cache and limiter tell, counted."""

    def looked_up(self, kind: str, tier: str) -> None:
        """A tier answered."""
        lookups.add(1, kind, tier)

    def limited(self, policy: str, outcome: str) -> None:
        """A request was decided."""
        decisions.add(1, policy, outcome)

    def failed(self, operation: str, error: str) -> None:
        """Something failed."""
        failures.add(1, operation, error)

    def circuit(self, node: str, *, is_open: bool) -> None:
        """A node is left alone, or asked again."""
        del node
        circuits.add(1 if is_open else -1)


@asynccontextmanager
async def watched(database: Database) -> AsyncIterator[None]:
    """Look at the pools every `INTERVAL_SECONDS`, in the background, and once more at the end."""
    task = asyncio.create_task(_watch(database))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _watch(database: Database) -> None:
    seen = {"replica": 0, "primary": 0, "refused": 0}
    try:
        while True:
            _look(database, seen)
            await asyncio.sleep(INTERVAL_SECONDS)
    finally:
        _look(database, seen)


def _look(database: Database, seen: dict[str, int]) -> None:
    for name, pool in (("writer", database.writers), ("reader", database.readers)):
        connections.set(pool.busy, name, "busy")
        connections.set(pool.open - pool.busy, name, "idle")
        utilisation.set(pool.utilisation, name)
    counters = database.counters
    now = {"replica": counters.replica_reads, "primary": counters.primary_reads, "refused": counters.refused_reads}
    for server, count in now.items():
        reads.add(count - seen[server], server)
    seen.update(now)
