"""Alarms and the two topics they go to.

A component that creates a thing which can hurt creates its alarms too, with these two functions.
`page` wakes somebody; `ticket` waits for the morning. Every description ends in its runbook.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import pulumi
import pulumi_aws as aws

from components.component import Component, Site
from components.documents import document

Severity = Literal["page", "ticket"]
Comparison = Literal[
    "GreaterThanThreshold", "GreaterThanOrEqualToThreshold", "LessThanThreshold", "LessThanOrEqualToThreshold"
]
MissingData = Literal["breaching", "notBreaching", "ignore", "missing"]


@dataclass(frozen=True, kw_only=True, slots=True)
class AlarmTopics:
    """Where alarms of one region are sent; CloudWatch can only notify topics of its own region."""

    page_arn: pulumi.Input[str]
    ticket_arn: pulumi.Input[str]

    def of(self, severity: Severity) -> pulumi.Input[str]:
        """The topic's ARN for `severity`."""
        return self.page_arn if severity == "page" else self.ticket_arn


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """One CloudWatch metric: `statistic` is Sum, Average, Minimum, Maximum, SampleCount or a percentile (`p95`)."""

    namespace: str
    name: str
    dimensions: Mapping[str, pulumi.Input[str]]
    statistic: str


def alarm(
    component: Component,
    name: str,
    *,
    description: str,
    runbook: str,
    severity: Severity,
    topics: AlarmTopics,
    metric: Metric,
    threshold: float,
    comparison: Comparison = "GreaterThanThreshold",
    period_seconds: int = 60,
    evaluation_periods: int = 5,
    missing_data: MissingData = "notBreaching",
) -> aws.cloudwatch.MetricAlarm:
    """Alarm on one metric.

    Args:
        component: parent, and the region and names the alarm takes.
        name: logical name, region first: `us-east-1-db-0-cpu`.
        description: what is wrong and from when on, in one sentence.
        runbook: slug of a page in `docs/runbooks`.
        severity: decides the topic.
        topics: topics of the alarm's own region.
        metric: what is measured.
        threshold: in the metric's own unit.
        comparison: how the metric compares with the threshold while the alarm is on.
        period_seconds: 10, 20, 30 or a multiple of 60.
        evaluation_periods: how many periods in a row.
        missing_data: `breaching` where silence itself is the fault.
    """
    percentile = metric.statistic.startswith("p")
    return aws.cloudwatch.MetricAlarm(
        name,
        name=component.site.names.of("alarm", name),
        alarm_description=_describe(description, runbook),
        namespace=metric.namespace,
        metric_name=metric.name,
        dimensions=metric.dimensions,
        statistic=None if percentile else metric.statistic,
        extended_statistic=metric.statistic if percentile else None,
        period=period_seconds,
        evaluation_periods=evaluation_periods,
        threshold=threshold,
        comparison_operator=comparison,
        treat_missing_data=missing_data,
        alarm_actions=[topics.of(severity)],
        ok_actions=[topics.of(severity)],
        opts=component.child(),
    )


def math_alarm(
    component: Component,
    name: str,
    *,
    description: str,
    runbook: str,
    severity: Severity,
    topics: AlarmTopics,
    expression: str,
    metrics: Mapping[str, Metric],
    threshold: float,
    comparison: Comparison = "GreaterThanThreshold",
    period_seconds: int = 60,
    evaluation_periods: int = 5,
    missing_data: MissingData = "notBreaching",
) -> aws.cloudwatch.MetricAlarm:
    """Alarm on metric math, such as `100 * errors / requests`; `metrics` names the expression's variables.

    The other arguments are those of `alarm`.
    """
    queries = [
        aws.cloudwatch.MetricAlarmMetricQueryArgs(
            id=key,
            metric=aws.cloudwatch.MetricAlarmMetricQueryMetricArgs(
                namespace=metric.namespace,
                metric_name=metric.name,
                dimensions=metric.dimensions,
                period=period_seconds,
                stat=metric.statistic,
            ),
        )
        for key, metric in metrics.items()
    ]
    return aws.cloudwatch.MetricAlarm(
        name,
        name=component.site.names.of("alarm", name),
        alarm_description=_describe(description, runbook),
        metric_queries=[
            aws.cloudwatch.MetricAlarmMetricQueryArgs(
                id="result", expression=expression, label=description, return_data=True
            ),
            *queries,
        ],
        evaluation_periods=evaluation_periods,
        threshold=threshold,
        comparison_operator=comparison,
        treat_missing_data=missing_data,
        alarm_actions=[topics.of(severity)],
        ok_actions=[topics.of(severity)],
        opts=component.child(),
    )


def _describe(description: str, runbook: str) -> str:
    return f"{description} Runbook: docs/runbooks/{runbook}.md"


@dataclass(frozen=True, kw_only=True, slots=True)
class AlarmsArgs:
    """Who hears of alarms.

    Attributes:
        key_arn: KMS key of the topics; its policy must let CloudWatch, Budgets and the other publishers use it.
        emails: subscribed to both topics; each address must confirm once.
        pagerduty_url: integration URL, subscribed to `page` (secret).
        account_id: of this stack; only its own services may publish.
    """

    key_arn: pulumi.Input[str]
    emails: Sequence[str]
    pagerduty_url: pulumi.Input[str] | None
    account_id: str


PUBLISHERS = (
    "aps.amazonaws.com",
    "budgets.amazonaws.com",
    "cloudwatch.amazonaws.com",
    "events.rds.amazonaws.com",
)
"""Services that may publish to the topics, each only on behalf of this account."""


class Alarms(Component):
    """Two SNS topics of one region, `page` and `ticket`, their policies and subscriptions."""

    KIND: ClassVar[str] = "telemetry:Alarms"

    topics: AlarmTopics

    def __init__(self, name: str, site: Site, args: AlarmsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create the topics."""
        super().__init__(name, site, opts)
        self._args = args
        page = self._create_topic(f"{name}-page")
        ticket = self._create_topic(f"{name}-ticket")
        for index, email in enumerate(args.emails):
            self._subscribe(f"{name}-page-email-{index}", page, "email", email)
            self._subscribe(f"{name}-ticket-email-{index}", ticket, "email", email)
        if args.pagerduty_url is not None:
            self._subscribe(f"{name}-page-pagerduty", page, "https", args.pagerduty_url)
        self.topics = AlarmTopics(page_arn=page.arn, ticket_arn=ticket.arn)
        self.register_outputs({"page_arn": page.arn, "ticket_arn": ticket.arn})

    def _create_topic(self, name: str) -> aws.sns.Topic:
        topic = aws.sns.Topic(
            name,
            name=self.site.names.of("topic", name),
            kms_master_key_id=self._args.key_arn,
            opts=self.child(),
        )
        policy = _topic_policy(topic_arn(self.site, name, self._args.account_id), self._args.account_id)
        aws.sns.TopicPolicy(name, arn=topic.arn, policy=policy, opts=self.child())
        return topic

    def _subscribe(
        self, name: str, topic: aws.sns.Topic, protocol: str, endpoint: pulumi.Input[str]
    ) -> aws.sns.TopicSubscription:
        return aws.sns.TopicSubscription(
            name,
            topic=topic.arn,
            protocol=protocol,
            endpoint=endpoint,
            endpoint_auto_confirms=protocol == "https",
            opts=self.child(),
        )


def topic_arn(site: Site, name: str, account_id: str) -> str:
    """ARN of the topic with this logical name, before it exists: a policy made of it can be judged in a preview."""
    return f"arn:aws:sns:{site.region}:{account_id}:{site.names.of('topic', name)}"


def _topic_policy(arn: str, account_id: str) -> str:
    return document(
        {
            "Sid": "OwnServices",
            "Effect": "Allow",
            "Principal": {"Service": list(PUBLISHERS)},
            "Action": "sns:Publish",
            "Resource": arn,
            "Condition": {"StringEquals": {"aws:SourceAccount": account_id}},
        },
        {
            # EventBridge sends no condition keys that a topic's policy could ask for.
            "Sid": "EventRules",
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sns:Publish",
            "Resource": arn,
        },
        {
            "Sid": "TlsOnly",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "sns:Publish",
            "Resource": arn,
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        },
    )
