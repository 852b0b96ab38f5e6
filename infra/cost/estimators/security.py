"""Keys, secrets, the audit trail and threat detection."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Final

from infra.cost.estimators.fleet import UNKNOWN_NODES, Fleet, fleet
from infra.cost.estimators.queues import QUEUE, STREAM
from infra.cost.model import Charge, Estimator, Free, Item, NeedsUsage, Scene, Unpriced
from infra.cost.usage import SECONDS
from infra.plan import PlannedResource

KEY: Final = "aws:kms/key:Key"
TRAIL: Final = "aws:cloudtrail/trail:Trail"
FEATURE: Final = "aws:guardduty/detectorFeature:DetectorFeature"
INSTANCE: Final = "aws:rds/instance:Instance"

CALLS_PER_DATA_KEY: Final = 3
"""SQS asks KMS twice for each sender and once for each receiver, once in each period that a data key is used again.

Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html
"""
DATA_KEY_SECONDS: Final = 300
"""That period, unless the queue says otherwise; streams have the same."""

MANAGEMENT_EVENTS: Final = Decimal(500_000)
"""Calls to AWS's APIs in a region and month; assumed. A small account without a cluster was seen at 260,000."""
AUDIT_EVENTS_PER_NODE: Final = Decimal(1_000_000)
"""Lines of the cluster's audit that GuardDuty reads, it leaves out many; assumed. A bill showed 320,000 a vCPU."""
TOUCHES_PER_UPLOAD: Final = 3
"""Calls to S3 about an uploaded file in its first month: written, read by a job, read by a user."""

_MULTIPLE: Final = re.compile(r"(\d*)xlarge")


def key(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """A key, and what queues and streams ask of it; buckets have keys of their own, and the others ask seldom."""
    note = "each of the first two yearly rotations adds as much" if resource.inputs.get("enableKeyRotation") else ""
    yield Charge(component="key", key="kms/key", quantity=1, note=note)
    calls = _calls(scene)
    if resource.urn in calls:
        total = sum(calls.values(), Decimal(0))
        yield Charge(component="requests", key="kms/requests", quantity=calls[resource.urn], of=total)


def replica_key(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """A multi-Region key's copy costs as much as the key."""
    del resource, scene
    yield Charge(component="key", key="kms/key", quantity=1)


def _calls(scene: Scene) -> Mapping[str, Decimal]:
    """Requests in a month by the URN of the key; dead-letter queues hardly ever have any."""

    def found() -> Mapping[str, Decimal]:
        calls: dict[str, Decimal] = {}
        for one in scene.all(QUEUE, STREAM):
            if one.type == QUEUE and not scene.behind(one, "redrivePolicy"):
                continue
            again = Decimal(str(one.inputs.get("kmsDataKeyReusePeriodSeconds", DATA_KEY_SECONDS)))
            for source in (*scene.behind(one, "kmsMasterKeyId"), *scene.behind(one, "kmsKeyId")):
                calls[source.urn] = calls.get(source.urn, Decimal(0)) + CALLS_PER_DATA_KEY * SECONDS / again
        return calls

    return scene.once("kms", found)


def secret(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """A secret, and each copy in another region. Reading costs 0.05 USD for 10,000 times: pods read when they start."""
    del scene
    yield Charge(component="secret", key="secretsmanager/secret", quantity=1)
    for replica in resource.inputs.get("replicas") or ():
        region = str(replica["region"])
        yield Charge(component=f"copy in {region}", key="secretsmanager/secret", quantity=1, region=region)


def trail(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """The first copy of management events is free; further trails, data events and insights are not."""
    first = scene.all(TRAIL)[0] == resource
    if first:
        yield Free(why="the first copy of management events is free; the bucket's space is on the bucket")
    else:
        # As if it were of all regions; one of a single region writes less.
        events = MANAGEMENT_EVENTS * len(scene.usage.phase.regions)
        yield Charge(component="events", key="cloudtrail/management-events/further-copy", quantity=events)
    if resource.inputs.get("eventSelectors") or resource.inputs.get("advancedEventSelectors"):
        yield NeedsUsage(component="data events", what="how many data events the trail's selectors take")
    if resource.inputs.get("insightSelectors"):
        yield NeedsUsage(component="insights", what="how many events CloudTrail Insights reads")


def detector(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """What GuardDuty reads in its region.

    All but runtime monitoring is on unless it is turned off, the reading of databases' log-ins included:
    https://docs.aws.amazon.com/guardduty/latest/APIReference/API_CreateDetector.html
    It reads Lambda's network only for functions inside the VPC, and disks only after a finding.
    """
    if resource.inputs.get("enable") is False:
        yield Free(why="turned off")
        return
    region = scene.region(resource)
    yield Charge(component="management events", key="guardduty/cloudtrail-events", quantity=MANAGEMENT_EVENTS)
    flow_gib = scene.usage.profile.flow_log_gib_per_node
    yield from _by_fleet(
        "flow and DNS logs", "guardduty/flow-dns-logs", region, scene, lambda found: found.nodes * flow_gib
    )
    sources = resource.inputs.get("datasources") or {}
    off = _features(scene, region, "DISABLED") | {name for name, path in _SOURCES.items() if _is_off(sources, path)}
    if "S3_DATA_EVENTS" not in off:
        yield Charge(component="S3 events", key="guardduty/s3-events", quantity=_s3_events(scene, region))
    if "EKS_AUDIT_LOGS" not in off:
        yield from _by_fleet(
            "EKS audit",
            "guardduty/eks-audit-events",
            region,
            scene,
            lambda found: found.nodes * AUDIT_EVENTS_PER_NODE,
        )
    if "RDS_LOGIN_EVENTS" not in off:
        yield from _log_ins(scene, region)


_SOURCES: Final[Mapping[str, tuple[str, ...]]] = {
    "S3_DATA_EVENTS": ("s3Logs",),
    "EKS_AUDIT_LOGS": ("kubernetes", "auditLogs"),
}
"""The detector's older inputs for the same."""
_RUNTIME: Final = frozenset({"RUNTIME_MONITORING", "EKS_RUNTIME_MONITORING"})


def feature(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """Runtime monitoring, by the cores of the nodes; the other features are counted on the detector."""
    if resource.inputs.get("name") in _RUNTIME and resource.inputs.get("status") == "ENABLED":
        region = scene.region(resource)
        yield from _by_fleet("runtime monitoring", "guardduty/runtime-vcpu", region, scene, lambda found: found.vcpus)
    else:
        yield Free(why="counted on the detector")


def _features(scene: Scene, region: str, status: str) -> set[str]:
    return {str(one.inputs["name"]) for one in scene.in_region(region, FEATURE) if one.inputs.get("status") == status}


def _is_off(sources: Mapping[str, object], path: tuple[str, ...]) -> bool:
    inner: object = sources
    for name in path:
        inner = inner.get(name) if isinstance(inner, Mapping) else None
    return isinstance(inner, Mapping) and inner.get("enable") is False


def _by_fleet(
    component: str, price: str, region: str, scene: Scene, quantity: Callable[[Fleet], Decimal | int]
) -> Iterator[Item]:
    found = fleet(scene, region)
    if found is None:
        yield Unpriced(component=component, why=UNKNOWN_NODES)
    else:
        yield Charge(component=component, key=price, quantity=quantity(found))


def _s3_events(scene: Scene, region: str) -> Decimal:
    usage = scene.usage
    missed = usage.asset_requests * (1 - usage.profile.asset_cache_hit_share)
    return (missed + usage.users * usage.profile.uploads_per_user * TOUCHES_PER_UPLOAD) * usage.share(region)


def _log_ins(scene: Scene, region: str) -> Iterator[Item]:
    """By the cores of RDS for PostgreSQL's instances, replicas too; a standby takes no log-ins and is not counted.

    Source: https://docs.aws.amazon.com/guardduty/latest/ug/rds-protection.html; that a standby is not is unverified.
    """
    cores = 0
    for one in scene.in_region(region, INSTANCE):
        found = _vcpus(str(one.inputs.get("instanceClass")))
        if found is None:
            yield Unpriced(component="database log-ins", why=f"how many vCPUs has {one.inputs.get('instanceClass')}?")
            return
        cores += found
    if cores:
        yield Charge(component="database log-ins", key="guardduty/rds-vcpu", quantity=cores)


def _vcpus(instance_class: str) -> int | None:
    """Of all families that `stacks.hardware` knows."""
    size = instance_class.rpartition(".")[2]
    if size in ("micro", "small", "medium", "large"):
        return 2
    found = _MULTIPLE.fullmatch(size)
    return 4 * int(found[1] or 1) if found else None


ESTIMATORS: Final[Mapping[str, Estimator]] = {
    KEY: key,
    "aws:kms/replicaKey:ReplicaKey": replica_key,
    "aws:secretsmanager/secret:Secret": secret,
    TRAIL: trail,
    "aws:guardduty/detector:Detector": detector,
    FEATURE: feature,
}
FREE: Final[Mapping[str, str]] = {
    "aws:kms/alias:Alias": "a name of its key",
    "aws:secretsmanager/secretVersion:SecretVersion": "part of its secret",
    "aws:secretsmanager/secretRotation:SecretRotation": "part of its secret; the function is charged by itself",
}
