"""10k: ten thousand monthly users, months 0 to 3. One region, no replica, everything in its final shape."""

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
    name=PhaseName.P10K,
    sizing=Sizing.EFFICIENT,
    targets=Targets(
        monthly_users=10_000,
        concurrent_users=Span(low=500, high=1_000),
        requests_per_second=1_000,
        database_queries_per_second=Span(low=200, high=500),
        p95_ms=300,
        uptime_percent=99.5,
        recovery_time_minutes=240,
        recovery_point_minutes=1_440,
        monthly_usd=Span(low=600, high=800),
    ),
    regions=("us-east-1",),
    network=Network(nat_gateways=1),
    database=Database(
        instance_class="db.t4g.large",
        multi_az=True,
        replica_class="db.t4g.large",
        local_replicas=0,
        remote_replicas=0,
        logical_budget_gib=10,
        storage_gib=20,
        max_storage_gib=100,
        backup_retention_days=30,
        logical_shards=1,
    ),
    pooler=Pooler(client_connections=500, pods=2, app_pool_size=20, app_pool_overflow=0),
    cache=CacheGroup(
        node_type="cache.t4g.small", shards=1, replicas_per_shard=1, snapshot_retention_days=0, usable_mib=250
    ),
    state=CacheGroup(
        node_type="cache.t4g.small", shards=1, replicas_per_shard=1, snapshot_retention_days=1, usable_mib=250
    ),
    compute=Compute(
        pods={
            "api": Pods(minimum=2, maximum=4, cpu_millicores=750, memory_mib=2_048),
            "realtime": Pods(minimum=2, maximum=4, cpu_millicores=250, memory_mib=512),
            "worker": Pods(minimum=1, maximum=4, cpu_millicores=250, memory_mib=512),
        },
        spot=False,
        burstable=True,
        blue_green=False,
    ),
    messaging=Messaging(queues=("email", "leads", "export", "analytics"), fan_out=False, event_stream=False),
    telemetry=Telemetry(
        trace_sample_percent=10,
        tracing=False,
        managed_prometheus=False,
        canaries=False,
        container_insights=False,
    ),
    edge=Edge(image_resizing=False, edge_workers=False, cloudflare_plan="free"),
)
"""Inside 600 to 800 USD a month; the room above the roadmap's hardware buys Multi-AZ."""

BLUEPRINT = EFFICIENT.resized(
    database=Database(
        # The roadmap names no class and no standby: db.t4g.small is the least that carries 500 queries a second.
        instance_class="db.t4g.small",
        multi_az=False,
        replica_class="db.t4g.small",
        local_replicas=0,
        remote_replicas=0,
        logical_budget_gib=10,
        storage_gib=20,
        max_storage_gib=100,
        backup_retention_days=30,
        logical_shards=1,
    ),
    cache=CacheGroup(
        node_type="cache.t4g.micro", shards=1, replicas_per_shard=1, snapshot_retention_days=0, usable_mib=250
    ),
    state=CacheGroup(
        node_type="cache.t4g.micro", shards=1, replicas_per_shard=1, snapshot_retention_days=1, usable_mib=250
    ),
    compute=Compute(
        pods={
            "api": Pods(minimum=2, maximum=4, cpu_millicores=2_000, memory_mib=2_048),
            "realtime": Pods(minimum=2, maximum=4, cpu_millicores=250, memory_mib=512),
            "worker": Pods(minimum=1, maximum=4, cpu_millicores=250, memory_mib=512),
        },
        spot=False,
        burstable=True,
        blue_green=False,
    ),
)
"""Two instances of 2 vCPU and 2 GB; 250 MB of Redis is the smallest node."""
