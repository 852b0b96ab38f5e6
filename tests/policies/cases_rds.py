"""Rules about databases."""

from __future__ import annotations

from typing import Any

from policies.related import ALARM
from policies.rules.rds import INSTANCE, PARAMETERS
from policies.rules.rds_stack import EVENTS, METRICS, SUBSCRIPTION, VPC
from policies.view import Resource
from tests.policies.cases import GONE, PREFIX, Case, made

PRIMARY = {"identifier": "db", "region": "us-east-1"}
COPY = {"replicateSourceDb": "arn", "region": "eu-west-1", "kmsKeyId": "key", "backupRetentionPeriod": 7}
SOURCE = {"replicateSourceDb": [f"{INSTANCE}::db"], "kmsKeyId": ["aws:kms/key:Key::key"]}
GROUP: dict[str, Any] = {
    "family": "postgres17",
    "parameters": [
        {"name": "rds.force_ssl", "value": "1"},
        {"name": "log_statement", "value": "ddl"},
        {"name": "log_min_duration_statement", "value": "1000"},
    ],
}


def copy() -> list[Resource]:
    return [
        made(INSTANCE, "copy", COPY, sources=SOURCE),
        made(INSTANCE, "db", PRIMARY),
        made("aws:kms/key:Key", "key", {"region": "eu-west-1"}),
    ]


def alarm(metric: str) -> Resource:
    props = {"region": "us-east-1", "metricName": metric, "dimensions": {"DBInstanceIdentifier": "db"}}
    return made(ALARM, metric, props, sources={"dimensions": [f"{INSTANCE}::db"]})


CASES = [
    Case(
        rule="rds-storage-encrypted",
        good=[made(INSTANCE, "db", {"storageEncrypted": True, "kmsKeyId": "key"})],
        path="storageEncrypted",
        broken=[False, GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="rds-private",
        good=[made(INSTANCE, "db", {"publiclyAccessible": False})],
        path="publiclyAccessible",
        broken=[True],
        absent="fine",
        unknown="undecided",
    ),
    Case(
        rule="rds-backups-kept",
        good=[made(INSTANCE, "db", {"backupRetentionPeriod": 7})],
        path="backupRetentionPeriod",
        broken=[6, 0, GONE],
        absent="broken",
        unknown="undecided",
        also=frozenset({"rds-backups-kept-month"}),
    ),
    Case(
        rule="rds-backups-kept-month",
        good=[made(INSTANCE, "db", {"backupRetentionPeriod": 30})],
        path="backupRetentionPeriod",
        broken=[29, GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="rds-multi-az",
        good=[made(INSTANCE, "db", {"multiAz": True})],
        path="multiAz",
        broken=[False, GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="rds-deletion-protected",
        good=[made(INSTANCE, "db", {"deletionProtection": True})],
        path="deletionProtection",
        broken=[False, GONE],
        absent="broken",
        unknown="undecided",
        shipped="*-reader-0",
    ),
    Case(
        rule="rds-final-snapshot",
        good=[made(INSTANCE, "db", {"skipFinalSnapshot": False, "finalSnapshotIdentifier": "db-final"})],
        path="finalSnapshotIdentifier",
        broken=["", GONE],
        absent="broken",
        unknown="fine",
        shipped_path="skipFinalSnapshot",
        shipped_value=True,
    ),
    Case(
        rule="rds-snapshots-tagged",
        good=[made(INSTANCE, "db", {"copyTagsToSnapshot": True})],
        path="copyTagsToSnapshot",
        broken=[False, GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="rds-iam-authentication",
        good=[made(INSTANCE, "db", {"iamDatabaseAuthenticationEnabled": True})],
        path="iamDatabaseAuthenticationEnabled",
        broken=[False, GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="rds-logs-exported",
        good=[made(INSTANCE, "db", {"enabledCloudwatchLogsExports": ["postgresql", "upgrade"]})],
        path="enabledCloudwatchLogsExports",
        broken=[["postgresql"], [], GONE],
        absent="broken",
        unknown="undecided",
        shipped="*-replica",
    ),
    Case(
        rule="rds-monitored",
        good=[made(INSTANCE, "db", {"monitoringInterval": 60, "monitoringRoleArn": "role"})],
        path="monitoringInterval",
        broken=[0, GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="rds-statements-measured",
        good=[made(INSTANCE, "db", {"performanceInsightsEnabled": True, "performanceInsightsKmsKeyId": "key"})],
        path="performanceInsightsKmsKeyId",
        broken=["", GONE],
        absent="broken",
        unknown="fine",
    ),
    Case(
        rule="rds-minor-upgrades",
        good=[made(INSTANCE, "db", {"autoMinorVersionUpgrade": True})],
        path="autoMinorVersionUpgrade",
        broken=[False],
        absent="fine",
        unknown="undecided",
    ),
    Case(
        rule="rds-owner-name",
        good=[made(INSTANCE, "db", {"username": "headroom_owner"})],
        path="username",
        broken=["postgres", "Admin"],
        absent="fine",
        unknown="undecided",
    ),
    Case(
        rule="rds-authority",
        good=[made(INSTANCE, "db", {"caCertIdentifier": "rds-ca-rsa2048-g1"})],
        path="caCertIdentifier",
        broken=["rds-ca-2019"],
        absent="fine",
        unknown="undecided",
    ),
    Case(
        rule="rds-tls-forced",
        good=[made(PARAMETERS, "group", GROUP)],
        path="parameters.0.value",
        broken=["0", GONE],
        absent="broken",
        unknown="undecided",
        shipped_path="parameters.2.value",
    ),
    Case(
        rule="rds-statements-logged",
        good=[made(PARAMETERS, "group", GROUP)],
        path="parameters.1.value",
        broken=["none"],
        absent="fine",
        unknown="undecided",
        shipped_path="parameters.4.value",
    ),
    Case(
        rule="rds-own-parameters",
        good=[
            made(INSTANCE, "db", PRIMARY, sources={"parameterGroupName": [f"{PARAMETERS}::group"]}),
            made(PARAMETERS, "group", GROUP),
        ],
        path="@sources.parameterGroupName",
        broken=[GONE, [f"{PREFIX}other"]],
        absent="broken",
        unknown="fine",
    ),
    Case(
        rule="rds-replica-key",
        good=copy(),
        path="kmsKeyId",
        broken=["", GONE],
        absent="broken",
        unknown="fine",
        shipped="*-replica",
    ),
    Case(
        rule="rds-replica-backups",
        good=copy(),
        path="backupRetentionPeriod",
        broken=[0, GONE],
        absent="broken",
        unknown="undecided",
        shipped="*-replica",
    ),
    Case(
        rule="rds-copied",
        good=[
            made(INSTANCE, "db", PRIMARY),
            made(INSTANCE, "copy", COPY, sources=SOURCE),
            made(VPC, "here", {"region": "us-east-1"}),
            made(VPC, "there", {"region": "eu-west-1"}),
        ],
        path="@urn",
        broken=[f"{PREFIX}{INSTANCE}::other"],
        absent="broken",
        unknown="fine",
        also=frozenset({"rds-backed-up"}),
    ),
    Case(
        rule="rds-backed-up",
        good=[
            made(INSTANCE, "db", PRIMARY),
            made("aws:backup/selection:Selection", "all", {}, sources={"resources": [f"{INSTANCE}::db"]}),
        ],
        path="@urn",
        broken=[f"{PREFIX}{INSTANCE}::other"],
        absent="broken",
        unknown="fine",
        stack="10k",
    ),
    Case(
        rule="rds-events-told",
        good=[
            made(INSTANCE, "db", PRIMARY),
            made(
                SUBSCRIPTION,
                "events",
                {"region": "us-east-1", "sourceIds": ["db"], "eventCategories": [*EVENTS]},
                sources={"sourceIds": [f"{INSTANCE}::db"]},
            ),
        ],
        path="identifier",
        broken=["other"],
        absent="fine",
        unknown="fine",
        also=frozenset({"rds-alarms"}),
    ),
    Case(
        rule="rds-alarms",
        good=[made(INSTANCE, "db", PRIMARY), *map(alarm, METRICS)],
        path="identifier",
        broken=["other"],
        absent="fine",
        unknown="fine",
        also=frozenset({"rds-events-told"}),
    ),
]
