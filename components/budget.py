"""The monthly budget with the phase's band, and anomaly detection on what is spent."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import pulumi
import pulumi_aws as aws

from components.component import Component, Site
from stacks.phase import Span


@dataclass(frozen=True, kw_only=True, slots=True)
class BudgetArgs:
    """`band` is the phase's monthly band in USD; `cost_center` is what the anomaly monitor follows."""

    band: Span
    cost_center: str
    emails: Sequence[str]
    ticket_arn: pulumi.Input[str]


class Budget(Component):
    """One budget for the account's month, an anomaly monitor for the cost centre, who hears of both.

    The budget has no tag filter on purpose: a filter on a cost-allocation tag that nobody activated
    sees 0 USD and never warns. The anomaly monitor does follow the CostCenter tag, because an account may
    have only one monitor over its services and usually has it already; activate the tag in Billing.
    """

    KIND: ClassVar[str] = "cost:Budget"

    budget_name: pulumi.Output[str]

    def __init__(self, name: str, site: Site, args: BudgetArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create the budget and the monitor."""
        super().__init__(name, site, opts)
        self._name, self._args = name, args
        self.budget_name = self._create_budget()
        self._create_anomaly_monitor()
        self.register_outputs({"budget_name": self.budget_name})

    def _create_budget(self) -> pulumi.Output[str]:
        band = self._args.band
        budget = aws.budgets.Budget(
            self._name,
            name=self.site.names.of("budget", self._name),
            budget_type="COST",
            time_unit="MONTHLY",
            limit_amount=str(band.high),
            limit_unit="USD",
            notifications=[
                self._notification("ACTUAL", "ABSOLUTE_VALUE", band.low),
                self._notification("ACTUAL", "PERCENTAGE", 80),
                self._notification("ACTUAL", "PERCENTAGE", 100),
                self._notification("FORECASTED", "PERCENTAGE", 100),
            ],
            opts=self.child(),
        )
        return budget.name

    def _notification(self, kind: str, unit: str, threshold: int) -> aws.budgets.BudgetNotificationArgs:
        return aws.budgets.BudgetNotificationArgs(
            notification_type=kind,
            comparison_operator="GREATER_THAN",
            threshold=threshold,
            threshold_type=unit,
            subscriber_email_addresses=list(self._args.emails),
            subscriber_sns_topic_arns=[self._args.ticket_arn],
        )

    def _create_anomaly_monitor(self) -> None:
        monitor = aws.costexplorer.AnomalyMonitor(
            self._name,
            name=self.site.names.of("budget", self._name),
            monitor_type="CUSTOM",
            # With the nulls that AWS answers with: without them every preview shows a difference.
            monitor_specification=json.dumps(
                {
                    "And": None,
                    "CostCategories": None,
                    "Dimensions": None,
                    "Not": None,
                    "Or": None,
                    "Tags": {"Key": "CostCenter", "MatchOptions": None, "Values": [self._args.cost_center]},
                }
            ),
            opts=self.child(),
        )
        aws.costexplorer.AnomalySubscription(
            self._name,
            name=self.site.names.of("budget", self._name),
            frequency="DAILY",
            monitor_arn_lists=[monitor.arn],
            subscribers=[
                aws.costexplorer.AnomalySubscriptionSubscriberArgs(type="EMAIL", address=email)
                for email in self._args.emails
            ],
            threshold_expression=aws.costexplorer.AnomalySubscriptionThresholdExpressionArgs(
                dimension=aws.costexplorer.AnomalySubscriptionThresholdExpressionDimensionArgs(
                    key="ANOMALY_TOTAL_IMPACT_ABSOLUTE",
                    match_options=["GREATER_THAN_OR_EQUAL"],
                    values=[str(self._args.band.low // 20)],
                )
            ),
            opts=self.child(),
        )
