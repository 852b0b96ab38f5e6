from __future__ import annotations

import asyncio
from collections.abc import Iterator

import psycopg
import pytest

from app.data.errors import OverloadedError, UnreachableError
from app.data.pools import Limits, Pool
from tests.app.data.conftest import endpoint
from tests.app.servers import Postgres, free_port

BACKEND = "SELECT pg_backend_pid()"


@pytest.fixture(scope="module")
def databases(postgres: Postgres) -> Iterator[list[str]]:
    names = [postgres.create_database() for _ in range(3)]
    yield names
    for name in names:
        postgres.drop_database(name)


def pool(postgres: Postgres, connections: int = 2, wait: float = 5, idle: float = 30, recycle: float = 300) -> Pool:
    limits = Limits(connections=connections, wait_seconds=wait, idle_seconds=idle, recycle_seconds=recycle)
    return Pool("test", endpoint(postgres.port), limits)


def connected(postgres: Postgres, databases: list[str]) -> int:
    """Connections that the server has from the pods' role."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = ANY(%s) AND usename = 'headroom_app'"
    with psycopg.connect(postgres.url("postgres", "postgres")) as connection:
        row = connection.execute(query, (databases,)).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.anyio
async def test_a_connection_is_used_again(postgres: Postgres, databases: list[str]) -> None:
    async with pool(postgres) as it:
        backends = []
        for _ in range(3):
            async with it.connection(databases[0]) as connection:
                backends.append(await connection.fetchval(BACKEND))

        assert len(set(backends)) == it.open == 1


@pytest.mark.anyio
async def test_all_databases_together_have_no_more_connections_than_the_pooler_has_for_the_process(
    postgres: Postgres, databases: list[str]
) -> None:
    seen = []

    async def work(it: Pool, number: int) -> None:
        async with it.connection(databases[number % 3]) as connection:
            assert await connection.fetchval("SELECT current_database()") == databases[number % 3]
            seen.append(it.open)

    async with pool(postgres, connections=2) as it:
        await asyncio.gather(*(work(it, number) for number in range(30)))

        assert max(seen) == 2
        # A server process ends a moment after its client has left.
        await asyncio.sleep(0.2)
        assert connected(postgres, databases) <= 2
        assert it.busy == it.utilisation == 0


@pytest.mark.anyio
async def test_who_waits_too_long_is_told_to_come_back(postgres: Postgres, databases: list[str]) -> None:
    async with pool(postgres, connections=1, wait=0.1) as it, it.connection(databases[0]):
        assert it.utilisation == 1
        with pytest.raises(OverloadedError):
            async with it.connection(databases[0]):
                pass


@pytest.mark.anyio
async def test_an_idle_connection_is_closed(postgres: Postgres, databases: list[str]) -> None:
    async with pool(postgres, idle=0.2) as it:
        async with it.connection(databases[0]):
            pass
        assert it.open == 1
        await asyncio.sleep(0.6)

        assert it.open == 0


@pytest.mark.anyio
async def test_a_connection_is_not_kept_for_longer_than_a_stopping_pooler_waits(
    postgres: Postgres, databases: list[str]
) -> None:
    """Even one that is never idle."""
    backends = set()

    async with pool(postgres, connections=1, recycle=0.2) as it:
        for _ in range(10):
            async with it.connection(databases[0]) as connection:
                backends.add(await connection.fetchval(BACKEND))
                await asyncio.sleep(0.05)

    assert 2 <= len(backends) < 10


@pytest.mark.anyio
async def test_a_cancelled_query_takes_its_connection_along(postgres: Postgres, databases: list[str]) -> None:
    """What it was doing must not go on into the next transaction."""
    async with pool(postgres, connections=1) as it:

        async def slow() -> None:
            async with it.connection(databases[0]) as connection:
                await connection.execute("BEGIN")
                await connection.fetchval("SELECT pg_sleep(30)")

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(slow(), 0.2)

        async with asyncio.timeout(2), it.connection(databases[0]) as connection:
            assert await connection.fetchval("SELECT 1") == 1
            assert not connection.is_in_transaction()


@pytest.mark.anyio
async def test_a_connection_left_in_a_transaction_is_not_handed_on(postgres: Postgres, databases: list[str]) -> None:
    async with pool(postgres, connections=1) as it:
        async with it.connection(databases[0]) as connection:
            await connection.execute("BEGIN; SELECT set_config('app.user_id', 'somebody', true)")
        async with it.connection(databases[0]) as connection:
            assert await connection.fetchval("SELECT current_setting('app.user_id', true)") in (None, "")


@pytest.mark.anyio
async def test_nobody_there_is_unreachable_and_leaves_nothing_open(databases: list[str]) -> None:
    limits = Limits(connections=1, wait_seconds=1, idle_seconds=30, recycle_seconds=300)

    async with Pool("test", endpoint(free_port()), limits) as it:
        for _ in range(3):
            with pytest.raises(UnreachableError):
                async with it.connection(databases[0]):
                    pass
        assert it.open == it.busy == 0


@pytest.mark.anyio
async def test_a_spare_connection_takes_nobodys_place(postgres: Postgres, databases: list[str]) -> None:
    async with pool(postgres, connections=1) as it:
        async with it.connection(databases[0]) as connection:
            backend = await connection.fetchval(BACKEND)
            async with it.spare_connection(databases[0]) as spare:
                assert spare is None
        async with it.spare_connection(databases[1]) as spare:
            assert spare is None  # It would have to close the one to the first database.
        async with it.spare_connection(databases[0]) as spare:
            assert spare is not None
            assert await spare.fetchval(BACKEND) == backend
