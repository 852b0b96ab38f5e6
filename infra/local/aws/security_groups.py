"""EC2: security groups and their rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.local.aws.calls import call
from infra.local.aws.kind import Context, Kind, Values
from infra.local.aws.table import ApiKind, arn


def _permission(rule: Values) -> Values:
    """A rule written inside its group, as the API takes it."""
    note = {"Description": rule["description"]} if rule.get("description") else {}
    groups = [*(rule.get("securityGroups") or [])]
    permission: dict[str, Any] = {"IpProtocol": str(rule["protocol"])}
    if permission["IpProtocol"] != "-1":
        permission |= {"FromPort": int(rule["fromPort"]), "ToPort": int(rule["toPort"])}
    permission["IpRanges"] = [{"CidrIp": each, **note} for each in rule.get("cidrBlocks") or []]
    permission["Ipv6Ranges"] = [{"CidrIpv6": each, **note} for each in rule.get("ipv6CidrBlocks") or []]
    permission["PrefixListIds"] = [{"PrefixListId": each, **note} for each in rule.get("prefixListIds") or []]
    permission["UserIdGroupPairs"] = [{"GroupId": each, **note} for each in groups]
    return {key: value for key, value in permission.items() if value != []}


def _inline_rules(ctx: Context, id_: str, old: Values, new: Values) -> None:
    """Bring the rules that are written inside a group; a new group starts without AWS's own."""
    client = ctx.client("ec2")
    calls = {
        "ingress": (client.revoke_security_group_ingress, client.authorize_security_group_ingress),
        "egress": (client.revoke_security_group_egress, client.authorize_security_group_egress),
    }
    if not old:
        # A VPC's default group lets its members talk, and every group may send anything: the provider takes both away.
        own = client.describe_security_groups(GroupIds=[id_])["SecurityGroups"][0]
        for direction, key in {"ingress": "IpPermissions", "egress": "IpPermissionsEgress"}.items():
            if own[key]:
                calls[direction][0](GroupId=id_, IpPermissions=own[key])
    for direction, (revoke, authorize) in calls.items():
        before, after = old.get(direction) or [], new.get(direction) or []
        if gone := [_permission(rule) for rule in before if rule not in after]:
            revoke(GroupId=id_, IpPermissions=gone)
        if added := [_permission(rule) for rule in after if rule not in before]:
            authorize(GroupId=id_, IpPermissions=added)


def _group_inputs(_: Context, values: Values) -> Values:
    """The API insists on a description; the provider's default is Pulumi's."""
    return {**values, "description": values.get("description") or "Managed by Pulumi"}


def _rule_permission(_: Context, values: Values) -> Values:
    """A rule that is a resource, as the API takes it."""
    note = {"Description": values["description"]} if values.get("description") else {}
    sources = {
        "cidrIpv4": ("IpRanges", "CidrIp"),
        "cidrIpv6": ("Ipv6Ranges", "CidrIpv6"),
        "prefixListId": ("PrefixListIds", "PrefixListId"),
        "referencedSecurityGroupId": ("UserIdGroupPairs", "GroupId"),
    }
    permission: dict[str, Any] = {
        "IpProtocol": str(values["ipProtocol"]),
        **{name: [{key: values[given], **note}] for given, (name, key) in sources.items() if values.get(given)},
    }
    for given, name in {"fromPort": "FromPort", "toPort": "ToPort"}.items():
        if values.get(given) is not None:
            permission[name] = int(values[given])
    tags = {"tags": values["tags"]} if values.get("tags") else {}
    return {"ipPermissions": [permission], "groupId": values["securityGroupId"], **tags}


def _change_rule(ctx: Context, id_: str, old: Values, new: Values) -> None:
    keys = ("cidrIpv4", "cidrIpv6", "prefixListId", "referencedSecurityGroupId", "ipProtocol", "fromPort", "toPort")
    if not old or all(old.get(key) == new.get(key) for key in (*keys, "description")):
        return
    rule = {
        "IpProtocol": str(new["ipProtocol"]),
        "FromPort": int(new.get("fromPort", -1)),
        "ToPort": int(new.get("toPort", -1)),
        "CidrIpv4": new.get("cidrIpv4"),
        "CidrIpv6": new.get("cidrIpv6"),
        "PrefixListId": new.get("prefixListId"),
        "ReferencedGroupId": new.get("referencedSecurityGroupId"),
        "Description": new.get("description"),
    }
    rule = {key: value for key, value in rule.items() if value is not None}
    ctx.client("ec2").modify_security_group_rules(
        GroupId=new["securityGroupId"], SecurityGroupRules=[{"SecurityGroupRuleId": id_, "SecurityGroupRule": rule}]
    )


def _rule(direction: str) -> ApiKind:
    return ApiKind(
        service="ec2",
        make=call(f"authorize_security_group_{direction}"),
        prepare=_rule_permission,
        id="SecurityGroupRules[0].SecurityGroupRuleId",
        find=call("describe_security_group_rules", SecurityGroupRuleIds=["{id}"]),
        at="SecurityGroupRules[0]",
        outputs={
            "arn": arn("ec2", "security-group-rule/{id}"),
            "securityGroupRuleId": "SecurityGroupRuleId",
        },
        watched={"cidrIpv4": "CidrIpv4"},
        settle=_change_rule,
        drop=call(f"revoke_security_group_{direction}", GroupId="{securityGroupId}", SecurityGroupRuleIds=["{id}"]),
        tags="ec2",
        ec2_type="security-group-rule",
    )


_GROUP = {"arn": arn("ec2", "security-group/{id}"), "name": "GroupName", "ownerId": "OwnerId", "vpcId": "VpcId"}

KINDS: Mapping[str, Kind] = {
    "aws:ec2/securityGroup:SecurityGroup": ApiKind(
        service="ec2",
        make=call("create_security_group"),
        prepare=_group_inputs,
        rename={"name": "GroupName"},
        id="GroupId",
        find=call("describe_security_groups", GroupIds=["{id}"]),
        at="SecurityGroups[0]",
        outputs={**_GROUP, "description": "Description"},
        settle=_inline_rules,
        drop=call("delete_security_group", GroupId="{id}"),
        named=("name", 255),
        tags="ec2",
        ec2_type="security-group",
    ),
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": ApiKind(
        service="ec2",
        make=call(
            "describe_security_groups",
            Filters=[{"Name": "vpc-id", "Values": ["{vpcId}"]}, {"Name": "group-name", "Values": ["default"]}],
        ),
        id="SecurityGroups[0].GroupId",
        find=call("describe_security_groups", GroupIds=["{id}"]),
        at="SecurityGroups[0]",
        outputs={**_GROUP, "description": "Description"},
        settle=_inline_rules,
        # Nothing deletes it but its VPC: the provider only lets go of it.
        tags="ec2",
    ),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": _rule("ingress"),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": _rule("egress"),
}
