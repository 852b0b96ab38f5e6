"""The application behind PgBouncer in transaction mode, where a session belongs to nobody for longer than that."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import asyncpg
import httpx
import psycopg
import pytest
from fastapi import FastAPI

from app.data.database import Database
from app.data.errors import UnreachableError
from app.data.pools import STATEMENT_CACHE
from app.main import MEANINGS
from app.ops import errors
from tests.app.pooled.clients import opened, run_clients, write_and_read
from tests.app.processes import together
from tests.app.servers import APPLICATION, PgBouncer, Postgres, new_pgbouncer
from tools.app.servers import PASSWORD, POOLER

pytestmark = pytest.mark.anyio
SERVER_CONNECTIONS = 4


@pytest.fixture
def small_pgbouncer(postgres: Postgres) -> Iterator[PgBouncer]:
    """One server connection, and little patience."""
    server = new_pgbouncer(postgres, default_pool_size=1, max_db_connections=1, query_wait_timeout=1)
    try:
        yield server
    finally:
        server.remove()


async def connect(pgbouncer: PgBouncer, database: str) -> asyncpg.Connection:
    """As the application's pool does, without its transactions."""
    return await asyncpg.connect(
        host="127.0.0.1",
        port=pgbouncer.port,
        user=APPLICATION,
        password=PASSWORD,
        database=database,
        ssl=False,
        statement_cache_size=STATEMENT_CACHE,
    )


def execute(postgres: Postgres, database: str, *commands: str) -> None:
    """As the owner, past the pooler, as a migration does."""
    with psycopg.connect(postgres.url(database), autocommit=True) as owner:
        for command in commands:
            owner.execute(command.encode())


def test_prepared_statements_of_several_processes_share_server_connections(pgbouncer: PgBouncer, database: str) -> None:
    # asyncpg numbers its statements by process: both have a first one, and it is not the same.
    found = together(run_clients, [(pgbouncer.port, database, 12, 4.0, 0.3)] * 2)
    for outcomes in found:
        assert outcomes.keys() == {"done"}
        assert outcomes["done"] > 50


async def test_more_statements_than_the_pooler_keeps_still_work(pgbouncer: PgBouncer, database: str) -> None:
    number = int(POOLER["max_prepared_statements"]) + 50
    connections = [await connect(pgbouncer, database) for _ in range(SERVER_CONNECTIONS * 2)]
    for _ in range(2):
        for value in range(number):
            answers = await asyncio.gather(*(one.fetchval(f"SELECT {value} + $1::int", 1) for one in connections))
            assert set(answers) == {value + 1}
    for one in connections:
        await one.close()


def test_a_migration_under_traffic_breaks_no_statement_that_names_its_columns(
    pgbouncer: PgBouncer, postgres: Postgres, database: str
) -> None:
    async def run() -> tuple[Counter[str], int]:
        outcomes: Counter[str] = Counter()
        async with opened(pgbouncer.port, database) as found:
            clients = [asyncio.create_task(write_and_read(found, outcomes, 3)) for _ in range(12)]
            await asyncio.sleep(1)
            await asyncio.to_thread(
                execute,
                postgres,
                database,
                "ALTER TABLE leads ADD COLUMN source text NOT NULL DEFAULT ''",
                "CREATE INDEX CONCURRENTLY leads_by_source ON leads (source)",
                "ALTER TABLE leads ALTER COLUMN name TYPE varchar(400)",
            )
            before = outcomes["done"]
            await asyncio.gather(*clients)
        return outcomes, before

    outcomes, before = asyncio.run(run())
    assert outcomes.keys() == {"done"}
    assert before > 0
    assert outcomes["done"] > before


async def test_a_statement_with_a_star_fails_after_a_migration_until_the_pooler_reconnects(
    pgbouncer: PgBouncer, postgres: Postgres, database: str
) -> None:
    query = "SELECT * FROM newsletter_subscribers"
    connection = await connect(pgbouncer, database)
    async with connection.transaction():
        await connection.execute("SET LOCAL ROLE headroom_system")
        await connection.fetch(query)
    await asyncio.to_thread(execute, postgres, database, "ALTER TABLE newsletter_subscribers ADD COLUMN extra text")

    async def ask() -> bool:
        """A driver that reconnects is no cure: the statement is the server connection's."""
        fresh = await connect(pgbouncer, database)
        try:
            async with fresh.transaction():
                await fresh.execute("SET LOCAL ROLE headroom_system")
                await fresh.fetch(query)
            return True
        except (asyncpg.InvalidCachedStatementError, asyncpg.FeatureNotSupportedError):
            return False
        finally:
            await fresh.close()

    assert [await ask() for _ in range(3)] == [False] * 3
    await asyncio.to_thread(pgbouncer.administer, "RECONNECT")
    assert [await ask() for _ in range(3)] == [True] * 3
    await connection.close()


async def test_reconnecting_under_traffic_costs_nobody_anything(pgbouncer: PgBouncer, database: str) -> None:
    outcomes: Counter[str] = Counter()
    async with opened(pgbouncer.port, database) as found:
        clients = [asyncio.create_task(write_and_read(found, outcomes, 2)) for _ in range(12)]
        for _ in range(3):
            await asyncio.sleep(0.5)
            await asyncio.to_thread(pgbouncer.administer, "RECONNECT")
        await asyncio.gather(*clients)
    assert outcomes.keys() == {"done"}


async def test_what_a_transaction_sets_is_gone_for_the_next_client(pgbouncer: PgBouncer, database: str) -> None:
    """User, role and time limit: whoever gets the server connection next has none of them."""
    query = "SELECT current_setting('app.user_id', true), current_user::text, current_setting('statement_timeout')"
    next_client = await connect(pgbouncer, database)
    fresh = await next_client.fetchrow(query)
    seen = set()
    async with opened(pgbouncer.port, database) as found:
        for _ in range(SERVER_CONNECTIONS * 3):
            users = [uuid4() for _ in range(SERVER_CONNECTIONS)]
            await asyncio.gather(*(_hold(found, user) for user in users))
            async with found.system_writer() as writing:
                assert (await writing.fetchval("SELECT current_user::text")) == "headroom_system"
            seen |= {tuple(await next_client.fetchrow(query)) for _ in range(SERVER_CONNECTIONS)}
    await next_client.close()
    user, role, limit = fresh
    assert {one[0] or None for one in seen} == {user or None}
    assert {one[1:] for one in seen} == {(role, limit)}


async def _hold(database: Database, user: UUID) -> None:
    async with database.reader(user) as reading:
        assert await reading.fetchval("SELECT current_setting('app.user_id')") == str(user)
        await reading.fetchval("SELECT pg_sleep(0.01)")


async def test_a_killed_pooler_costs_answers_only_while_it_is_away(
    pgbouncer: PgBouncer, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    outcomes: Counter[str] = Counter()
    async with opened(pgbouncer.port, database) as found:
        clients = [asyncio.create_task(write_and_read(found, outcomes, 6)) for _ in range(12)]
        await asyncio.sleep(1)
        assert outcomes.keys() == {"done"}
        await asyncio.to_thread(pgbouncer.kill)
        await asyncio.sleep(1)
        await asyncio.to_thread(pgbouncer.start)
        began, done = time.monotonic(), outcomes["done"]
        while outcomes["done"] == done:  # noqa: ASYNC110 the clients count, and tell nobody
            await asyncio.sleep(0.005)
        recovery = time.monotonic() - began
        failed = outcomes.total() - outcomes["done"]
        await asyncio.sleep(1)
        settled = outcomes.total() - outcomes["done"]
        await asyncio.gather(*clients)
    with capsys.disabled():
        print(f"\nPgBouncer away for 1 s under load: answers again {1_000 * recovery:.0f} ms after its start")  # noqa: T201
    assert recovery < 2
    assert failed > 0
    assert outcomes.keys() <= {"done", "UnreachableError", "UncertainError", "OverloadedError"}
    assert outcomes.total() - outcomes["done"] == settled, "there are failures long after it is back"


@asynccontextmanager
async def serving(
    port: int, database: str, *, connections: int, wait_seconds: float
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application that has so many connections, and lets requests wait so long for one."""
    app = FastAPI()
    errors.install(app, MEANINGS)
    async with opened(port, database, connections=connections, wait_seconds=wait_seconds) as found:

        @app.get("/busy/{seconds}")
        async def busy(seconds: float) -> str:
            async with found.system_writer() as writing:
                await writing.fetchval("SELECT pg_sleep($1)", seconds)
            return "done"

        secured = errors.Errors(app, timeout_seconds=10)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(secured), base_url="http://test") as client:
            yield client


async def test_too_few_connections_of_a_process_are_answered_503_with_a_time_to_come_back(
    pgbouncer: PgBouncer, database: str
) -> None:
    async with serving(pgbouncer.port, database, connections=2, wait_seconds=0.5) as client:
        answers = await asyncio.gather(*(client.get("/busy/1.5") for _ in range(8)))
        assert sorted(answer.status_code for answer in answers) == [200] * 2 + [503] * 6
        for answer in answers:
            if answer.status_code == 503:
                assert answer.headers["retry-after"] == "1"
                assert answer.json()["error"]["code"] == "database_overloaded"
        assert (await client.get("/busy/0")).status_code == 200


async def test_too_few_server_connections_of_the_pooler_are_answered_503_with_a_time_to_come_back(
    small_pgbouncer: PgBouncer, database: str
) -> None:
    """The pooler gives up on queries that wait for a server connection before the application gives up on them."""
    async with serving(small_pgbouncer.port, database, connections=8, wait_seconds=5) as client:
        answers = await asyncio.gather(*(client.get("/busy/4") for _ in range(4)))
        assert sorted(answer.status_code for answer in answers) == [200] + [503] * 3
        for answer in answers:
            if answer.status_code == 503:
                assert answer.headers["retry-after"] == str(UnreachableError.retry_after_seconds)
                assert answer.json()["error"]["code"] == "database_unavailable"
        assert (await client.get("/busy/0")).status_code == 200
