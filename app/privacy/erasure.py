"""The end of an account: asked for, taken back within `GRACE_DAYS`, then done, in every table and every shard."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from app.api.search import Kind
from app.api.search_index import OWN
from app.cache.kinds import ANALYTICS, DASHBOARD, DASHBOARDS, PRIVILEGES, PROFILE, USER_DISPLAY, USERS
from app.cache.tiers import TieredCache
from app.data.database import Database
from app.data.shards import HOME
from app.privacy import audit
from app.uploads.storage import Storage
from app.worker.jobs import Job

GRACE_DAYS = 14
"""A month is what the law gives us to do it (Article 12(3) GDPR), and two weeks of that are left for failures."""
CACHED = (PRIVILEGES, PROFILE, USER_DISPLAY, DASHBOARD, DASHBOARDS, ANALYTICS, USERS)
"""Kinds of cached values with a user's id as their identifier."""
_ELSEWHERE = "UPDATE video_views SET viewer_id = NULL WHERE viewer_id = $1"
_OWN = (
    # Partitioned tables have no foreign keys.
    "DELETE FROM video_views WHERE user_id = $1",
    "DELETE FROM analytics.analytics_events WHERE user_id = $1",
)


Forget = Callable[[Sequence[tuple[Kind, UUID]]], Awaitable[None]]


class Erasure:
    """Does the jobs of kind `erasure`."""

    def __init__(self, database: Database, storage: Storage, cache: TieredCache, forget: Forget) -> None:
        """Take all that has something of users; `forget` takes rows out of the search engine."""
        self._database, self._storage, self._cache, self._forget = database, storage, cache, forget

    async def erase(self, job: Job) -> None:
        """Delete everything of a user whose grace period is over. Any step may be done again.

        What stays: the user's id in the audit log and in the log of consents, which prove what mail was wanted; the
        hash of an address that mail must not be sent to; and what other users wrote.
        """
        user = job.user
        async with self._database.system_writer() as connection:
            due = await connection.fetchval(
                "SELECT true FROM erasures WHERE user_id = $1 AND due_at <= now() AND erased_at IS NULL", user
            )
        if not due:
            return  # Taken back, or done.
        await self._storage.delete_all(user)
        indexed = await self._indexed(user)
        await self._forget(indexed)
        for shard in self._database.shards.all:
            async with self._database.system_writer(shard.id) as connection:
                await connection.execute(_ELSEWHERE, user)
        async with self._database.system_writer(user) as connection:
            for statement in _OWN:
                await connection.execute(statement, user)
            # Everything else goes with it.
            if await connection.fetchval("DELETE FROM users WHERE id = $1 RETURNING true", user):
                await audit.record(connection, user, "erasure.done")
        # Once more: a job that had read a row before it went may have put it in again.
        await self._forget(indexed)
        for kind in CACHED:
            await self._cache.invalidate(kind, str(user))
        await self._close(user)

    async def _indexed(self, user: UUID) -> list[tuple[Kind, UUID]]:
        async with self._database.system_writer(user) as connection:
            return [(kind, row["id"]) for kind, query in OWN.items() for row in await connection.fetch(query, user)]

    async def _close(self, user: UUID) -> None:
        """The login goes last: until then the job finds the account again if it has to begin anew."""
        async with self._database.system_writer(HOME) as connection:
            await connection.execute(
                "DELETE FROM newsletter_subscribers WHERE email = (SELECT email FROM auth_accounts WHERE user_id = $1)",
                user,
            )
            await connection.execute("DELETE FROM auth_accounts WHERE user_id = $1", user)
            await connection.execute("DELETE FROM mail_senders WHERE user_id = $1", user)
            await connection.execute("UPDATE erasures SET erased_at = now() WHERE user_id = $1", user)
