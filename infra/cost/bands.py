"""Where an estimate stands: in the budget band of its phase, per user and per request, on confirmed prices or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from infra.cost.estimate import estimate
from infra.cost.model import Estimate
from infra.cost.source import Source
from infra.cost.usage import Level, Usage
from stacks.model import Span

THOUSAND: Final = 1_000
MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Standing:
    """One stack at all levels of usage.

    Attributes:
        source: what was priced.
        usages: what each level assumes.
        estimates: what each level costs.
    """

    source: Source
    usages: Mapping[Level, Usage]
    estimates: Mapping[Level, Estimate]

    @property
    def band(self) -> Span:
        """Monthly budget of the phase, in USD, both ends included."""
        return self.source.phase.targets.monthly_usd

    @property
    def expected(self) -> Estimate:
        """The one that the band is about."""
        return self.estimates[Level.EXPECTED]

    @property
    def is_inside(self) -> bool:
        """Whether the expected total is in the band; one with unknown parts is in none."""
        return not self.expected.unpriced and self.band.low <= self.expected.monthly_usd <= self.band.high

    @property
    def headroom_usd(self) -> Decimal:
        """From the expected total to the top of the band; negative above it."""
        return self.band.high - self.expected.monthly_usd

    @property
    def usd_per_thousand_users(self) -> Decimal:
        """Expected total for each 1,000 monthly users."""
        return self.expected.monthly_usd / self.usages[Level.EXPECTED].users * THOUSAND

    @property
    def usd_per_million_requests(self) -> Decimal | None:
        """Expected total for each million API requests; None where nobody makes any."""
        requests = self.usages[Level.EXPECTED].requests
        return self.expected.monthly_usd / requests * MILLION if requests else None


def unconfirmed_share(found: Estimate) -> Decimal:
    """Part of a total that rests on prices which no primary source confirms."""
    return found.unconfirmed_usd / found.monthly_usd if found.monthly_usd else Decimal(0)


def stand(source: Source) -> Standing:
    """Price a stack at every level of usage."""
    usages = {level: Usage(source.phase, level, source.usage) for level in Level}
    return Standing(source, usages, {level: estimate(source.resources, usage) for level, usage in usages.items()})
