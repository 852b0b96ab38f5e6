"""The rows of users whose slots move: copied to the other shard, compared with it, deleted where they were.

Nobody writes to these users meanwhile: the map says that their slots are frozen. What is copied is what the old shard
had at one moment, and the new shard has all of it or, if anything goes wrong, none.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import asyncpg

from app.data import slot_tables
from app.data.database import SYSTEM_ROLE, Database
from app.data.errors import UncertainError, UnreachableError
from app.data.pools import FAILURES
from app.data.schema import is_ready
from app.data.slot_tables import OUTBOX, PROCESSED, Table, Tables
from app.settings import Shard

SECONDS = 3_600
"""For one statement, and for waiting while the other side has one: both are minutes for a few slots."""
LOCK = 4_851_006
"""Advisory lock of a shard that is copied to or deleted from, held by the transaction."""
CHUNKS = 16
"""Of a stream, in memory at a time; asyncpg makes them as large as what the socket brought."""
_BEGIN = """SELECT set_config('role', $1, true), set_config('statement_timeout', $2, true),
set_config('idle_in_transaction_session_timeout', $2, true), set_config('timezone', 'UTC', true)"""
_STAGED = "pg_temp.moving"

Tell = Callable[[str], None]
"""Hears how far it is."""


class SlotsError(Exception):
    """Nothing was changed; the text is for the operator."""


@dataclass(frozen=True, slots=True)
class Slots:
    """A range, both ends included."""

    first: int
    last: int

    def __str__(self) -> str:
        """As a stack file has it."""
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


@dataclass(frozen=True, slots=True)
class Compared:
    """A table on both shards, these users' rows alone.

    Attributes:
        table: its name.
        source: rows.
        target: rows; of logs, there may be more.
        agrees: whether the target has what the source has.
    """

    table: str
    source: int
    target: int
    agrees: bool


class DisagreeError(SlotsError):
    """The two shards do not have the same.

    Attributes:
        tables: all that were compared.
    """

    def __init__(self, message: str, tables: Sequence[Compared]) -> None:
        """Keep what was found."""
        super().__init__(message)
        self.tables = tables


@dataclass(frozen=True, kw_only=True, slots=True)
class Mover:
    """Works on some slots of one shard and another.

    Attributes:
        database: all shards.
        slots: whose users.
        source: where they are, or were.
        target: where they are to be, or are.
        tell: hears of each table.
    """

    database: Database
    slots: Slots
    source: Shard
    target: Shard
    tell: Tell

    async def compare(self) -> list[Compared]:
        """Each table on both shards; nothing is changed.

        Raises:
            SlotsError: the shards cannot be compared.
            UnavailableError: one of them does not answer.
        """
        async with self._both() as both:
            return await both.compare()

    async def copy(self, *, again: bool) -> list[Compared]:
        """Copy what the source has, and compare; nothing happens where the target has the same already.

        Args:
            again: rows of these users that the target has are replaced.

        Raises:
            DisagreeError: the target has other rows of these users, or what was copied is not the same.
            SlotsError: it cannot be copied.
            UnavailableError: a shard does not answer.
            UncertainError: the connection was lost while committing.
        """
        await self._make_partitions()
        is_copied = False
        try:
            async with self._both() as both:
                await lock(both.target, self.target)
                if await both.has_users():
                    found = await both.compare()
                    if all(one.agrees for one in found):
                        await both.add()
                        return found
                    if not again:
                        raise DisagreeError(await both.last_activity(), found)
                await both.replace()
                found = await both.compare()
                if not all(one.agrees for one in found):
                    msg = "what was copied is not the same, so it was undone: is somebody writing to these users?"
                    raise DisagreeError(msg, found)
                is_copied = True
        except UnreachableError as error:
            if is_copied:
                raise UncertainError from error
            raise
        return found

    async def _make_partitions(self) -> None:
        """In a transaction of their own: they lock no reader or writer out, and do no harm without rows."""
        async with self._begun(self.source, snapshot=True) as source:
            needed = await slot_tables.months(source)
        async with self._begun(self.target) as target:
            for table, month in sorted(needed - await slot_tables.months(target)):
                first = date(int(month[:4]), int(month[5:]), 1)
                await target.fetchval("SELECT add_month_partition($1::text::regclass, $2)", table, first)
                self.tell(f"{table}: partition of {first:%B %Y} made on shard {self.target.id}")

    @contextlib.asynccontextmanager
    async def _both(self) -> AsyncIterator[_Both]:
        """A snapshot of the source, and a transaction on the target."""
        async with self._begun(self.source, snapshot=True) as source, self._begun(self.target) as target:
            yield _Both(self, source, target, await _tables(source, target))

    def _begun(self, shard: Shard, *, snapshot: bool = False) -> contextlib.AbstractAsyncContextManager[Any]:
        return begun(self.database, shard, snapshot=snapshot)


@contextlib.asynccontextmanager
async def begun(database: Database, shard: Shard, *, snapshot: bool = False) -> AsyncIterator[Any]:
    """A transaction on a primary that sees all rows and may take its time; asyncpg's connection, for COPY.

    Raises:
        SlotsError: PostgreSQL refuses something. Its own text is not told, as it may have a row's values.
        UnavailableError: the shard does not answer.
    """
    how: dict[str, Any] = {"isolation": "repeatable_read", "readonly": True} if snapshot else {}
    try:
        async with database.writers.connection(shard.database) as connection, connection.transaction(**how):
            await connection.fetchrow(_BEGIN, SYSTEM_ROLE, f"{SECONDS}s")
            yield connection
    except FAILURES as error:
        msg = f"a shard does not answer: {type(error).__name__}"
        raise UnreachableError(msg) from error
    except asyncpg.PostgresError as error:
        where = ", ".join(filter(None, (error.schema_name, error.table_name, error.constraint_name)))
        msg = f"PostgreSQL refuses it: {type(error).__name__}{f' ({where})' if where else ''}"
        raise SlotsError(msg) from None


async def lock(connection: Any, shard: Shard) -> None:
    """Keep others from copying to a shard, or deleting there, until the transaction ends.

    Raises:
        SlotsError: somebody does.
    """
    if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", LOCK):
        msg = f"somebody else copies to shard {shard.id}, or deletes there; wait for that"
        raise SlotsError(msg)


async def _tables(source: Any, target: Any) -> Tables:
    """What both have.

    Raises:
        SlotsError: a migration is on its way, or this image is older than the tables.
    """
    if not (await is_ready(source) and await is_ready(target)):
        msg = "a shard's schema is older than this image: wait until the migration is done"
        raise SlotsError(msg)
    here, there = await slot_tables.read(source), await slot_tables.read(target)
    if here != there:
        msg = "the shards' schemas differ: wait until the migration is done"
        raise SlotsError(msg)
    if here.unknown:
        msg = f"this image does not know what to do with {', '.join(here.unknown)}: run it in a pod of the newest"
        raise SlotsError(msg)
    return here


@dataclass(frozen=True, slots=True)
class _Both:
    """A snapshot of the source and a transaction on the target, open together."""

    mover: Mover
    source: Any
    target: Any
    tables: Tables

    @property
    def _range(self) -> tuple[int, int]:
        return self.mover.slots.first, self.mover.slots.last

    async def has_users(self) -> bool:
        """Whether the target has rows of these users: all of them belong to one of `users`."""
        query = "SELECT EXISTS (SELECT FROM users WHERE user_slot(id) BETWEEN $1 AND $2)"
        return bool(await self.target.fetchval(query, *self._range, timeout=SECONDS))

    async def last_activity(self) -> str:
        """For the operator, who decides which of the two is right."""
        query = "SELECT max(last_active_at) FROM users WHERE user_slot(id) BETWEEN $1 AND $2"
        sides = ((self.mover.source, self.source), (self.mover.target, self.target))
        latest = [(shard.id, await side.fetchval(query, *self._range, timeout=SECONDS)) for shard, side in sides]
        told = ", ".join(f"shard {shard}: {f'{at:%Y-%m-%d %H:%M} UTC' if at else 'never'}" for shard, at in latest)
        return (
            f"shard {self.mover.target.id} has other rows of these users: an earlier copy, or what was written there. "
            f"Last activity on {told}. Only if what shard {self.mover.source.id} has is right: --again replaces them"
        )

    async def replace(self) -> None:
        """Copy all rows, after what the target has of them was taken away."""
        await self._take_away()
        for table in self.tables.moved:
            await self._put(table, "")
        await self.add()
        await self._put_back_jobs()

    async def add(self) -> None:
        """Copy what stands beside what the target has."""
        for table in self.tables.added:
            await self._put(table, "ON CONFLICT DO NOTHING")

    async def _put(self, table: Table, conflict: str) -> None:
        start = time.monotonic()
        await self._stage(table)
        done = await self.target.execute(
            f"INSERT INTO {table.name} ({table.listed}) SELECT {table.listed} FROM {_STAGED} {conflict}",  # noqa: S608 of the catalogue
            timeout=SECONDS,
        )
        await self._unstage()
        self.mover.tell(f"{table.name}: {int(done.split()[-1]):,} rows in {time.monotonic() - start:.1f} s")

    async def compare(self) -> list[Compared]:
        """Table by table."""
        found = [await self._compare(table) for table in self.tables.moved]
        return [*found, *[await self._compare_added(table) for table in self.tables.added if table.name != PROCESSED]]

    async def _compare(self, table: Table) -> Compared:
        """By number and by the sum of the rows' hashes, which knows no order."""
        query = f"""SELECT count(*) AS rows, coalesce(sum(hashtextextended(ROW({table.listed})::text, 0)), 0) AS hashes
        FROM {table.name} WHERE {table.rows}"""  # noqa: S608 of the catalogue
        source, target = await asyncio.gather(
            *(side.fetchrow(query, *self._range, timeout=SECONDS) for side in (self.source, self.target))
        )
        return Compared(table.name, source["rows"], target["rows"], agrees=tuple(source) == tuple(target))

    async def _compare_added(self, table: Table) -> Compared:
        """The target has each row of the source. Jobs that are due may have been sent by either."""
        await self._stage(table)
        still = "WHERE due_at > clock_timestamp()" if table.name == OUTBOX else ""
        row = await self.target.fetchrow(
            f"""SELECT (SELECT count(*) FROM {_STAGED}) AS source,
            (SELECT count(*) FROM {table.name} WHERE {table.rows}) AS target,
            (SELECT count(*) FROM (SELECT {table.listed} FROM {_STAGED} {still}
                EXCEPT SELECT {table.listed} FROM {table.name} WHERE {table.rows}) missing) AS missing""",  # noqa: S608 of the catalogue
            *self._range,
            timeout=SECONDS,
        )
        await self._unstage()
        return Compared(table.name, row["source"], row["target"], agrees=row["missing"] == 0)

    async def _stage(self, table: Table) -> None:
        """The source's rows in a temporary table of the target: no COPY goes into tables with row-level security."""
        columns = f"SELECT {table.listed} FROM {table.name}"  # noqa: S608 of the catalogue
        await self.target.execute(f"CREATE TEMPORARY TABLE moving ON COMMIT DROP AS {columns} WITH NO DATA")
        chunks: asyncio.Queue[bytes | None] = asyncio.Queue(CHUNKS)

        async def taken() -> AsyncIterator[bytes]:
            while (chunk := await chunks.get()) is not None:
                yield chunk

        async def read() -> None:
            rows = "" if table.name == PROCESSED else f" WHERE {table.rows}"
            await self.source.copy_from_query(
                columns + rows, *(self._range if rows else ()), output=chunks.put, format="binary", timeout=SECONDS
            )
            await chunks.put(None)

        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(read())
                tasks.create_task(
                    self.target.copy_to_table(
                        "moving", schema_name="pg_temp", source=taken(), format="binary", timeout=SECONDS
                    )
                )
        except ExceptionGroup as group:
            raise group.exceptions[0] from None

    async def _unstage(self) -> None:
        await self.target.execute(f"DROP TABLE {_STAGED}")

    async def _take_away(self) -> None:
        """What the target has of these users; but their jobs, which would go with them, are put back afterwards."""
        waiting = next(table for table in self.tables.added if table.name == OUTBOX)
        await self.target.execute(
            f"CREATE TEMPORARY TABLE waiting ON COMMIT DROP AS SELECT {waiting.listed} FROM outbox WITH NO DATA"  # noqa: S608 of the catalogue
        )
        await self.target.execute(
            f"INSERT INTO pg_temp.waiting SELECT {waiting.listed} FROM outbox WHERE {waiting.rows}",  # noqa: S608 of the catalogue
            *self._range,
            timeout=SECONDS,
        )
        for table in reversed(self.tables.moved):
            await self.target.execute(f"DELETE FROM {table.name} WHERE {table.rows}", *self._range, timeout=SECONDS)  # noqa: S608 of the catalogue

    async def _put_back_jobs(self) -> None:
        """Of users that are still there."""
        waiting = next(table for table in self.tables.added if table.name == OUTBOX)
        await self.target.execute(
            f"""INSERT INTO outbox ({waiting.listed}) SELECT {waiting.listed} FROM pg_temp.waiting
            WHERE EXISTS (SELECT FROM users WHERE id = user_id) ON CONFLICT DO NOTHING""",  # noqa: S608 of the catalogue
            timeout=SECONDS,
        )
