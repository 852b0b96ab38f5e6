"""What runs in each cluster, read from a stack's Kubernetes objects, Helm releases and add-ons: pods and daemons.

How many pods depends on how busy the month is: at low usage the autoscalers' minimum, at expected what the busiest
minute wants of `api` and `realtime` (and never less than the minimum), at high the maximum. Jobs are left out: they run
for minutes, where there is room.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from math import ceil
from typing import Any, Final, NamedTuple

from components.pods import ROLE_LABEL
from infra.cost.model import Scene
from infra.cost.packing import Toleration, Workload
from infra.cost.usage import Level, Usage
from infra.plan import PlannedResource
from stacks.phase import REQUESTS_PER_POD, SOCKETS_PER_POD

DEPLOYMENT: Final = "kubernetes:apps/v1:Deployment"
DAEMON_SET: Final = "kubernetes:apps/v1:DaemonSet"
AUTOSCALER: Final = "kubernetes:autoscaling/v2:HorizontalPodAutoscaler"
RELEASE: Final = "kubernetes:helm.sh/v3:Release"
ADD_ON: Final = "aws:eks/addon:Addon"

FILL: Final = Decimal("0.6")
"""Of what a pod carries, how much it is given: the autoscaler adds pods from 70 % of their CPU on."""
_ANY_TAINT: Final[Sequence[Toleration]] = ({"operator": "Exists"},)


class Shipped(NamedTuple):
    """Pods of a chart or an add-on, where nothing says otherwise.

    Attributes:
        cpu: request of one.
        memory: request of one.
        pods: how many; None is one on each node, whatever its taints.
        most: how many an autoscaler of its own makes of them.
    """

    cpu: str
    memory: str
    pods: int | None = None
    most: int | None = None


CHARTS: Final[Mapping[str, Shipped | None]] = {
    # values.yaml of each: https://github.com/istio/istio/tree/master/manifests/charts (ztunnel's recalled).
    "base": None,
    "istiod": Shipped("500m", "2048Mi", pods=1, most=5),
    "cni": Shipped("100m", "100Mi"),
    "ztunnel": Shipped("200m", "512Mi"),
}
"""By chart; `base` has no pods."""
ADD_ONS: Final[Mapping[str, Mapping[str, Shipped]]] = {
    # Two pods (recalled), each with the requests of the project's own manifests:
    # https://github.com/kubernetes-sigs/metrics-server/tree/master/manifests
    "metrics-server": {"metrics-server": Shipped("100m", "200Mi", pods=2)},
    # charts/amazon-cloudwatch-observability/values.yaml of https://github.com/aws-observability/helm-charts (2026-08).
    "amazon-cloudwatch-observability": {
        "cloudwatch-agent": Shipped("250m", "128Mi"),
        "cloudwatch-operator": Shipped("100m", "64Mi", pods=1),
    },
}
"""Pods by add-on."""


class Running(NamedTuple):
    """All that runs in a cluster."""

    workloads: Sequence[Workload]
    daemons: Sequence[Workload]
    """Once on each node whose taints they tolerate."""


def running(scene: Scene, region: str) -> Running:
    """The pods of a region's cluster at the scene's level of usage."""
    workloads = [_from_manifest(one, pods) for one, pods in _deployments(scene, region)]
    daemons = [_from_manifest(one, 1) for one in scene.in_region(region, DAEMON_SET)]
    for release in scene.in_region(region, RELEASE):
        if (chart := CHARTS.get(release.inputs["chart"])) is not None:
            kind = daemons if chart.pods is None else workloads
            kind.append(_from_chart(release.inputs, chart, scene.usage.level))
    for add_on in scene.in_region(region, ADD_ON):
        for name, shipped in ADD_ONS.get(add_on.inputs["addonName"], {}).items():
            kind = daemons if shipped.pods is None else workloads
            kind.append(_workload(name, shipped.pods, shipped.cpu, shipped.memory))
    return Running(workloads, daemons)


def _deployments(scene: Scene, region: str) -> list[tuple[PlannedResource, int]]:
    """Each Deployment with its number of pods."""
    deployments = scene.in_region(region, DEPLOYMENT)
    specs = {_target(one): one.inputs["spec"] for one in scene.in_region(region, AUTOSCALER)}
    most: dict[str, int] = {}
    for one in deployments:
        if (spec := specs.get(_place(one))) is not None:
            most[_role(one)] = most.get(_role(one), 0) + int(spec["maxReplicas"])
    found = []
    for one in deployments:
        spec = specs.get(_place(one))
        if spec is None:
            found.append((one, int(one.inputs["spec"].get("replicas", 1))))
            continue
        least, ceiling, role = int(spec.get("minReplicas", 1)), int(spec["maxReplicas"]), _role(one)
        # Where a role has several Deployments (blue and green), each takes its part of the load.
        wanted = ceil(_wanted(role, scene.usage, region) * ceiling / most[role])
        pods = {Level.LOW: least, Level.EXPECTED: min(max(least, wanted), ceiling), Level.HIGH: ceiling}
        found.append((one, pods[scene.usage.level]))
    return found


def _wanted(role: str, usage: Usage, region: str) -> Decimal:
    """Pods that the busiest minute asks for; other roles follow their queues and callers, and stay at the minimum."""
    if role == "api":
        return usage.peak_requests_per_second * usage.share(region) / (REQUESTS_PER_POD * FILL)
    if role == "realtime":
        return usage.phase.targets.concurrent_users.low * usage.share(region) / (SOCKETS_PER_POD * FILL)
    return Decimal(0)


def _role(deployment: PlannedResource) -> str:
    labels: Mapping[str, str] = deployment.inputs["spec"]["template"]["metadata"]["labels"]
    return labels.get(ROLE_LABEL, deployment.inputs["metadata"]["name"])


def _place(resource: PlannedResource) -> tuple[str, str]:
    metadata = resource.inputs["metadata"]
    return metadata.get("namespace", "default"), metadata["name"]


def _target(autoscaler: PlannedResource) -> tuple[str, str]:
    namespace, _ = _place(autoscaler)
    return namespace, autoscaler.inputs["spec"]["scaleTargetRef"]["name"]


def _from_manifest(resource: PlannedResource, pods: int) -> Workload:
    """A pod asks for the sum of its containers, or for what one init container asks if that is more.

    https://kubernetes.io/docs/concepts/workloads/pods/init-containers/#resource-sharing-within-containers
    """
    spec: Mapping[str, Any] = resource.inputs["spec"]["template"]["spec"]
    containers, first = spec["containers"], spec.get("initContainers", ())
    spread = {one["topologyKey"]: int(one["maxSkew"]) for one in spec.get("topologySpreadConstraints", ())}
    return Workload(
        name=resource.inputs["metadata"]["name"],
        pods=pods,
        cpu_millicores=max(sum(map(_cpu, containers)), *map(_cpu, first), 0),
        memory_mib=max(sum(map(_memory, containers)), *map(_memory, first), 0),
        tolerations=tuple(spec.get("tolerations", ())),
        most_on_a_node=spread.get("kubernetes.io/hostname"),
        over_zones="topology.kubernetes.io/zone" in spread,
    )


def _cpu(container: Mapping[str, Any]) -> int:
    return millicores(_requests(container).get("cpu", "0"))


def _memory(container: Mapping[str, Any]) -> int:
    return mib(_requests(container).get("memory", "0"))


def _requests(container: Mapping[str, Any]) -> Mapping[str, str]:
    requests: Mapping[str, str] = container.get("resources", {}).get("requests", {})
    return requests


def _from_chart(inputs: Mapping[str, Any], chart: Shipped, level: Level) -> Workload:
    """A chart's pods with the values of its release, spread over nothing: they have no such constraint."""
    values = inputs["values"]
    pods = chart.pods
    if chart.most is not None:
        least, most = int(values.get("autoscaleMin", chart.pods)), int(values.get("autoscaleMax", chart.most))
        pods = most if level is Level.HIGH else least
    requests = _requests(values)
    return _workload(inputs["name"], pods, requests.get("cpu", chart.cpu), requests.get("memory", chart.memory))


def _workload(name: str, pods: int | None, cpu: str, memory: str) -> Workload:
    return Workload(
        name=name,
        pods=1 if pods is None else pods,
        cpu_millicores=millicores(cpu),
        memory_mib=mib(memory),
        tolerations=_ANY_TAINT if pods is None else (),
    )


def millicores(quantity: str) -> int:
    """A Kubernetes quantity of CPU: `250m`, `2`, `0.5`."""
    return int(quantity[:-1]) if quantity.endswith("m") else int(Decimal(quantity) * 1000)


_MIB: Final = {"Ki": Decimal(1) / 1024, "Mi": Decimal(1), "Gi": Decimal(1024), "Ti": Decimal(1024 * 1024)}


def mib(quantity: str) -> int:
    """A Kubernetes quantity of memory or storage, rounded up: `512Mi`, `2Gi`, or bytes."""
    factor = _MIB.get(quantity[-2:])
    exact = Decimal(quantity[:-2]) * factor if factor is not None else Decimal(quantity) / 2**20
    return ceil(exact)
