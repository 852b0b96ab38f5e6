from __future__ import annotations

from uuid import UUID, uuid4

import psycopg
import pytest

from app.data.database import Database
from app.data.migrations.protection import APPLICATION, SYSTEM
from tests.app.data.conftest import Opener

TABLES = """SELECT oid::regclass::text, relrowsecurity, relforcerowsecurity, relispartition FROM pg_class
    WHERE relkind IN ('r', 'p') AND relnamespace IN ('public'::regnamespace, 'analytics'::regnamespace)"""
LEAD = "INSERT INTO leads (user_id, email) VALUES ($1, $2)"


async def new_user(database: Database) -> UUID:
    user = uuid4()
    async with database.writer(user) as connection:
        await connection.execute("INSERT INTO users (id, email) VALUES ($1, $2)", user, f"{user}@example.com")
        await connection.execute(LEAD, user, "lead@example.org")
    return user


def test_every_table_has_row_level_security_that_binds_its_owner_too(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(TABLES.encode()).fetchall()

    assert len(rows) > 20
    assert [name for name, enabled, forced, partition in rows if not enabled or not (forced or partition)] == []


def test_a_partition_is_reached_through_its_table_only(database_url: str) -> None:
    query = TABLES + f" AND relispartition AND has_table_privilege('{APPLICATION}', oid, 'SELECT, INSERT')"

    with psycopg.connect(database_url) as connection:
        assert connection.execute(query.encode()).fetchall() == []


def test_the_application_owns_nothing_and_bypasses_nothing(database_url: str) -> None:
    query = """SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)
        AND (rolsuper OR rolbypassrls OR rolinherit AND rolname = %s)"""
    owned = "SELECT count(*) FROM pg_class WHERE pg_get_userbyid(relowner) = ANY(%s)"

    with psycopg.connect(database_url) as connection:
        assert connection.execute(query, ([APPLICATION, SYSTEM], APPLICATION)).fetchall() == []
        assert connection.execute(owned, ([APPLICATION, SYSTEM],)).fetchone() == (0,)


@pytest.mark.anyio
async def test_a_user_sees_and_changes_own_rows_only(open_database: Opener) -> None:
    async with open_database() as database:
        mine, theirs = await new_user(database), await new_user(database)

        async with database.writer(mine) as connection:
            assert await connection.fetchval("SELECT count(*) FROM leads") == 1
            assert await connection.execute("UPDATE leads SET status = 'lost' WHERE user_id = $1", theirs) == "UPDATE 0"
            assert await connection.execute("DELETE FROM users WHERE id = $1", theirs) == "DELETE 0"


@pytest.mark.anyio
async def test_a_user_cannot_write_rows_of_another(open_database: Opener) -> None:
    async with open_database() as database:
        mine, theirs = await new_user(database), await new_user(database)

        with pytest.raises(Exception, match="row-level security"):
            async with database.writer(mine) as connection:
                await connection.execute(LEAD, theirs, "planted@example.org")


@pytest.mark.anyio
async def test_nothing_leaks_to_the_next_transaction_of_a_connection(open_database: Opener) -> None:
    """One connection, which serves users and the system by turns."""
    async with open_database(connections=1) as database:
        first, second = await new_user(database), await new_user(database)
        backends = set()

        for user in (first, second, first):
            async with database.system_writer() as system:
                assert await system.fetchval("SELECT count(*) FROM users") == 2
                backends.add(await system.fetchval("SELECT pg_backend_pid()"))
            async with database.writer(user) as connection:
                assert [row["id"] for row in await connection.fetch("SELECT id FROM users")] == [user]
            with pytest.raises(ZeroDivisionError):
                async with database.writer(user):
                    raise ZeroDivisionError
        async with database.writers.connection(database.shards.all[0].database) as connection:
            assert await connection.fetchval("SELECT pg_backend_pid()") in backends
            assert await connection.fetchval("SELECT count(*) FROM users") == 0
            assert await connection.fetchval("SELECT current_user") == APPLICATION

    assert len(backends) == 1


@pytest.mark.anyio
async def test_the_application_sees_what_the_system_sees_only_when_it_asks(open_database: Opener) -> None:
    async with open_database() as database:
        await new_user(database)

        async with database.reader(uuid4()) as connection:
            assert await connection.fetchval("SELECT count(*) FROM users") == 0
        for query in ("SELECT count(*) FROM newsletter_subscribers", "SELECT count(*) FROM active_subscriptions"):
            with pytest.raises(Exception, match="permission denied"):
                async with database.reader(uuid4()) as connection:
                    await connection.fetchval(query)
            async with database.system_reader() as connection:
                assert await connection.fetchval(query) == 0


@pytest.mark.anyio
async def test_a_reading_transaction_cannot_write(open_database: Opener) -> None:
    async with open_database() as database:
        user = await new_user(database)

        with pytest.raises(Exception, match="read-only transaction"):
            async with database.reader(user) as connection:
                await connection.fetchval("UPDATE users SET tier = 5 RETURNING tier")


@pytest.mark.anyio
async def test_the_audit_log_is_only_appended_to(open_database: Opener) -> None:
    async with open_database() as database:
        user = await new_user(database)
        async with database.writer(user) as connection:
            await connection.execute("INSERT INTO audit_log (user_id, action) VALUES ($1, 'login')", user)

        for statement in ("UPDATE audit_log SET action = ''", "DELETE FROM audit_log"):
            for transaction in (database.writer(user), database.system_writer(user)):
                with pytest.raises(Exception, match="permission denied"):
                    async with transaction as connection:
                        await connection.execute(statement)


@pytest.mark.anyio
async def test_what_is_published_is_everybodys_to_read_and_its_authors_to_change(open_database: Opener) -> None:
    async with open_database() as database:
        author, reader = await new_user(database), await new_user(database)
        async with database.writer(author) as connection:
            post = "INSERT INTO posts (user_id, slug, title, body) VALUES ($1, 'a', 'A', 'Words')"
            await connection.execute(post, author)

        async with database.writer(reader) as connection:
            assert await connection.fetchval("SELECT title FROM posts WHERE slug = 'a'") == "A"
            assert await connection.execute("UPDATE posts SET title = 'B' WHERE slug = 'a'") == "UPDATE 0"
