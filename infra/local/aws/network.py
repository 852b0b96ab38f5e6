"""EC2: the network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.local.aws.calls import call, change
from infra.local.aws.kind import Context, Kind, Values
from infra.local.aws.table import ApiKind, arn


def _vpc_parts(ctx: Context, id_: str, _: Values, __: Values) -> Values:
    """What AWS makes together with a VPC."""
    client = ctx.client("ec2")
    of_vpc = [{"Name": "vpc-id", "Values": [id_]}]
    group = [*of_vpc, {"Name": "group-name", "Values": ["default"]}]
    main = [*of_vpc, {"Name": "association.main", "Values": ["true"]}]
    table = client.describe_route_tables(Filters=main)["RouteTables"][0]["RouteTableId"]
    return {
        "defaultSecurityGroupId": client.describe_security_groups(Filters=group)["SecurityGroups"][0]["GroupId"],
        "mainRouteTableId": table,
        "defaultRouteTableId": table,
        "defaultNetworkAclId": client.describe_network_acls(Filters=of_vpc)["NetworkAcls"][0]["NetworkAclId"],
    }


def _attach_gateway(ctx: Context, id_: str, old: Values, new: Values) -> None:
    client = ctx.client("ec2")
    if old.get("vpcId") and old["vpcId"] != new.get("vpcId"):
        client.detach_internet_gateway(InternetGatewayId=id_, VpcId=old["vpcId"])
    if new.get("vpcId") and old.get("vpcId") != new["vpcId"]:
        client.attach_internet_gateway(InternetGatewayId=id_, VpcId=new["vpcId"])


def _remove_gateway(ctx: Context, id_: str, _: Values) -> None:
    client = ctx.client("ec2")
    found = client.describe_internet_gateways(InternetGatewayIds=[id_])["InternetGateways"]
    for attachment in found[0]["Attachments"]:
        client.detach_internet_gateway(InternetGatewayId=id_, VpcId=attachment["VpcId"])
    client.delete_internet_gateway(InternetGatewayId=id_)


_ROUTE = {
    "cidrBlock": "DestinationCidrBlock",
    "ipv6CidrBlock": "DestinationIpv6CidrBlock",
    "destinationPrefixListId": "DestinationPrefixListId",
    "gatewayId": "GatewayId",
    "natGatewayId": "NatGatewayId",
    "networkInterfaceId": "NetworkInterfaceId",
    "transitGatewayId": "TransitGatewayId",
    "vpcEndpointId": "VpcEndpointId",
    "vpcPeeringConnectionId": "VpcPeeringConnectionId",
}


def _inline_routes(ctx: Context, id_: str, old: Values, new: Values) -> None:
    """Routes that are written inside their table."""
    client = ctx.client("ec2")
    before, after = old.get("routes") or [], new.get("routes") or []
    for route in before:
        if route not in after:
            given = {_ROUTE[key]: value for key, value in route.items() if value and _ROUTE[key].startswith("Dest")}
            client.delete_route(RouteTableId=id_, **given)
    for route in after:
        if route not in before:
            client.create_route(RouteTableId=id_, **{_ROUTE[key]: value for key, value in route.items() if value})


def _remove_association(ctx: Context, _: str, outputs: Values) -> None:
    """Its id changes when the subnet moves to another table, so look for the subnet's."""
    client = ctx.client("ec2")
    wanted = [{"Name": "association.subnet-id", "Values": [outputs["subnetId"]]}]
    for table in client.describe_route_tables(Filters=wanted)["RouteTables"]:
        for each in table["Associations"]:
            if each.get("SubnetId") == outputs["subnetId"]:
                client.disassociate_route_table(AssociationId=each["RouteTableAssociationId"])


def _move_association(ctx: Context, id_: str, old: Values, new: Values) -> None:
    if old and old["routeTableId"] != new["routeTableId"]:
        _remove_association(ctx, id_, old)
        ctx.client("ec2").associate_route_table(RouteTableId=new["routeTableId"], SubnetId=new["subnetId"])


def _endpoint_changes(ctx: Context, id_: str, old: Values, new: Values) -> None:
    """What an endpoint belongs to is changed by naming what comes and what goes."""
    if not old:
        return
    client = ctx.client("ec2")
    changed: dict[str, Any] = {}
    for key, parameter in {
        "subnetIds": "SubnetIds",
        "routeTableIds": "RouteTableIds",
        "securityGroupIds": "SecurityGroupIds",
    }.items():
        before, after = set(old.get(key) or []), set(new.get(key) or [])
        changed |= {f"Add{parameter}": sorted(after - before), f"Remove{parameter}": sorted(before - after)}
    for key, parameter in {"policy": "PolicyDocument", "privateDnsEnabled": "PrivateDnsEnabled"}.items():
        if old.get(key) != new.get(key):
            changed[parameter] = new.get(key)
    if changed := {key: value for key, value in changed.items() if value not in ([], None)}:
        client.modify_vpc_endpoint(VpcEndpointId=id_, **changed)
    added, removed = changed.get("AddRouteTableIds", []), changed.get("RemoveRouteTableIds", [])
    if added or removed:
        _move_endpoint_routes(client, id_, new["serviceName"], added, removed)


def _move_endpoint_routes(client: Any, id_: str, service: str, added: list[str], removed: list[str]) -> None:
    """Bring the routes along: moto makes them with the endpoint, not with its change, and then cannot delete it."""
    wanted = [{"Name": "prefix-list-name", "Values": [service]}]
    for prefixes in client.describe_managed_prefix_lists(Filters=wanted)["PrefixLists"]:
        destination = prefixes["PrefixListId"]
        for table in added:
            client.create_route(RouteTableId=table, DestinationPrefixListId=destination, GatewayId=id_)
        for table in removed:
            client.delete_route(RouteTableId=table, DestinationPrefixListId=destination)


def _flow_log(_: Context, values: Values) -> Values:
    """A flow log names what it watches by kind."""
    watched = {"vpcId": "VPC", "subnetId": "Subnet", "eniId": "NetworkInterface"}
    key = next(key for key in watched if values.get(key))
    return {**values, "resourceIds": [values[key]], "resourceType": watched[key]}


KINDS: Mapping[str, Kind] = {
    "aws:ec2/vpc:Vpc": ApiKind(
        service="ec2",
        make=call("create_vpc"),
        id="Vpc.VpcId",
        find=call("describe_vpcs", VpcIds=["{id}"]),
        at="Vpcs[0]",
        outputs={
            "arn": arn("ec2", "vpc/{id}"),
            "cidrBlock": "CidrBlock",
            "dhcpOptionsId": "DhcpOptionsId",
            "instanceTenancy": "InstanceTenancy",
            "ownerId": "OwnerId",
        },
        derive=_vpc_parts,
        derived=("defaultSecurityGroupId", "mainRouteTableId", "defaultRouteTableId", "defaultNetworkAclId"),
        changes=tuple(
            change("modify_vpc_attribute", key, created=True, VpcId="{id}", **{parameter: {"Value": f"{{{key}}}"}})
            for key, parameter in {
                "enableDnsSupport": "EnableDnsSupport",
                "enableDnsHostnames": "EnableDnsHostnames",
            }.items()
        ),
        drop=call("delete_vpc", VpcId="{id}"),
        tags="ec2",
        ec2_type="vpc",
    ),
    "aws:ec2/subnet:Subnet": ApiKind(
        service="ec2",
        make=call("create_subnet"),
        id="Subnet.SubnetId",
        find=call("describe_subnets", SubnetIds=["{id}"]),
        at="Subnets[0]",
        outputs={
            "arn": "SubnetArn",
            "availabilityZone": "AvailabilityZone",
            "availabilityZoneId": "AvailabilityZoneId",
            "cidrBlock": "CidrBlock",
            "ownerId": "OwnerId",
        },
        watched={"mapPublicIpOnLaunch": "MapPublicIpOnLaunch"},
        changes=(
            change(
                "modify_subnet_attribute",
                "mapPublicIpOnLaunch",
                created=True,
                SubnetId="{id}",
                MapPublicIpOnLaunch={"Value": "{mapPublicIpOnLaunch}"},
            ),
        ),
        drop=call("delete_subnet", SubnetId="{id}"),
        tags="ec2",
        ec2_type="subnet",
    ),
    "aws:ec2/internetGateway:InternetGateway": ApiKind(
        service="ec2",
        make=call("create_internet_gateway"),
        id="InternetGateway.InternetGatewayId",
        find=call("describe_internet_gateways", InternetGatewayIds=["{id}"]),
        at="InternetGateways[0]",
        outputs={
            "arn": arn("ec2", "internet-gateway/{id}"),
            "ownerId": "OwnerId",
        },
        watched={"vpcId": "Attachments[0].VpcId"},
        settle=_attach_gateway,
        remove=_remove_gateway,
        tags="ec2",
        ec2_type="internet-gateway",
    ),
    "aws:ec2/eip:Eip": ApiKind(
        service="ec2",
        make=call("allocate_address"),
        id="AllocationId",
        find=call("describe_addresses", AllocationIds=["{id}"]),
        at="Addresses[0]",
        outputs={
            "allocationId": "AllocationId",
            "arn": arn("ec2", "elastic-ip/{id}"),
            "domain": "Domain",
            "publicIp": "PublicIp",
        },
        drop=call("release_address", AllocationId="{id}"),
        tags="ec2",
        ec2_type="elastic-ip",
    ),
    "aws:ec2/natGateway:NatGateway": ApiKind(
        service="ec2",
        make=call("create_nat_gateway"),
        id="NatGateway.NatGatewayId",
        find=call("describe_nat_gateways", NatGatewayIds=["{id}"]),
        at="NatGateways[?State != 'deleted'] | [0]",
        outputs={
            "associationId": "NatGatewayAddresses[0].AssociationId",
            "networkInterfaceId": "NatGatewayAddresses[0].NetworkInterfaceId",
            "privateIp": "NatGatewayAddresses[0].PrivateIp",
            "publicIp": "NatGatewayAddresses[0].PublicIp",
        },
        drop=call("delete_nat_gateway", NatGatewayId="{id}"),
        tags="ec2",
        ec2_type="natgateway",
    ),
    "aws:ec2/routeTable:RouteTable": ApiKind(
        service="ec2",
        make=call("create_route_table"),
        id="RouteTable.RouteTableId",
        find=call("describe_route_tables", RouteTableIds=["{id}"]),
        at="RouteTables[0]",
        outputs={"arn": arn("ec2", "route-table/{id}"), "ownerId": "OwnerId"},
        settle=_inline_routes,
        drop=call("delete_route_table", RouteTableId="{id}"),
        tags="ec2",
        ec2_type="route-table",
    ),
    "aws:ec2/route:Route": ApiKind(
        service="ec2",
        make=call("create_route"),
        id="={routeTableId}_{destinationCidrBlock}{destinationIpv6CidrBlock}{destinationPrefixListId}",
        find=call("describe_route_tables", RouteTableIds=["{routeTableId}"]),
        at="RouteTables[0].Routes[?DestinationCidrBlock == '{destinationCidrBlock}' || DestinationIpv6CidrBlock == "
        "'{destinationIpv6CidrBlock}' || DestinationPrefixListId == '{destinationPrefixListId}'] | [0]",
        outputs={"origin": "Origin", "state": "State"},
        watched={
            "gatewayId": "GatewayId",
            "natGatewayId": "NatGatewayId",
            "vpcPeeringConnectionId": "VpcPeeringConnectionId",
        },
        changes=(
            change(
                "replace_route",
                RouteTableId="{routeTableId}",
                DestinationCidrBlock="{destinationCidrBlock}",
                DestinationIpv6CidrBlock="{destinationIpv6CidrBlock}",
                DestinationPrefixListId="{destinationPrefixListId}",
            ),
        ),
        drop=call(
            "delete_route",
            RouteTableId="{routeTableId}",
            DestinationCidrBlock="{destinationCidrBlock}",
            DestinationIpv6CidrBlock="{destinationIpv6CidrBlock}",
            DestinationPrefixListId="{destinationPrefixListId}",
        ),
    ),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": ApiKind(
        service="ec2",
        make=call("associate_route_table"),
        id="AssociationId",
        find=call("describe_route_tables", Filters=[{"Name": "association.subnet-id", "Values": ["{subnetId}"]}]),
        at="RouteTables[].{RouteTableId: RouteTableId, Subnets: Associations[].SubnetId}"
        "[?contains(Subnets, '{subnetId}')] | [0]",
        watched={"routeTableId": "RouteTableId"},
        settle=_move_association,
        remove=_remove_association,
    ),
    "aws:ec2/vpcEndpoint:VpcEndpoint": ApiKind(
        service="ec2",
        make=call("create_vpc_endpoint"),
        rename={"policy": "PolicyDocument"},
        id="VpcEndpoint.VpcEndpointId",
        find=call("describe_vpc_endpoints", VpcEndpointIds=["{id}"]),
        at="VpcEndpoints[?State != 'deleted'] | [0]",
        outputs={
            "arn": arn("ec2", "vpc-endpoint/{id}"),
            "dnsEntries": "DnsEntries[].{dnsName: DnsName, hostedZoneId: HostedZoneId}",
            "networkInterfaceIds": "NetworkInterfaceIds",
            "ownerId": "OwnerId",
            "state": "State",
            "vpcEndpointType": "VpcEndpointType",
        },
        settle=_endpoint_changes,
        drop=call("delete_vpc_endpoints", VpcEndpointIds=["{id}"]),
        tags="ec2",
        ec2_type="vpc-endpoint",
    ),
    "aws:ec2/flowLog:FlowLog": ApiKind(
        service="ec2",
        make=call("create_flow_logs"),
        prepare=_flow_log,
        rename={"iamRoleArn": "DeliverLogsPermissionArn"},
        id="FlowLogIds[0]",
        find=call("describe_flow_logs", FlowLogIds=["{id}"]),
        at="FlowLogs[0]",
        outputs={"arn": arn("ec2", "vpc-flow-log/{id}")},
        drop=call("delete_flow_logs", FlowLogIds=["{id}"]),
        tags="ec2",
        ec2_type="vpc-flow-log",
    ),
}
