"""Price books by hand, and what resources cost by them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from infra.cost.book import GLOBAL, Price, PriceBook
from infra.cost.estimate import estimate
from infra.cost.model import Line
from infra.cost.usage import Level, Usage
from infra.plan import PlannedResource
from tests.cost.conftest import phase_of

Tiers = str | Sequence[tuple[int, str]]
"""A price, or what it is above so many units."""
Prices = Mapping[str | tuple[str, str], Tiers]
"""By key, or by key and region."""


def book_of(prices: Prices) -> PriceBook:
    """A book; a key is a price's that holds everywhere, or a price's in a region."""
    rows = []
    for place, tiers in prices.items():
        key, region = place if isinstance(place, tuple) else (place, GLOBAL)
        for above, usd in [(0, tiers)] if isinstance(tiers, str) else tiers:
            rows.append(
                Price(
                    key=key,
                    region=region,
                    above=Decimal(above),
                    unit="one",
                    usd=Decimal(usd),
                    source="test",
                    date=None,
                    confirmed=True,
                )
            )
    return PriceBook(rows)


def usage_of(stack: str, level: Level = Level.EXPECTED, **overrides: Any) -> Usage:
    """Usage of a shipped phase; `overrides` as in the stack file, camelCase."""
    return Usage(phase_of(stack), level, overrides)


def lines_of(resources: Sequence[PlannedResource], usage: Usage, prices: Prices) -> list[Line]:
    """The lines of resources alone, without what is bought elsewhere."""
    urns = {one.urn for one in resources}
    return [line for line in estimate(resources, usage, book_of(prices)).lines if line.urn in urns]


def monthly(lines: Sequence[Line], component: str = "") -> Decimal:
    """Sum of the lines whose component begins so."""
    return sum((line.monthly_usd or Decimal(0) for line in lines if line.component.startswith(component)), Decimal(0))


def amount(lines: Sequence[Line], component: str = "") -> Decimal:
    """Sum of their quantities."""
    return sum((line.quantity for line in lines if line.component.startswith(component)), Decimal(0))
