"""Rules about pods, and about what stands around them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from policies.manifests import AUTOSCALER, DEPLOYMENT, NAMESPACE, NETWORK_POLICY
from policies.rules import kubernetes_access as access
from policies.rules import kubernetes_fleet as fleet
from policies.rules.kubernetes_access import STANDARD
from policies.view import Resource
from tests.policies.cases import GONE, Case, made

LABELS = {"app.kubernetes.io/name": "app"}
PLACE = {"name": "api", "namespace": "headroom", "labels": LABELS}
READY = {"httpGet": {"path": "/ready"}}
RESOURCES = {
    "requests": {"cpu": "100m", "memory": "64Mi", "ephemeral-storage": "64Mi"},
    "limits": {"memory": "64Mi", "ephemeral-storage": "64Mi"},
}
CONTAINER = {
    "name": "app",
    "image": f"registry.example.com/app@sha256:{'0' * 64}",
    "livenessProbe": {"httpGet": {"path": "/health"}, "periodSeconds": 10},
    "readinessProbe": READY,
    "resources": RESOURCES,
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    },
}
POD = {
    "automountServiceAccountToken": False,
    "containers": [CONTAINER],
    "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
    "topologySpreadConstraints": [{"topologyKey": "topology.kubernetes.io/zone"}],
}
WITHIN = "spec.template.spec"
FIRST = f"{WITHIN}.containers.0"
SELECTOR = {"matchLabels": LABELS}


def deployment(**spec: Any) -> Resource:
    """A Deployment that keeps all rules."""
    template = {"metadata": {"labels": LABELS}, "spec": POD}
    return made(DEPLOYMENT, "us-east-1-api", {"metadata": PLACE, "spec": {"template": template, **spec}})


def manifest(token: str, **spec: Any) -> Resource:
    """Another object of the same namespace and cluster."""
    return made(token, "us-east-1-api", {"metadata": PLACE, "spec": spec})


SCALER = manifest(AUTOSCALER, scaleTargetRef={"name": "api"}, minReplicas=2, maxReplicas=9)
BUDGET = manifest(fleet.BUDGET, selector=SELECTOR, maxUnavailable="25%")
POLICY = manifest(NETWORK_POLICY, podSelector=SELECTOR, policyTypes=["Ingress", "Egress"])
DENY = manifest(NETWORK_POLICY, podSelector={}, policyTypes=["Ingress", "Egress"])
ROLE = "kubernetes:rbac.authorization.k8s.io/v1:Role"
BINDING = "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding"
READER = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}


def pod_case(
    rule: str, path: str, broken: Sequence[Any], absent: Literal["broken", "fine"] = "broken", shipped: Any = None
) -> Case:
    """A rule about what stands in a pod; `shipped` is the value to break a shipped one with, when it is another."""
    return Case(
        rule=rule,
        good=[deployment()],
        path=path,
        broken=broken,
        absent=absent,
        unknown="undecided",
        shipped="us-east-1-app-api-blue",
        shipped_value=shipped,
    )


CASES = [
    pod_case("kubernetes-not-privileged", f"{FIRST}.securityContext.privileged", [True], "fine"),
    pod_case("kubernetes-host-namespaces", f"{WITHIN}.hostNetwork", [True], "fine"),
    pod_case(
        "kubernetes-host-path",
        f"{WITHIN}.volumes",
        [[{"name": "all", "hostPath": {"path": "/"}}], [{"name": "logs", "hostPath": {"path": "/var/log"}}]],
        "fine",
    ),
    pod_case("kubernetes-non-root", f"{WITHIN}.securityContext.runAsNonRoot", [False, GONE]),
    pod_case("kubernetes-no-escalation", f"{FIRST}.securityContext.allowPrivilegeEscalation", [True, GONE]),
    pod_case(
        "kubernetes-capabilities",
        f"{FIRST}.securityContext.capabilities",
        [{"drop": ["NET_RAW"]}, {"drop": ["ALL"], "add": ["SYS_ADMIN"]}, GONE],
    ),
    pod_case("kubernetes-seccomp", f"{WITHIN}.securityContext.seccompProfile", [{"type": "Unconfined"}, GONE]),
    pod_case("kubernetes-read-only", f"{FIRST}.securityContext.readOnlyRootFilesystem", [False, GONE]),
    pod_case("kubernetes-resources", f"{FIRST}.resources", [{**RESOURCES, "limits": {"cpu": "1"}}, {}, GONE]),
    pod_case("kubernetes-probes", f"{FIRST}.livenessProbe", [READY, {}, GONE], shipped=GONE),
    pod_case(
        "kubernetes-image-pinned",
        f"{FIRST}.image",
        ["example.com/app:latest", "example.com/app:1.0", f"app@sha256:{'0' * 63}", GONE],
    ),
    pod_case("kubernetes-secrets-as-files", f"{FIRST}.envFrom", [[{"secretRef": {"name": "app"}}]], "fine"),
    pod_case("kubernetes-no-api-token", f"{WITHIN}.automountServiceAccountToken", [True, GONE]),
    pod_case("kubernetes-spread", f"{WITHIN}.topologySpreadConstraints", [[{"topologyKey": "rack"}], [], GONE]),
    Case(
        rule="kubernetes-disruption-budget",
        good=[deployment(), SCALER, BUDGET],
        path="spec.template.metadata.labels",
        broken=[{}, {"app.kubernetes.io/name": "other"}, GONE],
        absent="broken",
        unknown="undecided",
        shipped="us-east-1-app-api-blue",
    ),
    Case(
        rule="kubernetes-budget-lets-go",
        good=[BUDGET],
        path="spec.maxUnavailable",
        broken=[0, "0%"],
        absent="fine",
        unknown="undecided",
    ),
    Case(
        rule="kubernetes-autoscaler-target",
        good=[SCALER, deployment()],
        path="spec.scaleTargetRef.name",
        broken=["nothing", GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="kubernetes-replicas-owned-once",
        good=[deployment(), SCALER],
        path="spec.replicas",
        broken=[2, 0],
        absent="fine",
        unknown="undecided",
        shipped="us-east-1-app-api-blue",
    ),
    Case(
        rule="kubernetes-chart-pinned",
        good=[made(fleet.RELEASE, "mesh", {"version": "1.29.2"})],
        path="version",
        broken=["^1.29", "1.x", "", GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="kubernetes-mesh-strict",
        good=[manifest(fleet.PEER_AUTHENTICATION, mtls={"mode": "STRICT"})],
        path="spec.mtls.mode",
        broken=["PERMISSIVE", GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="kubernetes-namespace-standard",
        good=[
            made(NAMESPACE, "us-east-1-app", {"metadata": {"name": "headroom", "labels": {STANDARD: "restricted"}}}),
            deployment(),
        ],
        path="metadata.labels",
        broken=[{}, {STANDARD: "privileged"}, {STANDARD: "none"}, GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="kubernetes-own-namespace",
        good=[manifest(access.SERVICE)],
        path="metadata.namespace",
        broken=["default", "", GONE],
        absent="broken",
        unknown="undecided",
        shipped="us-east-1-pooler-writer-service",
    ),
    Case(
        rule="kubernetes-network-policy",
        good=[deployment(), POLICY],
        path="spec.template.metadata.labels",
        broken=[{}, {"app.kubernetes.io/name": "other"}, GONE],
        absent="broken",
        unknown="undecided",
        shipped="us-east-1-app-migration",
        shipped_path="metadata.namespace",
        shipped_value="elsewhere",
        also=frozenset({"kubernetes-default-deny"}),
    ),
    Case(
        rule="kubernetes-default-deny",
        good=[deployment(), DENY, POLICY],
        path="metadata.namespace",
        broken=["elsewhere"],
        absent="broken",
        unknown="undecided",
        shipped="us-east-1-app-migration",
        also=frozenset({"kubernetes-network-policy"}),
    ),
    Case(
        rule="kubernetes-role-wildcards",
        good=[made(ROLE, "us-east-1-api", {"rules": [READER]})],
        path="rules",
        broken=[[{**READER, "verbs": ["*"]}], [READER, {**READER, "resources": ["*"]}], [{**READER, "apiGroups": "*"}]],
        absent="fine",
        unknown="undecided",
    ),
    Case(
        rule="kubernetes-role-powers",
        good=[made(ROLE, "us-east-1-api", {"rules": [READER]})],
        path="rules",
        broken=[
            [{**READER, "verbs": ["escalate"]}],
            [READER, {**READER, "resources": ["secrets"]}],
            [{**READER, "resources": ["nodes/proxy"]}],
        ],
        absent="fine",
        unknown="undecided",
    ),
    Case(
        rule="kubernetes-no-cluster-admin",
        good=[made(BINDING, "us-east-1-api", {"roleRef": {"name": "api"}})],
        path="roleRef.name",
        broken=["cluster-admin"],
        absent="fine",
        unknown="undecided",
    ),
    Case(
        rule="kubernetes-default-account",
        good=[made(access.IDENTITY, "us-east-1-api", {"serviceAccount": "api"})],
        path="serviceAccount",
        broken=["default"],
        absent="fine",
        unknown="undecided",
    ),
    Case(
        rule="kubernetes-service-internal",
        good=[manifest(access.SERVICE, type="ClusterIP")],
        path="spec.type",
        broken=["LoadBalancer", "NodePort"],
        absent="fine",
        unknown="undecided",
    ),
]
