"""Clusters: a private API, encrypted secrets, a full log, a supported version, and named administrators."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from policies.rule import Level, Rules, Severity
from policies.view import Resource, Stack, each

RULES = Rules()
CLUSTER = "aws:eks/cluster:Cluster"
ADDON = "aws:eks/addon:Addon"

LOGS: Final = ("api", "audit", "authenticator", "controllerManager", "scheduler")
OLDEST_MINOR: Final = 34
"""Kubernetes 1.34 leaves standard support on 2 December 2026, 1.33 did on 29 July 2026; as seen in April 2026 at
https://docs.aws.amazon.com/eks/latest/userguide/kubernetes-versions.html. Raise it when a version leaves."""
ZONES: Final = 3


@RULES.on(
    CLUSTER,
    id="eks-endpoint-private",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="A cluster's API is private, or open to named addresses.",
    remedy="set vpcConfig.endpointPublicAccess to false, or publicAccessCidrs to the operators' addresses",
    frameworks=("FSBP EKS.1", "Checkov CKV_AWS_38", "Checkov CKV_AWS_39", "cdk-nag AwsSolutions-EKS1"),
)
def endpoint_private(one: Resource) -> Iterator[str]:
    """AWS's default is public, to the world."""
    if one.get("vpcConfig.endpointPublicAccess") is False:
        return
    open_to = each(one, "vpcConfig.publicAccessCidrs")
    if not open_to or any(str(cidr).endswith("/0") for cidr in open_to):
        yield "its API is open to the internet"


@RULES.on(
    CLUSTER,
    id="eks-secrets-encrypted",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="Kubernetes secrets are encrypted with a key of the account's own.",
    remedy="set encryptionConfig with a key and resources secrets; once on it cannot be changed",
    frameworks=("FSBP EKS.3", "Checkov CKV_AWS_58"),
)
def secrets_encrypted(one: Resource) -> Iterator[str]:
    """Envelope encryption: https://docs.aws.amazon.com/eks/latest/userguide/envelope-encryption.html."""
    if not one.has("encryptionConfig.provider.keyArn") or "secrets" not in each(one, "encryptionConfig.resources"):
        yield "its secrets are not encrypted with a key of ours"


@RULES.on(
    CLUSTER,
    id="eks-control-plane-logs",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="A cluster writes down everything that its control plane can.",
    remedy="name api, audit, authenticator, controllerManager and scheduler in enabledClusterLogTypes",
    frameworks=("FSBP EKS.8", "Checkov CKV_AWS_37", "cdk-nag AwsSolutions-EKS2"),
)
def control_plane_logs(one: Resource) -> Iterator[str]:
    """The frameworks ask for the audit log only."""
    enabled = each(one, "enabledClusterLogTypes")
    missing = [kind for kind in LOGS if kind not in enabled]
    if missing:
        yield f"it writes no log of {', '.join(missing)}"


@RULES.on(
    CLUSTER,
    id="eks-version-supported",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="A cluster's Kubernetes version is named, and in standard support.",
    remedy="set version to a minor version in standard support, one minor a step",
    frameworks=("FSBP EKS.2", "Checkov CKV_AWS_339"),
)
def version_supported(one: Resource) -> Iterator[str]:
    """Unnamed it would be the newest on the day, another one in each region."""
    found = re.fullmatch(r"1\.(\d{1,3})", str(one.get("version")))
    if found is None:
        yield "nothing says which version it is"
    elif int(found[1]) < OLDEST_MINOR:
        yield "its version is out of standard support"


@RULES.on(
    CLUSTER,
    id="eks-standard-support",
    severity=Severity.LOW,
    level=Level.PRODUCTION,
    demands="No cluster stays on an old version for six times the price.",
    remedy="set upgradePolicy.supportType to STANDARD",
)
def standard_support(one: Resource) -> Iterator[str]:
    """0.60 in place of 0.10 USD an hour (https://aws.amazon.com/eks/pricing/); AWS's default is EXTENDED."""
    if one.get("upgradePolicy.supportType") != "STANDARD":
        yield "it would stay on an old version for six times the price"


@RULES.on(
    CLUSTER,
    id="eks-access-entries",
    severity=Severity.HIGH,
    level=Level.PRODUCTION,
    demands="Who may enter a cluster is said by access entries alone.",
    remedy="set accessConfig.authenticationMode to API, and bootstrapClusterCreatorAdminPermissions to false",
)
def access_entries(one: Resource) -> Iterator[str]:
    """A ConfigMap inside the cluster, and whoever created it, would be in nobody's list."""
    if one.get("accessConfig.authenticationMode") != "API":
        yield "a ConfigMap inside says who may enter"
    elif one.get("accessConfig.bootstrapClusterCreatorAdminPermissions") is not False:
        yield "whoever created it administers it for ever"


@RULES.on(
    CLUSTER,
    id="eks-deletion-protection",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="A cluster refuses deletion.",
    remedy="set deletionProtection to true",
)
def deletion_protection(one: Resource) -> Iterator[str]:
    """AWS's default is not to."""
    if one.get("deletionProtection") is not True:
        yield "it can be deleted"


@RULES.between(
    CLUSTER,
    id="eks-zones",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="A cluster stands in private subnets of three zones.",
    remedy="give vpcConfig.subnetIds a private subnet of each of three zones",
)
def zones(one: Resource, stack: Stack) -> Iterator[str]:
    """Which subnets are public, their tag `Tier` says. Subnets that are none of the stack's are not judged."""
    subnets = [source for source in stack.behind(one, "vpcConfig") if source.type == "aws:ec2/subnet:Subnet"]
    if any(subnet.get("tags.Tier") == "public" for subnet in subnets):
        yield "it stands in a public subnet"
    elif subnets and len({str(subnet.get("availabilityZone")) for subnet in subnets}) < ZONES:
        yield "it stands in fewer than three zones"


@RULES.on(
    ADDON,
    id="eks-addon-pinned",
    severity=Severity.LOW,
    level=Level.ADVISORY,
    demands="An add-on's version is named.",
    remedy="set addonVersion to one that fits the cluster's version (aws eks describe-addon-versions)",
)
def addon_pinned(one: Resource) -> Iterator[str]:
    """Unnamed it is the default of the day it was made, another one in each region."""
    if not one.has("addonVersion"):
        yield "nothing says which version it is"
