"""Event streams and their delivery: encrypted all the way, and nothing lost over a week-end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from policies.rule import Level, Rules, Severity
from policies.view import Resource

RULES = Rules()
STREAM: Final = "aws:kinesis/stream:Stream"
DELIVERY: Final = "aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream"
RETENTION_HOURS: Final = 168
"""A consumer that stood still over a week-end and a holiday catches up."""
_DESTINATION: Final = "extendedS3Configuration"


@RULES.on(
    STREAM,
    id="kinesis-stream-encrypted",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="Every stream is encrypted, with a key of the account's own.",
    remedy="set encryptionType to KMS and kmsKeyId to a key",
    frameworks=("FSBP Kinesis.1", "Checkov CKV_AWS_43", "Checkov CKV_AWS_185", "cdk-nag AwsSolutions-KDS1"),
)
def stream_encrypted(one: Resource) -> Iterator[str]:
    """Off by default."""
    if one.get("encryptionType") != "KMS":
        yield "records are not encrypted"
    elif not one.has("kmsKeyId") or one.props.get("kmsKeyId") == "alias/aws/kinesis":
        yield "records are encrypted with the service's key"


@RULES.on(
    STREAM,
    id="kinesis-stream-retention",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="Every stream keeps its records for a week.",
    remedy=f"set retentionPeriod to {RETENTION_HOURS} hours or more",
)
def stream_retention(one: Resource) -> Iterator[str]:
    """24 hours by default."""
    if one.number("retentionPeriod") < RETENTION_HOURS:
        yield "records are kept for less than a week"


@RULES.on(
    DELIVERY,
    id="firehose-delivered-encrypted",
    severity=Severity.HIGH,
    level=Level.PRODUCTION,
    demands="What is delivered is encrypted, with a key of the account's own.",
    remedy=f"set {_DESTINATION}.kmsKeyArn to the bucket's key",
    frameworks=("Checkov CKV_AWS_241",),
)
def delivered_encrypted(one: Resource) -> Iterator[str]:
    """Without it the bucket's default applies, which somebody else decides."""
    if not one.has(f"{_DESTINATION}.kmsKeyArn"):
        yield "delivered objects are not encrypted with a key of the account's own"


@RULES.on(
    DELIVERY,
    id="firehose-buffer-encrypted",
    severity=Severity.HIGH,
    level=Level.PRODUCTION,
    demands="Records that wait for delivery are encrypted.",
    remedy="set serverSideEncryption.enabled to true and serverSideEncryption.keyArn to a key",
    frameworks=("Checkov CKV_AWS_240",),
)
def buffer_encrypted(one: Resource) -> Iterator[str]:
    """A delivery from a stream has no encryption of its own: the stream's covers it, and AWS refuses another.

    https://docs.aws.amazon.com/firehose/latest/dev/encryption.html
    """
    if not one.has("kinesisSourceConfiguration") and one.get("serverSideEncryption.enabled") is not True:
        yield "records that wait are not encrypted"


@RULES.on(
    DELIVERY,
    id="firehose-errors-kept",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="Records that cannot be delivered are kept apart, and the reason is logged.",
    remedy=f"set {_DESTINATION}.errorOutputPrefix, and cloudwatchLoggingOptions with a log group",
)
def errors_kept(one: Resource) -> Iterator[str]:
    """Without a prefix of their own, broken records lie among the good ones and break every query."""
    if not one.has(f"{_DESTINATION}.errorOutputPrefix"):
        yield "records that cannot be converted lie among the others"
    if one.get(f"{_DESTINATION}.cloudwatchLoggingOptions.enabled") is not True:
        yield "failed deliveries leave no trace"
