"""Users' rows from one database to another, as an operator moves them, on real servers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, LiteralString
from uuid import UUID, uuid4

import psycopg
import pytest

from app.data import slot_tables
from app.data.database import Database
from app.data.errors import FrozenError, UnreachableError
from app.data.shards import slot_of
from app.data.slot_copy import LOCK, Compared, DisagreeError, SlotsError
from app.data.slot_tables import ADDED, ELSEWHERE, LOGS, MOVED, OUTBOX, PROCESSED
from app.privacy.exports import TABLES
from tests.app.data.conftest import Opener
from tests.app.data.moving import FROZEN, SECRET, SWITCHED, Two, two, user_in
from tests.app.pooled.clients import endpoint
from tests.app.servers import APPLICATION, PgBouncer, Postgres

__all__ = ["two"]


def test_every_table_with_users_rows_moves_or_there_is_a_reason_not_to(two: Two) -> None:
    query = """SELECT c.oid::regclass::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE a.attname = 'user_id' AND c.relkind IN ('r', 'p', 'm') AND NOT c.relispartition"""
    tables = {row[0] for row in two.owners[0].execute(query).fetchall()}

    assert tables | {"users", "profiles", PROCESSED} == {*MOVED, *ADDED, *ELSEWHERE}
    assert len({*MOVED, *ADDED, *ELSEWHERE}) == len(MOVED) + len(ADDED) + len(ELSEWHERE)
    # What users may ask a copy of is theirs wherever they are.
    assert set(TABLES) <= {*MOVED, *LOGS}


@pytest.mark.anyio
async def test_what_is_copied_reads_the_same_on_the_new_shard(two: Two, open_database: Opener) -> None:
    movers = {user for user in two.users(0) if 200 <= slot_of(user) <= 203}
    (stays,) = two.users(0) - movers
    before = two.content(0)

    async with open_database(shards=two.parsed(FROZEN)) as database:
        with pytest.raises(FrozenError):
            async with database.writer(next(iter(movers))):
                pass
        found = await two.mover(database).copy(again=False)
        read = await answers(database, movers)
    async with open_database(shards=two.parsed(SWITCHED)) as database:
        assert await answers(database, movers) == read

    counts = {one.table: (one.source, one.target, one.agrees) for one in found}
    assert set(counts) == {*MOVED, *LOGS, OUTBOX}
    assert {counts[table] for table in counts if table != "video_views"} == {(2, 2, True)}
    assert counts["video_views"] == (4, 4, True)
    assert two.users(1) == movers
    assert two.content(0) == before
    copied = two.content(1)
    for table, rows in before.items():
        moved = rows if table == PROCESSED else [row for row in rows if str(stays) not in row]
        assert copied[table] == moved, table
    assert "video_views: partition of March 2021 made on shard 1" in two.told
    assert SECRET not in str(two.told)


async def answers(database: Database, users: set[UUID]) -> list[Any]:
    """What users read of their own."""
    found = []
    for user in sorted(users):
        async with database.reader(user) as reading:
            for table, column in TABLES.items():
                query = f"SELECT t::text AS row FROM {table} t WHERE {column} = $1 ORDER BY 1"  # noqa: S608 of the code
                found.append((table, [row["row"] for row in await reading.fetch(query, user)]))
    assert all(rows for _, rows in found)
    return found


def test_the_order_of_copying_follows_the_foreign_keys(
    two: Two, run: Callable[..., Any], open_database: Opener
) -> None:
    async def order() -> list[str]:
        async with open_database(shards=two.parsed()) as database, database.system_reader() as reading:
            return [table.name for table in (await slot_tables.read(reading)).moved]

    names = run(order())
    assert sorted(names) == sorted(MOVED)
    for one, other in (("users", "leads"), ("leads", "conversations"), ("conversations", "messages")):
        assert names.index(one) < names.index(other)


@pytest.mark.anyio
async def test_copied_twice_it_is_there_once(two: Two, open_database: Opener) -> None:
    async with open_database(shards=two.parsed(FROZEN)) as database:
        first = await two.mover(database).copy(again=False)
        content = two.content(1)
        late = uuid4()
        two.insert(0, PROCESSED, job_id=late)

        assert await two.mover(database).copy(again=False) == first

    assert two.content(1, tuple(MOVED)) == {table: content[table] for table in MOVED}
    assert str(late) in str(two.content(1, (PROCESSED,)))


CHANGES: dict[str, LiteralString] = {
    "leads": "UPDATE leads SET name = 'other' WHERE user_id = (SELECT max(id::text)::uuid FROM users "
    "WHERE user_slot(id) >= 200)",
    "video_views": "DELETE FROM video_views WHERE created_at < '2022-01-01' AND user_slot(user_id) >= 200",
    "posts": "UPDATE posts SET title = title || '.' WHERE user_slot(user_id) >= 200",
    "audit_log": "INSERT INTO audit_log (user_id, action) SELECT id, 'more' FROM users WHERE user_slot(id) >= 200",
    OUTBOX: "INSERT INTO outbox (user_id, topic, payload, due_at) SELECT id, 'export', '{}', '2100-01-01' FROM users "
    "WHERE user_slot(id) >= 200",
}


@pytest.mark.anyio
@pytest.mark.parametrize("table", CHANGES)
async def test_what_changes_after_the_copy_is_found_and_replaced_only_when_asked(
    two: Two, open_database: Opener, table: str
) -> None:
    async with open_database(shards=two.parsed(FROZEN)) as database:
        mover = two.mover(database)
        assert all(one.agrees for one in await mover.copy(again=False))
        two.owners[0].execute(CHANGES[table])

        assert [one.table for one in await mover.compare() if not one.agrees] == [table]
        before = two.content(1)
        with pytest.raises(DisagreeError, match=r"shard 1 has other rows of these users.*--again") as refused:
            await mover.copy(again=False)
        assert [one.table for one in refused.value.tables if not one.agrees] == [table]
        assert two.content(1) == before

        assert all(one.agrees for one in await mover.copy(again=True))
        assert all(one.agrees for one in await mover.compare())


@pytest.mark.anyio
async def test_what_is_due_may_have_been_sent_by_either_shard(two: Two, open_database: Opener) -> None:
    (user, *_) = [user for user in two.users(0) if slot_of(user) >= 200]
    two.insert(0, OUTBOX, user_id=user, topic="email", payload="{}")
    async with open_database(shards=two.parsed(FROZEN)) as database:
        found = await two.mover(database).copy(again=False)
        assert Compared(OUTBOX, 3, 3, agrees=True) in found
        two.owners[1].execute("DELETE FROM outbox WHERE topic = 'email'")

        assert Compared(OUTBOX, 3, 2, agrees=True) in await two.mover(database).compare()


@pytest.mark.anyio
async def test_jobs_that_wait_on_the_new_shard_outlive_a_second_copy(two: Two, open_database: Opener) -> None:
    """As when slots come back: some were asked for there before."""
    user = max(two.users(0), key=slot_of)
    waiting = uuid4()
    async with open_database(shards=two.parsed(FROZEN)) as database:
        await two.mover(database).copy(again=False)
        two.insert(1, OUTBOX, id=waiting, user_id=user, topic="export", payload="{}", due_at="2100-01-01")
        two.owners[1].execute("UPDATE leads SET name = 'old'")

        await two.mover(database).copy(again=True)

    assert two.owners[1].execute("SELECT user_id FROM outbox WHERE id = %s", (waiting,)).fetchone() == (user,)


@pytest.mark.anyio
async def test_a_copy_that_breaks_off_leaves_the_shard_as_it_was(
    two: Two, open_database: Opener, postgres: Postgres
) -> None:
    two.insert(1, "users", id=user_in(0, 199), email="somebody@example.com")
    before = two.content(1)

    def fall(line: str) -> None:
        if line.startswith("messages"):
            with psycopg.connect(postgres.url("postgres", "postgres"), autocommit=True) as superuser:
                kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND usename = %s"
                superuser.execute(kill, (two.names[1], APPLICATION))

    async with open_database(shards=two.parsed(FROZEN)) as database:
        with pytest.raises(UnreachableError):
            await replace(two.mover(database), tell=fall).copy(again=False)
        assert two.content(1) == before

        assert all(one.agrees for one in await two.mover(database).copy(again=False))


@pytest.mark.anyio
async def test_a_key_that_somebody_else_has_is_told_without_its_value(two: Two, open_database: Opener) -> None:
    somebody = user_in(0, 199)
    two.insert(1, "users", id=somebody, email="somebody@example.com")
    (key,) = two.owners[0].execute("SELECT key FROM mail_sends WHERE user_slot(user_id) >= 200").fetchall()[0]
    two.insert(1, "mail_sends", key=key, user_id=somebody, state="sent")
    async with open_database(shards=two.parsed(FROZEN)) as database:
        with pytest.raises(SlotsError) as refused:
            await two.mover(database).copy(again=False)

    assert str(refused.value) == "PostgreSQL refuses it: UniqueViolationError (public, mail_sends, mail_sends_pkey)"
    assert two.users(1) == {somebody}


@pytest.mark.anyio
async def test_two_operators_do_not_work_on_one_shard(two: Two, open_database: Opener) -> None:
    async with open_database(shards=two.parsed(FROZEN)) as database:
        with two.owners[1].transaction():
            two.owners[1].execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
            with pytest.raises(SlotsError, match="somebody else copies to shard 1"):
                await two.mover(database).copy(again=False)


@pytest.mark.anyio
async def test_a_table_that_the_image_does_not_know_is_not_left_behind(two: Two, open_database: Opener) -> None:
    async with open_database(shards=two.parsed(FROZEN)) as database:
        two.owners[0].execute("CREATE TABLE tags (user_id uuid)")
        with pytest.raises(SlotsError, match="schemas differ"):
            await two.mover(database).copy(again=False)
        two.owners[1].execute("CREATE TABLE tags (user_id uuid)")
        with pytest.raises(SlotsError, match="does not know what to do with tags"):
            await two.mover(database).compare()


@pytest.mark.anyio
async def test_it_goes_through_the_pooler(two: Two, open_database: Opener, pgbouncer: PgBouncer) -> None:
    here = endpoint(pgbouncer.port)
    async with open_database(shards=two.parsed(FROZEN), writer=here, reader=here) as database:
        assert all(one.agrees for one in await two.mover(database).copy(again=False))


@pytest.mark.anyio
async def test_pods_make_months_of_the_products_tables_and_nothing_else(two: Two, open_database: Opener) -> None:
    query = "SELECT add_month_partition($1::text::regclass, '2020-01-01'::date)"
    async with open_database(shards=two.parsed()) as database:
        async with database.system_writer(1) as connection:
            assert await connection.fetchval(query, "audit_log") == "audit_log_2020_01"
            assert await connection.fetchval(query, "users") is None
            await connection.execute("CREATE TEMPORARY TABLE own (at timestamptz) PARTITION BY RANGE (at)")
            assert await connection.fetchval(query, "own") is None
        with pytest.raises(Exception, match="permission denied"):
            async with database.writer(uuid4()) as writing:
                await writing.fetchval(query, "audit_log")
