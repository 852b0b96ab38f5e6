"""Metrics of the pods in Prometheus' form: a workspace a region, which AWS fills, and one Grafana to look at them all.

AWS's own collector reads the pods from outside of the cluster, so nothing of it runs on the nodes. With the cluster's
access entries it admits itself, and needs only that the API can be reached from inside the VPC.
https://docs.aws.amazon.com/prometheus/latest/userguide/AMP-collector-how-to.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import pulumi
import pulumi_aws as aws

from components.alarms import AlarmTopics
from components.component import Component, Site
from components.documents import document, trust

SCRAPE_SECONDS = 60
"""The collector is billed by samples: twice as often costs twice as much."""
LOG_DAYS = 30


@dataclass(frozen=True, kw_only=True, slots=True)
class PrometheusArgs:
    """Where the metrics come from.

    Attributes:
        cluster_arn: EKS cluster; its API must be reachable from inside the VPC.
        subnet_ids: of at least two zones, for the collector's interfaces. Another set replaces the collector, which
            holds nothing: some minutes of metrics are missing then.
        security_group_id: of the cluster, which admits the collector to API and pods.
        namespace: of the application.
        key_arn: KMS key of the metrics and of the log group.
        account_id: of this stack.
        p95_ms: the phase's promise.
        topics: who hears of trouble; their policy and key must let `aps.amazonaws.com` publish.
    """

    cluster_arn: pulumi.Input[str]
    subnet_ids: Sequence[pulumi.Input[str]]
    security_group_id: pulumi.Input[str]
    namespace: pulumi.Input[str]
    key_arn: pulumi.Input[str]
    account_id: str
    p95_ms: int
    topics: AlarmTopics


class Prometheus(Component):
    """One region's workspace (150 days), the collector, rules, and alerts to the region's topics."""

    KIND: ClassVar[str] = "telemetry:Prometheus"

    workspace_id: pulumi.Output[str]
    workspace_arn: pulumi.Output[str]
    endpoint: pulumi.Output[str]
    """URL of the workspace's API; `/api/v1/query` is below it."""

    def __init__(self, name: str, site: Site, args: PrometheusArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create the workspace, and what fills and reads it."""
        super().__init__(name, site, opts)
        self._name, self._args = name, args
        workspace = self._create_workspace()
        self._create_collector(workspace)
        self._create_rules(workspace)
        self._create_alert_manager(workspace)
        self.workspace_id = workspace.id
        self.workspace_arn = workspace.arn
        self.endpoint = workspace.prometheus_endpoint
        self.register_outputs({"workspace_id": self.workspace_id, "endpoint": self.endpoint})

    def _create_workspace(self) -> aws.amp.Workspace:
        """Its log says which rules and alerts failed; nothing else does."""
        log = aws.cloudwatch.LogGroup(
            self._name,
            name=f"/aws/vendedlogs/prometheus/{self.site.names.of('workspace', self._name)}",
            retention_in_days=LOG_DAYS,
            kms_key_id=self._args.key_arn,
            opts=self.child(),
        )
        return aws.amp.Workspace(
            self._name,
            alias=self.site.names.of("workspace", self._name),
            kms_key_arn=self._args.key_arn,
            logging_configuration=aws.amp.WorkspaceLoggingConfigurationArgs(
                log_group_arn=pulumi.Output.concat(log.arn, ":*")
            ),
            opts=self.stateful(),
        )

    def _create_collector(self, workspace: aws.amp.Workspace) -> None:
        aws.amp.Scraper(
            self._name,
            alias=self.site.names.of("workspace", self._name),
            source=aws.amp.ScraperSourceArgs(
                eks=aws.amp.ScraperSourceEksArgs(
                    cluster_arn=self._args.cluster_arn,
                    subnet_ids=self._args.subnet_ids,
                    security_group_ids=[self._args.security_group_id],
                )
            ),
            destination=aws.amp.ScraperDestinationArgs(
                amp=aws.amp.ScraperDestinationAmpArgs(workspace_arn=workspace.arn)
            ),
            scrape_configuration=pulumi.Output.from_input(self._args.cluster_arn).apply(_scrape_configuration),
            opts=self.child(),
        )

    def _create_rules(self, workspace: aws.amp.Workspace) -> None:
        p95_ms = self._args.p95_ms
        aws.amp.RuleGroupNamespace(
            self._name,
            name="headroom",
            workspace_id=workspace.id,
            data=pulumi.Output.from_input(self._args.namespace).apply(lambda known: json.dumps(rules(known, p95_ms))),
            opts=self.child(),
        )

    def _create_alert_manager(self, workspace: aws.amp.Workspace) -> None:
        topics = pulumi.Output.all(page=self._args.topics.page_arn, ticket=self._args.topics.ticket_arn)
        region = self.site.region
        aws.amp.AlertManagerDefinition(
            self._name,
            workspace_id=workspace.id,
            definition=topics.apply(lambda known: _alert_manager(known, region)),
            opts=self.child(),
        )


def _scrape_configuration(cluster_arn: str) -> str:
    """Pods that say `prometheus.io/scrape: "true"`, and the containers' use of their nodes.

    JSON is YAML too. What the collector understands of Prometheus' configuration:
    https://docs.aws.amazon.com/prometheus/latest/userguide/AMP-collector-how-to.html#AMP-collector-configuration
    """
    annotation = "__meta_kubernetes_pod_annotation_prometheus_io"
    pods = [
        {"source_labels": [f"{annotation}_scrape"], "action": "keep", "regex": "true"},
        {"source_labels": [f"{annotation}_path"], "action": "replace", "target_label": "__metrics_path__",
         "regex": "(.+)"},
        {"source_labels": ["__address__", f"{annotation}_port"], "action": "replace", "target_label": "__address__",
         "regex": r"([^:]+)(?::\d+)?;(\d+)", "replacement": "$1:$2"},
        {"source_labels": ["__meta_kubernetes_namespace"], "action": "replace", "target_label": "namespace"},
        {"source_labels": ["__meta_kubernetes_pod_name"], "action": "replace", "target_label": "pod"},
    ]  # fmt: skip
    containers = [
        {"target_label": "__address__", "replacement": "kubernetes.default.svc:443"},
        {"source_labels": ["__meta_kubernetes_node_name"], "regex": "(.+)", "target_label": "__metrics_path__",
         "replacement": "/api/v1/nodes/$1/proxy/metrics/cadvisor"},
    ]  # fmt: skip
    return json.dumps(
        {
            "global": {
                "scrape_interval": f"{SCRAPE_SECONDS}s",
                "external_labels": {"cluster": cluster_arn.rpartition("/")[2]},
            },
            "scrape_configs": [
                {"job_name": "pods", "kubernetes_sd_configs": [{"role": "pod"}], "relabel_configs": pods},
                {
                    "job_name": "containers",
                    "scheme": "https",
                    "kubernetes_sd_configs": [{"role": "node"}],
                    "relabel_configs": containers,
                    "metric_relabel_configs": [
                        {
                            "source_labels": ["__name__"],
                            "action": "keep",
                            "regex": "container_(cpu_usage|cpu_cfs_throttled|memory_working_set)_.*",
                        }
                    ],
                },
            ],
        }
    )


def rules(namespace: str, p95_ms: int) -> dict[str, Any]:
    """Prometheus' recording and alert rules, on the metrics that the application's pods serve.

    `http_request_duration_seconds` is a histogram with the labels `route` and `status`; the service mesh's traffic
    between pods is counted by its own metrics.
    """
    inside = f'namespace="{namespace}"'
    requests = f"sum by (route) (rate(http_request_duration_seconds_count{{{inside}}}[5m]))"
    errors = f'sum(rate(http_request_duration_seconds_count{{{inside},status=~"5.."}}[5m]))'
    everything = f"sum(rate(http_request_duration_seconds_count{{{inside}}}[5m]))"
    buckets = f"sum by (le, route) (rate(http_request_duration_seconds_bucket{{{inside}}}[5m]))"
    memory = f'sum by (pod) (container_memory_working_set_bytes{{{inside},container!=""}})'
    records = [
        {"record": "route:requests:rate5m", "expr": requests},
        {"record": "route:latency:p95_5m", "expr": f"histogram_quantile(0.95, {buckets})"},
        {"record": "all:errors:ratio5m", "expr": f"{errors} / {everything}"},
        {"record": "pod:memory:bytes", "expr": memory},
    ]
    alerts = [
        _alert("RouteSlow", f"route:latency:p95_5m > {p95_ms / 1_000} and route:requests:rate5m > 1", "api-latency"),
        _alert("Errors", "all:errors:ratio5m > 0.01", "api-errors"),
        _alert(
            "ThrottledPods",
            f"sum by (pod) (rate(container_cpu_cfs_throttled_seconds_total{{{inside}}}[5m])) > 0.25",
            "node-pressure",
        ),
    ]
    return {"groups": [{"name": "records", "rules": records}, {"name": "alerts", "rules": alerts}]}


def _alert(name: str, expression: str, runbook: str) -> dict[str, Any]:
    """All are tickets: what must wake somebody is an alarm of CloudWatch, which does not need the cluster."""
    return {
        "alert": name,
        "expr": expression,
        "for": "10m",
        "labels": {"severity": "ticket"},
        "annotations": {"summary": f"{name}. Runbook: docs/runbooks/{runbook}.md"},
    }


def _alert_manager(topics: Mapping[str, str], region: str) -> str:
    """AWS's alert manager sends to SNS only, and takes its configuration as a text inside of another."""
    receivers = [
        {
            "name": kind,
            "sns_configs": [
                {
                    "topic_arn": arn,
                    "sigv4": {"region": region},
                    "subject": "{{ .CommonLabels.alertname }}",
                    "attributes": {"severity": kind},
                }
            ],
        }
        for kind, arn in sorted(topics.items())
    ]
    route = {
        "receiver": "ticket",
        "group_by": ["alertname"],
        "repeat_interval": "12h",
        "routes": [{"receiver": "page", "matchers": ['severity="page"']}],
    }
    return json.dumps({"alertmanager_config": json.dumps({"route": route, "receivers": receivers})})


@dataclass(frozen=True, kw_only=True, slots=True)
class GrafanaArgs:
    """Who looks at what.

    Attributes:
        account_id: whose metrics and traces are read, in all regions.
        vpc_id: the home region's VPC, from which search can be reached.
        subnet_ids: private ones, of at least two zones.
        authentication: where users come from: IAM Identity Center of the organisation, or a SAML provider. Another
            one replaces the workspace, and its dashboards with it.
    """

    account_id: str
    vpc_id: pulumi.Input[str]
    subnet_ids: Sequence[pulumi.Input[str]]
    authentication: Literal["AWS_SSO", "SAML"] = "AWS_SSO"


class Grafana(Component):
    """One Grafana for the world, in the home region, which reads Prometheus, CloudWatch, X-Ray and search.

    Who may log in is not decided here: users and groups are assigned in Identity Center, or by SAML's metadata.
    """

    KIND: ClassVar[str] = "telemetry:Grafana"

    workspace_id: pulumi.Output[str]
    endpoint: pulumi.Output[str]
    security_group_id: pulumi.Output[str]
    """Search must admit it."""

    def __init__(self, name: str, site: Site, args: GrafanaArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create the workspace."""
        super().__init__(name, site, opts)
        self._name, self._args = name, args
        role, grants = self._create_role()
        group = self._create_security_group()
        workspace = aws.grafana.Workspace(
            name,
            name=site.names.of("workspace", name),
            account_access_type="CURRENT_ACCOUNT",
            authentication_providers=[args.authentication],
            permission_type="CUSTOMER_MANAGED",
            role_arn=role.arn,
            data_sources=["AMAZON_OPENSEARCH_SERVICE", "CLOUDWATCH", "PROMETHEUS", "XRAY"],
            vpc_configuration=aws.grafana.WorkspaceVpcConfigurationArgs(
                subnet_ids=args.subnet_ids, security_group_ids=[group.id]
            ),
            opts=self.stateful(depends_on=grants),
        )
        self.workspace_id = workspace.id
        self.endpoint = workspace.endpoint
        self.security_group_id = group.id
        self.register_outputs({"workspace_id": self.workspace_id, "endpoint": self.endpoint})

    def _create_role(self) -> tuple[aws.iam.Role, list[pulumi.Resource]]:
        """Reading only; the managed policies are those that AWS makes for Grafana and X-Ray."""
        role = aws.iam.Role(
            self._name,
            name=self.site.names.of("role", self._name),
            assume_role_policy=trust("grafana.amazonaws.com", account_id=self._args.account_id),
            opts=self.child(),
        )
        grants: list[pulumi.Resource] = [
            aws.iam.RolePolicyAttachment(
                f"{self._name}-{policy.rpartition('/')[2]}",
                role=role.name,
                policy_arn=f"arn:aws:iam::aws:policy/{policy}",
                opts=self.child(),
            )
            for policy in ("AWSXrayReadOnlyAccess", "service-role/AmazonGrafanaCloudWatchAccess")
        ]
        policy = aws.iam.RolePolicy(
            self._name,
            name=self._name,
            role=role.name,
            policy=_reader(self._args.account_id),
            opts=self.child(),
        )
        return role, [*grants, policy]

    def _create_security_group(self) -> aws.ec2.SecurityGroup:
        """Everything that Grafana asks goes through the VPC: HTTPS to AWS and to search."""
        group = aws.ec2.SecurityGroup(
            self._name,
            name=self.site.names.of("security_group", self._name),
            description="Grafana, to AWS and to search.",
            vpc_id=self._args.vpc_id,
            opts=self.child(),
        )
        aws.vpc.SecurityGroupEgressRule(
            self._name,
            description="HTTPS.",
            security_group_id=group.id,
            cidr_ipv4="0.0.0.0/0",
            ip_protocol="tcp",
            from_port=443,
            to_port=443,
            opts=self.child(),
        )
        return group


def _reader(account_id: str) -> str:
    """As documented: https://docs.aws.amazon.com/grafana/latest/userguide/AMG-manage-permissions.html."""
    return document(
        {"Effect": "Allow", "Action": ["aps:ListWorkspaces", "es:ListDomainNames"], "Resource": "*"},
        {
            "Effect": "Allow",
            "Action": [
                "aps:DescribeWorkspace",
                "aps:GetLabels",
                "aps:GetMetricMetadata",
                "aps:GetSeries",
                "aps:QueryMetrics",
            ],
            "Resource": f"arn:aws:aps:*:{account_id}:workspace/*",
        },
        {
            "Effect": "Allow",
            "Action": ["es:DescribeElasticsearchDomains", "es:ESHttpGet"],
            "Resource": f"arn:aws:es:*:{account_id}:domain/*",
        },
        {
            "Effect": "Allow",
            "Action": "es:ESHttpPost",
            "Resource": [f"arn:aws:es:*:{account_id}:domain/*/{path}" for path in ("_msearch*", "_plugins/_ppl")],
        },
    )
