"""Cases of the connections between networks."""

from __future__ import annotations

from collections.abc import Mapping

from infra.local.aws.kind import Values
from tests.local.aws.case import Case, case, same
from tests.local.aws.scene import Scene


def _connection(scene: Scene) -> Values:
    other = scene.make("aws:ec2/vpc:Vpc", cidrBlock="10.9.0.0/16")[2]
    return {"vpcId": scene.vpc, "peerVpcId": other, "peerRegion": "us-east-1"}


def _requested(scene: Scene) -> Values:
    made = scene.make("aws:ec2/vpcPeeringConnection:VpcPeeringConnection", **_connection(scene))
    return {"vpcPeeringConnectionId": made[2]}


PEERING: Mapping[str, Case] = {
    "aws:ec2/vpcPeeringConnection:VpcPeeringConnection": case(_connection, tags=True),
    "aws:ec2/vpcPeeringConnectionAccepter:VpcPeeringConnectionAccepter": case(
        lambda scene: {**_requested(scene), "autoAccept": False},
        same(autoAccept=True),
        "acceptStatus",
        tags=True,
        stays=True,
    ),
    "aws:ec2/peeringConnectionOptions:PeeringConnectionOptions": case(
        lambda scene: {**_requested(scene), "requester": {"allowRemoteVpcDnsResolution": False}},
        same(requester={"allowRemoteVpcDnsResolution": True}),
        "requester",
        stays=True,
    ),
}
