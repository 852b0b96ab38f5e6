"""The address plan."""

from __future__ import annotations

from ipaddress import IPv4Network, ip_network
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.cidr import DEFAULT_NETWORK, REGIONS, RegionPlan, region_plan

NETWORKS = st.integers(0, 2**14 - 1).map(lambda index: str(IPv4Network((index * 2**18, 14))))


def subnets(plan: RegionPlan) -> list[IPv4Network]:
    return [IPv4Network(cidr) for cidr in (*plan.public, *plan.private, *plan.data)]


@pytest.mark.parametrize(
    ("region", "vpc", "public", "private", "data"),
    [
        (
            "us-east-1",
            "10.64.0.0/16",
            ("10.64.144.0/24", "10.64.145.0/24", "10.64.146.0/24"),
            ("10.64.0.0/19", "10.64.32.0/19", "10.64.64.0/19"),
            ("10.64.128.0/22", "10.64.132.0/22", "10.64.136.0/22"),
        ),
        (
            "us-west-2",
            "10.65.0.0/16",
            ("10.65.144.0/24", "10.65.145.0/24", "10.65.146.0/24"),
            ("10.65.0.0/19", "10.65.32.0/19", "10.65.64.0/19"),
            ("10.65.128.0/22", "10.65.132.0/22", "10.65.136.0/22"),
        ),
        (
            "eu-west-1",
            "10.66.0.0/16",
            ("10.66.144.0/24", "10.66.145.0/24", "10.66.146.0/24"),
            ("10.66.0.0/19", "10.66.32.0/19", "10.66.64.0/19"),
            ("10.66.128.0/22", "10.66.132.0/22", "10.66.136.0/22"),
        ),
        (
            "ap-southeast-1",
            "10.67.0.0/16",
            ("10.67.144.0/24", "10.67.145.0/24", "10.67.146.0/24"),
            ("10.67.0.0/19", "10.67.32.0/19", "10.67.64.0/19"),
            ("10.67.128.0/22", "10.67.132.0/22", "10.67.136.0/22"),
        ),
    ],
)
def test_no_address_of_a_region_ever_moves(
    region: str, vpc: str, public: tuple[str, str, str], private: tuple[str, str, str], data: tuple[str, str, str]
) -> None:
    assert region_plan(DEFAULT_NETWORK, region) == RegionPlan(vpc=vpc, public=public, private=private, data=data)


@given(NETWORKS, st.sampled_from(REGIONS))
def test_subnets_are_inside_the_vpc_and_apart(network: str, region: str) -> None:
    plan = region_plan(network, region)
    vpc = IPv4Network(plan.vpc)

    assert vpc.subnet_of(IPv4Network(network))
    assert all(subnet.subnet_of(vpc) for subnet in subnets(plan))
    assert not [pair for pair in combinations(subnets(plan), 2) if pair[0].overlaps(pair[1])]


@given(NETWORKS)
def test_regions_are_apart_and_fill_the_network(network: str) -> None:
    vpcs = [IPv4Network(region_plan(network, region).vpc) for region in REGIONS]

    assert not [pair for pair in combinations(vpcs, 2) if pair[0].overlaps(pair[1])]
    assert sum(vpc.num_addresses for vpc in vpcs) == ip_network(network).num_addresses


@given(NETWORKS, st.sampled_from(REGIONS))
def test_a_quarter_of_the_vpc_and_room_for_a_fourth_zone_stay_free(network: str, region: str) -> None:
    plan = region_plan(network, region)
    vpc = IPv4Network(plan.vpc)
    last_quarter = list(vpc.subnets(prefixlen_diff=2))[3]
    fourth_zone = list(vpc.subnets(new_prefix=19))[3]

    assert not [subnet for subnet in subnets(plan) if subnet.overlaps(last_quarter) or subnet.overlaps(fourth_zone)]


@given(NETWORKS, st.sampled_from(REGIONS))
def test_a_zone_holds_what_1m_needs_of_it(network: str, region: str) -> None:
    plan = region_plan(network, region)
    usable = {tier: IPv4Network(getattr(plan, tier)[0]).num_addresses - 5 for tier in ("public", "private", "data")}

    assert usable["private"] >= 66 * 33 * 3  # every pod of the region on a node of its own, three times over
    assert usable["data"] >= 500
    assert usable["public"] >= 200  # two load balancers at their largest


@pytest.mark.parametrize("network", ["10.64.0.0/16", "10.0.0.0/8", "10.65.0.0/14", "fd00::/14", "ten"])
def test_another_size_or_kind_of_network_is_refused(network: str) -> None:
    with pytest.raises(ValueError, match=network.partition("/")[0]):
        region_plan(network, "us-east-1")


def test_an_unknown_region_is_refused() -> None:
    with pytest.raises(ValueError, match="not in tuple"):
        region_plan(DEFAULT_NETWORK, "mars-1")
