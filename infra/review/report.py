"""A review for machines."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from infra.growth.guard import Action, Operation
from infra.review.model import Review, StackReview
from infra.review.pricing import Cost


def to_dict(review: Review) -> dict[str, Any]:
    """Everything of the review, uncut; amounts are numbers, in USD a month."""
    return {
        "base": review.base,
        "head": review.head,
        "exitCode": review.exit_code,
        "reasons": [
            {
                "reason": reason.value,
                "exitCode": reason.exit_code,
                "where": list(where),
                "fails": reason in review.limits.fail_on,
            }
            for reason, where in review.reasons.items()
        ],
        "stacks": [_stack(one) for one in review.stacks],
        "growth": [
            {"from": one.old, "to": one.new, "before": _listed(one.before), "after": _listed(one.after)}
            for one in review.ladder
        ],
        "prices": [
            {
                "key": one.key,
                "region": one.region,
                "unit": one.unit,
                "oldUsd": float(one.old_usd),
                "newUsd": float(one.new_usd),
            }
            for one in review.prices
        ],
        "violations": [
            {"stack": one.stack, "text": one.text, "mandatory": one.is_mandatory} for one in review.violations
        ],
        "notes": [note for note in (review.note, *(one.note for one in review.stacks), review.aged) if note],
    }


def _stack(one: StackReview) -> dict[str, Any]:
    return {
        "stack": one.stack,
        "phase": one.phase,
        "presence": one.presence.value,
        "error": one.why or None,
        "counts": {action.value: len(one.growth.of(action)) for action in Action},
        "blocked": list(one.growth.blocked),
        "operations": [_operation(operation) for operation in one.growth.operations],
        "cost": _cost(one.cost),
        "drivers": [
            {"deltaUsd": float(each.delta_usd), "type": each.kind, "names": list(each.names), "moved": list(each.moved)}
            for each in one.drivers
        ],
        "unknown": [
            {
                "urn": each.urn,
                "type": each.type,
                "component": each.component,
                "state": each.state.value,
                "why": each.why,
            }
            for each in one.unknown
        ],
    }


def _operation(operation: Operation) -> dict[str, Any]:
    return {
        "urn": operation.resource.urn,
        "type": operation.resource.type,
        "name": operation.resource.name,
        "action": operation.action.value,
        "changes": [change.path for change in operation.changes],
        "replaces": list(operation.replaces),
        "onlyTags": operation.only_tags,
        "blocked": list(operation.blocked),
    }


def _cost(cost: Cost) -> dict[str, Any]:
    return {
        "beforeUsd": _number(cost.before_usd),
        "afterUsd": _number(cost.after_usd),
        "deltaUsd": _number(cost.delta_usd),
        "percent": _number(cost.percent),
        "highUsageUsd": _number(cost.busy_usd),
        "bandUsd": list(cost.band) if cost.band else None,
        "headroomUsd": _number(cost.headroom_usd),
        "verdict": cost.verdict.value if cost.verdict else None,
        "unpricedBefore": cost.unpriced_before,
        "unpriced": cost.unpriced,
        "priceDriftUsd": _number(cost.drift_usd),
    }


def _listed(reasons: tuple[str, ...] | None) -> list[str] | None:
    return None if reasons is None else list(reasons)


def _number(amount: Decimal | None) -> float | None:
    return None if amount is None else round(float(amount), 2)
