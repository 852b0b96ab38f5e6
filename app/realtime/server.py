"""What the server must do for sockets: limits before they are parsed, dead peers, and time to close them."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

from app.ops.drain import Drain
from app.realtime.frames import MAX_FRAME_BYTES
from app.realtime.hub import Hub

PING_SECONDS = 25.0
"""Half of the load balancer's idle timeout, which is 60 s at least."""
UVICORN: Mapping[str, Any] = {
    "ws_max_size": MAX_FRAME_BYTES,
    "ws_ping_interval": PING_SECONDS,
    "ws_ping_timeout": PING_SECONDS,
}
"""For its configuration; it reads 16 MiB by itself."""
UNREAD_MS = 60_000


def drop_unread(listening: socket.socket) -> None:
    """Let the kernel end connections whose peer takes nothing for a minute, of all that this socket accepts.

    The server closes by sending what it has first, and waits without end for a peer that answers but does not read
    (https://man7.org/linux/man-pages/man7/tcp.7.html, TCP_USER_TIMEOUT; accepted sockets inherit it).
    """
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_MS)


def quiet_refusals() -> None:
    """Keep the server from logging an error for each handshake that is refused with an answer: it forgets that one.

    https://github.com/Kludex/uvicorn/pull/3138 (open). A second call changes nothing.
    """
    logging.getLogger("uvicorn.error").addFilter(_is_true)


def _is_true(record: logging.LogRecord) -> bool:
    return record.msg != "ASGI callable returned without completing handshake."


@contextmanager
def closing_first(drain: Drain, hub: Hub, seconds: float) -> Iterator[None]:
    """At SIGTERM close the sockets within `seconds`, and only then let the server stop. A second SIGTERM stops at once.

    Enter it inside of `Drain.on_sigterm`. The server's own way is to close all of them in the same moment, and their
    clients come back in the same moment. Outside the main thread: never.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    previous = signal.getsignal(signal.SIGTERM)
    tasks: list[asyncio.Task[None]] = []

    def stop(number: int, frame: FrameType | None) -> None:
        if callable(previous):
            previous(number, frame)

    async def close() -> None:
        try:
            await hub.drain(seconds)
        finally:
            stop(signal.SIGTERM, None)

    def handle(number: int, frame: FrameType | None) -> None:
        if drain.started:
            stop(number, frame)
            return
        drain.start()
        loop.call_soon_threadsafe(lambda: tasks.append(loop.create_task(close(), name="realtime-drain")))

    signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
