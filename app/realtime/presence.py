"""Who is in a room now, as far as Redis knows: entries end by themselves when a process dies."""

from __future__ import annotations

import time
from collections.abc import Iterable
from uuid import UUID, uuid4

from app.cache.store import LOST, Command, Store, command

LIFE_SECONDS = 60
REFRESH_SECONDS = 20
LISTED = 100
"""Users of a room that are told."""
_BATCH = 500


class Presence:
    """A sorted set a room: a member for each user and process, its score the time that it ends at."""

    def __init__(self, store: Store) -> None:
        """Take the store of all processes."""
        self._store = store
        self._process = uuid4().hex

    async def enter(self, room: UUID, user_id: UUID) -> list[str] | None:
        """Be in a room; ids of its users, at most `LISTED`. None without Redis."""
        key, now = _key(room), time.time()
        *_, found = await self._store.run(
            [
                *self._entry(room, user_id, now),
                command("ZREMRANGEBYSCORE", key, "-inf", now),
                command("ZRANGE", key, 0, LISTED - 1),
            ]
        )
        return None if found is LOST else sorted({member.decode().partition("@")[0] for member in found})

    async def leave(self, room: UUID, user_id: UUID) -> None:
        """Be in it no more, as far as this process goes."""
        await self._store.run([command("ZREM", _key(room), self._member(user_id))])

    async def refresh(self, present: Iterable[tuple[UUID, UUID]]) -> None:
        """Stay: rooms and users."""
        now = time.time()
        commands = [one for room, user_id in present for one in self._entry(room, user_id, now)]
        for start in range(0, len(commands), _BATCH):
            await self._store.run(commands[start : start + _BATCH])

    def _entry(self, room: UUID, user_id: UUID, now: float) -> list[Command]:
        key = _key(room)
        return [
            command("ZADD", key, now + LIFE_SECONDS, self._member(user_id)),
            command("EXPIRE", key, LIFE_SECONDS),
        ]

    def _member(self, user_id: UUID) -> str:
        return f"{user_id}@{self._process}"


def _key(room: UUID) -> str:
    return f"present:{{{room}}}"
