"""The custom resource definitions that a cluster of ours has.

From upstream, pinned in tools/cluster/crds/go.mod: Karpenter's NodePool (1.9 is the first for Kubernetes 1.35; which
one Auto Mode runs is not published), and Istio's of the charts' own version.

By hand, since AWS publishes none of Auto Mode's: NodeClass is what the user guide lists, and TargetGroupBinding has the
open-source controller's fields, with `targetType` required. What either refuses beyond that is unknown here.
"""

from collections.abc import Mapping
from typing import Any

import yaml

from tools.cluster.build import Cluster

GROUP = "eks.amazonaws.com"
_TEXT = {"type": "string"}
_FLAG = {"type": "boolean"}


def auto_mode(cluster: Cluster) -> list[dict[str, Any]]:
    """What an Auto Mode cluster has from its first minute."""
    return [_upstream(cluster, "node-pools", "NodePool"), _node_class(), _target_group_binding()]


def istio(cluster: Cluster) -> list[dict[str, Any]]:
    """What Istio's base chart brings, as far as this stack uses it."""
    return [_upstream(cluster, "istio", "PeerAuthentication")]


def _upstream(cluster: Cluster, name: str, kind: str) -> dict[str, Any]:
    """Only its own document is parsed: all of Istio's take seconds."""
    documents = cluster.definitions(name).read_text().split("\n---\n")
    definition: dict[str, Any] = yaml.safe_load(next(one for one in documents if f"\n    kind: {kind}\n" in one))
    return definition


def _target_group_binding() -> dict[str, Any]:
    """Under Auto Mode's own group: https://docs.aws.amazon.com/eks/latest/userguide/auto-configure-alb.html.

    Fields: https://github.com/kubernetes-sigs/aws-load-balancer-controller. Without `networking`, because the security
    group rules are ours.
    """
    spec = _object(
        {
            "serviceRef": _object(
                {"name": _TEXT, "port": {"x-kubernetes-int-or-string": True}}, required=["name", "port"]
            ),
            "targetGroupARN": _TEXT,
            "targetGroupName": _TEXT,
            "targetType": _one_of("instance", "ip"),
            "ipAddressType": _one_of("ipv4", "ipv6"),
            "multiClusterTargetGroup": _FLAG,
            "vpcID": _TEXT,
        },
        required=["serviceRef", "targetType"],
    )
    return _definition("TargetGroupBinding", "targetgroupbindings", "Namespaced", spec)


def _node_class() -> dict[str, Any]:
    """Fields and bounds: https://docs.aws.amazon.com/eks/latest/userguide/create-node-class.html."""
    tags = {"type": "object", "additionalProperties": _TEXT}
    selector = _list_of(_object({"id": _TEXT, "name": _TEXT, "tags": tags}))
    spec = _object(
        {
            "role": _TEXT,
            "instanceProfile": _TEXT,
            "subnetSelectorTerms": selector,
            "securityGroupSelectorTerms": selector,
            "podSubnetSelectorTerms": selector,
            "podSecurityGroupSelectorTerms": selector,
            "capacityReservationSelectorTerms": _list_of(_object({"id": _TEXT, "owner": _TEXT, "tags": tags})),
            "snatPolicy": _one_of("Random", "Disabled"),
            "networkPolicy": _one_of("DefaultAllow", "DefaultDeny"),
            "networkPolicyEventLogs": _one_of("Enabled", "Disabled"),
            "ephemeralStorage": _object(
                {
                    "size": {"type": "string", "pattern": r"^[0-9]+(Gi|G|Ti|T)$"},
                    "iops": {"type": "integer", "minimum": 3000, "maximum": 16_000},
                    "throughput": {"type": "integer", "minimum": 125, "maximum": 1000},
                    "kmsKeyID": _TEXT,
                }
            ),
            "advancedNetworking": _object(
                {
                    "associatePublicIPAddress": _FLAG,
                    "httpsProxy": _TEXT,
                    "noProxy": _list_of(_TEXT),
                    "ipv4PrefixSize": _one_of("Auto", "32"),
                    "enableV4Egress": _FLAG,
                }
            ),
            "advancedSecurity": _object({"fips": _FLAG}),
            "certificateBundles": _list_of(_object({"name": _TEXT, "data": _TEXT})),
            "tags": tags,
        },
        required=["subnetSelectorTerms", "securityGroupSelectorTerms"],
    )
    return _definition("NodeClass", "nodeclasses", "Cluster", spec)


def _definition(kind: str, plural: str, scope: str, spec: dict[str, Any]) -> dict[str, Any]:
    schema = {"openAPIV3Schema": _object({"spec": spec}, required=["spec"])}
    versions = [{"name": "v1", "served": True, "storage": True, "schema": schema}]
    names = {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {"group": GROUP, "names": names, "scope": scope, "versions": versions},
    }


def _object(properties: Mapping[str, Any], required: list[str] | None = None) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": dict(properties)}
    return {**schema, "required": required} if required else schema


def _list_of(items: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": dict(items)}


def _one_of(*values: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(values)}
