"""Rules about queues."""

from __future__ import annotations

import json

from policies.rules import sqs
from tests.policies.cases import GONE, PREFIX, Case, made

TLS_ONLY = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "sqs:*",
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}
SENDER = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage"}


def policy(*statements: object) -> str:
    """A policy as a text."""
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


JOBS = made(sqs.QUEUE, "jobs", {"redrivePolicy": "{}"}, sources={"redrivePolicy": [f"{sqs.QUEUE}::dead"]})
ALARM = made(
    sqs.ALARM,
    "dead",
    {"metricName": "ApproximateNumberOfMessagesVisible", "dimensions": {"QueueName": "jobs-dead"}},
)

CASES = [
    Case(
        rule="sqs-queue-encrypted",
        good=[made(sqs.QUEUE, "jobs", {"kmsMasterKeyId": "key"})],
        path="kmsMasterKeyId",
        broken=["", GONE],
        absent="broken",
        unknown="fine",
    ),
    Case(
        rule="sqs-queue-dead-letters",
        good=[JOBS],
        path="redrivePolicy",
        broken=["", GONE],
        absent="broken",
        unknown="fine",
    ),
    Case(
        rule="sqs-dead-letters-alarm",
        good=[made(sqs.QUEUE, "dead", {"name": "jobs-dead"}), JOBS, ALARM],
        path="name",
        broken=["mail-dead", GONE],
        absent="broken",
        unknown="undecided",
        shipped="us-east-1-queues-email-dead",
    ),
    Case(
        rule="sqs-queue-has-policy",
        good=[JOBS, made(sqs.QUEUE_POLICY, "jobs", sources={"queueUrl": [f"{sqs.QUEUE}::jobs"]})],
        path="@urn",
        broken=[f"{PREFIX}another"],
        absent="broken",
        unknown="fine",
        shipped="us-east-1-queues-email",
    ),
    Case(
        rule="sqs-policy-tls-only",
        good=[made(sqs.QUEUE_POLICY, "jobs", {"policy": policy(SENDER, TLS_ONLY)})],
        path="policy",
        broken=[
            policy(SENDER),
            policy({**TLS_ONLY, "Effect": "Allow", "Principal": {"AWS": "me"}, "Action": "sqs:SendMessage"}),
            policy({**TLS_ONLY, "Action": "sqs:GetQueueUrl"}),
            policy({**TLS_ONLY, "Principal": {"AWS": "arn:aws:iam::123456789012:root"}}),
            policy({**TLS_ONLY, "Condition": {"Bool": {"aws:SecureTransport": "true"}}}),
            "no JSON",
            GONE,
        ],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="sqs-policy-not-public",
        good=[made(sqs.QUEUE_POLICY, "jobs", {"policy": policy(SENDER, TLS_ONLY)})],
        path="policy",
        broken=[
            policy(TLS_ONLY, {**SENDER, "Principal": "*"}),
            policy(TLS_ONLY, {**SENDER, "Principal": {"AWS": ["*"]}}),
            policy(TLS_ONLY, {"Effect": "Allow", "NotPrincipal": {"AWS": "me"}, "Action": "sqs:SendMessage"}),
            policy(TLS_ONLY, {**SENDER, "Action": "sqs:*"}),
        ],
        absent="fine",
        unknown="undecided",
    ),
]
