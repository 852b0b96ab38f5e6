"""The product's row of a user, made at the first login."""

from __future__ import annotations

from uuid import UUID

from app.data.database import Database


class ShardedUsers:
    """`Users` of `app.auth.service` on the shard of each user."""

    def __init__(self, database: Database) -> None:
        """Keep the shards."""
        self._database = database

    async def ensure(self, user_id: UUID, email: str) -> None:
        """Make the row if there is none. Reading comes first, so that who has one logs in while the shard is frozen.

        Raises:
            app.data.errors.UnavailableError: the shard is.
        """
        async with self._database.reader(user_id) as reading:
            if await reading.fetchval("SELECT true FROM users WHERE id = $1", user_id):
                return
        async with self._database.writer(user_id) as writing:
            await writing.execute(
                "INSERT INTO users (id, email) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING", user_id, email
            )
