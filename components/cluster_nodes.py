"""Auto Mode's nodes: the NodeClass says what a node is, the NodePools which ones may be bought."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Literal

import pulumi

from components.pods import Manifest
from stacks.phase import Compute

NODE_CLASS = "headroom"
SPOT_TAINT = "headroom/spot"
"""Keeps all pods off spot nodes but those that say they may be interrupted."""
SYSTEM_CPU, SYSTEM_MEMORY_GIB = 8, 16
"""Room in the node limit for poolers, log routers, the metrics server and a rollout's surge."""

Capacity = Literal["on-demand", "spot"]


def node_class(
    *,
    role_name: pulumi.Input[str],
    subnet_ids: Sequence[pulumi.Input[str]],
    security_group_id: pulumi.Input[str],
    key_arn: pulumi.Input[str],
) -> Manifest:
    """Private nodes with encrypted disks.

    `DefaultAllow`: pods outside of our namespaces (AWS's metrics server) have no policy of ours and would
    be cut off by `DefaultDeny`; our namespaces deny everything by a policy of their own. The price is that
    a new pod's policies take effect a moment after its start, not before it.
    Fields: https://docs.aws.amazon.com/eks/latest/userguide/create-node-class.html
    """
    return {
        "apiVersion": "eks.amazonaws.com/v1",
        "kind": "NodeClass",
        "metadata": {"name": NODE_CLASS},
        "spec": {
            "role": role_name,
            "subnetSelectorTerms": [{"id": subnet} for subnet in subnet_ids],
            "securityGroupSelectorTerms": [{"id": security_group_id}],
            "networkPolicy": "DefaultAllow",
            "networkPolicyEventLogs": "Enabled",
            "ephemeralStorage": {"size": "40Gi", "iops": 3000, "throughput": 125, "kmsKeyID": key_arn},
        },
    }


def node_pool(capacity: Capacity, compute: Compute) -> Manifest:
    """Nodes of one capacity type, arm64 only, bounded by what the phase's pods can ask for at most.

    The heavier spot pool is tried first, by the pods that tolerate its taint. Auto Mode replaces a node
    after 14 days, which is also how it gets its security patches. Families from 2 GiB (c) to 8 GiB (r) a vCPU
    fit the pods of every phase; the t family is slow once its CPU credits are spent.
    Labels: https://docs.aws.amazon.com/eks/latest/userguide/create-node-pool.html
    """
    families = ["c", "m", "r", "t"] if compute.burstable else ["c", "m", "r"]
    requirements = [
        {"key": "kubernetes.io/arch", "operator": "In", "values": ["arm64"]},
        {"key": "karpenter.sh/capacity-type", "operator": "In", "values": [capacity]},
        {"key": "eks.amazonaws.com/instance-category", "operator": "In", "values": families},
        {"key": "eks.amazonaws.com/instance-hypervisor", "operator": "In", "values": ["nitro"]},
    ]
    template: Manifest = {
        "nodeClassRef": {"group": "eks.amazonaws.com", "kind": "NodeClass", "name": NODE_CLASS},
        "requirements": requirements,
        "expireAfter": "336h",
        "terminationGracePeriod": "1h",
    }
    if capacity == "spot":
        template["taints"] = [{"key": SPOT_TAINT, "value": "true", "effect": "NoSchedule"}]
    return {
        "apiVersion": "karpenter.sh/v1",
        "kind": "NodePool",
        "metadata": {"name": capacity},
        "spec": {
            "weight": 50 if capacity == "spot" else 10,
            "limits": node_limits(compute),
            "disruption": {
                "consolidationPolicy": "WhenEmptyOrUnderutilized",
                "consolidateAfter": "5m",
                "budgets": [{"nodes": "20%"}],
            },
            "template": {"spec": template},
        },
    }


def node_limits(compute: Compute) -> dict[str, str]:
    """CPU and memory a pool may buy: all pods at their maximum, a half for what does not pack, and the system.

    During a release both colours of the API may be at their maximum. A runaway autoscaler stops here, before
    the budget does.
    """
    pods = [*compute.pods.values(), *([compute.pods["api"]] if compute.blue_green else [])]
    millicores = sum(one.maximum * one.cpu_millicores for one in pods)
    mib = sum(one.maximum * one.memory_mib for one in pods)
    return {
        "cpu": str(ceil(millicores * 1.5 / 1000) + SYSTEM_CPU),
        "memory": f"{ceil(mib * 1.5 / 1024) + SYSTEM_MEMORY_GIB}Gi",
    }
