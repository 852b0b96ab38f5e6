"""Which keys were invalidated just now: their older values are refused, wherever they come from."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

SECONDS = 10.0
"""Longer than a load takes, and than a copy of Redis in another region lags before its alarm."""
ENTRIES = 50_000


class Tombstones:
    """Times of invalidation by key, the newest last; bounded by age and number."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Start empty."""
        self._clock = clock
        self._times: OrderedDict[str, float] = OrderedDict()

    def bury(self, key: str) -> None:
        """What was loaded up to now is refused."""
        now = self._clock()
        self._times[key] = now
        self._times.move_to_end(key)
        while len(self._times) > ENTRIES or now - next(iter(self._times.values())) >= SECONDS:
            self._times.popitem(last=False)

    def refuse(self, key: str, loaded_at: float) -> bool:
        """Whether a value is older than its key's invalidation."""
        return loaded_at <= self._times.get(key, 0.0)
