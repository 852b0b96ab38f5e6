"""What is promised for a million monthly users."""

from __future__ import annotations

from collections.abc import Sequence

from tools.promises import Promise, cost, gib, pods, some, span
from tools.promises_250k import regions, services

PROMISES: Sequence[Promise] = (
    Promise(
        text="Half a million to a million people use it in a month",
        value=lambda phase: f"{phase.targets.monthly_users:,}",
        by=[some("kubernetes.HorizontalPodAutoscaler")],
    ),
    Promise(
        text="Fifty thousand of them at the same moment, a hundred thousand at most",
        value=lambda phase: f"{span(phase.targets.concurrent_users)} users",
        by=[some("kubernetes.Deployment", "app-realtime$")],
    ),
    Promise(
        text="Primaries of 16 vCPU and 128 GB",
        value=lambda phase: f"{len(phase.regions)} x {phase.database.instance_class}",
        by=[some("rds.Instance", "-db-0-primary$")],
        reason="A quarter of it each: fifteen of the named class alone exceed the band; `sizing: blueprint` has them",
    ),
    Promise(
        text="Ten read replicas and more, over three regions",
        value=lambda phase: (
            f"{len(phase.regions) * (phase.database.local_replicas + phase.database.remote_replicas)} replicas"
        ),
        by=[some("rds.Instance", having="replicateSourceDb")],
    ),
    Promise(
        text="In each region a primary and three replicas",
        value=lambda phase: (
            f"{phase.database.local_replicas} local and {phase.database.remote_replicas} in another region each"
        ),
        by=[some("rds.Instance", "-db-0-primary$"), some("rds.Instance", having="replicateSourceDb")],
        reason="The one elsewhere is for the loss of a region",
    ),
    Promise(
        text="Five to ten shards",
        value=lambda phase: f"{phase.database.logical_shards} logical shards, {phase.database.placement}",
        by=[some("kubernetes.ConfigMap", "app-config")],
        reason="On the regional primaries; `overrides.database.placement: dedicated` gives each its own",
    ),
    Promise(
        text="The pooler takes ten thousand connections and more",
        value=lambda phase: f"{len(phase.regions) * phase.pooler.client_connections:,} clients over all regions",
        by=[some("kubernetes.Deployment", "pooler-(writer|reader)$")],
    ),
    Promise(
        text="The database has room for half a terabyte to a whole one",
        value=lambda phase: f"{phase.database.storage_gib} to {phase.database.max_storage_gib:,} GiB a primary",
        by=[some("rds.Instance", having="maxAllocatedStorage")],
    ),
    Promise(
        text="Databases that are distributed by themselves are weighed",
        value=lambda phase: f"{phase.database.logical_shards} shards of PostgreSQL",
        reason="Weighed and not taken ([why](decisions/0008-distributed-sql.md))",
    ),
    Promise(
        text="Some services have a database of their own",
        value=lambda phase: f"{phase.database.logical_shards} databases",
        by=[some("rds.Instance", "-db-0-primary$")],
        reason="Decided otherwise: services share a user's shard, so that one transaction can span them",
    ),
    Promise(
        text="What matters is kept as events, with a trail of who did what",
        value=lambda phase: "event stream on" if phase.messaging.event_stream else "off",
        by=[some("kinesis.Stream"), some("s3.Bucket", "lake"), some("cloudtrail.Trail")],
        reason="The append-only table is the application's; the stream and the lake keep what it publishes",
    ),
    Promise(
        text="Redis of fifty gigabytes on ten nodes and more, copied between regions",
        value=lambda phase: (
            f"{gib(phase.cache.usable_mib + phase.state.usable_mib)} on {phase.cache.nodes + phase.state.nodes} nodes "
            "in each region"
        ),
        by=[some("elasticache.ReplicationGroup"), some("elasticache.GlobalReplicationGroup")],
    ),
    Promise(
        text="Redis that is written in every region",
        value=lambda phase: f"{len(phase.regions)} regions, {phase.home_region} writes the shared cache",
        by=[some("elasticache.ReplicationGroup", "state"), some("elasticache.GlobalReplicationGroup")],
        reason="ElastiCache has no such thing: each region writes its own state, and the shared cache has one writer",
    ),
    Promise(
        text="A Kubernetes cluster in each of three regions",
        value=regions,
        by=[some("eks.Cluster")],
    ),
    Promise(
        text="Fifty to two hundred pods, at least fifty in each region",
        value=pods,
        by=[some("kubernetes.HorizontalPodAutoscaler"), some("kubernetes.NodePool")],
    ),
    Promise(
        text="Pods of 16 GB",
        value=lambda phase: f"{gib(max(one.memory_mib for one in phase.compute.pods.values()))} at most",
        by=[some("kubernetes.Deployment", "app-api-")],
        reason="Pods have what they use; 3.2 TB of memory would cost more than the band. `sizing: blueprint` has it",
    ),
    Promise(
        text="A service mesh for safety and for what can be seen",
        value=lambda phase: "mesh on" if phase.compute.mesh else "mesh off",
        by=[some("kubernetes.Release"), some("kubernetes.PeerAuthentication")],
    ),
    Promise(
        text="An API gateway of the enterprise class, with limits",
        value=lambda phase: "for partners and webhooks" if phase.edge.partner_api else "none",
        by=[some("apigatewayv2.Api"), some("apigatewayv2.Stage"), some("wafv2.WebAcl")],
        reason="Limits of the product's own traffic are in WAF and in the application",
    ),
    Promise(
        text="Ten services and more, gRPC within, GraphQL for those who want it",
        value=lambda phase: ", ".join(services(phase)),
        by=[some("kubernetes.Deployment", "app-(auth|leads|email|video|analytics|campaigns|companies)$")],
        reason="Ports and network policies let gRPC through. The application here answers neither gRPC nor GraphQL yet",
    ),
    Promise(
        text="A CDN of the enterprise class with code at the edge, and shelter from floods",
        value=lambda phase: (
            f"Cloudflare {phase.edge.cloudflare_plan}, workers {'on' if phase.edge.edge_workers else 'off'}"
        ),
        by=[some("WorkersScript"), some("cloudfront.Distribution"), some("wafv2.WebAcl")],
        reason="The enterprise plan and Shield Advanced are contracts of their own; WAF and both CDNs do without",
    ),
    Promise(
        text="A million events a day and more, in order, to be read again",
        value=lambda phase: "Kinesis on demand" if phase.messaging.event_stream else "off",
        by=[some("kinesis.Stream"), some("kinesis.FirehoseDeliveryStream")],
    ),
    Promise(
        text="A search cluster of three nodes in each region, new within seconds",
        value=lambda phase: f"{phase.search.nodes} x {phase.search.instance_type} a region" if phase.search else "none",
        by=[some("opensearch.Domain"), some("sqs.Queue", "search-index")],
    ),
    Promise(
        text="A lake of events to ask questions of",
        value=lambda phase: f"{len(phase.regions)} lakes" if phase.messaging.event_stream else "none",
        by=[some("glue.CatalogTable"), some("athena.Workgroup")],
    ),
    Promise(
        text="Prometheus, Grafana, traces, searchable logs, and somebody's telephone",
        value=lambda phase: "Prometheus" if phase.telemetry.managed_prometheus else "CloudWatch only",
        by=[some("amp.Workspace"), some("grafana.Workspace"), some("xray.SamplingRule"), some("sns.Topic", "page")],
        reason="PagerDuty is one setting (`pagerdutyUrl`); logs are searched in CloudWatch",
    ),
    Promise(
        text="Machine learning on GPUs",
        value=lambda phase: f"{'on' if phase.machine.enabled else 'off'}, {phase.machine.instance_type}",
        reason="Built and off in every phase: without a model there is nothing to deploy, and a GPU costs each hour",
    ),
    Promise(
        text="Users reach the nearest of three regions, and another when it is down",
        value=regions,
        by=[some("route53.Record", "origin"), some("route53.HealthCheck")],
    ),
    Promise(
        text="Each region is whole: pods, PostgreSQL, Redis, search, buckets, monitoring",
        value=lambda phase: f"{len(phase.regions)} regions",
        by=[
            some("eks.Cluster"),
            some("rds.Instance", "-db-0-primary$"),
            some("elasticache.ReplicationGroup"),
            some("opensearch.Domain"),
            some("s3.Bucket", "-uploads"),
            some("cloudwatch.MetricAlarm"),
        ],
    ),
    Promise(
        text="The API answers fast everywhere",
        value=lambda phase: f"p95 below {phase.targets.p95_ms} ms in each region",
        by=[some("cloudwatch.MetricAlarm", "-latency-promise$")],
    ),
    Promise(
        text="The databases answer fifty thousand queries a second",
        value=lambda phase: f"{span(phase.targets.database_queries_per_second)} a second",
        by=[some("rds.Instance")],
    ),
    Promise(
        text="It is away for less than four and a half hours in a year",
        value=lambda phase: f"{phase.targets.uptime_percent} %",
        by=[some("synthetics.Canary"), some("route53.HealthCheck"), some("fis.ExperimentTemplate")],
    ),
    Promise(text="It costs what was planned", value=cost, by=[some("budgets.Budget")]),
    Promise(
        text="At the end: databases over regions, global CDN, mesh, stream, learning, full sight, a plan for disaster",
        value=lambda phase: (
            f"{phase.targets.recovery_time_minutes} min to serve again, {phase.targets.recovery_point_minutes} min lost"
        ),
        by=[
            some("rds.Instance", having="replicateSourceDb"),
            some("cloudfront.Distribution"),
            some("kubernetes.Release"),
            some("kinesis.Stream"),
            some("amp.Workspace"),
            some("backup.Vault"),
        ],
        reason="Learning is a flag; the plan for disaster is in docs/procedures",
    ),
)
