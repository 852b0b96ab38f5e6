"""Clusters, the nodes that their pods need, functions, model endpoints.

No pod has a price: nodes have. All pods of a cluster are packed onto the cheapest nodes that its NodePools may buy, and
each pool is charged what it holds then. CPU credits of burstable nodes are not charged: in the phases that have such
nodes, the mean load is far below their baseline.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from infra.cost.book import NoPriceError
from infra.cost.model import HOURS, Charge, Estimator, Free, Item, NeedsUsage, Scene, Unpriced
from infra.cost.packing import NODE_TYPES, Limits, Offer, Packing, cheapest
from infra.cost.usage import Level
from infra.cost.workloads import (
    ADD_ON,
    ADD_ONS,
    AUTOSCALER,
    CHARTS,
    DAEMON_SET,
    DEPLOYMENT,
    RELEASE,
    mib,
    millicores,
    running,
)
from infra.plan import PlannedResource

NODE_POOL: Final = "kubernetes:karpenter.sh/v1:NodePool"
NODE_CLASS: Final = "kubernetes:eks.amazonaws.com/v1:NodeClass"
CAPACITY: Final = "karpenter.sh/capacity-type"
ENDPOINT: Final = "aws:sagemaker/endpoint:Endpoint"
SCALABLE_TARGET: Final = "aws:appautoscaling/target:Target"

DEFAULT_STORAGE: Final = "80Gi"
"""Of a node, unless its class says otherwise: https://docs.aws.amazon.com/eks/latest/userguide/create-node-class.html.

The small volume of the system itself, which AWS makes besides, is left out: its size is not published.
"""
CALLS_A_MONTH, CALL_SECONDS = Decimal(1_000), Decimal(2)
"""Of one function, generously: it rotates a key a few times a year, or sees each database's daily snapshot."""

_INSTANCE: Final = {"on-demand": "ec2/instance", "spot": "ec2/spot"}
_UNLIMITED: Final = Decimal("Infinity")


def cluster(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """The control plane at the price of standard support.

    With `supportType: STANDARD` EKS upgrades a cluster instead of charging six times as much for extended support; the
    default is `EXTENDED`. https://docs.aws.amazon.com/eks/latest/userguide/view-support-status.html
    """
    del scene
    if resource.inputs.get("upgradePolicy", {}).get("supportType") != "STANDARD":
        yield Unpriced(component="control plane", why="extended support costs more, and is not ruled out")
        return
    yield Charge(component="control plane", key="eks/cluster", quantity=HOURS)


def nodes(scene: Scene) -> Mapping[str, Packing | None]:
    """What each NodePool holds, by its URN; None where no type that it may buy has its prices and enough room."""
    return scene.once("nodes", lambda: _nodes(scene))


def _nodes(scene: Scene) -> Mapping[str, Packing | None]:
    found: dict[str, Packing | None] = {}
    by_region: dict[str, list[PlannedResource]] = {}
    for pool in scene.all(NODE_POOL):
        by_region.setdefault(scene.region(pool), []).append(pool)
    for region, pools in by_region.items():
        workloads, daemons = running(scene, region)
        # The heavier pool is tried first: https://karpenter.sh/docs/concepts/nodepools/#specweight
        for pool in sorted(pools, key=lambda one: -int(one.inputs["spec"].get("weight", 0))):
            taints = pool.inputs["spec"]["template"]["spec"].get("taints", ())
            mine = [one for one in workloads if one.pods and one.tolerates(taints)]
            workloads = [one for one in workloads if one not in mine]
            everywhere = [one for one in daemons if one.tolerates(taints)]
            found[pool.urn] = cheapest(mine, everywhere, offers(pool, scene), _limits(pool))
    return found


def node_pool(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """Instances, Auto Mode's fee, and their volumes.

    The fee of a spot node is that of the type on demand: https://aws.amazon.com/eks/pricing/ (recalled).
    """
    packing = nodes(scene)[resource.urn]
    if packing is None:
        allowed = offers(resource, scene)
        why = "its pods do not fit within its limits" if allowed else "no type that it allows has its prices"
        yield Unpriced(component="instances", why=f"{why} in {scene.region(resource)}")
        return
    if not packing.nodes:
        yield Free(why="no pod runs there")
        return
    name, hours = packing.node_type.name, packing.nodes * HOURS
    yield Charge(
        component="instances", key=f"{_INSTANCE[packing.capacity]}/{name}", quantity=hours, note=_told(packing)
    )
    yield Charge(component="Auto Mode", key=f"eks/auto/{name}", quantity=hours)
    yield Charge(component="volumes", key="ebs/gp3/storage", quantity=packing.nodes * storage_gib(resource, scene))


def _told(packing: Packing) -> str:
    parts = [
        f"{packing.nodes} x {packing.node_type.name}, {packing.pods} pods",
        f"{packing.wasted_vcpus:.1f} vCPU and {packing.wasted_gib:.1f} GiB free",
    ]
    if packing.capacity == "spot":
        parts.append("spot price of one day, mean of the zones: it moves, and may be on demand for a while")
    return "; ".join(parts)


def offers(pool: PlannedResource, scene: Scene) -> Sequence[Offer]:
    """Types that a pool may buy, of which the book has all prices in the pool's region."""
    return scene.once(("offers", pool.urn), lambda: tuple(_offers(pool, scene)))


def _offers(pool: PlannedResource, scene: Scene) -> Iterator[Offer]:
    region, storage = scene.region(pool), storage_gib(pool, scene)
    required = pool.inputs["spec"]["template"]["spec"]["requirements"]
    for name, node_type in NODE_TYPES.items():
        for capacity, instance in _INSTANCE.items():
            labels = {**node_type.labels, CAPACITY: capacity}
            if not all(_meets(labels, one) for one in required):
                continue
            try:
                hourly = [scene.book.monthly(f"{key}/{name}", region, HOURS) for key in (instance, "eks/auto")]
                volume = scene.book.monthly("ebs/gp3/storage", region, storage)
            except NoPriceError:
                continue
            yield Offer(node_type, capacity, sum(hourly, volume))


def _meets(labels: Mapping[str, str], requirement: Mapping[str, Any]) -> bool:
    """Whether a type is what a pool requires; of a label that is not known here, it is not."""
    value, values = labels.get(requirement["key"]), requirement.get("values", ())
    if value is None:
        return False
    match requirement["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Gt":
            return Decimal(value) > Decimal(values[0])
        case "Lt":
            return Decimal(value) < Decimal(values[0])
        case operator:
            return bool(operator == "Exists")


def _limits(pool: PlannedResource) -> Limits:
    limits = pool.inputs["spec"].get("limits", {})
    return Limits(
        vcpus=Decimal(millicores(limits["cpu"])) / 1000 if "cpu" in limits else _UNLIMITED,
        memory_gib=Decimal(mib(limits["memory"])) / 1024 if "memory" in limits else _UNLIMITED,
    )


def storage_gib(pool: PlannedResource, scene: Scene) -> Decimal:
    """Volume of one node of a pool, by its class."""
    name = pool.inputs["spec"]["template"]["spec"]["nodeClassRef"]["name"]
    classes = {one.inputs["metadata"]["name"]: one for one in scene.in_region(scene.region(pool), NODE_CLASS)}
    spec = classes[name].inputs["spec"] if name in classes else {}
    return Decimal(mib(spec.get("ephemeralStorage", {}).get("size", DEFAULT_STORAGE))) / 1024


def release(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """Nothing by itself, if it is known which pods it has."""
    del scene
    yield _on_nodes(resource.inputs["chart"], known=resource.inputs["chart"] in CHARTS)


def add_on(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """Nothing by itself, if it is known which pods it has."""
    del scene
    yield _on_nodes(resource.inputs["addonName"], known=resource.inputs["addonName"] in ADD_ONS)


def _on_nodes(name: str, *, known: bool) -> Item:
    if known:
        return Free(why=ON_NODES)
    return Unpriced(component="pods", why=f"nobody has said which pods {name} brings (infra/cost/workloads.py)")


def function(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """Calls and memory-time. The account's free million calls is left to whoever needs it.

    Defaults: https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html.
    """
    del scene
    machine = (resource.inputs.get("architectures") or ["x86_64"])[0].replace("_", "-")
    memory_gib = Decimal(str(resource.inputs.get("memorySize", 128))) / 1024
    yield Charge(component="calls", key="lambda/requests", quantity=CALLS_A_MONTH)
    yield Charge(
        component="duration",
        key=f"lambda/gb-second/{machine}",
        quantity=CALLS_A_MONTH * CALL_SECONDS * memory_gib,
    )


def endpoint(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """Instances of each variant; when usage is high, as many as its autoscaling allows."""
    for configuration in scene.behind(resource, "endpointConfigName"):
        for variant in configuration.inputs["productionVariants"]:
            count = int(variant["initialInstanceCount"])
            if scene.usage.level is Level.HIGH:
                count = max([count, *_most_instances(resource, scene)])
            kind = variant["instanceType"]
            yield Charge(
                component="instances",
                key=f"sagemaker/endpoint/{kind}",
                quantity=count * HOURS,
                note=f"{count} x {kind}",
            )
    yield NeedsUsage(component="data", what="bytes to and from the model")


def _most_instances(resource: PlannedResource, scene: Scene) -> Iterator[int]:
    for target in scene.all(SCALABLE_TARGET):
        if resource in scene.behind(target, "resourceId"):
            yield int(target.inputs["maxCapacity"])


ON_NODES: Final = "its pods run on nodes, which the NodePools pay for"
_IN_API: Final = "the cluster keeps it, and the control plane is paid for"

ESTIMATORS: Final[Mapping[str, Estimator]] = {
    "aws:eks/cluster:Cluster": cluster,
    ADD_ON: add_on,
    NODE_POOL: node_pool,
    RELEASE: release,
    "aws:lambda/function:Function": function,
    ENDPOINT: endpoint,
}
FREE: Final[Mapping[str, str]] = {
    "aws:eks/accessEntry:AccessEntry": "part of the cluster",
    "aws:eks/accessPolicyAssociation:AccessPolicyAssociation": "part of the cluster",
    "aws:eks/podIdentityAssociation:PodIdentityAssociation": "part of the cluster",
    "aws:lambda/permission:Permission": "part of the function",
    "aws:sagemaker/model:Model": "its archive is in S3, its endpoint is paid for",
    "aws:sagemaker/endpointConfiguration:EndpointConfiguration": "the endpoint is paid for",
    "aws:appautoscaling/policy:Policy": "scaling costs nothing, what it adds does",
    SCALABLE_TARGET: "scaling costs nothing, what it adds does",
    NODE_CLASS: "its nodes are paid for by the NodePools",
    **dict.fromkeys(
        (
            DAEMON_SET,
            DEPLOYMENT,
            "kubernetes:batch/v1:CronJob",
            "kubernetes:batch/v1:Job",
        ),
        ON_NODES,
    ),
    **dict.fromkeys(
        (
            AUTOSCALER,
            "kubernetes:core/v1:ConfigMap",
            "kubernetes:core/v1:Namespace",
            "kubernetes:core/v1:Secret",
            "kubernetes:core/v1:Service",
            "kubernetes:core/v1:ServiceAccount",
            "kubernetes:eks.amazonaws.com/v1:TargetGroupBinding",
            "kubernetes:networking.k8s.io/v1:NetworkPolicy",
            "kubernetes:policy/v1:PodDisruptionBudget",
            "kubernetes:rbac.authorization.k8s.io/v1:Role",
            "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding",
            "kubernetes:security.istio.io/v1:PeerAuthentication",
        ),
        _IN_API,
    ),
}
