"""The network is in its final shape at 10k, and NAT gateways are all that a later phase adds."""

import json
from collections.abc import Callable

import pytest

from components.component import Site
from components.network import Network, NetworkArgs
from infra.cidr import region_plan
from tests.components.conftest import ACCOUNT, Recorded

Record = Callable[[Callable[[], object]], Recorded]


def build(site: Site, *, nat_gateways: int = 1, interface_endpoints: tuple[str, ...] = ()) -> Network:
    plan = region_plan("10.64.0.0/14", site.region)
    return Network(
        "us-east-1-network",
        site,
        NetworkArgs(
            vpc_cidr=plan.vpc,
            availability_zones=("a", "b", "c"),
            public_cidrs=plan.public,
            private_cidrs=plan.private,
            data_cidrs=plan.data,
            nat_gateways=nat_gateways,
            interface_endpoints=interface_endpoints,
            log_key_arn=f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1",
            account_id=ACCOUNT,
        ),
    )


def test_three_tiers_stand_in_three_zones(recorded: Record, site: Site) -> None:
    network = recorded(lambda: build(site))
    places = {(subnet.inputs["tags"]["Tier"], subnet.inputs["availabilityZone"]) for subnet in network.of("Subnet")}
    assert places == {(tier, f"us-east-1{zone}") for tier in ("public", "private", "data") for zone in "abc"}


def test_no_subnet_hands_out_public_addresses(recorded: Record, site: Site) -> None:
    assert not any(subnet.inputs["mapPublicIpOnLaunch"] for subnet in recorded(lambda: build(site)).of("Subnet"))


def test_vpc_and_subnets_refuse_replacement(recorded: Record, site: Site) -> None:
    network = recorded(lambda: build(site))
    assert all(resource.options["protect"] for resource in [*network.of("Vpc"), *network.of("Subnet")])


@pytest.mark.parametrize("count", [1, 3])
def test_every_private_zone_has_a_way_out(recorded: Record, site: Site, count: int) -> None:
    network = recorded(lambda: build(site, nat_gateways=count))
    assert len(network.of("NatGateway")) == len(network.of("Eip")) == count
    for zone in "abc":
        route = network.named(f"us-east-1-network-private-{zone}", "Route")
        gateway = zone if count == 3 else "a"
        assert any(urn.endswith(f"us-east-1-network-nat-{gateway}") for urn in route.dependencies)


def test_going_to_three_nat_gateways_adds_and_changes_but_removes_nothing(recorded: Record, site: Site) -> None:
    before = {resource.urn for resource in recorded(lambda: build(site)).resources}
    after = {resource.urn for resource in recorded(lambda: build(site, nat_gateways=3)).resources}
    assert before < after


def test_the_data_subnets_have_no_route_out_of_the_vpc(recorded: Record, site: Site) -> None:
    assert not [route for route in recorded(lambda: build(site)).of("Route") if "data" in route.name]


def test_the_default_security_group_lets_nothing_through(recorded: Record, site: Site) -> None:
    group = recorded(lambda: build(site)).one("DefaultSecurityGroup").inputs
    assert (group["ingress"], group["egress"]) == ([], [])


def test_s3_and_dynamodb_bypass_nat(recorded: Record, site: Site) -> None:
    endpoints = recorded(lambda: build(site)).of("VpcEndpoint")
    assert {endpoint.inputs["serviceName"] for endpoint in endpoints} == {
        "com.amazonaws.us-east-1.s3",
        "com.amazonaws.us-east-1.dynamodb",
    }
    assert all(len(endpoint.inputs["routeTableIds"]) == 4 for endpoint in endpoints)


def test_interface_endpoints_answer_in_every_private_zone_to_the_vpc_alone(recorded: Record, site: Site) -> None:
    network = recorded(lambda: build(site, interface_endpoints=("ecr.api",)))
    endpoint = network.inputs("us-east-1-network-ecr-api")
    assert (endpoint["privateDnsEnabled"], len(endpoint["subnetIds"])) == (True, 3)
    assert network.one("SecurityGroupIngressRule").inputs["cidrIpv4"] == "10.64.0.0/16"


def test_rejected_connections_are_logged(recorded: Record, site: Site) -> None:
    network = recorded(lambda: build(site))
    assert network.one("FlowLog").inputs["trafficType"] == "REJECT"
    group = network.one("LogGroup").inputs
    assert group["retentionInDays"] == 30
    (statement,) = json.loads(network.one("RolePolicy").inputs["policy"])["Statement"]
    arn = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{group['name']}"
    assert statement["Resource"] == [arn, f"{arn}:*"]


def test_ways_to_other_regions_begin_in_the_private_tables_and_the_data_table(recorded: Record, site: Site) -> None:
    made: list[Network] = []
    recorded(lambda: made.append(build(site)))
    assert made[0].route_table_ids.keys() == {"private-a", "private-b", "private-c", "data"}
