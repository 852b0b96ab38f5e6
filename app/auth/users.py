"""The product's row of a user, made at the first login."""

from __future__ import annotations

import contextlib
from uuid import UUID

from app.data.database import Database
from app.data.errors import UnavailableError, UncertainError

_IDLE = "SELECT last_active_at < now() - interval '1 hour' FROM users WHERE id = $1"


class ShardedUsers:
    """`Users` of `app.auth.service` on the shard of each user."""

    def __init__(self, database: Database) -> None:
        """Keep the shards."""
        self._database = database

    async def ensure(self, user_id: UUID, email: str) -> None:
        """Make the row if there is none, or note that its user is there.

        Reading comes first, so that who has a row logs in while the shard is frozen.

        Raises:
            app.data.errors.UnavailableError: the shard is.
        """
        async with self._database.reader(user_id) as reading:
            is_idle = await reading.fetchval(_IDLE, user_id)
        if is_idle is not None:
            if is_idle:
                with contextlib.suppress(UnavailableError, UncertainError):
                    await self._note(user_id)
            return
        async with self._database.writer(user_id) as writing:
            await writing.execute(
                "INSERT INTO users (id, email) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING", user_id, email
            )

    async def _note(self, user_id: UUID) -> None:
        async with self._database.writer(user_id) as writing:
            await writing.execute("UPDATE users SET last_active_at = now() WHERE id = $1", user_id)
