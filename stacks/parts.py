"""What a full region has beside its core: some of it from the first phase, the rest as the phase says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi

from components.canaries import Canaries, CanariesArgs
from components.edge import HEALTH_PATH, Hosts
from components.email import Email, EmailArgs
from components.error_budget import ErrorBudget, ErrorBudgetArgs
from components.experiments import Experiments, ExperimentsArgs
from components.fan_out import FanOut, FanOutArgs
from components.lake import Lake, LakeArgs
from components.machine import Machine, MachineArgs
from components.observability import Observability, ObservabilityArgs
from components.prometheus import Grafana, GrafanaArgs, Prometheus, PrometheusArgs
from components.search import Search, SearchArgs
from components.stream import LakeTable, Stream, StreamArgs
from stacks.phase import Search as SearchSize
from stacks.region import Region

APP_NAMESPACE = "headroom"
"""Kubernetes namespace of the application."""


@dataclass(slots=True)
class Parts:
    """What the pods have to know of the parts.

    Attributes:
        settings: environment variables.
        access: fields of `AwsAccess`.
        queue_urls: further queues that the workers read, by job type.
        queue_arns: their ARNs.
    """

    settings: dict[str, pulumi.Input[str]] = field(default_factory=dict)
    access: dict[str, Any] = field(default_factory=dict)
    queue_urls: dict[str, pulumi.Input[str]] = field(default_factory=dict)
    queue_arns: dict[str, pulumi.Input[str]] = field(default_factory=dict)


def add_parts(region: Region) -> Parts:
    """Add the parts of `region`, whose core stands."""
    phase, parts = region.phase, Parts()
    _send_mail(region, parts)
    _watch(region, parts)
    if phase.telemetry.managed_prometheus:
        _create_prometheus(region)
    if phase.messaging.fan_out:
        _fan_out(region, parts)
    if phase.messaging.event_stream:
        _stream(region, parts)
    if phase.search is not None:
        _search(region, phase.search, parts)
    image, model = region.settings.model_image, region.settings.model_data_url
    if phase.machine.enabled and image is not None and model is not None:
        _learn(region, image, model, parts)
    return parts


def _learn(region: Region, image: str, model: str, parts: Parts) -> None:
    args = MachineArgs(
        image_uri=image,
        model_data_url=model,
        instance_type=region.phase.machine.instance_type,
        account_id=region.account_id,
        vpc_id=region.network.vpc_id,
        subnet_ids=region.network.private_subnet_ids,
        key_arn=region.keys.data_arn,
        log_key_arn=region.keys.operations_arn,
        topics=region.topics,
    )
    machine = Machine(region.named("machine"), region.site, args, region.here)
    parts.settings["MODEL_ENDPOINT"] = machine.endpoint_name
    parts.access["model_endpoint_arn"] = machine.endpoint_arn
    region.extras["modelEndpoint"] = machine.endpoint_name


def _send_mail(region: Region, parts: Parts) -> None:
    args = EmailArgs(
        domain=region.settings.domain,
        cloudflare_zone_id=region.settings.cloudflare_zone_id,
        key_arn=region.keys.operations_arn,
        account_id=region.account_id,
        dedicated_ips=region.phase.messaging.dedicated_sending_ips,
        topics=region.topics,
    )
    email = Email(region.named("email"), region.site, args, region.here)
    parts.settings["MAIL_CONFIGURATION_SET"] = email.configuration_set_name
    parts.access["mail_identity_arn"] = email.identity_arn
    parts.access["mail_configuration_arn"] = email.configuration_set_arn
    parts.queue_urls["email-feedback"] = email.feedback_queue_url
    parts.queue_arns["email-feedback"] = email.feedback_queue_arn


def _watch(region: Region, parts: Parts) -> None:
    """Promises, traces, metrics of the nodes, and visits from outside."""
    phase, telemetry = region.phase, region.phase.telemetry
    budget = ErrorBudgetArgs(
        load_balancer_arn_suffix=region.load_balancer.arn_suffix,
        uptime_percent=phase.targets.uptime_percent,
        topics=region.topics,
    )
    ErrorBudget(region.named("error-budget"), region.site, budget, region.here)
    if telemetry.tracing or telemetry.container_insights:
        args = ObservabilityArgs(
            cluster_name=region.cluster.name,
            account_id=region.account_id,
            key_arn=region.keys.operations_arn,
            namespace=APP_NAMESPACE,
            tracing=telemetry.tracing,
            container_insights=telemetry.container_insights,
            trace_sample_percent=telemetry.trace_sample_percent,
            slow_ms=phase.targets.p95_ms,
            after=region.cluster.node_pools,
            topics=region.topics,
        )
        seen = Observability(region.named("observability"), region.site, args, region.here)
        if seen.otlp_endpoint is not None:
            parts.settings["OTEL_EXPORTER_OTLP_ENDPOINT"] = seen.otlp_endpoint
    if telemetry.canaries:
        hosts = Hosts(region.settings.domain)
        visits: Sequence[str] = (f"https://{hosts.api}{HEALTH_PATH}", f"https://{hosts.domain}/")
        canaries = CanariesArgs(
            account_id=region.account_id, urls=visits, key_arn=region.keys.operations_arn, topics=region.topics
        )
        region.extras["canaryName"] = Canaries(region.named("canary"), region.site, canaries, region.here).canary_name


def _create_prometheus(region: Region) -> None:
    args = PrometheusArgs(
        cluster_arn=region.cluster.arn,
        subnet_ids=region.network.private_subnet_ids,
        security_group_id=region.cluster.security_group_id,
        namespace=APP_NAMESPACE,
        key_arn=region.keys.operations_arn,
        account_id=region.account_id,
        p95_ms=region.phase.targets.p95_ms,
        topics=region.topics,
    )
    prometheus = Prometheus(region.named("prometheus"), region.site, args, region.here)
    region.extras |= {"prometheusWorkspaceId": prometheus.workspace_id, "prometheusEndpoint": prometheus.endpoint}
    if region.site.region == region.phase.home_region:
        grafana = GrafanaArgs(
            account_id=region.account_id, vpc_id=region.network.vpc_id, subnet_ids=region.network.private_subnet_ids
        )
        region.grafana = Grafana(region.named("grafana"), region.site, grafana, region.here)
        region.extras["grafanaEndpoint"] = region.grafana.endpoint


def add_experiments(region: Region, namespace: pulumi.Input[str]) -> None:
    """Add the faults that may be injected into `region`, whose pods are in `namespace`."""
    database = next(iter(region.databases.values()))
    zone = region.settings.zones(region.site.region)[-1]
    network = region.network
    args = ExperimentsArgs(
        account_id=region.account_id,
        key_arn=region.keys.operations_arn,
        stop_alarm_arn=region.load_balancer.outage_alarm_arn,
        provider=region.cluster.provider,
        cluster_arn=region.cluster.arn,
        cluster_name=region.cluster.name,
        namespace=namespace,
        database_arn=database.arn,
        cache_group_arn=region.cache.state_group_arn,
        zone=f"{region.site.region}{zone}",
        zone_subnet_ids=[
            network.public_subnet_ids[-1],
            network.private_subnet_ids[-1],
            network.data_subnet_ids[-1],
        ],
    )
    Experiments(region.named("experiments"), region.site, args, region.here)


def _fan_out(region: Region, parts: Parts) -> None:
    args = FanOutArgs(
        queue_arns=region.messaging.queue_arns,
        key_arn=region.keys.operations_arn,
        account_id=region.account_id,
        topics=region.topics,
    )
    fan_out = FanOut(region.named("events"), region.site, args, region.here)
    parts.settings["EVENTS_TOPIC_ARN"] = parts.access["events_topic_arn"] = fan_out.topic_arn
    region.extras["eventsTopicArn"] = fan_out.topic_arn


def _stream(region: Region, parts: Parts) -> None:
    lake_args = LakeArgs(
        account_id=region.account_id, logs_bucket=region.logs_bucket.bucket_name, key_arn=region.keys.data_arn
    )
    lake = Lake(region.named("lake"), region.site, lake_args, region.here)
    table = LakeTable(
        bucket_arn=lake.bucket_arn,
        bucket_key_arn=region.keys.data_arn,
        database_name=lake.database_name,
        table_name=lake.table_name,
    )
    args = StreamArgs(
        key_arn=region.keys.operations_arn, lake=table, account_id=region.account_id, topics=region.topics
    )
    stream = Stream(region.named("stream"), region.site, args, region.here)
    parts.settings["EVENT_STREAM_NAME"] = stream.stream_name
    parts.access["event_stream_arn"] = stream.stream_arn
    region.extras |= {
        "streamName": stream.stream_name,
        "deliveryName": stream.delivery_name,
        "lakeBucket": lake.bucket_name,
        "workgroupName": lake.workgroup_name,
    }


def _search(region: Region, size: SearchSize, parts: Parts) -> None:
    args = SearchArgs(
        size=size,
        account_id=region.account_id,
        vpc_id=region.network.vpc_id,
        subnet_ids=region.network.data_subnet_ids,
        client_security_group_ids={
            "pods": region.cluster.security_group_id,
            **({"grafana": region.grafana.security_group_id} if region.grafana else {}),
        },
        key_arn=region.keys.data_arn,
        log_key_arn=region.keys.operations_arn,
        topics=region.topics,
    )
    search = Search(region.named("search"), region.site, args, region.here)
    parts.settings["SEARCH_ENDPOINT"] = search.endpoint
    parts.settings["SEARCH_ROLE_ARN"] = search.client_role_arn
    parts.access["search_role_arn"] = search.client_role_arn
    region.extras |= {"searchDomain": search.domain_name, "searchEndpoint": search.endpoint}
