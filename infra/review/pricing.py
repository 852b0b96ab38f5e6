"""What both sides of a stack cost: by one set of estimators, one usage, and the price books of both sides."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from pydantic import ValidationError

from infra.cost.book import Price, PriceBook
from infra.cost.book import read as read_book
from infra.cost.estimate import estimate
from infra.cost.model import Estimate, Line, State
from infra.cost.usage import Level, Usage
from infra.errors import UserError
from infra.review.planning import Planned
from infra.review.trees import Tree
from stacks.phase import Phase, PhaseName, Sizing
from stacks.phases import PHASES

PRICES: Final = "infra/cost/prices"
CENT: Final = Decimal("0.01")
FOREIGN: Final = "its phase is written for another model, so its traffic is assumed as in this program's"
"""Said of a side whose sizes this program cannot read."""


class Verdict(StrEnum):
    """A cost against its band."""

    INSIDE = "inside"
    BELOW = "below"
    OVER = "over"
    UNKNOWN = "unknown"
    """Something in it has no price, and what has one is not over by itself."""


@dataclass(frozen=True, slots=True)
class PriceChange:
    """One price of the book that is another now."""

    key: str
    region: str
    unit: str
    old_usd: Decimal
    new_usd: Decimal


@dataclass(frozen=True, slots=True)
class Books:
    """Prices of both sides.

    Attributes:
        old: the base's; what it lacks has the head's price, so that a new estimator is no change of price.
        new: the head's.
        changes: prices that differ.
        note: why the base's could not be used.
    """

    old: PriceBook
    new: PriceBook
    changes: tuple[PriceChange, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A line of the head's estimate without a cost, that the base's has not."""

    urn: str
    component: str
    why: str
    state: State

    @property
    def type(self) -> str:
        """Type of the resource."""
        return type_of(self.urn)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a stack costs, in USD a month at the head's prices, as far as it is known.

    Attributes:
        before_usd: of the base at expected usage; 0 where it has no such stack, None where it cannot be planned.
        after_usd: of the head; likewise.
        busy_usd: of the head at high usage.
        unpriced_before: lines of the base that nobody has a price for, so that `before_usd` is the least it costs.
        unpriced: lines of the head; likewise.
        band: of the head's phase; None without one.
        drift_usd: what the price book's change alone does to the base; None where there is nothing to compare.
    """

    before_usd: Decimal | None
    after_usd: Decimal | None
    busy_usd: Decimal | None
    unpriced_before: int
    unpriced: int
    band: tuple[int, int] | None
    drift_usd: Decimal | None

    @property
    def delta_usd(self) -> Decimal | None:
        """By how much it rises."""
        if self.before_usd is None or self.after_usd is None:
            return None
        return self.after_usd - self.before_usd

    @property
    def percent(self) -> Decimal | None:
        """The same in per cent of what it was."""
        return self.delta_usd / self.before_usd * 100 if self.delta_usd is not None and self.before_usd else None

    @property
    def headroom_usd(self) -> Decimal | None:
        """What is left up to the upper end of the band."""
        return None if self.band is None or self.after_usd is None else self.band[1] - self.after_usd

    @property
    def verdict(self) -> Verdict | None:
        """The expected cost against the band; None without either."""
        if self.band is None or self.after_usd is None:
            return None
        if self.after_usd > self.band[1]:
            return Verdict.OVER
        if self.unpriced:
            return Verdict.UNKNOWN
        return Verdict.BELOW if self.after_usd < self.band[0] else Verdict.INSIDE


@dataclass(frozen=True, slots=True)
class Priced:
    """A stack's cost with what it is made of.

    Attributes:
        cost: the sums.
        before: lines of the base; none where it has no such stack.
        after: lines of the head.
        unknown: what is new and has no cost.
        note: what a reader must know of how it was priced.
    """

    cost: Cost
    before: tuple[Line, ...]
    after: tuple[Line, ...]
    unknown: tuple[Unknown, ...]
    note: str = ""


def books(base: Tree, head: Tree) -> Books:
    """Read the price books of both trees.

    Raises:
        UserError: the head's cannot be read.
    """
    new = _book(head)
    try:
        known = _book(base)
    except UserError as error:
        return Books(new, new, note=f"the base's price book is not used: {error.message}")
    before, after = _by_place(known), _by_place(new)
    old = PriceBook(price for place in {**after, **before} for price in (before.get(place) or after[place]))
    return Books(old, new, tuple(_changes(before, after)))


def price(before: Planned | None, after: Planned | None, found: Books, *, is_new: bool, is_gone: bool) -> Priced:
    """Price a stack; a side that is None cannot be planned, or has no such stack (`is_new`, `is_gone`)."""
    usage = after.usage if after is not None else before.usage if before is not None else {}
    note = ""
    old: Estimate | None = None
    drift: Decimal | None = None
    if before is not None:
        phase, note = _phase(before, after)
        expected = _usage(before.stack, phase, Level.EXPECTED, usage)
        old = estimate(before.resources, expected, found.new)
        drift = Decimal(0)
        if found.changes:
            drift = old.monthly_usd - estimate(before.resources, expected, found.old).monthly_usd
    new: Estimate | None = None
    busy: Decimal | None = None
    band: tuple[int, int] | None = None
    if after is not None:
        phase, foreign = _phase(after, None)
        note = note or foreign
        new = estimate(after.resources, _usage(after.stack, phase, Level.EXPECTED, usage), found.new)
        busy = estimate(after.resources, _usage(after.stack, phase, Level.HIGH, usage), found.new).monthly_usd
        band = (phase.targets.monthly_usd.low, phase.targets.monthly_usd.high)
    cost = Cost(
        before_usd=_sum(old, absent=is_new),
        after_usd=_sum(new, absent=is_gone),
        busy_usd=busy.quantize(CENT) if busy is not None else None,
        unpriced_before=len(old.unpriced) if old is not None else 0,
        unpriced=len(new.unpriced) if new is not None else 0,
        band=band,
        drift_usd=drift.quantize(CENT) if drift is not None else None,
    )
    lines = old.lines if old is not None else (), new.lines if new is not None else ()
    return Priced(cost, *lines, tuple(_unknown(*lines)), note)


def type_of(urn: str) -> str:
    """The type in a URN, without its parents'."""
    return urn.split("::")[2].rpartition("$")[2]


def by_resource(lines: Sequence[Line]) -> Mapping[str, Decimal]:
    """What is known of each resource's cost, by URN."""
    found: dict[str, Decimal] = defaultdict(Decimal)
    for line in lines:
        found[line.urn] += line.monthly_usd or Decimal(0)
    return found


def _sum(found: Estimate | None, *, absent: bool) -> Decimal | None:
    if found is None:
        return Decimal(0) if absent else None
    return found.monthly_usd.quantize(CENT)


def _book(tree: Tree) -> PriceBook:
    return read_book(sorted((tree.path / PRICES).glob("*.csv")))


def _by_place(book: PriceBook) -> Mapping[tuple[str, str], list[Price]]:
    found: dict[tuple[str, str], list[Price]] = defaultdict(list)
    for row in book.prices:
        found[row.key, row.region].append(row)
    return found


def _changes(
    before: Mapping[tuple[str, str], list[Price]], after: Mapping[tuple[str, str], list[Price]]
) -> Iterator[PriceChange]:
    """Tiers that both books have, where the price or what it is for differs."""
    for place, rows in after.items():
        olds = {row.above: row for row in before.get(place, ())}
        for row in rows:
            old = olds.get(row.above)
            if old is not None and (old.usd, old.unit) != (row.usd, row.unit):
                unit = row.unit if old.unit == row.unit else f"{old.unit}, now {row.unit}"
                yield PriceChange(row.key, row.region, unit, old.usd, row.usd)


def _phase(one: Planned, other: Planned | None) -> tuple[Phase, str]:
    """The phase as this side has it; where this program's model cannot take that, the other side's, or its own."""
    for sizes in (one.sizes, other.sizes if other is not None else {}):
        try:
            found = Phase.model_validate(sizes)
        except ValidationError:
            continue
        return found, "" if sizes is one.sizes else FOREIGN
    return PHASES[PhaseName(one.phase)][Sizing.EFFICIENT], FOREIGN


def _usage(stack: str, phase: Phase, level: Level, overrides: Mapping[str, Any]) -> Usage:
    try:
        return Usage(phase, level, overrides)
    except ValidationError as error:
        msg = f"headroom:usage of stack {stack} cannot be used"
        problems = [f"{'.'.join(map(str, one['loc']))} = {one['input']!r}: {one['msg']}" for one in error.errors()]
        raise UserError(msg, problems) from None


def _unknown(before: Sequence[Line], after: Sequence[Line]) -> Iterator[Unknown]:
    there = Counter((line.urn, line.component) for line in before if line.monthly_usd is None)
    for line in after:
        if line.monthly_usd is None and not there[line.urn, line.component]:
            yield Unknown(line.urn, line.component, line.note, line.state)
