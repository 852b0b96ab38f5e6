"""A Kubernetes namespace of ours: pod security enforced, and closed until a policy opens it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import pulumi

from components.component import Component, Site
from components.pods import Manifest, metadata
from components.raw import kubernetes_object

SERVICE_CIDR = "172.20.0.0/16"
"""Kubernetes' own addresses, fixed when the cluster is made. Outside of every VPC range of ours."""
DNS_ADDRESS = "172.20.0.10"
"""EKS puts cluster DNS at the tenth address of the service range."""

PodSecurity = Literal["restricted", "privileged"]


@dataclass(frozen=True, kw_only=True, slots=True)
class NamespaceArgs:
    """One namespace.

    Attributes:
        provider: the cluster's.
        namespace: its name, a DNS label.
        pod_security: the Pod Security Standard that pods in it must meet.
        labels: further labels of it, such as the mesh's.
        after: the node pools: pods need them to start, and must be gone before the nodes go.
    """

    provider: pulumi.ProviderResource
    namespace: str
    pod_security: PodSecurity
    labels: Mapping[str, str] = field(default_factory=dict)
    after: Sequence[pulumi.Resource] = ()


class Namespace(Component):
    """The namespace, a policy that denies all traffic both ways, and one that allows cluster DNS.

    Other components add the flows that they need; what nobody states does not pass.
    """

    KIND: ClassVar[str] = "compute:Namespace"

    name: pulumi.Output[str]
    """Depends on the default policies, so that whatever uses the name comes after them."""

    def __init__(self, name: str, site: Site, args: NamespaceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create the namespace."""
        super().__init__(name, site, opts)
        self._args = args
        options = self.child(provider=args.provider, depends_on=list(args.after))
        namespace = kubernetes_object(name, self._namespace(), options)
        policies = [
            kubernetes_object(
                f"{name}-{kind}",
                manifest,
                self.child(provider=args.provider, depends_on=[namespace]),
            )
            for kind, manifest in (("deny", self._deny_all()), ("dns", self._allow_dns()))
        ]
        self.name = pulumi.Output.all(*(policy.metadata for policy in policies)).apply(
            lambda known: str(known[0]["namespace"])
        )
        self.register_outputs({"name": self.name})

    def _namespace(self) -> Manifest:
        """The gate label is EKS Auto Mode's own; it holds a pod unready until its load balancer target is healthy.

        The open-source controller's label is another one. Not in the EKS user guide when looked up; this is
        the selector of Auto Mode's managed webhook as several public repositories report it.
        """
        level = self._args.pod_security
        standard = {f"pod-security.kubernetes.io/{mode}": level for mode in ("enforce", "warn", "audit")}
        return {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": self._args.namespace,
                "labels": {
                    "app.kubernetes.io/part-of": "headroom",
                    "eks.amazonaws.com/pod-readiness-gate-inject": "enabled",
                    **standard,
                    **self._args.labels,
                },
            },
        }

    def _deny_all(self) -> Manifest:
        return self._policy("default-deny", {"policyTypes": ["Ingress", "Egress"]})

    def _allow_dns(self) -> Manifest:
        """By address: in Auto Mode DNS runs on each node, not in pods that a selector could match.

        https://github.com/aws/containers-roadmap/issues/2552
        """
        peers = [{"ipBlock": {"cidr": f"{DNS_ADDRESS}/32"}}]
        ports = [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]
        return self._policy("allow-dns", {"policyTypes": ["Egress"], "egress": [{"to": peers, "ports": ports}]})

    def _policy(self, name: str, spec: Manifest) -> Manifest:
        return {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": metadata(name, self._args.namespace, {"app.kubernetes.io/part-of": "headroom"}),
            "spec": {"podSelector": {}, **spec},
        }
