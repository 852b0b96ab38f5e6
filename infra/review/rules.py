"""What the policy pack says of the head: all that refuses an update, and the advice that the change brings."""

from __future__ import annotations

from collections.abc import Iterator

from infra.plan import Plan
from infra.policy_command import verdict
from infra.review.model import Violation
from infra.review.planning import Planned, Side
from policies.evaluate import Verdict


def violations(base: Side, head: Side) -> Iterator[Violation]:
    """By the head's rules on both sides, so that a new rule's advice about what was there already is left out."""
    for name, after in head.stacks.items():
        if not isinstance(after, Planned):
            continue
        found = _judged(after)
        yield from (Violation(name, one.text, is_mandatory=True) for one in found.refused)
        yield from (Violation(name, text, is_mandatory=True) for text in found.stale)
        before = base.stacks.get(name)
        known = _advice(_judged(before)) if isinstance(before, Planned) else []
        yield from (Violation(name, text, is_mandatory=False) for text in _advice(found) if text not in known)


def _judged(stack: Planned) -> Verdict:
    plan = Plan(stack.stack, stack.phase, list(stack.resources), {})
    return verdict(plan, stack.exempted, production=stack.is_production)


def _advice(found: Verdict) -> list[str]:
    return [one.text for one in found.findings if not one.mandatory and one.exemption is None]
