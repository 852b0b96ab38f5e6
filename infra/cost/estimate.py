"""From resources to lines: asks each resource's estimator, and prices what it says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType

from infra.cost.book import NoPriceError, PriceBook, shipped
from infra.cost.estimators import catalogue
from infra.cost.model import TICK, Charge, Estimate, Estimator, Free, Item, Line, NeedsUsage, Scene, State
from infra.cost.usage import Usage
from infra.plan import PlannedResource


def estimate(
    resources: Sequence[PlannedResource],
    usage: Usage,
    book: PriceBook | None = None,
    estimators: Mapping[str, Estimator] = MappingProxyType(catalogue.ESTIMATORS),
) -> Estimate:
    """Price resources (a plan's, or what the engine prints) at one level of usage."""
    scene = Scene(resources, usage, book or shipped())
    lines = [line for one in resources if not one.is_component for line in _lines(one, scene, estimators)]
    return Estimate((*lines, *_bought(scene)))


def _lines(resource: PlannedResource, scene: Scene, estimators: Mapping[str, Estimator]) -> Iterator[Line]:
    if (why := catalogue.free(resource.type)) is not None:
        yield Line(urn=resource.urn, component="all", state=State.FREE, note=why, monthly_usd=Decimal(0))
        return
    estimator = estimators.get(resource.type)
    if estimator is None:
        why = f"no estimator knows {resource.type}"
        yield Line(urn=resource.urn, component="all", state=State.UNPRICED, note=why)
        return
    for item in estimator(resource, scene):
        yield _line(resource.urn, scene.region(resource), item, scene.book)


def _bought(scene: Scene) -> Iterator[Line]:
    """Plans of other vendors, which no resource stands for."""
    stack = scene.resources[0].urn.partition("::")[0] if scene.resources else "urn:pulumi:none"
    for item in catalogue.bought(scene.usage):
        yield _line(f"{stack}::headroom::pulumi:pulumi:Stack::{stack.rpartition(':')[2]}", "global", item, scene.book)


def _line(urn: str, region: str, item: Item, book: PriceBook) -> Line:
    match item:
        case Charge():
            return _priced(urn, item.region or region, item, book)
        case Free(why=why):
            return Line(urn=urn, component="all", state=State.FREE, note=why, monthly_usd=Decimal(0))
        case NeedsUsage(component=component, what=what):
            return Line(urn=urn, component=component, state=State.NEEDS_USAGE, note=what)
        case unpriced:
            return Line(urn=urn, component=unpriced.component, state=State.UNPRICED, note=unpriced.why)


def _priced(urn: str, region: str, charge: Charge, book: PriceBook) -> Line:
    try:
        tiers = book.tiers(charge.key, region)
    except NoPriceError as error:
        return Line(urn=urn, component=charge.component, state=State.UNPRICED, note=str(error))
    quantity = Decimal(charge.quantity)
    whole = quantity if charge.of is None else Decimal(charge.of)
    mean = book.monthly(charge.key, region, whole) / whole if whole else tiers[-1].usd
    return Line(
        urn=urn,
        component=charge.component,
        state=State.PRICED,
        unit=tiers[0].unit,
        quantity=quantity,
        unit_usd=mean,
        monthly_usd=(quantity * mean).quantize(TICK),
        prices=tuple(tier for tier in tiers if tier.above == 0 or tier.above < whole),
        note=charge.note,
    )
