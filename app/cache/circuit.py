"""When a node of Redis is left alone: after failures in a row that are no single stall of our own event loop."""

from __future__ import annotations

import time
from collections.abc import Callable

FAILURES = 3
STREAK_SECONDS = 0.05
"""All that was in flight fails at once when this process stalls past a budget: that is one failure, not many."""


class Circuit:
    """Open means: do not ask. Whoever opened it probes the node, and closes it by `succeeded`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start closed."""
        self._clock = clock
        self._failures = 0
        self._since = 0.0
        self.is_open = False

    def succeeded(self) -> None:
        """The node answered."""
        self._failures = 0
        self.is_open = False

    def failed(self) -> bool:
        """The node did not answer.

        Returns:
            Whether this failure opened the circuit.
        """
        now = self._clock()
        if self._failures == 0:
            self._since = now
        self._failures += 1
        if self.is_open or self._failures < FAILURES or now - self._since < STREAK_SECONDS:
            return False
        self.is_open = True
        return True
