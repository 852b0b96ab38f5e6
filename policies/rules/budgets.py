"""What is spent is watched: a monthly budget that tells somebody, and anomalies in between."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from policies.rule import ROOT, Level, Rules, Severity
from policies.view import Resource, Stack

RULES = Rules()
BUDGET: Final = "aws:budgets/budget:Budget"
MONITOR: Final = "aws:costexplorer/anomalyMonitor:AnomalyMonitor"
SUBSCRIPTION: Final = "aws:costexplorer/anomalySubscription:AnomalySubscription"
NOTIFICATIONS: Final = 2
"""One before the money is spent, one when it is."""


@RULES.between(
    ROOT,
    BUDGET,
    id="budget-notifies",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="A budget tells somebody twice what the stack's month costs: before the money is spent, and when it is.",
    remedy="have a budgets.Budget with two notifications that have subscriberEmailAddresses or subscriberSnsTopicArns",
)
def notifies(one: Resource, stack: Stack) -> Iterator[str]:
    """A notification without subscribers tells nobody."""
    if one.type == ROOT:
        if not stack.all(BUDGET):
            yield "there is no budget"
        return
    heard = [
        notification
        for notification in one.items("notifications")
        if notification.has("subscriberEmailAddresses") or notification.has("subscriberSnsTopicArns")
    ]
    if len(heard) < NOTIFICATIONS:
        yield "fewer than two of its notifications reach somebody"


@RULES.on(
    BUDGET,
    id="budget-monthly",
    severity=Severity.LOW,
    level=Level.PRODUCTION,
    demands="A budget is about what a month costs.",
    remedy="set budgetType to COST and timeUnit to MONTHLY",
)
def monthly(one: Resource) -> Iterator[str]:
    """The band of a phase is a month's."""
    if one.get("timeUnit") != "MONTHLY" or one.get("budgetType") != "COST":
        yield "it is not about a month's cost"


@RULES.between(
    ROOT,
    MONITOR,
    id="budget-anomalies-heard",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="Somebody hears of every anomaly in what is spent.",
    remedy="have a costexplorer.AnomalyMonitor, and an AnomalySubscription with its ARN and a subscriber",
)
def anomalies_heard(one: Resource, stack: Stack) -> Iterator[str]:
    """A monitor alone only draws in the console."""
    if one.type == ROOT:
        if not stack.all(MONITOR):
            yield "there is no anomaly monitor"
    elif not any(heard.has("subscribers") for heard in stack.users(one, SUBSCRIPTION, of=["monitorArnLists"])):
        yield "nobody hears of what it finds"
