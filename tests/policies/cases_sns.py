"""Rules about topics."""

from __future__ import annotations

from policies.rules import sns
from tests.policies.cases import GONE, PREFIX, Case, made
from tests.policies.cases_sqs import policy

TLS_ONLY = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "sns:Publish",
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}
PUBLISHER = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sns:Publish"}
TO_QUEUE = {"protocol": "sqs", "redrivePolicy": "{}"}

CASES = [
    Case(
        rule="sns-topic-encrypted",
        good=[made(sns.TOPIC, "page", {"kmsMasterKeyId": "key"})],
        path="kmsMasterKeyId",
        broken=["alias/aws/sns", "", GONE],
        absent="broken",
        unknown="fine",
    ),
    Case(
        rule="sns-topic-has-policy",
        good=[
            made(sns.TOPIC, "page"),
            made(sns.TOPIC_POLICY, "page", sources={"arn": [f"{sns.TOPIC}::page"]}),
        ],
        path="@urn",
        broken=[f"{PREFIX}another"],
        absent="broken",
        unknown="fine",
        shipped="us-east-1-events",
    ),
    Case(
        rule="sns-policy-tls-only",
        good=[made(sns.TOPIC_POLICY, "page", {"policy": policy(PUBLISHER, TLS_ONLY)})],
        path="policy",
        broken=[policy(PUBLISHER), policy(PUBLISHER, {**TLS_ONLY, "Action": "sns:Subscribe"}), GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="sns-policy-not-public",
        good=[made(sns.TOPIC_POLICY, "page", {"policy": policy(PUBLISHER, TLS_ONLY)})],
        path="policy",
        broken=[
            policy(TLS_ONLY, {**PUBLISHER, "Principal": {"AWS": "*"}}),
            policy(TLS_ONLY, {**PUBLISHER, "Action": ["sns:*"]}),
        ],
        absent="fine",
        unknown="undecided",
    ),
    Case(
        rule="sns-subscription-tls",
        good=[made(sns.SUBSCRIPTION, "pager", {"protocol": "https"})],
        path="protocol",
        broken=["http"],
        absent="fine",
        unknown="undecided",
    ),
    Case(
        rule="sns-subscription-dead-letters",
        good=[made(sns.SUBSCRIPTION, "jobs", TO_QUEUE)],
        path="redrivePolicy",
        broken=["", GONE],
        absent="broken",
        unknown="fine",
        shipped="us-east-1-events-email",
    ),
]
