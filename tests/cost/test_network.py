"""The network: what stands costs by the hour, and each byte is paid for once."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.cost.estimators import network
from infra.cost.model import State
from infra.cost.usage import Level, Usage
from infra.plan import PlannedResource
from tests.cost.conftest import STACKS, estimated, phase_of, planned
from tests.cost.priced import Prices, amount, lines_of, monthly, usage_of
from tests.growth.conftest import made

PRICES: Prices = {
    "vpc/nat-gateway/hour": "0.05",
    "vpc/nat-gateway/gb": "0.04",
    "vpc/public-ipv4/hour": "0.005",
    "vpc/endpoint/hour": "0.01",
    "vpc/endpoint/gb": "0.02",
    "vpc/cross-zone/gb": "0.01",
    "vpc/peering/gb": "0.02",
    "vpc/internet/gb": [(0, "0"), (100, "0.09")],
    "lb/application/hour": "0.02",
    "lb/application/lcu-hour": "0.008",
}
PREFIXES = ("aws:ec2/", "aws:lb/", "aws:vpc/")


def nat(region: str = "us-east-1", zone: str = "a") -> PlannedResource:
    return made(network.NAT, f"{region}-network-nat-{zone}", {"region": region})


def interface(service: str, region: str = "us-east-1", zones: int = 3) -> PlannedResource:
    return made(
        network.ENDPOINT,
        f"{region}-network-{service}",
        {
            "region": region,
            "serviceName": f"com.amazonaws.{region}.{service}",
            "vpcEndpointType": "Interface",
            "subnetIds": ["[unknown]"] * zones,
        },
    )


def vpc(region: str = "us-east-1") -> PlannedResource:
    return made("aws:ec2/vpc:Vpc", f"{region}-network", {"region": region})


def balancer(**inputs: Any) -> PlannedResource:
    return made(
        "aws:lb/loadBalancer:LoadBalancer", "us-east-1-lb", {"region": "us-east-1", "subnets": ["x"] * 3, **inputs}
    )


def peering(near: str, far: str) -> PlannedResource:
    return made(
        "aws:ec2/vpcPeeringConnection:VpcPeeringConnection",
        f"{near}-{far}-peering",
        {"region": near, "peerRegion": far},
    )


# What stands.


def test_a_nat_gateway_costs_every_hour_of_the_month_and_every_byte() -> None:
    lines = lines_of([nat()], usage_of("10k"), PRICES)
    # A request: 0.5 KiB to vendors, 0.5 KiB of logs, and 0.05 messages of 1 KiB twice. Besides, 30,000 mails of 30 KiB.
    gib = (3_650_004 * Decimal("1.1") + 30_000 * 30) / 1_048_576
    assert monthly(lines, "hours") == Decimal("36.5")
    assert monthly(lines, "bytes") == pytest.approx(gib * Decimal("0.04"), abs=Decimal("0.001"))


def test_three_gateways_cost_three_times_the_hours_but_carry_the_bytes_of_one() -> None:
    one = lines_of([nat()], usage_of("50k"), PRICES)
    three = lines_of([nat(zone=zone) for zone in "abc"], usage_of("50k"), PRICES)
    assert monthly(three, "hours") == 3 * monthly(one, "hours")
    assert amount(three, "bytes") == pytest.approx(amount(one, "bytes"))
    assert amount(three, "internet egress") == pytest.approx(amount(one, "internet egress"))


def test_every_public_address_costs_that_of_a_nat_gateway_too() -> None:
    eip = made("aws:ec2/eip:Eip", "us-east-1-network-nat-a", {"domain": "vpc", "region": "us-east-1"})
    assert monthly(lines_of([eip], usage_of("10k"), PRICES)) == Decimal("3.65")


def test_a_load_balancer_has_a_public_address_in_each_zone_unless_it_is_internal() -> None:
    assert monthly(lines_of([balancer()], usage_of("10k"), PRICES), "public addresses") == 3 * Decimal("3.65")
    assert monthly(lines_of([balancer(internal=True)], usage_of("10k"), PRICES), "public addresses") == 0


def test_an_interface_endpoint_costs_in_every_zone_that_it_stands_in() -> None:
    for zones in (1, 2, 3):
        lines = lines_of([interface("logs", zones=zones)], usage_of("250k"), PRICES)
        assert monthly(lines, "hours") == Decimal("7.3") * zones


@pytest.mark.parametrize("inputs", [{"vpcEndpointType": "Gateway"}, {}])
def test_a_gateway_endpoint_costs_nothing(inputs: dict[str, str]) -> None:
    s3 = made(network.ENDPOINT, "us-east-1-network-s3", {"serviceName": "com.amazonaws.us-east-1.s3", **inputs})
    assert [line.state for line in lines_of([s3], usage_of("10k"), PRICES)] == [State.FREE]


def test_a_flow_log_is_paid_for_by_its_log_group_and_elsewhere_it_has_no_price() -> None:
    for target, state in (("cloud-watch-logs", State.FREE), ("s3", State.UNPRICED)):
        log = made("aws:ec2/flowLog:FlowLog", "flow", {"logDestinationType": target})
        assert [line.state for line in lines_of([log], usage_of("10k"), PRICES)] == [state]


def test_only_application_load_balancers_have_a_price() -> None:
    lines = lines_of([balancer(loadBalancerType="network")], usage_of("10k"), PRICES)
    assert [line.state for line in lines] == [State.UNPRICED]


# Bytes through NAT and endpoints.


@pytest.mark.parametrize("service", ["logs", "sqs", "email", "kinesis-streams"])
def test_an_endpoint_takes_the_bytes_of_its_service_off_the_nat_gateways(service: str) -> None:
    usage = usage_of("1m")
    alone, with_endpoint = [nat()], [nat(), interface(service)]
    before, after = lines_of(alone, usage, PRICES), lines_of(with_endpoint, usage, PRICES)
    moved = [line for line in after if line.urn == with_endpoint[1].urn and line.component == "bytes"]
    assert amount(moved) > 0
    assert amount(after, "bytes") == pytest.approx(amount(before, "bytes"))


def test_an_endpoint_in_one_region_does_not_relieve_another() -> None:
    there = nat("us-west-2")
    lines = lines_of([there, interface("logs")], usage_of("1m"), PRICES)
    alone = lines_of([there], usage_of("1m"), PRICES)
    assert amount([line for line in lines if line.urn == there.urn], "bytes") == amount(alone, "bytes")


def test_the_regions_gateways_carry_the_traffic_of_the_whole_product_together() -> None:
    usage = usage_of("1m")
    lines = lines_of([nat(region) for region in usage.phase.regions], usage, PRICES)
    assert amount(lines, "internet egress") == pytest.approx(network.vendor_gib(usage))


def test_the_first_100_gb_to_the_internet_are_free_once_and_not_once_a_gateway() -> None:
    usage = usage_of("1m", egressKibPerRequest=2)
    lines = lines_of([nat(zone=zone) for zone in "abc"], usage, PRICES)
    egress = network.vendor_gib(usage)
    assert egress > 300
    # One region of three carries a third of it, at the mean price of the whole.
    assert monthly(lines, "internet egress") == pytest.approx((egress - 100) * Decimal("0.03"), abs=Decimal("0.001"))


# Bytes between zones.


def test_a_byte_between_zones_pays_on_both_ends_but_a_caches_end_is_free() -> None:
    usage = usage_of("10k", databaseKibPerRequest=8, cacheKibPerRequest=8, crossZoneShare=1)
    lines = lines_of([vpc(), *(nat(zone=zone) for zone in "abc")], usage, PRICES)
    gib = usage.per_request_gib(Decimal(8))
    assert amount(lines, "databases, between zones") == 2 * gib
    assert amount(lines, "pods, between zones") == 2 * gib, "to the poolers"
    assert amount(lines, "caches, between zones") == gib


def test_services_take_each_request_over_once_more() -> None:
    for stack, expected in (("50k", Decimal(8)), ("250k", Decimal(15))):
        usage = usage_of(stack, crossZoneShare=1)
        lines = lines_of([vpc()], usage, PRICES)
        assert amount(lines, "pods, between zones") == 2 * usage.per_request_gib(expected)


def test_pods_of_other_zones_cross_to_a_lone_nat_gateway() -> None:
    lone = lines_of([vpc(), nat()], usage_of("10k"), PRICES)
    three = lines_of([vpc(), *(nat(zone=zone) for zone in "abc")], usage_of("10k"), PRICES)
    assert amount(lone, "NAT, between zones") == pytest.approx(2 * Decimal("0.67") * amount(lone, "bytes"))
    assert amount(three, "NAT, between zones") == 0


def test_nothing_crosses_zones_in_a_read_region() -> None:
    assert [line.state for line in lines_of([vpc("eu-west-1")], usage_of("250k"), PRICES)] == [State.FREE]


# Bytes between regions.


def test_pods_pay_for_databases_of_other_regions_on_the_side_that_the_bytes_leave() -> None:
    lines = lines_of([peering("us-east-1", "us-west-2")], usage_of("1m"), PRICES)
    assert [line.component for line in lines] == ["bytes out of us-east-1", "bytes out of us-west-2"]
    assert lines[0].quantity == lines[1].quantity > 0


def test_a_byte_of_the_databases_is_local_or_remote_but_never_both() -> None:
    usage = usage_of("1m", crossZoneShare=1)
    regions = usage.phase.regions
    pairs = [(regions[0], regions[1]), (regions[0], regions[2]), (regions[1], regions[2])]
    lines = lines_of([*map(vpc, regions), *(peering(*pair) for pair in pairs)], usage, PRICES)
    local, remote = amount(lines, "databases, between zones") / 2, amount(lines, "bytes out of")
    assert local + remote == pytest.approx(usage.per_request_gib(usage.profile.database_kib_per_request))
    # Two of three users live elsewhere: all of them write there, and read there unless a replica is here.
    assert Decimal("0.2") < remote / (local + remote) < Decimal("0.6")


def test_a_replica_keeps_the_reads_at_home() -> None:
    phase = phase_of("1m")
    more = phase.model_copy(update={"database": phase.database.model_copy(update={"remote_replicas": 2})})
    pair = [peering("us-east-1", "us-west-2")]
    few = amount(lines_of(pair, Usage(phase), PRICES))
    many = amount(lines_of(pair, Usage(more), PRICES))
    assert 0 < many < few


def test_no_pod_uses_the_way_to_a_read_region() -> None:
    lines = lines_of([peering("us-east-1", "eu-west-1")], usage_of("250k"), PRICES)
    assert [line.state for line in lines] == [State.FREE]


# The load balancer's capacity.


@pytest.mark.parametrize(
    ("overrides", "why", "units"),
    [
        # 500 sockets of 3,000 a unit.
        ({}, "by active connections", Decimal(500) / 3_000),
        # 3,650,004 requests of 1,024 KiB in 730 hours.
        ({"responseKib": 1_023}, "by bytes", Decimal(3_650_004) * 1_024 / 1_048_576 / 730),
        # A hundred times the requests: 25 a second and unit, with next to no bytes.
        (
            {"requestsPerDailyUser": 4_000, "responseKib": 0, "requestKib": 0},
            "by new connections",
            Decimal(365_000_400) / 2_628_000 / 25,
        ),
    ],
)
def test_a_load_balancer_pays_for_its_highest_dimension_alone(
    overrides: dict[str, Any], why: str, units: Decimal
) -> None:
    (line,) = (
        one for one in lines_of([balancer()], usage_of("10k", **overrides), PRICES) if one.component == "capacity units"
    )
    assert line.note == why
    assert line.quantity == pytest.approx(units * 730)


def test_the_first_ten_rules_of_a_request_are_free() -> None:
    def decided_by(rules: int) -> str:
        listed = [made(network.LISTENER_RULE, f"us-east-1-lb-{index}") for index in range(rules)]
        usage = usage_of("10k", requestsPerDailyUser=40_000, responseKib=0, requestKib=0)
        lines = lines_of([balancer(), *listed], usage, PRICES)
        return next(line.note for line in lines if line.component == "capacity units")

    assert decided_by(10) == "by new connections"
    assert decided_by(51) == "by rule evaluations", "41 rules at 1,000 a unit are more than 1 connection at 25"


def test_sockets_are_the_design_point_and_at_high_usage_the_ceiling() -> None:
    expected = lines_of([balancer()], usage_of("1m"), PRICES)
    high = lines_of([balancer()], usage_of("1m", Level.HIGH), PRICES)
    assert amount(expected, "capacity units") == pytest.approx(Decimal(50_000) / 3 / 3_000 * 730)
    assert amount(high, "capacity units") == pytest.approx(Decimal(100_000) / 3 / 3_000 * 730)


# All of it.


@settings(max_examples=30, deadline=None)
@given(
    gateways=st.integers(1, 3),
    services=st.sets(st.sampled_from(["logs", "sqs", "kms"])),
    requests=st.lists(st.integers(0, 1_000), min_size=2, max_size=2, unique=True),
)
def test_more_gateways_more_endpoints_and_more_requests_never_cost_less(
    gateways: int, services: set[str], requests: list[int]
) -> None:
    def total(count: int, endpoints: set[str], each: int) -> Decimal:
        usage = usage_of("250k", requestsPerDailyUser=each)
        parts = [vpc(), balancer(), *(nat(zone=zone) for zone in "abcd"[:count]), *map(interface, sorted(endpoints))]
        return monthly(lines_of(parts, usage, PRICES))

    fewer, more = sorted(requests)
    assert total(gateways, services, fewer) <= total(gateways, services, more)
    # In hours; bytes may well be cheaper on an endpoint.
    assert total(gateways, services, 0) < total(gateways + 1, services, 0) < total(gateways + 1, {*services, "xray"}, 0)


@pytest.mark.parametrize("stack", STACKS)
def test_everything_of_the_network_is_priced_or_free_in_the_shipped_stacks(stack: str) -> None:
    urns = {one.urn for one in planned(stack) if one.type.startswith(PREFIXES)}
    lines = [line for line in estimated(stack).lines if line.urn in urns]
    assert {line.urn for line in lines} == urns
    assert [line for line in lines if line.state not in (State.PRICED, State.FREE)] == []


def test_the_network_costs_more_in_every_phase() -> None:
    totals = []
    for stack in STACKS:
        urns = {one.urn for one in planned(stack) if one.type.startswith(PREFIXES)}
        totals.append(monthly([line for line in estimated(stack).lines if line.urn in urns]))
    assert all(few < many for few, many in pairwise(totals))


def test_no_type_is_both_priced_and_free() -> None:
    assert not network.ESTIMATORS.keys() & network.FREE.keys()
