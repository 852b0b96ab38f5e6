"""Topics: encrypted, for TLS and known publishers only, and nothing that they announce is lost unseen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from policies.rule import Level, Rules, Severity
from policies.rules.sqs import denies_plain, too_open
from policies.view import Resource, Stack

RULES = Rules()
TOPIC: Final = "aws:sns/topic:Topic"
TOPIC_POLICY: Final = "aws:sns/topicPolicy:TopicPolicy"
SUBSCRIPTION: Final = "aws:sns/topicSubscription:TopicSubscription"


@RULES.on(
    TOPIC,
    id="sns-topic-encrypted",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="Messages of every topic are encrypted, with a key of the account's own.",
    remedy="set kmsMasterKeyId to a key whose policy lets the publishing services use it",
    frameworks=("FSBP SNS.1", "Checkov CKV_AWS_26"),
)
def encrypted(one: Resource) -> Iterator[str]:
    """SNS's own key cannot be used by services such as CloudWatch, whose messages it would lose without a word.

    https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
    """
    if not one.has("kmsMasterKeyId"):
        yield "messages are not encrypted"
    elif one.props.get("kmsMasterKeyId") == "alias/aws/sns":
        yield "the service's key keeps other services from publishing"


@RULES.between(
    TOPIC,
    id="sns-topic-has-policy",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="Every topic has a policy of its own.",
    remedy="add a TopicPolicy for its arn that denies publishing without TLS",
    frameworks=("cdk-nag AwsSolutions-SNS3",),
)
def has_policy(one: Resource, stack: Stack) -> Iterator[str]:
    """Without one, SNS also takes plain HTTP."""
    if not stack.users(one, TOPIC_POLICY, of=["arn"]):
        yield "it has no policy"


@RULES.on(
    TOPIC_POLICY,
    id="sns-policy-tls-only",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="Nothing is published to a topic without TLS.",
    remedy="deny sns:Publish to everybody when aws:SecureTransport is false",
    frameworks=("cdk-nag AwsSolutions-SNS3",),
)
def tls_only(one: Resource) -> Iterator[str]:
    """The policy is a separate resource, so that is what is judged."""
    if not denies_plain(one, "*", "sns:*", "sns:Publish"):
        yield "publishing without TLS is not denied"


@RULES.on(
    TOPIC_POLICY,
    id="sns-policy-not-public",
    severity=Severity.CRITICAL,
    level=Level.MANDATORY,
    demands="No topic is open to everybody, and nobody may do everything with it.",
    remedy="name the principals and actions of each Allow, or add a condition on aws:SourceAccount",
    frameworks=("FSBP SNS.4", "Checkov CKV_AWS_169", "Checkov CKV_AWS_385"),
)
def not_public(one: Resource) -> Iterator[str]:
    """A service principal without a condition is let through: EventBridge sends none that a policy could ask for."""
    yield from too_open(one, "*", "sns:*")


@RULES.on(
    SUBSCRIPTION,
    id="sns-subscription-tls",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="What a topic announces travels by TLS to every web address.",
    remedy="subscribe the https address instead",
)
def subscription_tls(one: Resource) -> Iterator[str]:
    """Messages are decrypted before they are delivered."""
    if one.get("protocol") == "http":
        yield "messages are delivered by plain HTTP"


@RULES.on(
    SUBSCRIPTION,
    id="sns-subscription-dead-letters",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="What a topic cannot deliver to a queue, function or stream is set aside.",
    remedy="give the subscription a redrivePolicy with the ARN of a dead-letter queue",
)
def subscription_dead_letters(one: Resource) -> Iterator[str]:
    """People's addresses are left out: an alarm that did not arrive is of no use later."""
    if not one.has("redrivePolicy") and one.get("protocol") in ("sqs", "lambda", "firehose"):
        yield "what cannot be delivered is lost"
