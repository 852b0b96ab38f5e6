"""ElastiCache."""

from __future__ import annotations

from collections.abc import Mapping

from infra.local.aws.calls import call, change
from infra.local.aws.kind import Context, Kind, Values
from infra.local.aws.memory import MemoryKind, Parent
from infra.local.aws.table import ApiKind

_ARN = "arn:{partition}:elasticache:{region}:{account}"


def _group(_: Context, values: Values) -> Values:
    """AWS tells cluster mode from the parameter group; moto wants it said. Shards are only counted with it on."""
    if values.get("clusterMode") or values.get("numNodeGroups") is None:
        return values
    return {**values, "clusterMode": "enabled"}


def _remove_group(ctx: Context, id_: str, outputs: Values) -> None:
    final = outputs.get("finalSnapshotIdentifier")
    ctx.client("elasticache").delete_replication_group(
        ReplicationGroupId=id_, **({"FinalSnapshotIdentifier": final} if final else {})
    )


KINDS: Mapping[str, Kind] = {
    "aws:elasticache/replicationGroup:ReplicationGroup": ApiKind(
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
        # moto knows neither ModifyReplicationGroupShardConfiguration nor the operations that count replicas:
        # such a change is kept in the state alone.
        changes=(change("modify_replication_group", ReplicationGroupId="{id}", ApplyImmediately=True),),
        remove=_remove_group,
        named=("replicationGroupId", 40),
        tags="elasticache",
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
