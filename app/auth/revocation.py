"""Ended sessions, known to every pod at once: in Redis for as long as an access token may live, and in PostgreSQL.

What is decided when Redis is gone, slow or empty: the database is asked instead, a few requests at a time. When that is
gone too, the answer is 503. Nothing is ever let through because nobody could be asked.

Redis may lack an entry: it was restarted, failed over before it replicated, or was out of reach of the pod that ended
the session. So each of 16 buckets has a mark that says when the bucket was complete. A pod that finds none, or one
older than a minute, fills the bucket from the database: an entry is missing for `COMPLETE_SECONDS` at most.

While the database is away no session can be ended, as that is written there first: a bucket that was complete before
stays so, and is believed for as long as a token may live. Whoever is logged in can go on reading what the caches have.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import structlog

from app.auth.errors import AuthUnavailableError
from app.auth.settings import AuthSettings
from app.auth.store import Connections
from app.auth.tokens import LEEWAY_SECONDS
from app.cache.store import LOST, Command, Store, command
from app.data.errors import UnavailableError

COMPLETE_SECONDS = 60
AWAY_SECONDS = 1.0
"""A database that was not to be had is left alone so long."""
CONCURRENT_QUERIES = 4
"""Of this process, while Redis is gone: the rest of the pool is for the work itself."""

_DATABASE_FAILURES = (UnavailableError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)

_log = structlog.get_logger()

Tell = Callable[[Sequence[UUID]], Awaitable[object]]


class Revocations:
    """Says whether a session ended."""

    def __init__(
        self, settings: AuthSettings, connections: Connections, store: Store, tell: Tell | None = None
    ) -> None:
        """Take the Redis that evicts nothing: `allkeys-lru` would forget who is logged out.

        Args:
            settings: how long tokens live.
            connections: the database with the sessions.
            store: that Redis.
            tell: hears of sessions that ended, such as whoever holds their sockets.
        """
        self._life_seconds = settings.access_seconds + 2 * LEEWAY_SECONDS
        self._connections, self._store = connections, store
        self._queries = asyncio.Semaphore(CONCURRENT_QUERIES)
        self._tell = tell
        self._away_until = 0.0

    async def add(self, session_ids: Sequence[UUID]) -> None:
        """Tell every pod. The database knows already, so a failure here only delays it."""
        replies = await self._store.run([self._entry(one) for one in session_ids])
        if LOST in replies:
            _log.warning("revocation_not_cached", count=replies.count(LOST))
        if self._tell is not None:
            await self._tell(session_ids)

    def ask(self, session_id: UUID) -> Awaitable[list[Any]]:
        """Ask Redis already; `is_revoked` will want the reply."""
        return self._store.ask(command("MGET", _key(session_id), _mark(session_id)))

    async def is_revoked(self, session_id: UUID, asked: Awaitable[list[Any]] | None = None) -> bool:
        """Whether the session ended; `asked` is what `ask` gave for it.

        Raises:
            AuthUnavailableError: neither Redis nor the database answers.
        """
        (reply,) = await (asked or self.ask(session_id))
        if reply is LOST:
            return await self._ask_database(session_id)
        revoked, mark = reply
        if revoked is not None:
            return True
        if mark is not None and time.time() - float(mark) < COMPLETE_SECONDS:
            return False
        if mark is not None and time.monotonic() < self._away_until:
            return False
        try:
            return await self._restore(session_id)
        except AuthUnavailableError:
            self._away_until = time.monotonic() + AWAY_SECONDS
            if mark is None:
                raise
            return False

    async def _ask_database(self, session_id: UUID) -> bool:
        try:
            async with self._queries, self._connections.system_writer() as connection:
                return not await connection.fetchval(
                    "SELECT EXISTS (SELECT FROM auth_sessions WHERE session_id = $1 AND revoked_at IS NULL)", session_id
                )
        except _DATABASE_FAILURES:
            raise AuthUnavailableError(retry_after_seconds=1) from None

    async def _restore(self, session_id: UUID) -> bool:
        """Fill the session's bucket; whether the session is in it. The mark comes last: half a bucket has none."""
        began = time.time()
        try:
            async with self._queries, self._connections.system_writer() as connection:
                rows = await connection.fetch(
                    "SELECT session_id FROM auth_sessions WHERE revoked_at > now() - make_interval(secs => $1) "
                    "AND left(session_id::text, 1) = $2",
                    float(self._life_seconds),
                    _bucket(session_id),
                )
        except _DATABASE_FAILURES:
            raise AuthUnavailableError(retry_after_seconds=1) from None
        revoked = [row["session_id"] for row in rows]
        entries = [self._entry(one) for one in revoked]
        if LOST not in await self._store.run(entries):
            await self._store.run([command("SET", _mark(session_id), began, "EX", self._life_seconds)])
        return session_id in revoked

    def _entry(self, session_id: UUID) -> Command:
        return command("SET", _key(session_id), "1", "EX", self._life_seconds)


def _bucket(session_id: UUID) -> str:
    return str(session_id)[0]


def _key(session_id: UUID) -> str:
    """Of the same slot of a cluster as the bucket's mark."""
    return f"{{revoked:{_bucket(session_id)}}}:{session_id}"


def _mark(session_id: UUID) -> str:
    return f"{{revoked:{_bucket(session_id)}}}:complete"
