"""What runs on a full region's cluster: the application, its poolers, and what looks after the nodes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import pulumi

from components import cache, pooler
from components.cdn import IMAGES_PATH
from components.database import OWNER
from components.edge import Hosts
from components.load_balancer import Colour
from components.log_router import LogRouter, LogRouterArgs
from components.mesh import AMBIENT_LABEL, Mesh, MeshArgs
from components.namespace import Namespace, NamespaceArgs, PodSecurity
from components.upkeep_watch import UpkeepWatch
from components.workload_access import CLIENT, AwsAccess
from components.workload_manifests import PLACEHOLDER_IMAGE
from components.workloads import CacheAccess, DatabaseAccess, OwnPrimary, Workloads, WorkloadsArgs
from infra.cidr import region_plan
from stacks.parts import APP_NAMESPACE, Parts, add_experiments
from stacks.region import Region
from stacks.shards import FIRST_DATABASE, Primary, primaries, shard_map

APPLICATION_USER = "headroom_app"
"""Database role of the pods, made by the migration: no owner of tables, so row-level security holds."""


class Inside(NamedTuple):
    """What the application stands on inside the cluster."""

    namespace: Namespace
    poolers: pooler.Pooler


def run_pods(
    region: Region,
    regions: Mapping[str, Region],
    parts: Parts,
    secrets: Mapping[str, pulumi.Input[str]],
) -> None:
    """Start the pods of `region`.

    Args:
        region: a full one, which has everything but pods.
        regions: all of the stack, whose primaries the pods reach.
        parts: what the pods have to know of the region's further parts.
        secrets: further secret files, such as `sentry_dsn` (secret).
    """
    mesh = region.phase.compute.mesh
    application = _namespace(region, "app-namespace", APP_NAMESPACE, "restricted", labels=AMBIENT_LABEL if mesh else {})
    system = _namespace(region, "system-namespace", "headroom-system", "privileged")
    _route_logs(region, system)
    if mesh:
        args = MeshArgs(provider=region.cluster.provider, namespace=application.name, after=region.cluster.node_pools)
        Mesh(region.named("mesh"), region.site, args, region.here)
    poolers = _create_poolers(region, regions, application)
    _create_workloads(region, regions, Inside(application, poolers), parts, secrets)
    if region.phase.telemetry.experiments:
        add_experiments(region, application.name)


def data_cidrs(region: Region) -> list[str]:
    """Subnets of every database and cache that the pods of `region` talk to, their own region's first."""
    others = [name for name in region.phase.regions if name != region.site.region]
    network = region.settings.network_cidr
    return [*region.plan.data, *(cidr for name in others for cidr in region_plan(network, name).data)]


def _namespace(
    region: Region, suffix: str, namespace: str, level: PodSecurity, labels: Mapping[str, str] | None = None
) -> Namespace:
    args = NamespaceArgs(
        provider=region.cluster.provider,
        namespace=namespace,
        pod_security=level,
        labels=labels or {},
        after=region.cluster.node_pools,
    )
    return Namespace(region.named(suffix), region.site, args, region.here)


def _route_logs(region: Region, system: Namespace) -> None:
    args = LogRouterArgs(
        provider=region.cluster.provider,
        cluster_name=region.cluster.name,
        account_id=region.account_id,
        namespace=system.name,
        group_names=region.logs.group_names,
        group_arns=region.logs.group_arns,
    )
    LogRouter(region.named("log-router"), region.site, args, region.here)


def _readers(region: Region, primary: Primary, regions: Mapping[str, Region]) -> Sequence[pulumi.Input[str]]:
    """Where this region reads a primary's databases: the nearest replicas."""
    if primary.region != region.site.region and primary.name in region.replicas:
        return [region.replicas[primary.name].address]
    return regions[primary.region].databases[primary.name].reader_addresses


def _backends(region: Region, regions: Mapping[str, Region]) -> Iterator[pooler.Primary]:
    for primary in primaries(region.phase):
        yield pooler.Primary(
            databases=primary.databases,
            writer_address=regions[primary.region].databases[primary.name].writer_address,
            reader_addresses=_readers(region, primary, regions),
            local=primary.region == region.site.region,
        )


def _create_poolers(region: Region, regions: Mapping[str, Region], application: Namespace) -> pooler.Pooler:
    phase = region.phase
    # Every full region's poolers open connections to every primary, so that none may take more than its share.
    share = phase.database.server_connections // len(phase.regions)
    args = pooler.PoolerArgs(
        provider=region.cluster.provider,
        namespace=application.name,
        size=phase.pooler,
        primaries=list(_backends(region, regions)),
        writer_server_connections=share,
        reader_server_connections=share,
        data_cidrs=data_cidrs(region),
        client=CLIENT,
        user=APPLICATION_USER,
        password=region.secrets.application_password,
        secret_version=region.secrets.versions["application"],
    )
    return pooler.Pooler(region.named("pooler"), region.site, args, region.here)


def _images_url(domain: str) -> str:
    """Where the CDN sends what it asks the resizer for, on the host of public files."""
    return f"https://{Hosts(domain).cdn}{IMAGES_PATH.removesuffix('/*')}"


def _create_workloads(
    region: Region,
    regions: Mapping[str, Region],
    inside: Inside,
    parts: Parts,
    secrets: Mapping[str, pulumi.Input[str]],
) -> None:
    phase, stack, home = region.phase, region.settings, regions[region.phase.home_region]
    image = stack.image or PLACEHOLDER_IMAGE
    green: dict[Colour, str] = {"green": stack.green_image or image} if phase.compute.blue_green else {}
    own = primaries(phase, region.site.region)
    args = WorkloadsArgs(
        provider=region.cluster.provider,
        cluster_name=region.cluster.name,
        account_id=region.account_id,
        namespace=inside.namespace.name,
        image=image,
        api_images={"blue": image, **green},
        compute=phase.compute,
        connections=phase.pooler,
        database=DatabaseAccess(
            hosts=inside.poolers.hosts,
            primaries=[
                OwnPrimary(host=region.databases[one.name].writer_address, databases=one.databases) for one in own
            ],
            name=FIRST_DATABASE,
            user=APPLICATION_USER,
            password=region.secrets.application_password,
            owner=OWNER,
            owner_password=region.secrets.database_password,
        ),
        cache=CacheAccess(
            cache_host=region.cache.cache_address,
            state_host=region.cache.state_address,
            password=region.secrets.cache_password,
        ),
        second_factor_key=region.secrets.second_factor_key,
        aws=AwsAccess(
            queue_urls={**region.messaging.queue_urls, **parts.queue_urls},
            queue_arns={**region.messaging.queue_arns, **parts.queue_arns},
            uploads_bucket=region.uploads.bucket_name,
            uploads_bucket_arn=region.uploads.arn,
            signing_keys_arn=region.secrets.signing_keys_arn,
            data_key_arn=region.keys.data_arn,
            operations_key_arn=region.keys.operations_arn,
            **parts.access,
        ),
        api_weights=region.load_balancer.weights,
        api_target_group_arns=region.load_balancer.api_target_group_arns,
        realtime_target_group_arn=region.load_balancer.realtime_target_group_arn,
        images_target_group_arn=region.load_balancer.images_target_group_arn,
        public_cidrs=region.plan.public,
        collector_cidrs=region.plan.private if phase.telemetry.tracing else (),
        data_cidrs=data_cidrs(region),
        settings={
            "ENVIRONMENT": stack.environment.value,
            "DOMAIN": stack.domain,
            "ALLOWED_ORIGINS": ",".join(stack.allowed_origins),
            "TRACE_SAMPLE_RATIO": str(phase.telemetry.trace_sample_percent / 100),
            "HOME_REGION": phase.home_region,
            "SHARD_MAP": json.dumps(shard_map(phase, stack.slots), separators=(",", ":")),
            # A Global Datastore has one writer: the other regions' caches are copies of home's.
            "CACHE_WRITER_URL": pulumi.Output.concat("rediss://", home.cache.cache_address, f":{cache.PORT}"),
            **({"IMAGES_URL": _images_url(stack.domain)} if phase.edge.image_resizing else {}),
            **parts.settings,
        },
        secrets=secrets,
        secret_versions=list(region.secrets.versions.values()),
        upkeep_watch=UpkeepWatch(log_group=region.logs.group_names["access"], topics=region.topics),
    )
    Workloads(region.named("app"), region.site, args, region.here)
