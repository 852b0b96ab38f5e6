"""How often somebody may guess: counted in Redis before the guess is looked at, so that nothing takes it back."""

from __future__ import annotations

import hashlib
from typing import NamedTuple, Protocol

from app.auth.errors import AuthUnavailableError, TooManyAttemptsError
from app.cache.store import LOST, Script, Store, call, command


class Rule(NamedTuple):
    """At most `limit` attempts in `seconds`, from the first on."""

    name: str
    limit: int
    seconds: int


ACCOUNT_FROM_ADDRESS = Rule("login-address", 10, 900)
"""Passwords of one account from one address: who guesses from elsewhere does not lock the owner out ..."""
ACCOUNT = Rule("login-account", 100, 900)
"""... unless many addresses guess together."""
PASSWORD_PROOF = Rule("password-proof", 10, 900)
"""Passwords of a user who is logged in, or of who has the token."""
SECOND_FACTOR = Rule("second-factor", 5, 300)
"""Codes of one user. A code holds for three steps of 30 s, so one guess in 300,000 is right."""


class Attempts(Protocol):
    """Counts attempts."""

    async def take(self, rule: Rule, subject: str) -> None:
        """Count one more.

        Raises:
            TooManyAttemptsError: it is one too many; with the time to wait.
            AuthUnavailableError: it cannot be counted, so it is not allowed.
        """
        ...

    async def forget(self, rule: Rule, subject: str) -> None:
        """Start anew after a right guess. A failure does not matter: the count ends by itself."""
        ...


class RedisAttempts:
    """Fixed windows, one key each; the address or user in it is hashed."""

    def __init__(self, store: Store) -> None:
        """Take the Redis that evicts nothing."""
        self._store = store

    async def take(self, rule: Rule, subject: str) -> None:
        """Count one more."""
        (reply,) = await self._store.run([call(_COUNT, [_key(rule, subject)], rule.seconds * 1000)])
        if reply is LOST:
            raise AuthUnavailableError(retry_after_seconds=1)
        count, left_ms = reply
        if count > rule.limit:
            raise TooManyAttemptsError(retry_after_seconds=-(-left_ms // 1000))

    async def forget(self, rule: Rule, subject: str) -> None:
        """Start anew."""
        await self._store.run([command("DEL", _key(rule, subject))])


_COUNT = Script("""
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return {count, redis.call('PTTL', KEYS[1])}
""")


def _key(rule: Rule, subject: str) -> str:
    return f"attempts:{rule.name}:{hashlib.blake2b(subject.encode(), digest_size=16).hexdigest()}"
