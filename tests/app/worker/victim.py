"""A worker in a process of its own, to be killed; a plain function of a module, since it is started anew (spawn)."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from app.aws import Aws
from app.data.database import Access, Database
from app.data.pools import Limits
from app.data.shards import Shards
from app.worker.consumer import Consumer
from app.worker.jobs import Job, decode
from app.worker.product import Product
from tests.app.data.conftest import endpoint, shard_map


def work(url: str, port: int, database: str, endpoint_url: str, mark: str, *, before_commit: bool) -> None:
    """Do one job of analytics, make the file `mark` when its row is written or committed, and hang there."""
    os.environ |= {"AWS_ENDPOINT_URL": endpoint_url, "AWS_ACCESS_KEY_ID": "t", "AWS_SECRET_ACCESS_KEY": "t"}

    async def run() -> None:
        here = endpoint(port)
        limits = Limits(connections=2, wait_seconds=5, idle_seconds=30, recycle_seconds=300)
        access = Access(writer=here, reader=here, limits=limits, name="victim")
        async with Database(access, Shards(shard_map(database))) as shards, Aws("us-east-1") as aws:

            async def hang() -> None:
                await asyncio.to_thread(Path(mark).touch)
                await asyncio.sleep(600)

            class Slow:
                """The database, whose transactions hang before their end."""

                @asynccontextmanager
                async def system_writer(self, key: Any) -> Any:
                    async with shards.system_writer(key) as connection:
                        yield connection
                        await hang()

            product = Product(Slow() if before_commit else shards, None, "")  # type: ignore[arg-type]

            async def handle(job: Job) -> None:
                await product.record_event(job)
                await hang()

            sqs = await aws.client("sqs")
            reader = Consumer(
                sqs=sqs,
                queue="analytics",
                url=url,
                handle=handle,
                decode=decode,
                kinds=frozenset(),
                visibility_seconds=3,
                wait_seconds=1,
            )
            await reader.run(asyncio.Event(), 1)

    asyncio.run(run())
