"""How fast the promise of availability is being used up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pulumi

from components.alarms import AlarmTopics, Metric, Severity, math_alarm
from components.component import Component, Site

FEW_REQUESTS = 1_000
"""Below this many in a window, a single failure would look like a fast burn."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Burn:
    """A window over which the budget burns `rate` times as fast as it lasts a month."""

    suffix: str
    hours: int
    rate: float
    severity: Severity


BURNS = (
    Burn(suffix="fast", hours=1, rate=14.4, severity="page"),
    Burn(suffix="slow", hours=6, rate=6.0, severity="ticket"),
)
"""2 % of a month's budget in an hour, 5 % in six: https://sre.google/workbook/alerting-on-slos/."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ErrorBudgetArgs:
    """The promise, and where it is measured.

    Attributes:
        load_balancer_arn_suffix: as CloudWatch's dimension wants it.
        uptime_percent: share of requests that must not fail in a month.
        topics: who hears of trouble.
    """

    load_balancer_arn_suffix: pulumi.Input[str]
    uptime_percent: float
    topics: AlarmTopics


class ErrorBudget(Component):
    """Two alarms on the share of 5xx answers of one region's load balancer, by the phase's uptime."""

    KIND: ClassVar[str] = "telemetry:ErrorBudget"

    def __init__(
        self, name: str, site: Site, args: ErrorBudgetArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Create the alarms."""
        super().__init__(name, site, opts)
        for burn in BURNS:
            limit = round((100 - args.uptime_percent) * burn.rate, 4)
            math_alarm(
                self,
                f"{name}-{burn.suffix}",
                description=(
                    f"More than {limit:g} % of requests failed in {burn.hours} h: the month's error budget of "
                    f"{round(100 - args.uptime_percent, 4):g} % burns {burn.rate:g} times too fast."
                ),
                runbook="error-budget",
                severity=burn.severity,
                topics=args.topics,
                expression=_RATE,
                metrics={
                    "requests": _metric(args, "RequestCount"),
                    "target": _metric(args, "HTTPCode_Target_5XX_Count"),
                    "own": _metric(args, "HTTPCode_ELB_5XX_Count"),
                },
                threshold=limit,
                period_seconds=burn.hours * 3_600,
                evaluation_periods=1,
            )
        self.register_outputs({})


_TOTAL = "(FILL(requests,0)+FILL(own,0))"
"""`RequestCount` leaves out requests for which no target was found; the load balancer's own errors count them."""
_RATE = f"IF({_TOTAL}>={FEW_REQUESTS},100*(FILL(target,0)+FILL(own,0))/{_TOTAL},0)"


def _metric(args: ErrorBudgetArgs, name: str) -> Metric:
    dimensions = {"LoadBalancer": args.load_balancer_arn_suffix}
    return Metric(namespace="AWS/ApplicationELB", name=name, dimensions=dimensions, statistic="Sum")
