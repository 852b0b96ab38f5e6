"""Where logs go, and the one dashboard of the stack."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import pulumi
import pulumi_aws as aws

from components.component import Component, DataClass, Site

RETENTION_DAYS = {"error": 90, "access": 30, "debug": 7}
"""Three log groups, since CloudWatch keeps retention by group."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LogsArgs:
    """`key_arn` encrypts the logs of the account `account_id`."""

    key_arn: pulumi.Input[str]
    account_id: str


class Logs(Component):
    """The application's three log groups: `error` 90 days, `access` 30, `debug` 7."""

    KIND: ClassVar[str] = "telemetry:Logs"
    DATA_CLASS: ClassVar[DataClass] = "confidential"

    group_names: Mapping[str, pulumi.Output[str]]
    group_arns: Mapping[str, pulumi.Output[str]]

    def __init__(self, name: str, site: Site, args: LogsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create the groups."""
        super().__init__(name, site, opts)
        groups = {
            kind: aws.cloudwatch.LogGroup(
                f"{name}-{kind}",
                name=f"/headroom/{site.names.stack}/{name}/{kind}",
                retention_in_days=days,
                kms_key_id=args.key_arn,
                opts=self.child(),
            )
            for kind, days in RETENTION_DAYS.items()
        }
        self.group_names = {kind: group.name for kind, group in groups.items()}
        self.group_arns = {kind: log_group_arn(site, group, args.account_id) for kind, group in groups.items()}
        self.register_outputs({"group_names": self.group_names})


def log_group_arn(site: Site, group: aws.cloudwatch.LogGroup, account_id: str) -> pulumi.Output[str]:
    """ARN of a group from its name, not from AWS's answer: a policy made of it can be judged in a preview."""
    return group.name.apply(lambda name: f"arn:aws:logs:{site.region}:{account_id}:log-group:{name}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """One widget: a title and its series, each `[namespace, metric, dimension, value, ...]`, with one statistic."""

    title: str
    series: Sequence[Sequence[pulumi.Input[str]]]
    statistic: str
    region: str


@dataclass(frozen=True, kw_only=True, slots=True)
class DashboardArgs:
    """`charts` in reading order, three a row."""

    charts: Sequence[Chart]


class Dashboard(Component):
    """One CloudWatch dashboard for the stack: the golden signals first, then what they stand on."""

    KIND: ClassVar[str] = "telemetry:Dashboard"

    dashboard_name: pulumi.Output[str]

    def __init__(self, name: str, site: Site, args: DashboardArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create the dashboard."""
        super().__init__(name, site, opts)
        series = [[list(line) for line in chart.series] for chart in args.charts]
        dashboard = aws.cloudwatch.Dashboard(
            name,
            dashboard_name=site.names.of("dashboard", name),
            dashboard_body=pulumi.Output.from_input(series).apply(
                lambda known: _body(args.charts, cast("Series", known))
            ),
            opts=self.child(),
        )
        self.dashboard_name = dashboard.dashboard_name
        self.register_outputs({"dashboard_name": self.dashboard_name})


Series = Sequence[Sequence[Sequence[str]]]


def _body(charts: Sequence[Chart], series: Series) -> str:
    """The dashboard's JSON: 24 columns, so three widgets of 8 a row."""
    widgets: list[dict[str, Any]] = [
        {
            "type": "metric",
            "x": 8 * (index % 3),
            "y": 6 * (index // 3),
            "width": 8,
            "height": 6,
            "properties": {
                "title": chart.title,
                "region": chart.region,
                "stat": chart.statistic,
                "period": 60,
                "metrics": series[index],
            },
        }
        for index, chart in enumerate(charts)
    ]
    return json.dumps({"widgets": widgets})
