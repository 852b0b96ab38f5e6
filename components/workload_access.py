"""What each role of the application may reach: AWS by IAM statements, everything else by network policies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pulumi

from components.documents import Statement
from components.network_policies import addresses, aws_access, flow, https, pods, policy
from components.pods import APP_PORT, Manifest, labels, selector

APP = "app"
MIGRATION = "migration"
ROLE_LABEL = "headroom/role"
CLIENT = selector(APP)
"""Labels of the pods that may connect to the pooler."""

Need = Literal["signing", "send", "receive", "uploads"]

NEEDS: Mapping[str, frozenset[Need]] = {
    "api": frozenset({"signing", "send", "uploads"}),
    "realtime": frozenset({"signing"}),
    "worker": frozenset({"send", "receive", "uploads"}),
    "video": frozenset({"signing", "send", "uploads"}),
}
SERVICE_NEEDS: frozenset[Need] = frozenset({"signing", "send"})
"""Of the services that `NEEDS` does not name: they check tokens and hand work to the queues."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AwsAccess:
    """AWS resources of the application.

    Attributes:
        queue_urls: SQS queues by job type.
        queue_arns: their ARNs.
        uploads_bucket: bucket of private uploads.
        uploads_bucket_arn: its ARN.
        signing_keys_arn: secret with the keys that sign access tokens; rotated, so pods read it themselves.
        data_key_arn: KMS key of the uploads.
        operations_key_arn: KMS key of queues and secrets.
    """

    queue_urls: Mapping[str, pulumi.Input[str]]
    queue_arns: Mapping[str, pulumi.Input[str]]
    uploads_bucket: pulumi.Input[str]
    uploads_bucket_arn: pulumi.Input[str]
    signing_keys_arn: pulumi.Input[str]
    data_key_arn: pulumi.Input[str]
    operations_key_arn: pulumi.Input[str]


def statements(role: str, access: AwsAccess, region: str) -> list[Statement]:
    """IAM statements of a role. KMS keys are usable through the service that they encrypt for, not by themselves."""
    needs = NEEDS.get(role, SERVICE_NEEDS)
    queues = list(access.queue_arns.values())
    result: list[Statement] = []
    if "signing" in needs:
        result += [
            _allow(["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"], [access.signing_keys_arn]),
            _allow_key(["kms:Decrypt"], access.operations_key_arn, "secretsmanager", region),
        ]
    if "send" in needs:
        result += [
            _allow(["sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:SendMessage"], queues),
            _allow_key(["kms:Decrypt", "kms:GenerateDataKey"], access.operations_key_arn, "sqs", region),
        ]
    if "receive" in needs:
        result.append(_allow(["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:ReceiveMessage"], queues))
    if "uploads" in needs:
        objects = pulumi.Output.concat(access.uploads_bucket_arn, "/*")
        result += [
            _allow(["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"], [objects]),
            _allow(["s3:ListBucket"], [access.uploads_bucket_arn]),
            _allow_key(["kms:Decrypt", "kms:GenerateDataKey"], access.data_key_arn, "s3", region),
        ]
    return result


def _allow(actions: Sequence[str], targets: Sequence[pulumi.Input[str]]) -> Statement:
    return {"Effect": "Allow", "Action": list(actions), "Resource": list(targets)}


def _allow_key(actions: Sequence[str], key_arn: pulumi.Input[str], service: str, region: str) -> Statement:
    condition = {"StringEquals": {"kms:ViaService": f"{service}.{region}.amazonaws.com"}}
    return {**_allow(actions, [key_arn]), "Condition": condition}


def app_policies(
    namespace: pulumi.Input[str],
    *,
    public_cidrs: Sequence[str],
    data_cidrs: Sequence[str],
    pooler: Mapping[str, str],
    pooler_port: int,
    cache_port: int,
    services: bool,
) -> dict[str, Manifest]:
    """Network policies of the application's pods and of the migration, by name.

    Args:
        namespace: of all of them.
        public_cidrs: the load balancer's subnets.
        data_cidrs: the subnets that databases and caches are in.
        pooler: labels of the pooler's pods, a part of its Services' selectors.
        pooler_port: of those Services.
        cache_port: of the caches.
        services: whether there are roles besides `api`, `realtime` and `worker`, which call one another.
    """
    data = [addresses(cidr) for cidr in data_cidrs]
    peers = [flow([pods(CLIENT)], APP_PORT)] if services else []
    balancer = flow([addresses(cidr) for cidr in public_cidrs], APP_PORT, inbound=True)
    outbound = [flow([pods(pooler)], pooler_port), flow(data, cache_port), *aws_access(), *peers]
    result = {APP: policy(APP, namespace, labels(APP, "policy"), CLIENT, outbound=outbound)}
    if services:
        inbound = [flow([pods(CLIENT)], APP_PORT, inbound=True)]
        result["app-peers"] = policy("app-peers", namespace, labels(APP, "policy"), CLIENT, inbound=inbound)
    for role in ("api", "realtime"):
        name, match = f"app-{role}", {**CLIENT, ROLE_LABEL: role}
        result[name] = policy(name, namespace, labels(APP, "policy"), match, inbound=[balancer])
    # Straight to the database, not through the pooler: migrations hold session locks.
    direct = [flow(data, 5432), https()]
    result[MIGRATION] = policy(MIGRATION, namespace, labels(MIGRATION, "policy"), selector(MIGRATION), outbound=direct)
    return result
