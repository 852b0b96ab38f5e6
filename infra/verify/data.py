"""Primaries, both cache groups, and what joins the caches of several regions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import chain
from typing import Any

from infra.verify.facts import Fact, Probe, Scope, equal, holds, unchecked
from stacks import shards
from stacks.phase import CacheGroup

SERVING = {"available", "backing-up", "configuring-enhanced-monitoring", "modifying", "storage-optimization"}
"""States in which RDS answers queries.

Source: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/accessing-monitoring.html
"""
PRELOADED = {"pg_cron", "pg_stat_statements"}


def primaries(scope: Scope) -> Iterator[Probe]:
    """The region's primaries, each of which holds shards."""
    found = scope.texts("databaseIdentifiers")
    standing = shards.primaries(scope.phase, scope.region)
    wanted = {scope.physical_name("database", primary.name) for primary in standing}

    def complete() -> Iterator[Fact]:
        yield equal("primaries", wanted, set(found))

    yield Probe("database", "primaries", complete)
    for identifier in found:
        yield Probe("database", identifier, partial(_primary, scope, identifier))


def _primary(scope: Scope, identifier: str) -> Iterator[Fact]:
    size = scope.phase.database
    instance = scope.client("rds").describe_db_instances(DBInstanceIdentifier=identifier)["DBInstances"][0]
    yield from instance_facts(scope, instance, size.instance_class)
    yield equal("standby in another zone", size.multi_az, instance["MultiAZ"])
    ceiling = instance.get("MaxAllocatedStorage")
    yield equal("storage may grow to", f"{size.max_storage_gib} GiB", f"{ceiling} GiB")
    kept = instance["BackupRetentionPeriod"]
    yield equal("backups kept", f"{size.backup_retention_days} days", f"{kept} days")
    yield equal("deletion protection", scope.protected, instance["DeletionProtection"])


def instance_facts(scope: Scope, instance: Mapping[str, Any], instance_class: str) -> Iterator[Fact]:
    """What holds for primaries and replicas alike."""
    size = scope.phase.database
    status = instance["DBInstanceStatus"]
    yield holds("status", status in SERVING, "available", status)
    yield equal("engine", "postgres", instance["Engine"])
    yield equal("class", instance_class, instance["DBInstanceClass"])
    yield equal("encrypted", expected=True, actual=instance["StorageEncrypted"])
    # A key lives in one region: a copy elsewhere has the key of where it is.
    keys = set(scope.names("keyArns").values())
    yield holds("encrypted with the stack's key", instance.get("KmsKeyId") in keys, keys, instance.get("KmsKeyId"))
    yield equal("reachable from the internet", expected=False, actual=instance["PubliclyAccessible"])
    yield equal("storage type", "gp3", instance["StorageType"])
    stored = instance["AllocatedStorage"]
    # Autoscaling may have grown it; it never shrinks.
    yield holds("storage", stored >= size.storage_gib, f"{size.storage_gib} GiB or more", f"{stored} GiB")
    if size.iops is not None:
        yield equal("IOPS", size.iops, instance.get("Iops"))
        yield equal("throughput", size.throughput_mibps, instance.get("StorageThroughput"))
    groups = {group["DBParameterGroupName"]: group["ParameterApplyStatus"] for group in instance["DBParameterGroups"]}
    # `pending-reboot` means that the static parameters are not in effect yet.
    yield equal("parameters in effect", {"in-sync"}, set(groups.values()))


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


def global_cache(scope: Scope) -> Iterator[Probe]:
    """The Global Datastore that copies home's `cache` group to the other full regions."""
    if len(scope.phase.regions) > 1:
        group = scope.text("globalCacheId")
        yield Probe("cache", group, partial(_global_cache, scope, group))


def _global_cache(scope: Scope, group: str) -> Iterator[Fact]:
    if scope.local:
        yield unchecked("members of the Global Datastore", "the local cloud has no Global Datastore (moto)")
        return
    found = scope.client("elasticache").describe_global_replication_groups(
        GlobalReplicationGroupId=group, ShowMemberInfo=True
    )["GlobalReplicationGroups"][0]
    # `primary-only` would mean that no other region has joined.
    yield holds("status", found["Status"] in {"available", "modifying"}, "available", found["Status"])
    members = {member["ReplicationGroupRegion"]: member for member in found["Members"]}
    yield equal("members of the Global Datastore", set(scope.phase.regions), set(members))
    writing = {region for region, member in members.items() if member["Role"].upper() == "PRIMARY"}
    yield equal("region that is written to", {scope.region}, writing)
    apart = {region for region, member in members.items() if member["Status"] != "associated"}
    yield holds("members that are not associated", not apart, "none", apart)
