"""Databases and caches: RDS for PostgreSQL with its backups, and ElastiCache."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from infra.cost.model import HOURS, Charge, Estimator, Item, Scene, Unpriced
from infra.cost.usage import DAYS, KIB_PER_GIB, MIB_PER_GIB
from infra.plan import SECRET, UNKNOWN, PlannedResource
from stacks.hardware import CACHE_MEMORY_MIB, RESERVED_PERCENT

INSTANCE: Final = "aws:rds/instance:Instance"
GROUP: Final = "aws:elasticache/replicationGroup:ReplicationGroup"
GLOBAL_GROUP: Final = "aws:elasticache/globalReplicationGroup:GlobalReplicationGroup"
PLAN: Final = "aws:backup/plan:Plan"
SELECTION: Final = "aws:backup/selection:Selection"

_GP3_LARGE_GIB: Final = 400
"""From here on RDS stripes a PostgreSQL volume over four, and includes four times as much.

Source: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html
"""
_GP3_BASELINE: Final = {False: {"iops": 3_000, "throughput": 125}, True: {"iops": 12_000, "throughput": 500}}
"""IOPS and MiB/s that are part of the storage's price, for smaller and for large volumes."""
_VCPUS: Final = {"xlarge": 4, "2xlarge": 8, "4xlarge": 16, "8xlarge": 32, "12xlarge": 48, "16xlarge": 64}
"""Of a size; the smaller ones all have 2."""
_FREE_INSIGHTS_DAYS: Final = 7
_MONITORING_KIB: Final = Decimal(10)
"""One reading of Enhanced Monitoring: a JSON document with the processes. Unverified: AWS publishes no size."""
_CACHE_WRITE_SHARE: Final = Decimal("0.25")
"""Of the bytes between pods and a cache, how many are written: one in four, an assumption."""


def rds_instance(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """An instance, primary or replica: hours, storage, what the volume does beyond its baseline, backups, transfer."""
    source = _source(resource, scene)
    zones = "multi-az" if resource.inputs.get("multiAz") is True else "single-az"
    engine = (source or resource).inputs.get("engine", "postgres")
    instance_class = resource.inputs.get("instanceClass")
    if engine != "postgres":
        # PostgreSQL costs 4 to 7 % more than MySQL on most classes: another engine's rate is no stand-in.
        yield Unpriced(component="instance", why=f"the book has the rates of PostgreSQL, not those of {engine}")
    elif not isinstance(instance_class, str) or instance_class == UNKNOWN:
        yield Unpriced(component="instance", why="the instance class is not known before it exists")
    else:
        yield Charge(component="instance", key=f"rds/instance/{instance_class}/{zones}", quantity=HOURS)
        yield from _processor(resource, instance_class, zones, scene)
    yield from _volume(resource, source, zones)
    if interval := number(resource, "monitoringInterval"):
        readings = HOURS * 3_600 / interval
        yield Charge(
            component="enhanced monitoring",
            key="rds/enhanced-monitoring",
            quantity=readings * _MONITORING_KIB / KIB_PER_GIB,
        )
    if backed_up := _automated_gib(resource, scene):
        yield _backup(backed_up, scene.region(resource), scene)
    if source is not None and scene.region(source) != scene.region(resource):
        # Within a region replication costs nothing; between regions the sender pays.
        yield Charge(
            component="replication",
            key="rds/transfer/inter-region",
            quantity=written_gib(resource, scene),
            region=scene.region(source),
        )


def _processor(resource: PlannedResource, instance_class: str, zones: str, scene: Scene) -> Iterator[Item]:
    """What is charged by the vCPU: credits beyond the baseline of burstable classes, and Database Insights."""
    vcpus = _VCPUS.get(instance_class.rpartition(".")[2], 2)
    share = scene.usage.profile.burst_share
    if share and instance_class.startswith("db.t"):
        # RDS runs T classes unlimited, and nothing can switch that off
        # (https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Concepts.DBInstanceClass.Types.html).
        yield Charge(component="cpu credits", key="rds/cpu-credits", quantity=vcpus * HOURS * share)
    kept = number(resource, "performanceInsightsRetentionPeriod") or 0
    if resource.inputs.get("databaseInsightsMode") == "advanced" or kept > _FREE_INSIGHTS_DAYS:
        # More than a week of history is sold as the advanced mode only. The standby is taken to count, as it did on
        # bills of Performance Insights; unverified for Database Insights.
        count = vcpus * (2 if zones == "multi-az" else 1)
        yield Charge(component="database insights", key="rds/database-insights/advanced", quantity=count * HOURS)


def _volume(resource: PlannedResource, source: PlannedResource | None, zones: str) -> Iterator[Item]:
    allocated = _allocated_gib(resource, source)
    if allocated is None:
        yield Unpriced(component="storage", why="the storage is not known before it exists")
        return
    # AWS's default is gp2, or io1 with IOPS; a replica has what its source has.
    default = "gp2" if number(resource, "iops") is None else "io1"
    kind = resource.inputs.get("storageType") or (source.inputs.get("storageType", default) if source else default)
    yield Charge(component="storage", key=f"rds/storage/{kind}/{zones}", quantity=allocated)
    if kind == "gp3":
        included = _GP3_BASELINE[allocated >= _GP3_LARGE_GIB]
        for component, name in (("iops", "iops"), ("throughput", "storageThroughput")):
            beyond = (number(resource, name) or Decimal(0)) - included[component]
            if beyond > 0:
                yield Charge(component=component, key=f"rds/{component}/gp3/{zones}", quantity=beyond)
    elif kind in ("io1", "io2") and (iops := number(resource, "iops")):
        yield Charge(component="iops", key=f"rds/iops/{kind}/{zones}", quantity=iops)


# Backups. RDS charges a region's snapshots, whoever took them, beyond the storage of the region's instances.


def used_gib(resource: PlannedResource, scene: Scene) -> Decimal:
    """Data of an instance: what its first snapshot, or an export, holds."""
    allocated = _allocated_gib(resource, _source(resource, scene)) or Decimal(0)
    return allocated * scene.usage.profile.fill_share


def written_gib(resource: PlannedResource, scene: Scene) -> Decimal:
    """Write-ahead log of an instance's primary in a month; the primaries of a region share its writes."""
    primary = resource
    while (source := _source(primary, scene)) is not None:
        primary = source
    region, usage = scene.region(primary), scene.usage
    written = usage.per_request_gib(usage.profile.write_kib_per_request) * usage.share(region)
    return written / max(sum(scene.region(one) == region for one in primaries(scene)), 1)


def primaries(scene: Scene) -> Sequence[PlannedResource]:
    """Instances that are no replicas."""
    return scene.once("primaries", lambda: [one for one in scene.all(INSTANCE) if _source(one, scene) is None])


def kept_changes_gib(resource: PlannedResource, every_days: Decimal, kept_days: Decimal, scene: Scene) -> Decimal:
    """What snapshots hold beyond the first one: each adds what changed since the one before, all data at the most."""
    changed = min(used_gib(resource, scene), written_gib(resource, scene) * every_days / DAYS)
    return changed * kept_days / every_days


def recovery_points(plan: PlannedResource, scene: Scene) -> Mapping[str, Decimal]:
    """GiB of database snapshots that a plan of AWS Backup keeps, by region: its own, and those it copies to.

    A copy begins with all the data, then each adds what changed
    (https://docs.aws.amazon.com/aws-backup/latest/devguide/cross-region-backup.html). In its own region the snapshots
    build on RDS's own daily ones.
    """
    found: dict[str, Decimal] = {}
    for database in selected(plan, INSTANCE, scene):
        for rule in plan.inputs.get("rules", ()):
            every = days_between(rule.get("schedule", ""))
            home = scene.region(plan)
            found[home] = found.get(home, Decimal(0)) + kept_changes_gib(database, every, _kept_days(rule), scene)
            for copy, region in copies(plan, rule, scene):
                copied = used_gib(database, scene) + kept_changes_gib(database, every, _kept_days(copy), scene)
                found[region] = found.get(region, Decimal(0)) + copied
    return found


def selected(plan: PlannedResource, token: str, scene: Scene) -> list[PlannedResource]:
    """Resources of a type that a backup plan covers."""
    chosen = [one for one in scene.all(SELECTION) if plan in scene.behind(one, "planId")]
    return [each for one in chosen for each in scene.behind(one, "resources") if each.type == token]


def copies(plan: PlannedResource, rule: Mapping[str, Any], scene: Scene) -> Sequence[tuple[Mapping[str, Any], str]]:
    """Copy actions of a rule, each with the region that it copies to.

    Their ARNs are known to AWS alone: the regions are those of the vaults behind the plan which no rule fills itself.
    """
    filled = {one.get("targetVaultName") for one in plan.inputs.get("rules", ())}
    others = [scene.region(one) for one in scene.behind(plan, "rules") if one.inputs.get("name") not in filled]
    return [(action, region) for action, region in zip(rule.get("copyActions") or (), others, strict=False)]


def days_between(schedule: str) -> Decimal:
    """Days from one backup to the next by a cron expression of AWS Backup; daily is also its default."""
    fields = schedule.removeprefix("cron(").removesuffix(")").split()
    if len(fields) == 6:  # noqa: PLR2004 minutes, hours, day of month, month, day of week, year
        if fields[2].isdigit():
            return DAYS
        if fields[4].isalnum():
            return Decimal(7)
    return Decimal(1)


def backup_charge(gib: Decimal, region: str, scene: Scene, component: str) -> Charge:
    """Charge of snapshots in a region: the part of them that its free storage does not cover, the same for all."""
    kept, free = scene.once("backups", lambda: _all_backups(scene)).get(region, (Decimal(0), Decimal(0)))
    beyond = max(kept - free, Decimal(0)) / kept if kept else Decimal(0)
    note = f"{kept:.0f} GiB of snapshots in {region}, {free:.0f} GiB of them free"
    return Charge(component=component, key="rds/backup", quantity=gib * beyond, region=region, note=note)


def _backup(gib: Decimal, region: str, scene: Scene) -> Charge:
    return backup_charge(gib, region, scene, "backup")


def _all_backups(scene: Scene) -> Mapping[str, tuple[Decimal, Decimal]]:
    """By region: GiB of all snapshots, and GiB that are free."""
    kept: dict[str, Decimal] = {}
    free: dict[str, Decimal] = {}
    for one in scene.all(INSTANCE):
        region = scene.region(one)
        kept[region] = kept.get(region, Decimal(0)) + _automated_gib(one, scene)
        # Storage of all instances of the region, a standby not counted.
        free[region] = free.get(region, Decimal(0)) + (_allocated_gib(one, _source(one, scene)) or Decimal(0))
    for plan in scene.all(PLAN):
        for region, gib in recovery_points(plan, scene).items():
            kept[region] = kept.get(region, Decimal(0)) + gib
    return {region: (gib, free.get(region, Decimal(0))) for region, gib in kept.items()}


def _automated_gib(resource: PlannedResource, scene: Scene) -> Decimal:
    """RDS's own backups of an instance: its data, and what changed on each day that is kept."""
    days = number(resource, "backupRetentionPeriod")
    if not days:
        return Decimal(0)
    return used_gib(resource, scene) + kept_changes_gib(resource, Decimal(1), days, scene)


def _kept_days(rule: Mapping[str, Any]) -> Decimal:
    """Of a rule or a copy; what is never deleted is counted with its first year."""
    return Decimal((rule.get("lifecycle") or {}).get("deleteAfter") or 365)


# Caches.


def replication_group(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """Nodes of all shards, and snapshots. A secondary of a Global Datastore has its primary's shape."""
    shape = _shape(resource, scene)
    node_type = shape.inputs.get("nodeType")
    nodes = _nodes(resource, shape)
    if not isinstance(node_type, str) or node_type == UNKNOWN or nodes is None:
        yield Unpriced(component="nodes", why="the nodes are not known before they exist")
        return
    # Valkey is a fifth cheaper than Redis OSS, which is the provider's default.
    engine = shape.inputs.get("engine", "redis")
    yield Charge(component="nodes", key=f"elasticache/node/{engine}/{node_type}", quantity=nodes * HOURS)
    # One snapshot is free.
    snapshots = (number(resource, "snapshotRetentionLimit") or Decimal(0)) - 1
    if snapshots > 0:
        usable_mib = CACHE_MEMORY_MIB.get(node_type, 0) * (100 - RESERVED_PERCENT) / Decimal(100)
        held = usable_mib * (number(shape, "numNodeGroups") or 1) * scene.usage.profile.fill_share
        yield Charge(component="snapshots", key="elasticache/backup", quantity=snapshots * held / MIB_PER_GIB)


def global_replication_group(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """What the primary sends to each secondary; the nodes are the groups' own."""
    primary = scene.behind(resource, "primaryReplicationGroupId")
    home = scene.region(primary[0] if primary else resource)
    secondaries = [one for one in scene.all(GROUP) if resource in scene.behind(one, "globalReplicationGroupId")]
    usage = scene.usage
    written = usage.per_request_gib(usage.profile.cache_kib_per_request) * _CACHE_WRITE_SHARE * usage.share(home)
    yield Charge(
        component="replication",
        key="elasticache/transfer/global-datastore",
        quantity=written * len(secondaries),
        region=home,
    )


def _shape(resource: PlannedResource, scene: Scene) -> PlannedResource:
    """The group whose inputs say node type, engine and shards."""
    for datastore in scene.behind(resource, "globalReplicationGroupId"):
        for primary in scene.behind(datastore, "primaryReplicationGroupId"):
            return primary
    return resource


def _nodes(resource: PlannedResource, shape: PlannedResource) -> Decimal | None:
    """Nodes of a group; each region has replicas of its own. None: not known before it exists."""
    if UNKNOWN in (resource.inputs.get("replicasPerNodeGroup"), shape.inputs.get("numNodeGroups")):
        return None
    if (clusters := number(shape, "numCacheClusters")) is not None:
        return clusters
    replicas = number(resource, "replicasPerNodeGroup") or Decimal(0)
    return (number(shape, "numNodeGroups") or Decimal(1)) * (1 + replicas)


def number(resource: PlannedResource, name: str) -> Decimal | None:
    """An input that is a number; None where it is absent or not known."""
    value = resource.inputs.get(name)
    return None if value in (None, UNKNOWN, SECRET) else Decimal(str(value))


def _source(resource: PlannedResource, scene: Scene) -> PlannedResource | None:
    """The instance that a replica copies; None for a primary."""
    return next((one for one in scene.behind(resource, "replicateSourceDb") if one.type == INSTANCE), None)


def _allocated_gib(resource: PlannedResource, source: PlannedResource | None) -> Decimal | None:
    own = number(resource, "allocatedStorage")
    return number(source, "allocatedStorage") if own is None and source is not None else own


ESTIMATORS: Final[Mapping[str, Estimator]] = {
    INSTANCE: rds_instance,
    GROUP: replication_group,
    GLOBAL_GROUP: global_replication_group,
}
FREE: Final[Mapping[str, str]] = {
    "aws:rds/eventSubscription:EventSubscription": "RDS publishes events for nothing; SNS charges what it delivers",
    "aws:rds/parameterGroup:ParameterGroup": "settings of an instance",
    "aws:rds/subnetGroup:SubnetGroup": "a name for subnets",
    "aws:elasticache/parameterGroup:ParameterGroup": "settings of a cache",
    "aws:elasticache/subnetGroup:SubnetGroup": "a name for subnets",
    "aws:elasticache/user:User": "ElastiCache charges nodes, not users",
    "aws:elasticache/userGroup:UserGroup": "ElastiCache charges nodes, not users",
}
