"""What a refresh cannot see: rules that no state knows in security groups of ours, and tags on the local cloud."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from infra.account.drift import GONE, HERE, URN_TAG, WORLD, Drift, Kind
from infra.verify.facts import Clients

GROUPS: Final = frozenset({"aws:ec2/securityGroup:SecurityGroup", "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"})
RULES: Final = frozenset(
    {
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
    }
)
CONTROLLER: Final = "elbv2.k8s.aws/"
"""Begins the description of rules that EKS's load-balancer controller writes for pods (recalled from its source,
pkg/targetgroupbinding/networking_manager.go of kubernetes-sigs/aws-load-balancer-controller)."""
SAY_TAGS: Final = frozenset(
    {
        "aws:backup/vault:Vault",
        "aws:cloudfront/distribution:Distribution",
        "aws:cloudwatch/logGroup:LogGroup",
        "aws:cloudwatch/metricAlarm:MetricAlarm",
        "aws:ec2/routeTable:RouteTable",
        "aws:ec2/securityGroup:SecurityGroup",
        "aws:ec2/subnet:Subnet",
        "aws:ec2/vpc:Vpc",
        "aws:elasticache/replicationGroup:ReplicationGroup",
        "aws:kms/key:Key",
        "aws:lambda/function:Function",
        "aws:lb/loadBalancer:LoadBalancer",
        "aws:lb/targetGroup:TargetGroup",
        "aws:rds/instance:Instance",
        "aws:s3/bucket:Bucket",
        "aws:secretsmanager/secret:Secret",
        "aws:sns/topic:Topic",
        "aws:sqs/queue:Queue",
    }
)
"""Types whose tags moto's Resource Groups Tagging API knows."""


class Rule(NamedTuple):
    """A rule of a security group by what it lets through, whoever wrote it."""

    egress: bool
    protocol: str
    from_port: int
    to_port: int
    peer: str

    def __str__(self) -> str:
        """Read as a person would say it."""
        ports = "" if self.from_port == -1 else f" {self.from_port}"
        ports += f"-{self.to_port}" if self.to_port != self.from_port else ""
        protocol = "everything" if self.protocol == "-1" else self.protocol
        return f"{protocol}{ports} {'to' if self.egress else 'from'} {self.peer}"

    @property
    def lets_the_world_in(self) -> bool:
        """Whether anybody may begin to talk."""
        return not self.egress and self.peer in WORLD


def rules(resources: Sequence[Mapping[str, Any]], clients: Clients, reported: Collection[str]) -> Iterator[Drift]:
    """Rules in the stack's groups that nobody wrote down, and those that say something else than their resource.

    Args:
        resources: of the state, as the engine stores them.
        clients: how to ask.
        reported: URNs of which the refresh has told something already.
    """
    groups = {one["id"]: one for one in resources if one["type"] in GROUPS and one["urn"] not in reported}
    known = {one["id"]: one for one in resources if one["type"] in RULES}
    for region in sorted({_region(one) for one in groups.values()}):
        mine = sorted(id_ for id_, one in groups.items() if _region(one) == region)
        expected = {id_: set(_inside(groups[id_])) for id_ in mine}
        for found in _described(clients, region, mine):
            group = groups[found["GroupId"]]
            rule, resource = _of_api(found), known.get(found["SecurityGroupRuleId"])
            if resource is not None:
                wanted = _of_resource(resource)
                if rule != wanted and resource["urn"] not in reported:
                    kind = Kind.OPENED if rule.lets_the_world_in and not wanted.lets_the_world_in else Kind.CHANGED
                    yield Drift(kind, resource["urn"], resource["type"], "rule", str(wanted), str(rule))
            elif rule in expected[group["id"]]:
                expected[group["id"]].discard(rule)
            elif not found.get("Description", "").startswith(CONTROLLER):
                kind = Kind.OPENED if rule.lets_the_world_in else Kind.UNMANAGED
                yield Drift(kind, group["urn"], group["type"], "a rule of nobody", GONE, str(rule))
        for id_, missing in expected.items():
            for rule in sorted(missing):
                yield Drift(Kind.CHANGED, groups[id_]["urn"], groups[id_]["type"], "rule", str(rule), GONE)


def _described(clients: Clients, region: str, groups: Sequence[str]) -> Iterator[dict[str, Any]]:
    pages = clients.get("ec2", region).get_paginator("describe_security_group_rules")
    # A filter takes 200 values at most.
    for start in range(0, len(groups), 200):
        for page in pages.paginate(Filters=[{"Name": "group-id", "Values": list(groups[start : start + 200])}]):
            yield from page["SecurityGroupRules"]


def _region(resource: Mapping[str, Any]) -> str:
    return str(resource["outputs"].get("region") or resource["outputs"]["arn"].split(":")[3])


def _of_api(found: Mapping[str, Any]) -> Rule:
    group = (found.get("ReferencedGroupInfo") or {}).get("GroupId")
    peer = found.get("CidrIpv4") or found.get("CidrIpv6") or found.get("PrefixListId") or group
    return _rule(bool(found["IsEgress"]), found["IpProtocol"], found.get("FromPort"), found.get("ToPort"), str(peer))


def _of_resource(resource: Mapping[str, Any]) -> Rule:
    inputs = resource["inputs"]
    peers = ("cidrIpv4", "cidrIpv6", "prefixListId", "referencedSecurityGroupId")
    peer = next((str(inputs[key]) for key in peers if inputs.get(key)), "None")
    egress = resource["type"].endswith("EgressRule")
    return _rule(egress, inputs["ipProtocol"], inputs.get("fromPort"), inputs.get("toPort"), peer)


def _inside(group: Mapping[str, Any]) -> Iterator[Rule]:
    """The rules that are written inside a group."""
    for direction in ("ingress", "egress"):
        for rule in group["inputs"].get(direction) or ():
            peers = [
                *(rule.get("cidrBlocks") or ()),
                *(rule.get("ipv6CidrBlocks") or ()),
                *(rule.get("prefixListIds") or ()),
                *(rule.get("securityGroups") or ()),
                *([group["id"]] if rule.get("self") else ()),
            ]
            for peer in peers:
                yield _rule(direction == "egress", rule["protocol"], rule["fromPort"], rule["toPort"], peer)


def _rule(egress: bool, protocol: Any, from_port: Any, to_port: Any, peer: str) -> Rule:  # noqa: FBT001 a row of values
    """One spelling for all; without ports where every protocol is meant, as AWS writes it."""
    if str(protocol) in {"-1", "all"}:
        return Rule(egress, "-1", -1, -1, peer)
    first = -1 if from_port is None else int(from_port)
    return Rule(egress, str(protocol), first, -1 if to_port is None else int(to_port), peer)


def tags(resources: Sequence[Mapping[str, Any]], clients: Clients, reported: Collection[str]) -> Iterator[Drift]:
    """Objects on the local cloud that have lost the tag that names them; on AWS the refresh sees that itself.

    The local cloud's providers do not read tags back.
    """
    tagged = [
        one
        for one in resources
        if one["type"] in SAY_TAGS and one["urn"] not in reported and URN_TAG in (one["inputs"].get("tags") or {})
    ]
    regions = {_region(one) if one["outputs"].get("region") else "us-east-1" for one in tagged}
    have = {arn for region in sorted(regions) for arn in _wearing(clients, region)}
    for one in tagged:
        if one["outputs"].get("arn") not in have:
            yield Drift(Kind.UNTAGGED, one["urn"], one["type"], "tags", f"{URN_TAG} {HERE}", GONE)


def _wearing(clients: Clients, region: str) -> Iterator[str]:
    pages = clients.get("resourcegroupstaggingapi", region).get_paginator("get_resources")
    for page in pages.paginate(TagFilters=[{"Key": URN_TAG}]):
        yield from (one["ResourceARN"] for one in page["ResourceTagMappingList"])
