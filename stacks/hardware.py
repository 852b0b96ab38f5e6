"""What the named hardware holds: memory of RDS instance classes and of ElastiCache nodes, and what follows from it."""

from __future__ import annotations

_SIZES = {"large": 2, "xlarge": 4, "2xlarge": 8, "4xlarge": 16, "8xlarge": 32, "12xlarge": 48, "16xlarge": 64}
"""vCPUs of a size: the same in every family below."""
_GIB_PER_VCPU = dict.fromkeys(("m5", "m6g", "m6i", "m7g", "m7i", "m8g"), 4) | dict.fromkeys(
    ("r5", "r6g", "r6i", "r7g", "r7i", "r8g"), 8
)
_BURSTABLE_GIB = {"micro": 1, "small": 2, "medium": 4, "large": 8, "xlarge": 16, "2xlarge": 32}

DATABASE_MEMORY_GIB = {
    f"db.{family}.{size}": gib for family in ("t3", "t4g") for size, gib in _BURSTABLE_GIB.items()
} | {f"db.{family}.{size}": vcpus * gib for family, gib in _GIB_PER_VCPU.items() for size, vcpus in _SIZES.items()}
"""Memory of every class that Headroom accepts: those which run PostgreSQL in all of its regions.

Source: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Concepts.DBInstanceClass.Summary.html
"""

_NODE_GIB = {
    "t": {"micro": 0.5, "small": 1.37, "medium": 3.09},
    "m": {"large": 6.38, "xlarge": 12.93, "2xlarge": 26.04, "4xlarge": 52.26},
    "r": {"large": 13.07, "xlarge": 26.32, "2xlarge": 52.82, "4xlarge": 105.81},
}
_NODE_FAMILIES = ("t3", "t4g", "m5", "m6g", "m7g", "r5", "r6g", "r7g")

CACHE_MEMORY_MIB = {
    f"cache.{family}.{size}": int(gib * 1024) for family in _NODE_FAMILIES for size, gib in _NODE_GIB[family[0]].items()
}
"""Memory of a node before anything is reserved.

Source: https://aws.amazon.com/elasticache/pricing/, and `maxmemory` of each node type in
https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/ParameterGroups.Engine.html. Families of one letter are taken to
be equal: m5 and m6g, r5 and r6g are, and m7g.large was seen with the same 6.38 GiB; the other 7g nodes were not.
"""

RESERVED_PERCENT = 25
"""`reserved-memory-percent`, AWS's default and advice: room for the copy that a snapshot or a failover makes.

Source: https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/redis-memory-management.html
"""

_BYTES_PER_CONNECTION = 9_531_392
_MOST_CONNECTIONS = 5_000


def max_connections(instance_class: str) -> int:
    """What RDS for PostgreSQL allows by default: `LEAST({DBInstanceClassMemory/9531392}, 5000)`.

    `DBInstanceClassMemory` is a little less than the nominal memory that this counts with (AWS takes out what the
    operating system and RDS itself use, and does not publish how much), so plan for 80 % of it at most.
    Source: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Limits.html
    """
    return min(DATABASE_MEMORY_GIB[instance_class] * 2**30 // _BYTES_PER_CONNECTION, _MOST_CONNECTIONS)


def usable_mib(node_type: str, shards: int) -> int:
    """What a cache of `shards` such nodes can hold; replicas hold copies and add nothing."""
    return CACHE_MEMORY_MIB[node_type] * (100 - RESERVED_PERCENT) * shards // 100
