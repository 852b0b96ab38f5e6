"""What is cached, and for how long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

T = TypeVar("T")

STALE_FACTOR = 12
"""A value outlives its freshness so many times for when the database is down. Ours: the roadmap says "much longer"."""
NEGATIVE_SECONDS = 30.0
"""Up to which the absence of a thing is believed. Ours: short, since creating it invalidates nothing."""


class Nothing:
    """No fallback."""


NOTHING: Final = Nothing()


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind(Generic[T]):
    """Values of one sort.

    Attributes:
        name: first part of the keys.
        fresh_seconds: served without a question, less a tenth at random.
        decode: from parsed JSON.
        fallback: served when there is no value and the loader fails; without one the failure is raised.
        is_shared: whoever gets a value changes nothing in it, so memory keeps the decoded one for all.
    """

    name: str
    fresh_seconds: float
    decode: Callable[[Any], T]
    fallback: T | Nothing = NOTHING
    is_shared: bool = False

    @property
    def stale_seconds(self) -> float:
        """Served when nothing newer can be had."""
        return self.fresh_seconds * STALE_FACTOR

    @property
    def negative_seconds(self) -> float:
        """Absence is believed so long."""
        return min(NEGATIVE_SECONDS, self.fresh_seconds)

    def key(self, identifier: str) -> str:
        """Of a value in all tiers. In braces, so that value and lease share a slot of a cluster."""
        return f"{{{self.name}:{identifier}}}"


def _as_is(value: Any) -> Any:
    return value


def _kind(name: str, fresh_seconds: float) -> Kind[Any]:
    return Kind(name=name, fresh_seconds=fresh_seconds, decode=_as_is)


PRIVILEGES = _kind("privileges", 300)
"""Tier and its expiry: decides what a user may do, so five minutes. Compare `expires_at` at every read."""
PROFILE = _kind("profile", 300)
USER_DISPLAY = _kind("user-display", 1_800)
HOT = _kind("hot", 3_600)
"""Feature flags and the limits of tiers: an hour, since every change of them invalidates."""
WARM = _kind("warm", 21_600)
COLD = _kind("cold", 86_400)
DASHBOARD = _kind("dashboard", 60)
"""The front dashboard, and lists of channels; other dashboards live five minutes."""
DASHBOARDS = _kind("dashboards", 300)
CAMPAIGN_STATISTICS = _kind("campaign-statistics", 600)
ANALYTICS = _kind("analytics", 300)
POSTS = _kind("q-posts", 3_600)
CATEGORIES = _kind("q-categories", 7_200)
USERS = _kind("q-users", 1_800)

KINDS = (
    PRIVILEGES,
    PROFILE,
    USER_DISPLAY,
    HOT,
    WARM,
    COLD,
    DASHBOARD,
    DASHBOARDS,
    CAMPAIGN_STATISTICS,
    ANALYTICS,
    POSTS,
    CATEGORIES,
    USERS,
)
