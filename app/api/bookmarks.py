"""Where replicas must be before they are read: kept in Redis for the minute in which they may be behind.

By subject: a user, whose next request reads what the last one wrote; or what everybody reads from a cache, which must
not be filled with what a replica had before the change. Without Redis, reads are as old as replicas may be, 5 s.
"""

from __future__ import annotations

from collections.abc import Sequence

from app.cache.store import Script, Store, call, command
from app.data.replicas import MEMORY_SECONDS, Bookmark
from app.data.shards import Shards

# Numbers of 19 digits are compared as text: Lua's have 53 bits.
_ADVANCE = Script(
    "local old = redis.call('GET', KEYS[1]) or '' "
    "if #old > #ARGV[1] or (#old == #ARGV[1] and old >= ARGV[1]) then return 0 end "
    "redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2]) return 1"
)


class Bookmarks:
    """Of one process. `subject` is a user's id, or the name of what is cached."""

    def __init__(self, redis: Store, shards: Shards) -> None:
        """Take the Redis that evicts nothing."""
        self._redis = redis
        self._primaries = sorted({shard.primary for shard in shards.all})

    async def of(self, subject: str) -> Bookmark:
        """What was written of a subject in the last minute."""
        replies = await self._redis.run([command("GET", _key(subject, primary)) for primary in self._primaries])
        positions = {
            primary: int(reply)
            for primary, reply in zip(self._primaries, replies, strict=True)
            if isinstance(reply, bytes)
        }
        return Bookmark(positions)

    async def note(self, bookmark: Bookmark, subjects: Sequence[str]) -> None:
        """Keep what was just written, for all these subjects."""
        await self._redis.run(
            [
                call(_ADVANCE, [_key(subject, primary)], str(bookmark.at(primary)), int(MEMORY_SECONDS))
                for subject in subjects
                for primary in self._primaries
                if bookmark.at(primary)
            ]
        )


def _key(subject: str, primary: str) -> str:
    return f"{{bookmark:{subject}}}:{primary}"
