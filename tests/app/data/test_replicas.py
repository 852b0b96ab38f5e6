from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.data.database import Database
from app.data.errors import OverloadedError
from app.data.replicas import MAX_LAG_SECONDS, MEMORY_SECONDS, PAUSE_SECONDS, REFUSALS, UNKNOWN, Bookmark, Replicas
from tests.app.conftest import migrate
from tests.app.data.conftest import Opener, endpoint, shard_map
from tests.app.servers import Postgres, as_user, binary, free_port, new_directory, new_postgres, wait_until

PRIMARY = "us-east-1-db-0"
INSERT = "INSERT INTO users (id, email) VALUES ($1, $2)"
EMAIL = "SELECT email FROM users WHERE id = $1"


@dataclass
class Pair:
    """A primary and its standby, which streams from it."""

    primary: Postgres
    standby: Postgres
    database: str

    def pause(self) -> None:
        """Let the standby receive, and replay nothing."""
        self._on_standby("SELECT pg_wal_replay_pause()")
        wait_until(lambda: self._on_standby("SELECT pg_get_wal_replay_pause_state()") == "paused", "not paused", 10)

    def resume(self) -> None:
        """Replay again, until there is nothing left."""
        self._on_standby("SELECT pg_wal_replay_resume()")
        wait_until(self._caught_up, "does not catch up", 10)

    def _caught_up(self) -> bool:
        with psycopg.connect(self.primary.url("postgres", "postgres")) as connection:
            row = connection.execute("SELECT pg_current_wal_lsn()::text").fetchone()
        assert row is not None
        return self._on_standby(f"SELECT pg_last_wal_replay_lsn() >= '{row[0]}'") is True

    def _on_standby(self, query: str) -> object:
        with psycopg.connect(self.standby.url("postgres", "postgres"), autocommit=True) as connection:
            row = connection.execute(query.encode()).fetchone()
        assert row is not None
        return row[0]


@pytest.fixture(scope="module")
def _pair() -> Iterator[Pair]:
    primary = new_postgres(hot_standby_feedback="on")
    standby = Postgres(free_port(), new_directory("standby"))
    try:
        database = primary.create_database()
        migrate(primary.url(database))
        source = f"host=127.0.0.1 port={primary.port} user=postgres"
        options = ["--write-recovery-conf", "--checkpoint=fast", "--no-sync", "--wal-method=stream"]
        command = [binary("pg_basebackup"), "--dbname", source, "--pgdata", str(standby.data), *options]
        subprocess.run(as_user(command), check=True, capture_output=True, cwd=standby.directory)
        standby.start()
        yield Pair(primary, standby, database)
    finally:
        standby.remove()
        primary.remove()
        shutil.rmtree(standby.directory, ignore_errors=True)


@pytest.fixture
def pair(_pair: Pair) -> Iterator[Pair]:
    _pair.resume()
    yield _pair
    _pair.resume()


def opened(
    open_database: Opener, pair: Pair, connections: int = 4, wait_seconds: float = 2
) -> AbstractAsyncContextManager[Database]:
    return open_database(
        connections=connections,
        wait_seconds=wait_seconds,
        writer=endpoint(pair.primary.port),
        reader=endpoint(pair.standby.port),
        shards=shard_map(pair.database),
    )


async def new_user(database: Database, bookmark: Bookmark | None = None) -> UUID:
    user = uuid4()
    async with database.writer(user, bookmark=bookmark) as connection:
        await connection.execute(INSERT, user, f"{user}@example.com")
    return user


async def email(database: Database, user: UUID, after: Bookmark | None = None) -> str | None:
    async with database.reader(user, after=after) as connection:
        found: str | None = await connection.fetchval(EMAIL, user)
    return found


@pytest.mark.anyio
async def test_reads_go_to_the_replica(open_database: Opener, pair: Pair) -> None:
    async with opened(open_database, pair) as database, database.reader(uuid4()) as connection:
        assert await connection.fetchval("SELECT pg_is_in_recovery()")


@pytest.mark.anyio
async def test_a_user_reads_what_that_user_wrote_and_a_replica_has_not_got(open_database: Opener, pair: Pair) -> None:
    bookmark = Bookmark()

    async with opened(open_database, pair) as database:
        pair.pause()
        user = await new_user(database, bookmark)

        assert await email(database, user) is None
        assert await email(database, user, after=Bookmark.parse(str(bookmark))) == f"{user}@example.com"
        assert database.counters.primary_reads == 1


@pytest.mark.anyio
async def test_once_the_replica_has_it_the_replica_is_read_again(open_database: Opener, pair: Pair) -> None:
    bookmark = Bookmark()

    async with opened(open_database, pair) as database:
        user = await new_user(database, bookmark)
        pair.resume()

        assert await email(database, user, after=bookmark) == f"{user}@example.com"
        assert (database.counters.replica_reads, database.counters.primary_reads) == (1, 0)


@pytest.mark.anyio
async def test_nobody_ever_misses_an_own_write_while_the_replica_comes_and_goes(
    open_database: Opener, pair: Pair
) -> None:
    stop = asyncio.Event()

    async def disturb() -> None:
        while not stop.is_set():
            await asyncio.to_thread(pair.pause)
            await asyncio.sleep(0.1)
            await asyncio.to_thread(pair.resume)
            await asyncio.sleep(0.05)

    async def write_and_read(database: Database) -> None:
        for _ in range(20):
            bookmark = Bookmark()
            user = await new_user(database, bookmark)
            assert await email(database, user, after=bookmark) == f"{user}@example.com"

    async with opened(open_database, pair, connections=8) as database:
        disturbing = asyncio.create_task(disturb())
        await asyncio.gather(*(write_and_read(database) for _ in range(6)))
        stop.set()
        await disturbing

        assert database.counters.replica_reads > 0
        assert database.counters.primary_reads > 0


@pytest.mark.anyio
async def test_a_replica_that_is_too_far_behind_is_left_alone_until_it_is_back(
    open_database: Opener, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.data.replicas.MAX_LAG_SECONDS", 0.5)

    async with opened(open_database, pair) as database:
        user = await new_user(database)
        pair.pause()
        end = time.monotonic() + 10
        while database.counters.primary_reads < REFUSALS and time.monotonic() < end:
            await new_user(database)
            await email(database, user)
            await asyncio.sleep(0.05)
        assert database.counters.primary_reads >= REFUSALS

        pair.resume()
        await asyncio.sleep(1)
        before = database.counters.replica_reads
        await email(database, user)
        assert database.counters.replica_reads == before + 1


@pytest.mark.anyio
async def test_a_lag_does_not_stampede_the_primary(open_database: Opener, pair: Pair) -> None:
    """Two of four connections read in the replica's place; who waits too long comes back later."""
    bookmark = Bookmark()
    active = 0
    most = 0

    async with opened(open_database, pair, wait_seconds=0.4) as database:
        pair.pause()
        user = await new_user(database, bookmark)

        async def read() -> bool:
            nonlocal active, most
            try:
                async with database.reader(user, after=bookmark) as connection:
                    active += 1
                    most = max(most, active)
                    await connection.fetchval("SELECT pg_sleep(0.3)")
                    active -= 1
            except OverloadedError:
                return False
            return True

        served = await asyncio.gather(*(read() for _ in range(4)))

    assert most == 2
    assert served.count(True) == 2


@pytest.mark.anyio
async def test_a_replica_serves_what_it_has_while_the_primary_is_gone(open_database: Opener, pair: Pair) -> None:
    async with opened(open_database, pair) as database:
        user = await new_user(database)
        pair.resume()
        pair.primary.kill()
        try:
            assert await email(database, user) == f"{user}@example.com"
        finally:
            pair.primary.start()


@given(st.dictionaries(st.sampled_from(["us-east-1-db-0", "eu-west-1-db-0"]), st.integers(0, UNKNOWN)))
def test_a_bookmark_survives_being_text(positions: dict[str, int]) -> None:
    found = Bookmark.parse(str(Bookmark(positions)))

    assert {primary: found.at(primary) for primary in positions} == positions


@given(st.text())
def test_a_bookmark_that_makes_no_sense_is_none(text: str) -> None:
    assert Bookmark.parse(text).at(PRIMARY) >= 0


def test_a_bookmark_only_goes_forward() -> None:
    bookmark = Bookmark()
    for position in (5, 9, 7):
        bookmark.advance(PRIMARY, position)

    assert str(bookmark) == f"{PRIMARY}:9"


def test_lag_is_how_long_ago_the_primary_wrote_what_is_missing() -> None:
    replicas = Replicas()
    for at, position in ((0, 100), (1, 200), (2, 200), (3, 300)):
        replicas.sampled(at, position)

    assert replicas.lag_seconds(300) == 0
    assert replicas.lag_seconds(250) == 0
    assert replicas.lag_seconds(150) == 2
    assert replicas.lag_seconds(50) == 3


def test_lag_stands_still_while_the_primary_is_not_heard_of() -> None:
    replicas = Replicas()
    replicas.sampled(0, 100)
    replicas.sampled(1, 200)

    assert replicas.accepts(1_000, replayed=150, floor=0)


def test_an_idle_primary_makes_no_lag() -> None:
    replicas = Replicas()
    for second in range(100):
        replicas.sampled(second, 100)

    assert replicas.lag_seconds(100) == 0


def test_after_a_restore_positions_begin_again() -> None:
    replicas = Replicas()
    replicas.sampled(0, 1_000)
    replicas.sampled(100, 10)

    assert replicas.lag_seconds(10) == 0


def test_a_minute_is_remembered() -> None:
    replicas = Replicas()
    for second in range(1_000):
        replicas.sampled(second, second)

    assert replicas.lag_seconds(0) == MEMORY_SECONDS


def test_replicas_get_a_moment_only_after_several_refusals_for_lag() -> None:
    replicas = Replicas()
    replicas.sampled(0, 100)
    replicas.sampled(MAX_LAG_SECONDS + 1, 100)

    for _ in range(REFUSALS * 2):  # One user's write is no sign of lag.
        assert not replicas.accepts(6, replayed=100, floor=150)
    assert replicas.may_be_asked(6)
    for _ in range(REFUSALS):
        assert replicas.may_be_asked(6)
        assert not replicas.accepts(6, replayed=50, floor=0)
    assert not replicas.may_be_asked(6)
    assert replicas.may_be_asked(6 + PAUSE_SECONDS)


def test_the_primary_itself_is_never_behind() -> None:
    replicas = Replicas()
    replicas.sampled(0, 100)

    assert replicas.accepts(10, replayed=None, floor=UNKNOWN)
