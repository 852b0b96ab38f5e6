"""What moto's ElastiCache lacks: changing the shards and replicas of a replication group."""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult
from moto.elasticache.models import ElastiCacheBackend, ReplicationGroup
from moto.elasticache.responses import ElastiCacheResponse

SLOTS = 16_384


def mend_cache() -> None:
    """Add the operations; moto 5.2.5 finds an operation by the name of the method."""
    ElastiCacheBackend.delete_replication_group = _delete_replication_group
    ElastiCacheResponse.modify_replication_group_shard_configuration = _modify_shards
    ElastiCacheResponse.increase_replica_count = _modify_replicas
    ElastiCacheResponse.decrease_replica_count = _modify_replicas


def _delete_replication_group(self: ElastiCacheBackend, replication_group_id: str, **_: object) -> Any:
    """Delete it: moto 5.2.5 leaves it in state `deleting` for ever, so that its name stays taken."""
    group = self.describe_replication_groups(replication_group_id)[0]
    del self.replication_groups[replication_group_id]
    return group


def _modify_shards(self: ElastiCacheResponse) -> ActionResult:
    group = _group(self)
    _reshape(group, self._get_int_param("NodeGroupCount"), _replicas(group))
    return ActionResult({"ReplicationGroup": group})


def _modify_replicas(self: ElastiCacheResponse) -> ActionResult:
    group = _group(self)
    _reshape(group, len(group.node_groups), self._get_int_param("NewReplicaCount"))
    return ActionResult({"ReplicationGroup": group})


def _group(response: ElastiCacheResponse) -> ReplicationGroup:
    found: list[ReplicationGroup] = response.elasticache_backend.describe_replication_groups(
        response._get_param("ReplicationGroupId")  # noqa: SLF001 - moto's own way to a parameter
    )
    return found[0]


def _replicas(group: ReplicationGroup) -> int:
    return len(group.node_groups[0]["node_group_members"]) - 1


def _reshape(group: ReplicationGroup, shards: int, replicas: int) -> None:
    """Give the group as many shards of as many nodes, the slots shared out evenly."""
    group.member_clusters = []
    group.node_groups = []
    for shard in range(shards):
        node_group: dict[str, Any] = {
            "node_group_id": f"{shard + 1:0>4}",
            "status": "available",
            "slots": f"{shard * SLOTS // shards}-{(shard + 1) * SLOTS // shards - 1}",
            "node_group_members": [],
        }
        group._set_node_members_clusters_enabled(  # noqa: SLF001 - names the nodes as a creation does
            member_clusters=group.member_clusters,
            replication_group_id=group.replication_group_id,
            replicas_per_node_group=replicas,
            node_group_configuration=[],
            node_group=node_group,
            member_clusters_outpost_arns=group.member_clusters_outpost_arns,
        )
        group.node_groups.append(node_group)
