"""Cases of the event stream, the lake and mail."""

from __future__ import annotations

from collections.abc import Mapping

from infra.local.aws.kind import Values
from tests.local.aws.case import Case, case, same
from tests.local.aws.scene import Scene

_COLUMNS = {"columns": [{"name": "id", "type": "string"}]}


def _delivery(scene: Scene) -> Values:
    stream = scene.make("aws:kinesis/stream:Stream", streamModeDetails={"streamMode": "ON_DEMAND"})[3]
    return {
        "destination": "extended_s3",
        "kinesisSourceConfiguration": {"kinesisStreamArn": stream["arn"], "roleArn": scene.role["arn"]},
        "extendedS3Configuration": _target(scene, 300),
    }


def _target(scene: Scene, seconds: int) -> Values:
    return {
        "bucketArn": "arn:aws:s3:::lake",
        "roleArn": scene.role["arn"],
        "bufferingSize": 128,
        "bufferingInterval": seconds,
        "kmsKeyArn": scene.key,
        "dataFormatConversionConfiguration": {
            "enabled": True,
            "inputFormatConfiguration": {"deserializer": {"openXJsonSerDe": {}}},
            "outputFormatConfiguration": {"serializer": {"parquetSerDe": {"compression": "SNAPPY"}}},
            "schemaConfiguration": {"databaseName": "d", "tableName": "t", "roleArn": scene.role["arn"]},
        },
    }


STREAMS: Mapping[str, Case] = {
    "aws:kinesis/stream:Stream": case(
        lambda scene: {
            "streamModeDetails": {"streamMode": "ON_DEMAND"},
            "encryptionType": "KMS",
            "kmsKeyId": scene.key,
            "retentionPeriod": 168,
        },
        same(retentionPeriod=48, streamModeDetails={"streamMode": "PROVISIONED"}),
        "retentionPeriod",
        "streamModeDetails",
        tags=True,
    ),
    "aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream": case(
        _delivery, lambda scene: {"extendedS3Configuration": _target(scene, 60)}, "versionId", tags=True
    ),
    "aws:glue/catalogDatabase:CatalogDatabase": case(
        lambda scene: {"name": scene.unique("lake"), "description": "first"},
        same(description="second"),
        "description",
        tags=True,
    ),
    "aws:glue/catalogTable:CatalogTable": case(
        lambda scene: {
            "databaseName": scene.make("aws:glue/catalogDatabase:CatalogDatabase")[3]["name"],
            "name": scene.unique("events"),
            "tableType": "EXTERNAL_TABLE",
            "parameters": {"classification": "parquet", "projection.enabled": "true"},
            "partitionKeys": [{"name": "day", "type": "string"}],
            "storageDescriptor": {"location": "s3://lake/events/", **_COLUMNS},
        },
        same(parameters={"classification": "parquet", "projection.enabled": "false"}),
        "parameters",
    ),
    "aws:athena/workgroup:Workgroup": case(
        lambda scene: {
            "configuration": {
                "enforceWorkgroupConfiguration": True,
                "bytesScannedCutoffPerQuery": 10**10,
                "resultConfiguration": {
                    "outputLocation": "s3://results/",
                    "encryptionConfiguration": {"encryptionOption": "SSE_KMS", "kmsKeyArn": scene.key},
                },
            },
        },
        tags=True,
    ),
}

EMAIL: Mapping[str, Case] = {
    "aws:sesv2/configurationSet:ConfigurationSet": case(
        lambda scene: {
            "configurationSetName": scene.unique("mail"),
            "deliveryOptions": {"tlsPolicy": "REQUIRE"},
            "reputationOptions": {"reputationMetricsEnabled": True},
            "suppressionOptions": {"suppressedReasons": ["BOUNCE"]},
        },
        same(deliveryOptions={"tlsPolicy": "OPTIONAL"}),
        "deliveryOptions",
        tags=True,
    ),
    "aws:sesv2/dedicatedIpPool:DedicatedIpPool": case(
        lambda scene: {"poolName": scene.unique("pool"), "scalingMode": "MANAGED"}, tags=True
    ),
    "aws:sesv2/emailIdentity:EmailIdentity": case(
        lambda scene: {"emailIdentity": f"{scene.unique('mail')}.example.com"}, tags=True
    ),
}
