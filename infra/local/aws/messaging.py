"""SQS and SNS."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from infra.local.aws.calls import Call, call, change
from infra.local.aws.kind import Context, Kind, Values
from infra.local.aws.memory import MemoryKind, Parent
from infra.local.aws.shape import text
from infra.local.aws.table import ApiKind

_QUEUE = {
    "contentBasedDeduplication": "ContentBasedDeduplication",
    "deduplicationScope": "DeduplicationScope",
    "delaySeconds": "DelaySeconds",
    "fifoQueue": "FifoQueue",
    "fifoThroughputLimit": "FifoThroughputLimit",
    "kmsDataKeyReusePeriodSeconds": "KmsDataKeyReusePeriodSeconds",
    "kmsMasterKeyId": "KmsMasterKeyId",
    "maxMessageSize": "MaximumMessageSize",
    "messageRetentionSeconds": "MessageRetentionPeriod",
    "policy": "Policy",
    "receiveWaitTimeSeconds": "ReceiveMessageWaitTimeSeconds",
    "redriveAllowPolicy": "RedriveAllowPolicy",
    "redrivePolicy": "RedrivePolicy",
    "sqsManagedSseEnabled": "SqsManagedSseEnabled",
    "visibilityTimeoutSeconds": "VisibilityTimeout",
}
_TOPIC = {
    "contentBasedDeduplication": "ContentBasedDeduplication",
    "deliveryPolicy": "DeliveryPolicy",
    "displayName": "DisplayName",
    "fifoTopic": "FifoTopic",
    "kmsMasterKeyId": "KmsMasterKeyId",
    "policy": "Policy",
    "signatureVersion": "SignatureVersion",
    "tracingConfig": "TracingConfig",
}
_SUBSCRIPTION = {
    "deliveryPolicy": "DeliveryPolicy",
    "filterPolicy": "FilterPolicy",
    "filterPolicyScope": "FilterPolicyScope",
    "rawMessageDelivery": "RawMessageDelivery",
    "redrivePolicy": "RedrivePolicy",
    "subscriptionRoleArn": "SubscriptionRoleArn",
}


def _attributes(values: Values, names: Mapping[str, str]) -> dict[str, str]:
    # `FifoQueue` and `FifoTopic` may only be said when they are true.
    given = {key: name for key, name in names.items() if values.get(key) is not None}
    return {name: text(values[key]) for key, name in given.items() if values[key] is not False or "fifo" not in key}


def _with_attributes(names: Mapping[str, str]) -> Callable[[Context, Values], Values]:
    """Most properties are attributes: texts by name."""
    return lambda _, values: {
        **{key: value for key, value in values.items() if key not in names},
        "attributes": _attributes(values, names) or None,
    }


def _one_by_one(
    service: str, set_one: Call, names: Mapping[str, str]
) -> Callable[[Context, str, Values, Values], None]:
    """SNS changes one attribute a call."""

    def settle(ctx: Context, id_: str, old: Values, new: Values) -> None:
        before, after = _attributes(old, names), _attributes(new, names)
        for name, value in after.items() if old else ():
            if before.get(name) != value:
                set_one(ctx.client(service), {"id": id_, "attribute": name, "value": value})

    return settle


def _read_back(names: Mapping[str, str], *watched: str) -> Callable[[Context, str, Values, Values], Values]:
    """Attributes as the program wrote them, unless AWS has something else: JSON comes back in another spelling."""

    def derive(_: Context, __: str, found: Values, known: Values) -> Values:
        attributes: Mapping[str, str] = found["Attributes"]
        seen: Values = {}
        for key in watched:
            if key in known:
                seen[key] = _as_written(known[key], attributes.get(names[key]))
        return seen

    return derive


def _as_written(given: object, observed: str | None) -> object:
    if isinstance(given, bool | int | float) or observed is None:
        return given if observed is not None and text(given) == observed.lower() else _value(observed)
    try:
        return given if json.loads(str(given)) == json.loads(observed) else observed
    except ValueError:
        return given if given == observed else observed


def _value(observed: str | None) -> object:
    if observed in ("true", "false"):
        return observed == "true"
    return int(observed) if observed and observed.isdigit() else observed


_NUMBERS = (
    "delaySeconds",
    "fifoQueue",
    "maxMessageSize",
    "messageRetentionSeconds",
    "receiveWaitTimeSeconds",
    "visibilityTimeoutSeconds",
)


_QUEUE_POLICY: Values = {"QueueUrl": "{queueUrl}", "Attributes": {"Policy": "{policy}"}}
_ALL = {"QueueUrl": "{queueUrl}", "AttributeNames": ["All"]}

_OWNER_ONLY = json.dumps(
    {
        "Version": "2008-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": "*"},
                "Action": ["SNS:Publish", "SNS:Subscribe"],
                "Resource": "*",
                "Condition": {"StringEquals": {"AWS:SourceOwner": "123456789012"}},
            }
        ],
    }
)
"""Stands for the policy that AWS gives a new topic, which the provider puts back."""

KINDS: Mapping[str, Kind] = {
    "aws:sqs/queue:Queue": ApiKind(
        service="sqs",
        make=call("create_queue", QueueName="{name}"),
        prepare=_with_attributes(_QUEUE),
        documents=(
            "policy",
            "redrivePolicy",
        ),
        id="QueueUrl",
        find=call("get_queue_attributes", QueueUrl="{id}", AttributeNames=["All"]),
        outputs={"arn": "Attributes.QueueArn", "url": "={id}"},
        derive=_read_back(_QUEUE, *_NUMBERS, "kmsMasterKeyId", "redrivePolicy", "sqsManagedSseEnabled"),
        changes=(change("set_queue_attributes", "attributes", QueueUrl="{id}"),),
        drop=call("delete_queue", QueueUrl="{id}"),
        named=("name", 80),
        tags="sqs",
    ),
    "aws:sqs/queuePolicy:QueuePolicy": ApiKind(
        service="sqs",
        make=call("set_queue_attributes", **_QUEUE_POLICY),
        documents=("policy",),
        id="={queueUrl}",
        find=call("get_queue_attributes", **_ALL),
        at="[@][?Attributes.Policy] | [0]",
        derive=_read_back(_QUEUE, "policy"),
        changes=(change("set_queue_attributes", "policy", **_QUEUE_POLICY),),
        drop=call("set_queue_attributes", QueueUrl="{queueUrl}", Attributes={"Policy": ""}),
    ),
    # moto takes the attribute and forgets it.
    "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy": MemoryKind(
        type="SQS redrive allow policy",
        id="{queueUrl}",
        parents=(Parent("sqs", call("get_queue_attributes", **_ALL), "Attributes"),),
    ),
    "aws:sns/topic:Topic": ApiKind(
        service="sns",
        make=call("create_topic"),
        prepare=_with_attributes(_TOPIC),
        id="TopicArn",
        find=call("get_topic_attributes", TopicArn="{id}"),
        outputs={"arn": "Attributes.TopicArn", "owner": "Attributes.Owner"},
        derive=_read_back(_TOPIC, "kmsMasterKeyId", "displayName"),
        settle=_one_by_one(
            "sns",
            call("set_topic_attributes", TopicArn="{id}", AttributeName="{attribute}", AttributeValue="{value}"),
            _TOPIC,
        ),
        drop=call("delete_topic", TopicArn="{id}"),
        named=("name", 256),
        tags="sns",
    ),
    "aws:sns/topicPolicy:TopicPolicy": ApiKind(
        service="sns",
        make=call("set_topic_attributes", TopicArn="{arn}", AttributeName="Policy", AttributeValue="{policy}"),
        documents=("policy",),
        id="={arn}",
        find=call("get_topic_attributes", TopicArn="{arn}"),
        outputs={"owner": "Attributes.Owner"},
        derive=_read_back({"policy": "Policy"}, "policy"),
        changes=(
            change(
                "set_topic_attributes", "policy", TopicArn="{arn}", AttributeName="Policy", AttributeValue="{policy}"
            ),
        ),
        drop=call("set_topic_attributes", TopicArn="{arn}", AttributeName="Policy", AttributeValue=_OWNER_ONLY),
    ),
    "aws:sns/topicSubscription:TopicSubscription": ApiKind(
        service="sns",
        make=call("subscribe", TopicArn="{topic}", ReturnSubscriptionArn=True),
        prepare=_with_attributes(_SUBSCRIPTION),
        id="SubscriptionArn",
        find=call("get_subscription_attributes", SubscriptionArn="{id}"),
        outputs={
            "arn": "Attributes.SubscriptionArn",
            "confirmationWasAuthenticated": "Attributes.ConfirmationWasAuthenticated == 'true'",
            "ownerId": "Attributes.Owner",
            "pendingConfirmation": "Attributes.PendingConfirmation == 'true'",
        },
        settle=_one_by_one(
            "sns",
            call(
                "set_subscription_attributes",
                SubscriptionArn="{id}",
                AttributeName="{attribute}",
                AttributeValue="{value}",
            ),
            _SUBSCRIPTION,
        ),
        drop=call("unsubscribe", SubscriptionArn="{id}"),
    ),
}
