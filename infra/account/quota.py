"""What a plan needs of AWS's service quotas, region by region, beside what an account has."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from infra.cost.estimators import compute
from infra.cost.model import Scene
from infra.plan import SECRET, UNKNOWN, PlannedResource

DATA: Final = Path(__file__).with_name("quotas.json")
WORLD: Final = ""
"""Stands for the region of what counts once for the account."""

CLOUDFRONT_LIST_WEIGHT: Final = 55
"""Rules that CloudFront's prefix list counts as in a security group:
https://docs.aws.amazon.com/vpc/latest/userguide/working-with-aws-managed-prefix-lists.html."""
PREFIX_LIST: Final = "prefixListId"
MANAGED_CAPACITY: Final[Mapping[str, int]] = {
    "AWSManagedRulesCommonRuleSet": 700,
    "AWSManagedRulesKnownBadInputsRuleSet": 200,
    "AWSManagedRulesSQLiRuleSet": 200,
    "AWSManagedRulesAmazonIpReputationList": 25,
    "AWSManagedRulesAnonymousIpList": 50,
}
"""WCU of a managed group: https://docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-list.html
(recalled)."""
OWN_CAPACITY: Final = 20
"""WCU of a statement of one's own, generously; AWS's `CheckCapacity` says it exactly."""

Counts = Counter[tuple[str, str]]
"""What is needed, by region and quota."""


@dataclass(frozen=True, slots=True)
class Quota:
    """One quota.

    Attributes:
        key: how it is called here.
        service: AWS's code of the service.
        code: AWS's code of the quota; None where it has none, or nobody here knows it.
        name: what is counted.
        default: what a new account has.
        adjustable: whether AWS gives more.
        worldwide: it counts once for the account, and is kept in us-east-1.
        source: where the default stands.
        confirmed: whether it was read there, or is recalled.
        read: when, as an ISO date.
    """

    key: str
    service: str
    code: str | None
    name: str
    default: int
    adjustable: bool
    worldwide: bool
    source: str
    confirmed: bool
    read: str


@dataclass(frozen=True, slots=True)
class Line:
    """One quota in one region: what is needed, and what there is.

    Attributes:
        region: empty for what counts once for the account.
        quota: which.
        need: of the plan alone; what else is in the account comes on top.
        have: the account's, or AWS's default.
        asked: whether the account was asked.
    """

    region: str
    quota: Quota
    need: int
    have: int
    asked: bool

    @property
    def fits(self) -> bool:
        """Whether there is enough."""
        return self.need <= self.have

    @property
    def command(self) -> str | None:
        """What asks AWS for more; None where only a support case, or nothing, helps."""
        if self.quota.code is None or not self.quota.adjustable:
            return None
        return (
            f"aws service-quotas request-service-quota-increase --region {self.region or 'us-east-1'} "
            f"--service-code {self.quota.service} --quota-code {self.quota.code} --desired-value {self.need}"
        )


@lru_cache(maxsize=1)
def quotas() -> Mapping[str, Quota]:
    """All quotas by key."""
    rows = json.loads(DATA.read_text(encoding="utf-8"))
    return {row["key"]: Quota(**row) for row in rows}


def lines(needed: Counts, account: Mapping[tuple[str, str], int] | None = None) -> list[Line]:
    """Every quota that a plan needs something of, the fullest first.

    Args:
        needed: of `needs`.
        account: the account's own values by region and quota; where one is missing, AWS's default stands in.
    """
    own = account or {}
    found = [
        Line(region, quotas()[key], need, own.get((region, key), quotas()[key].default), (region, key) in own)
        for (region, key), need in needed.items()
        if need
    ]
    return sorted(found, key=lambda line: (-line.need / max(line.have, 1), line.region, line.quota.key))


def needs(scene: Scene) -> Counts:
    """What the plan behind a scene needs; vCPUs at the scene's level of usage."""
    counts: Counts = Counter()
    for token, key in _BY_TYPE.items():
        for one in scene.all(token):
            counts[WORLD if quotas()[key].worldwide else scene.region(one), key] += 1
    for count in _COUNTERS:
        for region, key, need in count(scene):
            counts[region, key] = max(counts[region, key], need)
    return counts


_BY_TYPE: Final[Mapping[str, str]] = {
    "aws:ec2/vpc:Vpc": "vpcs",
    "aws:ec2/internetGateway:InternetGateway": "internet-gateways",
    "aws:ec2/eip:Eip": "elastic-ips",
    "aws:rds/instance:Instance": "db-instances",
    "aws:rds/parameterGroup:ParameterGroup": "db-parameter-groups",
    "aws:rds/subnetGroup:SubnetGroup": "db-subnet-groups",
    "aws:rds/eventSubscription:EventSubscription": "db-event-subscriptions",
    "aws:elasticache/parameterGroup:ParameterGroup": "cache-parameter-groups",
    "aws:elasticache/subnetGroup:SubnetGroup": "cache-subnet-groups",
    "aws:eks/cluster:Cluster": "clusters",
    "aws:lb/loadBalancer:LoadBalancer": "load-balancers",
    "aws:lb/targetGroup:TargetGroup": "target-groups",
    "aws:cloudfront/distribution:Distribution": "distributions",
    "aws:cloudfront/cachePolicy:CachePolicy": "cache-policies",
    "aws:cloudfront/originRequestPolicy:OriginRequestPolicy": "origin-request-policies",
    "aws:cloudfront/responseHeadersPolicy:ResponseHeadersPolicy": "response-headers-policies",
    "aws:cloudfront/function:Function": "edge-functions",
    "aws:route53/zone:Zone": "hosted-zones",
    "aws:route53/healthCheck:HealthCheck": "health-checks",
    "aws:acm/certificate:Certificate": "certificates",
    "aws:iam/role:Role": "roles",
    "aws:kms/key:Key": "keys",
    "aws:sns/topic:Topic": "topics",
    "aws:cloudwatch/eventRule:EventRule": "event-rules",
    "aws:cloudwatch/metricAlarm:MetricAlarm": "alarms",
    "aws:synthetics/canary:Canary": "canaries",
    "aws:cloudwatch/logGroup:LogGroup": "log-groups",
    "aws:cloudwatch/logResourcePolicy:LogResourcePolicy": "log-resource-policies",
    "aws:opensearch/domain:Domain": "search-domains",
    "aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream": "delivery-streams",
    "aws:apigatewayv2/vpcLink:VpcLink": "vpc-links",
    "aws:apigatewayv2/domainName:DomainName": "api-domains",
    "aws:backup/vault:Vault": "backup-vaults",
    "aws:backup/plan:Plan": "backup-plans",
    "aws:s3/bucket:Bucket": "buckets",
    "aws:xray/samplingRule:SamplingRule": "sampling-rules",
    "aws:amp/workspace:Workspace": "prometheus-workspaces",
}
"""Quotas that count resources of one type."""

Need = tuple[str, str, int]
"""Region, quota, how much."""


def _most_behind(scene: Scene, token: str, name: str) -> Iterator[tuple[str, int]]:
    """How many of a type stand in one object at most, by region; `name` is the input that names the object."""
    for region, found in _behind(scene, scene.all(token), name).items():
        yield region, max(found.values())


def _behind(scene: Scene, resources: Sequence[PlannedResource], name: str) -> dict[str, Counter[str]]:
    by_region: dict[str, Counter[str]] = defaultdict(Counter)
    for one in resources:
        # What an input names by its own value has no resource behind it, and is in nobody's quota here.
        for owner in scene.behind(one, name):
            by_region[scene.region(one)][owner.urn] += 1
    return by_region


def _network(scene: Scene) -> Iterator[Need]:
    for key, token, name in (
        ("subnets-per-vpc", "aws:ec2/subnet:Subnet", "vpcId"),
        ("route-tables-per-vpc", "aws:ec2/routeTable:RouteTable", "vpcId"),
        ("routes-per-table", "aws:ec2/route:Route", "routeTableId"),
        ("listeners-per-balancer", "aws:lb/listener:Listener", "loadBalancerArn"),
        ("policies-per-role", "aws:iam/rolePolicyAttachment:RolePolicyAttachment", "role"),
        ("records-per-zone", "aws:route53/record:Record", "zoneId"),
    ):
        for region, most in _most_behind(scene, token, name):
            yield WORLD if quotas()[key].worldwide else region, key, most
    # A gateway is named by the zone that it stands in.
    zones = Counter((scene.region(one), one.name[-1]) for one in scene.all("aws:ec2/natGateway:NatGateway"))
    for (region, _), count in zones.items():
        yield region, "nat-gateways-per-zone", count


def _endpoints(scene: Scene) -> Iterator[Need]:
    endpoints = scene.all("aws:ec2/vpcEndpoint:VpcEndpoint")
    interfaces = [one for one in endpoints if one.inputs.get("vpcEndpointType") == "Interface"]
    for region, found in _behind(scene, interfaces, "vpcId").items():
        yield region, "interface-endpoints-per-vpc", max(found.values())
    gateways = Counter(scene.region(one) for one in endpoints if one not in interfaces)
    for region, count in gateways.items():
        yield region, "gateway-endpoints", count
    ends: Counter[str] = Counter()
    for one in scene.all("aws:ec2/vpcPeeringConnection:VpcPeeringConnection"):
        ends[scene.region(one)] += 1
        ends[one.inputs.get("peerRegion", scene.region(one))] += 1
    for region, count in ends.items():
        yield region, "peerings-per-vpc", count


def _groups(scene: Scene) -> Iterator[Need]:
    """Groups, EKS's own one a cluster included, and the rules of the fullest; a prefix list counts by its weight."""
    groups = Counter(
        scene.region(one)
        for one in scene.all(
            "aws:ec2/securityGroup:SecurityGroup",
            "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
            "aws:eks/cluster:Cluster",
        )
    )
    for region, count in groups.items():
        yield region, "security-groups", count
    for direction in ("Ingress", "Egress"):
        rules: dict[tuple[str, str], int] = Counter()
        for one in scene.all(f"aws:vpc/securityGroup{direction}Rule:SecurityGroup{direction}Rule"):
            weight = CLOUDFRONT_LIST_WEIGHT if PREFIX_LIST in one.inputs else 1
            for group in scene.behind(one, "securityGroupId"):
                rules[scene.region(one), group.urn] += weight
        for (region, _), count in rules.items():
            yield region, "rules-per-group", count
    for token, name in (
        ("aws:rds/instance:Instance", "vpcSecurityGroupIds"),
        ("aws:elasticache/replicationGroup:ReplicationGroup", "securityGroupIds"),
        ("aws:lb/loadBalancer:LoadBalancer", "securityGroups"),
    ):
        for one in scene.all(token):
            yield scene.region(one), "groups-per-interface", len(one.inputs.get(name) or ())


def _vcpus(scene: Scene) -> Iterator[Need]:
    """Cores of the cluster's nodes as they are packed, or of a pool's limit where nobody knows the nodes."""
    cores: Counter[tuple[str, str]] = Counter()
    packings = compute.nodes(scene)
    for pool in scene.all(compute.NODE_POOL):
        packing = packings[pool.urn]
        limit = int(pool.inputs["spec"].get("limits", {}).get("cpu", 0))
        capacity = packing.capacity if packing is not None else "on-demand"
        key = "spot-vcpus" if capacity == "spot" else "on-demand-vcpus"
        cores[scene.region(pool), key] += packing.vcpus if packing is not None else limit
    for (region, key), count in cores.items():
        yield region, key, count


def _databases(scene: Scene) -> Iterator[Need]:
    """Storage as far as it may grow; a replica is its source's size unless it says otherwise."""
    storage: Counter[str] = Counter()
    instances = scene.all("aws:rds/instance:Instance")
    for one in instances:
        source: PlannedResource | None = one
        size = 0
        while source is not None and not size:
            size = int(source.inputs.get("maxAllocatedStorage") or source.inputs.get("allocatedStorage") or 0)
            source = next(iter(scene.behind(source, "replicateSourceDb")), None)
        storage[scene.region(one)] += size
    for region, size in storage.items():
        yield region, "db-storage-gb", size
    sources: Counter[str] = Counter()
    by_urn = {one.urn: one for one in instances}
    for one in instances:
        for primary in scene.behind(one, "replicateSourceDb"):
            sources[primary.urn] += 1
    for urn, count in sources.items():
        yield scene.region(by_urn[urn]), "replicas-per-primary", count


def _caches(scene: Scene) -> Iterator[Need]:
    nodes: Counter[str] = Counter()
    for one in scene.all("aws:elasticache/replicationGroup:ReplicationGroup"):
        own = _cache_nodes(one, scene)
        nodes[scene.region(one)] += own
        yield scene.region(one), "cache-nodes-per-cluster", own
    for region, count in nodes.items():
        yield region, "cache-nodes", count


def _cache_nodes(one: PlannedResource, scene: Scene) -> int:
    """Nodes of a group; a secondary of a global datastore has as many shards as its primary."""
    shards = one.inputs.get("numNodeGroups")
    if shards is None:
        for store in scene.behind(one, "globalReplicationGroupId"):
            for primary in scene.behind(store, "primaryReplicationGroupId"):
                shards = primary.inputs.get("numNodeGroups")
    return int(shards or 1) * (1 + int(one.inputs.get("replicasPerNodeGroup") or 0))


def _balancers(scene: Scene) -> Iterator[Need]:
    """Rules of a balancer, and its targets with every autoscaler at its maximum."""
    for region, found in _behind(scene, scene.all("aws:lb/listenerRule:ListenerRule"), "listenerArn").items():
        yield region, "rules-per-balancer", max(found.values())
    bound: Counter[str] = Counter()
    most: dict[tuple[str, str], int] = {}
    for one in scene.all("kubernetes:autoscaling/v2:HorizontalPodAutoscaler"):
        most[scene.region(one), one.inputs["metadata"]["name"]] = int(one.inputs["spec"]["maxReplicas"])
    for one in scene.all("kubernetes:eks.amazonaws.com/v1:TargetGroupBinding"):
        bound[scene.region(one)] += most.get((scene.region(one), one.inputs["metadata"]["name"]), 0)
    for region, count in bound.items():
        yield region, "targets-per-balancer", count


def _firewall(scene: Scene) -> Iterator[Need]:
    for one in scene.all("aws:wafv2/webAcl:WebAcl"):
        if isinstance(one.inputs.get("rules"), list):
            capacity = sum(_capacity(rule.get("statement", {})) for rule in one.inputs["rules"])
            yield WORLD, "web-acl-capacity", capacity


def _capacity(statement: Mapping[str, Any]) -> int:
    group = statement.get("managedRuleGroupStatement", {}).get("name")
    # A group that is not in the table is taken for a large one.
    return MANAGED_CAPACITY.get(group, 700) if group else OWN_CAPACITY


def _policies(scene: Scene) -> Iterator[Need]:
    """Characters without white space, as IAM counts, of those inline policies that a plan knows."""
    sizes: Counter[str] = Counter()
    for one in scene.all("aws:iam/rolePolicy:RolePolicy"):
        text = one.inputs.get("policy")
        if isinstance(text, str) and text not in {UNKNOWN, SECRET}:
            for role in scene.behind(one, "role"):
                sizes[role.urn] += len(re.sub(r"\s", "", text))
    if sizes:
        yield WORLD, "inline-policy-characters", max(sizes.values())


def _streams(scene: Scene) -> Iterator[Need]:
    streams = Counter(
        scene.region(one)
        for one in scene.all("aws:kinesis/stream:Stream")
        if one.inputs.get("streamModeDetails", {}).get("streamMode") == "ON_DEMAND"
    )
    for region, count in streams.items():
        yield region, "on-demand-streams", count
    for one in scene.all("aws:opensearch/domain:Domain"):
        yield scene.region(one), "search-nodes-per-domain", int(one.inputs["clusterConfig"]["instanceCount"])


_COUNTERS: Final[tuple[Callable[[Scene], Iterator[Need]], ...]] = (
    _network,
    _endpoints,
    _groups,
    _vcpus,
    _databases,
    _caches,
    _balancers,
    _firewall,
    _policies,
    _streams,
)
"""Quotas that take more than counting."""
