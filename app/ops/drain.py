"""From SIGTERM on a process finishes what it has and takes nothing new."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Drain:
    """Whether this process is stopping; `on_start` tells others the moment it begins to."""

    def __init__(self) -> None:
        """Nobody has asked it to stop."""
        self._listeners: list[Callable[[], None]] = []
        self.started = False

    def on_start(self, listener: Callable[[], None]) -> None:
        """Call `listener` when draining starts, in the signal handler: it may set a flag or an event, no more."""
        self._listeners.append(listener)

    def start(self) -> None:
        """Begin; a second time does nothing."""
        if not self.started:
            self.started = True
            for listener in self._listeners:
                listener()

    @contextmanager
    def on_sigterm(self) -> Iterator[None]:
        """Start at SIGTERM, then let the server's own handler have it. Outside the main thread: never.

        The server closes its sockets and waits for requests before it tells the application anything, which is too
        late for whoever takes jobs from a queue or holds sockets open.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        previous = signal.getsignal(signal.SIGTERM)

        def handle(number: int, frame: FrameType | None) -> None:
            self.start()
            if callable(previous):
                previous(number, frame)

        signal.signal(signal.SIGTERM, handle)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, previous)
