"""250k: a quarter of a million monthly users, months 6 to 12. A read region, search, services, a sharded cache."""

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
    Search,
    Sizing,
    Span,
    Targets,
    Telemetry,
)

EFFICIENT = Phase(
    name=PhaseName.P250K,
    sizing=Sizing.EFFICIENT,
    targets=Targets(
        monthly_users=250_000,
        concurrent_users=Span(low=10_000, high=15_000),
        requests_per_second=5_000,
        database_queries_per_second=Span(low=5_000, high=10_000),
        p95_ms=500,
        uptime_percent=99.9,
        recovery_time_minutes=60,
        recovery_point_minutes=5,
        monthly_usd=Span(low=5_000, high=7_000),
    ),
    regions=("us-east-1",),
    read_regions=("eu-west-1",),
    # Logs and queues have their own way out, so that they do not end with a NAT gateway.
    network=Network(nat_gateways=3, interface_endpoints=("logs", "sqs")),
    database=Database(
        instance_class="db.r6g.xlarge",
        multi_az=True,
        replica_class="db.r6g.xlarge",
        local_replicas=2,
        remote_replicas=1,
        logical_budget_gib=200,
        # Twice what is planned: from 400 GiB on gp3 gives 12,000 IOPS instead of 3,000 for the same price.
        storage_gib=400,
        max_storage_gib=1_000,
        backup_retention_days=30,
        logical_shards=2,
    ),
    pooler=Pooler(client_connections=5_000, pods=5, app_pool_size=5, app_pool_overflow=0),
    cache=CacheGroup(
        node_type="cache.m7g.large", shards=3, replicas_per_shard=1, snapshot_retention_days=0, usable_mib=7_630
    ),
    state=CacheGroup(
        node_type="cache.m7g.large", shards=1, replicas_per_shard=1, snapshot_retention_days=7, usable_mib=1_908
    ),
    compute=Compute(
        pods={
            "api": Pods(minimum=6, maximum=13, cpu_millicores=1_500, memory_mib=3_072),
            "images": Pods(minimum=2, maximum=2, cpu_millicores=500, memory_mib=1_024),
            "realtime": Pods(minimum=3, maximum=4, cpu_millicores=500, memory_mib=2_048),
            "worker": Pods(minimum=3, maximum=6, cpu_millicores=500, memory_mib=1_024),
            "auth": Pods(minimum=3, maximum=4, cpu_millicores=1_000, memory_mib=2_048),
            "leads": Pods(minimum=3, maximum=6, cpu_millicores=1_000, memory_mib=2_048),
            "email": Pods(minimum=3, maximum=4, cpu_millicores=500, memory_mib=1_024),
            "video": Pods(minimum=3, maximum=4, cpu_millicores=500, memory_mib=2_048),
            "analytics": Pods(minimum=3, maximum=6, cpu_millicores=1_000, memory_mib=2_048),
        },
        spot=True,
        blue_green=True,
    ),
    messaging=Messaging(
        queues=("email", "leads", "export", "analytics", "video", "search-index"), fan_out=True, event_stream=False
    ),
    search=Search(instance_type="r6g.large.search", nodes=3, storage_gib=100),
    telemetry=Telemetry(
        trace_sample_percent=10,
        tracing=True,
        managed_prometheus=False,
        canaries=True,
        container_insights=True,
        experiments=True,
    ),
    edge=Edge(image_resizing=True, edge_workers=False, partner_api=True, cloudflare_plan="business"),
)
"""Inside 5,000 to 7,000 USD on demand: Graviton, Valkey, half of the nodes spot, pods by what they use."""

BLUEPRINT = EFFICIENT.resized(
    database=Database(
        instance_class="db.r5.xlarge",
        multi_az=True,
        replica_class="db.r5.xlarge",
        local_replicas=2,
        remote_replicas=1,
        logical_budget_gib=200,
        storage_gib=200,
        max_storage_gib=1_000,
        backup_retention_days=30,
        logical_shards=2,
    ),
    compute=Compute(
        pods={
            "api": Pods(minimum=4, maximum=13, cpu_millicores=2_000, memory_mib=8_192),
            "images": Pods(minimum=2, maximum=2, cpu_millicores=2_000, memory_mib=8_192),
            "realtime": Pods(minimum=2, maximum=4, cpu_millicores=2_000, memory_mib=8_192),
            "worker": Pods(minimum=2, maximum=6, cpu_millicores=2_000, memory_mib=8_192),
            "auth": Pods(minimum=2, maximum=4, cpu_millicores=2_000, memory_mib=8_192),
            "leads": Pods(minimum=2, maximum=6, cpu_millicores=2_000, memory_mib=8_192),
            "email": Pods(minimum=2, maximum=4, cpu_millicores=2_000, memory_mib=8_192),
            "video": Pods(minimum=2, maximum=4, cpu_millicores=2_000, memory_mib=8_192),
            "analytics": Pods(minimum=2, maximum=6, cpu_millicores=2_000, memory_mib=8_192),
        },
        spot=False,
        blue_green=True,
    ),
)
"""db.r5.xlarge for all, up to 50 pods of 8 GB; no vCPU is named for them, 2 is taken as in the phase before."""
