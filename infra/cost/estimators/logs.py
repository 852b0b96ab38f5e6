"""Logs: what arrives in each group, what is kept, and the metrics that are made of the lines."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Final, NamedTuple

from infra.cost.estimators.fleet import UNKNOWN_NODES, fleet
from infra.cost.model import Charge, Estimator, Free, Item, NeedsUsage, Scene, Unpriced
from infra.cost.usage import DAYS, KIB_PER_GIB, SECONDS
from infra.plan import PlannedResource

LOG_GROUP: Final = "aws:cloudwatch/logGroup:LogGroup"
METRIC_FILTER: Final = "aws:cloudwatch/logMetricFilter:LogMetricFilter"

CUSTOM: Final = "cloudwatch/metrics/custom"

COMPRESSION: Final = Decimal("0.15")
"""Size of a log as CloudWatch keeps it, as AWS's own calculator assumes (recalled)."""
ERROR_SHARE: Final = Decimal("0.01")
"""Of the application's lines, how many are errors; assumed: the promise is one failure in a thousand requests."""
QUIET_GIB: Final = Decimal("0.1")
"""A month's lines of what only writes when something is slow, fails or is deployed; assumed."""
REJECTED_SHARE: Final = Decimal("0.05")
"""Of the flows in a VPC, how many are refused: mostly scans of public addresses; assumed."""
FREE_FIREWALL_KIB: Final = Decimal(500) * 1_024 / 1_000_000
"""Log of each request that comes with it: 500 MB a million. Source: https://aws.amazon.com/waf/pricing/, 2026-08-19."""
PARTNER_LOG_KIB: Final = Decimal("0.4")
"""Access log of one request through the API gateway: some ten short fields."""

CLUSTER_OBSERVATIONS: Final = Decimal(6_000)
POD_OBSERVATIONS: Final = Decimal(60)
NODE_OBSERVATIONS: Final = Decimal(60)
"""Metrics a minute that Container Insights counts of a control plane, of a pod and of a node. Unverified.

A small cluster was billed 3.00 USD a day, 9,900 observations a minute, and 61 % of its records were about the control
plane (measured by a public Terraform project, 2026-08). A pod with one container, and a node, have about so many in
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Container-Insights-metrics-enhanced-EKS.html.
"""
MINUTES: Final = SECONDS / 60


class Volume(NamedTuple):
    """A month's log: `charged_gib` are paid for when they arrive, `kept_gib` are stored."""

    charged_gib: Decimal
    kept_gib: Decimal


def _everything(gib: Decimal) -> Volume:
    return Volume(gib, gib)


def _application(share: Decimal) -> Callable[[PlannedResource, Scene], Volume | None]:
    def volume(resource: PlannedResource, scene: Scene) -> Volume:
        usage = scene.usage
        lines = usage.per_request_gib(usage.profile.log_kib_per_request) * usage.share(scene.region(resource))
        return _everything(lines * share)

    return volume


def _quiet(resource: PlannedResource, scene: Scene) -> Volume:
    del resource, scene
    return _everything(QUIET_GIB)


def _by_node(gib: Callable[[Scene], Decimal]) -> Callable[[PlannedResource, Scene], Volume | None]:
    def volume(resource: PlannedResource, scene: Scene) -> Volume | None:
        found = fleet(scene, scene.region(resource))
        return None if found is None else _everything(found.nodes * gib(scene))

    return volume


def _firewall(resource: PlannedResource, scene: Scene) -> Volume:
    profile = scene.usage.profile
    requests, kib = scene.usage.requests + scene.usage.asset_requests, profile.firewall_log_kib_per_request
    writers = [one for one in scene.all(_FIREWALL_LOGGING) if resource in scene.behind(one, "logDestinationConfigs")]
    if any((one.inputs.get("loggingFilter") or {}).get("defaultBehavior") == "DROP" for one in writers):
        requests *= profile.firewall_hit_share
    charged = requests * max(kib - FREE_FIREWALL_KIB, Decimal(0))
    return Volume(charged / KIB_PER_GIB, requests * kib / KIB_PER_GIB)


def _partners(resource: PlannedResource, scene: Scene) -> Volume:
    del resource
    return _everything(scene.usage.profile.partner_requests * PARTNER_LOG_KIB / KIB_PER_GIB)


class Group(NamedTuple):
    """A kind of log group: `name` finds it, `vended` says that AWS itself writes, which has tiers."""

    name: re.Pattern[str]
    vended: bool
    volume: Callable[[PlannedResource, Scene], Volume | None]


_FIREWALL_LOGGING: Final = "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration"
_ACCESS: Final = re.compile(r"-logs/access$")
GROUPS: Final = (
    Group(_ACCESS, vended=False, volume=_application(1 - ERROR_SHARE)),
    Group(re.compile(r"-logs/error$"), vended=False, volume=_application(ERROR_SHARE)),
    # Nothing writes debug lines at the level of production.
    Group(re.compile(r"-logs/debug$"), vended=False, volume=_application(Decimal(0))),
    Group(
        re.compile(r"^/aws/eks/.*/cluster$"),
        vended=True,
        volume=_by_node(lambda scene: scene.usage.profile.control_plane_log_gib_per_node),
    ),
    Group(
        re.compile(r"-network-flow$"),
        vended=True,
        volume=_by_node(lambda scene: scene.usage.profile.flow_log_gib_per_node * REJECTED_SHARE),
    ),
    Group(re.compile(r"^aws-waf-logs-"), vended=True, volume=_firewall),
    Group(re.compile(r"^/aws/vendedlogs/.*-partners$"), vended=True, volume=_partners),
    Group(re.compile(r"^/aws/vendedlogs/prometheus/"), vended=True, volume=_quiet),
    # RDS and ElastiCache log slow statements only, OpenSearch also who was refused.
    Group(
        re.compile(r"^/aws/(rds|lambda|fis)/|-valkey$|-search/[a-z-]+$|-stream/delivery$"), vended=False, volume=_quiet
    ),
)
"""By names, which AWS prescribes or `components` fixes. The log router ships what containers print."""
_INSIGHTS: Final = re.compile(r"^/aws/containerinsights/.*/performance$")


def log_group(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """What arrives and what is kept; and the metrics that are made of the lines."""
    name = str(resource.inputs.get("name"))
    if _INSIGHTS.search(name):
        yield from _container_insights(resource, scene)
        return
    found = _volume(resource, scene)
    if isinstance(found, NeedsUsage | Unpriced):
        yield found
        return
    key = _ingestion_key(resource)
    total = scene.once(("logs", key, scene.region(resource)), lambda: _total_gib(resource, scene, key))
    yield Charge(component="ingestion", key=key, quantity=found.charged_gib, of=total)
    if days := resource.inputs.get("retentionInDays"):
        kept = found.kept_gib * Decimal(str(days)) / DAYS * COMPRESSION
        yield Charge(component="storage", key="cloudwatch/logs/storage", quantity=kept)
    else:
        yield NeedsUsage(component="storage", what="how old the log is: without retentionInDays it is kept for ever")
    if _ACCESS.search(name):
        # The application's own metrics arrive as log lines: CloudWatch's embedded metric format.
        metrics = scene.usage.profile.custom_metrics * scene.usage.share(scene.region(resource))
        yield Charge(component="custom metrics", key=CUSTOM, quantity=metrics, of=_custom_metrics(scene))


def metric_filter(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """A metric of one's own; ours have no dimensions, each value of which would be another one.

    Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/MonitoringLogData.html
    """
    if (resource.inputs.get("metricTransformation") or {}).get("dimensions"):
        yield NeedsUsage(component="custom metrics", what="how many values its dimensions have")
    else:
        yield Charge(component="custom metrics", key=CUSTOM, quantity=1, of=_custom_metrics(scene))


def _custom_metrics(scene: Scene) -> Decimal:
    """All of the account's: the first ones are free."""
    return scene.usage.profile.custom_metrics + scene.count(METRIC_FILTER)


def _group(resource: PlannedResource) -> Group | None:
    name = str(resource.inputs.get("name"))
    return next((group for group in GROUPS if group.name.search(name)), None)


def _volume(resource: PlannedResource, scene: Scene) -> Volume | NeedsUsage | Unpriced:
    group = _group(resource)
    if group is None:
        return NeedsUsage(component="ingestion", what=f"what is written to {resource.inputs.get('name')}")
    return group.volume(resource, scene) or Unpriced(component="ingestion", why=UNKNOWN_NODES)


def _ingestion_key(resource: PlannedResource) -> str:
    group, kind = _group(resource), str(resource.inputs.get("logGroupClass", "STANDARD"))
    if kind == "STANDARD":
        kind = "VENDED" if group and group.vended else kind
    return f"cloudwatch/logs/ingestion/{kind.lower().replace('_', '-')}"


def _total_gib(resource: PlannedResource, scene: Scene, key: str) -> Decimal:
    """Tiers of what AWS writes are a region's; the free part of what others write is the account's."""
    regional = key.endswith("/vended")
    others = scene.in_region(scene.region(resource), LOG_GROUP) if regional else scene.all(LOG_GROUP)
    volumes = [_volume(one, scene) for one in others if _ingestion_key(one) == key]
    return sum((one.charged_gib for one in volumes if isinstance(one, Volume)), Decimal(0))


def _container_insights(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """By observation, which pays for metrics and log alike.

    Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/ContainerInsights.html
    """
    found = fleet(scene, scene.region(resource))
    if found is None:
        yield Unpriced(component="container insights", why=UNKNOWN_NODES)
        return
    pods = found.pods + found.daemon_pods
    a_minute = CLUSTER_OBSERVATIONS + pods * POD_OBSERVATIONS + found.nodes * NODE_OBSERVATIONS
    yield Charge(
        component="container insights",
        key="cloudwatch/container-insights/observations",
        quantity=a_minute * MINUTES,
        note="how many metrics a cluster has is assumed",
    )


def delivery_destination(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """Where AWS delivers logs to: CloudFront's to S3 cost nothing but the space, unless they are made columns.

    Source: https://aws.amazon.com/cloudwatch/pricing/, vended logs (recalled).
    """
    targets = scene.behind(resource, "deliveryDestinationConfiguration")
    if resource.inputs.get("outputFormat") == "parquet" or not any(one.type.startswith("aws:s3/") for one in targets):
        yield Unpriced(component="delivery", why="only plain deliveries to S3 are known to be free")
    else:
        yield Free(why="CloudFront's logs are delivered to S3 for nothing; the bucket's space is on the bucket")


ESTIMATORS: Final[Mapping[str, Estimator]] = {
    LOG_GROUP: log_group,
    METRIC_FILTER: metric_filter,
    "aws:cloudwatch/logDeliveryDestination:LogDeliveryDestination": delivery_destination,
}
FREE: Final[Mapping[str, str]] = {
    "aws:cloudwatch/logDelivery:LogDelivery": "charged where the log goes to",
    "aws:cloudwatch/logDeliverySource:LogDeliverySource": "charged where the log goes to",
    "aws:cloudwatch/logResourcePolicy:LogResourcePolicy": "a policy costs nothing",
    "aws:cloudwatch/logStream:LogStream": "charged on its log group",
}
