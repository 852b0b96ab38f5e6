"""The right to load a key, one holder in all processes; an invalidation takes it away.

So a value that was read before the invalidation is not stored after it (the leases of "Scaling Memcache at Facebook",
NSDI 2013).
"""

from __future__ import annotations

from app.cache.envelope import Envelope
from app.cache.store import Command, Script, call, command

LEASE_MILLISECONDS = 6_000
"""A second more than a load may take."""
TAKE = Script(
    "if not redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then return 0 end "
    "return redis.call('GET', KEYS[1]) or 1"
)
FILL = Script(
    "if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end "
    "redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) redis.call('DEL', KEYS[2]) return 1"
)
RELEASE = Script("if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0")


def take(key: str, token: str) -> Command:
    """Ask for the lease of a key: replies 0 when somebody has it.

    Otherwise the lease is ours, and the reply is the value or 1: since the caller saw none, another may have come.
    """
    return call(TAKE, [key, _lease(key)], token, LEASE_MILLISECONDS)


def fill(key: str, token: str, envelope: Envelope) -> Command:
    """Store a value and end the lease, if it still is ours."""
    alive = max(1, round((envelope.stale_until - envelope.loaded_at) * 1000))
    return call(FILL, [key, _lease(key)], token, envelope.pack(), alive)


def release(key: str, token: str) -> Command:
    """End the lease, if it still is ours."""
    return call(RELEASE, [_lease(key)], token)


def revoke(key: str) -> Command:
    """Forget value and lease."""
    return command("DEL", key, _lease(key))


def _lease(key: str) -> str:
    return f"lease:{key}"
