"""Istio in ambient mode: pods speak mutual TLS through a proxy on their node, and need no sidecar for it.

Ambient because pods stay as they are: the `restricted` standard admits them, and a release of the mesh restarts none.
Never run against a cluster here. The CNI part writes to the node (`/opt/cni/bin`, `/etc/cni/net.d`). On Bottlerocket
these files are gone after a reboot (https://github.com/istio/istio/issues/55968); whether Auto Mode's nodes, which are
Bottlerocket, let them be written at all is unverified: try it on staging before a phase turns the mesh on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pulumi

from components.component import Component, Site
from components.pods import APP_PORT, metadata
from components.raw import KubernetesObject, helm_release, kubernetes_object

VERSION = "1.29.2"
"""Of all charts. Supports Kubernetes 1.31 to 1.35 (by Istio's rule of five minors; not looked up for this patch)."""
REPOSITORY = "https://istio-release.storage.googleapis.com/charts"
"""Pulumi's provider renders charts in a preview too, so whoever runs one must reach it."""
NAMESPACE = "istio-system"
AMBIENT_LABEL = {"istio.io/dataplane-mode": "ambient"}
"""Label of a namespace whose pods are in the mesh."""
TUNNEL_PORT = 15_008
"""Where a pod in the mesh takes traffic of the others (HBONE): each network policy between them must open it too."""
PROBE_ADDRESS = "169.254.7.127/32"
"""From where the kubelet's probes seem to come in ambient mode: https://istio.io/latest/docs/ambient/usage/networkpolicy/."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MeshArgs:
    """One cluster's mesh.

    Attributes:
        provider: the cluster's.
        namespace: of the application, labelled with `AMBIENT_LABEL`; it must exist.
        after: the node pools: releases wait for their pods.
    """

    provider: pulumi.ProviderResource
    namespace: pulumi.Input[str]
    after: Sequence[pulumi.Resource]


class Mesh(Component):
    """Istio's four charts in a namespace of their own, and strict mutual TLS in the application's."""

    KIND: ClassVar[str] = "compute:Mesh"

    def __init__(self, name: str, site: Site, args: MeshArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Install the mesh, its definitions first."""
        super().__init__(name, site, opts)
        self._name, self._args = name, args
        namespace = self._create_namespace()
        base = self._install("base", "base", {}, [namespace])
        control = self._install("istiod", "istiod", _CONTROL, [base])
        nodes = self._install("cni", "cni", {"profile": "ambient"}, [base])
        tunnel = self._install("ztunnel", "ztunnel", _TUNNEL, [control, nodes])
        self._require_encryption([tunnel])
        self.register_outputs({})

    def _create_namespace(self) -> KubernetesObject:
        """Privileged: the node's parts change the network of other pods."""
        standard = {f"pod-security.kubernetes.io/{mode}": "privileged" for mode in ("enforce", "warn", "audit")}
        manifest = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": NAMESPACE, "labels": {"app.kubernetes.io/part-of": "headroom", **standard}},
        }
        options = self.child(provider=self._args.provider, depends_on=list(self._args.after))
        return kubernetes_object(f"{self._name}-namespace", manifest, options)

    def _install(
        self, suffix: str, chart: str, values: Mapping[str, Any], depends_on: list[pulumi.Resource]
    ) -> pulumi.Resource:
        return helm_release(
            f"{self._name}-{suffix}",
            release=f"istio-{suffix}" if suffix in {"base", "cni"} else suffix,
            namespace=NAMESPACE,
            chart=chart,
            version=VERSION,
            repository=REPOSITORY,
            values=values,
            opts=self.child(provider=self._args.provider, depends_on=depends_on),
        )

    def _require_encryption(self, depends_on: list[pulumi.Resource]) -> None:
        """Strict, but for the port that the load balancer and the collector of metrics reach: they are outside.

        On that port pods still encrypt for one another, and network policies say who else comes in.
        """
        part_of = {"app.kubernetes.io/part-of": "headroom"}
        policies: Mapping[str, dict[str, Any]] = {
            "strict": {"mtls": {"mode": "STRICT"}},
            # A policy about ports needs a selector: every pod of ours has this label.
            "entrance": {
                "selector": {"matchLabels": part_of},
                "mtls": {"mode": "STRICT"},
                "portLevelMtls": {str(APP_PORT): {"mode": "PERMISSIVE"}},
            },
        }
        for name, spec in policies.items():
            manifest = {
                "apiVersion": "security.istio.io/v1",
                "kind": "PeerAuthentication",
                "metadata": metadata("default" if name == "strict" else name, self._args.namespace, part_of),
                "spec": spec,
            }
            options = self.child(provider=self._args.provider, depends_on=depends_on)
            kubernetes_object(f"{self._name}-{name}", manifest, options)


_CONTROL = {
    "profile": "ambient",
    "autoscaleMin": 2,
    "resources": {"requests": {"cpu": "250m", "memory": "1Gi"}},
    "meshConfig": {"accessLogFile": ""},
}
_TUNNEL = {"resources": {"requests": {"cpu": "100m", "memory": "256Mi"}}}
