"""RDS."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

from infra.local.aws.calls import Call, call, change, input_shape
from infra.local.aws.kind import Context, Kind, KindError, Values
from infra.local.aws.shape import to_api
from infra.local.aws.table import ApiKind

_RENAMED = {
    "identifier": "DBInstanceIdentifier",
    "instanceClass": "DBInstanceClass",
    "username": "MasterUsername",
    "password": "MasterUserPassword",
    "passwordWo": "MasterUserPassword",
    "backupWindow": "PreferredBackupWindow",
    "maintenanceWindow": "PreferredMaintenanceWindow",
    "parameterGroupName": "DBParameterGroupName",
    "iamDatabaseAuthenticationEnabled": "EnableIAMDatabaseAuthentication",
    "performanceInsightsEnabled": "EnablePerformanceInsights",
    "caCertIdentifier": "CACertificateIdentifier",
    "replicateSourceDb": "SourceDBInstanceIdentifier",
    "enabledCloudwatchLogsExports": "EnableCloudwatchLogsExports",
}
_PARAMETERS_A_CALL = 20
"""Limit of ModifyDBParameterGroup; https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBParameterGroup.html."""

_REPLICA = call("create_db_instance_read_replica")
_AFTER_REPLICATION = ("backupRetentionPeriod", "backupWindow", "maintenanceWindow")
"""What only ModifyDBInstance takes, so that the provider sends it once the replica is there."""


class _Instance(ApiKind):
    """An instance of its own or a replica: two operations make the same type."""

    def operation(self, inputs: Values) -> Call:
        """The operation that creates it."""
        return _REPLICA if inputs.get("replicateSourceDb") else self.make

    def _parameters(self, shape: Any, values: Values) -> Values:
        """Leave out a replica's storage, as the provider does: it starts with its source's."""
        given = {key: each for key, each in values.items() if key != "allocatedStorage"}
        return super()._parameters(shape, given if values.get("replicateSourceDb") else values)

    def update(self, ctx: Context, id: str, outputs: Values, old: Values, new: Values) -> Values:  # noqa: A002
        """Refuse what RDS refuses: storage cannot shrink."""
        before, after = int(outputs.get("allocatedStorage") or 0), int(new.get("allocatedStorage") or 0)
        if 0 < after < before:
            message = f"RDS cannot shrink allocated storage from {before} to {after} GiB"
            raise KindError(message)
        return super().update(ctx, id, outputs, old, new)


def _resource_id(values: Values) -> str:
    """An instance's own, unchanging id: moto gives all of them the same."""
    digest = hashlib.sha256(f"{values.get('region')}/{values['identifier']}".encode()).digest()
    return f"db-{base64.b32encode(digest).decode()[:26]}"


def _instance(_: Context, values: Values) -> Values:
    """A replica starts without protection and standby; moto copies its source's."""
    if not values.get("replicateSourceDb"):
        return values
    return {"deletionProtection": False, "multiAz": False, **values}


def _instance_changes(ctx: Context, _: str, old: Values, new: Values) -> None:
    """Log exports are changed by what comes and what goes; a replica without source is promoted."""
    client, identifier = ctx.client("rds"), new["identifier"]
    if not old:
        late = {key: new[key] for key in _AFTER_REPLICATION if new.get(key) is not None}
        if new.get("replicateSourceDb") and late:
            parameters = to_api(input_shape(client, "modify_db_instance"), late, _RENAMED)
            client.modify_db_instance(DBInstanceIdentifier=identifier, ApplyImmediately=True, **parameters)
        return
    before, after = (set(each.get("enabledCloudwatchLogsExports") or []) for each in (old, new))
    if before != after:
        exports = {"EnableLogTypes": sorted(after - before), "DisableLogTypes": sorted(before - after)}
        client.modify_db_instance(DBInstanceIdentifier=identifier, CloudwatchLogsExportConfiguration=exports)
    if old.get("replicateSourceDb") and not new.get("replicateSourceDb"):
        client.promote_read_replica(DBInstanceIdentifier=identifier)


def _remove_instance(ctx: Context, _: str, outputs: Values) -> None:
    skip, final = bool(outputs.get("skipFinalSnapshot")), outputs.get("finalSnapshotIdentifier")
    if not skip and not final:
        message = "finalSnapshotIdentifier is required when skipFinalSnapshot is false"
        raise KindError(message)
    ctx.client("rds").delete_db_instance(
        DBInstanceIdentifier=outputs["identifier"],
        SkipFinalSnapshot=skip,
        DeleteAutomatedBackups=bool(outputs.get("deleteAutomatedBackups", True)),
        **({} if skip else {"FinalDBSnapshotIdentifier": final}),
    )


def _described(_: Context, values: Values) -> Values:
    """The API insists on a description; the provider's default is Pulumi's."""
    return {**values, "description": values.get("description") or "Managed by Pulumi"}


def _parameters(ctx: Context, id_: str, old: Values, new: Values) -> None:
    """Parameters that were taken out keep their value: moto has no operation to reset them."""
    changed = [each for each in new.get("parameters") or [] if each not in (old.get("parameters") or [])]
    for start in range(0, len(changed), _PARAMETERS_A_CALL):
        ctx.client("rds").modify_db_parameter_group(
            DBParameterGroupName=id_,
            Parameters=[
                {
                    "ParameterName": each["name"],
                    "ParameterValue": str(each["value"]),
                    "ApplyMethod": each.get("applyMethod", "immediate"),
                }
                for each in changed[start : start + _PARAMETERS_A_CALL]
            ],
        )


KINDS: Mapping[str, Kind] = {
    "aws:rds/instance:Instance": _Instance(
        service="rds",
        make=call("create_db_instance"),
        prepare=_instance,
        rename=_RENAMED,
        # The provider's id is the resource id, not the identifier that the API takes:
        # https://registry.terraform.io/providers/hashicorp/aws/latest/docs/guides/version-5-upgrade
        id=_resource_id,
        find=call("describe_db_instances", DBInstanceIdentifier="{identifier}"),
        at="DBInstances[0]",
        outputs={
            "address": "Endpoint.Address",
            "arn": "DBInstanceArn",
            "endpoint": "join(':', [Endpoint.Address, to_string(Endpoint.Port)])",
            "engineVersionActual": "EngineVersion",
            "hostedZoneId": "Endpoint.HostedZoneId || 'Z2R2ITUGPM61AM'",
            "port": "Endpoint.Port",
            "resourceId": "={id}",
            "status": "DBInstanceStatus",
        },
        watched={
            "allocatedStorage": "AllocatedStorage",
            "availabilityZone": "AvailabilityZone",
            "backupRetentionPeriod": "BackupRetentionPeriod",
            "deletionProtection": "DeletionProtection",
            "engine": "Engine",
            "instanceClass": "DBInstanceClass",
            "multiAz": "MultiAZ",
            "publiclyAccessible": "PubliclyAccessible",
            "storageEncrypted": "StorageEncrypted",
            "storageType": "StorageType",
            "username": "MasterUsername",
            "vpcSecurityGroupIds": "VpcSecurityGroups[].VpcSecurityGroupId",
        },
        changes=(change("modify_db_instance", DBInstanceIdentifier="{identifier}", ApplyImmediately=True),),
        settle=_instance_changes,
        remove=_remove_instance,
        named=("identifier", 63),
        tags="rds",
    ),
    "aws:rds/subnetGroup:SubnetGroup": ApiKind(
        service="rds",
        make=call("create_db_subnet_group"),
        prepare=_described,
        rename={"name": "DBSubnetGroupName", "description": "DBSubnetGroupDescription"},
        id="DBSubnetGroup.DBSubnetGroupName",
        find=call("describe_db_subnet_groups", DBSubnetGroupName="{id}"),
        at="DBSubnetGroups[0]",
        outputs={"arn": "DBSubnetGroupArn", "vpcId": "VpcId"},
        watched={"subnetIds": "Subnets[].SubnetIdentifier"},
        changes=(
            change(
                "modify_db_subnet_group", "subnetIds", "description", DBSubnetGroupName="{id}", SubnetIds="{subnetIds}"
            ),
        ),
        drop=call("delete_db_subnet_group", DBSubnetGroupName="{id}"),
        named=("name", 255),
        tags="rds",
    ),
    "aws:rds/parameterGroup:ParameterGroup": ApiKind(
        service="rds",
        make=call("create_db_parameter_group"),
        prepare=_described,
        rename={"name": "DBParameterGroupName", "family": "DBParameterGroupFamily"},
        id="DBParameterGroup.DBParameterGroupName",
        find=call("describe_db_parameter_groups", DBParameterGroupName="{id}"),
        at="DBParameterGroups[0]",
        outputs={"arn": "DBParameterGroupArn"},
        settle=_parameters,
        drop=call("delete_db_parameter_group", DBParameterGroupName="{id}"),
        named=("name", 255),
        tags="rds",
    ),
    "aws:rds/eventSubscription:EventSubscription": ApiKind(
        service="rds",
        make=call("create_event_subscription"),
        rename={"name": "SubscriptionName", "snsTopic": "SnsTopicArn"},
        id="EventSubscription.CustSubscriptionId",
        find=call("describe_event_subscriptions", SubscriptionName="{id}"),
        at="EventSubscriptionsList[0]",
        outputs={"arn": "EventSubscriptionArn"},
        # moto has no ModifyEventSubscription: a change is kept in the state alone.
        drop=call("delete_event_subscription", SubscriptionName="{id}"),
        named=("name", 255),
        tags="rds",
    ),
}
