"""What is promised for a quarter of a million monthly users."""

from __future__ import annotations

from collections.abc import Sequence

from stacks.phase import SERVICES, Phase
from tools.promises import Promise, cost, gib, pods, some, span


def services(phase: Phase) -> list[str]:
    """Roles that were taken out of the api and the worker."""
    return [role for role in phase.compute.pods if role in SERVICES]


def regions(phase: Phase) -> str:
    """Where it stands."""
    return ", ".join([*phase.regions, *(f"{region} (reads)" for region in phase.read_regions)])


PROMISES: Sequence[Promise] = (
    Promise(
        text="A quarter of a million people use it in a month",
        value=lambda phase: f"{phase.targets.monthly_users:,}",
        by=[some("kubernetes.HorizontalPodAutoscaler")],
    ),
    Promise(
        text="Ten thousand and more of them at the same moment",
        value=lambda phase: f"{span(phase.targets.concurrent_users)} users",
        by=[some("kubernetes.Deployment", "app-realtime$")],
    ),
    Promise(
        text="A primary of 4 vCPU and 32 GB",
        value=lambda phase: (
            f"{phase.database.instance_class}, {phase.database.memory_gib(phase.database.instance_class)} GiB"
        ),
        by=[some("rds.Instance", "-db-0-primary$")],
        reason="The same size on AWS's own processor; `sizing: blueprint` has the roadmap's class",
    ),
    Promise(
        text="Several read replicas, not all in one region",
        value=lambda phase: (
            f"{phase.database.local_replicas} local, {phase.database.remote_replicas} in another region"
        ),
        by=[some("rds.Instance", having="replicateSourceDb"), some("ec2.VpcPeeringConnection")],
    ),
    Promise(
        text="The primary has a standby in another zone",
        value=lambda phase: "Multi-AZ" if phase.database.multi_az else "single zone",
        by=[some("rds.Instance", "-db-0-primary$", "multiAz")],
    ),
    Promise(
        text="The pooler takes more than twice as many connections",
        value=lambda phase: f"{phase.pooler.client_connections:,} clients on {phase.pooler.pods} pods",
        by=[some("kubernetes.Deployment", "pooler-writer$"), some("kubernetes.Deployment", "pooler-reader$")],
    ),
    Promise(
        text="The database has room for four times the data",
        value=lambda phase: (
            f"{phase.database.logical_budget_gib} GiB planned, {phase.database.storage_gib} provisioned"
        ),
        by=[some("rds.Instance", having="maxAllocatedStorage")],
        reason="From 400 GiB on gp3 gives four times the IOPS at the same price",
    ),
    Promise(
        text="Users are spread over several databases by their id",
        value=lambda phase: f"{phase.database.logical_shards} logical shards, {phase.database.placement}",
        by=[some("kubernetes.ConfigMap", "app-config")],
        reason="256 slots are routed by the shard map; a slot moves when somebody moves it, never by growing",
    ),
    Promise(
        text="Redis is a cluster of ten times the memory",
        value=lambda phase: (
            f"{gib(phase.cache.usable_mib)} on {phase.cache.shards} shards of {phase.cache.node_type}, "
            f"{gib(phase.state.usable_mib)} of state"
        ),
        by=[some("elasticache.ReplicationGroup")],
    ),
    Promise(
        text="Redis fails over between zones by itself",
        value=lambda phase: f"{phase.cache.replicas_per_shard} replica a shard",
        by=[some("elasticache.ReplicationGroup", having="multiAzEnabled")],
    ),
    Promise(
        text="Kubernetes runs ten to fifty pods behind a load balancer",
        value=pods,
        by=[some("eks.Cluster"), some("kubernetes.NodePool"), some("lb.LoadBalancer")],
    ),
    Promise(
        text="Or else ten to twenty instances of 8 GB",
        value=lambda phase: f"{gib(phase.compute.pods['api'].memory_mib)} an api pod",
        by=[some("kubernetes.Deployment", "app-api-")],
        reason="The other option was taken; `sizing: blueprint` gives its memory to the pods",
    ),
    Promise(
        text="A larger CDN plan keeps answers of the API and makes images small at the edge",
        value=lambda phase: (
            f"Cloudflare {phase.edge.cloudflare_plan}, images {'on' if phase.edge.image_resizing else 'off'}"
        ),
        by=[some("cloudfront.Distribution"), some("cloudfront.CachePolicy")],
        reason="Only what `anonymousApiPaths` lists is kept: an answer made for one person is never another's",
    ),
    Promise(
        text="A search engine finds leads, companies and contacts, and completes what is typed",
        value=lambda phase: f"{phase.search.nodes} x {phase.search.instance_type}" if phase.search else "none",
        by=[some("opensearch.Domain")],
    ),
    Promise(
        text="Services tell each other by events",
        value=lambda phase: (
            f"{len(phase.messaging.queues)} queues, fan-out {'on' if phase.messaging.fan_out else 'off'}"
        ),
        by=[some("sns.Topic", "events|fan-out"), some("sns.TopicSubscription"), some("sqs.Queue")],
    ),
    Promise(
        text="Logs in one place, figures of our own, alarms on them",
        value=lambda phase: "Container Insights" if phase.telemetry.container_insights else "no Container Insights",
        by=[
            some("kubernetes.DaemonSet", "log-router"),
            some("eks.Addon", "observability"),
            some("cloudwatch.MetricAlarm"),
        ],
        reason="Logs are searched in CloudWatch, where they are; no search cluster stands for them alone",
    ),
    Promise(
        text="Five services of their own",
        value=lambda phase: ", ".join(services(phase)),
        by=[some("kubernetes.Deployment", "app-(auth|leads|email|video|analytics)$")],
        reason="One image; a variable says the role",
    ),
    Promise(
        text="An API gateway in front",
        value=lambda phase: "for partners and webhooks" if phase.edge.partner_api else "none",
        by=[some("apigatewayv2.Api")],
        reason="Not for the product's own traffic, which CloudFront, WAF and the load balancer already limit and route",
    ),
    Promise(
        text="A service mesh if wanted, gRPC between services",
        value=lambda phase: "mesh on" if phase.compute.mesh else "mesh off, ready",
        by=[some("kubernetes.Service", "app-(auth|leads|email|video|analytics)-")],
        reason="Ports and network policies let gRPC through. No service of the application here calls another yet",
    ),
    Promise(
        text="Large tables in parts by date, views made in advance, reads apart from writes",
        value=lambda phase: f"{phase.database.local_replicas + phase.database.remote_replicas} replicas to read from",
        by=[some("rds.ParameterGroup"), some("kubernetes.Deployment", "pooler-reader$")],
        reason="pg_cron and the readers' pooler are there; tables and views are the application's",
    ),
    Promise(
        text="A second region begins",
        value=regions,
        by=[some("ec2.Vpc"), some("ec2.VpcPeeringConnection"), some("backup.Vault")],
        reason="It holds copies and answers reads; the third one and everything else come with the next phase",
    ),
    Promise(
        text="The API answers fast",
        value=lambda phase: f"p95 below {phase.targets.p95_ms} ms",
        by=[some("cloudwatch.MetricAlarm", "-latency-promise$")],
    ),
    Promise(
        text="The database answers thousands of queries a second",
        value=lambda phase: f"{span(phase.targets.database_queries_per_second)} a second",
        by=[some("rds.Instance")],
    ),
    Promise(
        text="It is away for less than nine hours in a year",
        value=lambda phase: f"{phase.targets.uptime_percent} %",
        by=[some("synthetics.Canary"), some("route53.HealthCheck")],
    ),
    Promise(text="It costs what was planned", value=cost, by=[some("budgets.Budget")]),
    Promise(
        text="Before the next phase: cluster, services, shards, second region, caches, search and gateway are there",
        value=lambda phase: f"{phase.database.logical_shards} shards, {regions(phase)}",
        by=[
            some("eks.Cluster"),
            some("ec2.Vpc"),
            some("elasticache.ReplicationGroup"),
            some("opensearch.Domain"),
            some("apigatewayv2.Api"),
        ],
    ),
)
