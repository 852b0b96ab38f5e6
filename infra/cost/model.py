"""Words of the estimate: what an estimator says (charges), and what becomes of it (lines)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Any, Final, TypeVar

from infra.cidr import REGIONS
from infra.cost.book import Price, PriceBook
from infra.cost.usage import Usage
from infra.plan import PlannedResource

HOURS: Final = Decimal(730)
"""Hours of a month, as AWS's own calculator counts them: 8,760 / 12."""
TICK: Final = Decimal("0.0001")
"""Lines are rounded to this, so that their sum does not depend on the order."""

T = TypeVar("T")


class State(StrEnum):
    """What is known of a line's cost."""

    PRICED = "priced"
    FREE = "free"
    """Costs nothing, ever, or nothing by itself: the note says why."""
    NEEDS_USAGE = "needs-usage"
    """Priced by something that the usage profile does not say."""
    UNPRICED = "unpriced"
    """Nobody knows. Never zero: a total that holds one is no total."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """So many units a month of something that has a price.

    Attributes:
        component: what of the resource is charged, such as `instance` or `storage`.
        key: its price in the book.
        quantity: units of the price in a month.
        of: all that the bill has of it in that month, where tiers or a free allowance run over the whole; every
            resource then pays the mean price of the whole. None: the resource has tiers for itself.
        region: where it is sold; the resource's own unless given.
        note: what a reader has to know.
    """

    component: str
    key: str
    quantity: Decimal | int
    of: Decimal | int | None = None
    region: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Free:
    """Costs nothing by itself; `why` says who pays, or why nobody does."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedsUsage:
    """Priced by something that the usage does not say; `what` names it."""

    component: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpriced:
    """A price that nobody has; `why` says what is missing."""

    component: str
    why: str


Item = Charge | Free | NeedsUsage | Unpriced


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One cost of one resource in a month.

    Attributes:
        urn: of the resource; the stack's own for what no resource stands for (plans of other vendors).
        component: what of it is charged.
        state: what is known.
        unit: one of `quantity`.
        quantity: units in a month.
        unit_usd: for one, the mean where it has tiers.
        monthly_usd: None where it is not known.
        prices: rows of the book that it rests on.
        note: what a reader has to know.
    """

    urn: str
    component: str
    state: State
    unit: str = ""
    quantity: Decimal = Decimal(0)
    unit_usd: Decimal | None = None
    monthly_usd: Decimal | None = None
    prices: tuple[Price, ...] = ()
    note: str = ""

    @property
    def confirmed(self) -> bool:
        """Whether every price under it was read from a primary source."""
        return all(price.confirmed for price in self.prices)


@dataclass(frozen=True, slots=True)
class Scene:
    """What an estimator sees besides its resource: the other resources, the usage, the prices.

    It must give the same charges for a plan and for the engine's own output of the same stack: it may not look at
    values that only AWS knows (ids, ARNs), but at plain inputs and at which resource an input comes from.
    """

    resources: Sequence[PlannedResource]
    usage: Usage
    book: PriceBook
    _memory: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)

    def once(self, key: object, make: Callable[[], T]) -> T:
        """What `make` gives, worked out once a scene."""
        if key not in self._memory:
            self._memory[key] = make()
        found: T = self._memory[key]
        return found

    def all(self, *types: str) -> list[PlannedResource]:
        """All resources of these types, in the order of the plan."""
        by_type: Mapping[str, list[PlannedResource]] = self.once("by type", self._by_type)
        return [one for kind in types for one in by_type.get(kind, ())]

    def in_region(self, region: str, *types: str) -> list[PlannedResource]:
        """Those of one region."""
        return [one for one in self.all(*types) if self.region(one) == region]

    def count(self, *types: str) -> int:
        """How many there are."""
        return len(self.all(*types))

    def region(self, resource: PlannedResource) -> str:
        """Region of a resource: its own input, or the one that its name or a parent's starts with, or home."""
        own = resource.inputs.get("region")
        if isinstance(own, str) and own in REGIONS:
            return own
        names = (resource.name, *(parent.rpartition("::")[2] for parent in self._parents(resource)))
        found = (region for name in names for region in REGIONS if name == region or name.startswith(f"{region}-"))
        return next(found, REGIONS[0])

    def behind(self, resource: PlannedResource, name: str) -> list[PlannedResource]:
        """The resources that an input's value comes from."""
        by_urn: Mapping[str, PlannedResource] = self.once("by urn", lambda: {one.urn: one for one in self.resources})
        return [by_urn[urn] for urn in resource.property_dependencies.get(name, ()) if urn in by_urn]

    def _parents(self, resource: PlannedResource) -> list[str]:
        by_urn: Mapping[str, PlannedResource] = self.once("by urn", lambda: {one.urn: one for one in self.resources})
        found, parent = [], resource.parent
        while parent is not None and parent in by_urn:
            found.append(parent)
            parent = by_urn[parent].parent
        return found

    def _by_type(self) -> Mapping[str, list[PlannedResource]]:
        found: dict[str, list[PlannedResource]] = {}
        for one in self.resources:
            found.setdefault(one.type, []).append(one)
        return found


Estimator = Callable[[PlannedResource, Scene], Iterable[Item]]


@dataclass(frozen=True)
class Estimate:
    """All lines of one stack at one level of usage."""

    lines: tuple[Line, ...]

    @cached_property
    def monthly_usd(self) -> Decimal:
        """Sum of what is known, in USD a month."""
        return sum((line.monthly_usd for line in self.lines if line.monthly_usd is not None), Decimal(0))

    @cached_property
    def unpriced(self) -> tuple[Line, ...]:
        """Lines whose cost nobody knows."""
        return tuple(line for line in self.lines if line.state is State.UNPRICED)

    @cached_property
    def needs_usage(self) -> tuple[Line, ...]:
        """Lines that the usage profile says nothing about."""
        return tuple(line for line in self.lines if line.state is State.NEEDS_USAGE)

    @cached_property
    def unconfirmed_usd(self) -> Decimal:
        """The part that rests on prices which no primary source confirms."""
        return sum(
            (line.monthly_usd for line in self.lines if line.monthly_usd is not None and not line.confirmed), Decimal(0)
        )
