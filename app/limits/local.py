"""What a process decides by itself: who is denied anyway, and a bucket while Redis is gone."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from app.limits.rules import Rule

ENTRIES = 10_000
LOCAL_SHARE = 0.25
"""Of a rule's limit, in each process without Redis: the four of a pod together allow what the rule does."""


class Denials:
    """Counters that deny, until when: those who ask on cost no round trip."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start empty."""
        self._clock = clock
        self._until: OrderedDict[str, float] = OrderedDict()

    def add(self, key: str, seconds: float) -> None:
        """Deny a counter's requests for so long."""
        self._until[key] = self._clock() + seconds
        self._until.move_to_end(key)
        if len(self._until) > ENTRIES:
            self._until.popitem(last=False)

    def left(self, key: str) -> float:
        """Seconds still to wait; 0 if it must be asked for."""
        until = self._until.get(key)
        if until is None:
            return 0.0
        left = until - self._clock()
        if left <= 0:
            del self._until[key]
            return 0.0
        return left


class Buckets:
    """Token buckets by counter: full at first, refilled evenly, each as large as this process' share of the limit."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start with none."""
        self._clock = clock
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str, rule: Rule) -> tuple[int, float]:
        """Take a token if there is one.

        Returns:
            Tokens left, and 0; or 0 and the seconds until there is one.
        """
        size = max(1.0, rule.limit * LOCAL_SHARE)
        rate = size / rule.window_seconds
        now = self._clock()
        level, then = self._levels.pop(key, (size, now))
        level = min(size, level + (now - then) * rate)
        wait = 0.0 if level >= 1 else (1 - level) / rate
        left = level - 1 if level >= 1 else level
        self._levels[key] = left, now
        if len(self._levels) > ENTRIES:
            self._levels.popitem(last=False)
        return int(left), wait
