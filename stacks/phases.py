"""All four phases: found by name, compared with each other, and shown as a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from stacks import hardware, phase_1m, phase_10k, phase_50k, phase_250k
from stacks.overrides import override
from stacks.phase import SERVICES, CacheGroup, Phase, PhaseName, Sizing, Span
from stacks.shards import primary_of, replica_regions

PHASES: dict[PhaseName, dict[Sizing, Phase]] = {
    module.EFFICIENT.name: {Sizing.EFFICIENT: module.EFFICIENT, Sizing.BLUEPRINT: module.BLUEPRINT}
    for module in (phase_10k, phase_50k, phase_250k, phase_1m)
}
"""Every phase in both sizings, in the order of growth."""


def phase(
    name: PhaseName,
    sizing: Sizing = Sizing.EFFICIENT,
    overrides: Mapping[str, Any] | None = None,
    regions: Sequence[str] | None = None,
) -> Phase:
    """A phase, with a stack file's `overrides` (camelCase) merged in and `regions` in place of its own.

    Raises:
        stacks.overrides.OverrideError: with every override that the model refuses.
    """
    base = PHASES[name][sizing]
    return override(base, overrides or {}, regions) if overrides or regions else base


def shrinks(earlier: Phase, later: Phase) -> list[str]:
    """What `later` would take away or exchange that a stack in `earlier` cannot lose: data, or a place that holds some.

    Each line names the field, both values, and why it cannot be. What is not a phase's to choose (names, keys,
    addresses, encryption) does not differ between phases at all.
    """
    return [
        *_places(earlier, later),
        *_database(earlier, later),
        *_replicas(earlier, later),
        *_shards(earlier, later),
        *(line for name in ("cache", "state") for line in _cache(name, getattr(earlier, name), getattr(later, name))),
        *_rest(earlier, later),
    ]


def _less(field: str, before: float, after: float, why: str) -> Iterator[str]:
    if after < before:
        yield f"{field} goes from {before:,} to {after:,}: {why}"


def _gone(field: str, before: Sequence[str], after: Sequence[str], why: str) -> Iterator[str]:
    if lost := [name for name in before if name not in after]:
        yield f"{field} loses {', '.join(lost)}: {why}"


def _places(earlier: Phase, later: Phase) -> Iterator[str]:
    if earlier.home_region != later.home_region:
        yield f"regions moves home from {earlier.home_region} to {later.home_region}: the data stays where it is"
    yield from _gone("regions", earlier.regions, later.regions, "a full region holds shards")
    yield from _gone("readRegions", earlier.read_regions, later.all_regions, "its replica would be deleted")
    before, after = earlier.network.nat_gateways, later.network.nat_gateways
    yield from _less("network.natGateways", before, after, "addresses that others have allow-listed would be released")


def _database(earlier: Phase, later: Phase) -> Iterator[str]:
    before, after = earlier.database, later.database
    if before.multi_az and not after.multi_az:
        yield "database.multiAz is turned off: the standby would be deleted"
    yield from _less("database.storageGib", before.storage_gib, after.storage_gib, "RDS never shrinks a volume")
    yield from _less(
        "database.maxStorageGib", before.max_storage_gib, after.max_storage_gib, "autoscaling may already be beyond"
    )
    yield from _less(
        "database.backupRetentionDays",
        before.backup_retention_days,
        after.backup_retention_days,
        "RDS deletes the backups outside of the new window at once",
    )
    for field in ("local_replicas", "remote_replicas"):
        name = "database.localReplicas" if field == "local_replicas" else "database.remoteReplicas"
        yield from _less(name, getattr(before, field), getattr(after, field), "a replica in use would be deleted")
    yield from _less(
        "database.logicalShards", before.logical_shards, after.logical_shards, "the shards' databases hold users"
    )
    if before.placement == "dedicated" and after.placement == "colocated":
        yield "database.placement goes from dedicated to colocated: primaries that hold shards would be deleted"


def _replicas(earlier: Phase, later: Phase) -> Iterator[str]:
    """A primary's remote replica that another region would have instead; fewer of them is `_database`'s to tell."""
    for region in (name for name in earlier.regions if name in later.regions):
        before, after = replica_regions(earlier, region), replica_regions(later, region)
        if len(after) >= len(before) and (lost := [name for name in before if name not in after]):
            yield f"remote replicas of {region} leave {', '.join(lost)} for {', '.join(after)}: each would be made anew"


def _shards(earlier: Phase, later: Phase) -> Iterator[str]:
    for shard in range(min(earlier.database.logical_shards, later.database.logical_shards)):
        before, after = primary_of(earlier, shard).name, primary_of(later, shard).name
        if before != after:
            yield f"shard {shard} goes from {before} to {after}: its rows stay where they are"


def possible(earlier: Phase, later: Phase) -> list[str]:
    """What gets smaller and AWS makes smaller in place: each line names the field, both values, and what it means."""
    one, other = earlier.database, later.database
    found = []
    for name, before, after in (
        ("instanceClass", one.instance_class, other.instance_class),
        ("replicaClass", one.replica_class, other.replica_class),
    ):
        if one.memory_gib(after) < one.memory_gib(before):
            found.append(f"database.{name} from {before} to {after}: a restart, or a failover")
    for name in ("cache", "state"):
        group, smaller = getattr(earlier, name), getattr(later, name)
        if hardware.usable_mib(smaller.node_type, 1) < hardware.usable_mib(group.node_type, 1):
            change = f"{name}.nodeType from {group.node_type} to {smaller.node_type}"
            found.append(f"{change}: node by node, if what is held fits")
        if smaller.replicas_per_shard < group.replicas_per_shard:
            change = f"{name}.replicasPerShard from {group.replicas_per_shard} to {smaller.replicas_per_shard}"
            found.append(f"{change}: online, with less left for failover")
    for name, kept, wanted in (
        ("localReplicas", one.local_replicas, other.local_replicas),
        ("remoteReplicas", one.remote_replicas, other.remote_replicas),
    ):
        if wanted < kept:
            found.append(f"database.{name} from {kept} to {wanted}: readers are deleted; they can be made again")
    return found


def _cache(name: str, before: CacheGroup, after: CacheGroup) -> Iterator[str]:
    yield from _less(f"{name}.shards", before.shards, after.shards, "what does not fit the rest is evicted or refused")
    yield from _less(
        f"{name}.replicasPerShard", before.replicas_per_shard, after.replicas_per_shard, "failover needs them"
    )
    yield from _less(
        f"{name}.snapshotRetentionDays",
        before.snapshot_retention_days,
        after.snapshot_retention_days,
        "ElastiCache deletes the older snapshots",
    )
    yield from _less(f"{name}.usableMib", before.usable_mib, after.usable_mib, "what is held would no longer fit")


def _rest(earlier: Phase, later: Phase) -> Iterator[str]:
    yield from _gone("messaging.queues", earlier.messaging.queues, later.messaging.queues, "its messages go with it")
    for field in ("fan_out", "event_stream"):
        if getattr(earlier.messaging, field) and not getattr(later.messaging, field):
            name = "messaging.fanOut" if field == "fan_out" else "messaging.eventStream"
            yield f"{name} is turned off: subscribers and what is under way are lost"
    if earlier.search and not later.search:
        yield "search is taken away: the index would have to be built again"
    if earlier.search and later.search:
        before, after = earlier.search, later.search
        yield from _less("search.nodes", before.nodes, after.nodes, "its copies of the index go with a node")
        yield from _less("search.storageGib", before.storage_gib, after.storage_gib, "the index may already fill it")
    yield from _gone(
        "compute.pods", list(earlier.compute.pods), list(later.compute.pods), "its traffic has nowhere to go"
    )


def phase_table() -> str:
    """The four phases in their default sizing as a Markdown table, for the README."""
    phases = [PHASES[name][Sizing.EFFICIENT] for name in PhaseName]
    rows = [[label, *(cells(one) for one in phases)] for label, cells in _ROWS.items()]
    head = ["", *(f"`{one.name}`" for one in phases)]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _span(span: Span) -> str:
    return f"{span.low:,} to {span.high:,}" if span.low < span.high else f"{span.low:,}"


def _database_cell(one: Phase) -> str:
    sizes = one.database
    primaries = f"{len(one.regions)} x " if len(one.regions) > 1 else ""
    return f"{primaries}{sizes.instance_class}{', Multi-AZ' if sizes.multi_az else ''}, {sizes.storage_gib} GiB"


def _replica_cell(one: Phase) -> str:
    local, remote = one.database.local_replicas, one.database.remote_replicas
    each = " each" if len(one.regions) > 1 else ""
    return f"{local} local, {remote} remote{each}" if local + remote else "none"


def _cache_cell(one: Phase) -> str:
    each = " a region" if len(one.regions) > 1 else ""
    return (
        ", ".join(f"{group.nodes} x {group.node_type.removeprefix('cache.')}" for group in (one.cache, one.state))
        + each
    )


def _pods_cell(one: Phase) -> str:
    """With the pod of the API's idle colour, where there are two."""
    pods, regions, idle = one.compute.pods.values(), len(one.regions), int(one.compute.blue_green)
    least, most = sum(each.minimum for each in pods) + idle, sum(each.maximum for each in pods) + idle
    return f"{regions * least} to {regions * most}"


_ROWS: dict[str, Callable[[Phase], str]] = {
    "Monthly users": lambda one: f"{one.targets.monthly_users:,}",
    "At the same time": lambda one: _span(one.targets.concurrent_users),
    "Requests a second": lambda one: f"{one.targets.requests_per_second:,}",
    "Database queries a second": lambda one: _span(one.targets.database_queries_per_second),
    "API p95": lambda one: f"{one.targets.p95_ms} ms",
    "Uptime": lambda one: f"{one.targets.uptime_percent} %",
    "Recovery time / point": lambda one: (
        f"{one.targets.recovery_time_minutes} / {one.targets.recovery_point_minutes} min"
    ),
    "Budget a month": lambda one: f"{_span(one.targets.monthly_usd)} USD",
    "Regions": lambda one: ", ".join([*one.regions, *(f"{name} (reads)" for name in one.read_regions)]),
    "Database": _database_cell,
    "Read replicas": _replica_cell,
    "Cache, state": _cache_cell,
    "Pods": _pods_cell,
    "Services beside api, realtime, worker": lambda one: str(
        sum(role in SERVICES for role in one.compute.pods) or "none"
    ),
    "Search": lambda one: f"{one.search.nodes} x {one.search.instance_type}" if one.search else "PostgreSQL",
}
