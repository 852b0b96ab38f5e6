"""Commitments as people and machines read them: beside the on-demand price, never in its place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from infra.cost.commitments import ONE_YEAR, THREE_YEARS, Commitment, Offered, committed_usd
from infra.cost.model import Estimate
from infra.cost.report import UNSURE, number, usd


def to_dict(found: Estimate, made: Sequence[Commitment], coverage_percent: int) -> dict[str, Any]:
    """Every part with its offers, and the whole with the cheapest offer for each part."""
    return {
        "coverage_percent": coverage_percent,
        "on_demand_usd": number(found.monthly_usd),
        "one_year_usd": number(committed_usd(found, made, ONE_YEAR)),
        "three_years_usd": number(committed_usd(found, made, THREE_YEARS)),
        "parts": [
            {
                "service": one.part.service,
                "kind": one.part.kind,
                "region": one.part.region,
                "on_demand_usd": number(one.on_demand_usd),
                "covered_usd": number(one.covered_usd),
                "offers": [
                    {
                        "name": offered.offer.name,
                        "months": offered.offer.months,
                        "monthly_usd": number(offered.monthly_usd),
                        "break_even_months": offered.break_even_months,
                        "confirmed": offered.price.confirmed,
                        "source": offered.price.source,
                    }
                    for offered in one.offers
                ],
                "refused": list(one.refused),
            }
            for one in made
        ],
    }


def render(found: Estimate, made: Sequence[Commitment], coverage_percent: int) -> RenderableType:
    """A table of offers by part, what each total would be, and which parts cannot have which offer."""
    table = Table(box=None, pad_edge=False)
    table.add_column("commitments")
    table.add_column("region")
    for name in ("on demand", "covered", "with it", "saves"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("pays off after", justify="right")
    for one in made:
        table.add_row(
            Text(f"{one.part.service} {one.part.kind}", style="bold"),
            one.part.region,
            usd(one.on_demand_usd),
            f"{one.covered_usd / one.on_demand_usd:.0%}",
        )
        for offered in one.offers:
            table.add_row(f"  {offered.offer.name}", "", "", "", *_offer(one, offered))
    return Group(Text(), table, Text(), *(Text(line) for line in _closing(found, made, coverage_percent)))


def _offer(one: Commitment, offered: Offered) -> tuple[str, str, str]:
    mark = " " if offered.price.confirmed else UNSURE
    after = f"{offered.break_even_months} months" if offered.break_even_months else "at once"
    return f"{usd(offered.monthly_usd)}{mark}", usd(one.on_demand_usd - offered.monthly_usd), after


def _closing(found: Estimate, made: Sequence[Commitment], coverage_percent: int) -> Iterator[str]:
    one, three = (usd(committed_usd(found, made, months)) for months in (ONE_YEAR, THREE_YEARS))
    yield f"in all: {usd(found.monthly_usd)} on demand; the cheapest of each {one} for a year, {three} for up to three"
    yield (
        f"covered is {coverage_percent} % of what a quiet month uses; upfront payments are spread over the term; "
        "the budget band is about the on-demand price"
    )
    refused = dict.fromkeys((one.part.service, reason) for one in made for reason in one.refused)
    yield from (f"{service}: {reason}" for service, reason in refused)
