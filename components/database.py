"""RDS for PostgreSQL: one primary, its read replicas in the region, and what watches them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import pulumi
import pulumi_aws as aws

from components.alarms import AlarmTopics, Metric, alarm
from components.component import Component, DataClass, Site
from components.documents import trust
from components.security_group import data_security_group
from stacks.phase import Database as DatabaseSize

MAJOR_VERSION = "17"
"""Only the major is pinned: with auto minor upgrades a pinned minor plans an impossible downgrade
(https://github.com/hashicorp/terraform-provider-aws/pull/49496)."""
DATABASE_NAME = "headroom"
OWNER = "headroom_owner"
PORT = 5432

PARAMETERS: Mapping[str, tuple[str, str]] = {
    "shared_preload_libraries": ("pg_stat_statements,pg_cron,auto_explain", "pending-reboot"),
    "cron.database_name": (DATABASE_NAME, "pending-reboot"),
    "rds.force_ssl": ("1", "immediate"),
    "log_min_duration_statement": ("1000", "immediate"),
    "log_statement": ("ddl", "immediate"),
    "log_lock_waits": ("1", "immediate"),
    "auto_explain.log_min_duration": ("1000", "immediate"),
    "track_io_timing": ("1", "immediate"),
    "max_parallel_workers_per_gather": ("2", "immediate"),
    "idle_in_transaction_session_timeout": ("60000", "immediate"),
}
"""Value and apply method. A static parameter with `immediate` would differ at every preview
(https://github.com/pulumi/pulumi-aws/issues/2442)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabaseArgs:
    """What the primary stands on.

    Attributes:
        size: the phase's database.
        availability_zones: three, for the replicas to spread over.
        vpc_id: the VPC.
        subnet_ids: the data subnets, all three: RDS refuses another group in the same VPC later.
        client_security_group_ids: who may connect, by name of the rule.
        key_arn: ARN of the KMS key; an alias would plan a replacement.
        password: of the owner role (secret).
        topics: who hears of trouble.
    """

    size: DatabaseSize
    availability_zones: Sequence[str]
    vpc_id: pulumi.Input[str]
    subnet_ids: Sequence[pulumi.Input[str]]
    client_security_group_ids: Mapping[str, pulumi.Input[str]]
    key_arn: pulumi.Input[str]
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
        self._subnet_group = self._create_subnet_group()
        self._parameter_group = self._create_parameter_group()
        self._security_group = data_security_group(
            self,
            name,
            service="PostgreSQL",
            port=PORT,
            vpc_id=args.vpc_id,
            clients=args.client_security_group_ids,
        )
        self._monitoring_role = self._create_monitoring_role()
        self._logs = [self._create_log_group(kind) for kind in ("postgresql", "upgrade")]
        primary = self._create_primary()
        replicas = [self._create_replica(index, primary) for index in range(args.size.local_replicas)]
        self._create_event_subscription(primary)
        self._create_alarms(self._name, args.size.instance_class, primary)
        for index, replica in enumerate(replicas):
            self._create_alarms(f"{self._name}-reader-{index}", args.size.replica_class, replica)
            self._create_lag_alarm(f"{self._name}-reader-{index}", replica)

        self.identifier = primary.identifier
        self.arn = primary.arn
        self.writer_address = primary.address
        self.reader_addresses = [replica.address for replica in replicas]
        self.parameter_group_name = self._parameter_group.name
        self.register_outputs(
            {
                "identifier": self.identifier,
                "arn": self.arn,
                "writer_address": self.writer_address,
                "reader_addresses": self.reader_addresses,
            }
        )

    def _create_subnet_group(self) -> aws.rds.SubnetGroup:
        return aws.rds.SubnetGroup(
            self._name,
            name=self.site.names.of("database", self._name),
            description="Data subnets in three zones.",
            subnet_ids=self._args.subnet_ids,
            opts=self.stateful(),
        )

    def _create_parameter_group(self) -> aws.rds.ParameterGroup:
        """The family is in the logical name, so a major upgrade makes a second group beside this one.

        `max_connections` is RDS's own formula, but stated: the formula counts with less memory than the class
        has by name, and neither the pooler's budget nor the alarm could know by how much.
        """
        size = self._args.size
        limit = str(size.max_connections(size.instance_class))
        parameters = {**PARAMETERS, "max_connections": (limit, "pending-reboot")}
        return aws.rds.ParameterGroup(
            f"{self._name}-postgres{MAJOR_VERSION}",
            family=f"postgres{MAJOR_VERSION}",
            description="Headroom: TLS, pg_cron, slow-query log.",
            parameters=[
                aws.rds.ParameterGroupParameterArgs(name=key, value=value, apply_method=method)
                for key, (value, method) in parameters.items()
            ],
            opts=self.child(),
        )

    def _create_monitoring_role(self) -> aws.iam.Role:
        role = aws.iam.Role(
            f"{self._name}-monitoring",
            name=self.site.names.of("role", f"{self._name}-monitoring"),
            assume_role_policy=trust("monitoring.rds.amazonaws.com"),
            opts=self.child(),
        )
        aws.iam.RolePolicyAttachment(
            f"{self._name}-monitoring",
            role=role.name,
            policy_arn="arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole",
            opts=self.child(),
        )
        return role

    def _create_log_group(self, kind: str) -> aws.cloudwatch.LogGroup:
        """Made before RDS would make it itself, without retention."""
        identifier = self.site.names.of("database", self._name)
        return aws.cloudwatch.LogGroup(
            f"{self._name}-{kind}",
            name=f"/aws/rds/instance/{identifier}/{kind}",
            retention_in_days=30,
            opts=self.child(),
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
            ca_cert_identifier="rds-ca-rsa2048-g1",
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
            enabled_cloudwatch_logs_exports=["postgresql", "upgrade"],
            monitoring_interval=60,
            monitoring_role_arn=self._monitoring_role.arn,
            performance_insights_enabled=True,
            performance_insights_retention_period=7,
            performance_insights_kms_key_id=self._args.key_arn,
            opts=self.stateful(depends_on=[*self._logs], custom_timeouts=_TIMEOUTS),
        )

    def _create_replica(self, index: int, primary: aws.rds.Instance) -> aws.rds.Instance:
        """A reader in the primary's region: engine, credentials, storage and encryption are the primary's."""
        name = f"{self._name}-reader-{index}"
        zones = self._args.availability_zones
        return aws.rds.Instance(
            name,
            identifier=self.site.names.of("database", name),
            replicate_source_db=primary.identifier,
            instance_class=self._args.size.replica_class,
            availability_zone=f"{self.site.region}{zones[index % len(zones)]}",
            storage_type="gp3",
            max_allocated_storage=self._args.size.max_storage_gib,
            vpc_security_group_ids=[self._security_group.id],
            publicly_accessible=False,
            parameter_group_name=self._parameter_group.name,
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
            opts=self.child(custom_timeouts=_TIMEOUTS),
        )

    def _create_event_subscription(self, primary: aws.rds.Instance) -> None:
        aws.rds.EventSubscription(
            self._name,
            name=self.site.names.of("database", self._name),
            sns_topic=self._args.topics.ticket_arn,
            source_type="db-instance",
            source_ids=[primary.identifier],
            event_categories=["availability", "failover", "failure", "low storage", "maintenance", "recovery"],
            opts=self.child(),
        )

    def _create_alarms(self, name: str, instance_class: str, instance: aws.rds.Instance) -> None:
        size = self._args.size
        gib = 1024**3

        def metric(metric_name: str, statistic: str = "Average") -> Metric:
            dimensions = {"DBInstanceIdentifier": instance.identifier}
            return Metric(namespace="AWS/RDS", name=metric_name, dimensions=dimensions, statistic=statistic)

        limit = size.max_connections(size.instance_class)
        alarm(
            self,
            f"{name}-cpu",
            description="Database CPU above 80 % for 10 minutes.",
            runbook="database-cpu",
            severity="ticket",
            topics=self._args.topics,
            metric=metric("CPUUtilization"),
            threshold=80,
            evaluation_periods=10,
        )
        alarm(
            self,
            f"{name}-storage",
            description="Less than 10 % of the provisioned storage is free: autoscaling did not keep up.",
            runbook="database-storage",
            severity="page",
            topics=self._args.topics,
            metric=metric("FreeStorageSpace", "Minimum"),
            threshold=size.storage_gib * gib // 10,
            comparison="LessThanThreshold",
        )
        alarm(
            self,
            f"{name}-memory",
            description="Less than 15 % of the database's memory is free.",
            runbook="database-memory",
            severity="ticket",
            topics=self._args.topics,
            metric=metric("FreeableMemory"),
            threshold=size.memory_gib(instance_class) * gib * 15 // 100,
            comparison="LessThanThreshold",
            evaluation_periods=10,
        )
        alarm(
            self,
            f"{name}-connections-free",
            description="Fewer than 10 database connections are free.",
            runbook="database-connections",
            severity="page",
            topics=self._args.topics,
            metric=metric("DatabaseConnections", "Maximum"),
            threshold=limit - 10,
            evaluation_periods=2,
        )
        alarm(
            self,
            f"{name}-connections-used",
            description="More than 70 % of the database's connections are in use.",
            runbook="database-connections",
            severity="ticket",
            topics=self._args.topics,
            metric=metric("DatabaseConnections"),
            threshold=limit * 70 // 100,
            evaluation_periods=10,
        )
        alarm(
            self,
            f"{name}-latency",
            description="Reads from storage take over 50 ms at the 95th percentile.",
            runbook="database-latency",
            severity="ticket",
            topics=self._args.topics,
            metric=metric("ReadLatency", "p95"),
            threshold=0.05,
        )
        if instance_class.startswith("db.t"):
            alarm(
                self,
                f"{name}-cpu-credits",
                description="Burst credits are nearly spent: surplus credits are charged from here on.",
                runbook="database-cpu",
                severity="ticket",
                topics=self._args.topics,
                metric=metric("CPUCreditBalance"),
                threshold=50,
                comparison="LessThanThreshold",
                evaluation_periods=15,
            )

    def _create_lag_alarm(self, name: str, replica: aws.rds.Instance) -> None:
        alarm(
            self,
            f"{name}-lag",
            description="The replica is more than 10 seconds behind; the application stopped using it at 5.",
            runbook="database-replica-lag",
            severity="ticket",
            topics=self._args.topics,
            metric=Metric(
                namespace="AWS/RDS",
                name="ReplicaLag",
                dimensions={"DBInstanceIdentifier": replica.identifier},
                statistic="Maximum",
            ),
            threshold=10,
            missing_data="breaching",
        )


_TIMEOUTS = pulumi.CustomTimeouts(create="90m", update="120m", delete="90m")
"""The provider's defaults (40, 80, 60 minutes) end before a Multi-AZ change of a large instance does."""
