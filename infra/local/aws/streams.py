"""Kinesis, Firehose, Glue and Athena."""

from __future__ import annotations

from collections.abc import Mapping

from infra.local.aws.calls import call, change, input_shape
from infra.local.aws.kind import Context, Kind, Values
from infra.local.aws.shape import to_api
from infra.local.aws.table import ApiKind, arn

DEFAULT_RETENTION_HOURS = 24


def _stream(ctx: Context, _: str, old: Values, new: Values) -> None:
    """Retention and encryption have operations of their own."""
    client, name = ctx.client("kinesis"), new["name"]
    before = old.get("retentionPeriod") or DEFAULT_RETENTION_HOURS
    after = new.get("retentionPeriod") or DEFAULT_RETENTION_HOURS
    if after > before:
        client.increase_stream_retention_period(StreamName=name, RetentionPeriodHours=int(after))
    elif after < before:
        client.decrease_stream_retention_period(StreamName=name, RetentionPeriodHours=int(after))
    encryption = [(values.get("encryptionType") or "NONE", values.get("kmsKeyId")) for values in (old, new)]
    if encryption[0] == encryption[1]:
        return
    if encryption[1][0] == "KMS":
        client.start_stream_encryption(StreamName=name, EncryptionType="KMS", KeyId=encryption[1][1])
    else:
        client.stop_stream_encryption(StreamName=name, EncryptionType="KMS", KeyId=encryption[0][1])


_DELIVERY = {
    "name": "DeliveryStreamName",
    "kinesisSourceConfiguration": "KinesisStreamSourceConfiguration",
    "extendedS3Configuration": "ExtendedS3DestinationConfiguration",
}


def _delivery(_: Context, values: Values) -> Values:
    """The provider keeps on one level what the API has in structures."""
    target: Values = values["extendedS3Configuration"]
    key = target.get("kmsKeyArn")
    return {
        **values,
        "deliveryStreamType": "KinesisStreamAsSource" if values.get("kinesisSourceConfiguration") else "DirectPut",
        "extendedS3Configuration": {
            **target,
            "bufferingHints": {
                "SizeInMBs": target.get("bufferingSize"),
                "IntervalInSeconds": target.get("bufferingInterval"),
            },
            "encryptionConfiguration": {"KMSEncryptionConfig": {"AWSKMSKeyARN": key}} if key else None,
        },
    }


def _change_delivery(ctx: Context, _: str, old: Values, new: Values) -> None:
    if not old or old["extendedS3Configuration"] == new["extendedS3Configuration"]:
        return
    client, name = ctx.client("firehose"), new["name"]
    found = client.describe_delivery_stream(DeliveryStreamName=name)["DeliveryStreamDescription"]
    shape = input_shape(client, "update_destination").members["ExtendedS3DestinationUpdate"]
    client.update_destination(
        DeliveryStreamName=name,
        CurrentDeliveryStreamVersionId=found["VersionId"],
        DestinationId=found["Destinations"][0]["DestinationId"],
        ExtendedS3DestinationUpdate=to_api(shape, _delivery(ctx, new)["extendedS3Configuration"], _DELIVERY),
    )


def _database(_: Context, values: Values) -> Values:
    return {**values, "databaseInput": values}


def _table(_: Context, values: Values) -> Values:
    return {**values, "tableInput": values}


_TABLE = {"DatabaseName": "{databaseName}", "Name": "{name}"}

KINDS: Mapping[str, Kind] = {
    "aws:kinesis/stream:Stream": ApiKind(
        service="kinesis",
        make=call("create_stream", StreamName="{name}"),
        id=arn("kinesis", "stream/{name}"),
        find=call("describe_stream_summary", StreamName="{name}"),
        at="StreamDescriptionSummary",
        outputs={"arn": "StreamARN"},
        watched={
            "encryptionType": "EncryptionType",
            "kmsKeyId": "KeyId",
            "retentionPeriod": "RetentionPeriodHours",
            "streamModeDetails": "{streamMode: StreamModeDetails.StreamMode}",
        },
        changes=(change("update_stream_mode", "streamModeDetails", StreamARN="{arn}"),),
        settle=_stream,
        drop=call("delete_stream", StreamName="{name}", EnforceConsumerDeletion=True),
        named=("name", 128),
        tags="kinesis",
    ),
    "aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream": ApiKind(
        service="firehose",
        make=call("create_delivery_stream"),
        rename=_DELIVERY,
        prepare=_delivery,
        id="DeliveryStreamARN",
        find=call("describe_delivery_stream", DeliveryStreamName="{name}"),
        at="DeliveryStreamDescription",
        outputs={
            "arn": "DeliveryStreamARN",
            "destinationId": "Destinations[0].DestinationId",
            "versionId": "VersionId",
        },
        settle=_change_delivery,
        drop=call("delete_delivery_stream", DeliveryStreamName="{name}"),
        named=("name", 64),
        tags="firehose",
    ),
    "aws:glue/catalogDatabase:CatalogDatabase": ApiKind(
        service="glue",
        make=call("create_database"),
        prepare=_database,
        id="={account}:{name}",
        find=call("get_database", Name="{name}"),
        at="Database",
        outputs={"arn": arn("glue", "database/{name}"), "catalogId": "={account}"},
        watched={"description": "Description"},
        changes=(change("update_database", "databaseInput", Name="{name}"),),
        drop=call("delete_database", Name="{name}"),
        named=("name", 255),
        tags="glue",
    ),
    "aws:glue/catalogTable:CatalogTable": ApiKind(
        service="glue",
        make=call("create_table", DatabaseName="{databaseName}"),
        prepare=_table,
        id="={account}:{databaseName}:{name}",
        find=call("get_table", **_TABLE),
        at="Table",
        outputs={"arn": arn("glue", "table/{databaseName}/{name}"), "catalogId": "={account}"},
        watched={"description": "Description", "parameters": "Parameters"},
        changes=(change("update_table", "tableInput", DatabaseName="{databaseName}"),),
        drop=call("delete_table", **_TABLE),
        named=("name", 255),
    ),
    "aws:athena/workgroup:Workgroup": ApiKind(
        service="athena",
        make=call("create_work_group"),
        rename={"kmsKeyArn": "KmsKey"},
        id="={name}",
        find=call("get_work_group", WorkGroup="{id}"),
        at="WorkGroup",
        outputs={"arn": arn("athena", "workgroup/{id}")},
        drop=call("delete_work_group", WorkGroup="{id}", RecursiveDeleteOption=True),
        named=("name", 128),
        tags="athena",
    ),
}
