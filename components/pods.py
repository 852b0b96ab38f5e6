"""What every pod of ours has in common: labels, restricted security, drain, spread, where to trust RDS from.

Manifests are plain dictionaries, since the typed SDK costs half a second a Kubernetes group to import;
tests check each field against it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import pulumi

ROLE_LABEL = "headroom/role"
"""What a pod of the application does, whatever its colour."""
APP_PORT = 8080
"""Container, Service and target port of the application. Service and container port must be equal: EKS
network policies are enforced on the pod's port (EKS user guide, "Limit Pod traffic with network policies")."""
GRPC_PORT = 50_051
"""Of the services, for one another; the load balancer speaks HTTP to `APP_PORT` only."""
USER_ID = 65_532
"""The non-root user of distroless images, as user, group and volume group."""
PRE_STOP_SECONDS = 15
"""How long a pod goes on serving after it left the endpoints, until every load balancer has seen it."""
RDS_TRUST_IMAGE = (
    "docker.io/curlimages/curl:8.21.0@sha256:7c12af72ceb38b7432ab85e1a265cff6ae58e06f95539d539b654f2cfa64bb13"
)
"""Manifest list of curl 8.21.0. The digest is as public repositories pin it; it was not pulled here."""
RDS_TRUST_FILE = "/var/run/rds/ca.pem"
"""Where pods that speak to RDS itself find its certificate authorities."""

Manifest = dict[str, Any]


def labels(name: str, component: str) -> dict[str, str]:
    """Kubernetes' recommended labels; Services, policies and budgets select by the same ones."""
    return {
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/part-of": "headroom",
    }


def selector(name: str, component: str | None = None) -> dict[str, str]:
    """The part of `labels` that selects: all pods of `name`, or one component's."""
    chosen = {"app.kubernetes.io/name": name}
    return chosen if component is None else {**chosen, "app.kubernetes.io/component": component}


def metadata(
    name: str,
    namespace: pulumi.Input[str],
    name_labels: Mapping[str, str],
    annotations: Mapping[str, pulumi.Input[str]] | None = None,
) -> Manifest:
    """`metadata` of an object; its name is fixed, so that what refers to it need not change with it."""
    result: Manifest = {"name": name, "namespace": namespace, "labels": dict(name_labels)}
    return result if annotations is None else {**result, "annotations": dict(annotations)}


def restricted_pod(user_id: int = USER_ID) -> Manifest:
    """Pod security context of the `restricted` Pod Security Standard."""
    return {
        "runAsNonRoot": True,
        "runAsUser": user_id,
        "runAsGroup": user_id,
        "fsGroup": user_id,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def restricted_container() -> Manifest:
    """Container security context of the `restricted` standard, and a file system that cannot be written."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def resources(cpu_millicores: int, memory_mib: int) -> Manifest:
    """Memory limit equals the request; there is no CPU limit, throttling would hurt the p95 first."""
    return {
        "requests": {"cpu": f"{cpu_millicores}m", "memory": f"{memory_mib}Mi", "ephemeral-storage": "64Mi"},
        "limits": {"memory": f"{memory_mib}Mi", "ephemeral-storage": "256Mi"},
    }


def drain(seconds: int = PRE_STOP_SECONDS) -> Manifest:
    """`lifecycle` that keeps serving while load balancers forget the pod; needs no shell (Kubernetes 1.34)."""
    return {"preStop": {"sleep": {"seconds": seconds}}}


def spread(match: Mapping[str, str]) -> list[Manifest]:
    """Over zones, then over nodes.

    `ScheduleAnyway`, because with `DoNotSchedule` a failed zone would keep the others from taking its
    pods; the node autoscaler tries to honour it all the same.
    """
    return [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": dict(match)},
            "matchLabelKeys": ["pod-template-hash"],
        }
        for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
    ]


def disruption_budget(
    name: str, namespace: pulumi.Input[str], name_labels: Mapping[str, str], match: Mapping[str, str]
) -> Manifest:
    """A quarter may be evicted at once (rounded up, so one of two); pods that are broken anyway always may."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(name, namespace, name_labels),
        "spec": {
            "maxUnavailable": "25%",
            "selector": {"matchLabels": dict(match)},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }


def service(
    name: str,
    namespace: pulumi.Input[str],
    name_labels: Mapping[str, str],
    match: Mapping[str, str],
    port: int,
    *,
    grpc: bool = False,
) -> Manifest:
    """A ClusterIP Service on `port`, and on `GRPC_PORT` if `grpc`; Pulumi does not wait for it.

    Its pods come after it (readiness gates are only put into pods that are created once the Service and
    the target group binding exist), while Pulumi would wait for endpoints first.
    """
    ports = {"main": port, **({"grpc": GRPC_PORT} if grpc else {})}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(name, namespace, name_labels, {"pulumi.com/skipAwait": "true"}),
        "spec": {
            "type": "ClusterIP",
            "selector": dict(match),
            "ports": [
                {"name": key, "port": number, "targetPort": number, "protocol": "TCP"} for key, number in ports.items()
            ],
        },
    }


def fingerprint(values: Mapping[str, pulumi.Input[str]]) -> pulumi.Output[str]:
    """Twelve hex digits that change when a value does: as an annotation they restart the pods.

    Never of secrets: annotations are plain text. For those, the ids of their versions.
    """
    rendered = pulumi.Output.json_dumps(dict(values), sort_keys=True)
    return rendered.apply(lambda text: sha256(text.encode()).hexdigest()[:12])


def rds_trust(region: str) -> tuple[Sequence[Manifest], Sequence[Manifest], Sequence[Manifest]]:
    """Init container, volume and mount that bring RDS's certificate authorities to `RDS_TRUST_FILE`.

    RDS's certificates are signed by authorities of its own, which no base image has, so each pod fetches
    the region's bundle from AWS over public TLS when it starts: a new authority needs no release of ours.
    Pods that run are not touched when the bundle's host is away; only new ones wait.
    """
    mount = {"name": "rds-trust", "mountPath": RDS_TRUST_FILE.rpartition("/")[0]}
    container = {
        "name": "rds-trust",
        "image": RDS_TRUST_IMAGE,
        "command": [
            "curl",
            "--fail",
            "--silent",
            "--show-error",
            "--proto",
            "=https",
            "--tlsv1.2",
            "--retry",
            "5",
            "--retry-all-errors",
            "--max-time",
            "60",
            "--output",
            RDS_TRUST_FILE,
            f"https://truststore.pki.rds.amazonaws.com/{region}/{region}-bundle.pem",
        ],
        "resources": resources(10, 32),
        "securityContext": restricted_container(),
        "volumeMounts": [mount],
    }
    volume = {"name": "rds-trust", "emptyDir": {"sizeLimit": "1Mi"}}
    return [container], [volume], [{**mount, "readOnly": True}]


def scraped(port: int) -> dict[str, str]:
    """Annotations that a pod's metrics are found by (see `components.prometheus`)."""
    return {"prometheus.io/scrape": "true", "prometheus.io/port": str(port), "prometheus.io/path": "/metrics"}
