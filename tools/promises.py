"""What the roadmap promises in each phase: the value the phase has for it, and the resources that keep the promise.

The rows are in `tools/promises_<phase>.py`, in the roadmap's order; here is what a row is, and how it becomes a table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from infra.plan import Plan, PlannedResource
from infra.render import short_type
from stacks.phase import Phase, Span

FEW = 2
"""Up to so many resources are named; more are counted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Resources:
    """Resources of a plan: of a type, as `headroom plan` shows it, and of some name or input if more is said.

    Attributes:
        type: such as `rds.Instance`.
        name: a regular expression found in the logical name.
        having: an input that must be there and not empty, false or null.
    """

    type: str
    name: str = ""
    having: str = ""

    def of(self, plan: Plan) -> list[PlannedResource]:
        """Those of the plan."""
        return [
            resource
            for resource in plan.resources
            if not resource.is_component
            and short_type(resource) == self.type
            and re.search(self.name, resource.name)
            and (not self.having or resource.inputs.get(self.having))
        ]


@dataclass(frozen=True, kw_only=True, slots=True)
class Promise:
    """One promise of one phase.

    Attributes:
        text: what is promised, in our words.
        value: what the phase has for it, read from the phase itself.
        by: what keeps it; everything named must be in the phase's plan.
        reason: why it is kept otherwise, or what the resources leave to somebody else.
    """

    text: str
    value: Callable[[Phase], str] | None = None
    by: Sequence[Resources] = ()
    reason: str = ""


def some(type_: str, name: str = "", having: str = "") -> Resources:
    """Resources of a type, shorter to read in a table of rows."""
    return Resources(type=type_, name=name, having=having)


def span(values: Span) -> str:
    """Both ends, or the one value."""
    return f"{values.low:,} to {values.high:,}" if values.low < values.high else f"{values.low:,}"


def pods(phase: Phase) -> str:
    """How many pods run, over all full regions."""
    regions, sizes = len(phase.regions), phase.compute.pods.values()
    return f"{regions * sum(one.minimum for one in sizes)} to {regions * sum(one.maximum for one in sizes)} pods"


def gib(mebibytes: int) -> str:
    """Memory as people say it."""
    return f"{mebibytes / 1024:.1f} GiB" if mebibytes >= 1024 else f"{mebibytes} MiB"  # noqa: PLR2004 - a GiB


def cost(phase: Phase) -> str:
    """The band, and what it is for each user."""
    band, users = phase.targets.monthly_usd, phase.targets.monthly_users
    return f"{span(band)} USD a month, {band.low / users:.3f} to {band.high / users:.3f} a user"


def table(promises: Sequence[Promise], phase: Phase, plan: Plan) -> str:
    """The promises of one phase as a Markdown table."""
    rows = ["| promised | here | kept by |", "| --- | --- | --- |"]
    for promise in promises:
        kept = [text for resources in promise.by if (text := _shown(resources, plan))]
        why = [promise.reason] if promise.reason else []
        value = promise.value(phase) if promise.value else ""
        rows.append(f"| {promise.text} | {value} | {'. '.join([', '.join(kept), *why] if kept else why)} |")
    return "\n".join(rows)


def _shown(resources: Resources, plan: Plan) -> str:
    found = resources.of(plan)
    if not found:
        return ""
    if len(found) > FEW:
        return f"{len(found)} `{resources.type}`"
    return f"{' and '.join(f'`{resource.name}`' for resource in found)} ({resources.type})"


class Reads:
    """Stands for a phase, and notes which of its fields a function reads."""

    def __init__(self, values: Any, seen: list[str]) -> None:
        """Note in `seen`."""
        self._values, self._seen = values, seen

    def __getattr__(self, name: str) -> Any:
        """The field, itself watched when it has fields."""
        self._seen.append(name)
        value = getattr(self._values, name)
        return Reads(value, self._seen) if hasattr(value, "model_fields_set") else value
