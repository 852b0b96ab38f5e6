"""One region: its ground, what holds data on it and, in a full region, what runs on it.

The parts come in steps because regions need one another: a replica needs the other region's primary, the pods need
every primary. A read region is the ground and what other regions keep there; when it becomes a full region the rest is
added to it, and nothing that stands changes its name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import pulumi

from components.alarms import Alarms, AlarmsArgs, topic_arn
from components.backup import Backup, BackupArgs, BackupCopies, BackupCopiesArgs
from components.cache import Cache, CacheArgs
from components.cluster import Cluster, ClusterArgs
from components.component import Component, Site
from components.database import Database, DatabaseArgs
from components.database_replica import RemoteReplica, RemoteReplicaArgs
from components.global_cache import GlobalCache, GlobalCacheArgs
from components.keys import Keys, KeysArgs
from components.load_balancer import LoadBalancer, LoadBalancerArgs
from components.messaging import Messaging, MessagingArgs
from components.network import Network, NetworkArgs
from components.peering import Peering, PeeringArgs, Side
from components.prometheus import Grafana
from components.registry import Registry, RegistryArgs
from components.replication import Destination, Replication, ReplicationArgs
from components.secrets import Secrets, SecretsArgs
from components.storage import (
    AssetsBucket,
    AssetsBucketArgs,
    ExportsBucket,
    ExportsBucketArgs,
    LogsBucket,
    LogsBucketArgs,
    UploadsBucket,
    UploadsBucketArgs,
)
from components.telemetry import Logs, LogsArgs
from infra.cidr import region_plan
from infra.config import Settings
from stacks.shards import Primary, primaries


@dataclass(frozen=True, kw_only=True, slots=True)
class RegionArgs:
    """What the region cannot know by itself.

    Attributes:
        settings: of the stack.
        account_id: this AWS account.
        caller_arn: who runs the program.
        pagerduty_url: subscribed to `page` (secret).
    """

    settings: Settings
    account_id: str
    caller_arn: str
    pagerduty_url: pulumi.Input[str] | None


class Region(Component):
    """Keys, topics, network and the buckets that other regions may copy to; `hold` and `serve` make it a full one."""

    KIND: ClassVar[str] = "region:Region"

    def __init__(self, name: str, site: Site, args: RegionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Lay the ground."""
        super().__init__(name, site, opts)
        self.args, self.settings, self.phase = args, args.settings, args.settings.spec
        self.account_id = args.account_id
        self.plan = region_plan(args.settings.network_cidr, site.region)
        self.here = pulumi.ResourceOptions(parent=self)
        self.replicas: dict[str, RemoteReplica] = {}
        """Of other regions' primaries, by the primary's logical name."""
        self.databases: dict[str, Database] = {}
        """Primaries with their readers, by logical name."""
        self.backups: dict[str, Backup] = {}
        self.copies: BackupCopies | None = None
        self.grafana: Grafana | None = None
        self.extras: dict[str, pulumi.Input[object]] = {}
        """Outputs of the parts that not every phase has."""

        self.keys = Keys(f"{name}-keys", site, KeysArgs(account_id=args.account_id), self.here)
        self.alarms = self._create_alarms()
        self.topics = self.alarms.topics
        self.network = self._create_network()
        self.logs_bucket = LogsBucket(
            self.named("access-logs"), site, LogsBucketArgs(account_id=args.account_id), self.here
        )
        self.uploads = self._create_uploads()

    @property
    def is_full(self) -> bool:
        """Whether anything runs here."""
        return self.site.region in self.phase.regions

    def named(self, suffix: str) -> str:
        """Logical names carry the region from the first phase, because the last one has three."""
        return f"{self.site.region}-{suffix}"

    def _create_alarms(self) -> Alarms:
        args = AlarmsArgs(
            key_arn=self.keys.operations_arn,
            emails=self.settings.alert_emails,
            pagerduty_url=self.args.pagerduty_url,
            account_id=self.account_id,
        )
        return Alarms(self.named("alarms"), self.site, args, self.here)

    def _create_network(self) -> Network:
        args = NetworkArgs(
            vpc_cidr=self.plan.vpc,
            availability_zones=self.settings.zones(self.site.region),
            public_cidrs=self.plan.public,
            private_cidrs=self.plan.private,
            data_cidrs=self.plan.data,
            # Without pods nothing of a read region asks for the internet.
            nat_gateways=self.phase.network.nat_gateways if self.is_full else 0,
            interface_endpoints=self.phase.network.interface_endpoints if self.is_full else (),
            log_key_arn=self.keys.operations_arn,
            account_id=self.account_id,
        )
        return Network(self.named("network"), self.site, args, self.here)

    def _create_uploads(self) -> UploadsBucket:
        args = UploadsBucketArgs(
            account_id=self.account_id,
            logs_bucket=self.logs_bucket.bucket_name,
            key_arn=self.keys.data_arn,
            allowed_origins=(f"https://{self.settings.domain}", *self.settings.allowed_origins),
        )
        return UploadsBucket(self.named("uploads"), self.site, args, self.here)

    # What holds data.

    def hold(
        self,
        *,
        home: Region,
        secret_replicas: Sequence[tuple[str, pulumi.Input[str]]],
        global_cache_id: pulumi.Input[str] | None,
    ) -> None:
        """Add what a full region stores and queues in, and the cluster, whose pods are the only ones that reach it.

        Args:
            home: the home region; it may be this one.
            secret_replicas: region and key of the other full regions, in home only.
            global_cache_id: the Global Datastore whose copy this region's cache is; home's is its source.
        """
        self.secrets = self._create_secrets(home, secret_replicas)
        self.assets, self.exports = self._create_buckets()
        self.registry = Registry(
            self.named("registry"), self.site, RegistryArgs(key_arn=self.keys.operations_arn), self.here
        )
        self.messaging = self._create_messaging()
        logs = LogsArgs(key_arn=self.keys.operations_arn, account_id=self.account_id)
        self.logs = Logs(self.named("logs"), self.site, logs, self.here)
        self.cluster = self._create_cluster()
        for primary in primaries(self.phase, self.site.region):
            self.databases[primary.name] = self._create_database(primary)
        self.cache = self._create_cache(global_cache_id)

    def _create_secrets(self, home: Region, replicas: Sequence[tuple[str, pulumi.Input[str]]]) -> Secrets:
        args = SecretsArgs(
            key_arn=self.keys.operations_arn,
            account_id=self.account_id,
            replicas=replicas,
            shared=None if home is self else home.secrets,
        )
        return Secrets(self.named("secrets"), self.site, args, self.here)

    def _create_buckets(self) -> tuple[AssetsBucket, ExportsBucket]:
        logs_bucket = self.logs_bucket.bucket_name
        assets = AssetsBucketArgs(account_id=self.account_id, logs_bucket=logs_bucket)
        exports = ExportsBucketArgs(account_id=self.account_id, logs_bucket=logs_bucket, key_arn=self.keys.data_arn)
        return (
            AssetsBucket(self.named("assets"), self.site, assets, self.here),
            ExportsBucket(self.named("exports"), self.site, exports, self.here),
        )

    def _create_messaging(self) -> Messaging:
        # The queues' policies name the topic, and the topic's subscriptions the queues: an ARN that is known before
        # either exists opens the circle.
        topic = topic_arn(self.site, self.named("events"), self.account_id)
        args = MessagingArgs(
            queues=self.phase.messaging.queues,
            key_arn=self.keys.operations_arn,
            account_id=self.account_id,
            topics=self.topics,
            publisher_arn=topic if self.phase.messaging.fan_out else None,
        )
        return Messaging(self.named("queues"), self.site, args, self.here)

    def _create_cluster(self) -> Cluster:
        args = ClusterArgs(
            compute=self.phase.compute,
            subnet_ids=self.network.private_subnet_ids,
            key_arn=self.keys.operations_arn,
            operator_role_arns=self.settings.operator_role_arns,
            caller_arn=self.args.caller_arn,
            access_cidrs=self.settings.cluster_access_cidrs,
        )
        return Cluster(self.named("cluster"), self.site, args, self.here)

    def _create_database(self, primary: Primary) -> Database:
        args = DatabaseArgs(
            size=self.phase.database,
            availability_zones=self.settings.zones(self.site.region),
            vpc_id=self.network.vpc_id,
            subnet_ids=self.network.data_subnet_ids,
            client_security_group_ids={"pods": self.cluster.security_group_id},
            client_cidrs=self._other_pods(),
            key_arn=self.keys.data_arn,
            log_key_arn=self.keys.operations_arn,
            password=self.secrets.database_password,
            topics=self.topics,
        )
        return Database(primary.name, self.site, args, self.here)

    def _other_pods(self) -> Mapping[str, str]:
        """Pods of the other full regions: they come over the peering, where no rule can name a security group."""
        network = self.settings.network_cidr
        return {
            region: region_plan(network, region).pods for region in self.phase.regions if region != self.site.region
        }

    def _create_cache(self, global_cache_id: pulumi.Input[str] | None) -> Cache:
        args = CacheArgs(
            cache=self.phase.cache,
            state=self.phase.state,
            vpc_id=self.network.vpc_id,
            subnet_ids=self.network.data_subnet_ids,
            client_security_group_ids={"pods": self.cluster.security_group_id},
            client_cidrs=self._other_pods(),
            global_group_id=global_cache_id,
            key_arn=self.keys.data_arn,
            log_key_arn=self.keys.operations_arn,
            password=self.secrets.cache_password,
            topics=self.topics,
        )
        return Cache(self.named("valkey"), self.site, args, self.here)

    # What regions keep for one another.

    def peer(self, other: Region) -> None:
        """Join the networks, for pods that use another region's primary and cache."""
        args = PeeringArgs(requester=self._side(), accepter=other._side())
        Peering(self.named(f"{other.site.region}-peering"), self.site, args, self.here)

    def _side(self) -> Side:
        return Side(
            region=self.site.region,
            vpc_id=self.network.vpc_id,
            vpc_cidr=self.plan.vpc,
            route_table_ids=self.network.route_table_ids,
        )

    def spread_cache(self) -> pulumi.Output[str]:
        """Make this region's cache the source of a Global Datastore; its id."""
        args = GlobalCacheArgs(primary_group_id=self.cache.cache_group_id)
        datastore = GlobalCache(self.named("global-cache"), self.site, args, self.here)
        self.extras["globalCacheId"] = datastore.global_group_id
        return datastore.global_group_id

    def copy_uploads(self, other: Region) -> None:
        """Copy what users upload here to another region."""
        there = Destination(
            bucket_arn=other.uploads.arn, bucket_name=other.uploads.bucket_name, key_arn=other.keys.data_arn
        )
        args = ReplicationArgs(
            source_bucket=self.uploads.bucket_name,
            source_arn=self.uploads.arn,
            source_key_arn=self.keys.data_arn,
            destinations={other.site.region: there},
            topics=self.topics,
        )
        Replication(self.named("uploads-copy"), self.site, args, self.here)

    def copy_assets(self, others: Sequence[Region]) -> None:
        """Copy the public files to other regions, where CloudFront finds them when this one fails."""
        args = ReplicationArgs(
            source_bucket=self.assets.bucket_name,
            source_arn=self.assets.arn,
            source_key_arn=None,
            destinations={
                other.site.region: Destination(bucket_arn=other.assets.arn, bucket_name=other.assets.bucket_name)
                for other in others
            },
            topics=self.topics,
        )
        Replication(self.named("assets-copy"), self.site, args, self.here)

    def replicate(self, name: str, primary: Database) -> None:
        """Keep a replica of another region's primary, whose logical name is `name`."""
        args = RemoteReplicaArgs(
            size=self.phase.database,
            vpc_id=self.network.vpc_id,
            subnet_ids=self.network.data_subnet_ids,
            client_security_group_ids={"pods": self.cluster.security_group_id} if self.is_full else {},
            client_cidrs=self._other_pods(),
            source_arn=primary.arn,
            key_arn=self.keys.data_arn,
            log_key_arn=self.keys.operations_arn,
            topics=self.topics,
        )
        self.replicas[name] = RemoteReplica(self.named(f"copy-of-{name}"), self.site, args, self.here)

    def keep_copies(self) -> BackupCopies:
        """Keep the vault that other regions copy their backups to."""
        if self.copies is None:
            args = BackupCopiesArgs(key_arn=self.keys.data_arn)
            self.copies = BackupCopies(self.named("backup-copies"), self.site, args, self.here)
        return self.copies

    def back_up(self, copies: BackupCopies | None) -> None:
        """Back up the primaries and the uploads here, with copies in another region where there is one."""
        for index, (name, database) in enumerate(self.databases.items()):
            args = BackupArgs(
                resource_arns=[database.arn, *([self.uploads.arn] if index == 0 else [])],
                database_identifier=self.site.names.of("database", name),
                export_bucket=self.exports.bucket_name,
                export_bucket_arn=self.exports.arn,
                key_arn=self.keys.data_arn,
                operations_key_arn=self.keys.operations_arn,
                account_id=self.account_id,
                copy_vault_arn=copies.vault_arn if copies else None,
                topics=self.topics,
            )
            suffix = "backup" if index == 0 else f"backup-{index}"
            self.backups[name] = Backup(self.named(suffix), self.site, args, self.here)

    # What serves.

    def serve(self, certificate_arn: pulumi.Input[str], origin_token: pulumi.Input[str]) -> None:
        """Add the load balancer; the pods come with `stacks.pods`."""
        share = self.settings.green_share
        args = LoadBalancerArgs(
            vpc_id=self.network.vpc_id,
            subnet_ids=self.network.public_subnet_ids,
            pod_security_group_id=self.cluster.security_group_id,
            cluster_name=self.cluster.name,
            certificate_arn=certificate_arn,
            origin_token=origin_token,
            logs_bucket=self.logs_bucket.bucket_name,
            weights={"blue": 100 - share, "green": share} if self.phase.compute.blue_green else {"blue": 100},
            images="images" in self.phase.compute.pods,
            p95_ms=self.phase.targets.p95_ms,
            topics=self.topics,
        )
        self.load_balancer = LoadBalancer(self.named("lb"), self.site, args, self.here)
