from __future__ import annotations

import asyncio
from uuid import uuid4

import psycopg
import pytest

from tests.app.data.conftest import Opener

EXPANSION = (
    "ALTER TABLE leads ADD COLUMN source text NOT NULL DEFAULT ''",
    "ALTER TABLE leads ADD CONSTRAINT source_is_short CHECK (length(source) < 100) NOT VALID",
    "ALTER TABLE leads VALIDATE CONSTRAINT source_is_short",
    "CREATE INDEX CONCURRENTLY leads_source_idx ON leads (source)",
    "DROP INDEX CONCURRENTLY leads_source_idx",
    "ALTER TABLE leads DROP COLUMN source",
)


@pytest.mark.anyio
async def test_the_schema_grows_under_traffic_without_a_failure(open_database: Opener, database_url: str) -> None:
    """The image before goes on with its statements, prepared on connections that stay."""
    stop = asyncio.Event()
    served = 0

    def expand() -> None:
        with psycopg.connect(database_url, autocommit=True, options="-c lock_timeout=5s") as owner:
            for statement in EXPANSION:
                owner.execute(statement.encode())

    async with open_database(connections=4) as database:

        async def traffic() -> None:
            nonlocal served
            user = uuid4()
            async with database.writer(user) as connection:
                await connection.execute("INSERT INTO users (id, email) VALUES ($1, $2)", user, f"{user}@example.com")
            while not stop.is_set():
                async with database.writer(user) as connection:
                    add = "INSERT INTO leads (user_id, email) VALUES ($1, $2) RETURNING id, status"
                    row = await connection.fetchrow(add, user, "lead@example.org")
                async with database.reader(user) as reading:
                    rows = await reading.fetch("SELECT id, email, status, created_at FROM leads ORDER BY created_at")
                assert row is not None
                assert row["id"] in {one["id"] for one in rows}
                served += 1

        working = [asyncio.create_task(traffic()) for _ in range(4)]
        await asyncio.sleep(0.3)
        before = served
        await asyncio.to_thread(expand)
        await asyncio.sleep(0.3)
        stop.set()
        await asyncio.gather(*working)

    assert served > before > 0
