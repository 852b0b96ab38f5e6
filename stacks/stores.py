"""What holds data, as numbers: the database, the pooler in front of it, and the caches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from stacks import hardware
from stacks.model import InstanceClass, Model, NodeType, broken

SLOTS = 256
"""Logical slots that users are hashed to, in every phase; databases share them out."""
STRIPED_FROM_GIB = 400
"""From here on RDS stripes gp3 over four volumes, and only then IOPS and throughput can be set."""
SERVER_SHARE_PERCENT = 80
"""Most that the poolers may take of what a database allows; the rest is for migrations, jobs and people."""


def _from_400_gib(value: int) -> Callable[[dict[str, Any]], int | None]:
    return lambda fields: value if fields.get("storage_gib", 0) >= STRIPED_FROM_GIB else None


class Database(Model):
    """RDS for PostgreSQL in the home region, and what each further full region repeats."""

    instance_class: InstanceClass
    """Class of a primary. Changes in place, with a failover of one to two minutes when Multi-AZ."""
    multi_az: bool
    """A synchronous standby in another zone; it doubles what the primary and its storage cost."""
    replica_class: InstanceClass
    """Class of the read replicas; it must allow as many connections as the primary's."""
    local_replicas: Annotated[int, Field(ge=0, le=15)]
    """Read replicas in the primary's own region (RDS allows 15 per source)."""
    remote_replicas: Annotated[int, Field(ge=0, le=5)]
    """Read replicas of this primary in other regions (RDS allows 5 across regions), one a region at most."""
    logical_budget_gib: Annotated[int, Field(ge=1)]
    """What the roadmap plans to store over all primaries; provisioned storage may be larger."""
    storage_gib: Annotated[int, Field(ge=20, le=59578)]
    """Storage of one primary, and of each of its replicas. RDS gp3 starts at 20 GiB and ends at 65,536, of which some
    is left for its autoscaling; no volume ever shrinks."""
    max_storage_gib: Annotated[int, Field(ge=22, le=65536)]
    """Storage autoscaling's ceiling; RDS wants at least 10 % above `storage_gib`."""
    iops: Annotated[int, Field(ge=12000, le=64000)] | None = Field(default_factory=_from_400_gib(12_000))
    """Only from 400 GiB, where 12,000 cost nothing extra; below, gp3 has a fixed 3,000."""
    throughput_mibps: Annotated[int, Field(ge=500, le=4000)] | None = Field(default_factory=_from_400_gib(500))
    """Only from 400 GiB, where 500 cost nothing extra; below, a fixed 125. At most a quarter of `iops`."""
    backup_retention_days: Annotated[int, Field(ge=1, le=35)]
    """Window of point-in-time recovery; RDS keeps 35 days at most."""
    logical_shards: Annotated[int, Field(ge=1, le=SLOTS)]
    """Databases that the 256 slots are routed to."""
    placement: Literal["colocated", "dedicated"] = "colocated"
    """`colocated`: the regional primaries share the shards; `dedicated`: a primary per shard."""

    @property
    def server_connections(self) -> int:
        """What all poolers together may open to one primary or one replica."""
        return self.max_connections(self.instance_class) * SERVER_SHARE_PERCENT // 100

    def max_connections(self, instance_class: str) -> int:
        """Connections that RDS allows on `instance_class` by default."""
        return hardware.max_connections(instance_class)

    def memory_gib(self, instance_class: str) -> int:
        """Nominal memory of `instance_class`."""
        return hardware.DATABASE_MEMORY_GIB[instance_class]

    @model_validator(mode="after")
    def _storage(self) -> Self:
        least = -(-self.storage_gib * 11 // 10)
        if self.max_storage_gib < least:
            msg = (
                f"maxStorageGib ({self.max_storage_gib}) must be at least 10 % above "
                f"storageGib ({self.storage_gib}): {least} or more"
            )
            raise broken(msg, field="maxStorageGib", mend=least)
        return self

    @model_validator(mode="after")
    def _performance(self) -> Self:
        large = self.storage_gib >= STRIPED_FROM_GIB
        for field, value, least in (("iops", self.iops, 12_000), ("throughputMibps", self.throughput_mibps, 500)):
            if large and value is None:
                msg = f"{field} must not be null when storageGib ({self.storage_gib}) is 400 or more"
                raise broken(msg, field=field, mend=least)
            if not large and value is not None:
                msg = f"{field} ({value}) can only be set when storageGib ({self.storage_gib}) is 400 or more"
                raise broken(msg, field=field)
        if self.iops is not None and self.throughput_mibps is not None and self.throughput_mibps * 4 > self.iops:
            msg = f"throughputMibps ({self.throughput_mibps}) must not exceed a quarter of iops ({self.iops})"
            raise broken(msg, field="throughputMibps", mend=self.iops // 4)
        return self

    @model_validator(mode="after")
    def _replicas(self) -> Self:
        # PostgreSQL stops a standby whose max_connections is below the primary's:
        # https://www.postgresql.org/docs/current/hot-standby.html#HOT-STANDBY-ADMIN
        primary, replica = self.max_connections(self.instance_class), self.max_connections(self.replica_class)
        if replica < primary and self.local_replicas + self.remote_replicas:
            msg = (
                f"replicaClass ({self.replica_class}, {replica:,} connections) must allow as many "
                f"connections as instanceClass ({self.instance_class}, {primary:,}), or replication stops"
            )
            raise broken(msg, field="replicaClass", mend=self.instance_class)
        return self

    @model_validator(mode="after")
    def _slots(self) -> Self:
        fewest = SLOTS // self.logical_shards
        if SLOTS % self.logical_shards and fewest < 10:  # noqa: PLR2004 - one slot more is then over 10 % more load
            msg = (
                f"logicalShards ({self.logical_shards}) splits the {SLOTS} slots unevenly "
                f"({fewest} or {fewest + 1} each): use at most {SLOTS // 10}, or a power of two"
            )
            raise broken(msg, field="logicalShards", mend=2 ** (self.logical_shards.bit_length() - 1))
        return self


class Pooler(Model):
    """PgBouncer in transaction mode. The roadmap's connection counts are client connections, not the database's."""

    client_connections: Annotated[int, Field(ge=100, le=50000)]
    """Of one full region, over all writer pods together."""
    pods: Annotated[int, Field(ge=2, le=50)]
    """Writer pods of one full region, and as many reader pods. One thread each: 1,000 clients a pod at most."""
    app_pool_size: Annotated[int, Field(ge=1, le=50)]
    """Connections that each application process keeps to the pooler."""
    app_pool_overflow: Annotated[int, Field(ge=0, le=50)]
    """Connections that a process may open beyond that for a moment."""

    @model_validator(mode="after")
    def _thread(self) -> Self:
        most = self.pods * 1_000
        if self.client_connections > most:
            msg = f"clientConnections ({self.client_connections}) must not exceed 1,000 a pod: {most:,}"
            raise broken(msg, field="pods", mend=-(-self.client_connections // 1_000))
        return self


class CacheGroup(Model):
    """One ElastiCache (Valkey) replication group, cluster mode enabled in every phase."""

    node_type: NodeType
    """Type of every node; changes online."""
    shards: Annotated[int, Field(ge=1, le=500)]
    """Shards of the cluster; ElastiCache moves slots online when it grows."""
    replicas_per_shard: Annotated[int, Field(ge=1, le=5)]
    """ElastiCache fails over only to a replica, so there is always one."""
    snapshot_retention_days: Annotated[int, Field(ge=0, le=35)]
    """Daily snapshots kept; 0 keeps none."""
    usable_mib: Annotated[int, Field(ge=1)]
    """What the roadmap asks this group to hold."""

    @property
    def nodes(self) -> int:
        """Primaries and replicas together."""
        return self.shards * (1 + self.replicas_per_shard)

    @model_validator(mode="after")
    def _memory(self) -> Self:
        usable = hardware.usable_mib(self.node_type, self.shards)
        if usable < self.usable_mib:
            msg = (
                f"usableMib ({self.usable_mib:,}) does not fit: {self.shards} shard(s) of {self.node_type} hold "
                f"{usable:,} MiB, after the {hardware.RESERVED_PERCENT} % that ElastiCache reserves"
            )
            one = hardware.usable_mib(self.node_type, 1)
            raise broken(msg, field="shards", mend=min(-(-self.usable_mib // one), 500))
        return self
