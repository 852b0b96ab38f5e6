"""Rules about rights."""

from __future__ import annotations

import json
from typing import Any

from policies.rules import iam
from tests.policies.cases import Case, made

POLICY = "aws:iam/rolePolicy:RolePolicy"
ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
KNOWN = "*-assets-copy"
"""A policy of 1m that is known in a plan."""
KEY = "arn:aws:kms:us-east-1:123456789012:key"
GITHUB = "token.actions.githubusercontent.com"


def text(*statements: dict[str, Any]) -> str:
    """A policy that allows."""
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **one} for one in statements]})


def allow(action: str | list[str], resource: str | list[str] = "*", **more: Any) -> str:
    """A policy of one statement."""
    return text({"Action": action, "Resource": resource, **more})


def trust(principal: Any, **condition: Any) -> str:
    """A trust policy of one statement."""
    return text({"Action": "sts:AssumeRole", "Principal": principal, "Condition": condition})


GOOD = [
    made(
        POLICY,
        "app",
        {
            "role": "app",
            "policy": text(
                {"Action": ["s3:GetObject*", "kms:Decrypt"], "Resource": ["arn:aws:s3:::uploads/*", f"{KEY}/1"]},
                {"Action": "iam:PassRole", "Resource": "arn:aws:iam::123456789012:role/export"},
                {"Action": ["ec2:DescribeSubnets", "logs:CreateLogDelivery"], "Resource": "*"},
                {
                    "Action": "cloudwatch:PutMetricData",
                    "Resource": "*",
                    "Condition": {"StringEquals": {"cloudwatch:namespace": "Canaries"}},
                },
                {"Effect": "Deny", "Action": "*", "Resource": "*"},
            ),
        },
    )
]
PODS = trust({"Service": "pods.eks.amazonaws.com"}, StringEquals={"aws:SourceAccount": "123456789012"})
PIPELINE = {f"{GITHUB}:aud": "sts.amazonaws.com", f"{GITHUB}:sub": "repo:headroom/headroom:ref:refs/heads/main"}
PROVIDER = {"Federated": f"arn:aws:iam::123456789012:oidc-provider/{GITHUB}"}
WRITES = frozenset({"iam-writes-named"})

CASES = [
    Case(
        rule="iam-no-full-access",
        good=GOOD,
        path="policy",
        broken=[allow("*"), allow("iam:*", "arn:aws:iam::1:role/app"), text({"NotAction": "s3:*", "Resource": "*"})],
        absent="fine",
        unknown="undecided",
        shipped=KNOWN,
        also=frozenset(
            {"iam-data-named", "iam-decrypt-named", "iam-no-escalation", "iam-no-service-wildcard", "iam-writes-named"}
        ),
    ),
    Case(
        rule="iam-no-service-wildcard",
        good=GOOD,
        path="policy",
        broken=[allow("s3:*", "arn:aws:s3:::uploads"), allow(["s3:GetObject", "SQS:*"], "arn:aws:sqs:::q")],
        absent="fine",
        unknown="undecided",
        shipped=KNOWN,
    ),
    Case(
        rule="iam-no-escalation",
        good=GOOD,
        path="policy",
        broken=[
            allow("iam:PassRole"),
            allow("iam:Put*", ["*"]),
            text({"Action": "sts:AssumeRole", "NotResource": "x"}),
        ],
        absent="fine",
        unknown="undecided",
        shipped=KNOWN,
        also=WRITES,
    ),
    Case(
        rule="iam-data-named",
        good=GOOD,
        path="policy",
        broken=[allow("secretsmanager:GetSecretValue"), allow("s3:Get*"), allow(["sqs:ReceiveMessage"])],
        absent="fine",
        unknown="undecided",
        shipped=KNOWN,
    ),
    Case(
        rule="iam-writes-named",
        good=GOOD,
        path="policy",
        broken=[
            allow("rds:DeleteDBInstance"),
            allow("cloudwatch:PutMetricData"),
            allow(["s3:List*", "sqs:SendMessage"]),
        ],
        absent="fine",
        unknown="undecided",
        shipped=KNOWN,
    ),
    Case(
        rule="iam-decrypt-named",
        good=GOOD,
        path="policy",
        broken=[allow("kms:Decrypt", f"{KEY}/*"), allow("kms:De*"), allow("kms:*", "arn:aws:kms:*:*:*")],
        absent="fine",
        unknown="undecided",
        shipped=KNOWN,
    ),
    Case(
        rule="iam-no-administration",
        good=[made(ATTACHMENT, "node", {"policyArn": "arn:aws:iam::aws:policy/AmazonEKSWorkerNodeMinimalPolicy"})],
        path="policyArn",
        broken=[f"arn:aws:iam::aws:policy/{name}" for name in iam.ADMINISTRATION],
        absent="fine",
        unknown="undecided",
    ),
    Case(
        rule="iam-trust-named",
        good=[made(iam.ROLE, "app", {"assumeRolePolicy": PODS})],
        path="assumeRolePolicy",
        broken=[
            trust("*"),
            trust({"AWS": "*"}, Bool={"aws:MultiFactorAuthPresent": "true"}),
            trust({"AWS": ["a", "*"]}),
        ],
        absent="fine",
        unknown="undecided",
    ),
    Case(
        rule="iam-trust-web-identity",
        good=[made(iam.ROLE, "pipeline", {"assumeRolePolicy": trust(PROVIDER, StringLike=PIPELINE)})],
        path="assumeRolePolicy",
        broken=[
            trust(PROVIDER),
            trust(PROVIDER, StringEquals={f"{GITHUB}:aud": "sts.amazonaws.com"}),
            trust(PROVIDER, StringLike={**PIPELINE, f"{GITHUB}:sub": "*"}),
        ],
        absent="fine",
        unknown="undecided",
    ),
    Case(
        rule="iam-trust-pods-own-account",
        good=[made(iam.ROLE, "app", {"assumeRolePolicy": PODS})],
        path="assumeRolePolicy",
        broken=[trust({"Service": "pods.eks.amazonaws.com"}), trust({"Service": ["a", "pods.eks.amazonaws.com"]})],
        absent="fine",
        unknown="undecided",
    ),
    Case(
        rule="iam-no-users",
        good=GOOD,
        path="user",
        broken=["somebody"],
        absent="fine",
        unknown="undecided",
    ),
]
