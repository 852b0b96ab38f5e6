"""Single operations of a process that does nothing else: what a user may do, by the tier of the cache that knows."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from uuid import UUID, uuid4

from app.assembly import Stores, authentication
from app.auth.dependencies import require_tier
from app.auth.errors import TierRequiredError
from app.auth.plans import SubscriptionPlans
from app.auth.privileges import Tier
from app.auth.tokens import AccessClaims
from app.aws import Aws
from app.cache.events import Events
from app.cache.kinds import PRIVILEGES, PROFILE
from app.cache.lru import Lru
from app.cache.tiers import TieredCache
from app.settings import Settings

TIMES: Final = 500
LOOKUPS: Final = 12_000
MEMORY_SHARE: Final = 6
"""One profile in so many fits into memory: the roadmap's 50,000 of 300,000."""
LOADED_SHARE: Final = 0.02
"""Of the lookups, those that neither memory nor Redis know: the roadmap's 2 %."""
_PROFILES = "SELECT id, display_name, subscription_tier FROM profiles WHERE id = ANY($1)"


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: milliseconds of each time, and the most that the roadmap says it takes."""

    name: str
    milliseconds: Sequence[float]
    most: float


@dataclass(frozen=True, slots=True)
class Mix:
    """Lookups of profiles, spread over the tiers as the roadmap says.

    Attributes:
        shares: of the lookups, 0 to 1, by tier.
        blended_ms: of a lookup, on average.
    """

    shares: Mapping[str, float]
    blended_ms: float


class _Tiers(Events):
    """Which tier answered, and how often."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def looked_up(self, kind: str, tier: str) -> None:
        """One lookup."""
        del kind
        self.counts[tier] = self.counts.get(tier, 0) + 1


async def measure(settings: Settings, users: Sequence[UUID]) -> list[Operation]:
    """Each operation `TIMES` times, one after the other; `users` have no paid plan."""
    stores = Stores.of(settings)
    # A memory for one value: of two users in turns it never knows the next.
    forgetful = TieredCache(stores.caches[0], stores.caches[-1], lru=Lru(entries=1))
    first, second, *_ = users
    async with (
        stores.opened(),
        Aws(settings.aws_region) as aws,
        authentication(settings, stores, aws) as auth,
    ):
        known, redis = SubscriptionPlans(stores.database, stores.cache), SubscriptionPlans(stores.database, forgetful)
        gate, claims = require_tier(Tier.PLUS), _claims(first)

        async def refuse() -> None:
            try:
                await gate(claims, auth)
            except TierRequiredError:
                return
            msg = "a user without a plan got in"
            raise AssertionError(msg)

        async def forget() -> None:
            await stores.cache.invalidate(PRIVILEGES, str(first))

        async def other() -> None:
            await redis.plan(second)

        return [
            Operation("privilege, from memory", await _timed(lambda: known.plan(first)), 0.5),
            Operation("privilege, from Redis", await _timed(lambda: redis.plan(first), other), 3),
            Operation("privilege, from the database", await _timed(lambda: known.plan(first), forget), 25),
            Operation("refusal of a paid feature", await _timed(refuse), 1),
        ]


def _claims(user: UUID) -> AccessClaims:
    one = uuid4()
    return AccessClaims(
        user_id=user, session_id=one, token_id=one, second_factor=False, second_factor_due=False, expires_at=0
    )


async def _timed(do: Callable[[], Awaitable[Any]], before: Callable[[], Awaitable[Any]] | None = None) -> list[float]:
    """Milliseconds of each; what comes `before` is not counted."""
    found = []
    for _ in range(TIMES):
        if before is not None:
            await before()
        begin = time.perf_counter()
        await do()
        found.append((time.perf_counter() - begin) * 1_000)
    return found


async def mix(settings: Settings, users: Sequence[UUID]) -> Mix:
    """Look profiles up, each as often as any other, one after the other.

    Who is looked up uniformly finds a sixth in a memory that holds a sixth; before 2 % of the lookups the value is
    made unknown to memory and Redis, as if it had just ended.
    """
    source = random.Random(1)  # noqa: S311 the same lookups in every run
    names = [str(user) for user in users]
    tiers = _Tiers()
    stores = Stores.of(settings)
    near, far = stores.caches[0], stores.caches[-1]
    cache = TieredCache(near, far, tiers, lru=Lru(entries=len(names) // MEMORY_SHARE))
    async with stores.opened():

        async def load_many(wanted: Sequence[str]) -> dict[str, Any]:
            async with stores.database.system_reader() as reading:
                rows = await reading.fetch(_PROFILES, [UUID(name) for name in wanted])
            return {str(row["id"]): [row["display_name"], row["subscription_tier"]] for row in rows}

        await cache.warm(PROFILE, names, load_many)
        tiers.counts.clear()
        total = 0.0
        for _ in range(LOOKUPS):
            name = source.choice(names)
            if source.random() < LOADED_SHARE:
                await cache.invalidate(PROFILE, name)
            begin = time.perf_counter()
            await cache.get(PROFILE, name, partial(_one, load_many, name))
            total += time.perf_counter() - begin
        await cache.close()
    found = sum(tiers.counts.values())
    return Mix({tier: count / found for tier, count in tiers.counts.items()}, total / LOOKUPS * 1_000)


async def _one(load_many: Callable[[Sequence[str]], Awaitable[dict[str, Any]]], name: str) -> Any:
    return (await load_many([name])).get(name)
