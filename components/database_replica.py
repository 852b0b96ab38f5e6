"""A copy of a primary in another region: it serves reads there, and takes over when the primary's region is lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import pulumi
import pulumi_aws as aws

from components.alarms import AlarmTopics
from components.component import Component, DataClass, Site
from components.database_parts import (
    AUTHORITY,
    LOGS,
    PORT,
    TIMEOUTS,
    event_subscription,
    instance_alarms,
    lag_alarm,
    log_groups,
    monitoring_role,
    parameter_group,
    subnet_group,
)
from components.security_group import data_security_group
from stacks.phase import Database as DatabaseSize

BACKUP_DAYS = 7
LAG_SECONDS = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoteReplicaArgs:
    """What the replica stands on, in its own region.

    Attributes:
        size: the phase's database; the replica has `replica_class` and the primary's storage.
        source_arn: ARN of the primary. Another region's source has to be named by its ARN, and never changes.
        vpc_id: the VPC of the replica's region.
        subnet_ids: the data subnets of the replica's region, all three.
        client_security_group_ids: who may connect, by name of the rule.
        client_cidrs: pods of other regions that may connect too, by name of the rule.
        key_arn: ARN of a KMS key of the replica's region; fixed at creation.
        log_key_arn: KMS key of the log groups, of the same region; it must let CloudWatch Logs use it.
        topics: topics of the replica's region.
    """

    size: DatabaseSize
    source_arn: pulumi.Input[str]
    vpc_id: pulumi.Input[str]
    subnet_ids: Sequence[pulumi.Input[str]]
    client_security_group_ids: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    client_cidrs: Mapping[str, str] = field(default_factory=dict)
    key_arn: pulumi.Input[str]
    log_key_arn: pulumi.Input[str]
    topics: AlarmTopics


class RemoteReplica(Component):
    """One replica with subnet group, parameter group, security group, role, logs and alarms in its own region.

    RDS replicates over its own encrypted connection, which needs no route between the VPCs
    (https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ReadRepl.XRgn.html).
    """

    KIND: ClassVar[str] = "data:RemoteReplica"
    DATA_CLASS: ClassVar[DataClass] = "confidential"

    identifier: pulumi.Output[str]
    arn: pulumi.Output[str]
    address: pulumi.Output[str]

    def __init__(
        self, name: str, site: Site, args: RemoteReplicaArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Create the replica; `site` is of the region that it stands in."""
        super().__init__(name, site, opts)
        self._name, self._args = name, args
        replica = self._create_replica()
        event_subscription(self, name, [replica], args.topics, replicates=True)
        self._watch(replica)

        self.identifier = replica.identifier
        self.arn = replica.arn
        self.address = replica.address
        self.register_outputs({"identifier": self.identifier, "arn": self.arn, "address": self.address})

    def _create_security_group(self) -> aws.ec2.SecurityGroup:
        return data_security_group(
            self,
            self._name,
            service="PostgreSQL",
            port=PORT,
            vpc_id=self._args.vpc_id,
            clients=self._args.client_security_group_ids,
            client_cidrs=self._args.client_cidrs,
        )

    def _create_replica(self) -> aws.rds.Instance:
        """The replica has backups before anybody promotes it.

        A promoted replica without them has no restore point until they are on, and going from 0 days to more restarts
        it. RDS for PostgreSQL backs up replicas (https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ReadRepl.html).
        A final snapshot of a replica is refused, so it skips that; the primary's region has one.
        """
        size, name = self._args.size, self._name
        return aws.rds.Instance(
            f"{name}-replica",
            identifier=self.site.names.of("database", name),
            replicate_source_db=self._args.source_arn,
            instance_class=size.replica_class,
            multi_az=False,
            storage_type="gp3",
            # Ignored at creation, when the primary's are taken over; afterwards the replica has to grow with it.
            allocated_storage=size.storage_gib,
            max_allocated_storage=size.max_storage_gib,
            iops=size.iops,
            storage_throughput=size.throughput_mibps,
            kms_key_id=self._args.key_arn,
            db_subnet_group_name=subnet_group(self, name, self._args.subnet_ids).name,
            vpc_security_group_ids=[self._create_security_group().id],
            publicly_accessible=False,
            parameter_group_name=parameter_group(self, name, size.max_connections(size.replica_class)).name,
            ca_cert_identifier=AUTHORITY,
            iam_database_authentication_enabled=True,
            backup_retention_period=BACKUP_DAYS,
            backup_window="03:00-04:00",
            # Before the primary's: a standby may be a minor version ahead of its primary, and AWS upgrades copies in
            # other regions apart from it.
            maintenance_window="sun:01:30-sun:02:30",
            copy_tags_to_snapshot=True,
            delete_automated_backups=not self.site.protected,
            deletion_protection=self.site.protected,
            skip_final_snapshot=True,
            auto_minor_version_upgrade=True,
            apply_immediately=True,
            enabled_cloudwatch_logs_exports=[*LOGS],
            monitoring_interval=60,
            monitoring_role_arn=monitoring_role(self, name).arn,
            performance_insights_enabled=True,
            performance_insights_retention_period=7,
            performance_insights_kms_key_id=self._args.key_arn,
            opts=self.stateful(depends_on=[*log_groups(self, name, self._args.log_key_arn)], custom_timeouts=TIMEOUTS),
        )

    def _watch(self, replica: aws.rds.Instance) -> None:
        """The lag is what is lost with the primary's region, so it pages at the strictest phase's recovery point."""
        size, topics = self._args.size, self._args.topics
        instance_alarms(self, self._name, replica, size=size, instance_class=size.replica_class, topics=topics)
        lag_alarm(
            self,
            self._name,
            replica,
            seconds=LAG_SECONDS,
            description="The copy is more than a minute behind: so much would be lost with the primary's region.",
            runbook="database-remote-replica-lag",
            severity="page",
            topics=topics,
        )
