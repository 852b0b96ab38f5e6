from __future__ import annotations

import asyncio
from uuid import uuid4

import psycopg
import pytest

from app.data.database import System
from app.data.errors import FrozenError, OverloadedError, UncertainError, UnreachableError
from app.data.replicas import Bookmark
from app.data.schema import REQUIRED, is_ready
from app.data.shards import slot_of
from tests.app.conftest import migrate
from tests.app.data.conftest import Opener, endpoint, shard_map
from tests.app.servers import Postgres, free_port, new_postgres

INSERT = "INSERT INTO users (id, email) VALUES ($1, $2)"


@pytest.mark.anyio
async def test_what_a_block_did_is_committed_or_not_at_all(open_database: Opener) -> None:
    user = uuid4()

    async with open_database() as database:

        async def fail() -> None:
            async with database.writer(user) as connection:
                await connection.execute(INSERT, user, "a@example.com")
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail()
        async with database.reader(user) as reading:
            assert await reading.fetchval("SELECT count(*) FROM users") == 0
        async with database.writer(user) as connection:
            await connection.execute(INSERT, user, "a@example.com")
        async with database.reader(user) as reading:
            assert await reading.fetchval("SELECT email FROM users") == "a@example.com"


@pytest.mark.anyio
async def test_without_replicas_the_primary_answers_the_readers_pooler(open_database: Opener) -> None:
    user, bookmark = uuid4(), Bookmark()

    async with open_database() as database:
        async with database.writer(user, bookmark=bookmark) as connection:
            await connection.execute(INSERT, user, "a@example.com")
        async with database.reader(user, after=bookmark) as reading:
            assert await reading.fetchval("SELECT count(*) FROM users") == 1

        assert bookmark.at("us-east-1-db-0") > 0
        assert (database.counters.replica_reads, database.counters.primary_reads) == (1, 0)


@pytest.mark.anyio
async def test_statements_have_time_limits(open_database: Opener) -> None:
    async with open_database() as database:
        async with database.writer(uuid4()) as connection:
            assert await connection.fetchval("SHOW statement_timeout") == "5s"
        async with database.reader(uuid4()) as reading:
            assert await reading.fetchval("SHOW statement_timeout") == "15s"


@pytest.mark.anyio
async def test_a_user_whose_slot_is_frozen_reads_and_does_not_write(open_database: Opener, database: str) -> None:
    user = uuid4()
    slot = slot_of(user)
    moving = [{"slots": (slot, slot), "from": 0, "to": 1}]

    async with open_database(shards=shard_map(database, moving=moving)) as it:
        for transaction in (it.writer(user), it.system_writer(user)):
            with pytest.raises(FrozenError):
                async with transaction:
                    pytest.fail("began to write")
        async with it.reader(user) as reading:
            assert await reading.fetchval("SELECT 1") == 1
        async with System(it).writer() as connection:  # The shard itself is not frozen.
            assert await connection.fetchval("SELECT 1") == 1


@pytest.mark.anyio
async def test_a_connection_that_died_while_idle_costs_no_request(open_database: Opener, postgres: Postgres) -> None:
    """As after a restart of the pooler; the client does not know yet."""
    async with open_database() as database:
        async with database.writer(uuid4()) as connection:
            backend = await connection.fetchval("SELECT pg_backend_pid()")
        # While this blocks, the loop cannot read the end of the connection before it is used.
        await terminate(postgres, backend)

        async with database.writer(uuid4()) as connection:
            assert await connection.fetchval("SELECT pg_backend_pid()") != backend


@pytest.mark.anyio
async def test_a_connection_lost_halfway_wrote_nothing(open_database: Opener, postgres: Postgres) -> None:
    user = uuid4()

    async with open_database() as database:

        async def lose() -> None:
            async with database.writer(user) as connection:
                await connection.execute(INSERT, user, "a@example.com")
                await terminate(postgres, await connection.fetchval("SELECT pg_backend_pid()"))
                await connection.fetchval("SELECT 1")

        with pytest.raises(UnreachableError, match="nothing was written"):
            await lose()
        async with database.reader(user) as reading:
            assert await reading.fetchval("SELECT count(*) FROM users") == 0


@pytest.mark.anyio
async def test_a_connection_lost_in_the_commit_is_said_to_be_uncertain(
    open_database: Opener, postgres: Postgres
) -> None:
    with pytest.raises(UncertainError):
        async with open_database() as database, database.writer(uuid4()) as connection:
            await terminate(postgres, await connection.fetchval("SELECT pg_backend_pid()"))


@pytest.mark.anyio
async def test_without_a_primary_writing_fails_at_once_and_says_when_to_come_back(open_database: Opener) -> None:
    async with open_database(writer=endpoint(free_port())) as database:
        with pytest.raises(UnreachableError) as caught:
            async with asyncio.timeout(2), database.writer(uuid4()):
                pytest.fail("began to write")
        assert caught.value.retry_after_seconds >= 1
        async with database.reader(uuid4()) as reading:
            assert await reading.fetchval("SELECT 1") == 1


@pytest.mark.anyio
async def test_without_replicas_pooler_reads_go_to_the_primary_as_far_as_it_can_bear(open_database: Opener) -> None:
    """Half of its connections; writes keep the others."""
    async with open_database(connections=2, wait_seconds=0.2, reader=endpoint(free_port())) as database:
        async with database.reader(uuid4()) as reading:
            assert await reading.fetchval("SELECT 1") == 1
            with pytest.raises(OverloadedError):
                async with database.reader(uuid4()):
                    pytest.fail("took the writers' connection")
            async with database.writer(uuid4()) as connection:
                assert await connection.fetchval("SELECT 1") == 1

        assert database.counters.primary_reads == 1
        assert database.counters.refused_reads == 1


@pytest.mark.anyio
async def test_a_primary_that_is_killed_comes_back_by_itself(open_database: Opener) -> None:
    server = new_postgres()
    try:
        name = server.create_database()
        migrate(server.url(name))
        here = endpoint(server.port)
        async with open_database(writer=here, reader=here, shards=shard_map(name)) as database:
            for _ in range(2):
                async with database.system_writer() as connection:
                    assert await connection.fetchval("SELECT 1") == 1
                server.kill()
                with pytest.raises(UnreachableError):
                    async with database.system_writer() as connection:
                        pytest.fail("began to write")
                server.start()
    finally:
        server.remove()


@pytest.mark.anyio
async def test_a_pod_knows_whether_the_schema_is_the_one_it_needs(open_database: Opener, database_url: str) -> None:
    async with open_database() as database:
        for found, ready in ((REQUIRED, True), ("9999", True), ("0000", False)):
            with psycopg.connect(database_url) as connection:
                connection.execute("UPDATE alembic_version SET version_num = %s", (found,))
            async with database.system_reader() as reading:
                assert await is_ready(reading) is ready


async def terminate(postgres: Postgres, backend: int) -> None:
    with psycopg.connect(postgres.url("postgres", "postgres"), autocommit=True) as superuser:
        superuser.execute("SELECT pg_terminate_backend(%s, 1000)", (backend,))
