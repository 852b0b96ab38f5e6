"""What the cache answers, and what it asks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

T = TypeVar("T")

Load = Callable[[], Awaitable[T | None]]
"""Asks the database for one value; None: there is none."""
LoadMany = Callable[[Sequence[str]], Awaitable[Mapping[str, T]]]
"""Asks the database for several, by identifier; what it leaves out does not exist."""


class Tier(StrEnum):
    """Where an answer came from; also the value of the header `X-Cache`."""

    MEMORY = "L1"
    REDIS = "L2"
    LOADER = "DB"
    STALE = "STALE"
    FALLBACK = "FALLBACK"


@dataclass(frozen=True, slots=True)
class Cached(Generic[T]):
    """An answer. `value` is None where the loader said that there is none."""

    value: T | None
    tier: Tier

    @property
    def is_stale(self) -> bool:
        """Whether something newer should have been had: `meta.stale` of a response."""
        return self.tier in {Tier.STALE, Tier.FALLBACK}
