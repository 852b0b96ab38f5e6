"""Queues: encrypted, for TLS and known senders only, and with somewhere to put what cannot be done."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from policies.rule import Level, Rules, Severity
from policies.view import Resource, Stack, anybody, documents, each, everybody

RULES = Rules()
QUEUE: Final = "aws:sqs/queue:Queue"
QUEUE_POLICY: Final = "aws:sqs/queuePolicy:QueuePolicy"
ALARM: Final = "aws:cloudwatch/metricAlarm:MetricAlarm"
REDRIVE: Final = ("redrivePolicy", "deadLetterConfig")
"""Inputs that name a dead-letter queue: of queues and subscriptions, and of functions."""


@RULES.on(
    QUEUE,
    id="sqs-queue-encrypted",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="Messages of every queue are encrypted, and the program says so.",
    remedy="set kmsMasterKeyId to a key, or sqsManagedSseEnabled to true",
    frameworks=("FSBP SQS.1", "Checkov CKV_AWS_27", "cdk-nag AwsSolutions-SQS2"),
)
def encrypted(one: Resource) -> Iterator[str]:
    """SQS encrypts new queues with its own key by default; a queue that existed before may not be."""
    if not one.has("kmsMasterKeyId") and one.get("sqsManagedSseEnabled") is not True:
        yield "messages are not encrypted"


@RULES.between(
    QUEUE,
    id="sqs-queue-dead-letters",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="Every queue sets aside what fails again and again.",
    remedy="give it a redrivePolicy with the ARN of a dead-letter queue",
    frameworks=("cdk-nag AwsSolutions-SQS3",),
)
def dead_letters(one: Resource, stack: Stack) -> Iterator[str]:
    """A queue that others set messages aside in has none itself."""
    if not one.has("redrivePolicy") and not stack.users(one, of=REDRIVE):
        yield "it has no dead-letter queue and is none"


@RULES.between(
    QUEUE,
    id="sqs-dead-letters-alarm",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="Somebody hears of every message that was set aside.",
    remedy="add an alarm on ApproximateNumberOfMessagesVisible of the dead-letter queue",
)
def dead_letters_alarm(one: Resource, stack: Stack) -> Iterator[str]:
    """A message in a dead-letter queue is gone for good once its retention ends."""
    if not stack.users(one, of=REDRIVE):
        return
    name = one.get("name")
    if not any(
        alarm.get("metricName") == "ApproximateNumberOfMessagesVisible" and alarm.get("dimensions.QueueName") == name
        for alarm in stack.all(ALARM)
        if name is not None
    ):
        yield "messages are set aside in it and no alarm watches it"


@RULES.between(
    QUEUE,
    id="sqs-queue-has-policy",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="Every queue has a policy of its own.",
    remedy="add a QueuePolicy for its queueUrl that denies requests without TLS",
    frameworks=("cdk-nag AwsSolutions-SQS4",),
)
def has_policy(one: Resource, stack: Stack) -> Iterator[str]:
    """Without one, SQS also answers plain HTTP."""
    if not stack.users(one, QUEUE_POLICY, of=["queueUrl"]):
        yield "it has no policy"


@RULES.on(
    QUEUE_POLICY,
    id="sqs-policy-tls-only",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="Every queue refuses requests without TLS.",
    remedy="deny sqs:* to everybody when aws:SecureTransport is false",
    frameworks=("cdk-nag AwsSolutions-SQS4",),
)
def tls_only(one: Resource) -> Iterator[str]:
    """The policy is a separate resource, so that is what is judged."""
    if not denies_plain(one, "*", "sqs:*"):
        yield "requests without TLS are not denied"


@RULES.on(
    QUEUE_POLICY,
    id="sqs-policy-not-public",
    severity=Severity.CRITICAL,
    level=Level.MANDATORY,
    demands="No queue is open to everybody, and nobody may do everything with it.",
    remedy="name the principals and actions of each Allow, or add a condition on aws:SourceArn",
    frameworks=("Checkov CKV_AWS_168", "Checkov CKV_AWS_72", "Checkov CKV_AWS_387"),
)
def not_public(one: Resource) -> Iterator[str]:
    """What a service may do on behalf of others is for its own condition to say."""
    yield from too_open(one, "*", "sqs:*")


def denies_plain(one: Resource, *actions: str) -> bool:
    """Whether a resource's `policy` denies one of these actions to everybody who comes without TLS."""
    return any(
        statement.get("Effect") == "Deny"
        and everybody(statement)
        and any(action in actions for action in each(statement, "Action"))
        and str(statement.get("Condition.Bool.aws:SecureTransport")).lower() == "false"
        for statement in documents(one, "policy")
    )


def too_open(one: Resource, *actions: str) -> Iterator[str]:
    """What is wrong with a resource's `policy`: it allows everybody something, or somebody one of these actions."""
    for statement in documents(one, "policy"):
        if anybody(statement) or (statement.get("Effect") == "Allow" and statement.has("NotPrincipal")):
            yield "everybody is allowed in without a condition"
        elif statement.get("Effect") == "Allow" and any(action in actions for action in each(statement, "Action")):
            yield "somebody is allowed every action"
