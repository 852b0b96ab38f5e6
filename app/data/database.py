"""Transactions on the right server: by user to a shard, by purpose to its primary or a replica.

Every one of them begins with a statement that says whose it is (`SET LOCAL`, so that nothing is left on a connection
that others use next), and row-level security shows it that user's rows alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from app.data.connection import Reading, Writing
from app.data.errors import OverloadedError, UnavailableError, UncertainError, UnreachableError
from app.data.pools import FAILURES, Endpoint, Limits, Pool
from app.data.replicas import UNKNOWN, Bookmark, Replicas
from app.data.shards import HOME, Shards
from app.settings import Settings, Shard

WRITE_TIMEOUT = "5s"
"""Of each statement of a writing transaction. Readers have their role's 15 s."""
READ_TIMEOUT = "15s"
SYSTEM_ROLE = "headroom_system"
"""Sees all rows; the migrations make it."""
SAMPLE_SECONDS = 0.2
_BEGIN = """SELECT set_config('app.user_id', $1, true), set_config('role', $2, true),
set_config('statement_timeout', $3, true)"""
_POSITION = """CASE WHEN pg_is_in_recovery() THEN (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint END AS replayed"""
_WRITTEN = "SELECT (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint"


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    """How to reach the databases.

    Attributes:
        writer: the pooler before the primaries.
        reader: the pooler before their replicas, or before the primaries where there are none.
        limits: of each of the two pools.
        name: of the application, as the server sees it.
    """

    writer: Endpoint
    reader: Endpoint
    limits: Limits
    name: str

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """As the stack says."""
        password = settings.database_password
        writer, reader = (
            Endpoint(
                host=host,
                port=settings.database_port,
                user=settings.database_user,
                password=password.get_secret_value() if password else None,
            )
            for host in (settings.database_writer_host, settings.database_reader_host)
        )
        limits = Limits(
            connections=settings.database_pool_size + settings.database_pool_overflow,
            wait_seconds=min(settings.database_pool_timeout_seconds, settings.request_timeout_seconds / 2),
            idle_seconds=settings.database_pool_idle_seconds,
            recycle_seconds=settings.database_pool_recycle_seconds,
        )
        return cls(writer=writer, reader=reader, limits=limits, name=f"headroom-{settings.service_role}")


@dataclass(slots=True)
class Counters:
    """Since the process started."""

    replica_reads: int = 0
    primary_reads: int = 0
    """Reads that no replica could serve."""
    refused_reads: int = 0
    """Reads that the primary was spared."""


class Database:
    """All shards. An async context manager; one a process.

    A key is a user's id or, for what is no single user's, a shard's number. `writer` and `reader` are for one user and
    see that user's rows; `system_writer` and `system_reader` see every row of the shard: for login, jobs, counts.
    """

    def __init__(self, access: Access, shards: Shards) -> None:
        """Connect to nothing yet."""
        self.shards = shards
        self.writers = Pool(access.name, access.writer, access.limits)
        self.readers = Pool(access.name, access.reader, access.limits)
        self.counters = Counters()
        self._replicas = {shard.primary: Replicas() for shard in shards.all}
        # When all replicas are too late, the primary takes half of the load that it could, and writes get through.
        self._fallbacks = asyncio.Semaphore(max(1, access.limits.connections // 2))
        self._fallback_seconds = access.limits.wait_seconds / 2
        self._sampler: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start sampling."""
        await self.writers.__aenter__()
        await self.readers.__aenter__()
        self._sampler = asyncio.create_task(self._sample(), name="replica-sampler")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all connections."""
        if self._sampler is not None:
            self._sampler.cancel()
            await asyncio.wait([self._sampler])
        await self.readers.__aexit__()
        await self.writers.__aexit__()

    @contextlib.asynccontextmanager
    async def writer(self, user_id: UUID, *, bookmark: Bookmark | None = None) -> AsyncIterator[Writing]:
        """A transaction of one user, committed at the end of the block.

        Args:
            user_id: says which shard, and whose rows.
            bookmark: is advanced to what was committed, for `reader`; costs a round trip.

        Raises:
            FrozenError: the user's slot moves, nobody writes to it for some minutes.
            OverloadedError: no connection became free.
            UnreachableError: no primary; nothing was written.
            UncertainError: the connection broke in COMMIT.
        """
        async with self._write(self.shards.to_write(user_id), str(user_id), "none", bookmark) as connection:
            yield connection

    @contextlib.asynccontextmanager
    async def system_writer(
        self, key: UUID | int = HOME, *, bookmark: Bookmark | None = None
    ) -> AsyncIterator[Writing]:
        """As `writer`, with all rows of a shard; a user's frozen slot is refused here, too."""
        async with self._write(self.shards.to_write(key), "", SYSTEM_ROLE, bookmark) as connection:
            yield connection

    @contextlib.asynccontextmanager
    async def reader(self, user_id: UUID, *, after: Bookmark | None = None) -> AsyncIterator[Reading]:
        """A read-only transaction of one user, on a replica that has all up to `after` and is at most 5 s behind.

        Raises:
            OverloadedError: no replica will do, and the primary has enough to do.
            UnreachableError: neither replicas nor primary.
        """
        async with self._read(self.shards.to_read(user_id), str(user_id), "none", after) as connection:
            yield connection

    @contextlib.asynccontextmanager
    async def system_reader(self, key: UUID | int = HOME, *, after: Bookmark | None = None) -> AsyncIterator[Reading]:
        """As `reader`, with all rows of a shard."""
        async with self._read(self.shards.to_read(key), "", SYSTEM_ROLE, after) as connection:
            yield connection

    @contextlib.asynccontextmanager
    async def _write(self, shard: Shard, user: str, role: str, bookmark: Bookmark | None) -> AsyncIterator[Any]:
        begin = _Begin(_BEGIN, (user, role, WRITE_TIMEOUT), readonly=False)
        async with _transaction(self.writers, shard.database, begin) as started:
            yield started.connection
            await started.commit()
            if bookmark is not None:
                bookmark.advance(shard.primary, await self._written(started.connection, shard.primary))

    async def _written(self, connection: Any, primary: str) -> int:
        """The primary's position after the commit; one taken before would not have the commit's own record."""
        try:
            position: int = await connection.fetchval(_WRITTEN)
        except FAILURES:
            return UNKNOWN
        self._replicas[primary].sampled(time.monotonic(), position)
        return position

    @contextlib.asynccontextmanager
    async def _read(self, shard: Shard, user: str, role: str, after: Bookmark | None) -> AsyncIterator[Any]:
        begin = _Begin(f"{_BEGIN}, {_POSITION}", (user, role, READ_TIMEOUT), readonly=True)
        floor = after.at(shard.primary) if after else 0
        async with contextlib.AsyncExitStack() as stack:
            started = await self._on_replica(stack, shard, begin, floor)
            if started is None:
                started = await self._on_primary(stack, shard, begin)
            yield started.connection
            await started.commit()

    async def _on_replica(
        self, stack: contextlib.AsyncExitStack, shard: Shard, begin: _Begin, floor: int
    ) -> _Started | None:
        replicas = self._replicas[shard.primary]
        if not replicas.may_be_asked(time.monotonic()):
            return None
        async with contextlib.AsyncExitStack() as attempt:
            try:
                started = await attempt.enter_async_context(_transaction(self.readers, shard.database, begin))
            except OverloadedError:
                raise  # This process has too much to do; the primary would not help it.
            except UnavailableError:
                replicas.refused(time.monotonic())
                return None
            if not replicas.accepts(time.monotonic(), replayed=started.row["replayed"], floor=floor):
                return None
            stack.push_async_exit(attempt.pop_all())
        self.counters.replica_reads += 1
        return started

    async def _on_primary(self, stack: contextlib.AsyncExitStack, shard: Shard, begin: _Begin) -> _Started:
        try:
            async with asyncio.timeout(self._fallback_seconds):
                await self._fallbacks.acquire()
        except TimeoutError:
            self.counters.refused_reads += 1
            msg = "no replica is recent enough, and the primary has its share of reads"
            raise OverloadedError(msg) from None
        stack.callback(self._fallbacks.release)
        self.counters.primary_reads += 1
        return await stack.enter_async_context(_transaction(self.writers, shard.database, begin))

    async def _sample(self) -> None:
        """Ask each primary for its position, if its replicas are being read.

        Each process asks five times a second and primary, and only while it has a connection to spare.
        """
        databases = {shard.primary: shard.database for shard in reversed(self.shards.all)}
        while True:
            await asyncio.sleep(SAMPLE_SECONDS * random.uniform(0.9, 1.1))  # noqa: S311 nothing is kept secret by it
            for primary, replicas in self._replicas.items():
                if time.monotonic() - replicas.read_at > 1:
                    continue
                with contextlib.suppress(UnavailableError, *FAILURES):
                    async with asyncio.timeout(1), self.writers.spare_connection(databases[primary]) as connection:
                        if connection is not None:
                            replicas.sampled(time.monotonic(), await connection.fetchval(_WRITTEN))


@dataclass(frozen=True, slots=True)
class System:
    """A shard's rows without a user: what code depends on that only needs a `writer()`, such as authentication."""

    database: Database
    key: UUID | int = HOME

    def writer(self) -> contextlib.AbstractAsyncContextManager[Writing]:
        """As `Database.system_writer`."""
        return self.database.system_writer(self.key)

    def reader(self) -> contextlib.AbstractAsyncContextManager[Reading]:
        """As `Database.system_reader`."""
        return self.database.system_reader(self.key)


@dataclass(frozen=True, slots=True)
class _Begin:
    """The first statement of a transaction."""

    query: str
    args: tuple[str, ...]
    readonly: bool


@dataclass(slots=True)
class _Started:
    """A transaction, what its first statement returned, and whether it is over."""

    connection: Any
    transaction: Any
    row: Any
    committed: bool = False

    async def commit(self) -> None:
        """End it.

        Raises:
            UncertainError: the connection broke.
        """
        self.committed = True
        try:
            await self.transaction.commit()
        except FAILURES as error:
            self.connection.terminate()
            msg = "the connection was lost while committing"
            raise UncertainError(msg) from error


@contextlib.asynccontextmanager
async def _transaction(pool: Pool, database: str, begin: _Begin) -> AsyncIterator[_Started]:
    """One that is rolled back unless its `commit` was called.

    A connection that has been idle may be dead without this side knowing; so a transaction that cannot begin is begun
    once more on a new one.
    """
    async with contextlib.AsyncExitStack() as stack:
        started = await _start(stack, pool, database, begin)
        try:
            yield started
        except (asyncio.CancelledError, TimeoutError):
            raise  # The pool ends the connection, and the transaction with it; the server may be past answering.
        except BaseException as error:
            if started.connection.is_closed() and not started.committed and isinstance(error, FAILURES):
                msg = "the connection was lost; nothing was written"
                raise UnreachableError(msg) from error
            await _roll_back(started)
            raise
        await _roll_back(started)


async def _start(stack: contextlib.AsyncExitStack, pool: Pool, database: str, begin: _Begin) -> _Started:
    """Begin on a connection of the pool; where that one turns out to be dead, on a fresh one."""
    connection = await stack.enter_async_context(pool.connection(database))
    try:
        return await _begun(connection, begin)
    except FAILURES:
        await stack.aclose()
    connection = await stack.enter_async_context(pool.connection(database, fresh=True))
    try:
        return await _begun(connection, begin)
    except FAILURES as error:
        msg = f"{database} does not take transactions: {type(error).__name__}"
        raise UnreachableError(msg) from error


async def _begun(connection: Any, begin: _Begin) -> _Started:
    """Begin; a connection on which that fails is closed."""
    transaction = connection.transaction(readonly=begin.readonly)
    try:
        await transaction.start()
        return _Started(connection, transaction, await connection.fetchrow(begin.query, *begin.args))
    except FAILURES:
        connection.terminate()
        raise


async def _roll_back(started: _Started) -> None:
    if started.committed or started.connection.is_closed():
        return
    try:
        await started.transaction.rollback()
    except FAILURES:
        started.connection.terminate()
