"""What moved a stack's cost most, and which input moved it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from infra.cost.model import Line
from infra.growth.effects import QUIET
from infra.growth.guard import STEP, Action, Growth, Operation
from infra.local.diff import Change
from infra.plan import SECRET, UNKNOWN, PlannedResource
from infra.render import short_type
from infra.review.pricing import CENT, Priced, by_resource

MOST: Final = 5
LONG: Final = 60
"""From so many characters on a value is not shown: nobody compares policies in a table."""
NOBODY: Final = "plans of other vendors"
ARROW: Final = " -> "
HIDDEN: Final = frozenset({SECRET, UNKNOWN})


@dataclass(frozen=True, slots=True)
class Driver:
    """Resources of a type whose cost changed for the same reason.

    Attributes:
        delta_usd: by how much all of them rise in a month.
        kind: their type, short.
        names: logical names.
        moved: what changed: inputs with both values, or what of the bill did.
    """

    delta_usd: Decimal
    kind: str
    names: tuple[str, ...]
    moved: tuple[str, ...]


def drivers(
    priced: Priced, before: Sequence[PlannedResource], after: Sequence[PlannedResource], growth: Growth
) -> tuple[Driver, ...]:
    """The largest changes of a stack's cost, in both directions."""
    olds, news = by_resource(priced.before), by_resource(priced.after)
    was = {one.urn: one for one in before}
    known = {**was, **{one.urn: one for one in after}}
    moved_from = _moved(before, after)
    operations = {one.resource.urn: one for one in growth.operations}
    found: dict[tuple[str, tuple[str, ...]], list[tuple[str, Decimal]]] = defaultdict(list)
    gone = [urn for urn in olds if urn not in news and urn not in moved_from.values()]
    for urn in (*news, *gone):
        former = moved_from.get(urn, urn)
        delta = news.get(urn, Decimal(0)) - olds.get(former, Decimal(0))
        if abs(delta) < CENT:
            continue
        resource = known.get(urn)
        kind, name = (short_type(resource), resource.name) if resource else (NOBODY, "")
        operation = operations.get(urn)
        why = tuple(_inputs(operation, was.get(former))) if operation else ()
        found[kind, why or tuple(_bill(former, urn, priced))].append((name, delta))
    groups = [
        Driver(sum((delta for _, delta in each), Decimal(0)).quantize(CENT), kind, tuple(name for name, _ in each), why)
        for (kind, why), each in found.items()
    ]
    return tuple(sorted(groups, key=lambda one: (-abs(one.delta_usd), one.kind, one.names))[:MOST])


def values(change: Change, old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """A changed input with both values; only its path where they are secret, unknown or long."""
    before, after = _at(old, change.path), _at(new, change.path)
    if {before, after} & HIDDEN or max(len(before), len(after)) > LONG:
        return change.path
    return f"{change.path}: {before or 'none'}{ARROW}{after or 'none'}"


def _inputs(operation: Operation, old: PlannedResource | None) -> Iterator[str]:
    """What was done to the resource, by its inputs."""
    if operation.action in {Action.CREATE, Action.DELETE} or old is None:
        yield "deleted" if operation.action is Action.DELETE else "new"
        return
    moved = [values(one, old.inputs, operation.resource.inputs) for one in operation.changes if one.root not in QUIET]
    yield from sorted(moved, key=lambda text: ARROW not in text)  # what can be read comes first


def _bill(former: str, urn: str, priced: Priced) -> Iterator[str]:
    """What of the bill changed, where none of the resource's own inputs did: it follows others."""
    before = {line.component: line for line in priced.before if line.urn == former}
    after = {line.component: line for line in priced.after if line.urn == urn}
    for component in {**before, **after}:
        old, new = before.get(component), after.get(component)
        if _amount(old) != _amount(new):
            unit = new.unit if new is not None else old.unit if old is not None else ""
            yield f"{component}: {_amount(old)}{ARROW}{_amount(new)} {unit}".rstrip()
        elif old is not None and new is not None and old.unit_usd != new.unit_usd:
            yield f"{component}: another price a unit"


def _amount(line: Line | None) -> str:
    return f"{line.quantity.quantize(CENT).normalize():,f}" if line is not None else "none"


def _moved(before: Sequence[PlannedResource], after: Sequence[PlannedResource]) -> dict[str, str]:
    """New URN to former one, of what only stands under another parent now: for the bill it is the same."""
    old, new = {one.urn for one in before}, {one.urn for one in after}
    free = {(one.type, one.name): one.urn for one in before if one.urn not in new}
    return {one.urn: free[one.type, one.name] for one in after if one.urn not in old and (one.type, one.name) in free}


def _at(inputs: Mapping[str, Any], path: str) -> str:
    """The value at a property path, as text; empty where there is none."""
    value: Any = inputs
    for quoted, index, plain in STEP.findall(path):
        if index and isinstance(value, list):
            value = value[int(index)] if int(index) < len(value) else None
        elif isinstance(value, Mapping):
            value = value.get(quoted.replace('\\"', '"') if quoted else plain)
        else:
            value = None
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
