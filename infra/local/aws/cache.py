"""ElastiCache."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from infra.local.aws.calls import call, change
from infra.local.aws.kind import Context, Kind, KindError, Values
from infra.local.aws.memory import MEMORY, MemoryKind, Parent
from infra.local.aws.table import ApiKind

_ARN = "arn:{partition}:elasticache:{region}:{account}"


_DATASTORE = "ElastiCache global datastore"
_INHERITED = (
    "atRestEncryptionEnabled",
    "engine",
    "engineVersion",
    "nodeType",
    "numNodeGroups",
    "parameterGroupName",
    "transitEncryptionEnabled",
    "transitEncryptionMode",
)
"""What a secondary takes from its datastore; the provider refuses each beside `globalReplicationGroupId`."""


def _group(ctx: Context, values: Values) -> Values:
    """AWS tells cluster mode from the parameter group; moto wants it said. Shards are only counted with it on."""
    if values.get("globalReplicationGroupId"):
        return {**_inherited(ctx, values), **values}
    if values.get("clusterMode") or values.get("numNodeGroups") is None:
        return values
    return {**values, "clusterMode": "enabled"}


def _inherited(ctx: Context, values: Values) -> Values:
    """What a secondary gets from the primary of its datastore."""
    own = [key for key in _INHERITED if values.get(key) is not None]
    if own:
        message = f"globalReplicationGroupId: conflicts with {', '.join(own)}"
        raise KindError(message)
    primary = _primary(ctx, values["globalReplicationGroupId"])
    return {
        "atRestEncryptionEnabled": primary["AtRestEncryptionEnabled"],
        "clusterMode": "enabled",
        "engine": primary.get("Engine", "valkey"),
        "nodeType": primary["CacheNodeType"],
        "numNodeGroups": len(primary["NodeGroups"]),
        "transitEncryptionEnabled": primary["TransitEncryptionEnabled"],
    }


def _primary(ctx: Context, id_: str) -> Values:
    """The primary group of a datastore, wherever it stands."""
    for region, type_, each in MEMORY.list(ctx.endpoint):
        home = replace(ctx, region=region)
        datastore = MEMORY.get(home, type_, each) if (type_, each) == (_DATASTORE, id_) else None
        if datastore is not None:
            return _described(home, datastore["primaryReplicationGroupId"])
    message = f"GlobalReplicationGroupNotFoundFault: {id_} does not exist"
    raise KindError(message)


def _described(ctx: Context, id_: str) -> Values:
    found = ctx.client("elasticache").describe_replication_groups(ReplicationGroupId=id_)["ReplicationGroups"]
    return dict(found[0])


def _counted(_: Context, __: str, found: Values, ___: Values) -> Values:
    """Shards and replicas as they are."""
    shards = found["NodeGroups"]
    return {"numNodeGroups": len(shards), "replicasPerNodeGroup": len(shards[0]["NodeGroupMembers"]) - 1}


def _resize(ctx: Context, id_: str, old: Values, new: Values) -> None:
    """Shards first, then replicas, as the provider does; AWS is told which shards go."""
    if not old:
        return
    client = ctx.client("elasticache")
    before, after = _counts(old), _counts(new)
    if after[0] not in (None, before[0]):
        shards = [each["NodeGroupId"] for each in _described(ctx, id_)["NodeGroups"]]
        gone = {"NodeGroupsToRemove": shards[after[0] :]} if after[0] < len(shards) else {}
        client.modify_replication_group_shard_configuration(
            ReplicationGroupId=id_, NodeGroupCount=after[0], ApplyImmediately=True, **gone
        )
    if after[1] not in (None, before[1]):
        more = before[1] is None or after[1] > before[1]
        change_count = client.increase_replica_count if more else client.decrease_replica_count
        change_count(ReplicationGroupId=id_, NewReplicaCount=after[1], ApplyImmediately=True)


def _counts(values: Values) -> tuple[int | None, int | None]:
    shards, replicas = (values.get(key) for key in ("numNodeGroups", "replicasPerNodeGroup"))
    return None if shards is None else int(shards), None if replicas is None else int(replicas)


@dataclass(frozen=True, kw_only=True)
class _ReplicationGroup(ApiKind):
    """A group; as the primary of a datastore it cannot be resized by itself."""

    def update(self, ctx: Context, id: str, outputs: Values, old: Values, new: Values) -> Values:  # noqa: A002
        """See `Kind`."""
        resized = [key for key in ("nodeType", "numNodeGroups") if old.get(key) != new.get(key)]
        if resized and id in _primaries(ctx):
            message = f"InvalidParameterCombination: {', '.join(resized)} of {id} is changed through its datastore"
            raise KindError(message)
        return super().update(ctx, id, outputs, old, new)


def _primaries(ctx: Context) -> set[str]:
    """Primary groups of the datastores whose home is this region."""
    found = (
        MEMORY.get(ctx, type_, id_)
        for region, type_, id_ in MEMORY.list(ctx.endpoint)
        if (region, type_) == (ctx.region, _DATASTORE)
    )
    return {each["primaryReplicationGroupId"] for each in found if each is not None}


@dataclass(frozen=True, kw_only=True)
class _Datastore(MemoryKind):
    """A global datastore; small nodes cannot replicate over regions."""

    def create(self, ctx: Context, inputs: Values) -> tuple[str, Values]:
        """See `Kind`."""
        id_, outputs = super().create(ctx, inputs)
        if str(outputs["cacheNodeType"]).startswith("cache.t"):
            self.delete(ctx, id_, outputs)
            message = "InvalidParameterValue: Global replication group is not supported for the node type."
            raise KindError(message)
        return id_, outputs


def _remove_group(ctx: Context, id_: str, outputs: Values) -> None:
    final = outputs.get("finalSnapshotIdentifier")
    ctx.client("elasticache").delete_replication_group(
        ReplicationGroupId=id_, **({"FinalSnapshotIdentifier": final} if final else {})
    )


KINDS: Mapping[str, Kind] = {
    "aws:elasticache/replicationGroup:ReplicationGroup": _ReplicationGroup(
        service="elasticache",
        make=call("create_replication_group"),
        prepare=_group,
        rename={
            "description": "ReplicationGroupDescription",
            "maintenanceWindow": "PreferredMaintenanceWindow",
            "nodeGroupConfigurations": "NodeGroupConfiguration",
            "nodeType": "CacheNodeType",
            "parameterGroupName": "CacheParameterGroupName",
            "subnetGroupName": "CacheSubnetGroupName",
        },
        id="ReplicationGroup.ReplicationGroupId",
        find=call("describe_replication_groups", ReplicationGroupId="{id}"),
        at="ReplicationGroups[?Status != 'deleting'] | [0]",
        outputs={
            "arn": "ARN",
            "clusterEnabled": "ClusterEnabled",
            "configurationEndpointAddress": "ConfigurationEndpoint.Address || ''",
            "engineVersionActual": "={engineVersion}",
            "memberClusters": "MemberClusters",
            "primaryEndpointAddress": "NodeGroups[0].PrimaryEndpoint.Address || ''",
            "readerEndpointAddress": "NodeGroups[0].ReaderEndpoint.Address || ''",
        },
        watched={
            "atRestEncryptionEnabled": "AtRestEncryptionEnabled",
            "automaticFailoverEnabled": "AutomaticFailover == 'enabled'",
            "description": "Description",
            "multiAzEnabled": "MultiAZ == 'enabled'",
            "nodeType": "CacheNodeType",
            "snapshotRetentionLimit": "SnapshotRetentionLimit",
            "transitEncryptionEnabled": "TransitEncryptionEnabled",
        },
        changes=(change("modify_replication_group", ReplicationGroupId="{id}", ApplyImmediately=True),),
        settle=_resize,
        derive=_counted,
        remove=_remove_group,
        named=("replicationGroupId", 40),
        tags="elasticache",
    ),
    # The prefix is AWS's own; in us-east-1 it is this one.
    "aws:elasticache/globalReplicationGroup:GlobalReplicationGroup": _Datastore(
        type=_DATASTORE,
        id="ldgnf-{globalReplicationGroupIdSuffix}",
        outputs={
            "arn": "arn:{partition}:elasticache::{account}:globalreplicationgroup:{id}",
            "globalReplicationGroupId": "{id}",
        },
        parents=(
            Parent(
                "elasticache",
                call("describe_replication_groups", ReplicationGroupId="{primaryReplicationGroupId}"),
                "ReplicationGroups",
                {
                    "atRestEncryptionEnabled": "ReplicationGroups[0].AtRestEncryptionEnabled",
                    "cacheNodeType": "ReplicationGroups[0].CacheNodeType",
                    "clusterEnabled": "ReplicationGroups[0].ClusterEnabled",
                    "numNodeGroups": "length(ReplicationGroups[0].NodeGroups)",
                    "transitEncryptionEnabled": "ReplicationGroups[0].TransitEncryptionEnabled",
                },
            ),
        ),
    ),
    # moto can make a subnet group, but neither change nor delete it.
    "aws:elasticache/subnetGroup:SubnetGroup": MemoryKind(
        type="ElastiCache subnet group",
        id="{name}",
        outputs={"arn": f"{_ARN}:subnetgroup:{{name}}"},
        parents=(
            Parent("ec2", call("describe_subnets", SubnetIds="{subnetIds}"), "Subnets", {"vpcId": "Subnets[0].VpcId"}),
        ),
        named=("name", 255),
        tags=True,
    ),
    "aws:elasticache/parameterGroup:ParameterGroup": MemoryKind(
        type="ElastiCache parameter group",
        id="{name}",
        outputs={"arn": f"{_ARN}:parametergroup:{{name}}"},
        named=("name", 255),
        tags=True,
    ),
    # moto can make a user, but not change it.
    "aws:elasticache/user:User": MemoryKind(
        type="ElastiCache user",
        id="{userId}",
        outputs={"arn": f"{_ARN}:user:{{userId}}"},
        tags=True,
    ),
    "aws:elasticache/userGroup:UserGroup": MemoryKind(
        type="ElastiCache user group",
        id="{userGroupId}",
        outputs={"arn": f"{_ARN}:usergroup:{{userGroupId}}"},
        tags=True,
    ),
}
