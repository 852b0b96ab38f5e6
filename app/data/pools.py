"""Connections of one process to one pooler, over all databases behind it.

asyncpg's own pool has one database, keeps a connection for as long as it is used, and resets the session by four
statements at every release. Behind PgBouncer in transaction mode there is no session to reset; a process with ten
shards must still stay below the number that the pooler has for it; and a pooler that stops waits for its clients to
leave, so none may stay for ever. Hence this one.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Self

import asyncpg

from app.data.errors import OverloadedError, UnreachableError

CONNECT_SECONDS = 5
STATEMENT_CACHE = 200
"""PgBouncer's `max_prepared_statements`. Off, as is often advised, the same work takes two to five times as long; on,
it needs PgBouncer 1.21, and statements that name their columns: without, a new column breaks them until the pooler's
own connection ends."""
COMMAND_SECONDS = 16
"""A second more than the role's `statement_timeout`, for when the server is the one that is gone."""
FAILURES = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what it says when the server goes between two messages
    asyncpg.PostgresConnectionError,  # 08: PgBouncer's own, too, such as `query_wait_timeout`
    asyncpg.InvalidAuthorizationSpecificationError,  # 28: a password is being rotated
    asyncpg.InvalidCatalogNameError,  # 3D: a new shard's database
    asyncpg.InsufficientResourcesError,  # 53: too many connections
    asyncpg.OperatorInterventionError,  # 57: shutting down, starting up
)
"""What connecting and starting a transaction fail with while the database is not to be had."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """A pooler, and who connects to it."""

    host: str
    port: int
    user: str
    password: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Of one pool.

    Attributes:
        connections: open at the same time, busy or idle.
        wait_seconds: a request waits for one of them.
        idle_seconds: an idle one is closed after this.
        recycle_seconds: one of this age is closed when it comes back; up to a tenth less, so that not all go at once.
    """

    connections: int
    wait_seconds: float
    idle_seconds: float
    recycle_seconds: float


@dataclass(slots=True)
class _Pooled:
    connection: Any
    database: str
    expires: float
    used: float


class Pool:
    """Connections to the databases behind one endpoint; the one used last is used next.

    When all are open and none is to the right database, the one that has been idle for longest makes room.
    """

    def __init__(self, name: str, endpoint: Endpoint, limits: Limits) -> None:
        """Open nothing yet; `name` is how the server sees the application."""
        self._name, self._endpoint, self._limits = name, endpoint, limits
        self._permits = asyncio.Semaphore(limits.connections)
        self._idle: list[_Pooled] = []
        self._reaper: asyncio.Task[None] | None = None
        self._closed = False
        self.open = 0
        """Connections, idle ones too."""
        self.busy = 0

    @property
    def utilisation(self) -> float:
        """Share of the connections that are at work, 0 to 1."""
        return self.busy / self._limits.connections

    async def __aenter__(self) -> Self:
        """Start closing what is idle."""
        self._reaper = asyncio.create_task(self._reap(), name=f"{self._name}-reaper")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close what is idle; what is busy is closed when it comes back."""
        self._closed = True
        if self._reaper is not None:
            self._reaper.cancel()
        while self._idle:
            await self._close(self._idle.pop())

    @contextlib.asynccontextmanager
    async def connection(self, database: str, *, fresh: bool = False) -> AsyncIterator[Any]:
        """A connection (asyncpg's) to `database`, with `fresh` a new one.

        Raises:
            OverloadedError: none became free in time.
            UnreachableError: there is no connecting.
        """
        try:
            async with asyncio.timeout(self._limits.wait_seconds):
                await self._permits.acquire()
        except TimeoutError:
            msg = f"all {self._limits.connections} connections are busy"
            raise OverloadedError(msg) from None
        self.busy += 1
        try:
            pooled = (None if fresh else self._take(database)) or await self._connect(database)
            async with self._lent(pooled):
                yield pooled.connection
        finally:
            self.busy -= 1
            self._permits.release()

    @contextlib.asynccontextmanager
    async def spare_connection(self, database: str) -> AsyncIterator[Any | None]:
        """A connection that takes nobody's place, or None; using it does not keep it from being idle.

        Raises:
            UnreachableError: there is no connecting.
        """
        if self._permits.locked():
            yield None
            return
        await self._permits.acquire()
        try:
            pooled = self._take(database)
            if pooled is None and self.open < self._limits.connections:
                pooled = await self._connect(database)
            if pooled is None:
                yield None
                return
            used = pooled.used
            async with self._lent(pooled):
                yield pooled.connection
            pooled.used = used
        finally:
            self._permits.release()

    @contextlib.asynccontextmanager
    async def _lent(self, pooled: _Pooled) -> AsyncIterator[None]:
        try:
            yield
        except (asyncio.CancelledError, TimeoutError):
            # The server may still be at it, and a late cancellation would hit whatever came next.
            pooled.connection.terminate()
            raise
        finally:
            await self._give_back(pooled)

    def _take(self, database: str) -> _Pooled | None:
        for index in range(len(self._idle) - 1, -1, -1):
            if self._idle[index].database == database:
                pooled = self._idle.pop(index)
                if not pooled.connection.is_closed():
                    return pooled
                self.open -= 1
        return None

    async def _connect(self, database: str) -> _Pooled:
        while self.open >= self._limits.connections and self._idle:
            await self._close(min(self._idle, key=lambda one: one.used))
        self.open += 1
        end = self._endpoint
        try:
            connection = await asyncpg.connect(
                host=end.host,
                port=end.port,
                user=end.user,
                password=end.password,
                database=database,
                ssl=False,  # The pooler stands in the same cluster, and speaks TLS to the database.
                timeout=CONNECT_SECONDS,
                command_timeout=COMMAND_SECONDS,
                statement_cache_size=STATEMENT_CACHE,
                server_settings={"application_name": self._name},
            )
        except BaseException as error:
            self.open -= 1
            if isinstance(error, FAILURES):
                msg = f"no connection to {database} at {end.host}: {type(error).__name__}"
                raise UnreachableError(msg) from error
            raise
        now = time.monotonic()
        jitter = random.uniform(0.9, 1)  # noqa: S311 nothing is kept secret by it
        return _Pooled(connection, database, expires=now + self._limits.recycle_seconds * jitter, used=now)

    async def _give_back(self, pooled: _Pooled) -> None:
        now = time.monotonic()
        connection = pooled.connection
        if connection.is_closed():
            self.open -= 1
        elif self._closed or now > pooled.expires or connection.is_in_transaction():
            await self._close(pooled)
        else:
            pooled.used = now
            self._idle.append(pooled)

    async def _close(self, pooled: _Pooled) -> None:
        """Say goodbye to the server, which an abrupt end would leave with a line in its log."""
        with contextlib.suppress(ValueError):
            self._idle.remove(pooled)
        self.open -= 1
        try:
            await pooled.connection.close(timeout=1)
        except FAILURES:
            pooled.connection.terminate()

    async def _reap(self) -> None:
        while True:
            await asyncio.sleep(self._limits.idle_seconds / 2)
            now = time.monotonic()
            for pooled in list(self._idle):
                if pooled in self._idle and (now - pooled.used > self._limits.idle_seconds or now > pooled.expires):
                    await self._close(pooled)
