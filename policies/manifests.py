"""Kubernetes manifests as rules read them: pods, containers, labels and what selects them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from policies.view import UNKNOWN, Resource, Stack, UndecidedError, each

DAEMON_SET: Final = "kubernetes:apps/v1:DaemonSet"
DEPLOYMENT: Final = "kubernetes:apps/v1:Deployment"
JOB: Final = "kubernetes:batch/v1:Job"
AUTOSCALER: Final = "kubernetes:autoscaling/v2:HorizontalPodAutoscaler"
CONFIG_MAP: Final = "kubernetes:core/v1:ConfigMap"
NAMESPACE: Final = "kubernetes:core/v1:Namespace"
NETWORK_POLICY: Final = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
WORKLOADS: Final = ("kubernetes:apps/v1:*", "kubernetes:batch/v1:*", "kubernetes:core/v1:Pod*")
"""Kinds with pods in them."""
_REGION: Final = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]+(?=-)")


def kind(one: Resource) -> str:
    """Kind of a manifest, as its type says."""
    return one.type.rpartition(":")[2]


def pods(one: Resource) -> list[Resource]:
    """What stands in the `spec` of a workload's pods; nothing for kinds without any.

    Raises:
        UndecidedError: it is not known yet.
    """
    return one.items(_inside(one, "spec"))


def containers(one: Resource, *, init: bool = True) -> Iterator[Resource]:
    """Each container of a workload's pods, those that run first included unless `init` is False."""
    for pod in pods(one):
        yield from pod.items("containers")
        if init:
            yield from pod.items("initContainers")


def pod_labels(one: Resource) -> Mapping[str, Any]:
    """Labels of a workload's pods."""
    return labels(one, _inside(one, "metadata.labels"))


def labels(one: Resource, path: str) -> Mapping[str, Any]:
    """A mapping such as labels at a path; an empty one where there is none."""
    found = one.get(path)
    return found if isinstance(found, Mapping) else {}


def place(one: Resource) -> tuple[str, Any]:
    """Cluster and namespace of an object.

    A rule does not see which cluster a provider speaks to; logical names begin with the region, and a region has one
    cluster.
    """
    region = _REGION.match(one.name)
    return region.group() if region else "", one.get("metadata.namespace")


def near(one: Resource, stack: Stack, *types: str) -> list[Resource]:
    """Objects of these types in the same cluster and namespace."""
    here = place(one)
    return [other for other in stack.all(*types) if place(other) == here]


def selects(owner: Resource, path: str, found: Mapping[str, Any]) -> bool:
    """Whether a label selector at a path chooses what has these labels. An empty one chooses everything, none nothing.

    Expressions are judged as if they held: no manifest of ours has any, and nobody is refused for one.

    Raises:
        UndecidedError: a label, or what selects it, is not known yet.
    """
    blocks = owner.items(path)
    if not blocks:
        return False
    wanted = labels(blocks[0], "matchLabels")
    if any(UNKNOWN in (value, found.get(name)) for name, value in wanted.items()):
        raise UndecidedError(path)
    return all(found.get(name) == value for name, value in wanted.items())


def selects_all(policy: Resource) -> bool:
    """Whether a network policy is about every pod of its namespace."""
    blocks = policy.items("spec.podSelector")
    return bool(blocks) and not blocks[0].has("matchLabels") and not blocks[0].has("matchExpressions")


def directions(policy: Resource) -> list[Any]:
    """`Ingress`, `Egress` or both: what a network policy closes but for what it opens."""
    stated = each(policy, "spec.policyTypes")
    return stated or ["Ingress", *(["Egress"] if policy.has("spec.egress") else [])]


def _inside(one: Resource, path: str) -> str:
    """A path in the template of a workload's pods."""
    match kind(one):
        case "CronJob":
            return f"spec.jobTemplate.spec.template.{path}"
        case "Pod":
            return path
        case _:
            return f"spec.template.{path}"
