"""Two regions' networks: connected, routed both ways, and opened to nobody by that alone."""

from collections.abc import Callable

import pytest

from components.component import Site
from components.peering import Peering, PeeringArgs, Side
from infra.cidr import region_plan
from tests.components.conftest import Recorded

Record = Callable[[Callable[[], object]], Recorded]
NAME = "us-east-1-eu-west-1-peering"
TABLES = ("private-a", "private-b", "private-c", "data")
HERE, THERE = (region_plan("10.64.0.0/14", region).vpc for region in ("us-east-1", "eu-west-1"))


def side(region: str, cidr: str) -> Side:
    tables = {name: f"rtb-{region}-{name}" for name in TABLES}
    return Side(region=region, vpc_id=f"vpc-{region}", vpc_cidr=cidr, route_table_ids=tables)


@pytest.fixture
def found(recorded: Record, site: Site) -> Recorded:
    args = PeeringArgs(requester=side("us-east-1", HERE), accepter=side("eu-west-1", THERE))
    return recorded(lambda: Peering(NAME, site, args))


def test_the_other_region_accepts_in_its_own_region(found: Recorded) -> None:
    connection, accepter = found.one("VpcPeeringConnection").inputs, found.one("VpcPeeringConnectionAccepter").inputs
    assert (connection["region"], connection["peerRegion"]) == ("us-east-1", "eu-west-1")
    assert (connection["vpcId"], connection["peerVpcId"]) == ("vpc-us-east-1", "vpc-eu-west-1")
    assert (accepter["region"], accepter["autoAccept"]) == ("eu-west-1", True)


def test_every_private_and_data_table_of_both_sides_leads_to_the_other_network(found: Recorded) -> None:
    routes = {
        (one.inputs["region"], one.inputs["routeTableId"], one.inputs["destinationCidrBlock"])
        for one in found.of("Route")
    }
    expected = {
        (near, f"rtb-{near}-{table}", far)
        for near, far in (("us-east-1", THERE), ("eu-west-1", HERE))
        for table in TABLES
    }
    assert routes == expected


def test_nothing_uses_the_connection_before_it_is_accepted(found: Recorded) -> None:
    users = [*found.of("Route"), *found.of("PeeringConnectionOptions")]
    assert len(users) == 10
    for one in users:
        assert any("VpcPeeringConnectionAccepter" in urn for urn in one.dependencies), one.name


def test_each_side_states_its_own_options(found: Recorded) -> None:
    options = {one.inputs["region"]: one.inputs for one in found.of("PeeringConnectionOptions")}
    resolves = {"allowRemoteVpcDnsResolution": True}
    assert options["us-east-1"]["requester"] == resolves == options["eu-west-1"]["accepter"]
    assert "accepter" not in options["us-east-1"]
    assert "requester" not in options["eu-west-1"]


def test_a_connection_opens_no_port(found: Recorded) -> None:
    assert [one.name for one in found.resources if "ecurityGroup" in one.type] == []
