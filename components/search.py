"""OpenSearch: the search engine of one region, for full text and completion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import pulumi
import pulumi_aws as aws

from components.alarms import AlarmTopics, Metric, Severity, alarm
from components.component import Component, DataClass, Site
from components.documents import Statement, document
from components.security_group import data_security_group
from stacks.phase import Search as SearchSize

ENGINE_VERSION = "OpenSearch_2.19"
PORT = 443
TLS_POLICY = "Policy-Min-TLS-1-2-PFS-2023-10"
ZONES = 3
LOGS: Mapping[str, tuple[str, int]] = {
    "INDEX_SLOW_LOGS": ("slow-index", 30),
    "SEARCH_SLOW_LOGS": ("slow-search", 30),
    "ES_APPLICATION_LOGS": ("error", 90),
    "AUDIT_LOGS": ("audit", 90),
}
"""Log groups by the type of what the domain publishes, with the days that they keep it."""
LATENCY_MS = 300
"""Promise for a search."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchArgs:
    """What the domain stands on.

    Attributes:
        size: of the phase.
        account_id: this AWS account; its identity policies decide who may become the domain's client.
        vpc_id: the VPC.
        subnet_ids: the data subnets, one in each of the three zones.
        client_security_group_ids: who may connect, by name of the rule.
        key_arn: KMS key of the data, fixed at creation.
        log_key_arn: KMS key of the logs.
        topics: who hears of trouble.
    """

    size: SearchSize
    account_id: str
    vpc_id: pulumi.Input[str]
    subnet_ids: Sequence[pulumi.Input[str]]
    client_security_group_ids: Mapping[str, pulumi.Input[str]]
    key_arn: pulumi.Input[str]
    log_key_arn: pulumi.Input[str]
    topics: AlarmTopics


class Search(Component):
    """One domain in the VPC over three zones: encrypted, TLS only, one role to reach it by, logs and alarms.

    What AWS fixes at creation is in its final shape: VPC, key, name, encryption and fine-grained access control.
    Type, number and storage of the nodes change by a blue/green deployment of AWS's own, without losing the data.
    OpenSearch has no deletion protection; Pulumi's `protect` is all there is.

    An account needs OpenSearch's service-linked role once before its first domain in a VPC. The role is the
    account's, not a stack's: `aws iam create-service-linked-role --aws-service-name opensearchservice.amazonaws.com`.
    https://docs.aws.amazon.com/opensearch-service/latest/developerguide/slr-aos.html
    """

    KIND: ClassVar[str] = "data:Search"
    DATA_CLASS: ClassVar[DataClass] = "confidential"

    arn: pulumi.Output[str]
    domain_name: pulumi.Output[str]
    endpoint: pulumi.Output[str]
    """Host name in the VPC; HTTPS on port 443."""
    client_role_arn: pulumi.Output[str]
    """Role that pods assume to sign their requests."""

    def __init__(self, name: str, site: Site, args: SearchArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create the domain."""
        super().__init__(name, site, opts)
        self._name, self._args = name, args
        self._domain_name = site.names.of("search", name)
        self._domain_arn = f"arn:aws:es:{site.region}:{args.account_id}:domain/{self._domain_name}"
        role = self._create_client_role()
        groups = self._create_log_groups()
        domain = self._create_domain(role, groups, self._create_log_policy(groups))
        self._create_health_alarms()
        self._create_capacity_alarms()

        self.arn = domain.arn
        self.domain_name = domain.domain_name
        self.endpoint = domain.endpoint
        self.client_role_arn = role.arn
        self.register_outputs({"arn": self.arn, "endpoint": self.endpoint, "client_role_arn": self.client_role_arn})

    def _create_client_role(self) -> aws.iam.Role:
        """Fine-grained access control wants one master; as a role of ours it stays when pods' own roles come and go.

        The sessions of EKS Pod Identity carry tags on into the next role, which must allow that.
        https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html
        Nobody changes the domain's own users and roles through it: there are none besides this one.
        """
        role = aws.iam.Role(
            f"{self._name}-client",
            name=self.site.names.of("role", f"{self._name}-client"),
            description="Reads and writes the search engine.",
            assume_role_policy=document(
                {
                    "Effect": "Allow",
                    "Principal": {"AWS": f"arn:aws:iam::{self._args.account_id}:root"},
                    "Action": ["sts:AssumeRole", "sts:TagSession"],
                }
            ),
            opts=self.child(),
        )
        aws.iam.RolePolicy(
            f"{self._name}-client",
            name=f"{self._name}-client",
            role=role.name,
            policy=document(
                {"Effect": "Allow", "Action": "es:ESHttp*", "Resource": f"{self._domain_arn}/*"},
                {
                    "Effect": "Deny",
                    "Action": ["es:ESHttpDelete", "es:ESHttpPatch", "es:ESHttpPost", "es:ESHttpPut"],
                    "Resource": [
                        f"{self._domain_arn}/_plugins/_security/*",
                        f"{self._domain_arn}/_opendistro/_security/*",
                    ],
                },
            ),
            opts=self.child(),
        )
        return role

    def _create_log_groups(self) -> dict[str, aws.cloudwatch.LogGroup]:
        return {
            kind: aws.cloudwatch.LogGroup(
                f"{self._name}-{slug}",
                name=f"/headroom/{self.site.names.stack}/{self._name}/{slug}",
                retention_in_days=days,
                kms_key_id=self._args.log_key_arn,
                opts=self.child(),
            )
            for kind, (slug, days) in LOGS.items()
        }

    def _create_log_policy(self, groups: Mapping[str, aws.cloudwatch.LogGroup]) -> aws.cloudwatch.LogResourcePolicy:
        """One policy for all groups: a region has ten at most."""
        account_id, domain_arn = self._args.account_id, self._domain_arn
        return aws.cloudwatch.LogResourcePolicy(
            f"{self._name}-logs",
            policy_name=self._domain_name,
            policy_document=pulumi.Output.all(*[group.arn for group in groups.values()]).apply(
                lambda arns: document(
                    {
                        "Effect": "Allow",
                        "Principal": {"Service": "es.amazonaws.com"},
                        "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
                        "Resource": [f"{arn}:*" for arn in arns],
                        "Condition": {
                            "StringEquals": {"aws:SourceAccount": account_id},
                            "ArnLike": {"aws:SourceArn": domain_arn},
                        },
                    }
                )
            ),
            opts=self.child(),
        )

    def _create_domain(
        self,
        role: aws.iam.Role,
        groups: Mapping[str, aws.cloudwatch.LogGroup],
        log_policy: aws.cloudwatch.LogResourcePolicy,
    ) -> aws.opensearch.Domain:
        args = self._args
        security_group = data_security_group(
            self,
            self._name,
            service="OpenSearch",
            port=PORT,
            vpc_id=args.vpc_id,
            clients=args.client_security_group_ids,
        )
        access = {
            "Effect": "Allow",
            "Principal": {"AWS": role.arn},
            "Action": "es:ESHttp*",
            "Resource": f"{self._domain_arn}/*",
        }
        # OpenSearch checks at creation whether it may write the logs.
        return aws.opensearch.Domain(
            self._name,
            domain_name=self._domain_name,
            engine_version=ENGINE_VERSION,
            cluster_config=self._cluster(),
            ebs_options=aws.opensearch.DomainEbsOptionsArgs(
                ebs_enabled=True, volume_type="gp3", volume_size=args.size.storage_gib
            ),
            vpc_options=aws.opensearch.DomainVpcOptionsArgs(
                subnet_ids=args.subnet_ids, security_group_ids=[security_group.id]
            ),
            encrypt_at_rest=aws.opensearch.DomainEncryptAtRestArgs(enabled=True, kms_key_id=args.key_arn),
            node_to_node_encryption=aws.opensearch.DomainNodeToNodeEncryptionArgs(enabled=True),
            domain_endpoint_options=aws.opensearch.DomainDomainEndpointOptionsArgs(
                enforce_https=True, tls_security_policy=TLS_POLICY
            ),
            advanced_security_options=aws.opensearch.DomainAdvancedSecurityOptionsArgs(
                enabled=True,
                internal_user_database_enabled=False,
                master_user_options=aws.opensearch.DomainAdvancedSecurityOptionsMasterUserOptionsArgs(
                    master_user_arn=role.arn
                ),
            ),
            access_policies=pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": [access]}),
            log_publishing_options=[
                aws.opensearch.DomainLogPublishingOptionArgs(
                    log_type=kind, cloudwatch_log_group_arn=group.arn, enabled=True
                )
                for kind, group in groups.items()
            ],
            auto_tune_options=aws.opensearch.DomainAutoTuneOptionsArgs(
                desired_state="ENABLED", use_off_peak_window=True, rollback_on_disable="NO_ROLLBACK"
            ),
            off_peak_window_options=_off_peak(hour=3),
            software_update_options=aws.opensearch.DomainSoftwareUpdateOptionsArgs(auto_software_update_enabled=True),
            opts=self.stateful(depends_on=[log_policy], custom_timeouts=_TIMEOUTS),
        )

    def _cluster(self) -> aws.opensearch.DomainClusterConfigArgs:
        """No dedicated masters: three nodes in three zones elect one among them."""
        size = self._args.size
        return aws.opensearch.DomainClusterConfigArgs(
            instance_type=size.instance_type,
            instance_count=size.nodes,
            dedicated_master_enabled=False,
            zone_awareness_enabled=True,
            zone_awareness_config=aws.opensearch.DomainClusterConfigZoneAwarenessConfigArgs(
                availability_zone_count=ZONES
            ),
        )

    def _create_health_alarms(self) -> None:
        """As AWS recommends: https://docs.aws.amazon.com/opensearch-service/latest/developerguide/cloudwatch-alarms.html."""
        self._alarm("red", "A primary shard has no node: searches miss a part of the data.", "ClusterStatus.red")
        self._alarm(
            "yellow",
            "A replica has no node for 5 minutes: one more loss and data is missing.",
            "ClusterStatus.yellow",
            severity="ticket",
            minutes=5,
        )
        self._alarm("writes-blocked", "The search engine refuses writes for 5 minutes.", "ClusterIndexWritesBlocked")
        self._alarm(
            "snapshot",
            "The search engine's hourly snapshot failed.",
            "AutomatedSnapshotFailure",
            severity="ticket",
            minutes=1,
        )
        for slug, metric in (("key-error", "KMSKeyError"), ("key-inaccessible", "KMSKeyInaccessible")):
            self._alarm(slug, "The search engine cannot use its KMS key: it stops, and may be lost.", metric)
        alarm(
            self,
            f"{self._name}-nodes",
            description="A node of the search engine is missing for an hour.",
            runbook="search-cluster",
            severity="ticket",
            topics=self._args.topics,
            metric=self._metric("Nodes", "Minimum"),
            threshold=self._args.size.nodes,
            comparison="LessThanThreshold",
            period_seconds=300,
            evaluation_periods=12,
        )

    def _create_capacity_alarms(self) -> None:
        # In MiB, of the fullest node; AWS recommends a quarter.
        quarter_mib = self._args.size.storage_gib * 1024 // 4
        alarm(
            self,
            f"{self._name}-storage",
            description="A node of the search engine has less than a quarter of its storage free.",
            runbook="search-storage",
            severity="ticket",
            topics=self._args.topics,
            metric=self._metric("FreeStorageSpace", "Minimum"),
            threshold=quarter_mib,
            comparison="LessThanOrEqualToThreshold",
        )
        alarm(
            self,
            f"{self._name}-cpu",
            description="A node of the search engine uses over 80 % of its CPU for 45 minutes.",
            runbook="search-load",
            severity="ticket",
            topics=self._args.topics,
            metric=self._metric("CPUUtilization", "Maximum"),
            threshold=80,
            period_seconds=900,
            evaluation_periods=3,
        )
        alarm(
            self,
            f"{self._name}-memory",
            description="A node of the search engine uses over 95 % of its heap: it may run out of memory.",
            runbook="search-load",
            severity="ticket",
            topics=self._args.topics,
            metric=self._metric("JVMMemoryPressure", "Maximum"),
            threshold=95,
            comparison="GreaterThanOrEqualToThreshold",
            evaluation_periods=3,
        )
        alarm(
            self,
            f"{self._name}-latency",
            description=f"Searches take over {LATENCY_MS} ms on average for 15 minutes.",
            runbook="search-load",
            severity="ticket",
            topics=self._args.topics,
            metric=self._metric("SearchLatency", "Average"),
            threshold=LATENCY_MS,
            period_seconds=300,
            evaluation_periods=3,
        )

    def _alarm(
        self, slug: str, description: str, metric: str, *, severity: Severity = "page", minutes: int = 1
    ) -> None:
        """On a metric that is 1 while something is wrong."""
        alarm(
            self,
            f"{self._name}-{slug}",
            description=description,
            runbook=_RUNBOOKS[slug],
            severity=severity,
            topics=self._args.topics,
            metric=self._metric(metric, "Maximum"),
            threshold=1,
            comparison="GreaterThanOrEqualToThreshold",
            evaluation_periods=minutes,
        )

    def _metric(self, name: str, statistic: str) -> Metric:
        dimensions = {"DomainName": self._domain_name, "ClientId": self._args.account_id}
        return Metric(namespace="AWS/ES", name=name, dimensions=dimensions, statistic=statistic)


def statements(client_role_arn: pulumi.Input[str]) -> list[Statement]:
    """What a pod's role needs to search and to index: to become the domain's client."""
    return [{"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"], "Resource": client_role_arn}]


def _off_peak(hour: int) -> aws.opensearch.DomainOffPeakWindowOptionsArgs:
    """Ten hours from `hour` (UTC) on, for updates and tuning; a domain cannot switch its window off again."""
    start = aws.opensearch.DomainOffPeakWindowOptionsOffPeakWindowWindowStartTimeArgs(hours=hour, minutes=0)
    window = aws.opensearch.DomainOffPeakWindowOptionsOffPeakWindowArgs(window_start_time=start)
    return aws.opensearch.DomainOffPeakWindowOptionsArgs(enabled=True, off_peak_window=window)


_RUNBOOKS = {
    "red": "search-cluster",
    "yellow": "search-cluster",
    "snapshot": "search-cluster",
    "writes-blocked": "search-storage",
    "key-error": "search-key",
    "key-inaccessible": "search-key",
}
_TIMEOUTS = pulumi.CustomTimeouts(create="90m", update="180m", delete="90m")
"""A blue/green deployment copies all data; the provider's defaults are 60, 180 and 90 minutes."""
