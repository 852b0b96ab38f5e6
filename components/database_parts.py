"""What a primary, its readers and its copies in other regions have in common: groups, role, logs and alarms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_aws as aws

from components.alarms import AlarmTopics, Metric, Severity, alarm
from components.component import Component
from components.documents import trust
from stacks.phase import Database as DatabaseSize

MAJOR_VERSION = "17"
"""Only the major is pinned: with auto minor upgrades a pinned minor plans an impossible downgrade
(https://github.com/hashicorp/terraform-provider-aws/pull/49496)."""
DATABASE_NAME = "headroom"
PORT = 5432
AUTHORITY = "rds-ca-rsa2048-g1"
LOGS = ("postgresql", "upgrade")

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

TIMEOUTS = pulumi.CustomTimeouts(create="90m", update="120m", delete="90m")
"""The provider's defaults (40, 80, 60 minutes) end before a Multi-AZ change of a large instance does."""


def subnet_group(component: Component, name: str, subnet_ids: Sequence[pulumi.Input[str]]) -> aws.rds.SubnetGroup:
    """Give the instances of `name` all three data subnets: RDS refuses another group in the same VPC later."""
    return aws.rds.SubnetGroup(
        name,
        name=component.site.names.of("database", name),
        description="Data subnets in three zones.",
        subnet_ids=subnet_ids,
        opts=component.stateful(),
    )


def parameter_group(component: Component, name: str, max_connections: int, suffix: str = "") -> aws.rds.ParameterGroup:
    """The family is in the logical name, so a major upgrade makes a second group beside this one.

    `max_connections` is RDS's own formula, but stated: the formula counts with less memory than the class
    has by name, and neither the pooler's budget nor the alarm could know by how much.
    """
    parameters = {**PARAMETERS, "max_connections": (str(max_connections), "pending-reboot")}
    return aws.rds.ParameterGroup(
        f"{name}-postgres{MAJOR_VERSION}{suffix}",
        family=f"postgres{MAJOR_VERSION}",
        description="Headroom: TLS, pg_cron, slow-query log.",
        parameters=[
            aws.rds.ParameterGroupParameterArgs(name=key, value=value, apply_method=method)
            for key, (value, method) in parameters.items()
        ],
        opts=component.child(),
    )


def monitoring_role(component: Component, name: str) -> aws.iam.Role:
    """Let RDS send an instance's operating system metrics."""
    role = aws.iam.Role(
        f"{name}-monitoring",
        name=component.site.names.of("role", f"{name}-monitoring"),
        assume_role_policy=trust("monitoring.rds.amazonaws.com"),
        opts=component.child(),
    )
    aws.iam.RolePolicyAttachment(
        f"{name}-monitoring",
        role=role.name,
        policy_arn="arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole",
        opts=component.child(),
    )
    return role


def log_groups(component: Component, name: str, key_arn: pulumi.Input[str]) -> list[aws.cloudwatch.LogGroup]:
    """Make them before RDS would, without retention and in the clear."""
    identifier = component.site.names.of("database", name)
    return [
        aws.cloudwatch.LogGroup(
            f"{name}-{kind}",
            name=f"/aws/rds/instance/{identifier}/{kind}",
            retention_in_days=30,
            kms_key_id=key_arn,
            opts=component.child(),
        )
        for kind in LOGS
    ]


def event_subscription(
    component: Component,
    name: str,
    instances: Sequence[aws.rds.Instance],
    topics: AlarmTopics,
    *,
    replicates: bool,
) -> None:
    """Tell of what RDS does to instances by itself; with `replicates`, also that replication has stopped."""
    categories = ["availability", "failover", "failure", "low storage", "maintenance", "recovery"]
    if replicates:
        categories.append("read replica")
    aws.rds.EventSubscription(
        name,
        name=component.site.names.of("database", name),
        sns_topic=topics.ticket_arn,
        source_type="db-instance",
        source_ids=[instance.identifier for instance in instances],
        event_categories=categories,
        opts=component.child(),
    )


def instance_alarms(
    component: Component,
    name: str,
    instance: aws.rds.Instance,
    *,
    size: DatabaseSize,
    instance_class: str,
    topics: AlarmTopics,
) -> None:
    """Watch one instance, whatever its part: processor, storage, memory, connections, latency."""
    gib = 1024**3
    limit = size.max_connections(instance_class)

    def metric(metric_name: str, statistic: str = "Average") -> Metric:
        return _metric(instance, metric_name, statistic)

    alarm(
        component,
        f"{name}-cpu",
        description="Database CPU above 80 % for 10 minutes.",
        runbook="database-cpu",
        severity="ticket",
        topics=topics,
        metric=metric("CPUUtilization"),
        threshold=80,
        evaluation_periods=10,
    )
    alarm(
        component,
        f"{name}-storage",
        description="Less than 10 % of the provisioned storage is free: autoscaling did not keep up.",
        runbook="database-storage",
        severity="page",
        topics=topics,
        metric=metric("FreeStorageSpace", "Minimum"),
        threshold=size.storage_gib * gib // 10,
        comparison="LessThanThreshold",
    )
    alarm(
        component,
        f"{name}-memory",
        description="Less than 15 % of the database's memory is free.",
        runbook="database-memory",
        severity="ticket",
        topics=topics,
        metric=metric("FreeableMemory"),
        threshold=size.memory_gib(instance_class) * gib * 15 // 100,
        comparison="LessThanThreshold",
        evaluation_periods=10,
    )
    alarm(
        component,
        f"{name}-connections-free",
        description="Fewer than 10 database connections are free.",
        runbook="database-connections",
        severity="page",
        topics=topics,
        metric=metric("DatabaseConnections", "Maximum"),
        threshold=limit - 10,
        evaluation_periods=2,
    )
    alarm(
        component,
        f"{name}-connections-used",
        description="More than 70 % of the database's connections are in use.",
        runbook="database-connections",
        severity="ticket",
        topics=topics,
        metric=metric("DatabaseConnections"),
        threshold=limit * 70 // 100,
        evaluation_periods=10,
    )
    alarm(
        component,
        f"{name}-latency",
        description="Reads from storage take over 50 ms at the 95th percentile.",
        runbook="database-latency",
        severity="ticket",
        topics=topics,
        metric=metric("ReadLatency", "p95"),
        threshold=0.05,
    )
    if instance_class.startswith("db.t"):
        alarm(
            component,
            f"{name}-cpu-credits",
            description="Burst credits are nearly spent: surplus credits are charged from here on.",
            runbook="database-cpu",
            severity="ticket",
            topics=topics,
            metric=metric("CPUCreditBalance"),
            threshold=50,
            comparison="LessThanThreshold",
            evaluation_periods=15,
        )


def lag_alarm(
    component: Component,
    name: str,
    replica: aws.rds.Instance,
    *,
    seconds: int,
    description: str,
    runbook: str,
    severity: Severity,
    topics: AlarmTopics,
) -> None:
    """Alarm on a replica that falls behind; one that reports nothing does not replicate."""
    alarm(
        component,
        f"{name}-lag",
        description=description,
        runbook=runbook,
        severity=severity,
        topics=topics,
        metric=_metric(replica, "ReplicaLag", "Maximum"),
        threshold=seconds,
        missing_data="breaching",
    )


def _metric(instance: aws.rds.Instance, name: str, statistic: str) -> Metric:
    dimensions = {"DBInstanceIdentifier": instance.identifier}
    return Metric(namespace="AWS/RDS", name=name, dimensions=dimensions, statistic=statistic)
