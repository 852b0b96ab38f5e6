"""Rules about networks."""

from __future__ import annotations

from policies.rules import vpc
from policies.view import Resource
from tests.policies.cases import GONE, PREFIX, Case, made

NOBODYS = f"{PREFIX}nobodys"
"""As another URN: nothing of the stack refers to the resource any more."""
OF_THE_VPC = {"vpcId": [f"{vpc.VPC}::net"]}
VPC_RULES = frozenset({"vpc-flow-log", "vpc-default-group-adopted", "vpc-s3-endpoint"})
NETWORK_1M = "urn:pulumi:1m::headroom::headroom:region:Region$headroom:network:Network$"
TO_THE_TABLE = [f"{vpc.ROUTE_TABLE}::table"]
HTTPS = {"ipProtocol": "tcp", "fromPort": 443, "toPort": 443, "cidrIpv4": "10.0.0.0/16"}


def subnet(zone: str, tier: str) -> Resource:
    """A subnet, called after its tier."""
    return made(vpc.SUBNET, tier, {"availabilityZone": f"us-east-1{zone}", "tags": {"Tier": tier}})


def table_of(tier: str) -> list[Resource]:
    """A route table, and the subnet of this tier in it."""
    sources = {"routeTableId": TO_THE_TABLE, "subnetId": [f"{vpc.SUBNET}::{tier}"]}
    return [made(vpc.ROUTE_TABLE, "table"), made(vpc.ASSOCIATION, "table", sources=sources), subnet("a", tier)]


def gateway(zone: str, phase: str = "1m") -> list[Resource]:
    """A NAT gateway, called after its zone, and its subnet."""
    return [
        made(vpc.NAT_GATEWAY, zone, {"tags": {"Phase": phase}}, sources={"subnetId": [f"{vpc.SUBNET}::public-{zone}"]}),
        made(vpc.SUBNET, f"public-{zone}", {"availabilityZone": f"us-east-1{zone}"}),
    ]


CASES = [
    Case(
        rule="vpc-flow-log",
        good=[
            made(vpc.VPC, "net"),
            made(vpc.FLOW_LOG, "net", {"trafficType": "REJECT", "logDestination": "arn"}, sources=OF_THE_VPC),
        ],
        path="@urn",
        broken=[NOBODYS],
        absent="broken",
        unknown="fine",
        also=VPC_RULES - {"vpc-flow-log"},
    ),
    Case(
        rule="vpc-default-group-empty",
        good=[made(vpc.DEFAULT_GROUP, "net", {"ingress": [], "egress": []})],
        path="ingress",
        broken=[[{"protocol": "-1", "self": True}]],
        absent="fine",
        unknown="undecided",
    ),
    Case(
        rule="vpc-default-group-adopted",
        good=[made(vpc.VPC, "net"), made(vpc.DEFAULT_GROUP, "net", sources=OF_THE_VPC)],
        path="@urn",
        broken=[NOBODYS],
        absent="broken",
        unknown="fine",
        also=VPC_RULES - {"vpc-default-group-adopted"},
    ),
    Case(
        rule="vpc-subnet-no-public-addresses",
        good=[made(vpc.SUBNET, "public-a", {"mapPublicIpOnLaunch": False})],
        path="mapPublicIpOnLaunch",
        broken=[True],
        absent="fine",
        unknown="undecided",
    ),
    Case(
        rule="vpc-no-ingress-from-anywhere",
        good=[made(vpc.INGRESS_RULE, "endpoints", HTTPS)],
        path="cidrIpv4",
        broken=["0.0.0.0/0", "::/0"],
        absent="fine",
        unknown="undecided",
        shipped="*-network-endpoints",
    ),
    Case(
        rule="vpc-data-ports-private",
        good=[made(vpc.INGRESS_RULE, "db", {**HTTPS, "fromPort": 5432, "toPort": 5432})],
        path="cidrIpv4",
        broken=["203.0.113.0/24", "0.0.0.0/0", "10.0.0.0/7"],
        absent="fine",
        unknown="undecided",
        shipped="*-db-0-*",
    ),
    Case(
        rule="vpc-security-group-described",
        good=[made(vpc.SECURITY_GROUP, "db", {"description": "PostgreSQL, from the pods only."})],
        path="description",
        broken=["", "Managed by Pulumi", GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="vpc-egress-narrow",
        good=[made(vpc.EGRESS_RULE, "grafana", {**HTTPS, "cidrIpv4": "0.0.0.0/0"})],
        path="ipProtocol",
        broken=["-1"],
        absent="fine",
        unknown="undecided",
        shipped="*-grafana",
    ),
    Case(
        rule="vpc-security-group-used",
        good=[
            made(vpc.SECURITY_GROUP, "db"),
            made(vpc.INGRESS_RULE, "db", sources={"securityGroupId": [f"{vpc.SECURITY_GROUP}::db"]}),
            made("aws:rds/instance:Instance", "db", sources={"vpcSecurityGroupIds": [f"{vpc.SECURITY_GROUP}::db"]}),
        ],
        path="@urn",
        broken=[NOBODYS],
        absent="broken",
        unknown="fine",
    ),
    Case(
        rule="vpc-private-route-nat",
        good=[
            made(
                vpc.ROUTE,
                "out",
                {"destinationCidrBlock": "0.0.0.0/0", "natGatewayId": "nat-1"},
                sources={"routeTableId": TO_THE_TABLE},
            ),
            *table_of("private"),
        ],
        path="natGatewayId",
        broken=[GONE, ""],
        absent="broken",
        unknown="fine",
        shipped="*-network-private-a",
    ),
    Case(
        rule="vpc-data-route-none",
        good=[
            made(vpc.ROUTE, "away", {"destinationCidrBlock": "10.65.0.0/16"}, sources={"routeTableId": TO_THE_TABLE}),
            *table_of("data"),
        ],
        path="destinationCidrBlock",
        broken=["0.0.0.0/0", "::/0"],
        absent="fine",
        unknown="undecided",
        shipped="*-peering-*-data",
        also=frozenset({"vpc-peering-route-narrow", "vpc-private-route-nat"}),
    ),
    Case(
        rule="vpc-peering-route-narrow",
        good=[made(vpc.ROUTE, "away", {"destinationCidrBlock": "10.65.0.0/16", "vpcPeeringConnectionId": "pcx-1"})],
        path="destinationCidrBlock",
        broken=["203.0.113.0/24", "0.0.0.0/0"],
        absent="fine",
        unknown="undecided",
    ),
    Case(
        rule="vpc-nat-own-zone",
        good=[
            made(
                vpc.ROUTE,
                "out",
                sources={"routeTableId": TO_THE_TABLE, "natGatewayId": [f"{vpc.NAT_GATEWAY}::a"]},
            ),
            *table_of("private"),
            *gateway("a"),
            *gateway("b"),
        ],
        path="@sources.natGatewayId",
        broken=[(f"{PREFIX}{vpc.NAT_GATEWAY}::b",)],
        absent="fine",
        unknown="fine",
        shipped="us-east-1-network-private-a",
        shipped_value=(f"{NETWORK_1M}{vpc.NAT_GATEWAY}::us-east-1-network-nat-b",),
    ),
    Case(
        rule="vpc-s3-endpoint",
        good=[
            made(vpc.VPC, "net"),
            made(vpc.ENDPOINT, "s3", {"serviceName": "com.amazonaws.us-east-1.s3"}, sources=OF_THE_VPC),
        ],
        path="@urn",
        broken=[NOBODYS],
        absent="broken",
        unknown="fine",
        also=VPC_RULES - {"vpc-s3-endpoint"},
    ),
]
