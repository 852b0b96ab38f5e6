"""Tells sockets something, from any process of any role: `await publisher.publish(user_topic(user_id), message)`."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Sequence
from uuid import UUID

from app.cache.store import LOST, Store, command
from app.realtime import measures
from app.realtime.frames import WsMessage

LINKS = 16
"""Slots that channels share, by hash tag: a process that listens has as many connections, and a cluster's nodes share
the work. Sharded, since a classic message goes to every node, heard there or not
(https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/BestPractices.PubSub.html)."""
SESSIONS = "sessions"
"""Topic that every listening process hears: sessions that ended."""
_OWED_TOPICS = 10_000


def user_topic(user_id: UUID) -> str:
    """All sockets of a user."""
    return f"user:{user_id}"


def room_topic(room: UUID) -> str:
    """All sockets that joined a conversation."""
    return f"room:{room}"


def link_of(topic: str) -> int:
    """Which slot a topic's channel is in."""
    return zlib.crc32(topic.encode()) % LINKS


def channel(link: int, topic: str) -> str:
    """A topic's channel in Redis."""
    return f"rt:{{{link}}}:{topic}"


class Publisher:
    """One a process. Needs the store that all regions listen to.

    Nothing is delivered twice by it, and what Redis does not take is not delivered: what must not get lost is in the
    database, and sockets are told of a gap once Redis is back.
    """

    def __init__(self, store: Store) -> None:
        """Take the store."""
        self._store = store
        self._owed: set[str] = set()
        self._settling: set[asyncio.Task[None]] = set()
        store.on_recovery(self._settle)

    async def publish(self, topic: str, message: WsMessage) -> bool:
        """Tell all sockets of a topic.

        Returns:
            Whether Redis took it.
        """
        payload = f"{time.time():.6f}\n{message.text()}"
        (reply,) = await self._store.run([command("SPUBLISH", channel(link_of(topic), topic), payload)])
        if reply is LOST:
            measures.unpublished.add(1)
            if len(self._owed) < _OWED_TOPICS:
                self._owed.add(topic)
        elif self._owed:
            self._settle()
        return reply is not LOST

    async def sessions_ended(self, session_ids: Sequence[UUID]) -> bool:
        """Close the sockets of sessions at once; without this, every process finds out by itself within a minute."""
        ids = [str(one) for one in session_ids]
        return await self.publish(SESSIONS, WsMessage(type="sessions.ended", data={"ids": ids}))

    def _settle(self) -> None:
        task = asyncio.get_running_loop().create_task(self._tell_gaps(), name="realtime-gaps")
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)

    async def _tell_gaps(self) -> None:
        owed, self._owed = self._owed, set()
        for topic in owed - {SESSIONS}:
            await self.publish(topic, gap(topic))


def gap(topic: str, after_ms: int = 0) -> WsMessage:
    """That messages of a topic may have been missed."""
    return WsMessage(type="gap", data={"topic": topic, "after_ms": after_ms})
