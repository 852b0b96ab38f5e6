"""Search: OpenSearch domains."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from infra.cost.model import HOURS, Charge, Estimator, Item, Scene
from infra.plan import PlannedResource

_BASELINE_IOPS: Final = 3_000
_BASELINE_MIBPS: Final = 125
"""Of the smallest gp3 volumes. Larger ones are said to include more, which no page that was read states in full:
what is provisioned beyond these figures is rather charged too high than too low.

Source: https://aws.amazon.com/blogs/big-data/lower-your-amazon-opensearch-service-storage-cost-with-gp3-amazon-ebs-volumes
"""


def domain(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """Data nodes, dedicated masters and UltraWarm nodes by the hour, and a volume for each data node.

    What the nodes send each other over zones is free, and so are the hourly snapshots.
    Source: https://aws.amazon.com/opensearch-service/pricing/
    """
    del scene
    cluster: Mapping[str, Any] = resource.inputs.get("clusterConfig") or {}
    nodes = Decimal(cluster.get("instanceCount", 1))
    groups = {"nodes": (cluster.get("instanceType", "m4.large.search"), nodes)}
    if cluster.get("dedicatedMasterEnabled"):
        groups["masters"] = (cluster.get("dedicatedMasterType"), Decimal(cluster.get("dedicatedMasterCount", 3)))
    if cluster.get("warmEnabled"):
        groups["warm nodes"] = (cluster.get("warmType"), Decimal(cluster.get("warmCount", 2)))
    for component, (kind, count) in groups.items():
        yield Charge(component=component, key=f"opensearch/instance/{kind}", quantity=count * HOURS)
    disk: Mapping[str, Any] = resource.inputs.get("ebsOptions") or {}
    if disk.get("ebsEnabled"):
        yield from _volumes(disk, nodes)


def _volumes(disk: Mapping[str, Any], nodes: Decimal) -> Iterator[Item]:
    kind = disk.get("volumeType", "gp2")
    yield Charge(component="storage", key=f"opensearch/storage/{kind}", quantity=nodes * Decimal(disk["volumeSize"]))
    if kind != "gp3":
        return
    for component, name, included in (
        ("iops", "iops", _BASELINE_IOPS),
        ("throughput", "throughput", _BASELINE_MIBPS),
    ):
        beyond = Decimal(disk.get(name) or 0) - included
        if beyond > 0:
            yield Charge(component=component, key=f"opensearch/{component}/gp3", quantity=nodes * beyond)


ESTIMATORS: Final[Mapping[str, Estimator]] = {"aws:opensearch/domain:Domain": domain}
FREE: Final[Mapping[str, str]] = {}
