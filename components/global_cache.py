"""ElastiCache Global Datastore: home's `cache` group is written, the other regions' read what it holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pulumi
import pulumi_aws as aws

from components.component import Component, DataClass, Site


@dataclass(frozen=True, kw_only=True, slots=True)
class GlobalCacheArgs:
    """`primary_group_id` is home's `cache` group; it must not be of the t family (T-type nodes cannot replicate)."""

    primary_group_id: pulumi.Input[str]


class GlobalCache(Component):
    """The datastore over home's `cache` group; secondaries join with `CacheArgs.global_group_id`.

    It takes over the primary's size as it is. From then on node type and shards are changed through the datastore,
    for all regions at once, and AWS refuses them on a member; so they are not inputs here either, where they would
    race with the primary's: docs/runbooks/cache-replication-lag.md has the order. Growth to several regions resizes
    home's group first, since the datastore waits for its id.
    """

    KIND: ClassVar[str] = "data:GlobalCache"
    DATA_CLASS: ClassVar[DataClass] = "confidential"

    global_group_id: pulumi.Output[str]

    def __init__(
        self, name: str, site: Site, args: GlobalCacheArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Create the datastore; `site` is home's."""
        super().__init__(name, site, opts)
        group = aws.elasticache.GlobalReplicationGroup(
            name,
            global_replication_group_id_suffix=site.names.of("cache", name),
            primary_replication_group_id=args.primary_group_id,
            global_replication_group_description="Headroom cache over all full regions.",
            opts=self.stateful(custom_timeouts=pulumi.CustomTimeouts(create="60m", update="120m", delete="60m")),
        )
        self.global_group_id = group.global_replication_group_id
        self.register_outputs({"global_group_id": self.global_group_id})
