"""The first tier: least recently used goes first, bounded by entries and by bytes."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from app.cache.envelope import Envelope

ENTRIES = 12_500
"""50,000 users over the four processes of a pod: each has a memory of its own."""
BYTES = 32 * 2**20
OVERHEAD_BYTES = 400
"""Of an entry beside key and payload: entry, envelope and dictionary slot (measured, CPython 3.11)."""


@dataclass(slots=True)
class Entry:
    """A value in this process.

    Attributes:
        envelope: the value and its times.
        until: epoch seconds up to which it may be served without asking Redis.
        generation: of the memory when the entry came in.
    """

    envelope: Envelope
    until: float
    generation: int


class Lru:
    """Entries by key. Not thread-safe: it belongs to one event loop."""

    def __init__(self, entries: int = ENTRIES, size_bytes: int = BYTES) -> None:
        """Start empty.

        Args:
            entries: at most so many.
            size_bytes: keys, payloads and overhead together.
        """
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._limit, self._limit_bytes = entries, size_bytes
        self._generation = 0
        self.size_bytes = 0

    def __len__(self) -> int:
        """How many entries."""
        return len(self._entries)

    def get(self, key: str) -> Entry | None:
        """The entry of a key, which is now the most recently used."""
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
        return entry

    def is_current(self, entry: Entry, now: float) -> bool:
        """Whether it may be served without asking Redis."""
        return now < entry.until and entry.generation == self._generation

    def put(self, key: str, envelope: Envelope, until: float) -> None:
        """Keep a value; one that alone exceeds the bound is not kept."""
        self.remove(key)
        size = _size(key, envelope)
        if size > self._limit_bytes:
            return
        self._entries[key] = Entry(envelope, until, self._generation)
        self.size_bytes += size
        while len(self._entries) > self._limit or self.size_bytes > self._limit_bytes:
            oldest, entry = self._entries.popitem(last=False)
            self.size_bytes -= _size(oldest, entry.envelope)

    def remove(self, key: str) -> None:
        """Forget a key."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.size_bytes -= _size(key, entry.envelope)

    def expire_all(self) -> None:
        """Make everything ask Redis first, and keep it for when nobody answers."""
        self._generation += 1


def _size(key: str, envelope: Envelope) -> int:
    return len(key) + len(envelope.payload) + OVERHEAD_BYTES
