"""How late the event loop is: what every request of the process waits for when something blocks it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from app.ops.metrics import Histogram

INTERVAL_SECONDS = 0.25
STORE_SECONDS = 5.0
"""How old another process's numbers may be in a scrape."""

lag = Histogram(
    "event_loop_lag_seconds",
    "How much later than asked for the loop woke a sleeper.",
    bounds=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
)


@asynccontextmanager
async def watched(store: Callable[[], None] | None = None) -> AsyncIterator[None]:
    """Measure in the background; call `store` every `STORE_SECONDS` and at the end."""
    task = asyncio.create_task(_watch(store))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if store:
            store()


async def _watch(store: Callable[[], None] | None) -> None:
    loop = asyncio.get_running_loop()
    stored = loop.time()
    while True:
        due = loop.time() + INTERVAL_SECONDS
        await asyncio.sleep(INTERVAL_SECONDS)
        lag.observe(max(0.0, loop.time() - due))
        if store and loop.time() - stored >= STORE_SECONDS:
            store()
            stored = loop.time()
