"""Pods onto nodes: what a node offers, how many nodes some pods need, and which type of node is the cheapest for them.

Pure arithmetic: what the pods are, and what nodes cost, is for others to say (`infra.cost.estimators.compute`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from math import floor
from typing import Final, NamedTuple

from infra.cidr import ZONES

Taint = Mapping[str, str]
Toleration = Mapping[str, str]

_VCPUS: Final = {"medium": 2, "large": 2, "xlarge": 4, "2xlarge": 8, "4xlarge": 16, "8xlarge": 32}
"""Of a size; `medium` is t4g's (those of m7g and its like have one, too few for any pod of ours beside the daemons)."""
_GIB_PER_VCPU: Final = {"c": 2, "m": 4, "r": 8}
_BURSTABLE_GIB: Final = {"medium": 4, "large": 8, "xlarge": 16, "2xlarge": 32}
_FAMILIES: Final = ("c6g", "c7g", "c8g", "m6g", "m7g", "m8g", "r6g", "r7g", "r8g")
_PODS: Final = {"large": 29, "xlarge": 58, "2xlarge": 58, "4xlarge": 110, "8xlarge": 110}
_BURSTABLE_PODS: Final = {"medium": 17, "large": 35, "xlarge": 58, "2xlarge": 58}
"""Network interfaces x (addresses - 1) + 2, and 110 at most. Auto Mode takes the lower of the two:
https://docs.aws.amazon.com/eks/latest/userguide/choosing-instance-type.html#determine-max-pods
Numbers by type: https://github.com/awslabs/amazon-eks-ami, eni-max-pods.txt (recalled)."""

_HYPERVISOR_SHARE: Final = 0.075
"""Memory that never reaches the kubelet, as Karpenter assumes: https://github.com/aws/karpenter-provider-aws/issues/7929."""
_EVICTION_MIB: Final = 100
_RESERVED_MIB, _RESERVED_MIB_PER_POD = 255, 11
_RESERVED_CPU: Final = ((1, 60), (2, 10), (4, 5))
"""Millicores that EKS keeps for the kubelet, of each core up to a number of cores; of all further ones 2.5.

With 6 %, 1 %, 0.5 % and 0.25 %, and 255 MiB + 11 MiB a pod, Karpenter counts as EKS' own nodes do. Auto Mode runs
Karpenter, and does not publish what it reserves: https://github.com/aws/karpenter-provider-aws/issues/8497.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeType:
    """One EC2 instance type with what pods may ask of it, after what system and kubelet keep.

    Attributes:
        name: such as `m7g.large`.
        vcpus: cores.
        memory_gib: nominal.
        most_pods: limit of pods, daemons included.
    """

    name: str
    vcpus: int
    memory_gib: int
    most_pods: int

    @property
    def cpu_millicores(self) -> int:
        """What pods may request."""
        below, kept = 0, 0.0
        for cores, millicores in _RESERVED_CPU:
            kept += (min(self.vcpus, cores) - min(self.vcpus, below)) * millicores
            below = cores
        return floor(self.vcpus * 1000 - kept - max(self.vcpus - below, 0) * 2.5)

    @property
    def memory_mib(self) -> int:
        """What pods may request."""
        kept = _RESERVED_MIB + _RESERVED_MIB_PER_POD * self.most_pods + _EVICTION_MIB
        return floor(self.memory_gib * 1024 * (1 - _HYPERVISOR_SHARE)) - kept

    @property
    def labels(self) -> Mapping[str, str]:
        """What a NodePool may require, by Kubernetes' and Auto Mode's labels."""
        family, _, size = self.name.partition(".")
        return {
            "kubernetes.io/arch": "arm64",
            "kubernetes.io/os": "linux",
            "node.kubernetes.io/instance-type": self.name,
            "eks.amazonaws.com/instance-category": family[0],
            "eks.amazonaws.com/instance-family": family,
            "eks.amazonaws.com/instance-generation": family[1],
            "eks.amazonaws.com/instance-size": size,
            "eks.amazonaws.com/instance-cpu": str(self.vcpus),
            "eks.amazonaws.com/instance-memory": str(self.memory_gib * 1024),
            "eks.amazonaws.com/instance-hypervisor": "nitro",
        }


NODE_TYPES: Final[Mapping[str, NodeType]] = {
    one.name: one
    for one in (
        *(
            NodeType(name=f"t4g.{size}", vcpus=_VCPUS[size], memory_gib=gib, most_pods=_BURSTABLE_PODS[size])
            for size, gib in _BURSTABLE_GIB.items()
        ),
        *(
            NodeType(
                name=f"{family}.{size}",
                vcpus=_VCPUS[size],
                memory_gib=_VCPUS[size] * _GIB_PER_VCPU[family[0]],
                most_pods=most,
            )
            for family in _FAMILIES
            for size, most in _PODS.items()
        ),
    )
}
"""Graviton types that Auto Mode buys. It takes neither nano, micro nor small ones (EKS user guide, recalled).

Families: https://docs.aws.amazon.com/eks/latest/userguide/automode-learn-instances.html
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Equal pods.

    Attributes:
        name: theirs.
        pods: how many; of a daemon, on each node.
        cpu_millicores: request of one.
        memory_mib: request of one.
        tolerations: the taints that it may meet.
        most_on_a_node: of its own kind, or None for any number.
        over_zones: they want different zones.
    """

    name: str
    pods: int
    cpu_millicores: int
    memory_mib: int
    tolerations: Sequence[Toleration] = ()
    most_on_a_node: int | None = None
    over_zones: bool = False

    def tolerates(self, taints: Sequence[Taint]) -> bool:
        """Whether it may run on nodes with these taints."""
        return all(any(_matches(one, taint) for one in self.tolerations) for taint in taints)


def _matches(toleration: Toleration, taint: Taint) -> bool:
    """Kubernetes' rule: https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/."""
    if toleration.get("effect", taint["effect"]) != taint["effect"]:
        return False
    if toleration.get("key", taint["key"]) != taint["key"]:
        return False
    return toleration.get("operator") == "Exists" or toleration.get("value", "") == taint.get("value", "")


class Offer(NamedTuple):
    """A type of node for sale."""

    node_type: NodeType
    capacity: str
    """`on-demand` or `spot`."""
    monthly_usd: Decimal
    """Of one node, with all that comes with it."""


@dataclass(frozen=True)
class Packing:
    """The nodes of one pool.

    Attributes:
        node_type: of all of them.
        capacity: `on-demand` or `spot`.
        nodes: how many.
        workloads: what runs on them.
        daemons: what runs on each.
    """

    node_type: NodeType
    capacity: str
    nodes: int
    workloads: tuple[Workload, ...]
    daemons: tuple[Workload, ...]

    @cached_property
    def pods(self) -> int:
        """How many run there, daemons not counted."""
        return sum(one.pods for one in self.workloads)

    @cached_property
    def vcpus(self) -> int:
        """Cores that are paid for."""
        return self.nodes * self.node_type.vcpus

    @cached_property
    def wasted_vcpus(self) -> Decimal:
        """Cores that pods could ask for and none does."""
        asked = sum(one.pods * one.cpu_millicores for one in self.workloads)
        free = self.nodes * (self.node_type.cpu_millicores - sum(one.cpu_millicores for one in self.daemons))
        return Decimal(free - asked) / 1000

    @cached_property
    def wasted_gib(self) -> Decimal:
        """Memory that pods could ask for and none does."""
        asked = sum(one.pods * one.memory_mib for one in self.workloads)
        free = self.nodes * (self.node_type.memory_mib - sum(one.memory_mib for one in self.daemons))
        return Decimal(free - asked) / 1024


class Limits(NamedTuple):
    """What a pool may hold at most."""

    vcpus: Decimal
    memory_gib: Decimal

    def allow(self, node_type: NodeType, nodes: int) -> bool:
        """Whether so many nodes are within them."""
        return nodes * node_type.vcpus <= self.vcpus and nodes * node_type.memory_gib <= self.memory_gib


def cheapest(
    workloads: Sequence[Workload], daemons: Sequence[Workload], offers: Sequence[Offer], limits: Limits
) -> Packing | None:
    """All pods on nodes of one type: that which costs least, the smaller number of nodes where two cost the same.

    Pods that want to be apart are, as far as the limits allow: `ScheduleAnyway` is a rule to Karpenter while it can buy
    another node, when it consolidates too (https://github.com/aws/karpenter-provider-aws/issues/4907, and
    https://github.com/kubernetes-sigs/karpenter/issues/517). Karpenter mixes types in a pool, so it may pay a little
    less. None: on no offer do they fit within the limits.
    """
    anywhere = [replace(one, most_on_a_node=None) for one in workloads]
    return _cheapest(workloads, daemons, offers, limits) or _cheapest(anywhere, daemons, offers, limits)


def _cheapest(
    workloads: Sequence[Workload], daemons: Sequence[Workload], offers: Sequence[Offer], limits: Limits
) -> Packing | None:
    found: list[tuple[Decimal, int, str, Packing]] = []
    for offer in offers:
        nodes = node_count(workloads, daemons, offer.node_type)
        if nodes is None or not limits.allow(offer.node_type, nodes):
            continue
        packing = Packing(offer.node_type, offer.capacity, nodes, tuple(workloads), tuple(daemons))
        found.append((nodes * offer.monthly_usd, nodes, offer.node_type.name, packing))
    return min(found, key=lambda one: one[:3])[-1] if found else None


def node_count(workloads: Sequence[Workload], daemons: Sequence[Workload], node_type: NodeType) -> int | None:
    """How many nodes of a type these pods need, by first fit, the largest first; None if one pod is too large."""
    cpu = node_type.cpu_millicores - sum(one.cpu_millicores for one in daemons)
    memory = node_type.memory_mib - sum(one.memory_mib for one in daemons)
    room = node_type.most_pods - len(daemons)
    if cpu <= 0 or memory <= 0:
        return None
    nodes: list[_Node] = []
    for workload in sorted(workloads, key=lambda one: (-_share(one, cpu, memory), one.name)):
        if workload.cpu_millicores > cpu or workload.memory_mib > memory or room < 1:
            return None
        start = 0
        for _ in range(workload.pods):
            # All are equal: where one does not fit, none of the next does.
            while start < len(nodes) and not nodes[start].takes(workload):
                start += 1
            if start == len(nodes):
                nodes.append(_Node(cpu, memory, room))
            nodes[start].add(workload)
    apart = max((min(one.pods, ZONES) for one in workloads if one.over_zones), default=0)
    return max(len(nodes), apart)


def _share(workload: Workload, cpu: int, memory: int) -> float:
    """Part of a node that one pod takes, of what it takes most of."""
    return max(workload.cpu_millicores / cpu, workload.memory_mib / memory)


class _Node:
    """What is left of a node while pods are put onto it."""

    def __init__(self, cpu: int, memory: int, room: int) -> None:
        self._cpu, self._memory, self._room = cpu, memory, room
        self._name, self._same = "", 0

    def takes(self, workload: Workload) -> bool:
        same = self._same if self._name == workload.name else 0
        apart = workload.most_on_a_node is not None and same >= workload.most_on_a_node
        fits = workload.cpu_millicores <= self._cpu and workload.memory_mib <= self._memory and self._room >= 1
        return fits and not apart

    def add(self, workload: Workload) -> None:
        self._cpu -= workload.cpu_millicores
        self._memory -= workload.memory_mib
        self._room -= 1
        self._same = self._same + 1 if self._name == workload.name else 1
        self._name = workload.name
