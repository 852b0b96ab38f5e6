"""Two sides of a change, compared: what becomes of every stack, what it costs, and what growing means after it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise

from pydantic import ValidationError

from infra.cost.ages import warnings
from infra.growth.guard import Growth, judge
from infra.review.drivers import drivers
from infra.review.limits import Limits
from infra.review.model import Presence, Review, Rung, StackReview, Violation
from infra.review.planning import Broken, Planned, Side
from infra.review.pricing import Books, books, price
from stacks.phase import Phase
from stacks.phases import shrinks


def compare(base: Side, head: Side, limits: Limits, violations: Sequence[Violation] = ()) -> Review:
    """Review a change; `violations` are those of the head's stacks.

    Raises:
        infra.errors.UserError: the head's price book cannot be read, or its usage is none.
    """
    found = books(base.tree, head.tree)
    names = [*head.stacks, *(name for name in base.stacks if name not in head.stacks)]
    stacks = tuple(_stack(name, base.stacks.get(name), head.stacks.get(name), found) for name in names)
    today = datetime.now(tz=UTC).date()
    return Review(
        base=base.tree.label,
        head=head.tree.label,
        limits=limits,
        stacks=stacks,
        ladder=tuple(_ladder(base, head)),
        prices=found.changes,
        note=found.note,
        aged="; ".join(warnings((line for one in stacks for line in one.lines), today)),
        violations=tuple(violations),
    )


def _stack(name: str, base: Planned | Broken | None, head: Planned | Broken | None, found: Books) -> StackReview:
    before = base if isinstance(base, Planned) else None
    after = head if isinstance(head, Planned) else None
    priced = price(before, after, found, is_new=base is None, is_gone=head is None)
    growth = Growth(())
    # A stack whose file goes away is not deleted by that, and one that cannot be compared is not created by it.
    if after is not None and (before is not None or base is None):
        growth = judge(before.resources if before else (), after.resources)
    known = after or before
    return StackReview(
        stack=name,
        phase=known.phase if known is not None else "",
        presence=_presence(base, head),
        why="; ".join(one.why for one in (head, base) if isinstance(one, Broken)),
        growth=growth,
        was={one.urn: one for one in before.resources} if before else {},
        cost=priced.cost,
        lines=priced.after,
        drivers=drivers(priced, before.resources, after.resources, growth) if before and after else (),
        unknown=priced.unknown,
        note=priced.note,
    )


def _presence(base: Planned | Broken | None, head: Planned | Broken | None) -> Presence:
    if isinstance(head, Broken):
        return Presence.HEAD_BROKEN
    if head is None:
        return Presence.REMOVED
    if isinstance(base, Broken):
        return Presence.BASE_BROKEN
    return Presence.COMPARED if base is not None else Presence.ADDED


def _ladder(base: Side, head: Side) -> list[Rung]:
    """Every step of the head's phases, with what it means on both sides."""
    before = {(old.stack, new.stack): _lost(old, new) for old, new in pairwise(base.ladder)}
    return [
        Rung(old.stack, new.stack, before.get((old.stack, new.stack)), _lost(old, new))
        for old, new in pairwise(head.ladder)
    ]


def _lost(old: Planned | Broken, new: Planned | Broken) -> tuple[str, ...] | None:
    """What growing by this step would lose, or AWS would refuse."""
    if isinstance(old, Broken) or isinstance(new, Broken):
        return None
    try:
        refused = shrinks(Phase.model_validate(old.sizes), Phase.model_validate(new.sizes))
    except ValidationError:  # a base of another model: its plans say enough
        refused = []
    return (*refused, *judge(old.resources, new.resources).blocked)
