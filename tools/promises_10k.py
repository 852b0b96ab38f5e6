"""What is promised for ten thousand monthly users."""

from __future__ import annotations

from collections.abc import Sequence

from tools.promises import Promise, cost, gib, pods, some, span

PROMISES: Sequence[Promise] = (
    Promise(
        text="Ten thousand people use it in a month",
        value=lambda phase: f"{phase.targets.monthly_users:,}",
        reason="Sizes below are made for it; the pods are scaled by what they measure",
        by=[some("kubernetes.HorizontalPodAutoscaler")],
    ),
    Promise(
        text="Several hundred of them at the same moment",
        value=lambda phase: f"{span(phase.targets.concurrent_users)} users",
        by=[some("kubernetes.Deployment", "app-realtime$")],
    ),
    Promise(
        text="One PostgreSQL primary without a replica, backed up by itself",
        value=lambda phase: (
            f"{phase.database.instance_class}, {phase.database.local_replicas} replicas, "
            f"backups of {phase.database.backup_retention_days} days"
        ),
        by=[some("rds.Instance"), some("backup.Plan")],
        reason="Multi-AZ is more than promised: the band has room for a standby",
    ),
    Promise(
        text="The database has room for ten times the data",
        value=lambda phase: (
            f"{phase.database.logical_budget_gib} GiB planned, {phase.database.storage_gib} provisioned, "
            f"up to {phase.database.max_storage_gib}"
        ),
        by=[some("rds.Instance", having="maxAllocatedStorage")],
        reason="RDS sells no gp3 volume below 20 GiB",
    ),
    Promise(
        text="A pooler takes the application's connections",
        value=lambda phase: f"{phase.pooler.client_connections:,} clients on {phase.pooler.pods} pods",
        by=[some("kubernetes.Deployment", "pooler-(writer|reader)$")],
        reason="They are connections to PgBouncer; the server's stay below four fifths of what its class allows",
    ),
    Promise(
        text="Redis for limits that hold across pods, for hot data, and for sessions",
        value=lambda phase: (
            f"{gib(phase.cache.usable_mib)} of {phase.cache.node_type}, and {gib(phase.state.usable_mib)} that "
            "nothing is evicted from"
        ),
        by=[some("elasticache.ReplicationGroup")],
        reason="Two groups: what may be lost at any moment must not push out what may not",
    ),
    Promise(
        text="Two instances of the backend with twice the former size, more when needed",
        value=lambda phase: (
            f"{phase.compute.pods['api'].minimum} to {phase.compute.pods['api'].maximum} of "
            f"{phase.compute.pods['api'].cpu_millicores / 1000:g} vCPU and {gib(phase.compute.pods['api'].memory_mib)}"
        ),
        by=[some("kubernetes.Deployment", "app-api-"), some("kubernetes.PodDisruptionBudget", "app-api-")],
        reason="`sizing: blueprint` requests the roadmap's 2 vCPU; there is no CPU limit in either",
    ),
    Promise(
        text="Something asks each instance whether it is well",
        value=lambda phase: f"{len(phase.compute.pods)} roles",
        by=[some("lb.TargetGroup"), some("kubernetes.TargetGroupBinding")],
        reason="Pods have startup, liveness and readiness probes; liveness never asks the database",
    ),
    Promise(
        text="A free CDN keeps static files, takes floods, and speaks modern TLS",
        value=lambda phase: f"Cloudflare's {phase.edge.cloudflare_plan} plan",
        by=[some("cloudfront.Distribution"), some("DnsRecord", "cloudflare"), some("ZoneSetting")],
    ),
    Promise(
        text="Errors and slowness are seen, and somebody hears of it",
        value=lambda phase: f"{phase.telemetry.trace_sample_percent:g} % of requests sampled",
        by=[some("cloudwatch.MetricAlarm"), some("sns.Topic"), some("cloudwatch.Dashboard")],
        reason="Any service that speaks Sentry's protocol is one setting (`sentryDsn`)",
    ),
    Promise(
        text="The database is tuned: indexes, no query in a loop, results kept, slow queries logged",
        value=lambda phase: f"statements over 1,000 ms, on {phase.database.instance_class}",
        by=[some("rds.ParameterGroup"), some("cloudwatch.LogGroup", "-db-0-")],
        reason="Indexes and queries are the application's; the plans of slow ones are logged for it",
    ),
    Promise(
        text="The API answers fast",
        value=lambda phase: f"p95 below {phase.targets.p95_ms} ms",
        by=[some("cloudwatch.MetricAlarm", "-latency-promise$")],
    ),
    Promise(
        text="The database answers some hundred queries a second",
        value=lambda phase: f"{span(phase.targets.database_queries_per_second)} a second",
        by=[some("rds.Instance"), some("cloudwatch.MetricAlarm", "-db-0-(cpu|latency)$")],
    ),
    Promise(
        text="It is there for most of the month",
        value=lambda phase: f"{phase.targets.uptime_percent} %",
        by=[some("route53.HealthCheck"), some("cloudwatch.MetricAlarm", "^uptime")],
    ),
    Promise(
        text="It costs what was planned",
        value=cost,
        by=[some("budgets.Budget"), some("costexplorer.AnomalyMonitor")],
    ),
    Promise(
        text="Before the next phase: cache, indexes, pooler, CDN and basic monitoring are there",
        value=pods,
        by=[
            some("elasticache.ReplicationGroup"),
            some("kubernetes.Deployment", "pooler-"),
            some("cloudfront.Distribution"),
            some("cloudwatch.MetricAlarm"),
        ],
        reason="`headroom verify` checks all of them but the indexes, which are the application's",
    ),
)
