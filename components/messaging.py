"""SQS: one queue a job type, each with a dead-letter queue and its alarms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import pulumi
import pulumi_aws as aws

from components.alarms import AlarmTopics, Metric, alarm
from components.component import Component, DataClass, Site
from components.documents import Statement, document

MAX_RECEIVES = 5
"""Attempts before a message is set aside."""
VISIBILITY_SECONDS = 120
"""Longer than a job's heartbeat interval; workers extend it while they run."""
DAY_SECONDS = 86_400


@dataclass(frozen=True, kw_only=True, slots=True)
class MessagingArgs:
    """What the queues are for, and who fills them.

    Attributes:
        queues: job types.
        key_arn: KMS key of the messages.
        account_id: of this stack.
        topics: hear of queues that fill up, and of jobs that were set aside.
        publisher_arn: SNS topic that may send to the queues, besides the roles that may (`fan_out`).
    """

    queues: Sequence[str]
    key_arn: pulumi.Input[str]
    account_id: str
    topics: AlarmTopics
    publisher_arn: str | None = None


class Messaging(Component):
    """A queue and a dead-letter queue for each job type: encrypted, TLS only, watched for depth and age."""

    KIND: ClassVar[str] = "messaging:Messaging"
    DATA_CLASS: ClassVar[DataClass] = "confidential"

    queue_urls: Mapping[str, pulumi.Output[str]]
    queue_arns: Mapping[str, pulumi.Output[str]]
    dead_letter_urls: Mapping[str, pulumi.Output[str]]
    queue_names: Sequence[str]

    def __init__(self, name: str, site: Site, args: MessagingArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create the queues."""
        super().__init__(name, site, opts)
        self._args = args
        queues: dict[str, aws.sqs.Queue] = {}
        dead: dict[str, aws.sqs.Queue] = {}
        for kind in args.queues:
            dead[kind] = self._create_dead_letter_queue(f"{name}-{kind}-dead")
            queues[kind] = self._create_queue(f"{name}-{kind}", dead[kind])
            self._create_alarms(f"{name}-{kind}", kind, queues[kind], dead[kind])
        self.queue_urls = {kind: queue.url for kind, queue in queues.items()}
        self.queue_arns = {kind: queue.arn for kind, queue in queues.items()}
        self.dead_letter_urls = {kind: queue.url for kind, queue in dead.items()}
        self.queue_names = [site.names.of("queue", f"{name}-{kind}") for kind in args.queues]
        self.register_outputs({"queue_urls": self.queue_urls, "dead_letter_urls": self.dead_letter_urls})

    def _create_dead_letter_queue(self, name: str) -> aws.sqs.Queue:
        queue = aws.sqs.Queue(
            name,
            name=self.site.names.of("queue", name),
            kms_master_key_id=self._args.key_arn,
            message_retention_seconds=14 * DAY_SECONDS,
            opts=self.stateful(),
        )
        self._create_policy(name, queue, None)
        return queue

    def _create_queue(self, name: str, dead: aws.sqs.Queue) -> aws.sqs.Queue:
        queue = aws.sqs.Queue(
            name,
            name=self.site.names.of("queue", name),
            kms_master_key_id=self._args.key_arn,
            kms_data_key_reuse_period_seconds=300,
            message_retention_seconds=4 * DAY_SECONDS,
            visibility_timeout_seconds=VISIBILITY_SECONDS,
            receive_wait_time_seconds=20,
            redrive_policy=pulumi.Output.json_dumps({"deadLetterTargetArn": dead.arn, "maxReceiveCount": MAX_RECEIVES}),
            opts=self.stateful(),
        )
        self._create_policy(name, queue, self._args.publisher_arn)
        aws.sqs.RedriveAllowPolicy(
            name,
            queue_url=dead.url,
            redrive_allow_policy=pulumi.Output.json_dumps(
                {"redrivePermission": "byQueue", "sourceQueueArns": [queue.arn]}
            ),
            opts=self.child(),
        )
        return queue

    def _create_policy(self, name: str, queue: aws.sqs.Queue, publisher_arn: str | None) -> None:
        policy = own_policy(queue_arn(self.site, name, self._args.account_id), publisher_arn)
        aws.sqs.QueuePolicy(name, queue_url=queue.url, policy=policy, opts=self.child())

    def _create_alarms(self, name: str, kind: str, queue: aws.sqs.Queue, dead: aws.sqs.Queue) -> None:
        def metric(queue_name: pulumi.Output[str], metric_name: str) -> Metric:
            return Metric(
                namespace="AWS/SQS", name=metric_name, dimensions={"QueueName": queue_name}, statistic="Maximum"
            )

        alarm(
            self,
            f"{name}-depth",
            description=f"More than 1,000 jobs wait in the {kind} queue.",
            runbook="queue-depth",
            severity="ticket",
            topics=self._args.topics,
            metric=metric(queue.name, "ApproximateNumberOfMessagesVisible"),
            threshold=1_000,
        )
        alarm(
            self,
            f"{name}-age",
            description=f"The oldest job in the {kind} queue has waited over 5 minutes.",
            runbook="queue-depth",
            severity="ticket",
            topics=self._args.topics,
            metric=metric(queue.name, "ApproximateAgeOfOldestMessage"),
            threshold=300,
        )
        alarm(
            self,
            f"{name}-dead",
            description=f"A job of the {kind} queue failed {MAX_RECEIVES} times and was set aside.",
            runbook="queue-dead-letters",
            severity="ticket",
            topics=self._args.topics,
            metric=metric(dead.name, "ApproximateNumberOfMessagesVisible"),
            threshold=0,
            evaluation_periods=1,
        )


def queue_arn(site: Site, name: str, account_id: str) -> str:
    """ARN of the queue with this logical name, before it exists: a policy made of it can be judged in a preview."""
    return f"arn:aws:sqs:{site.region}:{account_id}:{site.names.of('queue', name)}"


def own_policy(arn: str, publisher_arn: str | None) -> str:
    """Policy of the queue `arn`: TLS only, and one SNS topic may send if there is one.

    https://docs.aws.amazon.com/sns/latest/dg/subscribe-sqs-queue-to-sns-topic.html
    """
    tls_only: Statement = {
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sqs:*",
        "Resource": arn,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    if publisher_arn is None:
        return document(tls_only)
    publisher: Statement = {
        "Sid": "Publisher",
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": publisher_arn}},
    }
    return document(tls_only, publisher)
