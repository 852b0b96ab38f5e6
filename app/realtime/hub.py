"""The sockets of a process: who hears what, who must go, and how all of them go when it stops."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Self
from uuid import UUID

import orjson
import structlog

from app.auth.errors import AuthUnavailableError
from app.auth.revocation import Revocations
from app.auth.tokens import LEEWAY_SECONDS
from app.cache.events import Events
from app.cache.store import Store
from app.realtime import measures
from app.realtime.bus import Bus
from app.realtime.frames import CloseCode, WsMessage
from app.realtime.presence import REFRESH_SECONDS, Presence
from app.realtime.publisher import SESSIONS, Publisher, gap, room_topic
from app.realtime.sockets import Socket

CAPACITY = 10_000
"""Sockets of a process: what the stacks count on for a pod, which runs one."""
SOCKETS_PER_USER = 20
"""Tabs and devices; a user has five sessions."""
CHUNK = 200
"""Sockets that get a message in one go, 3 ms of CPU: 10,000 take 150 ms and more, for which nothing else would run."""
SWEEP_SECONDS = 5.0
RECHECK_SECONDS = 30.0
"""A session that ended is found after this time (and a sweep) even if nobody told. Without Redis nobody asks, or the
database would get every socket's question; until it is back a socket ends with its access token."""
GAP_SPREAD_MS = 10_000
"""Redis comes back for all clients at once, and each asks the database what it missed."""
CLOSED_A_SECOND = 200
"""While draining: each connects again elsewhere, which costs that process about 1 ms of CPU."""
RECONNECT_MS = 2_000

_log = structlog.get_logger()


class Hub:
    """An async context manager; one a process of the realtime role."""

    def __init__(
        self,
        store: Store,
        publisher: Publisher,
        revocations: Revocations,
        *,
        capacity: int = CAPACITY,
        per_user: int = SOCKETS_PER_USER,
        recheck_seconds: float = RECHECK_SECONDS,
        events: Events | None = None,
    ) -> None:
        """Prepare.

        Args:
            store: the one that all regions publish to; `publisher` has the same.
            publisher: tells the others.
            revocations: know which sessions ended.
            capacity: sockets at the same time.
            per_user: of those, a user's.
            recheck_seconds: between two looks at a session.
            events: hears of failures.
        """
        self.publisher, self.presence = publisher, Presence(store)
        self.is_draining = False
        self._store, self._revocations = store, revocations
        self._capacity, self._per_user, self._recheck_seconds = capacity, per_user, recheck_seconds
        self._bus = Bus(store, self._deliver, self._tell_gap, events)
        self._open = 0
        self._sockets: set[Socket] = set()
        self._users: Counter[UUID] = Counter()
        self._heard: dict[str, set[Socket]] = {}
        self._rooms: dict[tuple[UUID, UUID], set[Socket]] = {}
        self._sweeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Listen."""
        self._bus.start()
        await self._bus.add(SESSIONS)
        self._sweeper = asyncio.create_task(self._sweep(), name="realtime-sweeper")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop listening."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.wait([self._sweeper])
        await self._bus.close()

    def open(self) -> bool:
        """Count a socket before its handshake; False if there is no room, and `closed` is not due."""
        if self.is_draining or self._open >= self._capacity:
            return False
        self._open += 1
        measures.connections.set(self._open)
        return True

    def closed(self) -> None:
        """A counted one is gone."""
        self._open -= 1
        measures.connections.set(self._open)

    def admit(self, socket: Socket) -> bool:
        """Take an authenticated one; False if its user has enough."""
        if self._users[socket.user_id] >= self._per_user:
            return False
        self._users[socket.user_id] += 1
        self._sockets.add(socket)
        return True

    async def enter(self, socket: Socket, topic: str) -> bool:
        """Let a socket hear a topic.

        Returns:
            Whether messages come from now on; if not, a `gap` tells when they do.
        """
        socket.topics.add(topic)
        self._heard.setdefault(topic, set()).add(socket)
        return await self._bus.add(topic)

    async def leave(self, socket: Socket, topic: str) -> None:
        """Let it hear the topic no more."""
        socket.topics.discard(topic)
        hearers = self._heard.get(topic)
        if hearers is None:
            return
        hearers.discard(socket)
        if not hearers:
            del self._heard[topic]
            await self._bus.remove(topic)

    async def join(self, socket: Socket, room: UUID) -> tuple[bool, list[str] | None]:
        """Enter a room; whether messages come from now on, and who is in it (None: unknown)."""
        key = (room, socket.user_id)
        socket.rooms.add(room)
        is_first = key not in self._rooms
        self._rooms.setdefault(key, set()).add(socket)
        is_live = await self.enter(socket, room_topic(room))
        users = await self.presence.enter(room, socket.user_id)
        if is_first:
            await self._tell_presence(room, socket.user_id, is_present=True)
        return is_live, users

    async def part(self, socket: Socket, room: UUID) -> None:
        """Leave a room."""
        socket.rooms.discard(room)
        await self.leave(socket, room_topic(room))
        key = (room, socket.user_id)
        present = self._rooms.get(key, set())
        present.discard(socket)
        if key in self._rooms and not present:
            del self._rooms[key]
            await self.presence.leave(room, socket.user_id)
            await self._tell_presence(room, socket.user_id, is_present=False)

    async def remove(self, socket: Socket) -> None:
        """Forget a socket that was admitted."""
        self._sockets.discard(socket)
        self._users[socket.user_id] -= 1
        if not self._users[socket.user_id]:
            del self._users[socket.user_id]
        for room in list(socket.rooms):
            await self.part(socket, room)
        for topic in list(socket.topics):
            await self.leave(socket, topic)

    async def drain(self, seconds: float) -> None:
        """Close all sockets, one after the other in random order, within `seconds`; take no new ones."""
        self.is_draining = True
        sockets = list(self._sockets)
        random.shuffle(sockets)
        _log.info("sockets_draining", count=len(sockets))
        pause = min(seconds / max(1, len(sockets)), 1 / CLOSED_A_SECOND)
        begin = time.monotonic()
        for number, socket in enumerate(sockets, start=1):
            self._send_away(socket)
            await asyncio.sleep(max(0.0, begin + number * pause - time.monotonic()))
        while (late := list(self._sockets)) and time.monotonic() < begin + seconds:
            # Those whose handshake was under way.
            for socket in late:
                self._send_away(socket)
            await asyncio.sleep(pause)

    def _send_away(self, socket: Socket) -> None:
        after_ms = random.randrange(RECONNECT_MS)  # noqa: S311 spreads load, keeps no secret
        socket.offer(WsMessage(type="reconnect", data={"after_ms": after_ms}).text())
        socket.end(CloseCode.RESTART, "restart")

    async def _deliver(self, topic: str, text: str, published: float) -> None:
        if topic == SESSIONS:
            ended = frozenset(UUID(one) for one in orjson.loads(text)["data"]["ids"])
            self._end(lambda socket: socket.claims.session_id in ended)
            return
        for number, socket in enumerate(list(self._heard.get(topic, ())), start=1):
            socket.offer(text, published)
            if number % CHUNK == 0:
                await asyncio.sleep(0)

    def _tell_gap(self, topic: str) -> None:
        for socket in self._heard.get(topic, ()):
            socket.offer(gap(topic, random.randrange(GAP_SPREAD_MS)).text())  # noqa: S311 spreads load

    async def _tell_presence(self, room: UUID, user_id: UUID, *, is_present: bool) -> None:
        data = {"room": str(room), "user_id": str(user_id), "is_present": is_present}
        await self.publisher.publish(room_topic(room), WsMessage(type="present", data=data))

    def _end(self, is_over: Callable[[Socket], bool]) -> None:
        for socket in list(self._sockets):
            if is_over(socket):
                socket.end(CloseCode.UNAUTHENTICATED, "session_ended")

    async def _sweep(self) -> None:
        refreshed = time.monotonic()
        while True:
            await asyncio.sleep(min(SWEEP_SECONDS, self._recheck_seconds))
            try:
                now = time.time() - LEEWAY_SECONDS
                for socket in [one for one in self._sockets if one.claims.expires_at <= now]:
                    socket.end(CloseCode.UNAUTHENTICATED, "token_expired")
                await self._recheck()
                if time.monotonic() - refreshed >= REFRESH_SECONDS:
                    refreshed = time.monotonic()
                    await self.presence.refresh(list(self._rooms))
            except Exception:  # noqa: BLE001 a process without a sweeper would keep sockets open for ever
                _log.exception("sweep_failed")

    async def _recheck(self) -> None:
        """Look up the sessions that were not looked up for a while."""
        due = time.monotonic() - self._recheck_seconds
        sessions: dict[UUID, list[Socket]] = {}
        for socket in self._sockets:
            if socket.checked_at <= due:
                sessions.setdefault(socket.claims.session_id, []).append(socket)
        for session_id, sockets in sessions.items():
            if not self._store.is_up:
                return
            try:
                is_over = await self._revocations.is_revoked(session_id)
            except AuthUnavailableError:
                return
            for socket in sockets:
                socket.checked_at = time.monotonic()
                if is_over:
                    socket.end(CloseCode.UNAUTHENTICATED, "session_ended")
