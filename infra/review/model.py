"""Words of a review: what is said of a stack, of growing, and of the change as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from infra.cost.model import Line, State
from infra.growth.guard import Growth
from infra.plan import PlannedResource
from infra.review.drivers import Driver
from infra.review.limits import Limits, Reason
from infra.review.pricing import Cost, PriceChange, Unknown, Verdict


class Presence(StrEnum):
    """On which sides a stack is there, and can be planned."""

    COMPARED = "compared"
    ADDED = "added"
    REMOVED = "removed"
    BASE_BROKEN = "base-broken"
    HEAD_BROKEN = "head-broken"


@dataclass(frozen=True, slots=True)
class Violation:
    """A policy that a stack of the head breaks."""

    stack: str
    text: str
    is_mandatory: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StackReview:
    """One stack.

    Attributes:
        stack: its name.
        phase: the head's; the base's where only that is there.
        presence: on which sides it is.
        why: what a side that cannot be planned says.
        growth: what the engine would do; nothing where there are no two sides to compare.
        was: resources of the base, by URN.
        cost: what it costs.
        lines: what the head's cost is made of.
        drivers: what moved that most.
        unknown: what is new and has no cost.
        note: how it was priced, where that needs a word.
    """

    stack: str
    phase: str
    presence: Presence
    why: str
    growth: Growth
    was: Mapping[str, PlannedResource]
    cost: Cost
    lines: tuple[Line, ...]
    drivers: tuple[Driver, ...]
    unknown: tuple[Unknown, ...]
    note: str

    def reasons(self, limits: Limits) -> Iterator[Reason]:
        """Why this stack needs attention."""
        if self.presence is Presence.HEAD_BROKEN:
            yield Reason.BROKEN
        if self.growth.blocked:
            yield Reason.STATEFUL
        if any(one.state is State.UNPRICED for one in self.unknown):
            yield Reason.UNPRICED
        rise, percent = self.cost.delta_usd, self.cost.percent
        if self.cost.verdict is Verdict.OVER and (rise is None or rise > 0):
            yield Reason.OVER_BAND
        if (rise or 0) > limits.increase_usd or (percent or 0) > limits.increase_percent:
            yield Reason.INCREASE


@dataclass(frozen=True, slots=True)
class Rung:
    """A step from one phase's own stack to the next.

    Attributes:
        old: phase that it leaves.
        new: phase that it reaches.
        before: what the base would lose by it; None where it cannot be planned.
        after: what the head would lose by it; likewise.
    """

    old: str
    new: str
    before: tuple[str, ...] | None
    after: tuple[str, ...] | None

    @property
    def changed(self) -> bool:
        """Whether it is safe on one side only; of a side that cannot be planned nothing is said."""
        return None not in {self.before, self.after} and (not self.before) != (not self.after)

    @property
    def broke(self) -> bool:
        """Whether it was safe, and would lose something now."""
        return self.changed and bool(self.after)


@dataclass(frozen=True, kw_only=True)
class Review:
    """A whole change.

    Attributes:
        base: what it is compared with, for people.
        head: what it leads to, for people.
        limits: from when on something needs attention.
        stacks: the phases' own first.
        ladder: the steps from phase to phase.
        prices: prices that differ between the two books.
        note: why the base's book is not used.
        aged: how old the prices are that the head's stacks rest on; empty where all are new enough.
        violations: policies that the head breaks.
    """

    base: str
    head: str
    limits: Limits
    stacks: tuple[StackReview, ...]
    ladder: tuple[Rung, ...]
    prices: tuple[PriceChange, ...]
    note: str
    aged: str
    violations: tuple[Violation, ...]

    @cached_property
    def reasons(self) -> Mapping[Reason, tuple[str, ...]]:
        """Why it needs attention, the worst first, each with the stacks or steps it is about."""
        found: dict[Reason, list[str]] = {reason: [] for reason in reversed(Reason)}
        for stack in self.stacks:
            for reason in stack.reasons(self.limits):
                found[reason].append(stack.stack)
        found[Reason.GROWTH] += [f"{rung.old} to {rung.new}" for rung in self.ladder if rung.broke]
        found[Reason.POLICY] += dict.fromkeys(one.stack for one in self.violations if one.is_mandatory)
        return {reason: tuple(where) for reason, where in found.items() if where}

    @property
    def exit_code(self) -> int:
        """The worst reason's that the limits say to fail on; 0 without one."""
        return max((reason.exit_code for reason in self.reasons if reason in self.limits.fail_on), default=0)
