"""The comment on a pull request: one Markdown text, what matters most first."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

from infra.cost.model import State
from infra.growth.effects import IN_PLACE, QUIET
from infra.growth.guard import Action, Operation
from infra.render import short_type
from infra.review.drivers import values
from infra.review.limits import Reason
from infra.review.markdown import Block, code, fitted, folded, plain, row, table
from infra.review.model import Presence, Review, Rung, StackReview
from infra.review.pricing import CENT, Cost, Verdict

MARKER: Final = "<!-- headroom-review -->"
"""First line of every comment: who updates one in place finds it by this."""
MANY: Final = 3
"""So many names, or changed inputs, are named; the JSON has all."""
SHOWN: Final = 10
"""So many of what would be lost."""
PROGRAM_ERRORS: Final = {Presence.HEAD_BROKEN: "after the change", Presence.BASE_BROKEN: "before the change"}


def text(review: Review) -> str:
    """The whole comment, always below GitHub's limit."""
    return fitted([one for one in _blocks(review) if one.top or one.rows])


def headlines(review: Review) -> list[str]:
    """What needs attention, a sentence each, the worst first, and the sentence on cost."""
    found = [_HEADLINES[reason](review, where) for reason, where in review.reasons.items()]
    return [*(found or ["Nothing needs attention."]), _cost_sentence(review)]


def _blocks(review: Review) -> Iterator[Block]:
    yield Block("headlines", (MARKER, "## Headroom review", ""), tuple(f"- {one}" for one in headlines(review)), ("",))
    yield from _lost(review)
    yield from _broken(review)
    yield _stacks(review)
    yield Block("notes", (*_notes(review), ""))
    yield from _violations(review)
    yield from _unknown(review)
    yield from _drivers(review)
    yield from _growth(review)
    yield from _prices(review)
    for stack in review.stacks:
        yield from _changes(stack)


def _lost(review: Review) -> Iterator[Block]:
    """What must not happen: resources of a type and for the same reason together, each with its stacks."""
    found: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for one in review.stacks:
        for operation in one.growth.operations:
            resource = operation.resource
            for reason in operation.blocked:
                why = reason.removeprefix(resource.type.rpartition(":")[2]).removeprefix(f" {resource.name}")
                found[short_type(resource), why.lstrip(": ")][resource.name].append(one.stack)
    rows = []
    for (kind, why), names in found.items():
        listed = [f"{code(name)} ({_names(stacks)})" for name, stacks in list(names.items())[:SHOWN]]
        rows.append(f"- **{plain(kind)}** {plain(why)}. {', '.join([*listed, *_more(len(names), SHOWN)])}")
    if rows:
        yield Block("reasons", ("### This must not happen", ""), tuple(rows), ("",))


def _broken(review: Review) -> Iterator[Block]:
    for one in review.stacks:
        if one.why:
            head = f"### {plain(one.stack)} cannot be planned {PROGRAM_ERRORS.get(one.presence, '')}".rstrip()
            yield Block("lines", (head, ""), tuple(f"    {line}" for line in one.why.splitlines()), ("",))


def _stacks(review: Review) -> Block:
    header = (
        "stack",
        "create",
        "update",
        "replace",
        "delete",
        "before",
        "after",
        "change",
        "band",
        "headroom",
        "verdict",
    )
    rows = tuple(row(_stack_cells(one)) for one in review.stacks)
    return Block("stacks", ("USD a month, expected usage:", "", *table(header, "lrrrrrrrrrl")), rows, ("",))


def _stack_cells(one: StackReview) -> Iterator[str]:
    yield f"**{plain(one.stack)}**"
    for action in (Action.CREATE, Action.UPDATE, Action.REPLACE, Action.DELETE):
        count = sum(not operation.only_tags for operation in one.growth.of(action))
        yield f"{count:,}" if count else ""
    cost = one.cost
    yield f"{'at least ' if cost.unpriced_before else ''}{_usd(cost.before_usd)}"
    yield f"{'at least ' if cost.unpriced else ''}{_usd(cost.after_usd)}"
    yield f"{_change(cost)}{' and unknown' if any(line.state is State.UNPRICED for line in one.unknown) else ''}"
    yield f"{cost.band[0]:,} to {cost.band[1]:,}" if cost.band else ""
    yield _usd(cost.headroom_usd)
    yield _verdict(one)


def _verdict(one: StackReview) -> str:
    told = {
        Presence.ADDED: "new stack",
        Presence.REMOVED: "its file goes; what is deployed stays until it is destroyed",
        Presence.BASE_BROKEN: "nothing to compare with",
        Presence.HEAD_BROKEN: "**cannot be planned**",
    }.get(one.presence)
    verdict = one.cost.verdict
    words = {
        None: "",
        Verdict.INSIDE: "inside",
        Verdict.BELOW: "below the band",
        Verdict.OVER: "**over the band**",
        Verdict.UNKNOWN: f"unknown: {one.cost.unpriced:,} without a price",
    }[verdict]
    busy = ""
    if verdict is Verdict.INSIDE and one.cost.band and (one.cost.busy_usd or 0) > one.cost.band[1]:
        busy = f"over at high usage: {_usd(one.cost.busy_usd)}"
    return "; ".join(part for part in (told, words, busy) if part)


def _violations(review: Review) -> Iterator[Block]:
    ordered = sorted(review.violations, key=lambda one: not one.is_mandatory)
    rows = [
        f"- {'**mandatory**' if one.is_mandatory else 'advisory'}, {plain(one.stack)}: {plain(one.text)}"
        for one in ordered
    ]
    if rows:
        yield Block("violations", ("### Policies", ""), tuple(rows), ("",))


def _unknown(review: Review) -> Iterator[Block]:
    """New lines without a cost, by type and reason."""
    found = Counter(
        (line.state, line.type, line.component, line.why, one.stack) for one in review.stacks for line in one.unknown
    )
    kinds = dict.fromkeys(key[:4] for key in sorted(found))
    for state, title in ((State.UNPRICED, "Nobody knows what these cost"), (State.NEEDS_USAGE, "No usage is said for")):
        rows = []
        for kind in (one for one in kinds if one[0] is state):
            _, token, component, why = kind
            where = ", ".join(f"{plain(key[4])} {count:,}" for key, count in found.items() if key[:4] == kind)
            rows.append(f"- {code(token)}, {plain(component)} ({where}): {plain(why)}")
        if rows:
            yield Block("types", (f"### {title}", ""), tuple(rows), ("",))


def _drivers(review: Review) -> Iterator[Block]:
    rows = []
    for one in review.stacks:
        for driver in one.drivers:
            count = f"{len(driver.names):,} x " if len(driver.names) > 1 else ""
            first = f" {code(driver.names[0])}" if driver.names[0] else ""
            moved = [code(part) for part in driver.moved[:MANY]] + _more(len(driver.moved))
            cells = (plain(one.stack), _signed(driver.delta_usd), f"{count}{plain(driver.kind)}{first}")
            rows.append(row((*cells, ", ".join(moved))))
    if rows:
        header = table(("stack", "change", "what", "moved by"), "lrll")
        yield Block("drivers", ("### What moves the cost most", "", *header), tuple(rows), ("",))


def _growth(review: Review) -> Iterator[Block]:
    rows = [f"- {one.old} to {one.new}: {_safety(one)}" for one in review.ladder]
    if any(one.changed for one in review.ladder):
        top = ("### Growing, after this change", "")
        yield Block("steps", top, tuple(rows), ("",))


def _safety(one: Rung) -> str:
    if one.after is None:
        return "unknown, as one of them cannot be planned"
    if not one.after:
        return f"safe{', and was not' if one.changed else ''}"
    more = f" and {len(one.after) - 1:,} more" if len(one.after) > 1 else ""
    return f"**not safe**{', and was' if one.changed else ''}: {plain(one.after[0])}{more}"


def _prices(review: Review) -> Iterator[Block]:
    """What the price book does, apart from what the design does: the base at old prices and at new ones."""
    drifts = [
        f"{plain(one.stack)} {_signed(one.cost.drift_usd)}" for one in review.stacks if one.cost.drift_usd is not None
    ]
    rows = []
    for one in review.prices:
        percent = f"{(one.new_usd / one.old_usd - 1) * 100:+,.1f} %" if one.old_usd else ""
        cells = (code(one.key), plain(one.region), plain(one.unit), f"{one.old_usd:f}", f"{one.new_usd:f}", percent)
        rows.append(row(cells))
    if rows:
        top = (
            "### Prices",
            "",
            f"The same design as before, at the new prices (USD a month): {', '.join(drifts)}.",
            "",
        )
        yield Block("stacks", top)
        header = table(("price", "region", "unit", "old", "new", ""), "lllrrr")
        yield folded("prices", f"{len(rows):,} prices changed", rows, header)


def _changes(one: StackReview) -> Iterator[Block]:
    """Every operation of a stack, folded: alike ones together, what is new by its type, and tags by their count."""
    operations = [operation for operation in one.growth.operations if not operation.only_tags]
    if not operations or one.presence is Presence.ADDED:
        return
    alike: dict[tuple[Action, str], list[str]] = defaultdict(list)
    for operation in operations:
        alike[operation.action, _told(operation, one)].append(operation.resource.name)
    rows = []
    for action in (Action.REPLACE, Action.DELETE, Action.UPDATE, Action.CREATE):
        for (_, told), names in ((key, names) for key, names in alike.items() if key[0] is action):
            listed = ", ".join([*map(code, names[:MANY]), *_more(len(names))])
            rows.append(f"- {action.value} {len(names):,} {told} ({listed})")
    if tagged := len(one.growth.operations) - len(operations):
        rows.append(f"- update {tagged:,}: tags only")
    yield folded("changes", f"{plain(one.stack)}: {len(one.growth.operations):,} changes", rows)


def _told(operation: Operation, one: StackReview) -> str:
    """Type, changed inputs (what forces a replacement first, and no tags), and what that means."""
    kind = plain(short_type(operation.resource))
    if operation.action in {Action.CREATE, Action.DELETE}:
        return kind
    old = one.was.get(operation.resource.urn)
    changes = sorted((one for one in operation.changes if one.root not in QUIET), key=lambda one: not one.replaces)
    moved = [code(values(change, old.inputs if old else {}, operation.resource.inputs)) for change in changes]
    meaning = "; ".join(effect.meaning for effect in operation.effects if effect != IN_PLACE)
    about = ", ".join([*moved[:MANY], *_more(len(moved))])
    return f"{kind}: {about}{f'; {plain(meaning)}' if meaning else ''}"


def _notes(review: Review) -> Iterator[str]:
    yield (
        f"Compared {review.base} with {review.head}. Both sides are priced by the same estimators and usage, at the "
        "new prices; on demand, without tax and support plan."
    )
    notes = [f"{one.stack}: {one.note}" for one in review.stacks if one.note]
    aged = f"of all stacks together, {review.aged}" if review.aged else ""
    for note in (review.note, *notes, aged):
        if note:
            yield f"Note: {plain(note)}."


def _cost_sentence(review: Review) -> str:
    changed = [one for one in review.stacks if one.cost.delta_usd]
    if not changed:
        return "The estimate of no stack changes."
    return f"USD a month: {', '.join(f'{plain(one.stack)} {_change(one.cost)}' for one in changed)}."


def _names(where: Sequence[str]) -> str:
    return plain(", ".join(where))


def _increase(review: Review, where: Sequence[str]) -> str:
    limits = review.limits
    return f"**Dearer by more than {limits.increase_usd:f} USD or {limits.increase_percent:f} %**: {_names(where)}."


def _over(review: Review, where: Sequence[str]) -> str:
    over = {one.stack: -one.cost.headroom_usd for one in review.stacks if one.cost.headroom_usd is not None}
    told = ", ".join(f"{plain(name)} by {_usd(over[name])} USD a month" for name in where)
    return f"**Over the budget band**: {told}."


def _unpriced(review: Review, where: Sequence[str]) -> str:
    types = {line.type for one in review.stacks for line in one.unknown if line.state is State.UNPRICED}
    return f"**Cost unknown** in {_names(where)}: {', '.join(map(code, sorted(types)[:MANY]))}{_and_more(len(types))}."


def _policy(review: Review, where: Sequence[str]) -> str:
    count = sum(one.is_mandatory for one in review.violations)
    return f"**Mandatory policies broken** {count:,} times: {_names(where)}."


def _grows(_: Review, where: Sequence[str]) -> str:
    return f"**Growing is not safe any more**: {_names(where)}."


def _stateful(review: Review, where: Sequence[str]) -> str:
    count = sum(len(one.growth.blocked) for one in review.stacks)
    return f"**What holds data would be lost, or AWS would refuse**: {_names(where)} ({count:,} reasons below)."


def _cannot(_: Review, where: Sequence[str]) -> str:
    return f"**Cannot be planned any more**: {_names(where)}."


_HEADLINES: Final = {
    Reason.INCREASE: _increase,
    Reason.OVER_BAND: _over,
    Reason.UNPRICED: _unpriced,
    Reason.POLICY: _policy,
    Reason.GROWTH: _grows,
    Reason.STATEFUL: _stateful,
    Reason.BROKEN: _cannot,
}


def _more(count: int, shown: int = MANY) -> list[str]:
    return [f"{count - shown:,} more"] if count > shown else []


def _and_more(count: int) -> str:
    return f" and {count - MANY:,} more types" if count > MANY else ""


def _usd(amount: Decimal | None) -> str:
    return f"{amount:,.2f}" if amount is not None else ""


def _signed(amount: Decimal | None) -> str:
    return "" if amount is None else f"{amount:+,.2f}" if abs(amount) >= CENT else "0.00"


def _change(cost: Cost) -> str:
    percent = f" ({cost.percent:+,.1f} %)" if cost.percent else ""
    return f"{_signed(cost.delta_usd)}{percent}"
