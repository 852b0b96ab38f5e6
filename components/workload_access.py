"""What each role of the application may reach: AWS by IAM statements, everything else by network policies."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pulumi

from components.documents import Statement
from components.machine import statements as model_statements
from components.network_policies import (
    MESH_PORT,
    MESH_PROBES,
    addresses,
    aws_access,
    flow,
    https,
    namespace_pods,
    pods,
    policy,
)
from components.observability import AGENT_NAMESPACE, OTLP_GRPC_PORT, OTLP_HTTP_PORT
from components.pods import APP_PORT, GRPC_PORT, ROLE_LABEL, Manifest, labels, selector
from components.search import statements as search_statements

APP = "app"
IMAGES = "images"
"""Role and name of the pods that resize images. Not of `APP`: they reach neither databases nor secrets."""
PUBLIC_UPLOADS = "public"
"""Where in the bucket of uploads the application puts what anybody may see: all that those pods may read."""
MIGRATION = "migration"
UPKEEP = "upkeep"
"""Role and name of the nightly job, which is fenced as the migration is."""
CLIENT = selector(APP)
"""Labels of the pods that may connect to the pooler."""

Need = Literal["signing", "send", "uploads", "originals", "events", "search", "model"]

NEEDS: Mapping[str, frozenset[Need]] = {
    "api": frozenset({"signing", "send", "uploads", "events", "search", "model"}),
    "analytics": frozenset({"signing", "send", "events", "model"}),
    "realtime": frozenset({"signing"}),
    "worker": frozenset({"send", "uploads", "events", "search"}),
    IMAGES: frozenset({"originals"}),
    "search": frozenset({"signing", "send", "events", "search"}),
    "video": frozenset({"signing", "send", "uploads", "events"}),
}
SERVICE_NEEDS: frozenset[Need] = frozenset({"signing", "send", "events"})
"""Of the services that `NEEDS` does not name: they check tokens, hand work to the queues and tell what happened."""
CONSUMERS: Mapping[str, str] = {
    "analytics": "analytics",
    "email": "email",
    "email-feedback": "email",
    "leads": "leads",
    "search-index": "search",
    "video": "video",
}
"""The service that does a queue's jobs once it has pods of its own; until then, and for other queues, `worker` does."""


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
        operations_key_arn: KMS key of queues, events and secrets.
        events_topic_arn: SNS topic in front of the queues.
        event_stream_arn: Kinesis stream of what happened.
        search_role_arn: role that searches and indexes, to be assumed.
        model_endpoint_arn: SageMaker endpoint.
        mail_identity_arn: domain that mail is sent from.
        mail_configuration_arn: SES configuration set that it is sent with.
    """

    queue_urls: Mapping[str, pulumi.Input[str]]
    queue_arns: Mapping[str, pulumi.Input[str]]
    uploads_bucket: pulumi.Input[str]
    uploads_bucket_arn: pulumi.Input[str]
    signing_keys_arn: pulumi.Input[str]
    data_key_arn: pulumi.Input[str]
    operations_key_arn: pulumi.Input[str]
    events_topic_arn: pulumi.Input[str] | None = None
    event_stream_arn: pulumi.Input[str] | None = None
    search_role_arn: pulumi.Input[str] | None = None
    model_endpoint_arn: pulumi.Input[str] | None = None
    mail_identity_arn: pulumi.Input[str] | None = None
    mail_configuration_arn: pulumi.Input[str] | None = None


def jobs(role: str, roles: Collection[str], queues: Iterable[str]) -> list[str]:
    """The queues, by job type, that a role reads while there are pods of `roles`: each queue has one reader."""
    return [queue for queue in queues if role == (CONSUMERS[queue] if CONSUMERS.get(queue) in roles else "worker")]


def statements(role: str, access: AwsAccess, region: str, roles: Collection[str]) -> list[Statement]:
    """IAM statements of a role among `roles`.

    KMS keys are usable through the service that they encrypt for, not by themselves.
    """
    needs = NEEDS.get(role, SERVICE_NEEDS)
    reads = jobs(role, roles, access.queue_arns)
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
    if reads:
        own = [access.queue_arns[queue] for queue in reads]
        result.append(_allow(["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:ReceiveMessage"], own))
    mail = [arn for arn in (access.mail_identity_arn, access.mail_configuration_arn) if arn is not None]
    if "email" in reads and mail:
        result.append(_allow(["ses:SendEmail", "ses:SendRawEmail"], mail))
    objects = pulumi.Output.concat(access.uploads_bucket_arn, "/*")
    if "uploads" in needs:
        result += [
            _allow(["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"], [objects]),
            _allow(["s3:ListBucket"], [access.uploads_bucket_arn]),
            _allow_key(["kms:Decrypt", "kms:GenerateDataKey"], access.data_key_arn, "s3", region),
        ]
    if "originals" in needs:
        public = pulumi.Output.concat(access.uploads_bucket_arn, f"/{PUBLIC_UPLOADS}/*")
        result += [
            _allow(["s3:GetObject"], [public]),
            _allow_key(["kms:Decrypt"], access.data_key_arn, "s3", region),
        ]
    if "events" in needs:
        result += _tell(access, region)
    if "model" in needs and access.model_endpoint_arn is not None:
        result += model_statements(access.model_endpoint_arn)
    if "search" in needs and access.search_role_arn is not None:
        result += search_statements(access.search_role_arn)
    return result


def _tell(access: AwsAccess, region: str) -> list[Statement]:
    """Publish to whom it may concern, and to the record of what happened."""
    result: list[Statement] = []
    if access.events_topic_arn is not None:
        result += [
            _allow(["sns:Publish"], [access.events_topic_arn]),
            _allow_key(["kms:Decrypt", "kms:GenerateDataKey"], access.operations_key_arn, "sns", region),
        ]
    if access.event_stream_arn is not None:
        result += [
            _allow(
                ["kinesis:DescribeStreamSummary", "kinesis:PutRecord", "kinesis:PutRecords"], [access.event_stream_arn]
            ),
            _allow_key(["kms:GenerateDataKey"], access.operations_key_arn, "kinesis", region),
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
    images: bool,
    collector_cidrs: Sequence[str],
    mesh: bool,
) -> dict[str, Manifest]:
    """Network policies of the application's pods and of the migration, by name.

    Args:
        namespace: of all of them.
        public_cidrs: the load balancer's subnets.
        data_cidrs: the subnets that databases and caches are in, of every region that the pods use.
        pooler: labels of the pooler's pods, a part of its Services' selectors.
        pooler_port: of those Services.
        cache_port: of the caches.
        services: whether there are services, which call one another.
        images: whether there are pods that resize images.
        collector_cidrs: the nodes' subnets, where the collectors of traces and metrics are; none without them.
        mesh: whether the namespace is in the mesh.
    """
    data = [addresses(cidr) for cidr in data_cidrs]
    tunnel = (MESH_PORT,) if mesh else ()
    peer_ports = (APP_PORT, GRPC_PORT, *tunnel)
    balancer = flow([addresses(cidr) for cidr in public_cidrs], APP_PORT, inbound=True)
    # The Service by its namespace, and behind it pods that have their node's address, which no selector finds.
    collector = [namespace_pods(AGENT_NAMESPACE), *(addresses(cidr) for cidr in collector_cidrs)]
    traces = [flow(collector, OTLP_GRPC_PORT, OTLP_HTTP_PORT)] if collector_cidrs else []
    peers = [flow([pods(CLIENT)], *peer_ports)] if services else []
    databases = [flow([pods(pooler)], pooler_port, *tunnel), flow(data, cache_port)]
    result: dict[str, Manifest] = {}

    def add(
        name: str, match: Mapping[str, str], inbound: Sequence[Manifest] = (), outbound: Sequence[Manifest] = ()
    ) -> None:
        own_labels = labels(MIGRATION if name == MIGRATION else APP, "policy")
        result[name] = policy(name, namespace, own_labels, match, inbound=inbound, outbound=outbound)

    add(APP, CLIENT, outbound=[*databases, *aws_access(), *peers, *traces])
    if services:
        add("app-peers", CLIENT, inbound=[flow([pods(CLIENT)], *peer_ports, inbound=True)])
    for role in ("api", "realtime"):
        add(f"app-{role}", {**CLIENT, ROLE_LABEL: role}, inbound=[balancer])
    if images:
        add(IMAGES, selector(IMAGES), inbound=[balancer], outbound=[*aws_access(), *traces])
    if mesh:
        add("mesh-pooler", pooler, inbound=[flow([pods(CLIENT)], MESH_PORT, inbound=True)])
        add("mesh-probes", {}, inbound=[flow([addresses(MESH_PROBES)], APP_PORT, pooler_port, inbound=True)])
    # Straight to the database, not through the pooler: migrations hold session locks.
    if collector_cidrs:
        asks = flow([addresses(cidr) for cidr in collector_cidrs], APP_PORT, inbound=True)
        add("app-metrics", CLIENT, inbound=[asks])
    add(MIGRATION, selector(MIGRATION), outbound=[flow(data, 5432), https()])
    return result
