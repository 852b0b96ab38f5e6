"""1m: a million monthly users, months 12 to 24. Three regions, each whole; ten databases on three primaries."""

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
    name=PhaseName.P1M,
    sizing=Sizing.EFFICIENT,
    targets=Targets(
        monthly_users=1_000_000,
        concurrent_users=Span(low=50_000, high=100_000),
        requests_per_second=10_000,
        # The roadmap says 50,000 and more, and no ceiling.
        database_queries_per_second=Span(low=50_000, high=50_000),
        p95_ms=300,
        uptime_percent=99.95,
        recovery_time_minutes=15,
        recovery_point_minutes=1,
        monthly_usd=Span(low=15_000, high=25_000),
    ),
    regions=("us-east-1", "us-west-2", "eu-west-1"),
    network=Network(nat_gateways=3, interface_endpoints=("logs", "sqs")),
    database=Database(
        instance_class="db.r6g.xlarge",
        multi_az=True,
        replica_class="db.r6g.xlarge",
        local_replicas=3,
        remote_replicas=1,
        logical_budget_gib=1_000,
        storage_gib=500,
        max_storage_gib=1_000,
        backup_retention_days=30,
        logical_shards=10,
    ),
    pooler=Pooler(client_connections=5_000, pods=5, app_pool_size=2, app_pool_overflow=0),
    cache=CacheGroup(
        node_type="cache.r7g.large", shards=4, replicas_per_shard=1, snapshot_retention_days=0, usable_mib=38_147
    ),
    state=CacheGroup(
        node_type="cache.r7g.large", shards=1, replicas_per_shard=1, snapshot_retention_days=7, usable_mib=9_537
    ),
    compute=Compute(
        # With the idle colour's pod 51 to 66 in each region, 153 to 198 in all. The load needs 200 requests a second of
        # an api pod, so that less than one vCPU does; the count is the roadmap's.
        pods={
            "api": Pods(minimum=12, maximum=13, cpu_millicores=750, memory_mib=2_048),
            "images": Pods(minimum=2, maximum=3, cpu_millicores=300, memory_mib=1_024),
            "realtime": Pods(minimum=4, maximum=5, cpu_millicores=500, memory_mib=2_048),
            "worker": Pods(minimum=6, maximum=8, cpu_millicores=500, memory_mib=1_024),
            "auth": Pods(minimum=3, maximum=4, cpu_millicores=300, memory_mib=1_024),
            "leads": Pods(minimum=4, maximum=5, cpu_millicores=300, memory_mib=1_024),
            "email": Pods(minimum=3, maximum=4, cpu_millicores=300, memory_mib=1_024),
            "video": Pods(minimum=3, maximum=4, cpu_millicores=300, memory_mib=2_048),
            "analytics": Pods(minimum=3, maximum=4, cpu_millicores=300, memory_mib=2_048),
            "campaigns": Pods(minimum=2, maximum=3, cpu_millicores=300, memory_mib=1_024),
            "companies": Pods(minimum=2, maximum=3, cpu_millicores=300, memory_mib=1_024),
            "conversations": Pods(minimum=2, maximum=3, cpu_millicores=300, memory_mib=1_024),
            "search": Pods(minimum=2, maximum=3, cpu_millicores=300, memory_mib=1_024),
            "subscriptions": Pods(minimum=2, maximum=3, cpu_millicores=300, memory_mib=1_024),
        },
        spot=True,
        blue_green=True,
        mesh=True,
    ),
    messaging=Messaging(
        queues=("email", "leads", "export", "analytics", "video", "search-index"), fan_out=True, event_stream=True
    ),
    search=Search(instance_type="r6g.large.search", nodes=3, storage_gib=200),
    telemetry=Telemetry(
        trace_sample_percent=10,
        tracing=True,
        managed_prometheus=True,
        canaries=True,
        container_insights=True,
        experiments=True,
    ),
    edge=Edge(image_resizing=True, edge_workers=True, partner_api=True, cloudflare_plan="business"),
)
"""Inside 15,000 to 25,000 USD on demand, near the top: a quarter of the roadmap's database class, an eighth of its pod
memory. 15 instances of 4 vCPU carry 50,000 queries a second at some 830 a vCPU."""

BLUEPRINT = EFFICIENT.resized(
    database=Database(
        instance_class="db.r5.4xlarge",
        multi_az=True,
        replica_class="db.r5.4xlarge",
        local_replicas=3,
        remote_replicas=1,
        logical_budget_gib=1_000,
        storage_gib=500,
        max_storage_gib=1_000,
        backup_retention_days=30,
        logical_shards=10,
    ),
    cache=CacheGroup(
        node_type="cache.r7g.large", shards=6, replicas_per_shard=1, snapshot_retention_days=0, usable_mib=47_684
    ),
    compute=Compute(
        pods={
            role: pods.model_copy(update={"cpu_millicores": 2_000, "memory_mib": 16_384})
            for role, pods in EFFICIENT.compute.pods.items()
        },
        spot=False,
        blue_green=True,
        mesh=True,
    ),
    edge=Edge(image_resizing=True, edge_workers=True, partner_api=True, cloudflare_plan="enterprise"),
)
"""db.r5.4xlarge for all fifteen, pods of 16 GB (2 vCPU taken, none is named), 50 GB of cache beside the state in each
region. Far above the band: the three regions' hardware and the roadmap's money do not meet."""
