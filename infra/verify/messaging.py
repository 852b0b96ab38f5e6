"""Queues with their dead-letter queues, and the topics that alarms go to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial

from infra.verify.facts import Fact, Probe, Scope, equal, holds


def queues(scope: Scope) -> Iterator[Probe]:
    """Every queue of the phase, and every dead-letter queue."""
    urls, dead = scope.names("queueUrls"), scope.names("deadLetterUrls")
    expected = scope.phase.messaging.queues

    def complete() -> Iterator[Fact]:
        yield equal("queues", set(expected), set(urls))

    yield Probe("messaging", "queues", complete)
    for name in sorted(urls):
        yield Probe("messaging", f"queue {name}", partial(_queue, scope, urls[name], dead.get(name)))
    for name in sorted(dead):
        yield Probe("messaging", f"dead-letter queue {name}", partial(_encryption, scope, dead[name]))


def _queue(scope: Scope, url: str, dead_url: str | None) -> Iterator[Fact]:
    yield from _encryption(scope, url)
    sqs = scope.client("sqs")
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"]).get("Attributes", {})
    target = json.loads(attributes.get("RedrivePolicy", "{}")).get("deadLetterTargetArn", "")
    wanted = (dead_url or "").rpartition("/")[2]
    yield equal("failed messages go to", wanted, target.rpartition(":")[2])


def _encryption(scope: Scope, url: str) -> Iterator[Fact]:
    sqs = scope.client("sqs")
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["KmsMasterKeyId"]).get("Attributes", {})
    keys = set(scope.names("keyArns").values())
    used = attributes.get("KmsMasterKeyId")
    yield holds("encrypted with the stack's key", used in keys, keys, used)


def topics(scope: Scope) -> Iterator[Probe]:
    """`page` and `ticket`."""
    for key in ("pageTopicArn", "ticketTopicArn"):
        arn = scope.text(key)
        yield Probe("messaging", f"topic {arn.rpartition(':')[2]}", partial(_topic, scope, arn))


def _topic(scope: Scope, arn: str) -> Iterator[Fact]:
    sns = scope.client("sns")
    attributes = sns.get_topic_attributes(TopicArn=arn)["Attributes"]
    keys = set(scope.names("keyArns").values())
    used = attributes.get("KmsMasterKeyId")
    yield holds("encrypted with the stack's key", used in keys, keys, used)
    pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=arn)
    subscriptions = [subscription for page in pages for subscription in page["Subscriptions"]]
    yield holds("subscribers", subscriptions, "one or more", len(subscriptions))
    # An unconfirmed address is never notified; AWS gives it this word in place of an ARN.
    waiting = [item["Endpoint"] for item in subscriptions if item["SubscriptionArn"] == "PendingConfirmation"]
    yield holds("subscribers who have not confirmed", not waiting, "none", waiting)
