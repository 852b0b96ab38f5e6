"""Who wrote reads what was written, though replicas are behind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest

from app.api.bookmarks import Bookmarks
from app.api.context import Here, Own
from app.api.posts import SUBJECT, everywhere
from app.cache.store import Command, Store, command
from app.data.database import Access, Database
from app.data.pools import Limits
from app.data.replicas import UNKNOWN, Bookmark
from app.data.shards import Shards
from tests.app.data.conftest import endpoint, shard_map
from tests.app.data.test_replicas import Pair, _pair, pair
from tests.app.servers import Redis
from tests.app.stores import opened

pytestmark = pytest.mark.anyio

__all__ = ["_pair", "pair"]

PRIMARY = "us-east-1-db-0"
INSERT = "INSERT INTO users (id, email) VALUES ($1, $2)"
COUNT = "SELECT count(*) FROM users"
SHARDS = Shards(shard_map("any"))


async def test_a_position_is_kept_for_a_minute_and_never_goes_back(redis_url: str, shared_redis: Redis) -> None:
    async with opened(redis_url, budget_seconds=1) as store:
        bookmarks = Bookmarks(store, SHARDS)
        assert (await bookmarks.of("a")).at(PRIMARY) == 0

        for position, expected in ((99, 99), (1_000, 1_000), (98, 1_000), (UNKNOWN, UNKNOWN), (UNKNOWN - 1, UNKNOWN)):
            await bookmarks.note(Bookmark({PRIMARY: position}), ["a", "b"])
            assert (await bookmarks.of("a")).at(PRIMARY) == (await bookmarks.of("b")).at(PRIMARY) == expected
        assert (await bookmarks.of("c")).at(PRIMARY) == 0
        [life] = await store.run([_ttl("a")])
        assert 0 < life <= 60


def _ttl(subject: str) -> Command:
    return command("TTL", f"{{bookmark:{subject}}}:{PRIMARY}")


@asynccontextmanager
async def reading_from(pair: Pair, store: Store) -> AsyncIterator[Here]:
    """What routes find, with a replica."""
    limits = Limits(connections=4, wait_seconds=2, idle_seconds=30, recycle_seconds=300)
    access = Access(
        writer=endpoint(pair.primary.port), reader=endpoint(pair.standby.port), limits=limits, name="headroom-test"
    )
    async with Database(access, Shards(shard_map(pair.database))) as database:
        yield cast("Here", SimpleNamespace(database=database, bookmarks=Bookmarks(store, database.shards)))


def user(here: Here) -> Own:
    return Own(here, cast("Any", SimpleNamespace(user_id=uuid4())))


async def test_a_user_reads_their_own_write_and_others_read_the_replica(pair: Pair, redis_url: str) -> None:
    async with opened(redis_url, budget_seconds=1) as store, reading_from(pair, store) as here:
        pair.pause()
        writer, other = user(here), user(here)
        async with writer.writing() as connection:
            await connection.execute(INSERT, writer.user_id, f"{writer.user_id}@example.com")

        async with writer.reading() as reading:
            assert await reading.fetchval(COUNT) == 1
        before = here.database.counters.primary_reads
        async with other.reading() as reading:
            assert await reading.fetchval(COUNT) == 0
        assert (before, here.database.counters.primary_reads) == (1, 1)


async def test_what_everybody_reads_is_not_loaded_from_before_a_change(pair: Pair, redis_url: str) -> None:
    async with opened(redis_url, budget_seconds=1) as store, reading_from(pair, store) as here:
        pair.pause()
        author = user(here)
        async with author.writing(SUBJECT) as connection:
            await connection.execute(INSERT, author.user_id, f"{author.user_id}@example.com")
            add = "INSERT INTO posts (user_id, slug, title, body) VALUES ($1, $2, 'T', 'B')"
            await connection.execute(add, author.user_id, author.user_id.hex)

        rows = await everywhere(here, "SELECT user_id FROM posts WHERE slug = $1", author.user_id.hex)

        assert [row["user_id"] for row in rows] == [author.user_id]


async def test_a_transaction_that_fails_leaves_no_position(pair: Pair, redis_url: str) -> None:
    async with opened(redis_url, budget_seconds=1) as store, reading_from(pair, store) as here:
        writer = user(here)
        with pytest.raises(ZeroDivisionError):
            async with writer.writing():
                raise ZeroDivisionError
        assert (await here.bookmarks.of(str(writer.user_id))).at(PRIMARY) == 0


async def test_without_redis_everything_is_written_and_read_only_perhaps_later(pair: Pair, redis_server: Redis) -> None:
    async with opened(redis_server.url) as store, reading_from(pair, store) as here:
        redis_server.kill()
        writer = user(here)
        async with writer.writing() as connection:
            await connection.execute(INSERT, writer.user_id, f"{writer.user_id}@example.com")
        pair.resume()

        async with writer.reading() as reading:
            assert await reading.fetchval(COUNT) == 1
