"""Estimates by hand, for tests of what is made of them."""

from __future__ import annotations

from decimal import Decimal

from infra.cost.bands import Standing
from infra.cost.book import Price
from infra.cost.model import Estimate, Line, State
from infra.cost.source import Source
from infra.cost.usage import Level, Usage
from infra.plan import PlannedResource
from stacks.phase import PhaseName
from stacks.phases import phase


def price(key: str, usd: str, *, unit: str = "hour", region: str = "us-east-1", confirmed: bool = True) -> Price:
    """A row of a book."""
    return Price(
        key=key,
        region=region,
        above=Decimal(0),
        unit=unit,
        usd=Decimal(usd),
        source="a list",
        date=None,
        confirmed=confirmed,
    )


def line(
    key: str = "", monthly: str = "0", *, urn: str = "urn:pulumi:prod::headroom::a:b/c:C::c", confirmed: bool = True
) -> Line:
    """A priced line: so much a month at 0.10 USD an hour."""
    usd = Decimal(monthly)
    row = price(key or "a/b", "0.10", confirmed=confirmed)
    return Line(
        urn=urn,
        component="all",
        state=State.PRICED,
        unit="hour",
        quantity=usd * 10,
        unit_usd=row.usd,
        monthly_usd=usd,
        prices=(row,),
    )


def unknown(state: State, note: str, urn: str = "urn:pulumi:prod::headroom::a:b/c:C::c") -> Line:
    """A line without a price."""
    return Line(urn=urn, component="all", state=state, note=note)


def standing(*lines: Line, name: PhaseName = PhaseName.P10K, resources: tuple[PlannedResource, ...] = ()) -> Standing:
    """A stack that costs this at every level."""
    source = Source("prod", phase(name), resources)
    usages = {level: Usage(source.phase, level) for level in Level}
    return Standing(source, usages, dict.fromkeys(Level, Estimate(lines)))
