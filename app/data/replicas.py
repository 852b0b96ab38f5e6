"""How far a replica is behind, and who has to know: read-your-writes by LSN, and a ceiling for everybody else.

A pooler stands before the replicas and chooses one at each transaction, so nothing that was sampled before says what
this transaction will read. Its first statement does: it has to set the user for row-level security anyway, and brings
the position of the very server along (a sticky route is wrong as soon as one of several replicas has caught up:
https://gitlab.com/gitlab-org/gitlab/-/issues/413203).
"""

from __future__ import annotations

from collections import deque
from typing import Self

MAX_LAG_SECONDS = 5.0
"""A replica that is further behind is not read from. The alarm is at 10 s."""
UNKNOWN = 2**63 - 1
"""A position that no replica reaches, so that the primary is read."""
REFUSALS = 4
"""After as many in a row, replicas are given a moment instead of being asked by every transaction."""
PAUSE_SECONDS = 0.2
MEMORY_SECONDS = 60.0
_MOST_PRIMARIES = 16
"""In a bookmark, which a client sends."""


class Bookmark:
    """What a user has written so far: a position (LSN, in bytes) for each primary.

    It goes with the user's next requests as text: sign it, or anybody can send everybody's reads to the primary. It
    need not be kept for longer than replicas may be behind.
    """

    def __init__(self, positions: dict[str, int] | None = None) -> None:
        """Nothing written yet, without `positions`."""
        self._positions = positions or {}

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `str`; what cannot be read is nothing."""
        positions = {}
        for part in text.split(",")[:_MOST_PRIMARIES]:
            primary, _, position = part.partition(":")
            if primary and position.isascii() and position.isdecimal() and len(position) <= len(str(UNKNOWN)):
                positions[primary] = int(position)
        return cls(positions)

    def __str__(self) -> str:
        """`us-east-1-db-0:24064`, comma-separated; empty without any."""
        return ",".join(f"{primary}:{position}" for primary, position in sorted(self._positions.items()))

    def advance(self, primary: str, position: int) -> None:
        """Note what has been committed; never backwards."""
        self._positions[primary] = max(position, self._positions.get(primary, 0))

    def at(self, primary: str) -> int:
        """What a replica of `primary` must have replayed; 0 without a write."""
        return self._positions.get(primary, 0)


class Replicas:
    """What one process knows of the replicas of one primary."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._samples: deque[tuple[float, int]] = deque()
        self._heard_at = 0.0
        self._refusals = 0
        self._paused_until = 0.0
        self.read_at = float("-inf")
        """When they were last asked, in monotonic seconds."""

    def sampled(self, now: float, position: int) -> None:
        """Note that the primary was at `position`."""
        self._heard_at = now
        if self._samples and position < self._samples[-1][1]:
            self._samples.clear()  # Restored from a backup: its positions begin again.
        if self._samples and position == self._samples[-1][1]:
            return
        self._samples.append((now, position))
        while now - self._samples[0][0] > MEMORY_SECONDS:
            self._samples.popleft()

    def lag_seconds(self, replayed: int) -> float:
        """How long ago the primary wrote what a replica at `replayed` has not got; 0 if nothing is known to be missing.

        By this process's clock alone: a replica's own `pg_last_xact_replay_timestamp` grows while nobody writes. And
        only up to when the primary was last heard of: once it is lost, replicas serve what they have.
        """
        return next((self._heard_at - at for at, position in self._samples if position > replayed), 0.0)

    def may_be_asked(self, now: float) -> bool:
        """Whether it is worth a round trip."""
        self.read_at = now
        return now >= self._paused_until

    def accepts(self, now: float, *, replayed: int | None, floor: int) -> bool:
        """Whether a server at `replayed` (None: it is the primary) has all up to `floor`, and is recent enough."""
        if replayed is None or (replayed >= floor and self.lag_seconds(replayed) <= MAX_LAG_SECONDS):
            self._refusals = 0
            return True
        # A single user's recent write says nothing against the replica.
        if self.lag_seconds(replayed) > MAX_LAG_SECONDS:
            self.refused(now)
        return False

    def refused(self, now: float) -> None:
        """Note that a replica was too far behind, or not to be had."""
        self._refusals += 1
        if self._refusals >= REFUSALS:
            self._paused_until = now + PAUSE_SECONDS
