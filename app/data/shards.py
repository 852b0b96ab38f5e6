"""Where a user's rows are: id, slot, logical shard, database. The map is the stack's, in `SHARD_MAP`."""

from __future__ import annotations

from hashlib import sha256
from uuid import UUID

from app.data.errors import FrozenError
from app.settings import Shard, ShardMap

HOME = 0
"""The shard of what is no user's: newsletter, webhooks. It stands in every phase."""


def slot_of(user_id: UUID) -> int:
    """First byte of SHA-256 of the id's text (lower case, with dashes); `user_slot` in SQL.

    It never changes: rows are found by it.
    """
    return sha256(str(user_id).encode()).digest()[0]


class Shards:
    """The map, ready for look-ups."""

    def __init__(self, shard_map: ShardMap) -> None:
        """Spread the ranges out, one entry a slot."""
        self.all = shard_map.shards
        self._by_id = {shard.id: shard for shard in shard_map.shards}
        owners = {
            slot: shard for shard in shard_map.shards for first, last in shard.slots for slot in range(first, last + 1)
        }
        self._by_slot = [owners[slot] for slot in range(shard_map.slots)]
        self._frozen = {slot for move in shard_map.moving for slot in range(move.slots[0], move.slots[1] + 1)}

    def to_read(self, key: UUID | int) -> Shard:
        """The shard of a user, or the one of a number.

        Raises:
            KeyError: there is no shard of that number.
        """
        return self._by_id[key] if isinstance(key, int) else self._by_slot[slot_of(key)]

    def to_write(self, key: UUID | int) -> Shard:
        """As `to_read`; while slots move, their old shard is written to until it is frozen.

        Raises:
            FrozenError: nobody writes to this user's rows now.
        """
        if isinstance(key, UUID) and (slot := slot_of(key)) in self._frozen:
            raise FrozenError(slot)
        return self.to_read(key)
