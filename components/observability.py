"""What runs on the nodes to see them: CloudWatch's agent for Container Insights and traces, and how many traces.

The agent comes as EKS's add-on, so that AWS keeps it current with the cluster. Its logs part stays off: the log
router sends those.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pulumi
import pulumi_aws as aws

from components.alarms import AlarmTopics, Metric, alarm
from components.component import Component, Site
from components.documents import trust

ADD_ON = "amazon-cloudwatch-observability"
AGENT_NAMESPACE = "amazon-cloudwatch"
AGENT_ACCOUNT = "cloudwatch-agent"
OTLP_GRPC_PORT, OTLP_HTTP_PORT = 4317, 4318
"""OpenTelemetry's own ports. The agent listens on its node's address, so a network policy must allow node addresses."""
POLICIES = ("AWSXrayWriteOnlyAccess", "CloudWatchAgentServerPolicy")
PERFORMANCE_LOG_DAYS = 7
"""Container Insights ships its metrics as log lines; CloudWatch keeps the metrics made of them for 15 months."""
SAMPLING_PRIORITY = 1_000
"""Below 10,000, which is AWS's own rule for what no other rule takes."""
RESERVOIR = 1
"""Requests a second that are traced before the rate applies, so that a quiet service is seen too."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ObservabilityArgs:
    """What is collected in one cluster.

    Attributes:
        cluster_name: EKS cluster.
        account_id: of this stack.
        key_arn: KMS key of the agent's log group.
        namespace: of the application, whose restarts count.
        tracing: pods may send traces (OTLP), which go to X-Ray.
        container_insights: metrics of nodes and pods, and the alarms on them.
        trace_sample_percent: of requests, beyond one a second for each service.
        slow_ms: from here on a request is slow.
        after: the node pools: without nodes the add-on never becomes active, and EKS says failed.
        topics: who hears of trouble.
    """

    cluster_name: pulumi.Input[str]
    account_id: str
    key_arn: pulumi.Input[str]
    namespace: pulumi.Input[str]
    tracing: bool
    container_insights: bool
    trace_sample_percent: float
    slow_ms: int
    after: Sequence[pulumi.Resource]
    topics: AlarmTopics


class Observability(Component):
    """CloudWatch's agent on every node, with its role, log group, X-Ray's sampling and the alarms of the nodes.

    Errors and slow requests are not sampled apart: a decision after the end of a request needs a collector that holds
    whole traces, which the agent does not. Error tracking and the error log have every failure all the same.
    """

    KIND: ClassVar[str] = "telemetry:Observability"

    otlp_endpoint: str | None
    """Where pods send traces over HTTP; None without tracing."""

    def __init__(
        self, name: str, site: Site, args: ObservabilityArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Create the add-on, and what it needs."""
        super().__init__(name, site, opts)
        self._name, self._args = name, args
        needs: list[pulumi.Resource] = [*args.after, self._create_identity()]
        if args.container_insights:
            needs.append(self._create_log_group())
            self._create_node_alarms()
            self._create_restart_alarm()
        self._create_add_on(needs)
        if args.tracing:
            self._create_sampling()
            self._create_groups()
        self.otlp_endpoint = (
            f"http://cloudwatch-agent.{AGENT_NAMESPACE}.svc.cluster.local:{OTLP_HTTP_PORT}" if args.tracing else None
        )
        self.register_outputs({"otlp_endpoint": self.otlp_endpoint})

    def _create_identity(self) -> aws.eks.PodIdentityAssociation:
        name = f"{self._name}-agent"
        role = aws.iam.Role(
            name,
            name=self.site.names.of("role", name),
            description=f"Pods of service account {AGENT_ACCOUNT}.",
            assume_role_policy=trust(
                "pods.eks.amazonaws.com",
                account_id=self._args.account_id,
                actions=("sts:AssumeRole", "sts:TagSession"),
            ),
            opts=self.child(),
        )
        attachments: list[pulumi.Resource] = [
            aws.iam.RolePolicyAttachment(
                f"{name}-{policy}", role=role.name, policy_arn=f"arn:aws:iam::aws:policy/{policy}", opts=self.child()
            )
            for policy in POLICIES
        ]
        return aws.eks.PodIdentityAssociation(
            name,
            cluster_name=self._args.cluster_name,
            namespace=AGENT_NAMESPACE,
            service_account=AGENT_ACCOUNT,
            role_arn=role.arn,
            opts=self.child(depends_on=attachments),
        )

    def _create_log_group(self) -> aws.cloudwatch.LogGroup:
        """Made before the agent would make it itself, without retention and in the clear."""
        return aws.cloudwatch.LogGroup(
            f"{self._name}-performance",
            name=pulumi.Output.concat("/aws/containerinsights/", self._args.cluster_name, "/performance"),
            retention_in_days=PERFORMANCE_LOG_DAYS,
            kms_key_id=self._args.key_arn,
            opts=self.child(),
        )

    def _create_add_on(self, needs: list[pulumi.Resource]) -> None:
        """Without a version, EKS takes the newest for the cluster's Kubernetes when it is made, and keeps it."""
        aws.eks.Addon(
            f"{self._name}-agent",
            cluster_name=self._args.cluster_name,
            addon_name=ADD_ON,
            configuration_values=json.dumps(configuration(self._args)),
            resolve_conflicts_on_create="OVERWRITE",
            resolve_conflicts_on_update="OVERWRITE",
            opts=self.child(depends_on=needs),
        )

    def _create_sampling(self) -> None:
        """What clients with X-Ray's remote sampler ask for; the others have the same share from their settings."""
        aws.xray.SamplingRule(
            self._name,
            rule_name=self.site.names.of("sampling_rule", self._name),
            priority=SAMPLING_PRIORITY,
            reservoir_size=RESERVOIR,
            fixed_rate=self._args.trace_sample_percent / 100,
            service_name="*",
            service_type="*",
            host="*",
            http_method="*",
            url_path="*",
            resource_arn="*",
            version=1,
            opts=self.child(),
        )

    def _create_groups(self) -> None:
        """Saved views of X-Ray, each with metrics of its own.

        Syntax: https://docs.aws.amazon.com/xray/latest/devguide/xray-console-filters.html
        """
        expressions = {"faults": "fault = true OR error = true", "slow": f"responsetime > {self._args.slow_ms / 1_000}"}
        for kind, expression in expressions.items():
            name = f"{self._name}-{kind}"
            aws.xray.Group(
                name,
                group_name=self.site.names.of("trace_group", name),
                filter_expression=expression,
                opts=self.child(),
            )

    def _create_node_alarms(self) -> None:
        """The mean over the cluster's nodes, since nodes come and go; disk by the fullest one."""
        for suffix, what, metric, percent, statistic in _NODE_ALARMS:
            alarm(
                self,
                f"{self._name}-{suffix}",
                description=f"{what} is over {percent} % for 15 minutes.",
                runbook="node-pressure",
                severity="ticket",
                topics=self._args.topics,
                metric=Metric(
                    namespace="ContainerInsights",
                    name=metric,
                    dimensions={"ClusterName": self._args.cluster_name},
                    statistic=statistic,
                ),
                threshold=percent,
                period_seconds=300,
                evaluation_periods=3,
            )

    def _create_restart_alarm(self) -> None:
        """Over all pods by a query: a metric's dimensions name one workload each, and releases add and remove them."""
        name = f"{self._name}-restarts"
        known = pulumi.Output.all(cluster=self._args.cluster_name, namespace=self._args.namespace)
        aws.cloudwatch.MetricAlarm(
            name,
            name=self.site.names.of("alarm", name),
            alarm_description=(
                "Containers of the application restarted more than 5 times in 15 minutes. "
                "Runbook: docs/runbooks/pod-restarts.md"
            ),
            metric_queries=[
                aws.cloudwatch.MetricAlarmMetricQueryArgs(
                    id="restarts",
                    expression=known.apply(_restarts),
                    period=900,
                    label="Restarts",
                    return_data=True,
                )
            ],
            evaluation_periods=1,
            threshold=5,
            comparison_operator="GreaterThanThreshold",
            treat_missing_data="notBreaching",
            alarm_actions=[self._args.topics.ticket_arn],
            ok_actions=[self._args.topics.ticket_arn],
            opts=self.child(),
        )


_NODE_ALARMS = (
    ("node-cpu", "The nodes' mean CPU use", "node_cpu_utilization", 80, "Average"),
    ("node-memory", "The nodes' mean memory use", "node_memory_utilization", 85, "Average"),
    ("node-disk", "The fullest node's disk use", "node_filesystem_utilization", 80, "Maximum"),
)
"""Names and dimensions: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Container-Insights-metrics-enhanced-EKS.html."""


def _restarts(known: Mapping[str, str]) -> str:
    """CloudWatch Metrics Insights; an alarm's query may look at the last three hours only."""
    schema = "SCHEMA(ContainerInsights, ClusterName, Namespace, PodName)"
    where = f"ClusterName = '{known['cluster']}' AND Namespace = '{known['namespace']}'"
    return f"SELECT SUM(pod_number_of_container_restarts) FROM {schema} WHERE {where}"  # noqa: S608 - no database: CloudWatch's language


def configuration(args: ObservabilityArgs) -> dict[str, Any]:
    """The add-on's configuration: the agent's own, and its companions off.

    Container Insights is told in the agent's configuration: its metrics have CloudWatch names then, which the alarms
    and the dashboard use. The form that collects OpenTelemetry metrics is off unless asked for (EKS add-on 6.2).
    Keys: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/install-CloudWatch-Observability-EKS-addon.html
    """
    agent: dict[str, Any] = {}
    if args.container_insights:
        agent["logs"] = {"metrics_collected": {"kubernetes": {"enhanced_container_insights": True}}}
    if args.tracing:
        receiver = {"grpc_endpoint": f"0.0.0.0:{OTLP_GRPC_PORT}", "http_endpoint": f"0.0.0.0:{OTLP_HTTP_PORT}"}
        agent["traces"] = {"traces_collected": {"otlp": receiver}}
    return {
        "agent": {"config": agent},
        "containerLogs": {"enabled": False},
        # Otherwise the operator instruments what it finds, at a cost for each request.
        "manager": {"applicationSignals": {"autoMonitor": {"monitorAllServices": False}}},
    }
