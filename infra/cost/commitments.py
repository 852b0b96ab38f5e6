"""What a commitment of one or three years, or spot, would make of the parts that have such an offer.

Nothing of it is in the headline: commitments are bought outside of the program, and a stack that moves to another class
may strand them. In `infra/cost/prices/commitments.csv` a price is either a rate for an hour, or the part of the
on-demand price that is still paid; an upfront payment is spread over the term in both.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from infra.cost.book import NoPriceError, Price, PriceBook, shipped
from infra.cost.model import Estimate, Line

HUNDRED: Final = Decimal(100)
HOUR: Final = "hour"


@dataclass(frozen=True, slots=True)
class Offer:
    """A way to pay less.

    Attributes:
        key: last part of its keys in the book.
        name: as AWS calls it.
        months: of the term; 0 for spot, which binds nobody.
    """

    key: str
    name: str
    months: int


SPOT: Final = Offer("spot", "spot", 0)
OFFERS: Final = (
    Offer("reserved-1-year-no-upfront", "reserved, 1 year, no upfront", 12),
    Offer("reserved-1-year-partial-upfront", "reserved, 1 year, partial upfront", 12),
    Offer("reserved-3-year-partial-upfront", "reserved, 3 years, partial upfront", 36),
    Offer("savings-plan-1-year-no-upfront", "savings plan, 1 year, no upfront", 12),
    Offer("savings-plan-3-year-no-upfront", "savings plan, 3 years, no upfront", 36),
    SPOT,
)
ONE_YEAR: Final = 12
THREE_YEARS: Final = 36


@dataclass(frozen=True, slots=True)
class Part:
    """A kind of hardware on the bill that can be committed to.

    Attributes:
        service: such as `rds`.
        kind: class or type such as `cache.r7g.large`; for a database with the deployment, `db.r6g.xlarge/multi-az`.
        family: such as `r6g`.
        region: where it runs.
        hourly_usd: on demand.
    """

    service: str
    kind: str
    family: str
    region: str
    hourly_usd: Decimal


@dataclass(frozen=True, slots=True)
class Offered:
    """An offer for a part.

    Attributes:
        offer: which one.
        monthly_usd: the whole part's cost with it, what is not covered on demand.
        break_even_months: after so many the commitment has paid off, even if the part were not used any more.
        price: the row it rests on.
    """

    offer: Offer
    monthly_usd: Decimal
    break_even_months: int
    price: Price


@dataclass(frozen=True, slots=True)
class Commitment:
    """A part with all its offers.

    Attributes:
        part: what is committed to.
        on_demand_usd: what it costs in a month without.
        covered_usd: how much of that is always there, and so is covered.
        offers: what the book knows.
        refused: offers that the part cannot have, with the reason.
    """

    part: Part
    on_demand_usd: Decimal
    covered_usd: Decimal
    offers: tuple[Offered, ...]
    refused: tuple[str, ...]

    def best(self, months: int) -> Decimal:
        """Cost in a month with the cheapest offer that binds for no longer than this, or on demand; never spot."""
        bound = (one.monthly_usd for one in self.offers if 0 < one.offer.months <= months)
        return min(bound, default=self.on_demand_usd)


def commitments(
    found: Estimate, least: Estimate, *, coverage_percent: int = 100, book: PriceBook | None = None
) -> list[Commitment]:
    """Offers for all parts of an estimate, the dearest part first.

    Args:
        found: the estimate.
        least: the same stack in a quiet month; what it does not use is never covered.
        coverage_percent: of what even the quiet month uses, how much is committed to.
        book: prices.
    """
    prices, whole = book or shipped(), _by_part(found.lines)
    used, kept = _by_pool(whole), _by_pool(_by_part(least.lines))
    made = []
    for part in sorted(whole, key=lambda one: (-whole[one], one.service, one.kind, one.region)):
        share = min(kept.get(_pool(part), Decimal(0)) / used[_pool(part)], Decimal(1))
        covered = whole[part] * share * coverage_percent / HUNDRED
        offers = tuple(_offers(part, whole[part], covered, prices))
        made.append(Commitment(part, whole[part], covered, offers, tuple(_refused(part))))
    return made


def committed_usd(found: Estimate, made: Sequence[Commitment], months: int) -> Decimal:
    """The whole estimate with the cheapest offer for each part that binds for no longer than this."""
    return found.monthly_usd - sum((one.on_demand_usd - one.best(months) for one in made), Decimal(0))


def _by_part(lines: Iterable[Line]) -> dict[Part, Decimal]:
    found: dict[Part, Decimal] = {}
    for line in lines:
        part = _part(line)
        if part is not None and line.monthly_usd:
            found[part] = found.get(part, Decimal(0)) + line.monthly_usd
    return found


def _pool(part: Part) -> object:
    """What one commitment covers: the very class in its region, but nodes of whatever type wherever they are."""
    return part.service if part.service == "ec2" else part


def _by_pool(parts: Mapping[Part, Decimal]) -> dict[object, Decimal]:
    found: dict[object, Decimal] = {}
    for part, monthly in parts.items():
        found[_pool(part)] = found.get(_pool(part), Decimal(0)) + monthly
    return found


def _part(line: Line) -> Part | None:
    """The hardware that a line pays for; None for all that is sold on demand only.

    EKS Auto Mode's fee, storage and traffic have no such offers:
    https://docs.aws.amazon.com/eks/latest/userguide/automode.html,
    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_WorkingWithReservedDBInstances.html.
    """
    if not line.prices:
        return None
    price = line.prices[0]
    match price.key.split("/"):
        case ["rds", "instance", kind, deployment]:
            return Part("rds", f"{kind}/{deployment}", kind.split(".")[1], price.region, price.usd)
        case ["elasticache", "node", "valkey", kind]:
            return Part("elasticache", kind, kind.split(".")[1], price.region, price.usd)
        case ["opensearch" | "ec2" as service, "instance", kind]:
            return Part(service, kind, kind.split(".")[0], price.region, price.usd)
        case _:
            return None


def _offers(part: Part, whole: Decimal, covered: Decimal, book: PriceBook) -> Iterator[Offered]:
    for offer in OFFERS:
        price = _price(part, offer, book)
        if price is not None:
            paid = price.usd / part.hourly_usd if price.unit == HOUR else price.usd
            yield Offered(offer, whole - covered + covered * paid, math.ceil(offer.months * paid), price)


def _price(part: Part, offer: Offer, book: PriceBook) -> Price | None:
    """The rate of the very type, or else the row of its family, or of the whole service."""
    keys = [f"commitment/{part.service}/{which}/{offer.key}" for which in (part.kind, part.family, "all")]
    for key in [f"ec2/spot/{part.kind}"] if offer is SPOT else keys:
        try:
            return book.tiers(key, part.region)[0]
        except NoPriceError:
            continue
    return None


_PLANLESS: Final = ("t3", "t4g", "m5", "m6g", "m6i", "r5", "r6g", "r6i")
"""Families of RDS and ElastiCache that Database Savings Plans leave out: they take generation 7 and newer only.

Source: https://dev.to/aman_singh_414811a9e4168b/aws-database-savings-plans-what-db-teams-need-to-know-53pn; AWS's own
list is at https://aws.amazon.com/savingsplans/database-pricing/, which was not at hand.
"""


def _refused(part: Part) -> Iterator[str]:
    if part.service in {"rds", "elasticache"} and part.family in _PLANLESS:
        yield f"no Database Savings Plan: they take generation 7 and newer, not {part.family}"
    if part.service == "opensearch":
        yield "Database Savings Plans came to OpenSearch in 2026: which types they take is not in the book"
    if part.service == "ec2":
        yield "no reservation: Auto Mode picks the types, and a Compute Savings Plan goes with any of them"
