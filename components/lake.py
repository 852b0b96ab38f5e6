"""Raw events in S3, ninety days of them, and SQL over them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pulumi
import pulumi_aws as aws

from components.bucket import Bucket, Housekeeping, tls_only
from components.component import Component, DataClass, Site
from components.documents import document

EVENT_DAYS = 90
"""How long raw events are kept; what is older lives on in the rollups."""
RESULT_DAYS = 7
"""Query results can be had again by asking again."""
SCAN_LIMIT_GIB = 100
"""A query that reads more is stopped: it has forgotten its `day`. Athena bills by what it reads."""
EVENTS_PREFIX = "events/"
COLUMNS = {
    "id": "string",
    "type": "string",
    "actor": "string",
    "subject": "string",
    "occurred_at": "timestamp",
    "payload": "string",
    "region": "string",
}
"""The envelope of an event. `occurred_at` is ISO 8601 in UTC and ends in Z; `payload` is JSON as a text."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LakeArgs:
    """`account_id` is in the buckets' names, `logs_bucket` takes their access logs, `key_arn` encrypts both."""

    account_id: str
    logs_bucket: pulumi.Input[str]
    key_arn: pulumi.Input[str]


class EventsBucket(Bucket):
    """Events as Parquet, a folder a day, and what could not be converted under `errors/`."""

    KIND: ClassVar[str] = "storage:EventsBucket"
    DATA_CLASS: ClassVar[DataClass] = "confidential"

    def __init__(self, name: str, site: Site, args: LakeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create the bucket."""
        housekeeping = Housekeeping(noncurrent_days=7, expiration_days=EVENT_DAYS)
        super().__init__(
            name, site, account_id=args.account_id, housekeeping=housekeeping, key_arn=args.key_arn, opts=opts
        )
        self._log_to(args.logs_bucket)
        self._create_policy(self.arn.apply(lambda arn: document(tls_only(arn))))
        self.register_outputs({"bucket_name": self.bucket_name, "arn": self.arn})


class QueryResultsBucket(Bucket):
    """What Athena answered: a bucket of its own, since a week is enough."""

    KIND: ClassVar[str] = "storage:QueryResultsBucket"
    DATA_CLASS: ClassVar[DataClass] = "confidential"

    def __init__(self, name: str, site: Site, args: LakeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create the bucket."""
        housekeeping = Housekeeping(noncurrent_days=1, infrequent_access=False, expiration_days=RESULT_DAYS)
        super().__init__(
            name, site, account_id=args.account_id, housekeeping=housekeeping, key_arn=args.key_arn, opts=opts
        )
        self._log_to(args.logs_bucket)
        self._create_policy(self.arn.apply(lambda arn: document(tls_only(arn))))
        self.register_outputs({"bucket_name": self.bucket_name, "arn": self.arn})


class Lake(Component):
    """The events of one region: their bucket, their table and a workgroup that asks it.

    The table's partitions are projected: Athena works a day's folder out of the query, so no crawler runs and no
    partition is ever added (https://docs.aws.amazon.com/athena/latest/ug/partition-projection.html).
    """

    KIND: ClassVar[str] = "analytics:Lake"
    DATA_CLASS: ClassVar[DataClass] = "confidential"

    bucket_name: pulumi.Output[str]
    bucket_arn: pulumi.Output[str]
    database_name: pulumi.Output[str]
    table_name: pulumi.Output[str]
    workgroup_name: pulumi.Output[str]
    results_bucket_arn: pulumi.Output[str]

    def __init__(self, name: str, site: Site, args: LakeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create bucket, table and workgroup."""
        super().__init__(name, site, opts)
        self._name, self._args = name, args
        here = pulumi.ResourceOptions(parent=self)
        events = EventsBucket(f"{name}-events", site, args, here)
        results = QueryResultsBucket(f"{name}-results", site, args, here)
        database = self._create_database()
        table = self._create_table(database, events)
        workgroup = self._create_workgroup(results)
        self.bucket_name, self.bucket_arn = events.bucket_name, events.arn
        self.results_bucket_arn = results.arn
        self.database_name, self.table_name, self.workgroup_name = database.name, table.name, workgroup.name
        self.register_outputs(
            {
                "bucket_name": self.bucket_name,
                "database_name": self.database_name,
                "table_name": self.table_name,
                "workgroup_name": self.workgroup_name,
            }
        )

    def _create_database(self) -> aws.glue.CatalogDatabase:
        """Athena wants a hyphen quoted wherever the name is used; an underscore it takes as it is."""
        return aws.glue.CatalogDatabase(
            self._name,
            name=self.site.names.of("catalog", self._name).replace("-", "_"),
            description="Raw events",
            opts=self.child(),
        )

    def _create_table(self, database: aws.glue.CatalogDatabase, bucket: Bucket) -> aws.glue.CatalogTable:
        location = bucket.bucket_name.apply(lambda name: f"s3://{name}/{EVENTS_PREFIX}")
        return aws.glue.CatalogTable(
            self._name,
            name="events",
            database_name=database.name,
            description="Every event of the region, by the UTC day on which it arrived",
            table_type="EXTERNAL_TABLE",
            parameters={
                "classification": "parquet",
                "projection.enabled": "true",
                "projection.day.type": "date",
                "projection.day.format": "yyyy-MM-dd",
                "projection.day.range": f"NOW-{EVENT_DAYS}DAYS,NOW",
                "storage.location.template": location.apply(lambda start: f"{start}day=${{day}}/"),
            },
            partition_keys=[aws.glue.CatalogTablePartitionKeyArgs(name="day", type="string")],
            storage_descriptor=aws.glue.CatalogTableStorageDescriptorArgs(
                location=location,
                input_format="org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
                output_format="org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
                ser_de_info=aws.glue.CatalogTableStorageDescriptorSerDeInfoArgs(
                    serialization_library="org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
                ),
                columns=[
                    aws.glue.CatalogTableStorageDescriptorColumnArgs(name=column, type=kind)
                    for column, kind in COLUMNS.items()
                ],
            ),
            opts=self.child(),
        )

    def _create_workgroup(self, results: Bucket) -> aws.athena.Workgroup:
        encryption = aws.athena.WorkgroupConfigurationResultConfigurationEncryptionConfigurationArgs(
            encryption_option="SSE_KMS", kms_key_arn=self._args.key_arn
        )
        return aws.athena.Workgroup(
            self._name,
            name=self.site.names.of("workgroup", self._name),
            description="Questions to the events; results are encrypted and kept for a week",
            # A workgroup with a history of queries is deleted only by force; the history is no data.
            force_destroy=True,
            configuration=aws.athena.WorkgroupConfigurationArgs(
                # What a client asks for instead is not heard.
                enforce_workgroup_configuration=True,
                publish_cloudwatch_metrics_enabled=True,
                bytes_scanned_cutoff_per_query=SCAN_LIMIT_GIB * 1024**3,
                result_configuration=aws.athena.WorkgroupConfigurationResultConfigurationArgs(
                    output_location=results.bucket_name.apply(lambda name: f"s3://{name}/"),
                    encryption_configuration=encryption,
                ),
            ),
            opts=self.child(),
        )
