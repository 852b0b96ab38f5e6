"""RDS for PostgreSQL: one primary, its read replicas in the region, and what watches them."""

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
    DATABASE_NAME,
    LOGS,
    MAJOR_VERSION,
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

OWNER = "headroom_owner"


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabaseArgs:
    """What the primary stands on.

    Attributes:
        size: the phase's database.
        availability_zones: three, for the replicas to spread over.
        vpc_id: the VPC.
        subnet_ids: the data subnets, all three: RDS refuses another group in the same VPC later.
        client_security_group_ids: who may connect, by name of the rule.
        client_cidrs: pods of other regions that may connect too, by name of the rule.
        key_arn: ARN of the KMS key; an alias would plan a replacement.
        log_key_arn: KMS key of the log groups; it must let CloudWatch Logs use it.
        password: of the owner role (secret).
        topics: who hears of trouble.
    """

    size: DatabaseSize
    availability_zones: Sequence[str]
    vpc_id: pulumi.Input[str]
    subnet_ids: Sequence[pulumi.Input[str]]
    client_security_group_ids: Mapping[str, pulumi.Input[str]]
    client_cidrs: Mapping[str, str] = field(default_factory=dict)
    key_arn: pulumi.Input[str]
    log_key_arn: pulumi.Input[str]
    password: pulumi.Input[str]
    topics: AlarmTopics


class Database(Component):
    """One writer, `size.local_replicas` readers, subnet and parameter group, security group, alarms.

    The owner's password is ours, not RDS-managed: managed passwords exclude read replicas
    (https://github.com/terraform-aws-modules/terraform-aws-rds/issues/512).
    """

    KIND: ClassVar[str] = "data:Database"
    DATA_CLASS: ClassVar[DataClass] = "confidential"

    identifier: pulumi.Output[str]
    arn: pulumi.Output[str]
    writer_address: pulumi.Output[str]
    reader_addresses: Sequence[pulumi.Output[str]]
    parameter_group_name: pulumi.Output[str]

    def __init__(self, name: str, site: Site, args: DatabaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create the database."""
        super().__init__(name, site, opts)
        self._name, self._args = name, args
        self._subnet_group = subnet_group(self, name, args.subnet_ids)
        self._parameter_group = parameter_group(self, name, args.size.max_connections(args.size.instance_class))
        self._security_group = data_security_group(
            self,
            name,
            service="PostgreSQL",
            port=PORT,
            vpc_id=args.vpc_id,
            clients=args.client_security_group_ids,
            client_cidrs=args.client_cidrs,
        )
        self._monitoring_role = monitoring_role(self, name)
        self._logs = log_groups(self, name, args.log_key_arn)
        primary = self._create_primary()
        readers = self._create_readers(primary)
        event_subscription(self, name, [primary, *readers], args.topics, replicates=bool(readers))
        self._watch(primary, readers)

        self.identifier = primary.identifier
        self.arn = primary.arn
        self.writer_address = primary.address
        self.reader_addresses = [reader.address for reader in readers]
        self.parameter_group_name = self._parameter_group.name
        self.register_outputs(
            {
                "identifier": self.identifier,
                "arn": self.arn,
                "writer_address": self.writer_address,
                "reader_addresses": self.reader_addresses,
            }
        )

    def _create_primary(self) -> aws.rds.Instance:
        size, identifier = self._args.size, self.site.names.of("database", self._name)
        return aws.rds.Instance(
            f"{self._name}-primary",
            identifier=identifier,
            engine="postgres",
            engine_version=MAJOR_VERSION,
            instance_class=size.instance_class,
            multi_az=size.multi_az,
            db_name=DATABASE_NAME,
            username=OWNER,
            password=self._args.password,
            port=PORT,
            storage_type="gp3",
            allocated_storage=size.storage_gib,
            max_allocated_storage=size.max_storage_gib,
            iops=size.iops,
            storage_throughput=size.throughput_mibps,
            storage_encrypted=True,
            kms_key_id=self._args.key_arn,
            db_subnet_group_name=self._subnet_group.name,
            vpc_security_group_ids=[self._security_group.id],
            publicly_accessible=False,
            parameter_group_name=self._parameter_group.name,
            ca_cert_identifier=AUTHORITY,
            iam_database_authentication_enabled=True,
            backup_retention_period=size.backup_retention_days,
            backup_window="03:00-04:00",
            maintenance_window="sun:04:30-sun:05:30",
            copy_tags_to_snapshot=True,
            delete_automated_backups=not self.site.protected,
            deletion_protection=self.site.protected,
            skip_final_snapshot=not self.site.protected,
            final_snapshot_identifier=f"{identifier}-final" if self.site.protected else None,
            auto_minor_version_upgrade=True,
            allow_major_version_upgrade=False,
            apply_immediately=True,
            enabled_cloudwatch_logs_exports=[*LOGS],
            monitoring_interval=60,
            monitoring_role_arn=self._monitoring_role.arn,
            performance_insights_enabled=True,
            performance_insights_retention_period=7,
            performance_insights_kms_key_id=self._args.key_arn,
            opts=self.stateful(depends_on=[*self._logs], custom_timeouts=TIMEOUTS),
        )

    def _create_readers(self, primary: aws.rds.Instance) -> list[aws.rds.Instance]:
        """Readers have a parameter group of their own, so that their `max_connections` can grow before the primary's.

        A standby that allows fewer connections than its primary stops replaying
        (https://www.postgresql.org/docs/17/hot-standby.html#HOT-STANDBY-ADMIN).
        """
        size = self._args.size
        if not size.local_replicas:
            return []
        parameters = parameter_group(self, self._name, size.max_connections(size.replica_class), "-readers")
        return [self._create_reader(index, primary, parameters) for index in range(size.local_replicas)]

    def _create_reader(
        self, index: int, primary: aws.rds.Instance, parameters: aws.rds.ParameterGroup
    ) -> aws.rds.Instance:
        """A reader in the primary's region: engine, credentials and encryption are the primary's.

        Storage is too at creation, where the provider ignores `allocated_storage`; later each instance grows by
        itself, and a reader that is smaller than its primary fills up. The provider sends IOPS along with it.
        Source: internal/service/rds/instance.go of the Terraform AWS provider.
        """
        name = f"{self._name}-reader-{index}"
        size, zones = self._args.size, self._args.availability_zones
        return aws.rds.Instance(
            name,
            identifier=self.site.names.of("database", name),
            replicate_source_db=primary.identifier,
            instance_class=size.replica_class,
            availability_zone=f"{self.site.region}{zones[index % len(zones)]}",
            storage_type="gp3",
            allocated_storage=size.storage_gib,
            max_allocated_storage=size.max_storage_gib,
            iops=size.iops,
            storage_throughput=size.throughput_mibps,
            vpc_security_group_ids=[self._security_group.id],
            publicly_accessible=False,
            parameter_group_name=parameters.name,
            iam_database_authentication_enabled=True,
            backup_retention_period=0,
            copy_tags_to_snapshot=True,
            deletion_protection=self.site.protected,
            skip_final_snapshot=True,
            auto_minor_version_upgrade=True,
            apply_immediately=True,
            monitoring_interval=60,
            monitoring_role_arn=self._monitoring_role.arn,
            performance_insights_enabled=True,
            performance_insights_retention_period=7,
            performance_insights_kms_key_id=self._args.key_arn,
            opts=self.child(custom_timeouts=TIMEOUTS),
        )

    def _watch(self, primary: aws.rds.Instance, readers: Sequence[aws.rds.Instance]) -> None:
        size, topics = self._args.size, self._args.topics
        instance_alarms(self, self._name, primary, size=size, instance_class=size.instance_class, topics=topics)
        for index, reader in enumerate(readers):
            name = f"{self._name}-reader-{index}"
            instance_alarms(self, name, reader, size=size, instance_class=size.replica_class, topics=topics)
            lag_alarm(
                self,
                name,
                reader,
                seconds=10,
                description="The replica is more than 10 seconds behind; the application stopped using it at 5.",
                runbook="database-replica-lag",
                severity="ticket",
                topics=topics,
            )
