"""The application in one region: api, realtime, worker and the phase's services, after their migration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import pulumi

from components import cache, pooler
from components.api_gateway import VIEWER_HEADER
from components.component import Component, DataClass, Site
from components.load_balancer import IDLE_TIMEOUT_SECONDS, Colour
from components.pod_identity import pod_identity
from components.pods import (
    APP_PORT,
    GRPC_PORT,
    Manifest,
    disruption_budget,
    fingerprint,
    labels,
    metadata,
    scraped,
    selector,
    service,
)
from components.raw import KubernetesObject, kubernetes_object
from components.upkeep_watch import UpkeepWatch, watch_upkeep
from components.workload_access import APP, IMAGES, MIGRATION, UPKEEP, AwsAccess, app_policies, jobs, statements
from components.workload_manifests import (
    SECRETS_PATH,
    WEB_CONCURRENCY,
    Deployed,
    autoscaler,
    deployment,
    digest,
    migration,
    owner_environment,
    target_group_binding,
    upkeep,
)
from stacks.phase import SERVICES, Compute, Pods
from stacks.phase import Pooler as PoolerSize

UNINTERRUPTED_ROLES = ("realtime",)
"""Never on spot nodes: a lost node costs each of its sockets a reconnect."""
UNREACHABLE_ROLES = ("worker",)
"""Nobody connects to them, so they have no Service."""
GRPC_CONNECTION_AGE_SECONDS = 60
"""A service closes connections of this age: one lives on a single pod, and a new pod would get no calls."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnPrimary:
    """A primary of this region, which this region migrates: its address, and its databases, one a logical shard."""

    host: pulumi.Input[str]
    databases: Sequence[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabaseAccess:
    """How the application and its migration reach PostgreSQL.

    Attributes:
        hosts: the poolers, by `writer` and `reader`.
        primaries: those of this region themselves, for the migration: other regions migrate their own.
        name: of the first logical shard's database.
        user: role of the pods.
        password: its password (secret).
        owner: role of the migration.
        owner_password: its password (secret).
    """

    hosts: Mapping[pooler.Role, pulumi.Input[str]]
    primaries: Sequence[OwnPrimary]
    name: str
    user: str
    password: pulumi.Input[str]
    owner: str
    owner_password: pulumi.Input[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class CacheAccess:
    """How the application reaches Valkey: two groups in cluster mode, one user (`password` is secret)."""

    cache_host: pulumi.Input[str]
    state_host: pulumi.Input[str]
    password: pulumi.Input[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkloadsArgs:
    """What the application runs on.

    Attributes:
        provider: the cluster's.
        cluster_name: EKS cluster.
        account_id: of this stack.
        namespace: where everything runs, `restricted`.
        image: with digest; all roles and the migration.
        api_images: image of the API by colour; `blue` alone without blue/green.
        api_weights: share of the API's requests by the same colours; 0 is idle.
        compute: the phase's pods.
        connections: the phase's pooler, for what each process may hold.
        database: PostgreSQL.
        cache: Valkey.
        second_factor_key: second factors are kept under it (secret); never another one.
        aws: queues, uploads and keys.
        api_target_group_arns: the load balancer's groups, by colour.
        realtime_target_group_arn: its group for sockets.
        public_cidrs: the load balancer's subnets.
        images_target_group_arn: its group for images, where there are pods for them.
        data_cidrs: the subnets of databases and caches, of every region that the pods use.
        collector_cidrs: the nodes' subnets, where the collectors of traces and metrics are; none without them.
        settings: further environment variables, not secret.
        secrets: further secret files by name, such as `sentry_dsn` (secret).
        secret_versions: change when a secret does, so that the pods restart.
        upkeep_watch: who hears when a night passes without the upkeep.
    """

    provider: pulumi.ProviderResource
    cluster_name: pulumi.Input[str]
    account_id: str
    namespace: pulumi.Input[str]
    image: str
    api_images: Mapping[Colour, str]
    api_weights: Mapping[Colour, int]
    compute: Compute
    connections: PoolerSize
    database: DatabaseAccess
    cache: CacheAccess
    second_factor_key: pulumi.Input[str]
    aws: AwsAccess
    api_target_group_arns: Mapping[Colour, pulumi.Input[str]]
    realtime_target_group_arn: pulumi.Input[str]
    images_target_group_arn: pulumi.Input[str] | None
    public_cidrs: Sequence[str]
    data_cidrs: Sequence[str]
    collector_cidrs: Sequence[str]
    settings: Mapping[str, pulumi.Input[str]]
    secrets: Mapping[str, pulumi.Input[str]]
    secret_versions: Sequence[pulumi.Input[str]]
    upkeep_watch: UpkeepWatch


class Workloads(Component):
    """For each role: service account with its AWS access, Deployment, autoscaler, disruption budget, Service.

    Shared by all: configuration, secrets, network policies, and the migration that every Deployment waits
    for. `api`, `realtime` and `images` join the load balancer by target group bindings, which stand before the
    pods: only then EKS holds each pod unready until its target is healthy.

    Blue and green: a colour with any share of the requests has the phase's full minimum of pods, an idle one has a
    single pod, which proves that the image starts. So a share goes from 0 to a tenth first, and the colour that is
    left keeps 1 % until nobody wants to go back to it.
    """

    KIND: ClassVar[str] = "compute:Workloads"
    DATA_CLASS: ClassVar[DataClass] = "confidential"

    def __init__(self, name: str, site: Site, args: WorkloadsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create the workloads."""
        super().__init__(name, site, opts)
        self._name, self._args = name, args
        policies = self._create_policies()
        configuration = self._configuration()
        shared = [*policies, self._create_config_map(configuration), self._create_secret(APP, self._secrets())]
        fence = [*policies, self._create_secret(MIGRATION, self._owner_secrets())]
        migrations = self._create_migrations(fence)
        self._create_upkeep(fence)
        annotations: dict[str, pulumi.Input[str]] = {
            "headroom/config": fingerprint(configuration),
            "headroom/secrets": self._secret_fingerprint(),
            **(scraped(APP_PORT) if args.collector_cidrs else {}),
        }
        for role in args.compute.pods:
            identity = self._create_identity(role)
            for variant in self._variants(role):
                app = Deployed(
                    name=variant.name,
                    role=role,
                    image=variant.image,
                    pods=variant.pods,
                    jobs=jobs(role, args.compute.pods, args.aws.queue_urls),
                    interruptible=args.compute.spot and role not in UNINTERRUPTED_ROLES,
                    namespace=args.namespace,
                    annotations=annotations,
                )
                self._create_role(app, variant.target_group_arn, [*shared, *migrations[app.image], *identity])
        self.register_outputs({})

    def _variants(self, role: str) -> list[_Variant]:
        """Deployments of a role. The API's first is `api-blue` in every phase."""
        args, pods = self._args, self._args.compute.pods[role]
        if role != "api":
            groups = {"realtime": args.realtime_target_group_arn, IMAGES: args.images_target_group_arn}
            return [_Variant(role, args.image, pods, groups.get(role))]
        idle = pods.model_copy(update={"minimum": 1, "maximum": 1})
        return [
            _Variant(
                f"api-{colour}",
                image,
                pods if args.api_weights[colour] else idle,
                args.api_target_group_arns[colour],
            )
            for colour, image in args.api_images.items()
        ]

    def _create_policies(self) -> list[pulumi.Resource]:
        manifests = app_policies(
            self._args.namespace,
            public_cidrs=self._args.public_cidrs,
            data_cidrs=self._args.data_cidrs,
            pooler=selector(pooler.NAME),
            pooler_port=pooler.PORT,
            cache_port=cache.PORT,
            services=self._has_services,
            images=IMAGES in self._args.compute.pods,
            collector_cidrs=self._args.collector_cidrs,
            mesh=self._args.compute.mesh,
        )
        return [self._add(f"policy-{key}", manifest) for key, manifest in manifests.items()]

    @property
    def _has_services(self) -> bool:
        return any(role in SERVICES for role in self._args.compute.pods)

    def _configuration(self) -> dict[str, pulumi.Input[str]]:
        """Environment of all roles: nothing secret, addresses and limits only."""
        args, connections = self._args, self._args.connections
        queues = {f"QUEUE_URL_{key.upper().replace('-', '_')}": url for key, url in args.aws.queue_urls.items()}
        return {
            "AWS_REGION": self.site.region,
            "CLIENT_ADDRESS_HEADER": VIEWER_HEADER,
            "PORT": str(APP_PORT),
            "WEB_CONCURRENCY": str(WEB_CONCURRENCY),
            "WEB_THREADS": str(WEB_CONCURRENCY),
            "KEEP_ALIVE_SECONDS": str(IDLE_TIMEOUT_SECONDS + 15),
            "REQUEST_TIMEOUT_SECONDS": "10",
            "SECRETS_DIR": SECRETS_PATH,
            "DATABASE_WRITER_HOST": args.database.hosts["writer"],
            "DATABASE_READER_HOST": args.database.hosts["reader"],
            "DATABASE_PORT": str(pooler.PORT),
            "DATABASE_NAME": args.database.name,
            "DATABASE_USER": args.database.user,
            "DATABASE_POOL_SIZE": str(connections.app_pool_size),
            "DATABASE_POOL_OVERFLOW": str(connections.app_pool_overflow),
            "DATABASE_POOL_TIMEOUT_SECONDS": "30",
            "DATABASE_POOL_IDLE_SECONDS": "30",
            "DATABASE_POOL_RECYCLE_SECONDS": "300",
            "CACHE_URL": pulumi.Output.concat("rediss://", args.cache.cache_host, f":{cache.PORT}"),
            "STATE_URL": pulumi.Output.concat("rediss://", args.cache.state_host, f":{cache.PORT}"),
            "CACHE_USER": cache.USER_NAME,
            "UPLOADS_BUCKET": args.aws.uploads_bucket,
            "SIGNING_KEYS_ARN": args.aws.signing_keys_arn,
            **queues,
            **(_GRPC if self._has_services else {}),
            **args.settings,
        }

    def _secrets(self) -> dict[str, pulumi.Input[str]]:
        return {
            "database_password": self._args.database.password,
            "cache_password": self._args.cache.password,
            "second_factor_key": self._args.second_factor_key,
            **self._args.secrets,
        }

    def _secret_fingerprint(self) -> pulumi.Output[str]:
        return fingerprint({str(index): version for index, version in enumerate(self._args.secret_versions)})

    def _create_config_map(self, configuration: Mapping[str, pulumi.Input[str]]) -> KubernetesObject:
        manifest = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata(APP, self._args.namespace, labels(APP, "config")),
            "data": dict(configuration),
        }
        return self._add("config", manifest)

    def _create_secret(self, key: str, values: Mapping[str, pulumi.Input[str]]) -> KubernetesObject:
        manifest = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": metadata(key, self._args.namespace, labels(key, "secret")),
            "stringData": {name: pulumi.Output.secret(value) for name, value in values.items()},
        }
        return self._add(f"secret-{key}", manifest)

    def _owner_secrets(self) -> dict[str, pulumi.Input[str]]:
        """In a secret that no other pod mounts; the migration sets the pods' own password."""
        database = self._args.database
        return {"database_password": database.owner_password, "application_password": database.password}

    def _create_migrations(self, fence: list[pulumi.Resource]) -> dict[str, list[pulumi.Resource]]:
        """Jobs by image, one a primary, for the pods of that image to wait for.

        A colour's own image comes after the image of all, as it is the newer one. An image must leave a schema
        alone that is newer than itself, and each may only add to what the one before it still uses.
        """
        args, before = self._args, fence
        done: dict[str, list[pulumi.Resource]] = {}
        for suffix, image in (
            (MIGRATION, args.image),
            *((f"{MIGRATION}-{key}", one) for key, one in args.api_images.items()),
        ):
            if image not in done:
                before = done[image] = [
                    self._create_migration(f"{suffix}-{index}" if index else suffix, image, primary, before)
                    for index, primary in enumerate(args.database.primaries)
                ]
        return done

    def _create_migration(
        self, suffix: str, image: str, primary: OwnPrimary, before: list[pulumi.Resource]
    ) -> KubernetesObject:
        """Creates the databases that are missing, and brings each to the image's schema."""
        database = self._args.database
        environment = owner_environment(primary.host, primary.databases, database.owner)
        environment["APPLICATION_USER"] = database.user
        inputs = fingerprint({**environment, "secrets": self._secret_fingerprint()})
        job_name = pulumi.Output.concat(f"migrate-{digest(image)}-", inputs)
        manifest = migration(job_name, self._args.namespace, image, environment, self.site.region)
        return self._add(suffix, manifest, before, pulumi.CustomTimeouts(create="40m"))

    def _create_upkeep(self, fence: list[pulumi.Resource]) -> None:
        """One CronJob a primary, of the image of all: it fits any schema, and so waits for no migration."""
        for index, primary in enumerate(self._args.database.primaries):
            name = f"{UPKEEP}-{index}" if index else UPKEEP
            environment = owner_environment(primary.host, primary.databases, self._args.database.owner)
            manifest = upkeep(name, self._args.namespace, self._args.image, environment, self.site.region)
            self._add(name, manifest, fence)
            watch_upkeep(self, f"{self._name}-{name}", self._args.upkeep_watch, primary.databases[0])

    def _create_identity(self, role: str) -> list[pulumi.Resource]:
        account = self._add(
            f"{role}-account",
            {
                "apiVersion": "v1",
                "kind": "ServiceAccount",
                "metadata": metadata(role, self._args.namespace, labels(APP, role)),
                "automountServiceAccountToken": False,
            },
        )
        association = pod_identity(
            self,
            f"{self._name}-{role}",
            cluster_name=self._args.cluster_name,
            account_id=self._args.account_id,
            namespace=self._args.namespace,
            service_account=role,
            statements=statements(role, self._args.aws, self.site.region, self._args.compute.pods),
        )
        return [account, association]

    def _create_role(
        self, app: Deployed, target_group_arn: pulumi.Input[str] | None, depends_on: list[pulumi.Resource]
    ) -> None:
        before = list(depends_on)
        if app.role not in UNREACHABLE_ROLES:
            manifest = service(app.name, app.namespace, app.labels, app.match, APP_PORT, grpc=app.is_service)
            before.append(self._add(f"{app.name}-service", manifest))
        if target_group_arn is not None:
            binding = target_group_binding(app, target_group_arn)
            before.append(self._add(f"{app.name}-binding", binding, [before[-1]]))
        pods = self._add(app.name, deployment(app), before, pulumi.CustomTimeouts(create="20m", update="20m"))
        self._add(f"{app.name}-autoscaler", autoscaler(app), [pods])
        self._add(f"{app.name}-budget", disruption_budget(app.name, app.namespace, app.labels, app.match))

    def _add(
        self,
        suffix: str,
        manifest: Manifest,
        depends_on: list[pulumi.Resource] | None = None,
        timeouts: pulumi.CustomTimeouts | None = None,
    ) -> KubernetesObject:
        options = self.child(provider=self._args.provider, depends_on=depends_on, custom_timeouts=timeouts)
        return kubernetes_object(f"{self._name}-{suffix}", manifest, options)


class _Variant(NamedTuple):
    """One Deployment of a role."""

    name: str
    image: str
    pods: Pods
    target_group_arn: pulumi.Input[str] | None


_GRPC: Mapping[str, pulumi.Input[str]] = {
    "GRPC_PORT": str(GRPC_PORT),
    "GRPC_MAX_CONNECTION_AGE_SECONDS": str(GRPC_CONNECTION_AGE_SECONDS),
}
