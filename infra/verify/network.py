"""The VPC: three zones of three tiers, NAT gateways, flow log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from infra.verify.facts import Fact, Probe, Scope, equal, holds

ZONES = 3
TIERS = ("public", "private", "data")


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
    for tier in TIERS:
        yield equal(f"{tier} subnets", ZONES, tiers[tier])
    given = [subnet["SubnetId"] for subnet in subnets if subnet.get("MapPublicIpOnLaunch")]
    yield holds("subnets that hand out public addresses", not given, "none", given)

    # `Filter`, not `Filters`: this call is older than the plural.
    gateways = _all(ec2, "describe_nat_gateways", "NatGateways", Filter=filters)
    serving = [gateway for gateway in gateways if gateway["State"] == "available"]
    yield equal("NAT gateways", scope.phase.network.nat_gateways, len(serving))

    logs = _all(ec2, "describe_flow_logs", "FlowLogs", Filter=[{"Name": "resource-id", "Values": [vpc_id]}])
    yield equal("flow logs", {"ACTIVE"}, {log["FlowLogStatus"] for log in logs})

    wanted = set(scope.phase.network.interface_endpoints) | {"s3", "dynamodb"}
    endpoints = _all(ec2, "describe_vpc_endpoints", "VpcEndpoints", Filters=filters)
    present = {endpoint["ServiceName"].removeprefix(f"com.amazonaws.{scope.region}.") for endpoint in endpoints}
    yield holds("endpoints", wanted <= present, wanted, present)


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
