"""The shipped plans, each made once, and estimates of them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from infra import stack_file
from infra.config import Settings
from infra.cost.estimate import estimate
from infra.cost.model import Estimate
from infra.cost.usage import Level, Usage
from infra.plan import PlannedResource, make_plan
from stacks.phase import Phase

ROOT = Path(__file__).parents[2]
STACKS = ("10k", "50k", "250k", "1m")


@cache
def planned(stack: str) -> tuple[PlannedResource, ...]:
    """The resources of a shipped stack."""
    return tuple(make_plan(stack_file.read(ROOT / f"Pulumi.{stack}.yaml")).resources)


@cache
def phase_of(stack: str) -> Phase:
    """The phase of a shipped stack."""
    return Settings.from_file(ROOT / f"Pulumi.{stack}.yaml").spec


@cache
def estimated(stack: str, level: Level = Level.EXPECTED) -> Estimate:
    """What a shipped stack costs."""
    return estimate(planned(stack), Usage(phase_of(stack), level))
