"""The network: gateways, addresses, endpoints, load balancers, and the bytes between zones and regions.

Each kind of bytes is booked in one place: through NAT on the gateways, to AWS's own services on their endpoints or
else on the gateways, between zones on the VPC, between regions on the peering, to CloudFront nowhere (it costs
nothing), from CloudFront on the distribution. What databases, caches and buckets copy to one another is theirs.

Left out, for want of a figure or as too little: traces and metrics through NAT, and the few public images of a new
node. The product's own image comes from ECR, whose layers S3's gateway endpoint carries
(https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from infra.cidr import ZONES
from infra.cost.model import HOURS, Charge, Estimator, Free, Item, Scene, Unpriced
from infra.cost.usage import KIB_PER_GIB, SECONDS, Level, Usage
from infra.plan import PlannedResource
from stacks.phase import SERVICES
from stacks.shards import primaries, replica_regions

API: Final = "aws:apigatewayv2/api:Api"
ENDPOINT: Final = "aws:ec2/vpcEndpoint:VpcEndpoint"
LISTENER_RULE: Final = "aws:lb/listenerRule:ListenerRule"
NAT: Final = "aws:ec2/natGateway:NatGateway"
INTERNET: Final = "vpc/internet/gb"
"""Out of a region to the internet, but not by CloudFront. 100 GB of a month are free, over the account."""
ADDRESS: Final = "vpc/public-ipv4/hour"
"""In use or not: https://aws.amazon.com/blogs/aws/new-aws-public-ipv4-address-charge-public-ip-insights/."""

CONNECTIONS_PER_UNIT, ACTIVE_PER_UNIT, RULES_PER_UNIT = 25, 3_000, 1_000
"""What one capacity unit of an ALB holds: new connections a second, connections open at once, rules evaluated a second;
and 1 GB an hour. The first ten rules of a request are free. Source: https://aws.amazon.com/elasticloadbalancing/pricing/"""
FREE_RULES: Final = 10


def _part(resource: PlannedResource, scene: Scene) -> Decimal:
    """Of the product's traffic, how much this one carries: its region's, over all of its kind there."""
    region = scene.region(resource)
    return scene.usage.share(region) / len(scene.in_region(region, resource.type))


# Bytes.


def vendor_gib(usage: Usage) -> Decimal:
    """Bytes to other vendors' APIs; all count as leaving, which is the dear direction."""
    return usage.per_request_gib(usage.profile.egress_kib_per_request)


def partner_gib(usage: Usage) -> Decimal:
    """Bytes that API Gateway answers to integrators."""
    return usage.profile.partner_requests * usage.profile.response_kib / KIB_PER_GIB


def internet_gib(scene: Scene) -> Decimal:
    """All that leaves for the internet without CloudFront: what the free allowance and the tiers run over."""
    return vendor_gib(scene.usage) + (partner_gib(scene.usage) if scene.count(API) else Decimal(0))


def service_gib(usage: Usage) -> Mapping[str, Decimal]:
    """Bytes between the pods and AWS's services that S3's gateway endpoint does not carry, by name of the endpoint.

    A message of a queue is sent and received, and taken to be as large as an event. Uploads go to S3 directly.
    """
    profile = usage.profile
    return {
        "logs": usage.per_request_gib(profile.log_kib_per_request),
        "sqs": 2 * usage.jobs * profile.event_kib / KIB_PER_GIB,
        "email": usage.emails * profile.email_kib / KIB_PER_GIB,
        "kinesis-streams": usage.event_gib if usage.phase.messaging.event_stream else Decimal(0),
    }


def _service(endpoint: PlannedResource) -> str:
    """`logs` of `com.amazonaws.us-east-1.logs`."""
    return ".".join(str(endpoint.inputs.get("serviceName", "")).split(".")[3:])


def _nat_gib(scene: Scene, region: str) -> Decimal:
    """Bytes through all NAT gateways of a region: other vendors, and services that have no endpoint there."""
    inside = {_service(one) for one in scene.in_region(region, ENDPOINT)}
    services = sum((gib for name, gib in service_gib(scene.usage).items() if name not in inside), Decimal(0))
    return (vendor_gib(scene.usage) + services) * scene.usage.share(region)


def _remote_gib(usage: Usage, pods: str, databases: str) -> Decimal:
    """Bytes between the pods of one region and the primaries of another.

    Reads stay at home where the other region's primaries have a replica. Users are taken to be spread evenly over the
    shards, wherever they are. What a request writes is as much as the log that it makes.
    """
    phase, profile = usage.phase, usage.profile
    written = min(profile.write_kib_per_request, profile.database_kib_per_request)
    read = profile.database_kib_per_request - written
    if pods in replica_regions(phase, databases):
        read = Decimal(0)
    shards = Decimal(sum(len(one.shards) for one in primaries(phase, databases))) / phase.database.logical_shards
    return usage.per_request_gib(written + read) * usage.share(pods) * shards


def _local_gib(usage: Usage, region: str) -> Decimal:
    """Bytes between the pods of a region and its own databases."""
    others = (other for other in usage.phase.regions if other != region)
    whole = usage.per_request_gib(usage.profile.database_kib_per_request) * usage.share(region)
    return whole - sum((_remote_gib(usage, region, other) for other in others), Decimal(0))


def _pods_gib(usage: Usage) -> Decimal:
    """Bytes from pod to pod: to the poolers and, where there are services, each request once more to one of them."""
    profile = usage.profile
    served = any(role in usage.phase.compute.pods for role in SERVICES)
    hop = profile.request_kib + profile.response_kib if served else Decimal(0)
    return usage.per_request_gib(profile.database_kib_per_request + hop)


# Estimators.


def nat_gateway(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """Hours, each byte that passes, and again those that leave AWS."""
    region = scene.region(resource)
    count = len(scene.in_region(region, NAT))
    yield Charge(component="hours", key="vpc/nat-gateway/hour", quantity=HOURS)
    yield Charge(component="bytes", key="vpc/nat-gateway/gb", quantity=_nat_gib(scene, region) / count)
    out = vendor_gib(scene.usage) * _part(resource, scene)
    yield Charge(component="internet egress", key=INTERNET, quantity=out, of=internet_gib(scene))


def address(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """A public IPv4 address; a NAT gateway's is no exception."""
    del resource, scene
    yield Charge(component="address", key=ADDRESS, quantity=HOURS)


def endpoint(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """An interface in each zone, and the bytes of its service; a gateway endpoint costs nothing."""
    if resource.inputs.get("vpcEndpointType", "Gateway") == "Gateway":
        yield Free(why="gateway endpoints cost nothing, and their bytes pass no NAT gateway")
        return
    zones = len(resource.inputs["subnetIds"])
    yield Charge(component="hours", key="vpc/endpoint/hour", quantity=HOURS * zones, note=f"{zones} zones")
    gib = service_gib(scene.usage).get(_service(resource), Decimal(0)) * scene.usage.share(scene.region(resource))
    yield Charge(component="bytes", key="vpc/endpoint/gb", quantity=gib)


def vpc(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """Bytes between zones. A byte pays on both ends; a cache's end is free (https://aws.amazon.com/elasticache/pricing/).

    Free, and not here: Multi-AZ and replication inside a region (RDS, ElastiCache), an ALB to its targets.
    """
    usage, region = scene.usage, scene.region(resource)
    profile, part = usage.profile, _part(resource, scene)
    if not part:
        yield Free(why="no pods here: what replicas and copies receive is paid for where it comes from")
        return
    caches = usage.per_request_gib(profile.cache_kib_per_request) * part
    crossing = {
        "databases, between zones": 2 * _local_gib(usage, region),
        "caches, between zones": caches,
        "pods, between zones": 2 * _pods_gib(usage) * part,
    }
    if len(scene.in_region(region, NAT)) < ZONES:
        crossing["NAT, between zones"] = 2 * _nat_gib(scene, region)
    for component, gib in crossing.items():
        yield Charge(component=component, key="vpc/cross-zone/gb", quantity=gib * profile.cross_zone_share)


def peering(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """Bytes of pods that use the other side's databases; each side pays for what leaves it, taken to be half."""
    near = scene.region(resource)
    far = str(resource.inputs.get("peerRegion", near))
    if near == far or not {near, far} <= set(scene.usage.phase.regions):
        yield Free(why="no pod uses it: RDS and S3 copy outside of it")
        return
    gib = _remote_gib(scene.usage, near, far) + _remote_gib(scene.usage, far, near)
    for region in (near, far):
        yield Charge(component=f"bytes out of {region}", key="vpc/peering/gb", quantity=gib / 2, region=region)


def flow_log(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """Delivery to a log group is that group's ingestion."""
    del scene
    if resource.inputs.get("logDestinationType", "cloud-watch-logs") == "cloud-watch-logs":
        yield Free(why="its log group pays for what it receives")
    else:
        yield Unpriced(component="delivery", why="no price of flow logs that go elsewhere than to a log group")


def load_balancer(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """Hours, capacity units, and a public address in each zone."""
    if resource.inputs.get("loadBalancerType", "application") != "application":
        yield Unpriced(component="hours", why="only application load balancers have a price here")
        return
    yield Charge(component="hours", key="lb/application/hour", quantity=HOURS)
    units, why = max(_capacity(resource, scene))
    yield Charge(component="capacity units", key="lb/application/lcu-hour", quantity=HOURS * units, note=why)
    if not resource.inputs.get("internal"):
        zones = len(resource.inputs["subnets"])
        note = "one a zone, while it is small: AWS adds more as it scales"
        yield Charge(component="public addresses", key=ADDRESS, quantity=HOURS * zones, note=note)


def _capacity(resource: PlannedResource, scene: Scene) -> Iterator[tuple[Decimal, str]]:
    """Capacity units by dimension, of which the highest is paid; from the month's averages.

    Sockets are open all day, as many as the phase's design point (at high usage its ceiling): an upper bound. A request
    of CloudFront's is taken to open a connection, although CloudFront keeps some: another one.
    """
    usage, part = scene.usage, _part(resource, scene)
    connected = usage.phase.targets.concurrent_users
    sockets = connected.high if usage.level is Level.HIGH else connected.low
    rules = len(scene.in_region(scene.region(resource), LISTENER_RULE))
    rate = usage.requests / SECONDS * part
    gib = (usage.response_gib + usage.per_request_gib(usage.profile.request_kib)) * part
    yield rate / CONNECTIONS_PER_UNIT, "by new connections"
    yield sockets * part / ACTIVE_PER_UNIT, "by active connections"
    yield gib / HOURS, "by bytes"
    yield max(rules - FREE_RULES, 0) * rate / RULES_PER_UNIT, "by rule evaluations"


ESTIMATORS: Final[Mapping[str, Estimator]] = {
    NAT: nat_gateway,
    ENDPOINT: endpoint,
    "aws:ec2/eip:Eip": address,
    "aws:ec2/flowLog:FlowLog": flow_log,
    "aws:ec2/vpc:Vpc": vpc,
    "aws:ec2/vpcPeeringConnection:VpcPeeringConnection": peering,
    "aws:lb/loadBalancer:LoadBalancer": load_balancer,
}
_RULES = "rules cost nothing"
_LAYOUT = "a part of the VPC, which costs nothing by itself"
_BALANCER = "its load balancer pays"
FREE: Final[Mapping[str, str]] = {
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": _RULES,
    "aws:ec2/internetGateway:InternetGateway": "the gateway costs nothing, only what passes it",
    "aws:ec2/peeringConnectionOptions:PeeringConnectionOptions": "its peering connection pays",
    "aws:ec2/route:Route": _LAYOUT,
    "aws:ec2/routeTable:RouteTable": _LAYOUT,
    "aws:ec2/routeTableAssociation:RouteTableAssociation": _LAYOUT,
    "aws:ec2/securityGroup:SecurityGroup": _RULES,
    "aws:ec2/subnet:Subnet": _LAYOUT,
    "aws:ec2/vpcPeeringConnectionAccepter:VpcPeeringConnectionAccepter": "its peering connection pays, for both sides",
    "aws:lb/listener:Listener": _BALANCER,
    LISTENER_RULE: _BALANCER,
    "aws:lb/targetGroup:TargetGroup": _BALANCER,
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": _RULES,
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": _RULES,
}
