"""Clients of the pooler: as the application is one, many at a time, and in processes of their own."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator
from uuid import uuid4

from app.data.database import Access, Database
from app.data.errors import UnavailableError, UncertainError
from app.data.pools import Endpoint, Limits
from app.data.replicas import Bookmark
from app.data.shards import Shards
from tests.app.data.conftest import shard_map
from tools.app.servers import APPLICATION, PASSWORD

PAUSE_SECONDS = 0.02


def endpoint(port: int) -> Endpoint:
    """The pooler's, for the pods' role."""
    return Endpoint(host="127.0.0.1", port=port, user=APPLICATION, password=PASSWORD)


@contextlib.asynccontextmanager
async def opened(
    port: int, database: str, *, connections: int = 8, wait_seconds: float = 5, recycle_seconds: float = 300
) -> AsyncIterator[Database]:
    """A `Database` behind the pooler at a port."""
    limits = Limits(
        connections=connections, wait_seconds=wait_seconds, idle_seconds=30, recycle_seconds=recycle_seconds
    )
    access = Access(writer=endpoint(port), reader=endpoint(port), limits=limits, name="headroom-pooled")
    async with Database(access, Shards(shard_map(database))) as found:
        yield found


async def write_and_read(database: Database, outcomes: Counter[str], seconds: float) -> None:
    """One user's transactions until the time is over: what became of each."""
    user = uuid4()
    end = time.monotonic() + seconds
    is_there = False
    while time.monotonic() < end:
        bookmark = Bookmark()
        try:
            async with database.writer(user, bookmark=bookmark) as writing:
                if not is_there:
                    await writing.execute("INSERT INTO users (id, email) VALUES ($1, $2)", user, f"{user}@example.com")
                await writing.execute("INSERT INTO leads (user_id, email) VALUES ($1, $2)", user, "a@example.com")
            is_there = True
            async with database.reader(user, after=bookmark) as reading:
                rows = await reading.fetch("SELECT id, user_id FROM leads ORDER BY created_at DESC LIMIT 20")
            if not rows:
                outcomes["own write unseen"] += 1
            if any(row["user_id"] != user for row in rows):
                outcomes["row of somebody else"] += 1
            outcomes["done"] += 1
        except (UnavailableError, UncertainError) as error:
            # The first insert may have been committed.
            user, is_there = uuid4(), False
            outcomes[type(error).__name__] += 1
            await asyncio.sleep(PAUSE_SECONDS)
        except Exception as error:  # noqa: BLE001 every kind is to be counted
            outcomes[f"{type(error).__name__}: {error}"] += 1
            await asyncio.sleep(PAUSE_SECONDS)


def run_clients(port: int, database: str, clients: int, seconds: float, recycle_seconds: float) -> Counter[str]:
    """Outcomes of `clients` in this process; each connection is renewed after `recycle_seconds`."""
    outcomes: Counter[str] = Counter()

    async def run() -> None:
        async with opened(port, database, recycle_seconds=recycle_seconds) as found:
            await asyncio.gather(*(write_and_read(found, outcomes, seconds) for _ in range(clients)))

    asyncio.run(run())
    return outcomes
