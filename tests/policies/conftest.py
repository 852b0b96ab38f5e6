"""Shipped stacks as rules see them, each planned once."""

from __future__ import annotations

from datetime import date
from functools import cache
from pathlib import Path

from infra import stack_file
from infra.plan import make_plan
from policies.catalogue import RULES
from policies.evaluate import Judge, Verdict
from policies.planned import stack_of
from policies.view import Stack

ROOT = Path(__file__).parents[2]
STACKS = ("10k", "50k", "250k", "1m")
TODAY = date(2026, 11, 21)


@cache
def shipped(stack: str) -> Stack:
    """A shipped stack, in production."""
    return stack_of(make_plan(stack_file.read(ROOT / f"Pulumi.{stack}.yaml")), production=True)


@cache
def verdict(stack: str) -> Verdict:
    """What the rules say of it."""
    return judge().stack(shipped(stack))


def judge() -> Judge:
    """All rules, in production, without exemptions."""
    return Judge(RULES, production=True, today=TODAY)
