"""What was measured, and how it compares with what it should be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

WAYS: Final = ("ours", "stock")
FLOOR_AIM: Final = 1.3
PLAN_GROWTH_AIM: Final = 1.3
PREVIEW_GROWTH_AIM: Final = 1.5
STOCK_AIM: Final = 4.0
Seconds = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Ratio:
    """One comparison; `aim` is the most it should be, or with `at_least` the least."""

    name: str
    value: float
    aim: float | None = None
    at_least: bool = False

    @property
    def verdict(self) -> str:
        """The aim, and whether it is met; empty where there is none."""
        if self.aim is None:
            return ""
        met = self.value >= self.aim if self.at_least else self.value <= self.aim
        return f"{self.aim} or {'more' if self.at_least else 'less'}: {'met' if met else 'missed'}"


@dataclass(frozen=True, slots=True)
class Times:
    """What was measured.

    Attributes:
        runs: of each measurement.
        resources: of each stack, smallest first; components do not count.
        seconds: the best of each measurement, such as `plan 10k`.
    """

    runs: int
    resources: Mapping[str, int]
    seconds: Seconds

    def each_ms(self, what: str, stack: str, without: str | None = None) -> float:
        """Milliseconds a resource, `without` another measurement of the stack taken off first."""
        fixed = self.seconds[f"{without} {stack}"] if without else 0.0
        return (self.seconds[f"{what} {stack}"] - fixed) / self.resources[stack] * 1_000

    def ratios(self) -> Iterator[Ratio]:
        """Every comparison."""
        took = self.seconds
        for stack in self.resources:
            yield Ratio(f"plan / floor, {stack}", took[f"plan {stack}"] / took[f"floor {stack}"], FLOOR_AIM)
        for small, large in pairwise(self.resources):
            yield from self._growth(small, large)
        for stack in self.resources:
            value = took[f"stock {stack}"] / took[f"ours {stack}"]
            yield Ratio(f"preview, stock / ours, {stack}", value, STOCK_AIM, at_least=True)

    def _growth(self, small: str, large: str) -> Iterator[Ratio]:
        took, each = self.seconds, f"a resource, {large} / {small}"
        for name, what in (("whole process", "plan"), ("in-process", "inside")):
            value = self.each_ms(what, large) / self.each_ms(what, small)
            yield Ratio(f"plan, {name}, {each}", value, PLAN_GROWTH_AIM)
        for way in WAYS:
            value = self.each_ms(way, large) / self.each_ms(way, small)
            yield Ratio(f"preview, {way}, {each}", value, PREVIEW_GROWTH_AIM)
            value = self.each_ms(way, large, f"start-up {way}") / self.each_ms(way, small, f"start-up {way}")
            yield Ratio(f"preview without start-up, {way}, {each}", value, PREVIEW_GROWTH_AIM)
        plans = took[f"inside {small}"] + took[f"inside {large}"]
        yield Ratio(f"guard {small} to {large} / its two plans in-process", took[guard(small, large)] / plans)


def guard(small: str, large: str) -> str:
    """What the guard's measurement is called."""
    return f"guard {small} to {large}"
