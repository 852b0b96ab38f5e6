"""Namespaces and who reaches whom in them: pod standards, network policies, rights, service accounts, services."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from policies.manifests import (
    AUTOSCALER,
    CONFIG_MAP,
    DAEMON_SET,
    NAMESPACE,
    NETWORK_POLICY,
    WORKLOADS,
    directions,
    labels,
    near,
    place,
    pod_labels,
    pods,
    selects,
    selects_all,
)
from policies.rule import Level, Rules, Severity
from policies.rules.kubernetes_fleet import BUDGET
from policies.view import UNKNOWN, Resource, Stack, UndecidedError, each

RULES = Rules()
IDENTITY: Final = "aws:eks/podIdentityAssociation:PodIdentityAssociation"
BINDINGS: Final = "kubernetes:rbac.authorization.k8s.io/v1:*Binding"
ROLES: Final = "kubernetes:rbac.authorization.k8s.io/v1:*Role"
SERVICE: Final = "kubernetes:core/v1:Service"
STANDARD: Final = "pod-security.kubernetes.io/enforce"
DIRECTIONS: Final = ("Ingress", "Egress")
_NAMESPACED: Final = (
    *WORKLOADS,
    AUTOSCALER,
    BUDGET,
    CONFIG_MAP,
    NETWORK_POLICY,
    SERVICE,
    "kubernetes:core/v1:Secret",
    "kubernetes:core/v1:ServiceAccount",
)
_POWERS: Final = ("bind", "escalate", "impersonate")


@RULES.between(
    NAMESPACE,
    id="kubernetes-namespace-standard",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="Every namespace admits only pods of a pod security standard.",
    remedy=f"set the label {STANDARD} to restricted, or to baseline",
)
def namespace_standard(one: Resource, stack: Stack) -> Iterator[str]:
    """`privileged` is for namespaces in which nothing runs but agents of the nodes: DaemonSets, and charts' parts."""
    standard = labels(one, "metadata.labels").get(STANDARD)
    if standard is UNKNOWN:
        path = f"metadata.labels.{STANDARD}"
        raise UndecidedError(path)
    if standard == "privileged":
        here = (place(one)[0], one.get("metadata.name"))
        if any(place(it) == here for it in stack.all(*WORKLOADS) if it.type != DAEMON_SET):
            yield "it admits privileged pods, and not only agents of the nodes run in it"
    elif standard not in ("restricted", "baseline"):
        yield "it admits any pod"


@RULES.on(
    *_NAMESPACED,
    id="kubernetes-own-namespace",
    severity=Severity.MEDIUM,
    level=Level.MANDATORY,
    demands="Nothing stands in the default namespace.",
    remedy="set metadata.namespace to a namespace of the stack",
    frameworks=("Checkov CKV_K8S_21",),
)
def own_namespace(one: Resource) -> Iterator[str]:
    """It has no pod standard and no network policy."""
    if one.get("metadata.namespace") in (None, "", "default"):
        yield "it stands in the default namespace"


@RULES.between(
    *WORKLOADS,
    id="kubernetes-network-policy",
    severity=Severity.HIGH,
    level=Level.PRODUCTION,
    demands="A network policy chooses every pod, for what it sends and for what it gets.",
    remedy="add a NetworkPolicy in its namespace whose podSelector chooses its pods",
    frameworks=("Checkov CKV2_K8S_6",),
)
def network_policy(one: Resource, stack: Stack) -> Iterator[str]:
    """A pod that no policy chooses talks to everybody."""
    if not pods(one):
        return
    found = pod_labels(one)
    closed = [
        direction
        for policy in near(one, stack, NETWORK_POLICY)
        if selects(policy, "spec.podSelector", found)
        for direction in directions(policy)
    ]
    missing = [direction for direction in DIRECTIONS if direction not in closed]
    if missing:
        yield f"no network policy is about what its pods {' or '.join(_WHAT[it] for it in missing)}"


@RULES.between(
    *WORKLOADS,
    id="kubernetes-default-deny",
    severity=Severity.HIGH,
    level=Level.PRODUCTION,
    demands="In a namespace with pods of ours, what no policy allows is denied.",
    remedy="add a NetworkPolicy with an empty podSelector and both policyTypes to its namespace",
)
def default_deny(one: Resource, stack: Stack) -> Iterator[str]:
    """Namespaces with charts only are not judged: who their parts speak to is not ours to know."""
    if pods(one) and not any(
        selects_all(policy)
        and not policy.has("spec.ingress")
        and not policy.has("spec.egress")
        and all(direction in directions(policy) for direction in DIRECTIONS)
        for policy in near(one, stack, NETWORK_POLICY)
    ):
        yield "its namespace allows what no policy speaks of"


@RULES.on(
    ROLES,
    id="kubernetes-role-wildcards",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="Every role names its resources and verbs.",
    remedy="write out apiGroups, resources and verbs in place of *",
    frameworks=("Checkov CKV_K8S_49",),
)
def role_wildcards(one: Resource) -> Iterator[str]:
    """A star also means what a later version of Kubernetes adds."""
    if any("*" in each(rule, name) for rule in one.items("rules") for name in ("apiGroups", "resources", "verbs")):
        yield "it allows everything of a kind"


@RULES.on(
    ROLES,
    id="kubernetes-role-powers",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="No role can make itself more than it is.",
    remedy="take away escalate, bind, impersonate and nodes/proxy, and name the secrets that may be read",
    frameworks=("Checkov CKV_K8S_157", "Checkov CKV_K8S_158"),
)
def role_powers(one: Resource) -> Iterator[str]:
    """Who reads all secrets of a namespace is everybody in it."""
    for rule in one.items("rules"):
        verbs, kinds = each(rule, "verbs"), each(rule, "resources")
        if any(verb in _POWERS for verb in verbs):
            yield "it may give rights to itself"
        elif "secrets" in kinds and not rule.has("resourceNames"):
            yield "it is about all secrets"
        elif "nodes/proxy" in kinds:
            yield "it may run commands in every pod of a node"


@RULES.on(
    BINDINGS,
    id="kubernetes-no-cluster-admin",
    severity=Severity.CRITICAL,
    level=Level.MANDATORY,
    demands="Nobody is made an administrator of the cluster inside it.",
    remedy="bind a Role with the rights that are needed; people get theirs by access entries",
)
def no_cluster_admin(one: Resource) -> Iterator[str]:
    """Access entries are seen in AWS's audit trail; bindings are seen by nobody."""
    if one.get("roleRef.name") in ("cluster-admin", "admin"):
        yield "it makes somebody an administrator"


@RULES.on(
    BINDINGS,
    IDENTITY,
    id="kubernetes-default-account",
    severity=Severity.HIGH,
    level=Level.PRODUCTION,
    demands="The default service account has no rights, in Kubernetes or in AWS.",
    remedy="make a service account for the pods that need the rights",
    frameworks=("Checkov CKV_K8S_42",),
)
def default_account(one: Resource) -> Iterator[str]:
    """Every pod that names no account of its own runs as it."""
    if one.type == IDENTITY:
        found: list[Any] = [one.get("serviceAccount")]
    else:
        subjects = [subject for subject in one.items("subjects") if subject.get("kind") == "ServiceAccount"]
        found = [subject.get("name") for subject in subjects]
    if "default" in found:
        yield "every pod without an account of its own has these rights"


@RULES.on(
    SERVICE,
    id="kubernetes-service-internal",
    severity=Severity.HIGH,
    level=Level.PRODUCTION,
    demands="No Service opens the cluster to the world.",
    remedy="set spec.type to ClusterIP; the stack's load balancer finds pods by TargetGroupBinding",
)
def service_internal(one: Resource) -> Iterator[str]:
    """A load balancer that Kubernetes makes has no firewall, no alarm, and is none of the program's."""
    if one.get("spec.type", "ClusterIP") not in ("ClusterIP", "ExternalName"):
        yield "it can be reached from outside the cluster"


_WHAT: Final = {"Ingress": "get", "Egress": "send"}
