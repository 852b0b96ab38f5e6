"""The formulas of `tools/cache_hit_rate.py` against the cache itself, on a clock of the test's."""

from __future__ import annotations

import random
from itertools import accumulate
from typing import Any

import pytest

from app.cache import leases
from app.cache.answers import Tier
from app.cache.kinds import PROFILE
from app.cache.store import Command, Store
from app.cache.tiers import TieredCache
from tests.app.stores import Heard
from tools.cache_hit_rate import rates, zipf

pytestmark = pytest.mark.anyio

USERS, PROCESSES, PER_SECOND = 400, 4, 20


class Simulated(Store):
    """Values and leases in a dictionary, which forgets by the test's clock."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    async def run(self, commands: list[Command]) -> list[Any]:  # type: ignore[override]
        return [self._one(command) for command in commands]

    def on_recovery(self, listener: Any) -> None:
        pass

    def _one(self, command: Command) -> Any:
        if command.script is leases.FILL:
            self.values[command.key] = command.arguments[4]
        if command.script is not None:
            return 1
        return self.values.get(command.key)


@pytest.mark.parametrize("exponent", [0.8, 1.2])
async def test_the_cache_hits_as_often_as_the_formula_says(exponent: float, monkeypatch: pytest.MonkeyPatch) -> None:
    # Early renewal makes hits of what the formula counts as loads.
    monkeypatch.setattr("app.cache.envelope.Envelope.is_due", lambda *_: False)
    source = random.Random(1)  # noqa: S311 a simulation
    weights = list(accumulate(zipf(USERS, PER_SECOND, exponent)))
    now, heard, redis = 1_000_000.0, Heard(), Simulated()
    caches = [TieredCache(redis, redis, heard, clock=lambda: now) for _ in range(PROCESSES)]

    async def load() -> str:
        return "value"

    for number in range(40_000):
        now += source.expovariate(PER_SECOND)
        [who] = source.choices(range(USERS), cum_weights=weights)
        await source.choice(caches).get(PROFILE, str(who), load)
        if number == 20_000:
            heard.tiers.clear()
    total = heard.tiers.total()
    expected = rates(USERS, PER_SECOND, PROCESSES, exponent)
    assert 100 * heard.tiers[Tier.MEMORY] / total == pytest.approx(expected.memory, abs=1.5)
    assert 100 * (1 - heard.tiers[Tier.LOADER] / total) == pytest.approx(expected.both, abs=1)
