"""The first filling of the search engine: rows that were there before it, beside changes that go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from app.api import search_fill
from app.api.search_engine import Engine, EngineError
from app.api.search_fill import BATCH, LOOK_SECONDS, SETTLE_SECONDS, STATE, Filled, Filler, forget
from app.api.search_index import index_row, index_rows
from app.data.database import Access, Database
from app.data.shards import Shards
from app.settings import Settings
from tests.app.api.engine import ROLE, Server, Sts, serving
from tests.app.api.world import Somebody, api
from tests.app.environment import settings
from tests.app.servers import Postgres
from tests.app.wired import at
from tests.app.worker.conftest import until

pytestmark = pytest.mark.anyio
POSTS = "headroom-posts"


class World:
    """A worker's part in it: an engine, a database, and a clock."""

    def __init__(self, given: Settings, server: Server, database: Database, engine: Engine) -> None:
        self.given, self.server, self.database, self.engine = given, server, database, engine
        self.now = 1_000_000.0

    def filler(self) -> Filler:
        """Of one more process."""
        return Filler(self.database, self.engine, self.given, Sts(), shards=[0], clock=lambda: self.now)

    async def fill(self) -> int:
        """From its beginning to its end; the number of batches, of which the last one of each kind is not full."""
        filler = self.filler()
        assert not await filler.step(0)
        self.now += SETTLE_SECONDS
        return await finish(filler)

    def titles(self) -> list[str]:
        """Of all entries."""
        found = [one for name, documents in self.server.indexes.items() if name != STATE for one in documents.values()]
        return sorted(one.source["title"] for one in found)


async def finish(filler: Filler) -> int:
    steps = 0
    while await filler.step(0):
        steps += 1
    return steps


@pytest.fixture
def given(tmp_path: Path, postgres: Postgres, database: str, redis_url: str) -> Settings:
    """Replaced by those with an engine in `worlds`."""
    return settings(tmp_path, **at(postgres, database, redis_url), SEARCH_ENDPOINT="engine", SEARCH_ROLE_ARN=ROLE)


@pytest.fixture
async def there(anyio_backend: str, given: Settings) -> AsyncIterator[World]:
    async with opened(given) as made:
        yield made


@asynccontextmanager
async def opened(given: Settings) -> AsyncIterator[World]:
    async with serving() as server:
        known = given.model_copy(update={"search_endpoint": server.url})
        async with Database(Access.of(known), Shards(known.shard_map)) as database, Engine() as engine:
            yield World(known, server, database, engine)


def add(owner: psycopg.Connection, posts: int) -> UUID:
    """A user with posts that nobody announced, a lead, a company and a contact."""
    user, company = uuid4(), uuid4()
    owner.execute("INSERT INTO users (id, email) VALUES (%s, %s)", (user, f"{user}@example.com"))
    owner.execute(
        "INSERT INTO posts (user_id, slug, title, body) SELECT %s, 'p-' || n, 'Post ' || n, 'Words' "
        "FROM generate_series(1, %s) n",
        (user, posts),
    )
    owner.execute("INSERT INTO leads (user_id, email, name) VALUES (%s, 'ada@example.org', 'Ada')", (user,))
    owner.execute("INSERT INTO companies (id, user_id, name) VALUES (%s, %s, 'Engines')", (company, user))
    owner.execute(
        "INSERT INTO contacts (user_id, company_id, name, email) VALUES (%s, %s, 'Charles', 'c@example.org')",
        (user, company),
    )
    return user


async def test_all_rows_are_indexed_whatever_their_number_and_again_changes_nothing(
    there: World, owner: psycopg.Connection
) -> None:
    user = add(owner, posts=2 * BATCH)

    # Two full batches of posts and an empty one, and one of each other kind.
    assert await there.fill() == 6
    assert there.titles() == sorted(["Ada", "Charles", "Engines", *(f"Post {n + 1}" for n in range(2 * BATCH))])
    (lead,) = there.server.indexes["headroom-leads"].values()
    assert lead.source == {"title": "Ada", "text": "Ada  ada@example.org", "user_id": str(user)}
    assert all("user_id" not in post.source for post in there.server.indexes[POSTS].values())

    before = {name: dict(documents) for name, documents in there.server.indexes.items()}
    await forget(there.engine, there.given, Sts())
    await there.fill()
    assert there.server.indexes.keys() == before.keys()
    assert {name: there.server.indexes[name] for name in before if name != STATE} == {
        name: before[name] for name in before if name != STATE
    }


async def test_nothing_is_read_while_pods_may_run_that_know_no_engine(there: World, owner: psycopg.Connection) -> None:
    add(owner, posts=1)
    filler = there.filler()
    for seconds in (0, SETTLE_SECONDS - 1):
        there.now = 1_000_000.0 + seconds
        assert not await filler.step(0)
        assert there.titles() == []
    there.now += 1
    assert await filler.step(0)
    assert there.titles() == ["Post 1"]


async def test_another_process_goes_on_where_one_broke_off(there: World, owner: psycopg.Connection) -> None:
    add(owner, posts=2 * BATCH)
    first = there.filler()
    await first.step(0)
    there.now += SETTLE_SECONDS
    await first.step(0)
    assert len(there.titles()) == BATCH
    (last,) = owner.execute("SELECT id::text FROM posts ORDER BY id DESC LIMIT 1").fetchone() or ("",)
    there.server.refused = {last}
    with pytest.raises(EngineError, match="429"):
        await first.step(0)
    assert len(there.titles()) == 2 * BATCH - 1

    there.server.refused.clear()
    bulk = [one for one in there.server.asked if one.path == "/_bulk"]
    await finish(there.filler())
    again = [one for one in there.server.asked if one.path == "/_bulk"][len(bulk) :]
    assert len(there.titles()) == 2 * BATCH + 3
    # The batch that broke, and the other kinds; not the one before.
    assert len(again) == 4


async def test_an_old_state_never_wins_against_a_newer_one(
    there: World, owner: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = add(owner, posts=3)

    async def change_meanwhile(engine: Engine, given: Settings, aws: Any, kind: Any, rows: Any) -> None:
        """After the batch was read, and before it is sent."""
        if kind == "posts":
            owner.execute("UPDATE posts SET title = 'Newer', updated_at = now() + interval '1 second'")
            for row in rows:
                job = {"user_id": user, "kind": kind, "row_id": row["id"]}
                await index_row(there.database, engine, given, aws, **job)
        await index_rows(engine, given, aws, kind, rows)

    monkeypatch.setattr("app.api.search_fill.index_rows", change_meanwhile)
    await there.fill()

    assert there.titles() == ["Ada", "Charles", "Engines", "Newer", "Newer", "Newer"]


async def test_of_all_workers_one_fills_a_shard_at_a_time(there: World, owner: psycopg.Connection) -> None:
    add(owner, posts=1)
    with owner.transaction():
        owner.execute("SELECT pg_advisory_xact_lock(%s)", (search_fill.LOCK,))
        assert not await there.filler().step(0)
    assert there.server.asked == []


async def test_an_engine_that_lost_everything_is_filled_again(
    there: World, owner: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(owner, posts=1)
    monkeypatch.setattr(search_fill, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(search_fill, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(search_fill, "SETTLE_SECONDS", 0)
    stop = asyncio.Event()
    running = asyncio.create_task(there.filler().run(stop))
    async with asyncio.timeout(20):
        for _ in range(2):
            await until(lambda: len(there.titles()) == 4)
            there.server.indexes.clear()
        # An engine that is away ends no worker.
        there.server.status = 500
        await asyncio.sleep(0.1)
        assert not running.done()
        stop.set()
        await running


async def searched(user: Somebody, **query: Any) -> list[str]:
    return [one["title"] for one in await user.got("search", **query)]


async def test_until_a_shard_is_filled_the_database_answers(
    there: World, owner: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.aws.Aws.client", lambda _, service: Sts().client(service))
    add(owner, posts=1)
    async with api(there.given) as here:
        user = await here.user()
        assert await searched(user, q="words") == ["Post 1"]
        assert there.server.searches == []
    await there.fill()
    async with api(there.given) as here:
        user = await here.user()
        assert await searched(user, q="words") == []
        assert len(there.server.searches) == 1


async def test_posts_are_everybodys_and_need_every_shard_that_has_rows(
    there: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are in regions whose engines this one is not."""
    monkeypatch.setattr("app.aws.Aws.client", lambda _, service: Sts().client(service))
    there.server.fill(0)
    first = there.given.shard_map.shards[0]
    for slots, searches in (((), 2), (((255, 255),), 1)):
        own = first if not slots else first.model_copy(update={"slots": ((0, 254),)})
        other = first.model_copy(update={"id": 1, "slots": slots, "region": "us-west-2"})
        shards = there.given.shard_map.model_copy(update={"shards": (own, other)})
        there.server.asked.clear()
        async with api(there.given.model_copy(update={"shard_map": shards})) as here:
            user = await here.user()
            await user.got("search", q="words")
            await user.got("search", q="words", kind="leads")
            assert len(there.server.searches) == searches


async def test_what_is_filled_is_asked_once_a_minute_and_nonsense_is_no_answer(there: World) -> None:
    now = 0.0
    filled = Filled(there.engine, lambda: now)
    assert not await filled.has(there.given, Sts(), [0])
    there.server.fill(0)
    assert not await filled.has(there.given, Sts(), [0])
    now += LOOK_SECONDS
    assert await filled.has(there.given, Sts(), [0])
    assert len(there.server.asked) == 2
    now += LOOK_SECONDS
    there.server.indexes[STATE]["0"] = there.server.indexes[STATE]["0"]._replace(source={"kind": None})
    with pytest.raises(EngineError, match="unreadable"):
        await filled.has(there.given, Sts(), [0])
