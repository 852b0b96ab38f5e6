"""Authentication on the application's own database layer."""

from __future__ import annotations

from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from app.auth.passwords import Hasher
from app.auth.store import Accounts, Connections
from app.auth.users import ShardedUsers
from app.data.database import Access, Database
from app.data.pools import Endpoint, Limits
from app.data.shards import Shards
from app.settings import Shard, ShardMap
from tests.app.auth.world import EMAIL, PASSWORD, SETTINGS

pytestmark = pytest.mark.anyio


def database_at(url: str) -> Database:
    """One shard for all users."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    assert parts.username is not None
    end = Endpoint(host=parts.hostname, port=parts.port, user=parts.username, password=None)
    limits = Limits(connections=5, wait_seconds=1, idle_seconds=30, recycle_seconds=300)
    shard = Shard(id=0, database=parts.path[1:], primary="us-east-1-db-0", region="us-east-1", slots=((0, 255),))
    shards = Shards(ShardMap(slots=256, hash="sha256-first-byte", shards=(shard,), moving=()))
    return Database(Access(writer=end, reader=end, limits=limits, name="test"), shards)


async def test_a_user_gets_one_row_however_often_they_log_in(application_url: str) -> None:
    async with database_at(application_url) as database:
        connections: Connections = database
        accounts, hasher, users = Accounts(connections), Hasher(SETTINGS), ShardedUsers(database)
        user_id = await accounts.create(EMAIL, await hasher.hash(PASSWORD))
        hasher.close()
        assert user_id is not None
        for _ in range(2):
            await users.ensure(user_id, EMAIL)
        async with database.writer(user_id) as connection:
            assert [dict(row) for row in await connection.fetch("SELECT id, email FROM users")] == [
                {"id": user_id, "email": EMAIL}
            ]


async def test_a_login_after_a_while_is_noted_and_one_soon_after_another_is_not(application_url: str) -> None:
    async with database_at(application_url) as database:
        user_id, users = uuid4(), ShardedUsers(database)
        await users.ensure(user_id, EMAIL)
        for minutes, noted in ((61, True), (59, False)):
            async with database.writer(user_id) as connection:
                past = "UPDATE users SET last_active_at = now() - make_interval(mins => $1)"
                await connection.execute(past, minutes)
            await users.ensure(user_id, EMAIL)
            async with database.writer(user_id) as connection:
                recent = "SELECT last_active_at > now() - interval '1 minute' FROM users"
                assert await connection.fetchval(recent) is noted


async def test_a_transaction_of_a_user_sees_no_account(application_url: str) -> None:
    async with database_at(application_url) as database:
        user_id = await Accounts(database).create(EMAIL, "hash")
        assert user_id is not None
        async with database.writer(user_id) as connection:
            for table in ("accounts", "sessions", "refresh_tokens", "totp", "backup_codes"):
                assert await connection.fetchval("SELECT has_table_privilege($1, 'SELECT')", f"auth_{table}") is False
