"""Kinesis for events, and Firehose from there into the lake."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import pulumi
import pulumi_aws as aws

from components.alarms import AlarmTopics, Metric, alarm
from components.component import Component, DataClass, Site
from components.documents import Statement, document
from components.lake import EVENTS_PREFIX

RETENTION_HOURS = 7 * 24
"""A consumer that stood still over a week-end and a holiday catches up; the lake keeps events for longer."""
BUFFER_MIB = 128
"""A conversion to Parquet needs at least 64 (https://docs.aws.amazon.com/firehose/latest/dev/record-format-conversion.html)."""
BUFFER_SECONDS = 300
LATE_SECONDS = 1_800
"""Six buffers: Firehose retries by itself before that, after that it does not recover alone."""
CONSUMER_LATE_MS = 15 * 60 * 1000
LOG_DAYS = 90
"""As long as the application's errors."""
LOG_STREAM = "s3"


@dataclass(frozen=True, kw_only=True, slots=True)
class LakeTable:
    """The table of the lake that events go to, and its bucket with the bucket's key."""

    bucket_arn: pulumi.Input[str]
    bucket_key_arn: pulumi.Input[str]
    database_name: pulumi.Input[str]
    table_name: pulumi.Input[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamArgs:
    """Where events come by.

    Attributes:
        key_arn: KMS key of the stream and of the delivery's log.
        lake: where Firehose puts them.
        account_id: of this stack.
        topics: hear when events are late or refused.
    """

    key_arn: pulumi.Input[str]
    lake: LakeTable
    account_id: str
    topics: AlarmTopics


class Stream(Component):
    """One on-demand stream of a region, a week long, and its delivery to the region's lake as Parquet.

    On demand it takes twice its peak of the last 30 days without anybody sharding anything
    (https://docs.aws.amazon.com/streams/latest/dev/how-do-i-size-a-stream.html).
    """

    KIND: ClassVar[str] = "messaging:Stream"
    DATA_CLASS: ClassVar[DataClass] = "confidential"

    stream_name: pulumi.Output[str]
    stream_arn: pulumi.Output[str]
    delivery_name: pulumi.Output[str]

    def __init__(self, name: str, site: Site, args: StreamArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create stream and delivery."""
        super().__init__(name, site, opts)
        self._name, self._args = name, args
        stream = self._create_stream()
        log = self._create_log()
        role, policy = self._create_role()
        delivery = self._create_delivery(stream, role, log, policy)
        self._create_stream_alarms(stream)
        self._create_delivery_alarms(delivery)
        self.stream_name, self.stream_arn, self.delivery_name = stream.name, stream.arn, delivery.name
        self.register_outputs(
            {"stream_name": self.stream_name, "stream_arn": self.stream_arn, "delivery_name": self.delivery_name}
        )

    def _create_stream(self) -> aws.kinesis.Stream:
        return aws.kinesis.Stream(
            self._name,
            name=self.site.names.of("stream", self._name),
            stream_mode_details=aws.kinesis.StreamStreamModeDetailsArgs(stream_mode="ON_DEMAND"),
            encryption_type="KMS",
            kms_key_id=self._args.key_arn,
            retention_period=RETENTION_HOURS,
            # A development stack goes away with the consumers that somebody registered by hand.
            enforce_consumer_deletion=not self.site.protected,
            opts=self.stateful(),
        )

    def _create_log(self) -> aws.cloudwatch.LogStream:
        group = aws.cloudwatch.LogGroup(
            self._name,
            name=self._log_group,
            retention_in_days=LOG_DAYS,
            kms_key_id=self._args.key_arn,
            opts=self.child(),
        )
        return aws.cloudwatch.LogStream(self._name, name=LOG_STREAM, log_group_name=group.name, opts=self.child())

    @property
    def _log_group(self) -> str:
        return f"/headroom/{self.site.names.stack}/{self._name}/delivery"

    def _create_role(self) -> tuple[aws.iam.Role, aws.iam.RolePolicy]:
        role = aws.iam.Role(
            self._name,
            name=self.site.names.of("role", self._name),
            description="Firehose takes events from the stream to the lake.",
            assume_role_policy=_trust(self._args.account_id),
            opts=self.child(),
        )
        policy = aws.iam.RolePolicy(
            self._name,
            name=self._name,
            role=role.name,
            policy=pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": self._statements()}),
            opts=self.child(),
        )
        return role, policy

    def _statements(self) -> list[dict[str, Any]]:
        """As documented: https://docs.aws.amazon.com/firehose/latest/dev/controlling-access.html.

        ARNs are made from names where that is possible, so that the policy can be read, and judged, in a preview.
        """
        lake, region, account = self._args.lake, self.site.region, self._args.account_id
        catalog = f"arn:aws:glue:{region}:{account}"
        stream_arn = f"arn:aws:kinesis:{region}:{account}:stream/{self.site.names.of('stream', self._name)}"
        log_arn = f"arn:aws:logs:{region}:{account}:log-group:{self._log_group}:log-stream:{LOG_STREAM}"
        return [
            {
                "Effect": "Allow",
                "Action": [
                    "kinesis:DescribeStream",
                    "kinesis:DescribeStreamSummary",
                    "kinesis:GetRecords",
                    "kinesis:GetShardIterator",
                    "kinesis:ListShards",
                ],
                "Resource": [stream_arn],
            },
            _key_use(["kms:Decrypt"], self._args.key_arn, f"kinesis.{region}.amazonaws.com"),
            {
                "Effect": "Allow",
                "Action": ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"],
                "Resource": [pulumi.Output.concat(lake.bucket_arn, "/*")],
            },
            {
                "Effect": "Allow",
                "Action": ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"],
                "Resource": [lake.bucket_arn],
            },
            _key_use(["kms:Decrypt", "kms:GenerateDataKey"], lake.bucket_key_arn, f"s3.{region}.amazonaws.com"),
            {
                "Effect": "Allow",
                "Action": ["glue:GetTable", "glue:GetTableVersion", "glue:GetTableVersions"],
                "Resource": [
                    f"{catalog}:catalog",
                    pulumi.Output.concat(catalog, ":database/", lake.database_name),
                    pulumi.Output.concat(catalog, ":table/", lake.database_name, "/", lake.table_name),
                ],
            },
            {"Effect": "Allow", "Action": ["logs:PutLogEvents"], "Resource": [log_arn]},
        ]

    def _create_delivery(
        self,
        stream: aws.kinesis.Stream,
        role: aws.iam.Role,
        log: aws.cloudwatch.LogStream,
        policy: aws.iam.RolePolicy,
    ) -> aws.kinesis.FirehoseDeliveryStream:
        return aws.kinesis.FirehoseDeliveryStream(
            self._name,
            name=self.site.names.of("delivery_stream", self._name),
            destination="extended_s3",
            kinesis_source_configuration=aws.kinesis.FirehoseDeliveryStreamKinesisSourceConfigurationArgs(
                kinesis_stream_arn=stream.arn, role_arn=role.arn
            ),
            extended_s3_configuration=aws.kinesis.FirehoseDeliveryStreamExtendedS3ConfigurationArgs(
                bucket_arn=self._args.lake.bucket_arn,
                role_arn=role.arn,
                # By the day of arrival, in UTC: no dynamic partitioning, which is billed apart and cannot be added
                # or taken away later.
                prefix=f"{EVENTS_PREFIX}day=!{{timestamp:yyyy-MM-dd}}/",
                error_output_prefix="errors/!{firehose:error-output-type}/day=!{timestamp:yyyy-MM-dd}/",
                buffering_size=BUFFER_MIB,
                buffering_interval=BUFFER_SECONDS,
                # Parquet compresses inside: S3 takes nothing else of a conversion.
                compression_format="UNCOMPRESSED",
                kms_key_arn=self._args.lake.bucket_key_arn,
                data_format_conversion_configuration=self._parquet(role),
                cloudwatch_logging_options=(
                    aws.kinesis.FirehoseDeliveryStreamExtendedS3ConfigurationCloudwatchLoggingOptionsArgs(
                        enabled=True, log_group_name=log.log_group_name, log_stream_name=log.name
                    )
                ),
            ),
            # Firehose tries the role out while it is created.
            opts=self.child(depends_on=[policy]),
        )

    def _parquet(self, role: aws.iam.Role) -> Any:
        """Read by the table's schema and written as Parquet; OpenX reads `occurred_at` as ISO 8601, Hive does not.

        As a dictionary: the SDK's names for the same are 120 characters and longer.
        """
        return {
            "enabled": True,
            "input_format_configuration": {"deserializer": {"open_x_json_ser_de": {}}},
            "output_format_configuration": {"serializer": {"parquet_ser_de": {"compression": "SNAPPY"}}},
            "schema_configuration": {
                "database_name": self._args.lake.database_name,
                "table_name": self._args.lake.table_name,
                "role_arn": role.arn,
                "region": self.site.region,
                "version_id": "LATEST",
            },
        }

    def _create_stream_alarms(self, stream: aws.kinesis.Stream) -> None:
        """Metrics: https://docs.aws.amazon.com/streams/latest/dev/monitoring-with-cloudwatch.html."""

        def metric(name: str, statistic: str) -> Metric:
            return Metric(
                namespace="AWS/Kinesis", name=name, dimensions={"StreamName": stream.name}, statistic=statistic
            )

        alarm(
            self,
            f"{self._name}-age",
            description="A consumer of the event stream is more than 15 minutes behind.",
            runbook="event-stream",
            severity="ticket",
            topics=self._args.topics,
            metric=metric("GetRecords.IteratorAgeMilliseconds", "Maximum"),
            threshold=CONSUMER_LATE_MS,
        )
        alarm(
            self,
            f"{self._name}-writes",
            description="The event stream refuses events: they come faster than it has grown.",
            runbook="event-stream",
            severity="page",
            topics=self._args.topics,
            metric=metric("WriteProvisionedThroughputExceeded", "Sum"),
            threshold=0,
        )
        alarm(
            self,
            f"{self._name}-reads",
            description="Consumers read the event stream faster than it allows.",
            runbook="event-stream",
            severity="ticket",
            topics=self._args.topics,
            metric=metric("ReadProvisionedThroughputExceeded", "Sum"),
            threshold=0,
            evaluation_periods=15,
        )

    def _create_delivery_alarms(self, delivery: aws.kinesis.FirehoseDeliveryStream) -> None:
        """Metrics: https://docs.aws.amazon.com/firehose/latest/dev/monitoring-with-cloudwatch-metrics.html."""

        def metric(name: str, statistic: str) -> Metric:
            return Metric(
                namespace="AWS/Firehose",
                name=name,
                dimensions={"DeliveryStreamName": delivery.name},
                statistic=statistic,
            )

        alarm(
            self,
            f"{self._name}-late",
            description="Events have waited over 30 minutes for their way into the lake.",
            runbook="event-delivery",
            severity="ticket",
            topics=self._args.topics,
            metric=metric("DeliveryToS3.DataFreshness", "Maximum"),
            threshold=LATE_SECONDS,
        )
        alarm(
            self,
            f"{self._name}-undelivered",
            description="Firehose could not write to the lake.",
            runbook="event-delivery",
            severity="ticket",
            topics=self._args.topics,
            metric=metric("DeliveryToS3.Success", "Minimum"),
            threshold=1,
            comparison="LessThanThreshold",
        )
        alarm(
            self,
            f"{self._name}-unconverted",
            description="Events do not fit the table and lie under errors/ in the lake.",
            runbook="event-delivery",
            severity="ticket",
            topics=self._args.topics,
            metric=metric("FailedConversion.Records", "Sum"),
            threshold=0,
            evaluation_periods=1,
        )


def _trust(account_id: str) -> str:
    """Firehose names the account as external id, where other services send `aws:SourceAccount`.

    From AWS's CloudFormation example; unverified against an account.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-kinesisfirehose-deliverystream.html
    """
    return document(
        {
            "Effect": "Allow",
            "Principal": {"Service": "firehose.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"sts:ExternalId": account_id}},
        }
    )


def _key_use(actions: list[str], key_arn: pulumi.Input[str], service: str) -> dict[str, Any]:
    statement: Statement = {"Effect": "Allow", "Action": actions, "Resource": [key_arn]}
    return {**statement, "Condition": {"StringEquals": {"kms:ViaService": service}}}
