"""ElastiCache for Valkey: the `cache` group may lose anything, the `state` group may evict nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import pulumi
import pulumi_aws as aws

from components.alarms import AlarmTopics, Metric, Severity, math_alarm
from components.component import Component, DataClass, Site
from components.security_group import data_security_group
from stacks.phase import CacheGroup

ENGINE_VERSION = "8.0"
FAMILY = "valkey8"
PORT = 6379
LAG_SECONDS = 10
"""Replication over regions takes under a second when all is well."""
USER_NAME = "headroom"
ACCESS = "on ~* &* +@all -@dangerous -@admin +info +cluster|slots +cluster|shards +cluster|nodes"
"""All keys and channels; nothing that empties, reconfigures or inspects the server beyond what clients need."""

EvictionPolicy = Literal["allkeys-lru", "noeviction"]


@dataclass(frozen=True, kw_only=True, slots=True)
class CacheArgs:
    """What both groups stand on.

    Attributes:
        cache: size of the group that may evict.
        state: size of the group that may not.
        vpc_id: the VPC.
        subnet_ids: the data subnets, all three: a group cannot move to others.
        client_security_group_ids: who may connect, by name of the rule.
        client_cidrs: who may connect from elsewhere, by name of the rule: pods of other regions, over peering.
        global_group_id: the datastore that the `cache` group is a secondary of: it reads what home's writes.
        key_arn: ARN of the KMS key, fixed at creation.
        password: of the pods' user (secret).
        log_key_arn: KMS key of the slow log.
        topics: who hears of trouble.
    """

    cache: CacheGroup
    state: CacheGroup
    vpc_id: pulumi.Input[str]
    subnet_ids: Sequence[pulumi.Input[str]]
    client_security_group_ids: Mapping[str, pulumi.Input[str]]
    key_arn: pulumi.Input[str]
    log_key_arn: pulumi.Input[str]
    password: pulumi.Input[str]
    topics: AlarmTopics
    client_cidrs: Mapping[str, str] = field(default_factory=dict)
    global_group_id: pulumi.Input[str] | None = None


class Cache(Component):
    """Two replication groups, cluster mode from the first phase, TLS, one user, alarms for each shard.

    Cluster mode cannot be switched on and resharded in one step, and encryption, subnet group and port
    are fixed at creation, so all of these are in their final shape at 10k.

    A secondary of a datastore (see `global_cache`) takes size, engine, parameters and encryption from home's `cache`
    group, and refuses writes. Home's own group never names the datastore: that input would replace it.
    """

    KIND: ClassVar[str] = "data:Cache"
    DATA_CLASS: ClassVar[DataClass] = "confidential"

    cache_group_id: pulumi.Output[str]
    state_group_id: pulumi.Output[str]
    state_group_arn: pulumi.Output[str]
    cache_address: pulumi.Output[str]
    state_address: pulumi.Output[str]

    def __init__(self, name: str, site: Site, args: CacheArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create both groups."""
        super().__init__(name, site, opts)
        self._name, self._args = name, args
        self._subnet_group = self._create_subnet_group()
        self._security_group = data_security_group(
            self,
            name,
            service="Valkey",
            port=PORT,
            vpc_id=args.vpc_id,
            clients=args.client_security_group_ids,
            client_cidrs=args.client_cidrs,
        )
        self._user_group = self._create_user_group()
        self._logs = self._create_log_group()
        cache = self._create_group("cache", args.cache, "allkeys-lru")
        state = self._create_group("state", args.state, "noeviction")
        self._create_alarms("cache", args.cache, cache)
        self._create_alarms("state", args.state, state)
        self._create_hit_rate_alarms(args.cache, cache)
        self._create_eviction_alarms(args.state, state)
        if args.global_group_id is not None:
            self._create_lag_alarms(args.cache, cache)

        self.cache_group_id = cache.replication_group_id
        self.state_group_id = state.replication_group_id
        self.state_group_arn = state.arn
        self.cache_address = cache.configuration_endpoint_address
        self.state_address = state.configuration_endpoint_address
        self.register_outputs({"cache_address": self.cache_address, "state_address": self.state_address})

    def _create_subnet_group(self) -> aws.elasticache.SubnetGroup:
        return aws.elasticache.SubnetGroup(
            self._name,
            name=self.site.names.of("cache", self._name),
            description="Data subnets in three zones.",
            subnet_ids=self._args.subnet_ids,
            opts=self.stateful(),
        )

    def _create_user_group(self) -> aws.elasticache.UserGroup:
        """A Valkey group needs no `default` user, unlike a Redis one, so nobody connects without a password."""
        identifier = self.site.names.of("cache", f"{self._name}-pods")
        user = aws.elasticache.User(
            f"{self._name}-pods",
            user_id=identifier,
            user_name=USER_NAME,
            engine="valkey",
            access_string=ACCESS,
            authentication_mode=aws.elasticache.UserAuthenticationModeArgs(
                type="password", passwords=[self._args.password]
            ),
            opts=self.child(),
        )
        return aws.elasticache.UserGroup(
            self._name,
            user_group_id=self.site.names.of("cache", self._name),
            engine="valkey",
            user_ids=[user.user_id],
            opts=self.stateful(),
        )

    def _create_log_group(self) -> aws.cloudwatch.LogGroup:
        return aws.cloudwatch.LogGroup(
            f"{self._name}-log",
            name=f"/headroom/{self.site.names.stack}/{self._name}",
            retention_in_days=30,
            kms_key_id=self._args.log_key_arn,
            opts=self.child(),
        )

    def _create_group(self, kind: str, size: CacheGroup, eviction: EvictionPolicy) -> aws.elasticache.ReplicationGroup:
        name = f"{self._name}-{kind}"
        identifier = self.site.names.of("cache", name)
        secondary = kind == "cache" and self._args.global_group_id is not None
        return aws.elasticache.ReplicationGroup(
            name,
            replication_group_id=identifier,
            description=f"Headroom {kind}: {eviction}.",
            **(self._inherited_shape() if secondary else self._own_shape(name, size, eviction)),
            replicas_per_node_group=size.replicas_per_shard,
            automatic_failover_enabled=True,
            multi_az_enabled=size.replicas_per_shard > 0,
            port=PORT,
            subnet_group_name=self._subnet_group.name,
            security_group_ids=[self._security_group.id],
            kms_key_id=self._args.key_arn,
            user_group_ids=[self._user_group.user_group_id],
            snapshot_retention_limit=size.snapshot_retention_days,
            snapshot_window="02:00-03:00",
            final_snapshot_identifier=f"{identifier}-final" if kind == "state" and self.site.protected else None,
            maintenance_window="sun:05:30-sun:06:30",
            auto_minor_version_upgrade=True,
            apply_immediately=True,
            log_delivery_configurations=[
                aws.elasticache.ReplicationGroupLogDeliveryConfigurationArgs(
                    destination=self._logs.name,
                    destination_type="cloudwatch-logs",
                    log_format="json",
                    log_type="slow-log",
                )
            ],
            opts=self.stateful(custom_timeouts=_TIMEOUTS),
        )

    def _own_shape(self, name: str, size: CacheGroup, eviction: EvictionPolicy) -> dict[str, Any]:
        parameters = aws.elasticache.ParameterGroup(
            f"{name}-{FAMILY}",
            name=self.site.names.of("parameter_group", f"{name}-{FAMILY}"),
            family=FAMILY,
            description=f"Headroom: {eviction}, cluster mode.",
            parameters=[
                aws.elasticache.ParameterGroupParameterArgs(name="cluster-enabled", value="yes"),
                aws.elasticache.ParameterGroupParameterArgs(name="maxmemory-policy", value=eviction),
            ],
            opts=self.child(),
        )
        return {
            "engine": "valkey",
            "engine_version": ENGINE_VERSION,
            "node_type": size.node_type,
            "cluster_mode": "enabled",
            "num_node_groups": size.shards,
            "parameter_group_name": parameters.name,
            "at_rest_encryption_enabled": True,
            "transit_encryption_enabled": True,
            "transit_encryption_mode": "required",
        }

    def _inherited_shape(self) -> dict[str, Any]:
        """Nothing but the datastore: the provider refuses the others beside it (`ConflictsWith`).

        https://github.com/hashicorp/terraform-provider-aws/blob/main/internal/service/elasticache/replication_group.go
        """
        return {"global_replication_group_id": self._args.global_group_id}

    def _create_alarms(self, kind: str, size: CacheGroup, group: aws.elasticache.ReplicationGroup) -> None:
        """Per shard, the worst of its nodes; a full `state` group refuses writes, so that one pages."""
        severity: Severity = "page" if kind == "state" else "ticket"
        for shard in range(size.shards):
            name = f"{self._name}-{kind}-{shard}"
            memory = self._nodes(group, size, shard, metric="DatabaseMemoryUsagePercentage", statistic="Maximum")
            cpu = self._nodes(group, size, shard, metric="EngineCPUUtilization", statistic="Average")
            math_alarm(
                self,
                f"{name}-memory",
                description=f"The {kind} group uses over 85 % of its memory.",
                runbook="cache-memory",
                severity=severity,
                topics=self._args.topics,
                expression=f"MAX([{','.join(memory)}])",
                metrics=memory,
                threshold=85,
            )
            math_alarm(
                self,
                f"{name}-cpu",
                description=f"A node of the {kind} group uses over 80 % of its engine thread.",
                runbook="cache-cpu",
                severity="ticket",
                topics=self._args.topics,
                expression=f"MAX([{','.join(cpu)}])",
                metrics=cpu,
                threshold=80,
            )

    def _create_hit_rate_alarms(self, size: CacheGroup, group: aws.elasticache.ReplicationGroup) -> None:
        """Over half an hour, so that a deployment's cold start does not count."""
        for shard in range(size.shards):
            hits = self._nodes(group, size, shard, metric="CacheHits", statistic="Sum", prefix="h")
            misses = self._nodes(group, size, shard, metric="CacheMisses", statistic="Sum", prefix="m")
            math_alarm(
                self,
                f"{self._name}-cache-{shard}-hit-rate",
                description="Fewer than 90 % of the cache's reads hit, for 30 minutes.",
                runbook="cache-hit-rate",
                severity="ticket",
                topics=self._args.topics,
                expression=f"100*SUM([{','.join(hits)}])/(SUM([{','.join(hits)}])+SUM([{','.join(misses)}]))",
                metrics={**hits, **misses},
                threshold=90,
                comparison="LessThanThreshold",
                period_seconds=300,
                evaluation_periods=6,
            )

    def _create_eviction_alarms(self, size: CacheGroup, group: aws.elasticache.ReplicationGroup) -> None:
        """`noeviction` should make this impossible: an eviction means the parameter group is not the one we made."""
        for shard in range(size.shards):
            evictions = self._nodes(group, size, shard, metric="Evictions", statistic="Sum")
            math_alarm(
                self,
                f"{self._name}-state-{shard}-evictions",
                description="The state group evicted keys: sessions or revocations are being lost.",
                runbook="cache-evictions",
                severity="page",
                topics=self._args.topics,
                expression=f"SUM([{','.join(evictions)}])",
                metrics=evictions,
                threshold=0,
                evaluation_periods=1,
            )

    def _create_lag_alarms(self, size: CacheGroup, group: aws.elasticache.ReplicationGroup) -> None:
        """Of a secondary's nodes, in its own region: any of a shard's may be its primary.

        The dimensions are those of every metric of a node, as in CloudWatch's list for the CDK; which nodes report
        this one is not documented, so silence is no fault (unverified on AWS).
        """
        for shard in range(size.shards):
            lags = self._nodes(group, size, shard, metric="GlobalDatastoreReplicationLag", statistic="Maximum")
            math_alarm(
                self,
                f"{self._name}-cache-{shard}-lag",
                description=f"The cache group is over {LAG_SECONDS} s behind that of the home region.",
                runbook="cache-replication-lag",
                severity="ticket",
                topics=self._args.topics,
                expression=f"MAX([{','.join(lags)}])",
                metrics=lags,
                threshold=LAG_SECONDS,
            )

    def _nodes(
        self,
        group: aws.elasticache.ReplicationGroup,
        size: CacheGroup,
        shard: int,
        *,
        metric: str,
        statistic: str,
        prefix: str = "n",
    ) -> dict[str, Metric]:
        """A metric of each node of a shard; node names are `{group}-{shard:04}-{node:03}`, counted from 1."""
        return {
            f"{prefix}{node}": Metric(
                namespace="AWS/ElastiCache",
                name=metric,
                dimensions={
                    "CacheClusterId": pulumi.Output.concat(group.replication_group_id, f"-{shard + 1:04}-{node:03}")
                },
                statistic=statistic,
            )
            for node in range(1, size.replicas_per_shard + 2)
        }


_TIMEOUTS = pulumi.CustomTimeouts(create="60m", update="120m", delete="60m")
"""Resharding moves slots while it serves; the provider's 40 minutes are too few for that."""
