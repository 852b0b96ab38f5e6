"""What the program wants of a restored database: how RDS is told, and how it is compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

Values = dict[str, Any]

SETTINGS: Final[Mapping[str, str]] = {
    "instanceClass": "DBInstanceClass",
    "multiAz": "MultiAZ",
    "port": "Port",
    "storageType": "StorageType",
    "iops": "Iops",
    "storageThroughput": "StorageThroughput",
    "maxAllocatedStorage": "MaxAllocatedStorage",
    "dbSubnetGroupName": "DBSubnetGroupName",
    "vpcSecurityGroupIds": "VpcSecurityGroupIds",
    "publiclyAccessible": "PubliclyAccessible",
    "parameterGroupName": "DBParameterGroupName",
    "caCertIdentifier": "CACertificateIdentifier",
    "iamDatabaseAuthenticationEnabled": "EnableIAMDatabaseAuthentication",
    "backupRetentionPeriod": "BackupRetentionPeriod",
    "backupWindow": "PreferredBackupWindow",
    "maintenanceWindow": "PreferredMaintenanceWindow",
    "copyTagsToSnapshot": "CopyTagsToSnapshot",
    "deletionProtection": "DeletionProtection",
    "autoMinorVersionUpgrade": "AutoMinorVersionUpgrade",
    "enabledCloudwatchLogsExports": "EnableCloudwatchLogsExports",
    "monitoringInterval": "MonitoringInterval",
    "monitoringRoleArn": "MonitoringRoleArn",
    "performanceInsightsEnabled": "EnablePerformanceInsights",
    "performanceInsightsRetentionPeriod": "PerformanceInsightsRetentionPeriod",
    "performanceInsightsKmsKeyId": "PerformanceInsightsKMSKeyId",
}
"""What the program wants, and the parameter that says so. Engine, user, key and size come with the backup."""


def _groups(instance: Values) -> list[str]:
    return sorted(group["VpcSecurityGroupId"] for group in instance.get("VpcSecurityGroups", []))


COMPARED: Final[Mapping[str, Callable[[Values], Any]]] = {
    "instanceClass": lambda one: one.get("DBInstanceClass"),
    "multiAz": lambda one: one.get("MultiAZ"),
    "storageType": lambda one: one.get("StorageType"),
    "storageEncrypted": lambda one: one.get("StorageEncrypted"),
    "kmsKeyId": lambda one: one.get("KmsKeyId"),
    "username": lambda one: one.get("MasterUsername"),
    "dbName": lambda one: one.get("DBName"),
    "dbSubnetGroupName": lambda one: (one.get("DBSubnetGroup") or {}).get("DBSubnetGroupName"),
    "vpcSecurityGroupIds": _groups,
    "parameterGroupName": lambda one: next(
        (group["DBParameterGroupName"] for group in one.get("DBParameterGroups", [])), None
    ),
    "publiclyAccessible": lambda one: one.get("PubliclyAccessible"),
    "backupRetentionPeriod": lambda one: one.get("BackupRetentionPeriod"),
    "deletionProtection": lambda one: one.get("DeletionProtection"),
}
"""What has to be right before the names are exchanged: a wrong one would be a replacement, or a hole."""


def settings(inputs: Mapping[str, Any]) -> Values:
    """The parameters for a primary's inputs."""
    return {parameter: inputs[name] for name, parameter in SETTINGS.items() if inputs.get(name) is not None}


def differences(inputs: Mapping[str, Any], found: Values) -> list[str]:
    """Where an instance, as RDS describes it, is not what the inputs say; a sentence each."""
    told = []
    for name, read in COMPARED.items():
        wanted = sorted(inputs[name]) if isinstance(inputs.get(name), list) else inputs.get(name)
        if wanted is not None and read(found) != wanted:
            told.append(f"{name}: {read(found)}, and the program wants {wanted}")
    return told
