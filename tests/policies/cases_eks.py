"""Rules about clusters."""

from __future__ import annotations

from policies.rules import eks
from tests.policies.cases import GONE, PREFIX, Case, made
from tests.policies.cases_vpc import NETWORK_1M

SUBNET = "aws:ec2/subnet:Subnet"
PROPS = {
    "accessConfig": {"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": False},
    "deletionProtection": True,
    "enabledClusterLogTypes": list(eks.LOGS),
    "encryptionConfig": {"provider": {"keyArn": "arn"}, "resources": ["secrets"]},
    "upgradePolicy": {"supportType": "STANDARD"},
    "version": "1.35",
    "vpcConfig": {"endpointPublicAccess": True, "publicAccessCidrs": ["203.0.113.7/32"]},
}
GOOD = [made(eks.CLUSTER, "cluster", PROPS)]

CASES = [
    Case(
        rule="eks-endpoint-private",
        good=GOOD,
        path="vpcConfig.publicAccessCidrs",
        broken=[["0.0.0.0/0"], ["203.0.113.7/32", "::/0"], [], GONE],
        absent="broken",
        unknown="undecided",
        shipped_path="vpcConfig.endpointPublicAccess",
        shipped_value=True,
    ),
    Case(
        rule="eks-secrets-encrypted",
        good=GOOD,
        path="encryptionConfig.resources",
        broken=[[], GONE],
        absent="broken",
        unknown="undecided",
        shipped_path="encryptionConfig.provider.keyArn",
        shipped_value="",
    ),
    Case(
        rule="eks-control-plane-logs",
        good=GOOD,
        path="enabledClusterLogTypes",
        broken=[["audit"], [], GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="eks-version-supported",
        good=GOOD,
        path="version",
        broken=["1.33", "1.9", "latest", GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="eks-standard-support",
        good=GOOD,
        path="upgradePolicy.supportType",
        broken=["EXTENDED", GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="eks-access-entries",
        good=GOOD,
        path="accessConfig.authenticationMode",
        broken=["API_AND_CONFIG_MAP", "CONFIG_MAP", GONE],
        absent="broken",
        unknown="undecided",
        shipped_path="accessConfig.bootstrapClusterCreatorAdminPermissions",
        shipped_value=True,
    ),
    Case(
        rule="eks-deletion-protection",
        good=GOOD,
        path="deletionProtection",
        broken=[False, GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="eks-zones",
        good=[
            made(eks.CLUSTER, "cluster", PROPS, sources={"vpcConfig": [f"{SUBNET}::{zone}" for zone in "abc"]}),
            *(
                made(SUBNET, zone, {"availabilityZone": f"us-east-1{zone}", "tags": {"Tier": "private"}})
                for zone in "abc"
            ),
            made(SUBNET, "public", {"availabilityZone": "us-east-1a", "tags": {"Tier": "public"}}),
        ],
        path="@sources.vpcConfig",
        broken=[
            tuple(f"{PREFIX}{SUBNET}::{zone}" for zone in "ab"),
            tuple(f"{PREFIX}{SUBNET}::{zone}" for zone in ("a", "b", "c", "public")),
        ],
        absent="fine",
        unknown="fine",
        shipped_value=(f"{NETWORK_1M}{SUBNET}::us-east-1-network-private-a",),
    ),
    Case(
        rule="eks-addon-pinned",
        good=[made(eks.ADDON, "metrics-server", {"addonVersion": "v0.8.1-eksbuild.5"})],
        path="addonVersion",
        broken=["", GONE],
        absent="broken",
        unknown="fine",
    ),
]
