"""Rules about event streams, their delivery, and queries over what was delivered."""

from __future__ import annotations

from policies.rules import athena, kinesis
from tests.policies.cases import GONE, Case, made

STREAM = {"encryptionType": "KMS", "kmsKeyId": "key", "retentionPeriod": 168}
S3 = {"kmsKeyArn": "key", "errorOutputPrefix": "errors/", "cloudwatchLoggingOptions": {"enabled": True}}
RESULTS = {"encryptionConfiguration": {"encryptionOption": "SSE_KMS", "kmsKeyArn": "key"}}
WORKGROUP = {"configuration": {"bytesScannedCutoffPerQuery": 1e11, "resultConfiguration": RESULTS}}

CASES = [
    Case(
        rule="kinesis-stream-encrypted",
        good=[made(kinesis.STREAM, "events", STREAM)],
        path="encryptionType",
        broken=["NONE", GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="kinesis-stream-retention",
        good=[made(kinesis.STREAM, "events", STREAM)],
        path="retentionPeriod",
        broken=[24, "long", GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="firehose-delivered-encrypted",
        good=[made(kinesis.DELIVERY, "events", {"extendedS3Configuration": S3})],
        path="extendedS3Configuration.kmsKeyArn",
        broken=["", GONE],
        absent="broken",
        unknown="fine",
    ),
    Case(
        rule="firehose-buffer-encrypted",
        good=[made(kinesis.DELIVERY, "events", {"serverSideEncryption": {"enabled": True}})],
        path="serverSideEncryption.enabled",
        broken=[False, GONE],
        absent="broken",
        unknown="undecided",
        shipped_path="kinesisSourceConfiguration",
        shipped_value=GONE,
    ),
    Case(
        rule="firehose-errors-kept",
        good=[made(kinesis.DELIVERY, "events", {"extendedS3Configuration": S3})],
        path="extendedS3Configuration.cloudwatchLoggingOptions.enabled",
        broken=[False, GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="athena-results-encrypted",
        good=[made(athena.WORKGROUP, "lake", WORKGROUP)],
        path="configuration.resultConfiguration.encryptionConfiguration.encryptionOption",
        broken=["SSE_S3", GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="athena-settings-enforced",
        good=[made(athena.WORKGROUP, "lake", WORKGROUP)],
        path="configuration.enforceWorkgroupConfiguration",
        broken=[False],
        absent="fine",
        unknown="undecided",
    ),
    Case(
        rule="athena-scan-limited",
        good=[made(athena.WORKGROUP, "lake", WORKGROUP)],
        path="configuration.bytesScannedCutoffPerQuery",
        broken=[0, GONE],
        absent="broken",
        unknown="undecided",
    ),
]
