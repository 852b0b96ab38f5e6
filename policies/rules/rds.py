"""Databases, each by itself: encrypted, private, kept, and restorable."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from policies.rule import Level, Rules, Severity
from policies.view import Resource, each

RULES = Rules()
INSTANCE = "aws:rds/instance:Instance"
PARAMETERS = "aws:rds/parameterGroup:ParameterGroup"

KEPT_DAYS: Final = 7
PRODUCTION_DAYS: Final = 30
LOGS: Final = ("postgresql", "upgrade")
GUESSED_NAMES: Final = frozenset(
    {"admin", "administrator", "awsuser", "master", "postgres", "rdsadmin", "root", "sa", "user"}
)
"""Names of administrators that a program which guesses passwords tries first."""
AUTHORITIES: Final = frozenset({"rds-ca-ecc384-g1", "rds-ca-rsa2048-g1", "rds-ca-rsa4096-g1"})
"""Those that have not run out (https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.SSL.html)."""


@RULES.on(
    INSTANCE,
    id="rds-storage-encrypted",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="Storage of every database is encrypted, with a key of the account's own.",
    remedy="set storageEncrypted to true and kmsKeyId to a key; a database that exists has to be restored from a copy",
    frameworks=("FSBP RDS.3", "Checkov CKV_AWS_16", "cdk-nag AwsSolutions-RDS2"),
)
def storage_encrypted(one: Resource) -> Iterator[str]:
    """Replicas take encryption from their source; in another region with a key that `rds-replica-key` asks for."""
    if one.has("replicateSourceDb") and not one.has("storageEncrypted"):
        return
    if one.get("storageEncrypted") is not True:
        yield "storage is not encrypted"
    elif not one.has("kmsKeyId"):
        yield "storage is encrypted with the service's key"


@RULES.on(
    INSTANCE,
    id="rds-private",
    severity=Severity.CRITICAL,
    level=Level.MANDATORY,
    demands="No database has a public address.",
    remedy="set publiclyAccessible to false",
    frameworks=("FSBP RDS.2", "Checkov CKV_AWS_17"),
)
def private(one: Resource) -> Iterator[str]:
    """Without the input the provider asks for a private one."""
    if one.get("publiclyAccessible", default=False) is not False:
        yield "it has a public address"


@RULES.on(
    INSTANCE,
    id="rds-backups-kept",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands=f"Every primary can be restored to any moment of the last {KEPT_DAYS} days.",
    remedy=f"set backupRetentionPeriod to {KEPT_DAYS} or more",
    frameworks=("FSBP RDS.11", "Checkov CKV_AWS_133", "cdk-nag AwsSolutions-RDS13"),
)
def backups_kept(one: Resource) -> Iterator[str]:
    """A reader beside its primary has what the primary has; `rds-replica-backups` asks for copies elsewhere."""
    if not one.has("replicateSourceDb") and one.number("backupRetentionPeriod") < KEPT_DAYS:
        yield f"backups are kept for less than {KEPT_DAYS} days"


@RULES.on(
    INSTANCE,
    id="rds-backups-kept-month",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands=f"Every primary in production can be restored to any moment of the last {PRODUCTION_DAYS} days.",
    remedy=f"set backupRetentionPeriod to {PRODUCTION_DAYS} or more",
)
def backups_kept_month(one: Resource) -> Iterator[str]:
    """Who finds after two weeks that data was damaged has nothing to go back to with seven days."""
    if not one.has("replicateSourceDb") and one.number("backupRetentionPeriod") < PRODUCTION_DAYS:
        yield f"backups are kept for less than {PRODUCTION_DAYS} days"


@RULES.on(
    INSTANCE,
    id="rds-multi-az",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="Every primary has a standby in another zone.",
    remedy="set multiAz to true",
    frameworks=("FSBP RDS.5", "Checkov CKV_AWS_157", "cdk-nag AwsSolutions-RDS3"),
)
def multi_az(one: Resource) -> Iterator[str]:
    """A replica is spare itself: another reader, or the primary, does its work."""
    if not one.has("replicateSourceDb") and one.get("multiAz") is not True:
        yield "it has no standby in another zone"


@RULES.on(
    INSTANCE,
    id="rds-deletion-protected",
    severity=Severity.HIGH,
    level=Level.PRODUCTION,
    demands="AWS refuses to delete any database.",
    remedy="set deletionProtection to true",
    frameworks=("FSBP RDS.8", "Checkov CKV_AWS_293", "cdk-nag AwsSolutions-RDS10"),
)
def deletion_protected(one: Resource) -> Iterator[str]:
    """Pulumi's `protect` stops Pulumi only: this stops everybody."""
    if one.get("deletionProtection") is not True:
        yield "anybody with the right to may delete it in one call"


@RULES.on(
    INSTANCE,
    id="rds-final-snapshot",
    severity=Severity.HIGH,
    level=Level.PRODUCTION,
    demands="A primary that is deleted leaves a snapshot.",
    remedy="set skipFinalSnapshot to false and finalSnapshotIdentifier to a name",
)
def final_snapshot(one: Resource) -> Iterator[str]:
    """AWS refuses a final snapshot of a replica."""
    if one.has("replicateSourceDb"):
        return
    if one.get("skipFinalSnapshot", default=False) is not False:
        yield "no snapshot is left when it is deleted"
    elif not one.has("finalSnapshotIdentifier"):
        yield "its last snapshot has no name, so deleting it fails"


@RULES.on(
    INSTANCE,
    id="rds-snapshots-tagged",
    severity=Severity.LOW,
    level=Level.ADVISORY,
    demands="Snapshots carry the tags of their database.",
    remedy="set copyTagsToSnapshot to true",
    frameworks=("FSBP RDS.17", "Checkov CKV2_AWS_60"),
)
def snapshots_tagged(one: Resource) -> Iterator[str]:
    """Without them nobody knows whose a snapshot is, or who pays for it."""
    if one.get("copyTagsToSnapshot") is not True:
        yield "its snapshots carry no tags"


@RULES.on(
    INSTANCE,
    id="rds-iam-authentication",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="People sign in to every database with short-lived tokens of IAM.",
    remedy="set iamDatabaseAuthenticationEnabled to true; it changes in place",
    frameworks=("FSBP RDS.10", "Checkov CKV_AWS_161"),
)
def iam_authentication(one: Resource) -> Iterator[str]:
    """Readers too: AWS does not switch it on for a replica by itself.

    https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstanceReadReplica.html
    """
    if one.get("iamDatabaseAuthenticationEnabled") is not True:
        yield "nobody can sign in with a token of IAM"


@RULES.on(
    INSTANCE,
    id="rds-logs-exported",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="The logs of every database that can be written, or may take over, are in CloudWatch.",
    remedy=f"set enabledCloudwatchLogsExports to {' and '.join(LOGS)}",
    frameworks=("FSBP RDS.9", "FSBP RDS.36", "Checkov CKV_AWS_129"),
)
def logs_exported(one: Resource) -> Iterator[str]:
    """Readers without backups never take over, and nothing is changed in them; their slow statements are measured."""
    if one.has("replicateSourceDb") and not one.number("backupRetentionPeriod"):
        return
    exported = each(one, "enabledCloudwatchLogsExports")
    if missing := [log for log in LOGS if log not in exported]:
        yield f"logs that are not exported: {', '.join(missing)}"


@RULES.on(
    INSTANCE,
    id="rds-monitored",
    severity=Severity.LOW,
    level=Level.ADVISORY,
    demands="Every database sends metrics of its operating system.",
    remedy="set monitoringInterval to 60 or less, and monitoringRoleArn",
    frameworks=("FSBP RDS.6", "Checkov CKV_AWS_118"),
)
def monitored(one: Resource) -> Iterator[str]:
    """The hypervisor sees no processes."""
    if one.number("monitoringInterval") <= 0 or not one.has("monitoringRoleArn"):
        yield "nothing measures its operating system"


@RULES.on(
    INSTANCE,
    id="rds-statements-measured",
    severity=Severity.LOW,
    level=Level.ADVISORY,
    demands="Performance Insights measures statements, encrypted with a key of the account's own.",
    remedy="set performanceInsightsEnabled to true and performanceInsightsKmsKeyId to a key",
    frameworks=("Checkov CKV_AWS_353", "Checkov CKV_AWS_354"),
)
def statements_measured(one: Resource) -> Iterator[str]:
    """It keeps the texts of statements, which may hold data."""
    if one.get("performanceInsightsEnabled") is not True:
        yield "nothing measures its statements"
    elif not one.has("performanceInsightsKmsKeyId"):
        yield "measured statements are encrypted with the service's key"


@RULES.on(
    INSTANCE,
    id="rds-minor-upgrades",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="Every database takes minor versions by itself.",
    remedy="set autoMinorVersionUpgrade to true",
    frameworks=("FSBP RDS.13", "Checkov CKV_AWS_226"),
)
def minor_upgrades(one: Resource) -> Iterator[str]:
    """On without the input."""
    if one.get("autoMinorVersionUpgrade", default=True) is not True:
        yield "it takes no minor versions, nor the mends in them"


@RULES.on(
    INSTANCE,
    id="rds-owner-name",
    severity=Severity.MEDIUM,
    level=Level.MANDATORY,
    demands="The owner of a database has no name that is tried first.",
    remedy="choose another username; a database that exists has to be restored under it",
    frameworks=("FSBP RDS.25",),
)
def owner_name(one: Resource) -> Iterator[str]:
    """A replica's owner is its source's."""
    if str(one.get("username", default="")).lower() in GUESSED_NAMES:
        yield "its owner has a name that is tried first"


@RULES.on(
    INSTANCE,
    id="rds-authority",
    severity=Severity.LOW,
    level=Level.ADVISORY,
    demands="A database's certificate is of an authority that has not run out.",
    remedy=f"set caCertIdentifier to one of {', '.join(sorted(AUTHORITIES))}",
    frameworks=("Checkov CKV_AWS_211",),
)
def authority(one: Resource) -> Iterator[str]:
    """Without the input AWS takes the account's default."""
    if one.has("caCertIdentifier") and str(one.get("caCertIdentifier")) not in AUTHORITIES:
        yield "its certificate is of an old authority"


@RULES.on(
    PARAMETERS,
    id="rds-tls-forced",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="PostgreSQL refuses connections without TLS.",
    remedy='set the parameter rds.force_ssl to "1"',
    frameworks=("FSBP RDS.38", "Checkov CKV2_AWS_69"),
)
def tls_forced(one: Resource) -> Iterator[str]:
    """That each instance has such a group, `rds-own-parameters` asks."""
    if str(one.get("family")).startswith("postgres") and _parameters(one).get("rds.force_ssl") not in ("1", 1):
        yield "connections without TLS are taken"


@RULES.on(
    PARAMETERS,
    id="rds-statements-logged",
    severity=Severity.LOW,
    level=Level.ADVISORY,
    demands="PostgreSQL logs changes of the schema, and slow statements.",
    remedy="set the parameters log_statement (ddl) and log_min_duration_statement (in ms)",
    frameworks=("Checkov CKV2_AWS_30",),
)
def statements_logged(one: Resource) -> Iterator[str]:
    """`-1` logs none, however slow."""
    found = _parameters(one)
    if found.get("log_statement", "none") == "none":
        yield "changes of the schema are not logged"
    if str(found.get("log_min_duration_statement", "-1")) == "-1":
        yield "slow statements are not logged"


def _parameters(one: Resource) -> dict[str, object]:
    return {str(it.get("name")): it.get("value") for it in one.items("parameters")}
