"""Networks: nothing in from the internet, nothing out but by NAT gateways, and a record of what was turned away."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Final, Literal

from policies.rule import Level, Rules, Severity
from policies.view import Resource, Stack, each

RULES = Rules()
VPC = "aws:ec2/vpc:Vpc"
FLOW_LOG = "aws:ec2/flowLog:FlowLog"
SUBNET = "aws:ec2/subnet:Subnet"
ROUTE = "aws:ec2/route:Route"
ROUTE_TABLE = "aws:ec2/routeTable:RouteTable"
ASSOCIATION = "aws:ec2/routeTableAssociation:RouteTableAssociation"
NAT_GATEWAY = "aws:ec2/natGateway:NatGateway"
ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
DEFAULT_GROUP = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
SECURITY_GROUP = "aws:ec2/securityGroup:SecurityGroup"
INGRESS_RULE = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS_RULE = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
OLD_RULE = "aws:ec2/securityGroupRule:SecurityGroupRule"
"""Goes both ways; which one, its `type` says."""

Way = Literal["ingress", "egress"]
PRIVATE: Final = tuple(map(ip_network, ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")))
"""Addresses that the internet does not route: RFC 1918, 6598 and 4193."""
DATA_PORTS: Final = (22, 2379, 3306, 3389, 5432, 6379, 6432, *range(9092, 9099), 9200, 11211, 27017)
"""Administration (SSH, RDP), and what etcd, MySQL, PostgreSQL, Valkey, PgBouncer, Kafka, OpenSearch, Memcached and
MongoDB listen on."""
ONE_NAT = "10k"
"""The phase that shares one NAT gateway between its zones."""
NO_DESCRIPTION: Final = ("Managed by Pulumi", "Managed by Terraform")
"""What the provider writes where nothing was given."""


def openings(one: Resource, way: Way) -> list[Resource]:
    """What a security group, or a rule of one, lets in or out, each to be asked like a resource."""
    if one.type in (SECURITY_GROUP, DEFAULT_GROUP):
        return one.items(way)
    if one.type == OLD_RULE:
        return [one] if one.get("type") == way else []
    return [one] if one.type == {"ingress": INGRESS_RULE, "egress": EGRESS_RULE}[way] else []


def addresses(opening: Resource) -> list[Any]:
    """The networks of an opening, in CIDR notation, whichever way it is written."""
    names = ("cidrIpv4", "cidrIpv6", "cidrBlocks", "ipv6CidrBlocks")
    return [cidr for name in names for cidr in each(opening, name) if cidr]


def _network(cidr: object) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(str(cidr), strict=False)
    except ValueError:
        return None


def _is_private(cidr: object) -> bool:
    network = _network(cidr)
    return any(
        network.subnet_of(inside)  # type: ignore[arg-type]  # of the same version
        for inside in PRIVATE
        if network is not None and network.version == inside.version
    )


def _is_anywhere(cidr: object) -> bool:
    network = _network(cidr)
    return network is not None and network.prefixlen == 0


def _is_all_traffic(opening: Resource) -> bool:
    return str(opening.get("ipProtocol", opening.get("protocol"))) in ("-1", "all")


def _opens(opening: Resource, ports: tuple[int, ...]) -> bool:
    if _is_all_traffic(opening):
        return True
    if str(opening.get("ipProtocol", opening.get("protocol"))).lower() not in ("tcp", "udp", "6", "17"):
        return False
    first, last = opening.get("fromPort", 0), opening.get("toPort", 65_535)
    return (
        isinstance(first, int | float)
        and isinstance(last, int | float)
        and any(first <= port <= last for port in ports)
    )


@RULES.between(
    VPC,
    id="vpc-flow-log",
    severity=Severity.MEDIUM,
    level=Level.MANDATORY,
    demands="Every VPC writes down at least the connections that it turned away.",
    remedy="give the VPC a FlowLog with trafficType REJECT or ALL and a logDestination",
    frameworks=("FSBP EC2.6", "Checkov CKV2_AWS_11", "cdk-nag AwsSolutions-VPC7"),
)
def flow_log(one: Resource, stack: Stack) -> Iterator[str]:
    """Accepted connections alone show no attack."""
    logs = stack.users(one, FLOW_LOG, of=("vpcId",))
    if not any(log.has("logDestination") and log.get("trafficType") in ("ALL", "REJECT") for log in logs):
        yield "no flow log has what it turned away"


@RULES.on(
    DEFAULT_GROUP,
    id="vpc-default-group-empty",
    severity=Severity.MEDIUM,
    level=Level.MANDATORY,
    demands="A VPC's default security group lets nothing in and nothing out.",
    remedy="leave ingress and egress of the default group empty, and name a group where one is needed",
    frameworks=("FSBP EC2.2", "Checkov CKV2_AWS_12"),
)
def default_group_empty(one: Resource) -> Iterator[str]:
    """Whatever names no group gets this one."""
    if one.get("ingress") or one.get("egress"):
        yield "the default security group has rules"


@RULES.between(
    VPC,
    id="vpc-default-group-adopted",
    severity=Severity.MEDIUM,
    level=Level.MANDATORY,
    demands="The program holds the default security group of every VPC: AWS makes it open among its members.",
    remedy="add an ec2.DefaultSecurityGroup without rules for the VPC",
    frameworks=("FSBP EC2.2", "Checkov CKV2_AWS_12"),
)
def default_group_adopted(one: Resource, stack: Stack) -> Iterator[str]:
    """What is in it is judged by itself."""
    if not stack.users(one, DEFAULT_GROUP, of=("vpcId",)):
        yield "its default security group is as AWS made it"


@RULES.on(
    SUBNET,
    id="vpc-subnet-no-public-addresses",
    severity=Severity.MEDIUM,
    level=Level.MANDATORY,
    demands="No subnet gives public addresses to what is started in it, the public ones neither.",
    remedy="set mapPublicIpOnLaunch to false; load balancers and NAT gateways bring addresses of their own",
    frameworks=("FSBP EC2.15", "Checkov CKV_AWS_130"),
)
def subnet_no_public_addresses(one: Resource) -> Iterator[str]:
    """AWS's default is not to."""
    if one.get("mapPublicIpOnLaunch"):
        yield "it gives public addresses"


@RULES.on(
    INGRESS_RULE,
    OLD_RULE,
    SECURITY_GROUP,
    id="vpc-no-ingress-from-anywhere",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="No security group lets the whole internet in, on any port: visitors come through CloudFront.",
    remedy="name a security group, a prefix list or a network in place of 0.0.0.0/0 and ::/0",
    frameworks=("FSBP EC2.18", "FSBP EC2.19", "Checkov CKV_AWS_260", "Checkov CKV_AWS_277"),
)
def no_ingress_from_anywhere(one: Resource) -> Iterator[str]:
    """Stricter than the frameworks, which leave 80 and 443 open: nothing here is asked by visitors directly."""
    if any(_is_anywhere(cidr) for opening in openings(one, "ingress") for cidr in addresses(opening)):
        yield "the whole internet may connect"


@RULES.on(
    INGRESS_RULE,
    OLD_RULE,
    SECURITY_GROUP,
    id="vpc-data-ports-private",
    severity=Severity.CRITICAL,
    level=Level.MANDATORY,
    demands="Ports of data stores and of administration are open to security groups and private networks only.",
    remedy="name the clients' security group, or a private network, as the source",
    frameworks=(
        "FSBP EC2.13",
        "FSBP EC2.14",
        "FSBP EC2.19",
        "Checkov CKV_AWS_24",
        "Checkov CKV_AWS_25",
        "Checkov CKV_AWS_277",
        "cdk-nag AwsSolutions-EC23",
    ),
)
def data_ports_private(one: Resource) -> Iterator[str]:
    """A prefix list is not private either: what is in it, its owner decides."""
    for opening in openings(one, "ingress"):
        listed = opening.has("prefixListId") or opening.has("prefixListIds")
        if _opens(opening, DATA_PORTS) and (listed or not all(map(_is_private, addresses(opening)))):
            yield "a port of data or administration is open to public addresses"
            return


@RULES.on(
    SECURITY_GROUP,
    INGRESS_RULE,
    EGRESS_RULE,
    id="vpc-security-group-described",
    severity=Severity.LOW,
    level=Level.ADVISORY,
    demands="Every security group and every rule of one says what it is for.",
    remedy="set description; that of a group cannot be changed later",
    frameworks=("Checkov CKV_AWS_23", "cdk-nag AwsSolutions-EC27"),
)
def security_group_described(one: Resource) -> Iterator[str]:
    """The provider's own words say nothing."""
    if not one.has("description") or one.get("description") in NO_DESCRIPTION:
        yield "nothing says what it is for"


@RULES.on(
    EGRESS_RULE,
    OLD_RULE,
    SECURITY_GROUP,
    id="vpc-egress-narrow",
    severity=Severity.MEDIUM,
    level=Level.ADVISORY,
    demands="No security group of the program's lets all traffic out to the whole internet.",
    remedy="name the port, and the security group or network where it leads",
    frameworks=("Checkov CKV_AWS_382",),
)
def egress_narrow(one: Resource) -> Iterator[str]:
    """The group of nodes and pods is EKS's own: network policies hold those."""
    for opening in openings(one, "egress"):
        if _is_all_traffic(opening) and any(map(_is_anywhere, addresses(opening))):
            yield "all traffic may go anywhere"
            return


@RULES.between(
    SECURITY_GROUP,
    id="vpc-security-group-used",
    severity=Severity.LOW,
    level=Level.ADVISORY,
    demands="Every security group belongs to something.",
    remedy="take the group away, or give it to what it is for",
    frameworks=("FSBP EC2.22", "Checkov CKV2_AWS_5"),
)
def security_group_used(one: Resource, stack: Stack) -> Iterator[str]:
    """Rules of a group, or about it, do not use it."""
    if all(user.type in (INGRESS_RULE, EGRESS_RULE, OLD_RULE) for user in stack.users(one)):
        yield "nothing belongs to it"


def _is_default_route(route: Resource) -> bool:
    return any(_is_anywhere(route.get(name)) for name in ("destinationCidrBlock", "destinationIpv6CidrBlock"))


def _subnets(route: Resource, stack: Stack) -> list[Resource]:
    return [
        subnet
        for table in stack.behind(route, "routeTableId")
        for association in stack.users(table, ASSOCIATION, of=("routeTableId",))
        for subnet in stack.behind(association, "subnetId")
    ]


@RULES.between(
    ROUTE,
    id="vpc-private-route-nat",
    severity=Severity.HIGH,
    level=Level.PRODUCTION,
    demands="Subnets that are not public reach the internet through a NAT gateway only.",
    remedy="give the default route a natGatewayId in place of an internet gateway",
    frameworks=("Checkov CKV2_AWS_35",),
)
def private_route_nat(one: Resource, stack: Stack) -> Iterator[str]:
    """Which subnets are public, their tag `Tier` says."""
    if not _is_default_route(one) or one.has("natGatewayId") or one.has("egressOnlyGatewayId"):
        return
    if any(subnet.get("tags.Tier") != "public" for subnet in _subnets(one, stack)):
        yield "subnets that are not public go to the internet without a NAT gateway"


@RULES.between(
    ROUTE,
    id="vpc-data-route-none",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="Subnets of data stores have no way to the internet, by NAT gateway neither.",
    remedy="take the default route out of the table of the data subnets",
)
def data_route_none(one: Resource, stack: Stack) -> Iterator[str]:
    """Which subnets hold data, their tag `Tier` says."""
    if _is_default_route(one) and any(subnet.get("tags.Tier") == "data" for subnet in _subnets(one, stack)):
        yield "subnets of data stores have a way to the internet"


@RULES.on(
    ROUTE,
    id="vpc-peering-route-narrow",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="A route through a peering connection leads to a private network.",
    remedy="set destinationCidrBlock to the other VPC's network",
    frameworks=("Checkov CKV2_AWS_44",),
)
def peering_route_narrow(one: Resource) -> Iterator[str]:
    """Everything else would leave through the other VPC."""
    leads_away = one.has("vpcPeeringConnectionId") and one.has("destinationCidrBlock")
    if leads_away and not _is_private(one.get("destinationCidrBlock")):
        yield "more than a private network goes through a peering connection"


@RULES.between(
    ROUTE,
    id="vpc-nat-own-zone",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="Private subnets use a NAT gateway of their own zone, from 50k on.",
    remedy="make a NAT gateway in each zone, and let each zone's private route table use its own",
)
def nat_own_zone(one: Resource, stack: Stack) -> Iterator[str]:
    """At 10k one for all zones is meant: the tag `Phase` of the NAT gateway says which phase it is."""
    zones = {str(subnet.get("availabilityZone")) for subnet in _subnets(one, stack)}
    for gateway in stack.behind(one, "natGatewayId"):
        if gateway.get("tags.Phase") == ONE_NAT:
            continue
        if any(zones - {str(subnet.get("availabilityZone"))} for subnet in stack.behind(gateway, "subnetId")):
            yield "when another zone fails, this one's pods lose the internet too"


@RULES.between(
    VPC,
    id="vpc-s3-endpoint",
    severity=Severity.LOW,
    level=Level.ADVISORY,
    demands="A VPC has a gateway endpoint for S3, which is free and keeps its traffic inside.",
    remedy="add an ec2.VpcEndpoint of type Gateway for com.amazonaws.<region>.s3",
)
def s3_endpoint(one: Resource, stack: Stack) -> Iterator[str]:
    """Through a NAT gateway each byte costs."""
    endpoints = stack.users(one, ENDPOINT, of=("vpcId",))
    if not any(str(endpoint.get("serviceName")).endswith(".s3") for endpoint in endpoints):
        yield "traffic to S3 leaves through NAT gateways"
