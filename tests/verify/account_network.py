"""The network of one region of the account."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.verify.account_region import AccountRegion


def build_network(region: AccountRegion) -> None:
    """Make three zones of three tiers, as phases have them, with a flow log."""
    ec2, logs = region.client("ec2"), region.client("logs")
    vpc = ec2.create_vpc(CidrBlock="10.64.0.0/16")["Vpc"]["VpcId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    for tier_index, tier in enumerate(("public", "private", "data")):
        table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
        region.route_tables[tier] = table
        region.subnets[tier] = []
        for zone_index, zone in enumerate("abc"):
            subnet = ec2.create_subnet(
                VpcId=vpc,
                CidrBlock=f"10.64.{16 * (3 * tier_index + zone_index)}.0/20",
                AvailabilityZone=f"{region.region}{zone}",
            )["Subnet"]["SubnetId"]
            ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
            region.subnets[tier].append(subnet)
    ec2.create_route(RouteTableId=region.route_tables["public"], DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    if region.full:
        _nat_gateways(region)
    interfaces = region.phase.network.interface_endpoints if region.full else ()
    for service in ("s3", "dynamodb", *interfaces):
        ec2.create_vpc_endpoint(
            VpcId=vpc,
            ServiceName=f"com.amazonaws.{region.region}.{service}",
            VpcEndpointType="Interface" if service in interfaces else "Gateway",
        )
    logs.create_log_group(logGroupName=f"/{region.prefix}/flow")
    role = region.role("vpc-flow-logs.amazonaws.com")
    ec2.create_flow_logs(
        ResourceIds=[vpc],
        ResourceType="VPC",
        TrafficType="REJECT",
        LogGroupName=f"/{region.prefix}/flow",
        DeliverLogsPermissionArn=role,
    )
    region.outputs |= {"vpcId": vpc, "subnetIds": region.subnets}


def _nat_gateways(region: AccountRegion) -> None:
    ec2 = region.client("ec2")
    gateways = [
        ec2.create_nat_gateway(
            SubnetId=region.subnets["public"][index], AllocationId=ec2.allocate_address(Domain="vpc")["AllocationId"]
        )["NatGateway"]["NatGatewayId"]
        for index in range(region.phase.network.nat_gateways)
    ]
    region.nat = gateways[0]
    ec2.create_route(
        RouteTableId=region.route_tables["private"], DestinationCidrBlock="0.0.0.0/0", NatGatewayId=region.nat
    )
