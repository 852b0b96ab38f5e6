"""50k: fifty thousand monthly users, months 3 to 6. A read replica, a gateway a zone, tracing, images."""

from stacks.phase import (
    CacheGroup,
    Compute,
    Database,
    Edge,
    Messaging,
    Network,
    Phase,
    PhaseName,
    Pods,
    Pooler,
    Sizing,
    Span,
    Targets,
    Telemetry,
)

EFFICIENT = Phase(
    name=PhaseName.P50K,
    sizing=Sizing.EFFICIENT,
    targets=Targets(
        monthly_users=50_000,
        concurrent_users=Span(low=2_000, high=3_000),
        requests_per_second=1_000,
        database_queries_per_second=Span(low=1_000, high=2_000),
        p95_ms=400,
        uptime_percent=99.7,
        recovery_time_minutes=120,
        recovery_point_minutes=5,
        monthly_usd=Span(low=1_500, high=2_000),
    ),
    regions=("us-east-1",),
    network=Network(nat_gateways=3),
    database=Database(
        instance_class="db.m7g.large",
        multi_az=True,
        replica_class="db.m7g.large",
        local_replicas=1,
        remote_replicas=0,
        logical_budget_gib=50,
        storage_gib=50,
        max_storage_gib=200,
        backup_retention_days=30,
        logical_shards=1,
    ),
    pooler=Pooler(client_connections=2_000, pods=2, app_pool_size=20, app_pool_overflow=40),
    cache=CacheGroup(
        node_type="cache.m7g.large", shards=1, replicas_per_shard=1, snapshot_retention_days=0, usable_mib=700
    ),
    state=CacheGroup(
        node_type="cache.m7g.large", shards=1, replicas_per_shard=1, snapshot_retention_days=7, usable_mib=254
    ),
    compute=Compute(
        pods={
            "api": Pods(minimum=2, maximum=5, cpu_millicores=1_750, memory_mib=4_096),
            "realtime": Pods(minimum=2, maximum=4, cpu_millicores=500, memory_mib=1_024),
            "worker": Pods(minimum=2, maximum=5, cpu_millicores=500, memory_mib=1_024),
            "images": Pods(minimum=2, maximum=2, cpu_millicores=250, memory_mib=1_024),
        },
        spot=False,
        burstable=True,
        blue_green=False,
    ),
    messaging=Messaging(queues=("email", "leads", "export", "analytics"), fan_out=False, event_stream=False),
    telemetry=Telemetry(
        trace_sample_percent=10,
        tracing=True,
        managed_prometheus=False,
        canaries=False,
        container_insights=True,
    ),
    edge=Edge(image_resizing=True, edge_workers=False, cloudflare_plan="pro"),
)
"""Inside 1,500 to 2,000 USD. A db.t3.medium would save 100 and live on CPU credits; a pod of 1.75 vCPU instead of 2
lets two share a node of 4."""

BLUEPRINT = EFFICIENT.resized(
    database=Database(
        instance_class="db.t3.medium",
        multi_az=False,
        replica_class="db.t3.medium",
        local_replicas=1,
        remote_replicas=0,
        logical_budget_gib=50,
        storage_gib=50,
        max_storage_gib=200,
        backup_retention_days=30,
        logical_shards=1,
    ),
    cache=CacheGroup(
        node_type="cache.t4g.medium", shards=1, replicas_per_shard=1, snapshot_retention_days=0, usable_mib=700
    ),
    state=CacheGroup(
        node_type="cache.t4g.small", shards=1, replicas_per_shard=1, snapshot_retention_days=7, usable_mib=254
    ),
    compute=Compute(
        pods={
            "api": Pods(minimum=2, maximum=5, cpu_millicores=2_000, memory_mib=4_096),
            "realtime": Pods(minimum=2, maximum=4, cpu_millicores=500, memory_mib=1_024),
            "worker": Pods(minimum=2, maximum=5, cpu_millicores=500, memory_mib=1_024),
            "images": Pods(minimum=2, maximum=2, cpu_millicores=250, memory_mib=1_024),
        },
        spot=False,
        burstable=True,
        blue_green=False,
    ),
)
"""db.t3.medium with one replica, and two to five instances of 2 vCPU and 4 GB. The roadmap's 1 GB of Redis needs
cache.t4g.medium: the next smaller node holds 1,051 MiB, and nothing beside it."""
