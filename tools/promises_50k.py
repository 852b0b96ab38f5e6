"""What is promised for fifty thousand monthly users."""

from __future__ import annotations

from collections.abc import Sequence

from tools.promises import Promise, cost, gib, some, span

PROMISES: Sequence[Promise] = (
    Promise(
        text="Fifty thousand people use it in a month",
        value=lambda phase: f"{phase.targets.monthly_users:,}",
        by=[some("kubernetes.HorizontalPodAutoscaler")],
    ),
    Promise(
        text="Some thousands of them at the same moment",
        value=lambda phase: f"{span(phase.targets.concurrent_users)} users",
        by=[some("kubernetes.Deployment", "app-realtime$")],
    ),
    Promise(
        text="A managed PostgreSQL of two vCPU",
        value=lambda phase: f"{phase.database.instance_class}, {phase.database.storage_gib} GiB",
        by=[some("rds.Instance", "-db-0-primary$")],
        reason="Not burstable, so that load does not use up credits; `sizing: blueprint` has the roadmap's class",
    ),
    Promise(
        text="A primary and a read replica",
        value=lambda phase: f"{phase.database.local_replicas} x {phase.database.replica_class}",
        by=[some("rds.Instance", having="replicateSourceDb"), some("cloudwatch.MetricAlarm", "-lag$")],
    ),
    Promise(
        text="The pooler takes four times as many connections",
        value=lambda phase: f"{phase.pooler.client_connections:,} clients on {phase.pooler.pods} pods",
        by=[some("kubernetes.Deployment", "pooler-writer$"), some("kubernetes.Deployment", "pooler-reader$")],
    ),
    Promise(
        text="The database has room for five times the data",
        value=lambda phase: f"{phase.database.storage_gib} GiB, up to {phase.database.max_storage_gib}",
        by=[some("rds.Instance", having="maxAllocatedStorage")],
    ),
    Promise(
        text="Backups are kept for a month",
        value=lambda phase: f"{phase.database.backup_retention_days} days",
        by=[some("rds.Instance", having="backupRetentionPeriod"), some("backup.Plan")],
    ),
    Promise(
        text="The database can be put back to any moment of that month",
        value=lambda phase: f"at most {phase.targets.recovery_point_minutes} minutes are lost",
        by=[some("rds.Instance", having="backupRetentionPeriod")],
        reason="RDS ships its log every five minutes, for as long as backups are kept",
    ),
    Promise(
        text="Redis survives the loss of a node",
        value=lambda phase: (
            f"{gib(phase.cache.usable_mib)} on {phase.cache.nodes} nodes, "
            f"{gib(phase.state.usable_mib)} of state on {phase.state.nodes}"
        ),
        by=[some("elasticache.ReplicationGroup", having="automaticFailoverEnabled")],
    ),
    Promise(
        text="What is in Redis survives the loss of all nodes",
        value=lambda phase: f"snapshots of {phase.state.snapshot_retention_days} days",
        by=[some("elasticache.ReplicationGroup", "state")],
        reason="Only `state` has them: `cache` may be lost, and jobs are in SQS",
    ),
    Promise(
        text="Several databases within Redis",
        value=lambda phase: f"{phase.cache.shards} shard in cluster mode",
        by=[some("elasticache.ReplicationGroup")],
        reason="Key prefixes instead: a cluster has database 0 only, and it is one from the start",
    ),
    Promise(
        text="The backend grows and shrinks by itself",
        value=lambda phase: f"{phase.compute.pods['api'].minimum} to {phase.compute.pods['api'].maximum} api pods",
        by=[some("kubernetes.HorizontalPodAutoscaler", "app-api-")],
    ),
    Promise(
        text="Instances of two vCPU and 4 GB",
        value=lambda phase: (
            f"{phase.compute.pods['api'].cpu_millicores / 1000:g} vCPU and {gib(phase.compute.pods['api'].memory_mib)}"
        ),
        by=[some("kubernetes.Deployment", "app-api-")],
        reason="A request leaves a node room for what runs on every node; there is no CPU limit",
    ),
    Promise(
        text="A load balancer in front of them",
        value=lambda phase: f"over {len(phase.regions)} region",
        by=[some("lb.LoadBalancer"), some("lb.Listener")],
    ),
    Promise(
        text="Uploads are in S3, and CloudFront serves them",
        value=lambda phase: "resized copies by CloudFront" if phase.edge.image_resizing else "by signed addresses",
        by=[some("s3.Bucket", "-uploads"), some("cloudfront.Distribution")],
        reason="Originals come by signed addresses; what users make public comes resized, under `/img/*`",
    ),
    Promise(
        text="Images are made small where they are asked for",
        value=lambda phase: f"{phase.compute.pods['images'].minimum} to {phase.compute.pods['images'].maximum} pods",
        by=[some("kubernetes.Deployment", "app-images"), some("lb.ListenerRule", "images")],
        reason="The resizer is a role of the product's image, so that no further vendor sees uploads",
    ),
    Promise(
        text="Slow work leaves the request: mail, leads, exports, figures",
        value=lambda phase: f"{', '.join(phase.messaging.queues)}",
        by=[some("sqs.Queue"), some("kubernetes.Deployment", "app-worker$")],
        reason="In SQS, not in Redis: a job must survive what a cache need not",
    ),
    Promise(
        text="Requests are traced through every service, and dashboards are ours",
        value=lambda phase: (
            f"{phase.telemetry.trace_sample_percent:g} % from the start, errors and slow ones in addition"
        ),
        by=[some("xray.SamplingRule"), some("eks.Addon", "observability"), some("cloudwatch.Dashboard")],
    ),
    Promise(
        text="The code asks for less: more is kept, lists come in pages, query plans are looked at",
        value=lambda phase: f"{gib(phase.cache.usable_mib)} of cache",
        by=[some("rds.ParameterGroup")],
        reason="The application's work; slow plans are logged for it (auto_explain)",
    ),
    Promise(
        text="The API answers fast",
        value=lambda phase: f"p95 below {phase.targets.p95_ms} ms",
        by=[some("cloudwatch.MetricAlarm", "-latency-promise$")],
    ),
    Promise(
        text="The database answers a thousand queries a second and more",
        value=lambda phase: f"{span(phase.targets.database_queries_per_second)} a second",
        by=[some("rds.Instance")],
    ),
    Promise(
        text="It is there for more of the month",
        value=lambda phase: f"{phase.targets.uptime_percent} %",
        by=[some("route53.HealthCheck"), some("cloudwatch.MetricAlarm", "^uptime")],
    ),
    Promise(text="It costs what was planned", value=cost, by=[some("budgets.Budget")]),
    Promise(
        text="Before the next phase: replica, pages everywhere, S3, queues and full monitoring are there",
        value=lambda phase: f"{phase.database.local_replicas} replica, {len(phase.messaging.queues)} queues",
        by=[
            some("rds.Instance", having="replicateSourceDb"),
            some("s3.Bucket", "-uploads"),
            some("sqs.Queue"),
            some("xray.SamplingRule"),
        ],
        reason="Pages and queries are the application's",
    ),
)
