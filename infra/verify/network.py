"""The VPC: three zones of three tiers, NAT gateways, flow log, and the way to the other regions' VPCs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from infra.verify.facts import Fact, Probe, Scope, equal, holds

ZONES = 3
TIERS = {"public": ZONES, "private": ZONES, "data": ZONES}
READ_TIERS = {"public": ZONES, "private": 0, "data": 2 * ZONES}
"""Without a NAT gateway the private subnets have no way out, as the data subnets."""


def vpc(scope: Scope) -> Iterator[Probe]:
    """The one VPC of the region."""
    vpc_id = scope.text("vpcId")
    yield Probe("network", vpc_id, partial(_facts, scope, vpc_id))


def _facts(scope: Scope, vpc_id: str) -> Iterator[Fact]:
    ec2 = scope.client("ec2")
    filters = [{"Name": "vpc-id", "Values": [vpc_id]}]
    found = ec2.describe_vpcs(VpcIds=[vpc_id])["Vpcs"]
    yield equal("state", "available", found[0]["State"] if found else "no such VPC")

    subnets = _all(ec2, "describe_subnets", "Subnets", Filters=filters)
    zones = sorted({subnet["AvailabilityZone"] for subnet in subnets})
    yield holds("availability zones", len(zones) == ZONES, ZONES, zones)
    tables = _all(ec2, "describe_route_tables", "RouteTables", Filters=filters)
    tiers = Counter(_tier(subnet["SubnetId"], tables) for subnet in subnets)
    for tier, count in (TIERS if scope.full else READ_TIERS).items():
        yield equal(f"{tier} subnets", count, tiers[tier])
    given = [subnet["SubnetId"] for subnet in subnets if subnet.get("MapPublicIpOnLaunch")]
    yield holds("subnets that hand out public addresses", not given, "none", given)

    # `Filter`, not `Filters`: this call is older than the plural.
    gateways = _all(ec2, "describe_nat_gateways", "NatGateways", Filter=filters)
    serving = [gateway for gateway in gateways if gateway["State"] == "available"]
    # Nothing in a read region calls out.
    yield equal("NAT gateways", scope.phase.network.nat_gateways if scope.full else 0, len(serving))

    logs = _all(ec2, "describe_flow_logs", "FlowLogs", Filter=[{"Name": "resource-id", "Values": [vpc_id]}])
    yield equal("flow logs", {"ACTIVE"}, {log["FlowLogStatus"] for log in logs})

    wanted = {"s3", "dynamodb"} | (set(scope.phase.network.interface_endpoints) if scope.full else set())
    endpoints = _all(ec2, "describe_vpc_endpoints", "VpcEndpoints", Filters=filters)
    present = {endpoint["ServiceName"].removeprefix(f"com.amazonaws.{scope.region}.") for endpoint in endpoints}
    yield holds("endpoints", wanted <= present, wanted, present)


def peerings(scope: Scope) -> Iterator[Probe]:
    """The connections to the VPCs of the other regions."""
    if len(scope.phase.all_regions) > 1:
        vpc_id = scope.text("vpcId")
        yield Probe("network", f"peerings of {vpc_id}", partial(_peerings, scope, vpc_id))


def _peerings(scope: Scope, vpc_id: str) -> Iterator[Fact]:
    # No filter: it would have to say which side asked for the connection.
    active: dict[str, Mapping[str, Any]] = {}
    for connection in _all(scope.client("ec2"), "describe_vpc_peering_connections", "VpcPeeringConnections"):
        sides = [connection["RequesterVpcInfo"], connection["AccepterVpcInfo"]]
        ours = [side.get("VpcId") == vpc_id for side in sides]
        if any(ours) and connection["Status"]["Code"] == "active":
            other = sides[ours.index(False)]
            active[other["VpcId"]] = other
    # Pods read from the nearest replica, and write to the primary of the user's shard.
    others = {
        region: scope.within(region).text("vpcId") for region in scope.phase.all_regions if region != scope.region
    }
    yield equal("peered with", set(others), {region for region, other in others.items() if other in active})


def _all(ec2: Any, operation: str, key: str, **arguments: Any) -> Sequence[Mapping[str, Any]]:
    pages = ec2.get_paginator(operation).paginate(**arguments)
    return [item for page in pages for item in page[key]]


def _tier(subnet_id: str, tables: Sequence[Mapping[str, Any]]) -> str:
    """By what the default route leads to; the route table decides what a subnet is, not its name."""
    for table in tables:
        if any(link.get("SubnetId") == subnet_id for link in table["Associations"]):
            for route in table["Routes"]:
                if route.get("DestinationCidrBlock") == "0.0.0.0/0":
                    return "public" if route.get("GatewayId", "").startswith("igw-") else "private"
            return "data"
    return "without a route table of its own"
