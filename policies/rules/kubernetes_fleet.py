"""Many pods at once: what is left of them while nodes and zones go away, and how many there are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from policies.manifests import AUTOSCALER, DEPLOYMENT, near, place, pod_labels, pods, selects
from policies.rule import Level, Rules, Severity
from policies.view import Resource, Stack

RULES = Rules()
BUDGET: Final = "kubernetes:policy/v1:PodDisruptionBudget"
RELEASE: Final = "kubernetes:helm.sh/v3:Release"
PEER_AUTHENTICATION: Final = "kubernetes:security.istio.io/v1:PeerAuthentication"
ZONE: Final = "topology.kubernetes.io/zone"
MANY: Final = 2


@RULES.between(
    DEPLOYMENT,
    id="kubernetes-disruption-budget",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="Nodes that are emptied leave enough pods of each Deployment.",
    remedy="add a PodDisruptionBudget in its namespace whose selector chooses its pods",
)
def disruption_budget(one: Resource, stack: Stack) -> Iterator[str]:
    """One pod alone cannot be kept while its node goes."""
    scalers = _autoscalers(one, stack)
    if max([one.number("spec.replicas"), *(scaler.number("spec.maxReplicas") for scaler in scalers)]) < MANY:
        return
    found = pod_labels(one)
    if not any(selects(budget, "spec.selector", found) for budget in near(one, stack, BUDGET)):
        yield "all of its pods may be evicted at once"


@RULES.on(
    BUDGET,
    id="kubernetes-budget-lets-go",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="A disruption budget lets nodes be emptied.",
    remedy="set maxUnavailable to a share above 0",
)
def budget_lets_go(one: Resource) -> Iterator[str]:
    """A budget that allows nothing stops every upgrade of nodes, until the nodes are forced."""
    if one.get("spec.maxUnavailable") in (0, "0", "0%") or one.get("spec.minAvailable") == "100%":
        yield "no pod may ever be evicted"


@RULES.on(
    DEPLOYMENT,
    id="kubernetes-spread",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="Pods of a Deployment are spread over zones.",
    remedy=f"add a topologySpreadConstraint with topologyKey {ZONE}",
)
def spread(one: Resource) -> Iterator[str]:
    """Otherwise all of them may stand in the zone that fails."""
    for pod in pods(one):
        if not any(rule.get("topologyKey") == ZONE for rule in pod.items("topologySpreadConstraints")):
            yield "its pods may all stand in one zone"


@RULES.between(
    AUTOSCALER,
    id="kubernetes-autoscaler-target",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="Every autoscaler has a Deployment.",
    remedy="set spec.scaleTargetRef.name to a Deployment of the same namespace",
)
def autoscaler_target(one: Resource, stack: Stack) -> Iterator[str]:
    """Kubernetes takes the autoscaler all the same, and the Deployment stays at one pod."""
    name = one.get("spec.scaleTargetRef.name")
    if not any(_name(target) == name for target in near(one, stack, DEPLOYMENT) if name is not None):
        yield "what it scales is not in the stack"


@RULES.between(
    DEPLOYMENT,
    id="kubernetes-replicas-owned-once",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="Either a Deployment says how many pods it has, or its autoscaler.",
    remedy="take spec.replicas away",
)
def replicas_owned_once(one: Resource, stack: Stack) -> Iterator[str]:
    """Each update would set the number back, under full load too.

    https://github.com/pulumi/pulumi-kubernetes/issues/2491
    """
    if one.get("spec.replicas") is not None and _autoscalers(one, stack):
        yield "every update takes back what its autoscaler did"


@RULES.on(
    RELEASE,
    id="kubernetes-chart-pinned",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="Every chart has an exact version.",
    remedy="set version",
)
def chart_pinned(one: Resource) -> Iterator[str]:
    """Without one, each update takes the newest."""
    version = str(one.get("version", ""))
    if not version or any(sign in version for sign in "^~*<>x|"):
        yield "it takes whatever version is the newest"


@RULES.on(
    PEER_AUTHENTICATION,
    id="kubernetes-mesh-strict",
    severity=Severity.HIGH,
    level=Level.PRODUCTION,
    demands="Pods in the mesh take encrypted traffic only.",
    remedy="set spec.mtls.mode to STRICT, and name single ports in portLevelMtls where something outside calls",
)
def mesh_strict(one: Resource) -> Iterator[str]:
    """Permissive by default: a pod that is not in the mesh would be served in the clear, and nobody would notice."""
    if one.get("spec.mtls.mode") != "STRICT":
        yield "plain traffic is taken too"


def _autoscalers(one: Resource, stack: Stack) -> list[Resource]:
    name = _name(one)
    here = place(one)
    return [
        scaler
        for scaler in stack.all(AUTOSCALER)
        if name is not None and scaler.get("spec.scaleTargetRef.name") == name and place(scaler) == here
    ]


def _name(one: Resource) -> Any:
    return one.get("metadata.name")
