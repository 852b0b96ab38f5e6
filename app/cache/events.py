"""What cache and limiter tell of themselves: subclass `Events`, and hand it to them."""

from __future__ import annotations


class Events:
    """Hears everything, does nothing; metrics override what they count. Methods must be quick and never raise."""

    def looked_up(self, kind: str, tier: str) -> None:
        """A value of `kind` was answered by a tier (`L1`, `L2`, `DB`, `STALE`, `FALLBACK`)."""
        del kind, tier

    def limited(self, policy: str, outcome: str) -> None:
        """A request was decided (`allowed`, `denied`, `closed`); `local-` before it: without Redis."""
        del policy, outcome

    def failed(self, operation: str, error: str) -> None:
        """Something failed and was survived; `error` is its type's name only, since messages may hold data."""
        del operation, error

    def circuit(self, node: str, *, is_open: bool) -> None:
        """A node of Redis is left alone from now on, or asked again."""
        del node, is_open
