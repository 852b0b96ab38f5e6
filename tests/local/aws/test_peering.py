"""Two regions' networks become one: what moto and the table must get right together."""

from __future__ import annotations

from typing import Any

from infra.local.aws import KINDS
from infra.local.aws.kind import Context, Values
from tests.local.aws.scene import Scene

CONNECTION = "aws:ec2/vpcPeeringConnection:VpcPeeringConnection"
ACCEPTER = "aws:ec2/vpcPeeringConnectionAccepter:VpcPeeringConnectionAccepter"
OPTIONS = "aws:ec2/peeringConnectionOptions:PeeringConnectionOptions"
VPC = "aws:ec2/vpc:Vpc"
Made = tuple[Any, Context, str, Values]


def _make(context: Context, token: str, **inputs: Any) -> Made:
    return (KINDS[token], context, *KINDS[token].create(context, inputs))


def _peered(scene: Scene) -> tuple[Made, Made]:
    """A connection from us-east-1 to eu-west-1, and its acceptance there."""
    there = scene.context(scene.unique("peering"), "eu-west-1")
    other = _make(there, VPC, cidrBlock="10.66.0.0/16")[2]
    connection = scene.make(CONNECTION, vpcId=scene.vpc, peerVpcId=other, peerRegion="eu-west-1")
    tags = {"Environment": "test"}
    return connection, _make(there, ACCEPTER, vpcPeeringConnectionId=connection[2], autoAccept=True, tags=tags)


def _unchanged(made: Made) -> bool:
    kind, context, id_, outputs = made
    return bool(kind.read(context, id_, outputs) == outputs)


def test_the_other_region_accepts_and_the_requester_sees_no_difference(scene: Scene) -> None:
    connection, accepted = _peered(scene)
    assert accepted[3]["acceptStatus"] == "active"
    assert accepted[3]["vpcId"] == connection[3]["peerVpcId"]
    assert _unchanged(connection)
    assert _unchanged(accepted)


def test_each_side_states_its_own_options_and_keeps_out_of_the_others(scene: Scene) -> None:
    connection, accepted = _peered(scene)
    resolves = {"allowRemoteVpcDnsResolution": True}
    here = scene.make(OPTIONS, vpcPeeringConnectionId=connection[2], requester=resolves)
    there = _make(accepted[1], OPTIONS, vpcPeeringConnectionId=connection[2], accepter=resolves)
    assert "accepter" not in here[3]
    assert "requester" not in there[3]
    assert all(_unchanged(made) for made in (connection, accepted, here, there))


def test_a_route_leads_over_the_connection(scene: Scene) -> None:
    connection, _ = _peered(scene)
    route = scene.make(
        "aws:ec2/route:Route",
        routeTableId=scene.route_table,
        destinationCidrBlock="10.66.0.0/16",
        vpcPeeringConnectionId=connection[2],
    )
    assert _unchanged(route)
    route[0].delete(*route[1:])
    assert route[0].read(*route[1:]) is None


def test_a_deleted_connection_is_gone_on_both_sides(scene: Scene) -> None:
    connection, accepted = _peered(scene)
    accepted[0].delete(*accepted[1:])
    connection[0].delete(*connection[1:])
    assert connection[0].read(*connection[1:]) is None
    assert accepted[0].read(*accepted[1:]) is None
