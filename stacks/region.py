"""One full region: everything between the load balancer and the data, complete in itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import pulumi

from components import pooler
from components.alarms import Alarms, AlarmsArgs
from components.backup import Backup, BackupArgs
from components.cache import Cache, CacheArgs
from components.cluster import Cluster, ClusterArgs
from components.component import Component, Site
from components.database import DATABASE_NAME, OWNER, Database, DatabaseArgs
from components.keys import Keys, KeysArgs
from components.load_balancer import LoadBalancer, LoadBalancerArgs
from components.log_router import LogRouter, LogRouterArgs
from components.messaging import Messaging, MessagingArgs
from components.namespace import Namespace, NamespaceArgs
from components.network import Network, NetworkArgs
from components.registry import Registry, RegistryArgs
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
from components.workload_access import CLIENT, AwsAccess
from components.workload_manifests import PLACEHOLDER_IMAGE
from components.workloads import CacheAccess, DatabaseAccess, Workloads, WorkloadsArgs
from infra.cidr import region_plan
from infra.config import Settings

APPLICATION_USER = "headroom_app"
"""Database role of the pods, made by the migration: no owner of tables, so row-level security holds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RegionArgs:
    """What the region cannot know by itself.

    Attributes:
        settings: of the stack.
        account_id: this AWS account.
        caller_arn: who runs the program.
        certificate_arn: regional certificate of `origin.<domain>`, issued.
        application_secrets: further secret files of the pods, by name (secret).
        pagerduty_url: subscribed to `page` (secret).
    """

    settings: Settings
    account_id: str
    caller_arn: str
    certificate_arn: pulumi.Input[str]
    application_secrets: Mapping[str, pulumi.Input[str]]
    pagerduty_url: pulumi.Input[str] | None


class Region(Component):
    """Network, data, cluster and application of one region, with their keys, secrets, topics and backups."""

    KIND: ClassVar[str] = "region:Region"

    def __init__(self, name: str, site: Site, args: RegionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Build the region from the bottom up."""
        super().__init__(name, site, opts)
        self._args, self._settings, self._phase = args, args.settings, args.settings.spec
        self.account_id = args.account_id
        self._plan = region_plan(args.settings.network_cidr, site.region)
        self._here = pulumi.ResourceOptions(parent=self)

        self.keys = Keys(f"{name}-keys", site, KeysArgs(account_id=args.account_id), self._here)
        self.alarms = self._create_alarms()
        self.topics = self.alarms.topics
        self.network = self._create_network()
        self.secrets = self._create_secrets()
        self.logs_bucket, self.assets, self.uploads, self.exports = self._create_buckets()
        self.registry = self._create_registry()
        self.messaging = self._create_messaging()
        self.logs = Logs(f"{name}-logs", site, LogsArgs(key_arn=self.keys.operations_arn), self._here)
        self.cluster = self._create_cluster()
        self.database = self._create_database()
        self.cache = self._create_cache()
        self.load_balancer = self._create_load_balancer()
        self.backup = self._create_backup()
        self._create_workloads()
        self.register_outputs({})

    def _create_alarms(self) -> Alarms:
        args = AlarmsArgs(
            key_arn=self.keys.operations_arn,
            emails=self._settings.alert_emails,
            pagerduty_url=self._args.pagerduty_url,
            account_id=self._args.account_id,
        )
        return Alarms(self._named("alarms"), self.site, args, self._here)

    def _create_network(self) -> Network:
        args = NetworkArgs(
            vpc_cidr=self._plan.vpc,
            availability_zones=self._settings.zones(self.site.region),
            public_cidrs=self._plan.public,
            private_cidrs=self._plan.private,
            data_cidrs=self._plan.data,
            nat_gateways=self._phase.network.nat_gateways,
            interface_endpoints=self._phase.network.interface_endpoints,
            log_key_arn=self.keys.operations_arn,
        )
        return Network(self._named("network"), self.site, args, self._here)

    def _create_secrets(self) -> Secrets:
        args = SecretsArgs(key_arn=self.keys.operations_arn, account_id=self._args.account_id)
        return Secrets(self._named("secrets"), self.site, args, self._here)

    def _create_buckets(self) -> tuple[LogsBucket, AssetsBucket, UploadsBucket, ExportsBucket]:
        account_id, settings = self._args.account_id, self._settings
        logs = LogsBucket(self._named("access-logs"), self.site, LogsBucketArgs(account_id=account_id), self._here)
        assets = AssetsBucket(
            self._named("assets"),
            self.site,
            AssetsBucketArgs(account_id=account_id, logs_bucket=logs.bucket_name),
            self._here,
        )
        uploads = UploadsBucket(
            self._named("uploads"),
            self.site,
            UploadsBucketArgs(
                account_id=account_id,
                logs_bucket=logs.bucket_name,
                key_arn=self.keys.data_arn,
                allowed_origins=(f"https://{settings.domain}", *settings.allowed_origins),
            ),
            self._here,
        )
        exports = ExportsBucket(
            self._named("exports"),
            self.site,
            ExportsBucketArgs(account_id=account_id, logs_bucket=logs.bucket_name, key_arn=self.keys.data_arn),
            self._here,
        )
        return logs, assets, uploads, exports

    def _create_registry(self) -> Registry:
        args = RegistryArgs(key_arn=self.keys.operations_arn)
        return Registry(self._named("registry"), self.site, args, self._here)

    def _create_messaging(self) -> Messaging:
        args = MessagingArgs(queues=self._phase.messaging.queues, key_arn=self.keys.operations_arn, topics=self.topics)
        return Messaging(self._named("queues"), self.site, args, self._here)

    def _create_cluster(self) -> Cluster:
        args = ClusterArgs(
            compute=self._phase.compute,
            burstable=not self._phase.compute.spot,
            subnet_ids=self.network.private_subnet_ids,
            key_arn=self.keys.operations_arn,
            operator_role_arns=self._settings.operator_role_arns,
            caller_arn=self._args.caller_arn,
            access_cidrs=self._settings.cluster_access_cidrs,
        )
        return Cluster(self._named("cluster"), self.site, args, self._here)

    def _create_database(self) -> Database:
        args = DatabaseArgs(
            size=self._phase.database,
            availability_zones=self._settings.zones(self.site.region),
            vpc_id=self.network.vpc_id,
            subnet_ids=self.network.data_subnet_ids,
            client_security_group_ids={"pods": self.cluster.security_group_id},
            key_arn=self.keys.data_arn,
            password=self.secrets.database_password,
            topics=self.topics,
        )
        return Database(self._named("db-0"), self.site, args, self._here)

    def _create_cache(self) -> Cache:
        args = CacheArgs(
            cache=self._phase.cache,
            state=self._phase.state,
            vpc_id=self.network.vpc_id,
            subnet_ids=self.network.data_subnet_ids,
            client_security_group_ids={"pods": self.cluster.security_group_id},
            key_arn=self.keys.data_arn,
            log_key_arn=self.keys.operations_arn,
            password=self.secrets.cache_password,
            topics=self.topics,
        )
        return Cache(self._named("valkey"), self.site, args, self._here)

    def _create_load_balancer(self) -> LoadBalancer:
        args = LoadBalancerArgs(
            vpc_id=self.network.vpc_id,
            subnet_ids=self.network.public_subnet_ids,
            pod_security_group_id=self.cluster.security_group_id,
            cluster_name=self.cluster.name,
            certificate_arn=self._args.certificate_arn,
            origin_token=self.secrets.origin_token,
            logs_bucket=self.logs_bucket.bucket_name,
            weights={"blue": 100},
            p95_ms=self._phase.targets.p95_ms,
            topics=self.topics,
        )
        return LoadBalancer(self._named("lb"), self.site, args, self._here)

    def _create_backup(self) -> Backup:
        args = BackupArgs(
            resource_arns=[self.database.arn, self.uploads.arn],
            database_identifier=self.site.names.of("database", self._named("db-0")),
            export_bucket=self.exports.bucket_name,
            export_bucket_arn=self.exports.arn,
            key_arn=self.keys.data_arn,
            operations_key_arn=self.keys.operations_arn,
            account_id=self._args.account_id,
            topics=self.topics,
        )
        return Backup(self._named("backup"), self.site, args, self._here)

    def _create_workloads(self) -> None:
        """The pods: a namespace for the application and its poolers, one for what must read the nodes' logs."""
        provider, account_id, phase = self.cluster.provider, self._args.account_id, self._phase
        application = Namespace(
            self._named("app-namespace"),
            self.site,
            NamespaceArgs(
                provider=provider, namespace="headroom", pod_security="restricted", after=self.cluster.node_pools
            ),
            self._here,
        )
        system = Namespace(
            self._named("system-namespace"),
            self.site,
            NamespaceArgs(
                provider=provider, namespace="headroom-system", pod_security="privileged", after=self.cluster.node_pools
            ),
            self._here,
        )
        LogRouter(
            self._named("log-router"),
            self.site,
            LogRouterArgs(
                provider=provider,
                cluster_name=self.cluster.name,
                account_id=account_id,
                namespace=system.name,
                group_names=self.logs.group_names,
                group_arns=self.logs.group_arns,
            ),
            self._here,
        )
        poolers = pooler.Pooler(
            self._named("pooler"),
            self.site,
            pooler.PoolerArgs(
                provider=provider,
                namespace=application.name,
                size=phase.pooler,
                databases=[DATABASE_NAME],
                writer_address=self.database.writer_address,
                reader_addresses=self.database.reader_addresses,
                writer_server_connections=phase.database.server_connections,
                reader_server_connections=phase.database.server_connections,
                data_cidrs=self._plan.data,
                client=CLIENT,
                user=APPLICATION_USER,
                password=self.secrets.application_password,
                secret_version=self.secrets.versions["application"],
            ),
            self._here,
        )
        Workloads(
            self._named("app"),
            self.site,
            WorkloadsArgs(
                provider=provider,
                cluster_name=self.cluster.name,
                account_id=account_id,
                namespace=application.name,
                image=self._settings.image or PLACEHOLDER_IMAGE,
                api_images={"blue": self._settings.image or PLACEHOLDER_IMAGE},
                compute=phase.compute,
                connections=phase.pooler,
                database=DatabaseAccess(
                    hosts=poolers.hosts,
                    direct_host=self.database.writer_address,
                    name=DATABASE_NAME,
                    user=APPLICATION_USER,
                    password=self.secrets.application_password,
                    owner=OWNER,
                    owner_password=self.secrets.database_password,
                ),
                cache=CacheAccess(
                    cache_host=self.cache.cache_address,
                    state_host=self.cache.state_address,
                    password=self.secrets.cache_password,
                ),
                aws=AwsAccess(
                    queue_urls=self.messaging.queue_urls,
                    queue_arns=self.messaging.queue_arns,
                    uploads_bucket=self.uploads.bucket_name,
                    uploads_bucket_arn=self.uploads.arn,
                    signing_keys_arn=self.secrets.signing_keys_arn,
                    data_key_arn=self.keys.data_arn,
                    operations_key_arn=self.keys.operations_arn,
                ),
                api_target_group_arns=self.load_balancer.api_target_group_arns,
                realtime_target_group_arn=self.load_balancer.realtime_target_group_arn,
                public_cidrs=self._plan.public,
                data_cidrs=self._plan.data,
                settings={
                    "ENVIRONMENT": self._settings.environment.value,
                    "DOMAIN": self._settings.domain,
                    "ALLOWED_ORIGINS": ",".join(self._settings.allowed_origins),
                    "TRACE_SAMPLE_RATIO": str(phase.telemetry.trace_sample_percent / 100),
                },
                secrets=self._args.application_secrets,
                secret_versions=list(self.secrets.versions.values()),
            ),
            self._here,
        )

    def _named(self, suffix: str) -> str:
        """Logical names carry the region from the first phase, because the last one has three."""
        return f"{self.site.region}-{suffix}"
