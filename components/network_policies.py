"""Network policies as one-line rules: who may reach whom on which port."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi

from components.pods import Manifest, metadata

POD_IDENTITY_AGENT = "169.254.170.23/32"
"""Where pods fetch AWS credentials, on port 80 (EKS user guide, "EKS Pod Identity considerations")."""
MESH_PORT = 15_008
"""Pods of the mesh speak mutual TLS to one another on this port, whatever the one they call; network policies see
no other. https://istio.io/latest/docs/ambient/usage/networkpolicy"""
MESH_PROBES = "169.254.7.127/32"
"""Where the kubelet's probes seem to come from once a pod is in the mesh (the same page)."""


def pods(match: Mapping[str, str]) -> Manifest:
    """Peer: pods of the same namespace.

    For a flow to a Service, `match` must be a part of the Service's selector: EKS's policy controller finds
    the ClusterIPs to open by matching the peer against Service selectors.
    """
    return {"podSelector": {"matchLabels": dict(match)}}


def namespace_pods(namespace: str) -> Manifest:
    """Peer: every pod of another namespace."""
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}


def addresses(cidr: pulumi.Input[str]) -> Manifest:
    """Peer: an address range."""
    return {"ipBlock": {"cidr": cidr}}


def flow(peers: Sequence[Manifest], *ports: int, inbound: bool = False) -> Manifest:
    """A rule of `policy`: TCP from (or to) any of `peers` on any of `ports`."""
    return {"from" if inbound else "to": list(peers), "ports": [{"protocol": "TCP", "port": port} for port in ports]}


def aws_access() -> list[Manifest]:
    """Outbound: credentials from the node's agent, and HTTPS. AWS's addresses are too many to list."""
    return [flow([addresses(POD_IDENTITY_AGENT)], 80), https()]


def https() -> Manifest:
    """Outbound: HTTPS to anywhere."""
    return flow([addresses("0.0.0.0/0")], 443)


def policy(
    name: str,
    namespace: pulumi.Input[str],
    name_labels: Mapping[str, str],
    match: Mapping[str, str],
    *,
    inbound: Sequence[Manifest] = (),
    outbound: Sequence[Manifest] = (),
) -> Manifest:
    """Open `inbound` and `outbound` for the pods that `match`; the namespace denies everything else."""
    types = [kind for kind, rules in (("Ingress", inbound), ("Egress", outbound)) if rules]
    spec: Manifest = {"podSelector": {"matchLabels": dict(match)}, "policyTypes": types}
    if inbound:
        spec["ingress"] = list(inbound)
    if outbound:
        spec["egress"] = list(outbound)
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(name, namespace, name_labels),
        "spec": spec,
    }
