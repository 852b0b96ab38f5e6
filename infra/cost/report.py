"""An estimate as people and machines read it: a tree by component, then where the total stands."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from infra.cost.bands import Standing, unconfirmed_share
from infra.cost.model import Estimate, Line, State
from infra.cost.usage import Level
from infra.plan import PlannedResource
from infra.render import short_type

CENT: Final = Decimal("0.01")
ELSEWHERE: Final = "other vendors"
SIX_DIGITS: Final = Context(prec=6)
UNSURE: Final = "?"
"""Stands behind what rests on a price that no primary source confirms."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the tree: a component with the sum of what is in it, or what one kind of resource costs in it.

    Attributes:
        depth: in the tree.
        name: of the component or the resource, or how many of a type share the line.
        about: type of the component, or what of the resource is charged.
        state: None for a component.
        quantity: units in a month; None for a component.
        unit: one of them.
        unit_usd: price of one.
        monthly_usd: in all.
        free: resources of a component, and of components in it without costs, that cost nothing.
        is_confirmed: whether every price below was read from a primary source.
    """

    depth: int
    name: str
    about: str
    state: State | None
    quantity: Decimal | None
    unit: str
    unit_usd: Decimal | None
    monthly_usd: Decimal
    free: int
    is_confirmed: bool


def rows(resources: Sequence[PlannedResource], found: Estimate) -> list[Row]:
    """The estimate by component, in the plan's order; like costs of like resources share a line."""
    return list(_Tree(resources, found).rows())


class _Tree:
    """Costs below each component."""

    def __init__(self, resources: Sequence[PlannedResource], found: Estimate) -> None:
        self._by_urn = {one.urn: one for one in resources}
        self._components: dict[str | None, list[PlannedResource]] = defaultdict(list)
        self._lines: dict[str | None, list[Line]] = defaultdict(list)
        self._free: dict[str | None, set[str]] = defaultdict(set)
        self._bought: list[Line] = []
        for one in resources:
            if one.is_component:
                self._components[one.parent].append(one)
        for line in found.lines:
            self._place(line)

    def _place(self, line: Line) -> None:
        resource = self._by_urn.get(line.urn)
        if resource is None:
            self._bought.append(line)
        elif line.state is State.FREE:
            self._free[resource.parent].add(line.urn)
        else:
            self._lines[resource.parent].append(line)

    def rows(self) -> Iterator[Row]:
        yield from self._below(None, 0)
        if self._bought:
            yield _sum_row(0, ELSEWHERE, "", self._bought, 0)
            for line in self._bought:
                yield _row(1, line.component, "", [line])

    def _below(self, urn: str | None, depth: int) -> Iterator[Row]:
        for component in self._components[urn]:
            inside = list(self._all(component.urn))
            if inside:
                kind = component.type.removeprefix("headroom:")
                yield _sum_row(depth, component.name, kind, inside, self._unpaid(component.urn))
                yield from self._below(component.urn, depth + 1)
        yield from self._own(urn, depth)

    def _own(self, urn: str | None, depth: int) -> Iterator[Row]:
        alike: dict[tuple[object, ...], list[Line]] = defaultdict(list)
        for line in self._lines[urn]:
            key = (self._by_urn[line.urn].type, line.component, line.state, line.unit, line.unit_usd)
            alike[key].append(line)
        for lines in sorted(alike.values(), key=lambda one: -_total(one)):
            kind = short_type(self._by_urn[lines[0].urn])
            names = list(dict.fromkeys(self._by_urn[line.urn].name for line in lines))
            name = names[0] if len(names) == 1 else f"{len(names)} {kind}"
            about = lines[0].component if len(names) > 1 else f"{kind} {lines[0].component}"
            yield _row(depth, name, about, lines)

    def _all(self, urn: str) -> Iterator[Line]:
        yield from self._lines[urn]
        for component in self._components[urn]:
            yield from self._all(component.urn)

    def _unpaid(self, urn: str) -> int:
        """Free resources that no row below would count."""
        hidden = (one.urn for one in self._components[urn] if not any(self._all(one.urn)))
        return len(self._free[urn]) + sum(self._unpaid(one) for one in hidden)


def _total(lines: Sequence[Line]) -> Decimal:
    return sum((line.monthly_usd for line in lines if line.monthly_usd is not None), Decimal(0))


def _sum_row(depth: int, name: str, about: str, lines: Sequence[Line], free: int) -> Row:
    sure = all(line.confirmed for line in lines)
    return Row(depth, name, about, None, None, "", None, _total(lines), free, sure)


def _row(depth: int, name: str, about: str, lines: Sequence[Line]) -> Row:
    first = lines[0]
    return Row(
        depth=depth,
        name=name,
        about=about,
        state=first.state,
        quantity=sum((line.quantity for line in lines), Decimal(0)),
        unit=first.unit,
        unit_usd=first.unit_usd,
        monthly_usd=_total(lines),
        free=0,
        is_confirmed=all(line.confirmed for line in lines),
    )


# For machines.


def number(value: Decimal | None) -> float | None:
    """A figure as JSON has it."""
    return None if value is None else float(value)


def figures(standing: Standing) -> dict[str, Any]:
    """What one stack costs, and where that stands."""
    low, expected, high = (number(standing.estimates[level].monthly_usd.quantize(CENT)) for level in Level)
    requests = standing.usd_per_million_requests
    return {
        "low_usd": low,
        "expected_usd": expected,
        "high_usd": high,
        "band_usd": [standing.band.low, standing.band.high],
        "inside": standing.is_inside,
        "headroom_usd": number(standing.headroom_usd.quantize(CENT)),
        "usd_per_thousand_users": number(standing.usd_per_thousand_users.quantize(CENT)),
        "usd_per_million_requests": None if requests is None else number(requests.quantize(CENT)),
        "unconfirmed_share": round(float(unconfirmed_share(standing.expected)), 4),
        "unpriced": len(standing.expected.unpriced),
        "needs_usage": len(standing.expected.needs_usage),
    }


def line_dict(phase: str, line: Line) -> dict[str, Any]:
    """One line; what is not known is null."""
    return {
        "phase": phase,
        "urn": line.urn,
        "component": line.component,
        "state": str(line.state),
        "monthly_usd": number(line.monthly_usd),
        "quantity": number(line.quantity) if line.state is State.PRICED else None,
        "unit": line.unit or None,
        "unit_usd": number(line.unit_usd),
        "confirmed": line.confirmed,
        "sources": list(dict.fromkeys(price.source for price in line.prices)),
        "note": line.note or None,
    }


def to_dict(standing: Standing, level: Level) -> dict[str, Any]:
    """One stack with every line at a level of usage, and the sum of every component."""
    source, found = standing.source, standing.estimates[level]
    sums: dict[str, Decimal] = defaultdict(Decimal)
    by_urn = {one.urn: one for one in source.resources}
    for line in found.lines:
        above = by_urn[line.urn].parent if line.urn in by_urn else None
        while above is not None:
            sums[above] += line.monthly_usd or 0
            above = by_urn[above].parent if above in by_urn else None
    return {
        "stack": source.stack,
        "phase": str(source.phase.name),
        "sizing": str(source.phase.sizing),
        "level": str(level),
        "monthly_usd": number(found.monthly_usd),
        **figures(standing),
        "components": [
            {"urn": one.urn, "parent": one.parent, "monthly_usd": number(sums[one.urn])}
            for one in source.resources
            if one.is_component
        ],
        "lines": [line_dict(str(source.phase.name), line) for line in found.lines],
    }


# For people.


def plain(value: Decimal) -> str:
    """A number to six digits, never in powers of ten: `0.0000004`, `1,234.5`."""
    rounded = SIX_DIGITS.create_decimal(value)
    return f"{rounded:,f}".rstrip("0").rstrip(".") if "." in f"{rounded:f}" else f"{rounded:,f}"


def usd(value: Decimal) -> str:
    """An amount: `1,234.56`."""
    return f"{value:,.2f}"


def render(standing: Standing, level: Level) -> RenderableType:
    """The tree, then the total and its band, then what nobody knows."""
    found = standing.estimates[level]
    parts: list[RenderableType] = [_table(rows(standing.source.resources, found)), Text()]
    parts += [Text(line, style=style) for line, style in _verdict(standing, level)]
    for title, lines, style in (
        ("UNPRICED, so that the total is none:", found.unpriced, "bold red"),
        ("needs usage that the profile does not say:", found.needs_usage, "yellow"),
    ):
        if lines:
            parts += [Text(), Text(title, style=style), *(Text(f"  - {one}") for one in _told(lines))]
    return Group(*parts)


def _table(found: Sequence[Row]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("", no_wrap=True)
    for title in ("quantity", "unit price", "USD a month"):
        table.add_column(title, justify="right", no_wrap=True)
    for row in found:
        name = Text("  " * row.depth + row.name, style="" if row.state else "bold")
        name.append(f"  {row.about}" if row.about else "", style="cyan" if row.state is None else "dim")
        name.append(f"  + {row.free} free" if row.free else "", style="dim")
        table.add_row(name, _quantity(row), "" if row.unit_usd is None else plain(row.unit_usd), _monthly(row))
    return table


def _quantity(row: Row) -> str:
    return "" if row.quantity is None or not row.unit else f"{plain(row.quantity)} {row.unit}"


def _monthly(row: Row) -> Text:
    if row.state in {State.UNPRICED, State.NEEDS_USAGE}:
        shown = "UNPRICED" if row.state is State.UNPRICED else "needs usage"
        return Text(shown, style="bold red" if row.state is State.UNPRICED else "yellow")
    mark = " " if row.is_confirmed else UNSURE
    return Text(f"{usd(row.monthly_usd)}{mark}", style="" if row.state else "bold")


def _verdict(standing: Standing, level: Level) -> Iterator[tuple[str, str]]:
    found = standing.estimates[level]
    others = ", ".join(f"{one} {usd(standing.estimates[one].monthly_usd)}" for one in Level if one is not level)
    name = f"{standing.source.stack}, phase {standing.source.phase.name}"
    yield f"{name}, {level} usage: {usd(found.monthly_usd)} USD a month ({others})", "bold"
    yield _band(standing), "green" if standing.is_inside else "bold red"
    requests = standing.usd_per_million_requests
    each = f", {usd(requests)} for each million requests" if requests is not None else ""
    yield f"{usd(standing.usd_per_thousand_users)} USD for each 1,000 monthly users{each}", ""
    yield f"{unconfirmed_share(found):.0%} of it rests on prices that no primary source confirms, marked {UNSURE}", ""


def _band(standing: Standing) -> str:
    total, band = standing.expected.monthly_usd, standing.band
    name = f"the band, {band.low:,} to {band.high:,} USD on demand, without tax and support plan"
    if standing.expected.unpriced:
        return f"in no place of {name}: {len(standing.expected.unpriced)} costs are not known"
    if total > band.high:
        return f"{usd(total - band.high)} USD above {name}"
    if total < band.low:
        return f"{usd(band.low - total)} USD below {name}"
    return f"inside {name}: {usd(standing.headroom_usd)} USD below its top"


def _told(lines: Sequence[Line]) -> Iterator[str]:
    """Each reason once, with how many it is about."""
    reasons: Mapping[tuple[str, str], list[Line]] = defaultdict(list)
    for line in lines:
        reasons[line.component, line.note].append(line)
    for (component, note), alike in reasons.items():
        name = alike[0].urn.rpartition("::")[2]
        yield f"{name if len(alike) == 1 else f'{len(alike)} resources such as {name}'}, {component}: {note}"
