"""Cost: nothing is made whose price the estimate does not know."""

from __future__ import annotations

from collections.abc import Iterator

from policies.rule import Level, Rules, Severity
from policies.view import Resource

RULES = Rules()


@RULES.on(
    "*",
    id="cost-priced",
    severity=Severity.MEDIUM,
    level=Level.MANDATORY,
    demands="The estimate prices every type of resource, or says why it costs nothing.",
    remedy="add an estimator for the type in infra/cost/estimators, or name it in FREE with the reason",
)
def priced(one: Resource) -> Iterator[str]:
    """A type without a price would make a month look cheaper than it is. Components only group what is priced."""
    from infra.cost.estimators.catalogue import ESTIMATORS, free

    if not one.type.startswith("headroom:") and one.type not in ESTIMATORS and free(one.type) is None:
        yield "the estimate knows no price of its type"
