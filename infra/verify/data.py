"""The database and both cache groups."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import chain

from infra.verify.facts import Fact, Probe, Scope, equal, holds, unchecked
from stacks.phase import CacheGroup

SERVING = {"available", "backing-up", "configuring-enhanced-monitoring", "modifying", "storage-optimization"}
"""States in which RDS answers queries.

Source: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/accessing-monitoring.html
"""
PRELOADED = {"pg_cron", "pg_stat_statements"}


def database(scope: Scope) -> Iterator[Probe]:
    """The primary."""
    identifier = scope.text("databaseIdentifier")
    yield Probe("database", identifier, partial(_primary, scope, identifier))


def _primary(scope: Scope, identifier: str) -> Iterator[Fact]:
    size = scope.phase.database
    instance = scope.client("rds").describe_db_instances(DBInstanceIdentifier=identifier)["DBInstances"][0]
    status = instance["DBInstanceStatus"]
    yield holds("status", status in SERVING, "available", status)
    yield equal("engine", "postgres", instance["Engine"])
    yield equal("class", size.instance_class, instance["DBInstanceClass"])
    yield equal("standby in another zone", size.multi_az, instance["MultiAZ"])
    yield equal("encrypted", expected=True, actual=instance["StorageEncrypted"])
    keys = set(scope.names("keyArns").values())
    yield holds("encrypted with the stack's key", instance.get("KmsKeyId") in keys, keys, instance.get("KmsKeyId"))
    yield equal("reachable from the internet", expected=False, actual=instance["PubliclyAccessible"])
    yield equal("storage type", "gp3", instance["StorageType"])
    stored = instance["AllocatedStorage"]
    # Autoscaling may have grown it; it never shrinks.
    yield holds("storage", stored >= size.storage_gib, f"{size.storage_gib} GiB or more", f"{stored} GiB")
    ceiling = instance.get("MaxAllocatedStorage")
    yield equal("storage may grow to", f"{size.max_storage_gib} GiB", f"{ceiling} GiB")
    if size.iops is not None:
        yield equal("IOPS", size.iops, instance.get("Iops"))
        yield equal("throughput", size.throughput_mibps, instance.get("StorageThroughput"))
    kept = instance["BackupRetentionPeriod"]
    yield equal("backups kept", f"{size.backup_retention_days} days", f"{kept} days")
    yield equal("deletion protection", scope.protected, instance["DeletionProtection"])
    replicas = instance.get("ReadReplicaDBInstanceIdentifiers", [])
    yield equal("read replicas", size.local_replicas + size.remote_replicas, len(replicas))
    groups = {group["DBParameterGroupName"]: group["ParameterApplyStatus"] for group in instance["DBParameterGroups"]}
    wanted = scope.text("databaseParameterGroup")
    yield holds("parameter group", wanted in groups, wanted, groups)
    if wanted in groups:
        # `pending-reboot` means that the static parameters are not in effect yet.
        yield equal("parameters in effect", "in-sync", groups[wanted])


def parameter_group(scope: Scope) -> Iterator[Probe]:
    """What the database was told: TLS only, the extensions preloaded."""
    name = scope.text("databaseParameterGroup")
    yield Probe("database", name, partial(_parameters, scope, name))


def _parameters(scope: Scope, name: str) -> Iterator[Fact]:
    pages = (
        scope.client("rds").get_paginator("describe_db_parameters").paginate(DBParameterGroupName=name, Source="user")
    )
    rows = chain.from_iterable(page["Parameters"] for page in pages)
    values = {row["ParameterName"]: row.get("ParameterValue") for row in rows}
    yield equal("rds.force_ssl", "1", values.get("rds.force_ssl"))
    libraries = {item.strip() for item in (values.get("shared_preload_libraries") or "").split(",")} - {""}
    yield holds("shared_preload_libraries", libraries >= PRELOADED, PRELOADED, libraries)


def caches(scope: Scope) -> Iterator[Probe]:
    """Both groups: `cache` may lose anything, `state` nothing."""
    groups = {
        "cacheGroupId": (scope.phase.cache, "allkeys-lru"),
        "stateGroupId": (scope.phase.state, "noeviction"),
    }
    for key, (size, policy) in groups.items():
        yield Probe("cache", str(scope.outputs.get(key, key)), partial(_cache, scope, key, size, policy))


def _cache(scope: Scope, key: str, size: CacheGroup, policy: str) -> Iterator[Fact]:
    client = scope.client("elasticache")
    found = client.describe_replication_groups(ReplicationGroupId=scope.text(key))["ReplicationGroups"]
    if not found:
        yield equal("exists", expected=True, actual=False)
        return
    group = found[0]
    several = size.replicas_per_shard > 0
    yield holds("status", group["Status"] in {"available", "snapshotting", "modifying"}, "available", group["Status"])
    yield equal("node type", size.node_type, group["CacheNodeType"])
    yield equal("cluster mode", expected=True, actual=group["ClusterEnabled"])
    yield equal("shards", size.shards, len(group["NodeGroups"]))
    replicas = {len(shard["NodeGroupMembers"]) - 1 for shard in group["NodeGroups"]}
    yield equal("replicas in each shard", {size.replicas_per_shard}, replicas)
    yield equal("automatic failover", "enabled", group["AutomaticFailover"])
    yield equal("nodes in several zones", "enabled" if several else "disabled", group["MultiAZ"])
    yield equal("TLS", expected=True, actual=group["TransitEncryptionEnabled"])
    yield equal("encrypted at rest", expected=True, actual=group["AtRestEncryptionEnabled"])
    keys = set(scope.names("keyArns").values())
    yield holds("encrypted with the stack's key", group.get("KmsKeyId") in keys, keys, group.get("KmsKeyId"))
    yield equal(
        "snapshots kept", f"{size.snapshot_retention_days} days", f"{group.get('SnapshotRetentionLimit', 0)} days"
    )
    if scope.local:
        yield unchecked("eviction policy", "the local cloud has no cache parameter groups (moto)")
        return
    node = client.describe_cache_clusters(CacheClusterId=group["MemberClusters"][0])["CacheClusters"][0]
    parameters = client.get_paginator("describe_cache_parameters").paginate(
        CacheParameterGroupName=node["CacheParameterGroup"]["CacheParameterGroupName"]
    )
    rows = chain.from_iterable(page["Parameters"] for page in parameters)
    values = {row["ParameterName"]: row.get("ParameterValue") for row in rows}
    yield equal("eviction policy", policy, values.get("maxmemory-policy"))
