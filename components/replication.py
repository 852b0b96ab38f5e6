"""S3: what is written to one bucket is copied to those of other regions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import pulumi
import pulumi_aws as aws

from components.alarms import AlarmTopics, Metric, alarm
from components.component import Component, DataClass, Site
from components.documents import Statement, trust


@dataclass(frozen=True, kw_only=True, slots=True)
class Destination:
    """A bucket in another region, and the KMS key there when the source's objects have one of ours."""

    bucket_arn: pulumi.Input[str]
    bucket_name: pulumi.Input[str]
    key_arn: pulumi.Input[str] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplicationArgs:
    """What goes where.

    Attributes:
        source_bucket: name of the bucket that is written.
        source_arn: its ARN.
        source_key_arn: KMS key of its objects; None when S3's own key encrypts.
        destinations: by region; the region names the rule, and its place in the alphabet is the priority.
        topics: of the source's region.
    """

    source_bucket: pulumi.Input[str]
    source_arn: pulumi.Input[str]
    source_key_arn: pulumi.Input[str] | None
    destinations: Mapping[str, Destination]
    topics: AlarmTopics


class Replication(Component):
    """Cross-region replication with its role, delete markers, metrics and an alarm for each destination.

    A component of its own: a bucket stays as it is when it starts to be copied, and S3 wants both to be versioned,
    which they are from the first day. Only what is written from now on is copied; docs/runbooks/replication-failed.md
    says how the rest follows. Without replication time control, whose promise of 15 minutes is paid by the gigabyte.
    """

    KIND: ClassVar[str] = "storage:Replication"
    DATA_CLASS: ClassVar[DataClass] = "confidential"

    def __init__(
        self, name: str, site: Site, args: ReplicationArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Start to copy; `site` is that of the source."""
        super().__init__(name, site, opts)
        self._name, self._args = name, args
        role, policy = self._create_role()
        aws.s3.BucketReplicationConfig(
            name,
            bucket=args.source_bucket,
            role=role.arn,
            rules=[
                self._rule(region, destination, priority)
                for priority, (region, destination) in enumerate(sorted(args.destinations.items()), start=1)
            ],
            # S3 looks at the role when it is told of it.
            opts=self.child(depends_on=[policy]),
        )
        for region, destination in args.destinations.items():
            self._create_alarm(region, destination)
        self.register_outputs({})

    def _create_role(self) -> tuple[aws.iam.Role, aws.iam.RolePolicy]:
        role = aws.iam.Role(
            self._name,
            name=self.site.names.of("role", self._name),
            # No condition: S3 documents none here, and only who may pass the role can name it in a configuration.
            assume_role_policy=trust("s3.amazonaws.com"),
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

    def _statements(self) -> list[Statement]:
        """As in https://docs.aws.amazon.com/AmazonS3/latest/userguide/setting-repl-config-perm-overview.html."""
        args = self._args
        statements: list[Statement] = [
            {
                "Sid": "Configuration",
                "Effect": "Allow",
                "Action": ["s3:GetReplicationConfiguration", "s3:ListBucket"],
                "Resource": args.source_arn,
            },
            {
                "Sid": "Read",
                "Effect": "Allow",
                "Action": ["s3:GetObjectVersionAcl", "s3:GetObjectVersionForReplication", "s3:GetObjectVersionTagging"],
                "Resource": _objects(args.source_arn),
            },
            {
                "Sid": "Write",
                "Effect": "Allow",
                "Action": ["s3:ReplicateDelete", "s3:ReplicateObject", "s3:ReplicateTags"],
                "Resource": [_objects(each.bucket_arn) for each in args.destinations.values()],
            },
        ]
        if args.source_key_arn is not None:
            statements.append(_use_key("Decrypt", "kms:Decrypt", args.source_key_arn, self.site.region))
        for region, destination in sorted(args.destinations.items()):
            if destination.key_arn is not None:
                sid = f"Encrypt{region.title().replace('-', '')}"
                statements.append(_use_key(sid, "kms:Encrypt", destination.key_arn, region))
        return statements

    def _rule(self, region: str, destination: Destination, priority: int) -> aws.s3.BucketReplicationConfigRuleArgs:
        # S3 copies what KMS encrypts only when told to, and with a key of the other region.
        encrypted = (
            aws.s3.BucketReplicationConfigRuleSourceSelectionCriteriaArgs(
                sse_kms_encrypted_objects=(
                    aws.s3.BucketReplicationConfigRuleSourceSelectionCriteriaSseKmsEncryptedObjectsArgs(
                        status="Enabled"
                    )
                )
            )
            if destination.key_arn is not None
            else None
        )
        encryption = (
            aws.s3.BucketReplicationConfigRuleDestinationEncryptionConfigurationArgs(
                replica_kms_key_id=destination.key_arn
            )
            if destination.key_arn is not None
            else None
        )
        return aws.s3.BucketReplicationConfigRuleArgs(
            id=_rule_id(region),
            # Rules to different buckets all apply; S3 still wants them to differ.
            priority=priority,
            status="Enabled",
            filter=aws.s3.BucketReplicationConfigRuleFilterArgs(prefix=""),
            delete_marker_replication=aws.s3.BucketReplicationConfigRuleDeleteMarkerReplicationArgs(status="Enabled"),
            source_selection_criteria=encrypted,
            destination=aws.s3.BucketReplicationConfigRuleDestinationArgs(
                bucket=destination.bucket_arn,
                encryption_configuration=encryption,
                metrics=aws.s3.BucketReplicationConfigRuleDestinationMetricsArgs(status="Enabled"),
            ),
        )

    def _create_alarm(self, region: str, destination: Destination) -> None:
        """In the source's region, where S3 counts failures; how far a copy is behind it counts in the other's.

        https://docs.aws.amazon.com/AmazonS3/latest/userguide/repl-metrics.html
        """
        alarm(
            self,
            f"{self._name}-{region}-failed",
            description=f"S3 could not copy objects to {region}: they are in one region only.",
            runbook="replication-failed",
            severity="ticket",
            topics=self._args.topics,
            metric=Metric(
                namespace="AWS/S3",
                name="OperationsFailedReplication",
                dimensions={
                    "SourceBucket": self._args.source_bucket,
                    "DestinationBucket": destination.bucket_name,
                    "RuleId": _rule_id(region),
                },
                statistic="Sum",
            ),
            threshold=0,
            period_seconds=300,
            evaluation_periods=1,
        )


def _rule_id(region: str) -> str:
    return f"to-{region}"


def _objects(bucket_arn: pulumi.Input[str]) -> pulumi.Output[str]:
    return pulumi.Output.concat(bucket_arn, "/*")


def _use_key(sid: str, action: str, key_arn: pulumi.Input[str], region: str) -> Statement:
    """S3 alone uses the key, and in the one region."""
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Action": action,
        "Resource": key_arn,
        "Condition": {"StringEquals": {"kms:ViaService": f"s3.{region}.amazonaws.com"}},
    }
