"""One open socket: what waits for its reader, and why it ends."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple
from uuid import UUID

from starlette.websockets import WebSocket, WebSocketDisconnect

from app.auth.tokens import AccessClaims
from app.realtime import measures
from app.realtime.frames import CloseCode

QUEUED_MESSAGES = 64
QUEUED_CHARACTERS = 262_144
"""What may wait for a slow reader, beside the buffers of server and kernel. Then the socket is closed: to drop single
messages would leave holes that nobody sees, while a client that connects again asks for what it missed."""
CLOSE_SECONDS = 1.0
FRAMES, FRAMES_SECONDS = 50, 10
"""A client may send so many at once, and as many again in this time."""

_GONE = (WebSocketDisconnect, RuntimeError)
"""What sending raises when the other side is gone: the latter after a close."""


class Ending(NamedTuple):
    """Why the server closes."""

    code: CloseCode
    reason: str


class _Waiting(NamedTuple):
    text: str
    published: float | None


@contextmanager
def disconnecting() -> Iterator[None]:
    """Tell in one way that the other side is gone.

    The framework does so only once the socket is accepted (`OSError` before), and not where the server closed by itself
    since the client answered no ping (`RuntimeError`).

    Raises:
        WebSocketDisconnect: it is.
    """
    try:
        yield
    except (OSError, RuntimeError):
        raise WebSocketDisconnect(CloseCode.ABNORMAL) from None


class Socket:
    """An open socket of a user. Belongs to the task that receives its messages.

    Memory counts, there are 10,000: one that is idle has no task but that one, and no timer.
    """

    __slots__ = (
        "_frames",
        "_frames_at",
        "_pump",
        "_queue",
        "_size",
        "_task",
        "_websocket",
        "checked_at",
        "claims",
        "ending",
        "rooms",
        "topics",
    )

    def __init__(self, websocket: WebSocket, claims: AccessClaims) -> None:
        """Take an accepted one, in the task that receives."""
        self._websocket = websocket
        self._task = asyncio.current_task()
        self._queue: deque[_Waiting] = deque()
        self._size = 0
        self._pump: asyncio.Task[None] | None = None
        self._frames, self._frames_at = float(FRAMES), time.monotonic()
        self.claims = claims
        self.checked_at = time.monotonic()
        self.topics: set[str] = set()
        self.rooms: set[UUID] = set()
        self.ending: Ending | None = None

    @property
    def user_id(self) -> UUID:
        """Whose it is."""
        return self.claims.user_id

    def offer(self, text: str, published: float | None = None) -> None:
        """Send when its reader is ready. Never waits; too much that waits ends the socket."""
        if self.ending is not None:
            return
        if self._pump is None and self._send_now(text, published):
            return
        if len(self._queue) >= QUEUED_MESSAGES or self._size + len(text) > QUEUED_CHARACTERS:
            self.end(CloseCode.TRY_AGAIN_LATER, "slow_reader")
            return
        self._queue.append(_Waiting(text, published))
        self._size += len(text)
        measures.queued.add(1)
        if self._pump is None:
            self._pump = asyncio.create_task(self._send_queued())

    async def reply(self, text: str) -> None:
        """Send, and wait for it: who does not read the answers is not asked again.

        Raises:
            WebSocketDisconnect: it is gone.
        """
        with disconnecting():
            await self._websocket.send({"type": "websocket.send", "text": text})

    def may_send(self) -> bool:
        """Count a message of the client; False if there are too many."""
        now = time.monotonic()
        refilled = self._frames + (now - self._frames_at) * FRAMES / FRAMES_SECONDS
        self._frames, self._frames_at = min(float(FRAMES), refilled), now
        if self._frames < 1:
            return False
        self._frames -= 1
        return True

    def end(self, code: CloseCode, reason: str) -> None:
        """Close it; what it does at the moment is cancelled. `finish` follows in its own task."""
        if self.ending is None and self._task is not None:
            self.ending = Ending(code, reason)
            measures.closed.add(1, reason)
            self._task.cancel()

    def leave_task(self) -> None:
        """From now on nobody cancels the task."""
        self._task = None

    async def finish(self) -> None:
        """Send what waits, unless it waits for a slow reader, and the reason."""
        try:
            if self.ending is not None:
                async with asyncio.timeout(CLOSE_SECONDS):
                    if self._pump is not None and self.ending.code is not CloseCode.TRY_AGAIN_LATER:
                        await asyncio.wait([self._pump])
                    await self._websocket.close(*self.ending)
        except (*_GONE, TimeoutError):
            pass
        if self._pump is not None:
            self._pump.cancel()
        measures.queued.add(-len(self._queue))
        measures.dropped.add(len(self._queue))
        self._queue.clear()

    def _send_now(self, text: str, published: float | None) -> bool:
        """Send without a task, which would cost a third more; False if it has to wait, and nothing was sent.

        The server's `send` waits at most once, and before it writes: for a slow reader. There it is given up.
        """
        sending = self._websocket.send({"type": "websocket.send", "text": text})
        try:
            sending.send(None)
        except StopIteration:
            _note_delivery(published)
        except _GONE:
            pass
        else:
            sending.close()
            return False
        return True

    async def _send_queued(self) -> None:
        with suppress(*_GONE):
            while self._queue:
                text, published = self._queue[0]
                await self._websocket.send({"type": "websocket.send", "text": text})
                self._queue.popleft()
                self._size -= len(text)
                measures.queued.add(-1)
                _note_delivery(published)
        self._pump = None


def _note_delivery(published: float | None) -> None:
    if published is not None:
        measures.delivery.observe(max(0.0, time.time() - published))
