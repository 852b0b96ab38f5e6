"""Whether the nightly job was done: a metric made of its last line, and an alarm on the line's absence."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.alarms import AlarmTopics, Metric, alarm
from components.component import Component

EVENT = "upkeep_done"
"""What the job logs once all is done (`app.data.upkeep`), with the first of the primary's databases."""
NAMESPACE = "Headroom"
LATE_HOURS = 26
"""From one night's line to the next are 24 h, a late start (1 h) and the retries (30 min). Of a period of an hour there
may be 168 at most: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html."""


@dataclass(frozen=True, kw_only=True, slots=True)
class UpkeepWatch:
    """Where the lines come, and who hears that one did not.

    Attributes:
        log_group: the region's group of access lines, which has all that is no error.
        topics: who hears of it.
    """

    log_group: pulumi.Input[str]
    topics: AlarmTopics


def watch_upkeep(component: Component, name: str, watch: UpkeepWatch, database: str) -> None:
    """Alarm when the job with this logical name was not done for `LATE_HOURS`: it failed, hung, or never started.

    Silence is the fault, so one alarm serves them all. A new stack is in alarm until its first night, as is one that
    has no image yet. Any other line counts as 0: with gaps only, CloudWatch would look for older values than asked for
    (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html).

    Args:
        component: parent, and the region and names.
        name: of the CronJob, region first.
        watch: where and whom.
        database: first of those that the job looks after; its lines have it.
    """
    metric = component.site.names.of("metric", name)
    aws.cloudwatch.LogMetricFilter(
        name,
        name=metric,
        log_group_name=watch.log_group,
        pattern=f'{{ $.event = "{EVENT}" && $.database = "{database}" }}',
        metric_transformation=aws.cloudwatch.LogMetricFilterMetricTransformationArgs(
            name=metric, namespace=NAMESPACE, value="1", default_value="0"
        ),
        opts=component.child(),
    )
    alarm(
        component,
        f"{name}-missing",
        description=f"The nightly upkeep of the databases was not done for {LATE_HOURS} hours.",
        runbook="upkeep-missing",
        severity="ticket",
        topics=watch.topics,
        metric=Metric(namespace=NAMESPACE, name=metric, dimensions={}, statistic="Sum"),
        threshold=1,
        comparison="LessThanThreshold",
        period_seconds=3_600,
        evaluation_periods=LATE_HOURS,
        missing_data="breaching",
    )
