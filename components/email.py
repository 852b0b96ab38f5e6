"""SES: the domain that mail is sent from, and what its receivers' servers say about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import pulumi
import pulumi_aws as aws

from components.alarms import AlarmTopics, Metric, alarm, topic_arn
from components.component import Component, DataClass, Site
from components.documents import document
from components.messaging import DAY_SECONDS, MAX_RECEIVES, VISIBILITY_SECONDS, own_policy, queue_arn
from components.raw import dns_record

if TYPE_CHECKING:
    from pulumi_aws.sesv2.outputs import EmailIdentityDkimSigningAttributes

DKIM_TOKENS = 3
"""Easy DKIM always has three, so that SES can rotate its keys."""
BOUNCE_RATE = 0.05
"""Of the account in a region. From here on SES puts it under review, at twice that it may pause sending
(https://docs.aws.amazon.com/ses/latest/dg/reputationdashboardmessages.html)."""
COMPLAINT_RATE = 0.001
"""Likewise; SES may pause sending at 0.005."""
EVENTS = ("BOUNCE", "COMPLAINT")


@dataclass(frozen=True, kw_only=True, slots=True)
class EmailArgs:
    """Who sends, and who hears of what came back.

    Attributes:
        domain: mail comes from addresses of this domain; an identity exists once an account and region.
        cloudflare_zone_id: of the domain, for the records that prove it.
        key_arn: KMS key of what came back; it must let SES and SNS use it.
        account_id: of this stack.
        dedicated_ips: send from addresses that nobody else sends from.
        topics: hear when the domain's reputation suffers.
    """

    domain: str
    cloudflare_zone_id: pulumi.Input[str]
    key_arn: pulumi.Input[str]
    account_id: str
    dedicated_ips: bool
    topics: AlarmTopics


class Email(Component):
    """The domain as an identity with DKIM, TLS on the way out, and a queue of bounces and complaints.

    SES itself sends no more to an address that bounced or complained (suppression list). The queue is for the
    product: it marks the address and stops a sender whose mail comes back.

    A new account may only write to verified addresses; AWS lifts that by hand, a region at a time
    (https://docs.aws.amazon.com/ses/latest/dg/request-production-access.html). SPF needs no record: mail leaves with
    SES's own return address. The domain's DMARC record is its owner's, since all senders of a domain share it.
    """

    KIND: ClassVar[str] = "messaging:Email"
    DATA_CLASS: ClassVar[DataClass] = "confidential"

    identity_arn: pulumi.Output[str]
    configuration_set_arn: pulumi.Output[str]
    configuration_set_name: str
    feedback_queue_url: pulumi.Output[str]
    feedback_queue_arn: pulumi.Output[str]
    feedback_dead_letter_url: pulumi.Output[str]

    def __init__(self, name: str, site: Site, args: EmailArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create the identity, the way out and the way back."""
        super().__init__(name, site, opts)
        self._name, self._args = name, args
        self.configuration_set_name = site.names.of("configuration_set", name)
        configuration = self._create_configuration_set()
        identity = self._create_identity(configuration)
        self._prove(identity)
        queue, dead = self._create_feedback(configuration)
        self._create_reputation_alarms()
        self._create_queue_alarms(queue, dead)
        self.identity_arn = identity.arn
        self.configuration_set_arn = configuration.arn
        self.feedback_queue_url, self.feedback_queue_arn = queue.url, queue.arn
        self.feedback_dead_letter_url = dead.url
        self.register_outputs(
            {
                "identity_arn": self.identity_arn,
                "configuration_set_name": self.configuration_set_name,
                "feedback_queue_url": self.feedback_queue_url,
                "feedback_dead_letter_url": self.feedback_dead_letter_url,
            }
        )

    def _create_configuration_set(self) -> aws.sesv2.ConfigurationSet:
        return aws.sesv2.ConfigurationSet(
            self._name,
            configuration_set_name=self.configuration_set_name,
            delivery_options=aws.sesv2.ConfigurationSetDeliveryOptionsArgs(
                tls_policy="REQUIRE",
                sending_pool_name=self._create_pool().pool_name if self._args.dedicated_ips else None,
            ),
            reputation_options=aws.sesv2.ConfigurationSetReputationOptionsArgs(reputation_metrics_enabled=True),
            sending_options=aws.sesv2.ConfigurationSetSendingOptionsArgs(sending_enabled=True),
            suppression_options=aws.sesv2.ConfigurationSetSuppressionOptionsArgs(suppressed_reasons=list(EVENTS)),
            opts=self.child(),
        )

    def _create_pool(self) -> aws.sesv2.DedicatedIpPool:
        """Managed: AWS adds addresses and warms them up, and a pool cannot change its mode later."""
        return aws.sesv2.DedicatedIpPool(
            self._name,
            pool_name=self.site.names.of("ip_pool", self._name),
            scaling_mode="MANAGED",
            opts=self.child(),
        )

    def _create_identity(self, configuration: aws.sesv2.ConfigurationSet) -> aws.sesv2.EmailIdentity:
        """The configuration set is the default of every message from the domain, whoever sends it.

        DKIM is Easy DKIM with 2,048 bits, as SES gives it to a domain that does not ask for anything else
        (https://docs.aws.amazon.com/ses/latest/dg/send-email-authentication-dkim.html).
        """
        return aws.sesv2.EmailIdentity(
            self._name,
            email_identity=self._args.domain,
            configuration_set_name=configuration.configuration_set_name,
            opts=self.child(),
        )

    def _prove(self, identity: aws.sesv2.EmailIdentity) -> None:
        """Each region has tokens of its own, so the regions' records stand side by side."""
        for index in range(DKIM_TOKENS):
            token = identity.dkim_signing_attributes.apply(_token(index))
            dns_record(
                f"{self._name}-dkim-{index}",
                zone_id=self._args.cloudflare_zone_id,
                host=pulumi.Output.concat(token, "._domainkey.", self._args.domain),
                kind="CNAME",
                content=pulumi.Output.concat(token, ".dkim.amazonses.com"),
                proxied=False,
                comment=f"SES in {self.site.region} signs mail",
                opts=self.child(),
            )

    def _create_feedback(self, configuration: aws.sesv2.ConfigurationSet) -> tuple[aws.sqs.Queue, aws.sqs.Queue]:
        name = f"{self._name}-feedback"
        topic = aws.sns.Topic(
            name, name=self.site.names.of("topic", name), kms_master_key_id=self._args.key_arn, opts=self.child()
        )
        publisher = topic_arn(self.site, name, self._args.account_id)
        allowed = aws.sns.TopicPolicy(name, arn=topic.arn, policy=self._topic_policy(publisher), opts=self.child())
        dead = self._create_queue(f"{name}-dead", None, publisher)
        queue = self._create_queue(name, dead, publisher)
        subscription = aws.sns.TopicSubscription(
            name,
            topic=topic.arn,
            protocol="sqs",
            endpoint=queue.arn,
            raw_message_delivery=True,
            redrive_policy=pulumi.Output.json_dumps({"deadLetterTargetArn": dead.arn}),
            opts=self.child(),
        )
        aws.sesv2.ConfigurationSetEventDestination(
            name,
            configuration_set_name=configuration.configuration_set_name,
            event_destination_name="feedback",
            event_destination=aws.sesv2.ConfigurationSetEventDestinationEventDestinationArgs(
                enabled=True,
                matching_event_types=list(EVENTS),
                sns_destination=aws.sesv2.ConfigurationSetEventDestinationEventDestinationSnsDestinationArgs(
                    topic_arn=topic.arn
                ),
            ),
            # SES tries the topic when it is told of it.
            opts=self.child(depends_on=[allowed, subscription]),
        )
        return queue, dead

    def _create_queue(self, name: str, dead: aws.sqs.Queue | None, publisher_arn: str) -> aws.sqs.Queue:
        redrive = (
            None
            if dead is None
            else pulumi.Output.json_dumps({"deadLetterTargetArn": dead.arn, "maxReceiveCount": MAX_RECEIVES})
        )
        queue = aws.sqs.Queue(
            name,
            name=self.site.names.of("queue", name),
            kms_master_key_id=self._args.key_arn,
            kms_data_key_reuse_period_seconds=300,
            message_retention_seconds=14 * DAY_SECONDS,
            visibility_timeout_seconds=VISIBILITY_SECONDS,
            receive_wait_time_seconds=20,
            redrive_policy=redrive,
            opts=self.stateful(),
        )
        policy = own_policy(queue_arn(self.site, name, self._args.account_id), publisher_arn)
        aws.sqs.QueuePolicy(name, queue_url=queue.url, policy=policy, opts=self.child())
        return queue

    def _topic_policy(self, arn: str) -> str:
        """As documented: https://docs.aws.amazon.com/ses/latest/dg/event-publishing-add-event-destination-sns.html."""
        region, account = self.site.region, self._args.account_id
        source = f"arn:aws:ses:{region}:{account}:configuration-set/{self.configuration_set_name}"
        return document(
            {
                "Sid": "Ses",
                "Effect": "Allow",
                "Principal": {"Service": "ses.amazonaws.com"},
                "Action": "sns:Publish",
                "Resource": arn,
                "Condition": {"StringEquals": {"aws:SourceAccount": account, "aws:SourceArn": source}},
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

    def _create_reputation_alarms(self) -> None:
        """Of the account: SES judges it as a whole, in each region, and pauses it as a whole."""
        rates = {"bounce": ("BounceRate", BOUNCE_RATE, "5 %"), "complaint": ("ComplaintRate", COMPLAINT_RATE, "0.1 %")}
        for kind, (metric, threshold, words) in rates.items():
            alarm(
                self,
                f"{self._name}-{kind}-rate",
                description=f"SES counts {words} {kind}s or more, and may pause all mail if it goes on.",
                runbook="email-reputation",
                severity="page",
                topics=self._args.topics,
                metric=Metric(namespace="AWS/SES", name=f"Reputation.{metric}", dimensions={}, statistic="Average"),
                threshold=threshold,
                comparison="GreaterThanOrEqualToThreshold",
                # SES counts anew every now and then, not every minute.
                period_seconds=3_600,
                evaluation_periods=1,
                missing_data="ignore",
            )

    def _create_queue_alarms(self, queue: aws.sqs.Queue, dead: aws.sqs.Queue) -> None:
        def metric(of: aws.sqs.Queue, name: str) -> Metric:
            return Metric(namespace="AWS/SQS", name=name, dimensions={"QueueName": of.name}, statistic="Maximum")

        alarm(
            self,
            f"{self._name}-feedback-age",
            description="A bounce or complaint has waited over an hour to be taken note of.",
            runbook="email-reputation",
            severity="ticket",
            topics=self._args.topics,
            metric=metric(queue, "ApproximateAgeOfOldestMessage"),
            threshold=3_600,
        )
        alarm(
            self,
            f"{self._name}-feedback-dead",
            description="A bounce or complaint could not be taken note of and was set aside.",
            runbook="queue-dead-letters",
            severity="ticket",
            topics=self._args.topics,
            metric=metric(dead, "ApproximateNumberOfMessagesVisible"),
            threshold=0,
            evaluation_periods=1,
        )


def _token(index: int) -> Callable[[EmailIdentityDkimSigningAttributes], str]:
    def of(attributes: EmailIdentityDkimSigningAttributes) -> str:
        return (attributes.tokens or [])[index]

    return of
