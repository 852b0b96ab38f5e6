"""SNS in front of the queues: one publication reaches each queue that it names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import pulumi
import pulumi_aws as aws

from components.alarms import AlarmTopics, Metric, alarm, topic_arn
from components.component import Component, DataClass, Site
from components.documents import document
from components.messaging import DAY_SECONDS, own_policy, queue_arn

QUEUE_ATTRIBUTE = "queue"
"""Message attribute of a publication: the job type that it is for (`String`), or several (`String.Array`)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FanOutArgs:
    """What is behind the topic.

    Attributes:
        queue_arns: queues by job type; each gets the publications that name it. Their policies must let
            this topic send (`MessagingArgs.publisher_arn`).
        key_arn: KMS key of the topic and of the dead-letter queue; it must let SNS use it.
        account_id: of this stack.
        topics: hear of what could not be delivered.
    """

    queue_arns: Mapping[str, pulumi.Input[str]]
    key_arn: pulumi.Input[str]
    account_id: str
    topics: AlarmTopics


class FanOut(Component):
    """One topic of a region, a filtered subscription a queue, and a queue for what could not be delivered.

    A queue gets the body as it was published (raw delivery): a worker need not know whether a job came straight or
    through the topic.
    """

    KIND: ClassVar[str] = "messaging:FanOut"
    DATA_CLASS: ClassVar[DataClass] = "confidential"

    topic_arn: pulumi.Output[str]
    topic_name: str
    dead_letter_url: pulumi.Output[str]

    def __init__(self, name: str, site: Site, args: FanOutArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create the topic and subscribe the queues."""
        super().__init__(name, site, opts)
        self._name, self._args = name, args
        self.topic_name = site.names.of("topic", name)
        topic = self._create_topic()
        dead = self._create_dead_letter_queue()
        for kind, arn in args.queue_arns.items():
            self._subscribe(kind, topic, arn, dead)
        self._create_alarms(dead)
        self.topic_arn = topic.arn
        self.dead_letter_url = dead.url
        self.register_outputs({"topic_arn": self.topic_arn, "dead_letter_url": self.dead_letter_url})

    def _create_topic(self) -> aws.sns.Topic:
        topic = aws.sns.Topic(
            self._name,
            name=self.topic_name,
            kms_master_key_id=self._args.key_arn,
            opts=self.child(),
        )
        # Who may publish is said by the publishers' roles; this only adds how.
        policy = document(
            {
                "Sid": "TlsOnly",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "sns:Publish",
                "Resource": self._arn,
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        )
        aws.sns.TopicPolicy(self._name, arn=topic.arn, policy=policy, opts=self.child())
        return topic

    @property
    def _arn(self) -> str:
        return topic_arn(self.site, self._name, self._args.account_id)

    def _create_dead_letter_queue(self) -> aws.sqs.Queue:
        name, publisher = f"{self._name}-dead", self._arn
        queue = aws.sqs.Queue(
            name,
            name=self.site.names.of("queue", name),
            kms_master_key_id=self._args.key_arn,
            message_retention_seconds=14 * DAY_SECONDS,
            opts=self.stateful(),
        )
        policy = own_policy(queue_arn(self.site, name, self._args.account_id), publisher)
        aws.sqs.QueuePolicy(name, queue_url=queue.url, policy=policy, opts=self.child())
        return queue

    def _subscribe(
        self, kind: str, topic: aws.sns.Topic, arn: pulumi.Input[str], dead: aws.sqs.Queue
    ) -> aws.sns.TopicSubscription:
        return aws.sns.TopicSubscription(
            f"{self._name}-{kind}",
            topic=topic.arn,
            protocol="sqs",
            endpoint=arn,
            raw_message_delivery=True,
            filter_policy=json.dumps({QUEUE_ATTRIBUTE: [kind]}),
            filter_policy_scope="MessageAttributes",
            redrive_policy=pulumi.Output.json_dumps({"deadLetterTargetArn": dead.arn}),
            opts=self.child(),
        )

    def _create_alarms(self, dead: aws.sqs.Queue) -> None:
        """Metrics: https://docs.aws.amazon.com/sns/latest/dg/sns-monitoring-using-cloudwatch.html."""

        def metric(name: str) -> Metric:
            return Metric(namespace="AWS/SNS", name=name, dimensions={"TopicName": self.topic_name}, statistic="Sum")

        alarm(
            self,
            f"{self._name}-failed",
            description="Events did not reach a queue that they name.",
            runbook="event-fan-out",
            severity="ticket",
            topics=self._args.topics,
            metric=metric("NumberOfNotificationsFailed"),
            threshold=0,
            evaluation_periods=1,
        )
        alarm(
            self,
            f"{self._name}-lost",
            description="Events could not be set aside either and are lost.",
            runbook="event-fan-out",
            severity="page",
            topics=self._args.topics,
            metric=metric("NumberOfNotificationsFailedToRedriveToDlq"),
            threshold=0,
            evaluation_periods=1,
        )
        alarm(
            self,
            f"{self._name}-unaddressed",
            description="Events were published that name no queue, and nobody got them.",
            runbook="event-fan-out",
            severity="ticket",
            topics=self._args.topics,
            metric=metric("NumberOfNotificationsFilteredOut-NoMessageAttributes"),
            threshold=0,
            evaluation_periods=1,
        )
        alarm(
            self,
            f"{self._name}-dead",
            description="Events that could not be delivered wait in the topic's dead-letter queue.",
            runbook="event-fan-out",
            severity="ticket",
            topics=self._args.topics,
            metric=Metric(
                namespace="AWS/SQS",
                name="ApproximateNumberOfMessagesVisible",
                dimensions={"QueueName": dead.name},
                statistic="Maximum",
            ),
            threshold=0,
            evaluation_periods=1,
        )
